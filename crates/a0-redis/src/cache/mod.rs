//! The cache adapters: what they have in common, and the one for blocking callers.

#[cfg(feature = "async")]
pub(crate) mod asynchronous;
mod command;

use std::fmt;
use std::time::{Duration, Instant};

use a0_discovery::{CacheAdapter, CacheAdapterError};
use redis::{Cmd, Value};

use self::command::{Names, Sweep, read_count, read_is_set, read_okay, read_value};
use crate::driver::blocking::Driver;
use crate::error::RedisError;

/// A [`CacheAdapter`] in Redis, for the keys of issuers.
///
/// Whoever can write to this Redis can plant entries: pass an
/// [`EntryKeys`](a0_discovery::EntryKeys) with the adapter, so that they are ignored. The adapter
/// [has leases](CacheAdapter::has_leases), so that one of several processes fetches for all.
///
/// A call takes no longer than the [time limit](crate::RedisBuilder::time_limit), except
/// [`clear`](CacheAdapter::clear), which goes through all keys of each server with `SCAN`: each of
/// its commands has the time limit, and no command is begun after 60 s.
///
/// ```no_run
/// use a0_discovery::CacheAdapter;
/// use a0_redis::RedisBuilder;
///
/// let cache = RedisBuilder::new("redis://127.0.0.1:6379").cache()?;
/// let cache: std::sync::Arc<dyn CacheAdapter> = std::sync::Arc::new(cache);
/// # Ok::<(), a0_redis::InvalidOption>(())
/// ```
pub struct RedisCache {
    driver: Driver,
    names: Names,
}

impl RedisCache {
    pub(crate) fn new(driver: Driver, prefix: &str) -> Self {
        RedisCache {
            driver,
            names: Names::new(prefix),
        }
    }

    fn call<T>(
        &self,
        (name, command): (String, Cmd),
        read: impl FnOnce(Value) -> Result<T, RedisError>,
    ) -> Result<T, CacheAdapterError> {
        let answer = self.driver.call(name.as_bytes(), &command);
        answer.and_then(read).map_err(CacheAdapterError::new)
    }

    fn clear_all(&self) -> Result<(), RedisError> {
        let began = Instant::now();
        for server in self.driver.servers()? {
            let mut sweep = Sweep::begin(began);
            while let Some(scan) = sweep.next(&self.names)? {
                let names = sweep.take_names(self.driver.call_server(&server, &scan)?)?;
                for name in names {
                    self.driver.call(&name, &sweep.delete(&name)?)?;
                }
            }
        }
        Ok(())
    }
}

impl CacheAdapter for RedisCache {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        self.call(self.names.get(key), read_value)
    }

    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        self.call(self.names.set(key, value, ttl), read_okay)
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        self.call(self.names.set_if_absent(key, value, ttl), read_is_set)
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        self.call(self.names.delete(key), read_count).map(drop)
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        self.clear_all().map_err(CacheAdapterError::new)
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn set_if_equal(
        &self,
        key: &str,
        expected: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        let command = self.names.set_if_equal(key, expected, value, ttl);
        self.call(command, read_count)
    }

    fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
        self.call(self.names.delete_if_equal(key, value), read_count)
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names.debug("RedisCache", formatter)
    }
}
