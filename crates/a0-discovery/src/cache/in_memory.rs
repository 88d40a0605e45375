//! A cache adapter in the memory of one process.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use a0_jose::NumericDate;
use lru::LruCache;

use super::adapter::{CacheAdapter, CacheAdapterError};
use super::shared::{Clock, lock};
use crate::fetch::elapsed;

/// A [`CacheAdapter`] in the memory of one process, for tests and for several clients in one
/// process.
///
/// It holds a limited number of values. At the limit it drops an expired value, or else the least
/// recently used one.
pub struct InMemoryCache {
    max_entries: NonZeroUsize,
    entries: Mutex<LruCache<String, Entry>>,
    clock: Clock,
}

struct Entry {
    value: String,
    set_at: NumericDate,
    ttl: Duration,
}

impl InMemoryCache {
    /// Creates a cache for `max_entries` values, at least one.
    pub fn new(max_entries: usize) -> Self {
        InMemoryCache {
            max_entries: NonZeroUsize::new(max_entries).unwrap_or(NonZeroUsize::MIN),
            // `put` enforces the limit: a bounded `LruCache` allocates all its entries at once.
            entries: Mutex::new(LruCache::unbounded()),
            clock: Clock::default(),
        }
    }

    /// Overrides the system clock.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock::new(now);
        self
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<String, Entry>> {
        lock(&self.entries)
    }

    fn put(
        &self,
        entries: &mut LruCache<String, Entry>,
        (key, value): (&str, &str),
        ttl: Duration,
        now: NumericDate,
    ) {
        let entry = Entry {
            value: value.to_owned(),
            set_at: now,
            ttl,
        };
        entries.put(key.to_owned(), entry);
        if entries.len() > self.max_entries.get() {
            let expired = entries.iter().rev().find(|(_, entry)| !entry.is_alive(now));
            match expired.map(|(key, _)| key.clone()) {
                Some(key) => entries.pop(&key),
                None => entries.pop_lru().map(|(_, entry)| entry),
            };
        }
    }
}

impl Entry {
    fn is_alive(&self, now: NumericDate) -> bool {
        elapsed(self.set_at, now) < self.ttl
    }
}

/// Returns the value of `key`, and removes it if it has expired.
fn get_alive<'e>(
    entries: &'e mut LruCache<String, Entry>,
    key: &str,
    now: NumericDate,
) -> Option<&'e str> {
    if entries.peek(key).is_some_and(|entry| !entry.is_alive(now)) {
        entries.pop(key);
    }
    entries.get(key).map(|entry| &*entry.value)
}

impl CacheAdapter for InMemoryCache {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        let now = self.clock.now();
        Ok(get_alive(&mut self.lock(), key, now).map(str::to_owned))
    }

    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        let now = self.clock.now();
        self.put(&mut self.lock(), (key, value), ttl, now);
        Ok(())
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        let now = self.clock.now();
        let mut entries = self.lock();
        let is_absent = get_alive(&mut entries, key, now).is_none();
        if is_absent {
            self.put(&mut entries, (key, value), ttl, now);
        }
        Ok(is_absent)
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        self.lock().pop(key);
        Ok(())
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        self.lock().clear();
        Ok(())
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
        let now = self.clock.now();
        let mut entries = self.lock();
        let is_equal = get_alive(&mut entries, key, now) == Some(expected);
        if is_equal {
            self.put(&mut entries, (key, value), ttl, now);
        }
        Ok(is_equal)
    }

    fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
        let now = self.clock.now();
        let mut entries = self.lock();
        let is_equal = get_alive(&mut entries, key, now) == Some(value);
        if is_equal {
            entries.pop(key);
        }
        Ok(is_equal)
    }
}

impl fmt::Debug for InMemoryCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InMemoryCache")
            .field("max_entries", &self.max_entries)
            .field("entries", &self.lock().len())
            .finish_non_exhaustive()
    }
}
