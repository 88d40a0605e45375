//! The cache adapter for async callers.

use std::fmt;
use std::time::{Duration, Instant};

use a0_discovery::CacheAdapterError;
use a0_discovery::asynchronous::{AdapterFuture, AsyncCacheAdapter};
use redis::{Cmd, Value};

use super::command::{Names, Sweep, read_count, read_is_set, read_okay, read_value};
use crate::driver::asynchronous::Driver;
use crate::error::RedisError;

/// As [`RedisCache`](crate::RedisCache), for async callers. Needs the feature `async`.
///
/// It runs on tokio, with I/O and time enabled. A call outside of a runtime fails with
/// [`RedisError::NoRuntime`].
///
/// ```no_run
/// use a0_discovery::asynchronous::AsyncCacheAdapter;
/// use a0_redis::RedisBuilder;
///
/// let cache = RedisBuilder::new("redis://127.0.0.1:6379").async_cache()?;
/// let cache: std::sync::Arc<dyn AsyncCacheAdapter> = std::sync::Arc::new(cache);
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

    fn call<'a, T: 'static>(
        &'a self,
        (name, command): (String, Cmd),
        read: fn(Value) -> Result<T, RedisError>,
    ) -> AdapterFuture<'a, T> {
        Box::pin(async move {
            let answer = self.driver.call(name.as_bytes(), &command).await;
            answer.and_then(read).map_err(CacheAdapterError::new)
        })
    }

    async fn clear_all(&self) -> Result<(), RedisError> {
        let began = Instant::now();
        for server in self.driver.servers().await? {
            let mut sweep = Sweep::begin(began);
            while let Some(scan) = sweep.next(&self.names)? {
                let found = self.driver.call_server(&server, &scan).await?;
                for name in sweep.take_names(found)? {
                    self.driver.call(&name, &sweep.delete(&name)?).await?;
                }
            }
        }
        Ok(())
    }
}

impl AsyncCacheAdapter for RedisCache {
    fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>> {
        self.call(self.names.get(key), read_value)
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()> {
        self.call(self.names.set(key, value, ttl), read_okay)
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        self.call(self.names.set_if_absent(key, value, ttl), read_is_set)
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()> {
        self.call(self.names.delete(key), |answer| {
            read_count(answer).map(drop)
        })
    }

    fn clear(&self) -> AdapterFuture<'_, ()> {
        Box::pin(async { self.clear_all().await.map_err(CacheAdapterError::new) })
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn set_if_equal<'a>(
        &'a self,
        key: &'a str,
        expected: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        self.call(
            self.names.set_if_equal(key, expected, value, ttl),
            read_count,
        )
    }

    fn delete_if_equal<'a>(&'a self, key: &'a str, value: &'a str) -> AdapterFuture<'a, bool> {
        self.call(self.names.delete_if_equal(key, value), read_count)
    }
}

impl fmt::Debug for RedisCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names.debug("RedisCache", formatter)
    }
}
