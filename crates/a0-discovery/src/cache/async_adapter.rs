//! Cache adapters for async callers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::adapter::{CacheAdapter, CacheAdapterError};
use super::in_memory::InMemoryCache;

/// The future that an [`AsyncCacheAdapter`] returns. It borrows the adapter and its arguments.
pub type AdapterFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, CacheAdapterError>> + Send + 'a>>;

/// A [`CacheAdapter`] for async callers. The same contract applies. It must not block, and each of
/// its futures must complete within a bounded time.
pub trait AsyncCacheAdapter: Send + Sync {
    /// As [`CacheAdapter::get`].
    fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>>;

    /// As [`CacheAdapter::set`].
    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()>;

    /// As [`CacheAdapter::set_if_absent`].
    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool>;

    /// As [`CacheAdapter::delete`].
    fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()>;

    /// As [`CacheAdapter::clear`].
    fn clear(&self) -> AdapterFuture<'_, ()>;

    /// As [`CacheAdapter::has_leases`].
    fn has_leases(&self) -> bool {
        false
    }

    /// As [`CacheAdapter::set_if_equal`].
    fn set_if_equal<'a>(
        &'a self,
        key: &'a str,
        expected: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        Box::pin(async move {
            let is_equal = self.get(key).await?.as_deref() == Some(expected);
            if is_equal {
                self.set(key, value, ttl).await?;
            }
            Ok(is_equal)
        })
    }

    /// As [`CacheAdapter::delete_if_equal`].
    fn delete_if_equal<'a>(&'a self, key: &'a str, value: &'a str) -> AdapterFuture<'a, bool> {
        let _ = (key, value);
        Box::pin(async { Ok(false) })
    }
}

impl<T: AsyncCacheAdapter + ?Sized> AsyncCacheAdapter for Arc<T> {
    fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>> {
        (**self).get(key)
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()> {
        (**self).set(key, value, ttl)
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        (**self).set_if_absent(key, value, ttl)
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()> {
        (**self).delete(key)
    }

    fn clear(&self) -> AdapterFuture<'_, ()> {
        (**self).clear()
    }

    fn has_leases(&self) -> bool {
        (**self).has_leases()
    }

    fn set_if_equal<'a>(
        &'a self,
        key: &'a str,
        expected: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        (**self).set_if_equal(key, expected, value, ttl)
    }

    fn delete_if_equal<'a>(&'a self, key: &'a str, value: &'a str) -> AdapterFuture<'a, bool> {
        (**self).delete_if_equal(key, value)
    }
}

/// The futures are ready at once.
impl AsyncCacheAdapter for InMemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>> {
        Box::pin(async move { CacheAdapter::get(self, key) })
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()> {
        Box::pin(async move { CacheAdapter::set(self, key, value, ttl) })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        Box::pin(async move { CacheAdapter::set_if_absent(self, key, value, ttl) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()> {
        Box::pin(async move { CacheAdapter::delete(self, key) })
    }

    fn clear(&self) -> AdapterFuture<'_, ()> {
        Box::pin(async move { CacheAdapter::clear(self) })
    }

    fn has_leases(&self) -> bool {
        CacheAdapter::has_leases(self)
    }

    fn set_if_equal<'a>(
        &'a self,
        key: &'a str,
        expected: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        Box::pin(async move { CacheAdapter::set_if_equal(self, key, expected, value, ttl) })
    }

    fn delete_if_equal<'a>(&'a self, key: &'a str, value: &'a str) -> AdapterFuture<'a, bool> {
        Box::pin(async move { CacheAdapter::delete_if_equal(self, key, value) })
    }
}
