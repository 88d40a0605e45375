//! Who carries a fetch, and how long anybody depends on them: for callers that block. A test holds an
//! exchange at a gate; what a caller does meanwhile must not depend on how long that is.

mod common;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::{
    CacheAdapter, CacheAdapterError, CachePolicy, FetchFailure, Freshness, InMemoryCache, Issuer,
    KeyCache, Refresh, normalize_domain,
};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, Gate, LocalNetwork, LocalTenant};
use common::{START, Stop, at, fetches, keys_of, policy, rules};

/// Long enough to be met by nobody.
const LONG: Duration = Duration::from_secs(3600);

/// A tenant, a cache, and the time, which only a test moves.
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
        keys.map(|_| ()).map_err(|error| error.error.failure)
    }

    fn has_key(&self, key_id: &str, seconds: i64) -> Result<bool, FetchFailure> {
        self.go_to(seconds);
        let keys = self
            .cache
            .keys_with(&self.issuer, key_id, Algorithm::Rs256, at(seconds));
        keys.map(|keys| keys.keys().contains(key_id, Algorithm::Rs256))
            .map_err(|error| error.error.failure)
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

/// A client or an adapter that panics each time is called as often as the back-off says.
#[test]
fn what_panics_is_called_as_often_as_the_back_off_says() {
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
                builder = builder.adapter(Panics(Arc::clone(&of_adapter)));
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

/// In the background too; those who can be served are.
#[test]
fn a_refresh_that_panics_each_time_follows_the_back_off_too() {
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
        // A refresh has begun when the call returns.
        while cache.status(at(second)).remove(0).fetching {
            std::thread::yield_now();
        }
        if calls.load(Ordering::SeqCst) > before {
            times.push(second);
        }
    }
    // The second one starts the back-off, which outgrows the 15 seconds between refreshes.
    assert_eq!(times, [300, 315, 330, 345, 360, 375, 391, 423, 483, 543]);
}

/// A process is frozen while a fetch is under way, and thawed hours later (AWS Lambda does so). The
/// exchange times out then, and that says nothing of the issuer.
#[test]
fn a_frozen_fetch_fails_nobody_after_the_thaw() {
    let timed_out = || Fault::transport(std::io::ErrorKind::TimedOut);
    for ends_first in [false, true] {
        for unknown_kid in [false, true] {
            let world = World::new(Refresh::Background, |_| {});
            world.keys(0).unwrap();
            let gate = world.hold(Endpoint::Discovery, timed_out());
            world.keys(700).unwrap();
            assert!(gate.wait_arrived());
            // Frozen for three hours. Keys of that age serve nobody; or, with an unknown `kid`, for ten
            // minutes, and keys serve.
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

/// The one whose own fetch was frozen fetches again, and is not refused.
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

/// The late end of an overdue round leaves the one that began in its place alone.
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

/// The late answer of an overdue round is dropped if a later one began: a key that the issuer has removed
/// meanwhile must not come back.
#[test]
fn a_late_answer_does_not_bring_a_removed_key_back() {
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
    // Without a later one it counts: nobody knows better.
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

/// Nor is it stored for others: the newer documents may have left the store meanwhile.
#[test]
fn a_late_answer_is_not_stored() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    let store = Arc::new(InMemoryCache::new(10));
    let cache = KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy())
        .adapter(Arc::clone(&store))
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

/// A search that panics begins no cool-down: the next one finds the key.
#[test]
fn a_search_that_is_abandoned_begins_no_cool_down() {
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

/// Nobody waits for a refresh in the background, however old the keys; for one that a caller carries out
/// the others do.
#[test]
fn old_keys_are_served_during_a_refresh_in_the_background_only() {
    let world = World::new(Refresh::Background, |_| {});
    world.keys(0).unwrap();
    let gate = world.hold(Endpoint::Discovery, Fault::none());
    world.keys(1190).unwrap();
    assert!(gate.wait_arrived());
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(|| done.send(world.keys(1201)).unwrap());
        // It would wait until the refresh is overdue: for 25 seconds.
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

/// A waiter leaves after `max_wait`, with keys that may be served and hold its `kid`, or without.
#[test]
fn a_waiter_leaves_when_its_time_is_over() {
    let brief = |policy: &mut CachePolicy| policy.max_wait = Duration::from_millis(20);
    // Cold: nothing can be served.
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
        // Their leaving was no failure.
        assert_eq!(leader.join().unwrap(), Ok(()));
        assert_eq!(world.failures(0), 0);
    });
    assert_eq!(fetches(&world.tenant), (1, 1));

    // Keys of more than twice their time to live, for which one attempt is awaited.
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
        assert_eq!(reload.error.failure, FetchFailure::NotInTime);
        gate.release();
        assert_eq!(leader.join().unwrap(), Ok(()));
    });
}

/// Strangers with unknown `kid`s on a blocking server, whose threads they would hold.
#[test]
fn strangers_do_not_hold_the_threads_of_a_blocking_server() {
    const STRANGERS: usize = 40;
    let world = World::new(Refresh::Inline, |_| {});
    let known = world.tenant.kid();
    world.keys(0).unwrap();
    // Callers of a cold issuer are no strangers to it: all of them wait.
    let cold = World::new(Refresh::Inline, |_| {});
    let cold_gate = cold.hold(Endpoint::Discovery, Fault::none());
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..STRANGERS)
            .map(|_| scope.spawn(|| cold.keys(0)))
            .collect();
        assert!(cold_gate.wait_arrived());
        // Twice: those who have waited give their places back.
        for round in 0..2 {
            strangers(
                &world,
                &known,
                STRANGERS,
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

fn strangers(world: &World, known: &str, count: usize, second: i64) {
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
        // After the search's first second only eight go on waiting.
        for _ in 0..count - 8 {
            assert_eq!(have_left.recv().unwrap(), Err(FetchFailure::Overloaded));
        }
        // Good tokens are served, and those who come now are told at once.
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

/// Many issuers over one network, whose exchanges a test can count and hold.
struct Crowd {
    issuers: Vec<Issuer>,
    cache: KeyCache,
    /// Exchanges under way, and the most there were at once.
    under_way: Arc<Mutex<(usize, usize)>>,
    /// The requests to each host.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Hosts beginning with `slow` wait here, and those beginning with `moody` in their third mood.
    stop: Arc<Stop>,
    /// In that mood the host `held.example` waits here.
    hold: Arc<Stop>,
    /// Of the moody hosts: 0, they answer; 1, they fail; 2, they wait.
    mood: Arc<AtomicUsize>,
    /// Seconds since the start, by the cache's clock.
    clock: Arc<AtomicUsize>,
}

impl Crowd {
    fn new(names: impl IntoIterator<Item = String>, refresh: Refresh) -> Self {
        let tenant = LocalTenant::new("model.example").unwrap();
        let [stop, hold] = [Arc::<Stop>::default(), Arc::default()];
        let (mood, clock) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let under_way = Arc::<Mutex<(usize, usize)>>::default();
        let asked = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let client = {
            let (under_way, asked) = (Arc::clone(&under_way), Arc::clone(&asked));
            let (jwks, stop) = (tenant.jwks().to_string(), Arc::clone(&stop));
            let hold = Arc::clone(&hold);
            let mood = Arc::clone(&mood);
            move |request: http::Request<Vec<u8>>| -> std::io::Result<http::Response<Vec<u8>>> {
                {
                    let mut count = under_way.lock().unwrap();
                    count.0 += 1;
                    count.1 = count.1.max(count.0);
                }
                let host = request.uri().host().unwrap().to_owned();
                let is_metadata = request.uri().path().ends_with("openid-configuration");
                *asked.lock().unwrap().entry(host.clone()).or_default() += 1;
                match (host.starts_with("moody"), mood.load(Ordering::SeqCst)) {
                    (true, 2) => stop.pass(),
                    (true, 1) => {
                        under_way.lock().unwrap().0 -= 1;
                        return Err(std::io::ErrorKind::ConnectionReset.into());
                    }
                    (false, 2) if host.starts_with("held") => hold.pass(),
                    _ if host.starts_with("slow") => stop.pass(),
                    _ => {}
                }
                let body = match is_metadata {
                    true => format!(
                        r#"{{"issuer":"https://{host}/","jwks_uri":"https://{host}/keys"}}"#
                    ),
                    false => jwks.clone(),
                };
                under_way.lock().unwrap().0 -= 1;
                Ok(http::Response::new(body.into_bytes()))
            }
        };
        let mut policy = policy();
        policy.refresh = refresh;
        policy.max_wait = LONG;
        policy.max_issuers = NonZeroUsize::new(10_000).unwrap();
        let cache = KeyCache::builder(rules(), Arc::new(client))
            .policy(policy)
            .clock({
                let clock = Arc::clone(&clock);
                move || {
                    let seconds = clock.load(Ordering::SeqCst) as u64;
                    UNIX_EPOCH + Duration::from_secs(START.unsigned_abs() + seconds)
                }
            })
            .build();
        let issuers = names
            .into_iter()
            .map(|name| normalize_domain(&name).unwrap());
        Crowd {
            issuers: issuers.collect(),
            cache,
            under_way,
            asked,
            stop,
            hold,
            mood,
            clock,
        }
    }

    fn keys(&self, issuer: &Issuer, second: i64) -> Result<(), FetchFailure> {
        self.go_to(second);
        let keys = self.cache.keys(issuer, at(second));
        keys.map(|_| ()).map_err(|error| error.error.failure)
    }

    fn go_to(&self, second: i64) {
        self.clock
            .store(usize::try_from(second).unwrap(), Ordering::SeqCst);
    }

    fn mood(&self, mood: usize) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn asked(&self, issuer: &Issuer) -> usize {
        let host = issuer
            .as_str()
            .trim_start_matches("https://")
            .trim_end_matches('/');
        self.asked
            .lock()
            .unwrap()
            .get(host)
            .copied()
            .unwrap_or_default()
    }
}

fn moody(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("moody{number}.example"))
}

/// A queued refresh is checked again when its turn comes: it may be fresh, evicted, under way or
/// failing by then; and the next one has its turn at once.
#[test]
fn a_refresh_that_waited_is_begun_only_if_it_is_still_due() {
    let others = [
        "fresh.example",
        "moody-failing.example",
        "held.example",
        "due.example",
    ];
    let names = moody(4).chain(others.map(str::to_owned));
    let crowd = Crowd::new(names, Refresh::Background);
    let [fresh, failing, under_way, due] = [4, 5, 6, 7].map(|index| &crowd.issuers[index]);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.mood(2);
    for issuer in &crowd.issuers[..4] {
        crowd.keys(issuer, 700).unwrap();
    }
    crowd.stop.wait_arrivals(4);
    for issuer in [fresh, failing, under_way, due, due] {
        crowd.keys(issuer, 700).unwrap();
    }
    // Each stands in it once.
    assert!(format!("{:?}", crowd.cache).contains("refreshes_queued: 4"));
    crowd.cache.reload(fresh, at(700)).unwrap();
    crowd.mood(1);
    assert!(crowd.cache.reload(failing, at(719)).is_err());
    crowd.mood(2);
    std::thread::scope(|scope| {
        scope.spawn(|| crowd.cache.reload(under_way, at(700)).unwrap());
        crowd.hold.wait_arrivals(1);
        // Their turn comes when one more refresh would be allowed to all but the failing one.
        crowd.go_to(720);
        crowd.stop.open();
        let status_of = |issuer: &Issuer| {
            let mut status = crowd.cache.status(at(720)).into_iter();
            status.find(|status| status.issuer == *issuer).unwrap()
        };
        while status_of(due).freshness != Freshness::Fresh {
            std::thread::yield_now();
        }
        assert_eq!(status_of(due).last_success, Some(at(720)));
        crowd.hold.open();
    });
    let asked = [fresh, failing, under_way, due].map(|issuer| crowd.asked(issuer));
    // Metadata and keys twice each, but for the one that failed.
    assert_eq!(asked, [4, 3, 4, 4]);
}

/// All 64 places are taken by issuers that answered before. Those in the background are others.
#[test]
fn the_places_of_issuers_that_answered_are_bounded_too() {
    let names = moody(70).chain(["a.example", "b.example"].map(str::to_owned));
    let crowd = Crowd::new(names, Refresh::Background);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.mood(2);
    // Four in the background.
    for issuer in &crowd.issuers[66..70] {
        crowd.keys(issuer, 1199).unwrap();
    }
    crowd.stop.wait_arrivals(4);
    std::thread::scope(|scope| {
        for issuer in &crowd.issuers[..64] {
            let crowd = &crowd;
            scope.spawn(move || crowd.cache.reload(issuer, at(1230)).unwrap());
        }
        crowd.stop.wait_arrivals(68);
        let [known, other] = [&crowd.issuers[70], &crowd.issuers[71]];
        let refused = crowd.cache.reload(known, at(1230)).unwrap_err();
        assert_eq!(refused.error.failure, FetchFailure::Overloaded);
        // Old keys serve, and are no verdict on a key that they do not hold.
        assert_eq!(crowd.keys(known, 1230), Ok(()));
        let unknown = crowd
            .cache
            .keys_with(other, "nobody's", Algorithm::Rs256, at(1230));
        assert_eq!(unknown.unwrap_err().error.failure, FetchFailure::Overloaded);
        crowd.stop.open();
    });
}

/// An issuer that answered once and is failing has no more places than one that never did.
#[test]
fn issuers_that_fail_have_half_of_the_places() {
    let names = moody(34).chain(["a.example".to_owned()]);
    let crowd = Crowd::new(names, Refresh::Inline);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.mood(1);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 700).unwrap();
    }
    crowd.mood(2);
    std::thread::scope(|scope| {
        for issuer in &crowd.issuers[..32] {
            let crowd = &crowd;
            scope.spawn(move || crowd.keys(issuer, 5000).unwrap());
        }
        crowd.stop.wait_arrivals(32);
        assert_eq!(
            crowd.keys(&crowd.issuers[32], 5000),
            Err(FetchFailure::Overloaded)
        );
        assert_eq!(crowd.keys(&crowd.issuers[34], 5000), Ok(()));
        crowd.stop.open();
    });
}

/// All issuers are due at once: four threads do the work, one issuer after the other.
#[test]
fn due_issuers_queue_for_a_few_threads() {
    let names = (0..2000).map(|number| format!("t{number}.example"));
    let crowd = Crowd::new(names, Refresh::Background);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.under_way.lock().unwrap().1 = 0;
    // Twice: an issuer stands in the queue once.
    for issuer in crowd.issuers.iter().chain(&crowd.issuers) {
        crowd.keys(issuer, 700).unwrap();
    }
    while crowd.asked.lock().unwrap().values().sum::<usize>() < 8000 {
        std::thread::yield_now();
    }
    assert!(
        crowd
            .asked
            .lock()
            .unwrap()
            .values()
            .all(|times| *times == 4)
    );
    let (_, most) = *crowd.under_way.lock().unwrap();
    assert!(most <= 4, "{most}");
}

/// Names that hang take half of the places. Nobody queues behind them, and issuers that answered before
/// have the other half.
#[test]
fn names_that_hang_leave_room_for_issuers_that_answer() {
    let names = (0..600).map(|number| format!("slow{number}.example"));
    let crowd = Crowd::new(names, Refresh::Inline);
    let [proven, cold] = ["a.example", "b.example"].map(|name| normalize_domain(name).unwrap());
    crowd.keys(&proven, 0).unwrap();
    let (done, is_done) = mpsc::channel();
    std::thread::scope(|scope| {
        for issuer in &crowd.issuers {
            let (crowd, done) = (&crowd, done.clone());
            scope.spawn(move || done.send(crowd.keys(issuer, 1)).unwrap());
        }
        for _ in 0..600 - 32 {
            assert_eq!(is_done.recv().unwrap(), Err(FetchFailure::Overloaded));
        }
        crowd.stop.wait_arrivals(32);
        assert_eq!(crowd.under_way.lock().unwrap().0, 32);
        // Told at once, although it would answer; and one that did is fetched as ever.
        assert_eq!(crowd.keys(&cold, 1), Err(FetchFailure::Overloaded));
        crowd.cache.reload(&proven, at(1)).unwrap();
        assert_eq!(crowd.keys(&proven, 700), Ok(()));
        crowd.stop.open();
        for _ in 0..32 {
            assert_eq!(is_done.recv().unwrap(), Ok(()));
        }
    });
    assert_eq!(crowd.keys(&cold, 1), Ok(()));
}

/// Stale keys are served where there is no place to fetch newer ones.
#[test]
fn without_a_place_what_may_be_served_is() {
    let names = (0..70).map(|number| format!("slow{number}.example"));
    let crowd = Crowd::new(names, Refresh::Inline);
    let known = (0..64).map(|number| format!("t{number}.example"));
    let known: Vec<Issuer> = known.map(|name| normalize_domain(&name).unwrap()).collect();
    for issuer in &known {
        crowd.keys(issuer, 0).unwrap();
    }
    std::thread::scope(|scope| {
        for issuer in crowd.issuers.iter().take(32) {
            scope.spawn(|| crowd.keys(issuer, 1));
        }
        crowd.stop.wait_arrivals(32);
        assert_eq!(
            crowd.keys(&crowd.issuers[40], 1),
            Err(FetchFailure::Overloaded)
        );
        assert_eq!(crowd.keys(&known[0], 1300), Ok(()));
        crowd.stop.open();
    });
}

/// An issuer that is evicted keeps its back-off and its cool-down, and is not fetched twice at once.
#[test]
fn an_evicted_issuer_is_still_left_alone() {
    let network = LocalNetwork::new();
    let names: Vec<String> = (0..6).map(|number| format!("t{number}.example")).collect();
    let tenants: Vec<_> = names
        .iter()
        .map(|name| network.tenant(name).unwrap())
        .collect();
    let mut policy = policy();
    policy.max_issuers = NonZeroUsize::new(2).unwrap();
    let now = Arc::new(std::sync::atomic::AtomicI64::new(0));
    let clock = Arc::clone(&now);
    let cache = KeyCache::builder(rules(), Arc::new(network.client()))
        .policy(policy)
        .clock(move || {
            let seconds = START + clock.load(Ordering::SeqCst);
            UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs())
        })
        .build();
    for tenant in &tenants {
        tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    }
    let mut times = Vec::new();
    for second in 0..70 {
        now.store(second, Ordering::SeqCst);
        for (number, tenant) in tenants.iter().enumerate() {
            let before = fetches(tenant).0;
            assert!(keys_of(&cache, tenant, second).is_err());
            if number == 0 && fetches(tenant).0 > before {
                times.push(second);
            }
        }
    }
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63]);
    // Also if the issuer is evicted when its back-off is over: the next one is twice as long.
    let [first, others] = [&tenants[0], &tenants[1]];
    let asks = |tenant: &LocalTenant, second| {
        now.store(second, Ordering::SeqCst);
        let before = fetches(tenant).0;
        assert!(keys_of(&cache, tenant, second).is_err());
        fetches(tenant).0 > before
    };
    assert!(asks(first, 500));
    for second in [600, 601] {
        asks(others, second);
        asks(&tenants[2], second);
    }
    assert!(asks(first, 602) && !asks(first, 602 + 59));
    now.store(1000, Ordering::SeqCst);
    for tenant in &tenants {
        tenant.recover(Endpoint::Discovery);
        tenant.reset_requests();
    }
    // The same for a cool-down.
    let issuers: Vec<_> = names
        .iter()
        .map(|name| normalize_domain(name).unwrap())
        .collect();
    let search = |issuer: &Issuer, second| {
        cache.keys(issuer, at(second)).unwrap();
        cache
            .keys_with(issuer, "nobody's", Algorithm::Rs256, at(second))
            .unwrap();
    };
    for issuer in &issuers {
        search(issuer, 1000);
    }
    let searched: usize = tenants.iter().map(|tenant| fetches(tenant).1).sum();
    assert_eq!(searched, 12);
    for issuer in &issuers {
        search(issuer, 1001);
    }
    // Each was evicted: its keys are fetched again, and no more.
    let searched: usize = tenants.iter().map(|tenant| fetches(tenant).1).sum();
    assert_eq!(searched, 18);

    // Three issuers on two places, the first one's fetch under way.
    let [a, b, c] = [&tenants[0], &tenants[1], &tenants[2]];
    let gate = Gate::new();
    a.reset_requests();
    a.misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&gate));
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| cache.reload(&issuers[0], at(1100)).is_ok());
        assert!(gate.wait_arrived());
        keys_of(&cache, b, 1100).unwrap();
        keys_of(&cache, c, 1100).unwrap();
        let waiter = scope.spawn(|| keys_of(&cache, a, 1100).is_ok());
        while cache
            .status(at(1100))
            .iter()
            .all(|status| status.issuer != issuers[0])
        {
            std::thread::yield_now();
        }
        gate.release();
        assert!(leader.join().unwrap() && waiter.join().unwrap());
    });
    assert_eq!(fetches(a), (1, 1));
}

/// A slow process writes its documents after another one has written newer ones.
#[test]
fn an_older_document_takes_no_newer_ones_place() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    let store = Arc::new(InMemoryCache::new(10));
    let process = |stop: Option<Arc<Stop>>| {
        let answer = tenant.client();
        let client = move |request: http::Request<Vec<u8>>| {
            let answered = answer(request);
            if let Some(stop) = &stop {
                stop.pass();
            }
            answered
        };
        KeyCache::builder(rules(), Arc::new(client))
            .policy(policy())
            .adapter(Arc::clone(&store))
            .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs() + 20))
            .build()
    };
    let stop = Arc::<Stop>::default();
    let (slow, quick) = (process(Some(Arc::clone(&stop))), process(None));
    let removed = tenant.kid();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| slow.keys(&issuer, at(0)).is_ok());
        // It has the old metadata by now, and will get the old keys.
        stop.wait_arrivals(1);
        tenant.replace_keys().unwrap();
        quick.keys(&issuer, at(10)).unwrap();
        stop.open();
        assert!(leader.join().unwrap());
    });
    for key in ["metadata", "jwks"] {
        let key = format!("a0-discovery:1:{key}:https://a.example/");
        let entry = CacheAdapter::get(&store, &key).unwrap().unwrap();
        assert!(entry.contains(&format!("{}", START + 10)), "{entry}");
        assert!(!entry.contains(&removed));
    }
    // Garbage and documents from the future are replaced.
    for planted in ["garbage", r#"{"requested_at":99999999999}"#] {
        let key = "a0-discovery:1:jwks:https://a.example/";
        CacheAdapter::set(&store, key, planted, LONG).unwrap();
        process(None).reload(&issuer, at(20)).unwrap();
        let entry = CacheAdapter::get(&store, key).unwrap().unwrap();
        assert!(entry.contains(&tenant.kid()));
    }
}

/// How long a key that the issuer removed can verify tokens, for both kinds of refresh, as
/// docs/caching.md says.
#[test]
fn a_removed_key_lives_as_long_as_the_documentation_says() {
    // (refresh, seconds between calls, whether the tenant is away, last second at which it is accepted)
    for (refresh, step, is_away, last) in [
        // Each call at the end of the time to live: inline at once, in the background one call later.
        (Refresh::Inline, 1, false, 599),
        (Refresh::Background, 1, false, 600),
        // Seldom calls: served once more while a refresh runs in the background.
        (Refresh::Background, 1199, false, 1199),
        (Refresh::Inline, 1199, false, 0),
        (Refresh::Background, 1200, false, 0),
        (Refresh::Inline, 1200, false, 0),
        // The tenant is away: `max_stale`.
        (Refresh::Inline, 1, true, 3599),
        (Refresh::Background, 1, true, 3599),
        (Refresh::Background, 1199, true, 3597),
    ] {
        let world = World::new(refresh, |_| {});
        world.tenant.cache_control(None);
        let removed = world.tenant.kid();
        world.keys(0).unwrap();
        world.tenant.replace_keys().unwrap();
        if is_away {
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
        assert_eq!(accepted, last, "{refresh:?} {step} {is_away}");
    }
}
