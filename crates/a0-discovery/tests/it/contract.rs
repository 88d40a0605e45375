//! The contract of a cache adapter: the cache in memory keeps it, and each case finds an adapter
//! that breaks it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::contract_tests::{cases, check};
use a0_discovery::{CacheAdapter, CacheAdapterError, InMemoryCache};

#[test]
fn the_cache_in_memory_keeps_the_contract() {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let clock = Arc::clone(&seconds);
    let cache = InMemoryCache::new(100)
        .clock(move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst)));
    let advance = |by: Duration| {
        seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
    };
    check(&cache, Some(&advance)).unwrap();
    let shared: Arc<dyn CacheAdapter> = Arc::new(cache);
    check(&shared, Some(&advance)).unwrap();
    assert_eq!(cases(&shared, Some(&advance)).len(), 11);
    assert_eq!(cases(&shared, None).len(), 10);
}

/// How an adapter breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Defect {
    KeepsTheFirstValue,
    IgnoresCase,
    DeletesNothing,
    ClearsNothing,
    SetsPresentValues,
    ReadsThenWrites,
    ReplacesAnything,
    NeverExpires,
    ReadsThenReplaces,
    DeletesAnything,
    AlwaysDeletes,
}

struct Broken {
    defect: Defect,
    values: Mutex<HashMap<String, String>>,
    /// Holds the eight threads of a race between reading and writing.
    all_have_read: Barrier,
}

impl Broken {
    fn values(&self) -> std::sync::MutexGuard<'_, HashMap<String, String>> {
        self.values.lock().unwrap()
    }
}

impl CacheAdapter for Broken {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        let key = match self.defect {
            Defect::IgnoresCase => key.to_lowercase(),
            _ => key.to_owned(),
        };
        Ok(self.values().get(&key).cloned())
    }

    fn set(&self, key: &str, value: &str, _: Duration) -> Result<(), CacheAdapterError> {
        let key = match self.defect {
            Defect::IgnoresCase => key.to_lowercase(),
            _ => key.to_owned(),
        };
        let mut values = self.values();
        match self.defect {
            Defect::KeepsTheFirstValue => values.entry(key).or_insert(value.to_owned()).clone(),
            _ => values.insert(key, value.to_owned()).unwrap_or_default(),
        };
        Ok(())
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        _: Duration,
    ) -> Result<bool, CacheAdapterError> {
        let is_absent = !self.values().contains_key(key);
        if self.defect == Defect::ReadsThenWrites {
            self.all_have_read.wait();
        }
        if is_absent || self.defect == Defect::SetsPresentValues {
            self.values().insert(key.to_owned(), value.to_owned());
        }
        Ok(is_absent)
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        if self.defect != Defect::DeletesNothing {
            self.values().remove(key);
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        if self.defect != Defect::ClearsNothing {
            self.values().clear();
        }
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
        _: Duration,
    ) -> Result<bool, CacheAdapterError> {
        let is_equal = self
            .values()
            .get(key)
            .is_some_and(|found| found == expected);
        if self.defect == Defect::ReadsThenReplaces {
            self.all_have_read.wait();
        }
        if is_equal || self.defect == Defect::ReplacesAnything {
            self.values().insert(key.to_owned(), value.to_owned());
        }
        Ok(is_equal)
    }

    fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
        let mut values = self.values();
        let is_equal = values.get(key).is_some_and(|found| found == value);
        if is_equal || self.defect == Defect::DeletesAnything {
            values.remove(key);
        }
        Ok(is_equal || self.defect == Defect::AlwaysDeletes)
    }
}

#[test]
fn each_case_finds_an_adapter_that_breaks_it() {
    let broken = [
        ("a_value_is_replaced", Defect::KeepsTheFirstValue),
        ("keys_and_values_are_exact", Defect::IgnoresCase),
        ("a_deleted_value_is_gone", Defect::DeletesNothing),
        ("a_cleared_adapter_is_empty", Defect::ClearsNothing),
        ("a_present_value_is_not_set", Defect::SetsPresentValues),
        (
            "one_of_many_callers_sets_an_absent_value",
            Defect::ReadsThenWrites,
        ),
        ("only_an_equal_value_is_replaced", Defect::ReplacesAnything),
        ("a_value_expires", Defect::NeverExpires),
        (
            "one_of_many_callers_replaces_a_value",
            Defect::ReadsThenReplaces,
        ),
        ("only_an_equal_value_is_deleted", Defect::DeletesAnything),
        ("one_of_many_callers_deletes_a_value", Defect::AlwaysDeletes),
    ];
    let advance = |_: Duration| ();
    for (index, (name, defect)) in broken.into_iter().enumerate() {
        let adapter = Broken {
            defect,
            values: Mutex::default(),
            all_have_read: Barrier::new(8),
        };
        let case = &cases(&adapter, Some(&advance))[index];
        let violation = case.run(&adapter, Some(&advance)).unwrap_err();
        assert_eq!((case.name(), violation.case()), (name, name));
    }
}

/// An adapter that was written before leases is still one.
#[test]
fn an_adapter_without_leases_is_checked_without_them() {
    struct Old(InMemoryCache);
    impl CacheAdapter for Old {
        fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
            self.0.get(key)
        }
        fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
            self.0.set(key, value, ttl)
        }
        fn set_if_absent(
            &self,
            key: &str,
            value: &str,
            ttl: Duration,
        ) -> Result<bool, CacheAdapterError> {
            self.0.set_if_absent(key, value, ttl)
        }
        fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
            self.0.delete(key)
        }
        fn clear(&self) -> Result<(), CacheAdapterError> {
            self.0.clear()
        }
    }
    let adapter = Old(InMemoryCache::new(100));
    check(&adapter, None).unwrap();
    assert_eq!(cases(&adapter, None).len(), 7);
    assert!(!adapter.has_leases() && !adapter.delete_if_equal("a", "1").unwrap());
}

/// So is an async one. Its `set_if_equal` is made of the calls that it has.
#[test]
fn an_async_adapter_without_leases_compares_and_sets() {
    use a0_discovery::asynchronous::{AdapterFuture, AsyncCacheAdapter};

    struct Old(InMemoryCache);
    impl AsyncCacheAdapter for Old {
        fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>> {
            AsyncCacheAdapter::get(&self.0, key)
        }
        fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()> {
            AsyncCacheAdapter::set(&self.0, key, value, ttl)
        }
        fn set_if_absent<'a>(
            &'a self,
            key: &'a str,
            value: &'a str,
            ttl: Duration,
        ) -> AdapterFuture<'a, bool> {
            AsyncCacheAdapter::set_if_absent(&self.0, key, value, ttl)
        }
        fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()> {
            AsyncCacheAdapter::delete(&self.0, key)
        }
        fn clear(&self) -> AdapterFuture<'_, ()> {
            AsyncCacheAdapter::clear(&self.0)
        }
    }
    let minute = Duration::from_secs(60);
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let adapter: Arc<dyn AsyncCacheAdapter> = Arc::new(Old(InMemoryCache::new(100)));
        assert!(!adapter.has_leases());
        // (expected, value, whether it is set, the value afterwards)
        for (expected, value, is_set, after) in [
            ("1", "2", false, None),
            ("", "2", false, None),
            ("1", "2", true, Some("2")),
            ("1", "3", false, Some("2")),
            ("2", "3", true, Some("3")),
        ] {
            if is_set && expected == "1" {
                adapter.set("a", "1", minute).await.unwrap();
            }
            let set = adapter.set_if_equal("a", expected, value, minute).await;
            assert_eq!(set.unwrap(), is_set, "{expected} {value}");
            assert_eq!(adapter.get("a").await.unwrap().as_deref(), after);
        }
        assert!(!adapter.delete_if_equal("a", "3").await.unwrap());
    });
}
