//! The contract of a cache adapter: a second level behind the memory of one process.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A key-value store that several processes share, such as a Redis server.
///
/// # Write access
///
/// The stored documents contain the keys that verify tokens. A [`KeyCache`](crate::KeyCache) with
/// [`EntryKeys`](crate::EntryKeys) ignores documents that its fleet did not store. Without them, whoever
/// can write to the store decides which tokens are accepted. In both cases they can make every process
/// fetch for itself. The documents are public and need not be kept secret.
///
/// # Implementations
///
/// - A value expires after `ttl`. The store may drop it earlier.
/// - [`set_if_absent`](CacheAdapter::set_if_absent) is atomic across all processes: of any number
///   of callers, only one gets `true` until the value expires.
/// - [`set_if_equal`](CacheAdapter::set_if_equal) and
///   [`delete_if_equal`](CacheAdapter::delete_if_equal) are atomic too, in a store that
///   [has leases](CacheAdapter::has_leases).
/// - Every call returns within a bounded time, because a request may be waiting for it.
///
/// A method returns an error if the store cannot carry out the call. If that happens, or if an
/// entry is unusable, a [`KeyCache`](crate::KeyCache) counts it and goes on as if the entry were
/// absent.
///
/// ```
/// use std::time::Duration;
/// use a0_discovery::{CacheAdapter, InMemoryCache};
///
/// let cache = InMemoryCache::new(100);
/// cache.set("a", "1", Duration::from_secs(60))?;
/// assert_eq!(cache.get("a")?.as_deref(), Some("1"));
/// assert!(!cache.set_if_absent("a", "2", Duration::from_secs(60))?);
/// # Ok::<(), a0_discovery::CacheAdapterError>(())
/// ```
pub trait CacheAdapter: Send + Sync {
    /// Returns the value of `key`, if there is one.
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError>;

    /// Stores `value` for `ttl` and replaces any earlier value.
    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError>;

    /// Stores `value` for `ttl` unless the key has a value, in one atomic step. Returns whether it
    /// was stored. Processes elect one of them for a task with it.
    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError>;

    /// Removes the value of `key`, if there is one.
    fn delete(&self, key: &str) -> Result<(), CacheAdapterError>;

    /// Removes every value that this adapter may have written.
    fn clear(&self) -> Result<(), CacheAdapterError>;

    /// Returns whether several processes can agree through this store which one of them does a
    /// task: one takes a lease with [`set_if_absent`](CacheAdapter::set_if_absent) and a value of
    /// its own, and gives it back with [`delete_if_equal`](CacheAdapter::delete_if_equal). A `KeyCache`
    /// takes such a lease before it fetches. The default is `false`: each process works for itself. An adapter that returns `true` implements
    /// [`set_if_equal`](CacheAdapter::set_if_equal) and `delete_if_equal` too.
    fn has_leases(&self) -> bool {
        false
    }

    /// Stores `value` for `ttl` if the value of `key` is `expected`, in one atomic step. Returns
    /// whether it was stored. A process that compared its document with `expected` must not replace
    /// one that it has not seen.
    ///
    /// The default calls [`get`](CacheAdapter::get) and then [`set`](CacheAdapter::set), for stores
    /// without leases: a value that another process stores between the two calls is lost.
    fn set_if_equal(
        &self,
        key: &str,
        expected: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        let is_equal = self.get(key)?.as_deref() == Some(expected);
        if is_equal {
            self.set(key, value, ttl)?;
        }
        Ok(is_equal)
    }

    /// Removes the value of `key` if it is `value`, in one atomic step. Returns whether it was
    /// removed. A process whose lease has expired must not remove the lease of the next one.
    ///
    /// The default removes nothing, for stores without leases.
    fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
        let _ = (key, value);
        Ok(false)
    }
}

impl<T: CacheAdapter + ?Sized> CacheAdapter for Arc<T> {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        (**self).get(key)
    }

    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        (**self).set(key, value, ttl)
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        (**self).set_if_absent(key, value, ttl)
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        (**self).delete(key)
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        (**self).clear()
    }

    fn has_leases(&self) -> bool {
        (**self).has_leases()
    }

    fn set_if_equal(
        &self,
        key: &str,
        expected: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        (**self).set_if_equal(key, expected, value, ttl)
    }

    fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
        (**self).delete_if_equal(key, value)
    }
}

/// A [`CacheAdapter`] failed. `source()` has the store's own error.
#[derive(Clone)]
pub struct CacheAdapterError(Arc<dyn Error + Send + Sync>);

impl CacheAdapterError {
    /// Wraps the store's own error. It must not contain credentials, because logs print it.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        CacheAdapterError(Arc::from(cause.into()))
    }
}

impl fmt::Display for CacheAdapterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the cache adapter failed")
    }
}

impl fmt::Debug for CacheAdapterError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("CacheAdapterError")
            .finish_non_exhaustive()
    }
}

impl Error for CacheAdapterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}
