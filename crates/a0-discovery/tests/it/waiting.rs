//! Who fetches and how long others wait, for blocking callers. Tests hold an exchange at a gate, so
//! no result depends on how fast the machine is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{START, Stop, at, fetches, keys_of, policy, rules, unauthenticated};
use a0_discovery::{
    CacheAdapter, CacheAdapterError, CachePolicy, FetchFailure, Freshness, InMemoryCache, Issuer,
    KeyCache, Refresh, normalize_domain,
};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, Gate, LocalTenant};

/// A time that no test reaches.
const LONG: Duration = Duration::from_secs(3600);

/// A tenant, a cache, and the time, which only a test changes.
struct World {
    tenant: LocalTenant,
    cache: KeyCache,
    issuer: Issuer,
}

impl World {
    fn new(refresh: Refresh, options: impl FnOnce(&mut CachePolicy)) -> Self {
        let tenant = LocalTenant::new("a.example").unwrap();
        let mut policy = policy();
        policy.refresh = refresh;
        policy.max_wait = LONG;
        options(&mut policy);
        let clock = tenant.clone();
        let cache = KeyCache::builder(rules(), Arc::new(tenant.client()))
            .policy(policy)
            .clock(move || clock.now())
            .build();
        let world = World {
            tenant,
            cache,
            issuer: normalize_domain("a.example").unwrap(),
        };
        world.go_to(0);
        world
    }

    fn go_to(&self, seconds: i64) {
        let now = u64::try_from(START + seconds).unwrap();
        self.tenant.set_now(UNIX_EPOCH + Duration::from_secs(now));
    }

    fn keys(&self, seconds: i64) -> Result<(), FetchFailure> {
        self.go_to(seconds);
        let keys = self.cache.keys(&self.issuer, at(seconds));
        keys.map(|_| ())
            .map_err(|error| error.error.failure().clone())
    }

    fn has_key(&self, key_id: &str, seconds: i64) -> Result<bool, FetchFailure> {
        self.go_to(seconds);
        let keys = self
            .cache
            .keys_with(&self.issuer, key_id, Algorithm::Rs256, at(seconds));
        keys.map(|keys| keys.keys().contains(key_id, Algorithm::Rs256))
            .map_err(|error| error.error.failure().clone())
    }

    fn hold(&self, endpoint: Endpoint, then: Fault) -> Gate {
        let gate = Gate::new();
        let held = Fault::hold_then(&gate, then);
        self.tenant.misbehave_times(endpoint, 1, held);
        gate
    }

    fn failures(&self, seconds: i64) -> u32 {
        self.cache.status(at(seconds)).remove(0).failures
    }
}

/// A client or an adapter that always panics is called only as often as the back-off allows.
#[test]
fn a_panicking_client_or_adapter_follows_the_back_off() {
    struct Panics(Arc<AtomicUsize>);
    impl CacheAdapter for Panics {
        fn get(&self, _: &str) -> Result<Option<String>, CacheAdapterError> {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("the adapter panics")
        }
        fn set(&self, _: &str, _: &str, _: Duration) -> Result<(), CacheAdapterError> {
            unreachable!()
        }
        fn set_if_absent(&self, _: &str, _: &str, _: Duration) -> Result<bool, CacheAdapterError> {
            unreachable!()
        }
        fn delete(&self, _: &str) -> Result<(), CacheAdapterError> {
            unreachable!()
        }
        fn clear(&self) -> Result<(), CacheAdapterError> {
            unreachable!()
        }
    }
    let panicking = || {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let client = move |_: http::Request<Vec<u8>>| -> std::io::Result<http::Response<Vec<u8>>> {
            counted.fetch_add(1, Ordering::SeqCst);
            panic!("the client panics")
        };
        (calls, client)
    };
    let issuer = normalize_domain("a.example").unwrap();
    for with_adapter in [false, true] {
        for of_endpoint in [false, true] {
            let (of_client, client) = panicking();
            let of_adapter = Arc::new(AtomicUsize::new(0));
            let mut builder = KeyCache::builder(rules(), Arc::new(client)).policy(policy());
            if with_adapter {
                builder = builder.adapter(Panics(Arc::clone(&of_adapter)), unauthenticated());
            }
            let cache = builder.build();
            let calls = || of_client.load(Ordering::SeqCst) + of_adapter.load(Ordering::SeqCst);
            let mut times = Vec::new();
            for second in 0..200 {
                let before = calls();
                let call = || match of_endpoint {
                    true => cache.token_endpoint(&issuer, at(second)).is_ok(),
                    false => cache.keys(&issuer, at(second)).is_ok(),
                };
                let outcome = catch_unwind(AssertUnwindSafe(call));
                assert_ne!(outcome.ok(), Some(true));
                if calls() > before {
                    times.push(second);
                }
            }
            // The second abandoned round in a row starts the back-off.
            assert_eq!(times, [0, 1, 2, 4, 8, 16, 32, 64, 124, 184]);
        }
    }
}

/// Callers that can be served are served meanwhile.
#[test]
fn a_panicking_refresh_follows_the_back_off() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let client = {
        let (tenant, calls) = (tenant.clone(), Arc::clone(&calls));
        move |request| {
            let number = calls.fetch_add(1, Ordering::SeqCst);
            assert!(number < 2, "the refresh panics");
            tenant.handle(request)
        }
    };
    let mut background = policy();
    background.refresh = Refresh::Background;
    let cache = KeyCache::builder(rules(), Arc::new(client))
        .policy(background)
        .build();
    keys_of(&cache, &tenant, 0).unwrap();
    let mut times = Vec::new();
    for second in 300..600 {
        let before = calls.load(Ordering::SeqCst);
        keys_of(&cache, &tenant, second).unwrap();
        // The refresh has begun when the call returns.
        while cache.status(at(second)).remove(0).fetching {
            std::thread::yield_now();
        }
        if calls.load(Ordering::SeqCst) > before {
            times.push(second);
        }
    }
    // The second abandoned refresh starts the back-off, which then exceeds the 15 seconds between
    // refreshes.
    assert_eq!(times, [300, 315, 330, 345, 360, 375, 391, 423, 483, 543]);
}

/// A process is frozen during a fetch and thawed hours later, as on AWS Lambda. The exchange then
/// times out, which says nothing about the issuer.
#[test]
fn a_frozen_fetch_is_no_failure_after_the_thaw() {
    let timed_out = || Fault::transport(std::io::ErrorKind::TimedOut);
    for ends_first in [false, true] {
        for unknown_kid in [false, true] {
            let world = World::new(Refresh::Background, |_| {});
            world.keys(0).unwrap();
            let gate = world.hold(Endpoint::Discovery, timed_out());
            world.keys(700).unwrap();
            assert!(gate.wait_arrived());
            // After three hours the keys are too old to serve. With an unknown `kid` it is ten
            // minutes, after which they may be served.
            let thawed = if unknown_kid { 1300 } else { 700 + 3 * 3600 };
            world.go_to(thawed);
            let call = || match unknown_kid {
                true => world.has_key("nobody's", thawed).map(|_| ()),
                false => world.keys(thawed),
            };
            if ends_first {
                gate.release();
                while world.cache.status(at(thawed)).remove(0).fetching {
                    std::thread::yield_now();
                }
            }
            assert_eq!(call(), Ok(()));
            gate.release();
            assert_eq!(call(), Ok(()));
            assert_eq!(world.failures(thawed), 0, "{ends_first} {unknown_kid}");
        }
    }
}

/// A call whose own fetch was frozen fetches again and is not refused.
#[test]
fn the_leader_of_a_frozen_fetch_tries_again() {
    let world = World::new(Refresh::Inline, |_| {});
    let timed_out = Fault::transport(std::io::ErrorKind::TimedOut);
    let gate = world.hold(Endpoint::Discovery, timed_out);
    std::thread::scope(|scope| {
        let frozen = scope.spawn(|| world.cache.keys(&world.issuer, at(0)).is_ok());
        assert!(gate.wait_arrived());
        world.go_to(3 * 3600);
        gate.release();
        assert!(frozen.join().unwrap());
    });
    assert_eq!(world.failures(3 * 3600), 0);
    assert_eq!(fetches(&world.tenant), (2, 1));
}

/// An overdue round ends after another has replaced it.
#[test]
fn the_end_of_an_overdue_round_does_not_end_a_later_one() {
    let world = World::new(Refresh::Inline, |_| {});
    let timed_out = Fault::transport(std::io::ErrorKind::TimedOut);
    let [first, second] = [(); 2].map(|()| Gate::new());
    world.tenant.misbehave_script(
        Endpoint::Discovery,
        [Fault::hold_then(&first, timed_out), Fault::hold_at(&second)],
    );
    std::thread::scope(|scope| {
        let overdue = scope.spawn(|| world.cache.keys(&world.issuer, at(0)).is_ok());
        assert!(first.wait_arrived());
        world.go_to(1000);
        let later = scope.spawn(|| world.cache.keys(&world.issuer, at(1000)).is_ok());
        assert!(second.wait_arrived());
        first.release();
        let third = scope.spawn(|| world.cache.keys(&world.issuer, at(1000)).is_ok());
        for _ in 0..10_000 {
            std::thread::yield_now();
        }
        second.release();
        assert!(
            [overdue, later, third]
                .into_iter()
                .all(|call| call.join().unwrap())
        );
    });
    assert_eq!(fetches(&world.tenant), (2, 1));
}

/// The late response of an overdue round is dropped if a later round began. A key that the issuer
/// has removed meanwhile must not come back.
#[test]
fn a_late_response_does_not_restore_a_removed_key() {
    let world = World::new(Refresh::Inline, |_| {});
    let removed = world.tenant.kid();
    let stale = Fault::body(200, "application/json", world.tenant.jwks().to_string());
    let gate = world.hold(Endpoint::Jwks, stale);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| world.has_key(&removed, 0));
        assert!(gate.wait_arrived());
        world.tenant.replace_keys().unwrap();
        world.keys(1000).unwrap();
        gate.release();
        assert_eq!(late.join().unwrap(), Ok(false));
    });
    assert_eq!(world.has_key(&removed, 1000), Ok(false));
    assert_eq!(fetches(&world.tenant), (2, 3));
    // Without a later round the late response counts.
    let world = World::new(Refresh::Background, |_| {});
    world.keys(0).unwrap();
    let gate = world.hold(Endpoint::Discovery, Fault::none());
    world.keys(700).unwrap();
    assert!(gate.wait_arrived());
    world.go_to(900);
    gate.release();
    while world.cache.status(at(900)).remove(0).freshness != Freshness::Fresh {
        std::thread::yield_now();
    }
}

/// The newer documents may have left the store meanwhile, so nothing there would prevent it.
#[test]
fn a_late_response_is_not_stored() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    let store = Arc::new(InMemoryCache::new(10));
    let cache = KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy())
        .adapter(Arc::clone(&store), unauthenticated())
        .build();
    let gate = Gate::new();
    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::hold_at(&gate));
    std::thread::scope(|scope| {
        let late = scope.spawn(|| cache.keys(&issuer, at(0)).is_ok());
        assert!(gate.wait_arrived());
        cache.keys(&issuer, at(1000)).unwrap();
        CacheAdapter::clear(&store).unwrap();
        gate.release();
        assert!(late.join().unwrap());
    });
    let key = "a0-discovery:1:jwks:https://a.example/";
    assert_eq!(CacheAdapter::get(&store, key).unwrap(), None);
}

/// After a search that panicked, the next one finds the key.
#[test]
fn an_abandoned_search_starts_no_cool_down() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    let calls = AtomicUsize::new(0);
    let client = {
        let tenant = tenant.clone();
        move |request| {
            assert_ne!(calls.fetch_add(1, Ordering::SeqCst), 2, "the search panics");
            tenant.handle(request)
        }
    };
    let cache = KeyCache::builder(rules(), Arc::new(client))
        .policy(policy())
        .build();
    cache.keys(&issuer, at(0)).unwrap();
    tenant.rotate_keys().unwrap();
    let kid = tenant.kid();
    let search = || {
        cache
            .keys_with(&issuer, &kid, Algorithm::Rs256, at(1))
            .unwrap()
    };
    assert!(catch_unwind(AssertUnwindSafe(search)).is_err());
    assert!(search().keys().contains(&kid, Algorithm::Rs256));
}

/// Callers do not wait for a background refresh, however old the keys. They do wait for a refresh
/// by another caller.
#[test]
fn old_keys_are_served_only_during_a_background_refresh() {
    let world = World::new(Refresh::Background, |_| {});
    world.keys(0).unwrap();
    let gate = world.hold(Endpoint::Discovery, Fault::none());
    world.keys(1190).unwrap();
    assert!(gate.wait_arrived());
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| done.send(world.keys(1201)).unwrap());
        // A caller that waited would wait until the refresh is overdue, for 25 seconds.
        let outcome = is_done.recv_timeout(Duration::from_secs(10));
        gate.release();
        assert_eq!(outcome, Ok(Ok(())));
    });

    let world = World::new(Refresh::Background, |_| {});
    let old = world.cache.keys(&world.issuer, at(0)).unwrap();
    let gate = world.hold(Endpoint::Discovery, Fault::none());
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| world.keys(1300));
        assert!(gate.wait_arrived());
        let waiter = scope.spawn(|| world.cache.keys(&world.issuer, at(1300)).unwrap());
        for _ in 0..10_000 {
            std::thread::yield_now();
        }
        gate.release();
        assert!(!Arc::ptr_eq(&old, &waiter.join().unwrap()));
        assert_eq!(leader.join().unwrap(), Ok(()));
    });
    assert_eq!(fetches(&world.tenant), (2, 2));
}

/// A waiter leaves after `max_wait`. It gets keys that may be served and have its `kid`, or an
/// error.
#[test]
fn a_waiter_leaves_after_max_wait() {
    let brief = |policy: &mut CachePolicy| policy.max_wait = Duration::from_millis(20);
    // On a cold cache nothing can be served.
    let world = World::new(Refresh::Inline, brief);
    let gate = world.hold(Endpoint::Discovery, Fault::none());
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| world.keys(0));
        assert!(gate.wait_arrived());
        for _ in 0..3 {
            assert_eq!(world.keys(0), Err(FetchFailure::NotInTime));
        }
        let error = world.cache.keys(&world.issuer, at(0)).unwrap_err();
        assert_eq!(error.retry_in, Duration::from_secs(1));
        gate.release();
        // The waiters' leaving is not a failure.
        assert_eq!(leader.join().unwrap(), Ok(()));
        assert_eq!(world.failures(0), 0);
    });
    assert_eq!(fetches(&world.tenant), (1, 1));

    // Callers wait for one attempt to replace keys that are older than twice the TTL.
    let gate = world.hold(Endpoint::Discovery, Fault::none());
    let known = world.tenant.kid();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| world.keys(1300));
        assert!(gate.wait_arrived());
        assert_eq!(world.keys(1300), Ok(()));
        assert_eq!(world.has_key(&known, 1300), Ok(true));
        assert_eq!(
            world.has_key("nobody's", 1300),
            Err(FetchFailure::NotInTime)
        );
        let reload = world.cache.reload(&world.issuer, at(1300)).unwrap_err();
        assert_eq!(*reload.error.failure(), FetchFailure::NotInTime);
        gate.release();
        assert_eq!(leader.join().unwrap(), Ok(()));
    });
}

/// Callers with unknown `kid`s would hold the threads of a blocking server.
#[test]
fn unknown_key_ids_do_not_hold_the_threads_of_a_server() {
    const CALLERS: usize = 40;
    let world = World::new(Refresh::Inline, |_| {});
    let known = world.tenant.kid();
    world.keys(0).unwrap();
    // On a cold cache all callers wait, because no `kid` is known yet.
    let cold = World::new(Refresh::Inline, |_| {});
    let cold_gate = cold.hold(Endpoint::Discovery, Fault::none());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS).map(|_| scope.spawn(|| cold.keys(0))).collect();
        assert!(cold_gate.wait_arrived());
        // The limit applies to each search anew.
        for round in 0..2 {
            search_with_unknown_key_ids(
                &world,
                &known,
                CALLERS,
                1 + 60 * i64::try_from(round).unwrap(),
            );
            assert_eq!(fetches(&world.tenant), (1, 2 + round));
        }
        cold_gate.release();
        assert!(
            callers
                .into_iter()
                .all(|caller| caller.join().unwrap() == Ok(()))
        );
    });
}

fn search_with_unknown_key_ids(world: &World, known: &str, count: usize, second: i64) {
    let gate = world.hold(Endpoint::Jwks, Fault::none());
    let (left, have_left) = mpsc::channel();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| world.has_key("nobody's", second));
        assert!(gate.wait_arrived());
        for number in 0..count {
            let left = left.clone();
            scope.spawn(move || {
                let outcome = world.has_key(&format!("nobody's {number}"), second);
                left.send(outcome).unwrap();
            });
        }
        // After the first second of the search only eight callers go on waiting.
        for _ in 0..count - 8 {
            assert_eq!(have_left.recv().unwrap(), Err(FetchFailure::Overloaded));
        }
        // A known `kid` is served, and further callers with an unknown one are refused at once.
        assert_eq!(world.has_key(known, second), Ok(true));
        assert_eq!(
            world.has_key("nobody's", second),
            Err(FetchFailure::Overloaded)
        );
        assert!(have_left.try_recv().is_err());
        gate.release();
        for _ in 0..8 {
            assert_eq!(have_left.recv().unwrap(), Ok(false));
        }
        assert_eq!(leader.join().unwrap(), Ok(false));
    });
}

/// A slow process writes its documents after another process has written newer ones.
#[test]
fn an_older_document_does_not_replace_a_newer_one() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    let store = Arc::new(InMemoryCache::new(10));
    let process = |stop: Option<Arc<Stop>>| {
        let exchange = tenant.client();
        let client = move |request: http::Request<Vec<u8>>| {
            let response = exchange(request);
            if let Some(stop) = &stop {
                stop.pass();
            }
            response
        };
        KeyCache::builder(rules(), Arc::new(client))
            .policy(policy())
            .adapter(Arc::clone(&store), unauthenticated())
            .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs() + 20))
            .build()
    };
    let stop = Arc::<Stop>::default();
    let (slow, quick) = (process(Some(Arc::clone(&stop))), process(None));
    let removed = tenant.kid();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| slow.keys(&issuer, at(0)).is_ok());
        // The slow process has the old metadata.
        stop.wait_arrivals(1);
        tenant.replace_keys().unwrap();
        // A reload does not wait for the slow process.
        quick.reload(&issuer, at(10)).unwrap();
        stop.open();
        assert!(leader.join().unwrap());
    });
    for key in ["metadata", "jwks"] {
        let key = format!("a0-discovery:1:{key}:https://a.example/");
        let entry = CacheAdapter::get(&store, &key).unwrap().unwrap();
        assert!(entry.contains(&format!("{}", START + 10)), "{entry}");
        assert!(!entry.contains(&removed));
    }
    // Malformed entries and documents from the future are replaced.
    for planted in ["garbage", r#"{"requested_at":"99999999999"}"#] {
        let key = "a0-discovery:1:jwks:https://a.example/";
        CacheAdapter::set(&store, key, planted, LONG).unwrap();
        process(None).reload(&issuer, at(20)).unwrap();
        let entry = CacheAdapter::get(&store, key).unwrap().unwrap();
        assert!(entry.contains(&tenant.kid()));
    }
}

/// Checks the numbers in docs/caching.md, for both kinds of refresh.
#[test]
fn a_removed_key_lives_as_long_as_the_documentation_says() {
    // (refresh, seconds between calls, whether the tenant is down, last second at which the key is
    // accepted)
    for (refresh, step, is_down, last) in [
        // At the end of the TTL the key is gone at once with inline refreshes, one call later
        // otherwise.
        (Refresh::Inline, 1, false, 599),
        (Refresh::Background, 1, false, 600),
        // With rare calls the old keys are served once more during a background refresh.
        (Refresh::Background, 1199, false, 1199),
        (Refresh::Inline, 1199, false, 0),
        (Refresh::Background, 1200, false, 0),
        (Refresh::Inline, 1200, false, 0),
        // While the tenant is down, keys are served for `max_stale`.
        (Refresh::Inline, 1, true, 3599),
        (Refresh::Background, 1, true, 3599),
        (Refresh::Background, 1199, true, 3597),
    ] {
        let world = World::new(refresh, |_| {});
        world.tenant.cache_control(None);
        let removed = world.tenant.kid();
        world.keys(0).unwrap();
        world.tenant.replace_keys().unwrap();
        if is_down {
            world
                .tenant
                .misbehave(Endpoint::Discovery, Fault::status(500));
        }
        let mut accepted = 0;
        for second in (step..4000).step_by(step) {
            let second = i64::try_from(second).unwrap();
            let keys = world.has_key(&removed, second);
            if keys == Ok(true) {
                accepted = second;
            }
            while world.cache.status(at(second)).remove(0).fetching {
                std::thread::yield_now();
            }
        }
        assert_eq!(accepted, last, "{refresh:?} {step} {is_down}");
    }
}
