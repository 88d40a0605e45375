//! The cache adapter in the memory of one process.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_discovery::{CacheAdapter, InMemoryCache};

const START: i64 = 1_700_000_000;

#[test]
fn the_cache_in_memory_keeps_the_contract() {
    const MINUTE: Duration = Duration::from_secs(60);
    let seconds = Arc::new(AtomicI64::new(START));
    let clock = {
        let seconds = Arc::clone(&seconds);
        move || -> SystemTime {
            UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::SeqCst).unsigned_abs())
        }
    };
    let cache = InMemoryCache::new(2).clock(clock);
    let get = |key| cache.get(key).unwrap();
    let value = |text: &str| Some(text.to_owned());

    cache.set("a", "1", MINUTE).unwrap();
    cache.set("a", "2", MINUTE).unwrap();
    assert_eq!(get("a"), value("2"));
    assert!(!cache.set_if_absent("a", "3", MINUTE).unwrap());
    seconds.fetch_add(59, Ordering::SeqCst);
    assert_eq!(get("a"), value("2"));
    seconds.fetch_add(1, Ordering::SeqCst);
    assert_eq!(get("a"), None);
    assert!(cache.set_if_absent("a", "3", MINUTE).unwrap());
    assert_eq!(get("a"), value("3"));

    // The least recently used value is dropped first.
    cache.set("b", "1", MINUTE).unwrap();
    assert_eq!(get("a"), value("3"));
    cache.set("c", "1", MINUTE).unwrap();
    assert_eq!(["a", "b", "c"].map(get), [value("3"), None, value("1")]);

    // An expired value is dropped before a live one, whether or not it was looked up.
    for is_looked_up in [true, false] {
        cache.clear().unwrap();
        cache.set("b", "1", MINUTE).unwrap();
        cache.set("a", "1", Duration::from_secs(1)).unwrap();
        seconds.fetch_add(2, Ordering::SeqCst);
        if is_looked_up {
            assert_eq!(get("a"), None);
        }
        cache.set("c", "1", MINUTE).unwrap();
        assert_eq!(["a", "b", "c"].map(get), [None, value("1"), value("1")]);
    }

    cache.set("a", "3", MINUTE).unwrap();
    cache.delete("a").unwrap();
    cache.delete("a").unwrap();
    assert_eq!(["a", "c"].map(get), [None, value("1")]);
    cache.clear().unwrap();
    assert_eq!(get("c"), None);
    // `Debug` prints no values.
    cache.set("c", "canary", MINUTE).unwrap();
    assert!(!format!("{cache:?}").contains("canary"));
    // A capacity of zero counts as one.
    let least = InMemoryCache::new(0);
    least.set("a", "1", MINUTE).unwrap();
    assert!(least.get("a").unwrap().is_some());
}

#[test]
fn one_of_many_callers_sets_an_absent_value() {
    let cache = InMemoryCache::new(10);
    let start = Barrier::new(16);
    let winners = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    cache
                        .set_if_absent("a", "1", Duration::from_secs(60))
                        .unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|t| t.join().unwrap())
            .filter(|won| *won)
            .count()
    });
    assert_eq!(winners, 1);
}
