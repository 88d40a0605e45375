//! The contract of a replay store, and the limits of the store in memory.

use std::collections::HashSet;
use std::error::Error;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use a0_dpop::{Htu, InMemoryReplayStore, ReplayKey, ReplayStore, ReplayStoreError, Seen};
use a0_jose::{NumericDate, Thumbprint, base64url_encode};
use proptest::prelude::*;

const URL: &str = "https://api.example.com/orders";

fn thumbprint(octet: u8) -> Thumbprint {
    base64url_encode([octet; 32]).parse().unwrap()
}

fn key_of(octet: u8, url: &str, jti: &str) -> ReplayKey {
    ReplayKey::new(&thumbprint(octet), &Htu::parse(url).unwrap(), jti)
}

fn key(jti: impl ToString) -> ReplayKey {
    key_of(1, URL, &jti.to_string())
}

fn at(seconds: f64) -> NumericDate {
    NumericDate::from_json(&seconds.into()).unwrap()
}

fn store(capacity: usize) -> InMemoryReplayStore {
    InMemoryReplayStore::with_capacity(NonZeroUsize::new(capacity).unwrap())
}

/// Calls the store and returns its answer.
fn see(store: &impl ReplayStore, jti: impl ToString, expires_at: f64, now: f64) -> Seen {
    store
        .check_and_insert(&key(jti), at(expires_at), at(now))
        .unwrap()
}

/// The contract of every store. A store with its own clock gets the current time as `now`. The
/// calls must finish within the second for which every key is held at least.
fn contract<S: ReplayStore>(store: &S, now: NumericDate) {
    let now = now.as_seconds();

    // A key is new once, whatever `expires_at` later calls have.
    assert_eq!(see(store, "once", now + 300.0, now), Seen::First);
    for expires_at in [
        now + 300.0,
        now + 300.0,
        now + 1.0,
        now,
        now - 9.0,
        now + 999.0,
    ] {
        assert_eq!(see(store, "once", expires_at, now), Seen::Before);
    }
    assert_eq!(see(store, "once", now + 300.0, now + 0.5), Seen::Before);

    // Another key, URL or jti makes another proof.
    let others = [
        key_of(2, URL, "once"),
        key_of(1, "https://api.example.com/order", "once"),
        key_of(1, URL, "Once"),
        key_of(1, URL, ""),
    ];
    for other in &others {
        let answers = [(); 2].map(|()| store.check_and_insert(other, at(now + 300.0), at(now)));
        assert_eq!(answers, [Ok(Seen::First), Ok(Seen::Before)]);
    }

    // Even with the shortest time to live, the second of two copies is detected.
    for (jti, expires_at) in [
        ("fraction", now + 0.001),
        ("edge", now),
        ("past", now - 1.0),
        ("long past", now - 1e6),
        ("before 1970", -1.0),
        ("lowest", f64::MIN),
        ("highest", f64::MAX),
        ("after 2106", 5e9),
        ("after i64", 1e19),
    ] {
        assert_eq!(see(store, jti, expires_at, now), Seen::First, "{jti}");
        assert_eq!(see(store, jti, expires_at, now), Seen::Before, "{jti}");
    }

    // Exactly one of many concurrent calls is the first.
    let keys: Vec<ReplayKey> = (0..200)
        .map(|number| key(format!("race {number}")))
        .collect();
    let firsts: Vec<AtomicUsize> = keys.iter().map(|_| AtomicUsize::new(0)).collect();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                for (key, firsts) in keys.iter().zip(&firsts) {
                    let seen = store.check_and_insert(key, at(now + 300.0), at(now));
                    if seen.unwrap() == Seen::First {
                        firsts.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    assert!(
        firsts
            .iter()
            .all(|firsts| firsts.load(Ordering::SeqCst) == 1)
    );
}

/// The contract of a store that has no clock except the `now` of its callers.
fn contract_over_time<S: ReplayStore>(store: &S) {
    assert_eq!(see(store, "a", 1300.0, 1000.0), Seen::First);
    for now in [1000.001, 1299.0, 1299.999, 1300.0] {
        assert_eq!(see(store, "a", 1300.0, now), Seen::Before, "{now}");
    }
    assert_eq!(see(store, "b", 1300.25, 1000.5), Seen::First);
    for now in [1300.0, 1300.249, 1300.25] {
        assert_eq!(see(store, "b", 1300.25, now), Seen::Before, "{now}");
    }

    // The clock runs ahead, other calls remove entries, and the clock is corrected.
    assert_eq!(see(store, "c", 2300.0, 2000.0), Seen::First);
    for number in 0..100 {
        assert_eq!(
            see(store, format!("ahead {number}"), 9300.0, 9000.0),
            Seen::First
        );
    }
    for now in [2000.0, 1000.0, 2300.0] {
        assert_eq!(see(store, "c", 2300.0, now), Seen::Before, "{now}");
    }
    assert_eq!(see(store, "later", 2400.0, 2100.0), Seen::First);

    // A proof is validated in time, but its call is late: its `now` is older than that of other
    // calls, which removed entries in the meantime. This holds exactly at the end of the window,
    // too.
    for (jti, start, late) in [("stale", 1e4, 299.0), ("stale at the end", 2e4, 300.0)] {
        let end = start + 300.0;
        assert_eq!(see(store, jti, end, start), Seen::First);
        for number in 0..200 {
            let _ = see(store, format!("{jti} {number}"), end + 320.0, end + 20.0);
        }
        assert_eq!(see(store, jti, end, start + late), Seen::Before, "{jti}");
    }
}

#[test]
fn the_in_memory_store_keeps_the_contract() {
    let now = at(1_900_000_000.4);
    contract(&InMemoryReplayStore::default(), now);
    contract(&store(1000), now);
    contract(&Arc::new(store(1_000_000)), now);
    let shared: Arc<dyn ReplayStore> = Arc::new(store(100_000));
    contract(&shared, now);
    // Clocks with absurd values.
    for now in [
        0.0,
        -1e9,
        4_294_967_294.5,
        4_294_967_295.0,
        1e10,
        1e300,
        f64::MAX,
        f64::MIN,
    ] {
        contract(&store(10_000), at(now));
    }

    contract_over_time(&InMemoryReplayStore::default());
    contract_over_time(&store(1000));
}

#[test]
fn each_part_of_a_replay_key_is_hashed_separately() {
    let keys: HashSet<ReplayKey> = [
        key_of(1, "https://h/a", "bc"),
        key_of(2, "https://h/a", "bc"),
        key_of(1, "https://h/ab", "c"),
        key_of(1, "https://h/", "abc"),
        key_of(1, "https://h/abc", ""),
        key_of(1, "https://h/a", "bc "),
        key_of(1, "https://h/a", "bC"),
        key_of(1, "http://h/a", "bc"),
        key_of(1, "https://h/a", "\0bc"),
    ]
    .into();
    assert_eq!(keys.len(), 9);
    assert_eq!(
        key_of(1, "https://h/a", "bc"),
        key_of(1, "HTTPS://H:443/x/../%61?q", "bc"),
        "the URL is normalised"
    );
}

/// Processes with different versions share a store, so these octets must not change.
#[test]
fn the_hashed_octets_are_stable() {
    // sha256(32 times 01, seven times 00, 0b, "https://h/a", "bc")
    let found = base64url_encode(key_of(1, "https://h/a", "bc").as_bytes());
    assert_eq!(found, "QLJXyC7-hCNV4UhwMplwjubn_CNLEB15XgyU-NWxByI");
}

#[test]
fn a_full_store_evicts_the_entry_nearest_its_expiry_and_counts_it() {
    let store = store(3);
    for (jti, expires_at) in [("b", 1200.0), ("a", 1100.0), ("c", 1300.0)] {
        assert_eq!(see(&store, jti, expires_at, 1000.0), Seen::First);
    }
    assert_eq!((store.len(), store.evicted(), store.capacity()), (3, 0, 3));

    // A key that is held already takes no room.
    assert_eq!(see(&store, "b", 1200.0, 1000.0), Seen::Before);
    assert_eq!((store.len(), store.evicted()), (3, 0));

    // `a` is evicted, although it came second.
    assert_eq!(see(&store, "d", 1250.0, 1000.0), Seen::First);
    assert_eq!((store.len(), store.evicted()), (3, 1));
    for jti in ["b", "c", "d"] {
        assert_eq!(see(&store, jti, 1300.0, 1000.0), Seen::Before, "{jti}");
    }

    // A new key is recorded even if it is the nearest its expiry: `b` is evicted, then the new key.
    assert_eq!(see(&store, "e", 1010.0, 1000.0), Seen::First);
    assert_eq!(see(&store, "e", 1010.0, 1000.0), Seen::Before);
    assert_eq!(see(&store, "f", 1400.0, 1000.0), Seen::First);
    for jti in ["c", "d", "f"] {
        assert_eq!(see(&store, jti, 1400.0, 1000.0), Seen::Before, "{jti}");
    }
    assert_eq!((store.len(), store.evicted()), (3, 3));
}

/// Calls the store with a proof of the key `holder`.
fn see_of(store: &impl ReplayStore, holder: u8, jti: u32, expires_at: f64, now: f64) -> Seen {
    let key = key_of(holder, URL, &jti.to_string());
    store
        .check_and_insert(&key, at(expires_at), at(now))
        .unwrap()
}

/// A client with a valid token makes as many proofs as it likes. A thief of somebody else's proof
/// could so make the store forget it.
#[test]
fn one_keys_flood_evicts_no_entry_of_another_key() {
    const VICTIM: u8 = 1;
    const FLOOD: u8 = 2;
    for (capacity, victims) in [(2, 1), (3, 1), (8, 4), (100, 3), (5000, 40), (20_000, 40)] {
        // The victim's entries are the nearest their expiry, or the farthest; they come before the
        // flood, or amid it.
        for (victims_expire, amid) in [(1010.0, false), (1300.0, false), (1010.0, true)] {
            let store = store(capacity);
            let flood = |numbers: std::ops::Range<usize>| {
                for number in numbers {
                    let expires_at = 1100.0 + (number % 200) as f64;
                    let seen = see_of(&store, FLOOD, number as u32, expires_at, 1000.0);
                    assert_eq!(seen, Seen::First);
                }
            };
            if amid {
                flood(0..capacity + 10);
            }
            for number in 0..victims {
                let seen = see_of(&store, VICTIM, number, victims_expire, 1000.0);
                assert_eq!(seen, Seen::First);
            }
            flood(2 * capacity + 10..4 * capacity + 20);
            for number in 0..victims {
                let seen = see_of(&store, VICTIM, number, victims_expire, 1000.0);
                assert_eq!(
                    seen,
                    Seen::Before,
                    "{capacity} {victims_expire} {amid} {number}"
                );
            }
            assert!(store.len() <= capacity);
            assert!(store.evicted() as usize >= capacity);
        }
    }
}

/// The flood may come from several keys. Each may hold its share of the capacity.
#[test]
fn each_key_keeps_its_share_of_a_full_store() {
    let store = store(100);
    let quiet = |seen: Seen| {
        for number in 0..10 {
            assert_eq!(see_of(&store, 0, number, 1010.0, 1000.0), seen, "{number}");
        }
    };
    quiet(Seen::First);
    for round in 0..1000 {
        for holder in 1..10 {
            let _ = see_of(&store, holder, round, 1300.0 + f64::from(round), 1000.0);
        }
    }
    quiet(Seen::Before);
    // The last proofs of each key are held, too.
    for holder in 1..10 {
        for round in 990..1000 {
            let seen = see_of(&store, holder, round, 9000.0, 1000.0);
            assert_eq!(seen, Seen::Before, "{holder} {round}");
        }
    }
    assert_eq!(store.len(), 100);
}

/// Nothing limits a key while there is room, and what it held does not count later.
#[test]
fn a_key_may_fill_the_store_and_counts_by_what_it_holds_now() {
    let store = store(100);
    for number in 0..99 {
        assert_eq!(see_of(&store, 1, number, 1300.0, 1000.0), Seen::First);
    }
    assert_eq!((store.len(), store.evicted()), (99, 0));
    // They expire, except one that is held longer.
    assert_eq!(see_of(&store, 1, 99, 2000.0, 1000.0), Seen::First);
    for number in 0..200 {
        assert_eq!(see_of(&store, 2, number, 2300.0, 1400.0), Seen::First);
    }
    assert_eq!(see_of(&store, 1, 99, 2000.0, 1400.0), Seen::Before);
    assert_eq!((store.len(), store.evicted()), (100, 101));
}

#[test]
fn a_full_store_removes_expired_entries_first_without_counting_them() {
    let store = store(3);
    for (jti, expires_at) in [("a", 1100.0), ("b", 1200.0), ("c", 1300.0)] {
        assert_eq!(see(&store, jti, expires_at, 1000.0), Seen::First);
    }
    // At the second of the expiry, the entry is still held, so it is evicted.
    assert_eq!(see(&store, "d", 1400.0, 1100.0), Seen::First);
    assert_eq!((store.len(), store.evicted()), (3, 1));
    // After it, the entry has expired, so nothing is evicted.
    assert_eq!(see(&store, "e", 1501.0, 1201.0), Seen::First);
    assert_eq!((store.len(), store.evicted()), (3, 1));
    for jti in ["c", "d", "e"] {
        assert_eq!(see(&store, jti, 1501.0, 1201.0), Seen::Before, "{jti}");
    }
}

#[test]
fn a_proof_refused_because_the_clock_went_back_is_not_stored() {
    let store = store(3);
    for jti in ["a", "b"] {
        assert_eq!(see(&store, jti, 1300.0, 1000.0), Seen::First);
    }
    assert_eq!(see(&store, "z", 9000.0, 8700.0), Seen::First);
    assert_eq!(see(&store, "z", 9000.0, 8700.0), Seen::Before);
    assert_eq!(store.len(), 1);
    for number in 0..50 {
        assert_eq!(see(&store, number, 1200.0, 1000.0), Seen::Before);
    }
    assert_eq!((store.len(), store.evicted()), (1, 0));
}

#[test]
fn expired_entries_are_removed_by_later_calls() {
    let store = store(1000);
    for number in 0..500 {
        let _ = see(&store, number, 1300.0, 1000.0);
    }
    assert_eq!(store.len(), 500);
    for number in 0..500 {
        let _ = see(&store, format!("later {number}"), 1602.0, 1302.0);
    }
    assert_eq!((store.len(), store.evicted()), (500, 0));
    // Calls that add nothing remove expired entries, too.
    for _ in 0..300 {
        let _ = see(&store, "last", 1903.0, 1603.0);
    }
    assert_eq!((store.len(), store.evicted()), (1, 0));
    assert!(!store.is_empty());
    assert_eq!(
        see(&store, 7, 1904.0, 1604.0),
        Seen::First,
        "a jti may come again much later"
    );
}

#[test]
fn a_large_store_never_holds_more_than_its_capacity() {
    for capacity in [1, 2, 4095, 8192, 10_001, 70_003] {
        let store = store(capacity);
        assert_eq!(store.capacity(), capacity);
        let calls = capacity + capacity / 5 + 1;
        for number in 0..calls {
            assert_eq!(see(&store, number, 1300.0, 1000.0), Seen::First);
        }
        assert!(store.len() <= capacity);
        // Uneven shards waste little of the capacity.
        assert!(
            store.len() * 100 >= capacity * 99,
            "{} of {capacity}",
            store.len()
        );
        assert_eq!(store.evicted(), (calls - store.len()) as u64);
    }
    assert_eq!(InMemoryReplayStore::default().capacity(), 1_000_000);
    assert_eq!(
        store(usize::MAX).capacity(),
        usize::MAX,
        "nothing is allocated up front"
    );
}

/// The example `replay_memory` measures 58 to 77 MB. Other tests allocate at the same time, so this
/// test only detects that entries became much larger.
#[cfg(target_os = "linux")]
#[test]
fn a_million_entries_take_about_the_documented_memory() {
    fn resident_bytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<usize>().unwrap() * 1024
    }
    let htu = Htu::parse(URL).unwrap();
    // The entries of one client, and of as many as take the most memory.
    for holders in [1, 1800_u64] {
        let store = InMemoryReplayStore::default();
        // These are the nearest their expiry, but of a key that has few.
        for number in 0..20 {
            let seen = see_of(&store, 1, number, 1010.0, 1000.0);
            assert_eq!(seen, Seen::First);
        }
        let before = resident_bytes();
        for number in 0..1_000_000_u64 {
            let mut octets = [0; 32];
            octets[..8].copy_from_slice(&(number % holders).to_be_bytes());
            let thumbprint: Thumbprint = base64url_encode(octets).parse().unwrap();
            let key = ReplayKey::new(&thumbprint, &htu, &number.to_string());
            let _ = store
                .check_and_insert(&key, at(1300.0), at(1000.0))
                .unwrap();
        }
        let grown = resident_bytes().saturating_sub(before);
        assert!(store.len() > 990_000 && store.evicted() > 0);
        for number in 0..20 {
            let seen = see_of(&store, 1, number, 1010.0, 1000.0);
            assert_eq!(seen, Seen::Before);
        }
        assert!(grown < 80_000_000, "{holders} clients: {grown} bytes");
    }
}

#[test]
fn debug_holds_no_part_of_the_proof() {
    let secret = "s3cr3t-jti";
    let key = key_of(1, "https://h/s3cr3t-path", secret);
    let store = store(5);
    let _ = store.check_and_insert(&key, at(1300.0), at(1000.0));
    let shown = format!("{key:?} {store:?}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    assert!(shown.contains("len: 1, capacity: 5, evicted: 0"), "{shown}");
}

#[test]
fn a_failure_keeps_its_cause_as_source_only() {
    struct Broken;
    impl ReplayStore for Broken {
        fn check_and_insert(
            &self,
            _: &ReplayKey,
            _: NumericDate,
            _: NumericDate,
        ) -> Result<Seen, ReplayStoreError> {
            Err(ReplayStoreError::new(std::io::Error::other("s3cr3t")))
        }
    }

    let answer = Arc::new(Broken).check_and_insert(&key(1), at(1300.0), at(1000.0));
    assert_eq!(answer, Err(ReplayStoreError::new("something else")));
    let error = answer.unwrap_err().clone();
    assert!(!format!("{error} {error:?}").contains("s3cr3t"));
    let cause = error.source().unwrap();
    assert_eq!(cause.to_string(), "s3cr3t");
    assert!(cause.is::<std::io::Error>());
}

proptest! {
    /// Compares the store with a list of accepted proofs while time passes.
    #[test]
    fn nothing_is_accepted_twice_in_its_window(
        capacity in 30..60_usize,
        proofs in prop::collection::vec((0..40_u32, 0.0..300.0_f64, 0.0..9.0_f64), 1..150),
    ) {
        let store = store(capacity);
        let mut accepted: Vec<(u32, f64)> = Vec::new();
        let mut now = 1000.0;
        for (jti, left, passed) in proofs {
            now += passed;
            let expires_at = now + left;
            let held = accepted.iter().any(|&(other, end)| other == jti && now <= end);
            let seen = see(&store, jti, expires_at, now);
            prop_assert!(!held || store.evicted() > 0 || seen == Seen::Before);
            if seen == Seen::First {
                accepted.push((jti, expires_at));
            }
        }
        prop_assert!(store.len() <= capacity);
        prop_assert!(capacity < 40 || store.evicted() == 0, "forty keys need no more room");
    }

    /// Compares the store with a list of what each key holds. A key that never holds more than its
    /// share of the capacity loses nothing, whatever the others do, and in any order.
    #[test]
    fn a_key_within_its_share_loses_nothing(
        capacity in 6..40_usize,
        calls in prop::collection::vec(
            (0..3_u8, 0..1000_u32, 0.0..300.0_f64, 0.0..4.0_f64),
            1..400,
        ),
    ) {
        let store = store(capacity);
        // The first key's accepted proofs, with the end of each.
        let mut quiet: Vec<(u32, f64)> = Vec::new();
        let mut now = 1000.0;
        for (holder, jti, left, passed) in calls {
            now += passed;
            quiet.retain(|&(_, end)| now <= end.ceil());
            if holder == 0 && quiet.len() >= capacity / 3 {
                continue;
            }
            let expires_at = now + left;
            let is_held = holder == 0 && quiet.iter().any(|&(other, _)| other == jti);
            let seen = see_of(&store, holder, jti, expires_at, now);
            prop_assert!(!is_held || seen == Seen::Before);
            if holder == 0 && seen == Seen::First {
                quiet.push((jti, expires_at));
            }
            for &(jti, end) in &quiet {
                prop_assert_eq!(see_of(&store, 0, jti, end, now), Seen::Before);
            }
            prop_assert!(store.len() <= capacity);
        }
    }

    #[test]
    fn no_time_makes_it_panic_or_forget_at_once(
        times in prop::collection::vec((any::<f64>(), any::<f64>()), 1..20),
    ) {
        let store = Arc::new(store(8));
        for (number, (expires_at, now)) in times.into_iter().enumerate() {
            let Some(expires_at) = NumericDate::from_json(&expires_at.into()) else { continue };
            let Some(now) = NumericDate::from_json(&now.into()) else { continue };
            let _ = store.check_and_insert(&key(number), expires_at, now).unwrap();
            let again = store.check_and_insert(&key(number), expires_at, now);
            prop_assert_eq!(again, Ok(Seen::Before));
        }
    }
}
