//! A second level behind the memory of one process: what it must do, and what is kept in it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A store of texts that several processes share, such as a Redis server.
///
/// # Who can write to it decides whom the API trusts
///
/// The documents in it say by which keys tokens are verified. They pass every check that a fetched
/// document passes, but those checks cannot tell a planted key from the issuer's own. Give nobody
/// write access who may not also configure the API. What it holds is public: it need not be kept
/// secret.
///
/// # What an implementation owes
///
/// - A value lives for `ttl` at most; it may be gone earlier.
/// - [`set_if_absent`](CacheAdapter::set_if_absent) is atomic over all processes: of any number of
///   callers, one gets `true` until the value's time is over.
/// - A call comes back in bounded time: a caller of the API may be waiting for it.
///
/// A [`KeyCache`](crate::KeyCache) takes an error, a text that it cannot read, or a document that
/// fails a check for no entry at all, and counts it; none of them is an outage.
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
    /// The value of `key`, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError>;

    /// Puts `value` in place of what was there, for `ttl`.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError>;

    /// Puts `value` there for `ttl` unless there is one, and says whether it did: one step, for all
    /// processes. A `KeyCache` does not use it; it is what a fleet needs to agree on who acts.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError>;

    /// Removes a value, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    fn delete(&self, key: &str) -> Result<(), CacheAdapterError>;

    /// Removes every value that this adapter may have written.
    ///
    /// # Errors
    ///
    /// Whatever keeps the store from answering.
    fn clear(&self) -> Result<(), CacheAdapterError>;
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
}

/// A [`CacheAdapter`] could not answer. The store's own error is in `source()`.
#[derive(Clone)]
pub struct CacheAdapterError(Arc<dyn Error + Send + Sync>);

impl CacheAdapterError {
    /// Takes the store's own error, which must not hold credentials: sources are what logs print.
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
