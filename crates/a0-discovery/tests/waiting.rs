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
    let (panicked, has_panicked) = mpsc::channel::<()>();
    let calls = AtomicUsize::new(0);
    let client = {
        let tenant = tenant.clone();
        move |request| {
            if calls.fetch_add(1, Ordering::SeqCst) < 2 {
                return tenant.handle(request);
            }
            // Told once the thread unwinds, after the round was abandoned or just before.
            let _told = scopeguard(panicked.clone());
            panic!("the refresh panics");
        }
    };
    let mut background = policy();
    background.refresh = Refresh::Background;
    let cache = KeyCache::builder(rules(), Arc::new(client))
        .policy(background)
        .build();
    keys_of(&cache, &tenant, 0).unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    let mut times = Vec::new();
    for second in (300..500).step_by(5) {
        let fetching = || cache.status(at(second)).remove(0).fetching;
        keys_of(&cache, &tenant, second).unwrap();
        if has_panicked
            .recv_timeout(Duration::from_millis(200))
            .is_ok()
        {
            times.push(second);
            while fetching() {
                std::thread::yield_now();
            }
        }
    }
    // At 300 and 315 the rounds are abandoned; from then on there are failures.
    assert_eq!(times[..2], [300, 315]);
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] >= 15),
        "{times:?}"
    );
    assert!(cache.status(at(500)).remove(0).failures > 0);
    drop(issuer);
}

fn scopeguard(tell: mpsc::Sender<()>) -> impl Drop {
    struct Told(mpsc::Sender<()>);
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    Told(tell)
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

/// What an overdue round brings late is dropped if a later one began: a key that the issuer has removed
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
    let gate = world.hold(Endpoint::Jwks, Fault::none());
    let (left, have_left) = mpsc::channel();
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| world.has_key("nobody's", 1));
        assert!(gate.wait_arrived());
        for number in 0..STRANGERS {
            let (world, left) = (&world, left.clone());
            scope.spawn(move || {
                let outcome = world.has_key(&format!("nobody's {number}"), 1);
                left.send(outcome).unwrap();
            });
        }
        // After the search's first second only eight go on waiting.
        for _ in 0..STRANGERS - 8 {
            assert_eq!(have_left.recv().unwrap(), Err(FetchFailure::Overloaded));
        }
        // Good tokens are served, and those who come now are told at once.
        assert_eq!(world.has_key(&known, 1), Ok(true));
        assert_eq!(world.has_key("nobody's", 1), Err(FetchFailure::Overloaded));
        assert!(have_left.try_recv().is_err());
        gate.release();
        for _ in 0..8 {
            assert_eq!(have_left.recv().unwrap(), Ok(false));
        }
        assert_eq!(leader.join().unwrap(), Ok(false));
    });
    assert_eq!(fetches(&world.tenant), (1, 2));
}

/// Many issuers over one network, whose exchanges a test can count and hold.
struct Crowd {
    issuers: Vec<Issuer>,
    cache: KeyCache,
    /// Exchanges under way, and the most there were at once.
    under_way: Arc<Mutex<(usize, usize)>>,
    /// The requests for metadata of each host.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Hosts beginning with `slow` wait here.
    stop: Arc<Stop>,
}

impl Crowd {
    fn new(names: impl IntoIterator<Item = String>, refresh: Refresh) -> Self {
        let tenant = LocalTenant::new("model.example").unwrap();
        let stop = Arc::<Stop>::default();
        let under_way = Arc::<Mutex<(usize, usize)>>::default();
        let asked = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let client = {
            let (under_way, asked) = (Arc::clone(&under_way), Arc::clone(&asked));
            let (jwks, stop) = (tenant.jwks().to_string(), Arc::clone(&stop));
            move |request: http::Request<Vec<u8>>| -> std::io::Result<http::Response<Vec<u8>>> {
                {
                    let mut count = under_way.lock().unwrap();
                    count.0 += 1;
                    count.1 = count.1.max(count.0);
                }
                let host = request.uri().host().unwrap().to_owned();
                let is_metadata = request.uri().path().ends_with("openid-configuration");
                if is_metadata {
                    *asked.lock().unwrap().entry(host.clone()).or_default() += 1;
                }
                if host.starts_with("slow") {
                    stop.pass();
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
            .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()))
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
        }
    }

    fn keys(&self, issuer: &Issuer, second: i64) -> Result<(), FetchFailure> {
        let keys = self.cache.keys(issuer, at(second));
        keys.map(|_| ()).map_err(|error| error.error.failure)
    }
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
    while crowd.asked.lock().unwrap().values().sum::<usize>() < 4000 {
        std::thread::yield_now();
    }
    assert!(
        crowd
            .asked
            .lock()
            .unwrap()
            .values()
            .all(|times| *times == 2)
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
    let cache = KeyCache::builder(rules(), Arc::new(network.client()))
        .policy(policy)
        .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()))
        .build();
    for tenant in &tenants {
        tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    }
    for _ in 0..10 {
        for tenant in &tenants {
            assert!(keys_of(&cache, tenant, 0).is_err());
        }
    }
    for tenant in &tenants {
        assert_eq!(fetches(tenant), (1, 0));
        tenant.recover(Endpoint::Discovery);
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
        search(issuer, 10);
    }
    let searched: usize = tenants.iter().map(|tenant| fetches(tenant).1).sum();
    assert_eq!(searched, 12);
    for issuer in &issuers {
        search(issuer, 11);
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
        let leader = scope.spawn(|| cache.reload(&issuers[0], at(100)).is_ok());
        assert!(gate.wait_arrived());
        keys_of(&cache, b, 100).unwrap();
        keys_of(&cache, c, 100).unwrap();
        let waiter = scope.spawn(|| keys_of(&cache, a, 100).is_ok());
        while cache
            .status(at(100))
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
    // What is no document, and what is from the future, gives way.
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
