//! The limits on fetches that run at the same time, for blocking callers.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{START, Stop, at, policy, rules};
use a0_discovery::{FetchFailure, Freshness, Issuer, KeyCache, Refresh, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::LocalTenant;

/// Many issuers behind one client, whose exchanges a test can count and hold.
struct Crowd {
    issuers: Vec<Issuer>,
    cache: KeyCache,
    /// Running exchanges, and the highest number of them at the same time.
    running: Arc<Mutex<(usize, usize)>>,
    /// The number of requests to each host.
    requests: Arc<Mutex<BTreeMap<String, usize>>>,
    /// Hosts whose name begins with `slow` wait here, and `moody` hosts in mood 2.
    stop: Arc<Stop>,
    /// The host `held.example` waits here in mood 2.
    hold: Arc<Stop>,
    /// The behaviour of the `moody` hosts. 0: they respond. 1: they fail. 2: they wait.
    mood: Arc<AtomicUsize>,
    /// Seconds since the start, by the cache's clock.
    clock: Arc<AtomicUsize>,
}

impl Crowd {
    fn new(names: impl IntoIterator<Item = String>, refresh: Refresh) -> Self {
        let tenant = LocalTenant::new("model.example").unwrap();
        let [stop, hold] = [Arc::<Stop>::default(), Arc::default()];
        let (mood, clock) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let running = Arc::<Mutex<(usize, usize)>>::default();
        let requests = Arc::<Mutex<BTreeMap<String, usize>>>::default();
        let client = {
            let (running, requests) = (Arc::clone(&running), Arc::clone(&requests));
            let (jwks, stop) = (tenant.jwks().to_string(), Arc::clone(&stop));
            let hold = Arc::clone(&hold);
            let mood = Arc::clone(&mood);
            move |request: http::Request<Vec<u8>>| -> std::io::Result<http::Response<Vec<u8>>> {
                {
                    let mut count = running.lock().unwrap();
                    count.0 += 1;
                    count.1 = count.1.max(count.0);
                }
                let host = request.uri().host().unwrap().to_owned();
                let is_metadata = request.uri().path().ends_with("openid-configuration");
                *requests.lock().unwrap().entry(host.clone()).or_default() += 1;
                match (host.starts_with("moody"), mood.load(Ordering::SeqCst)) {
                    (true, 2) => stop.pass(),
                    (true, 1) => {
                        running.lock().unwrap().0 -= 1;
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
                running.lock().unwrap().0 -= 1;
                Ok(http::Response::new(body.into_bytes()))
            }
        };
        let mut policy = policy();
        policy.refresh = refresh;
        policy.max_wait = Duration::from_secs(3600);
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
            running,
            requests,
            stop,
            hold,
            mood,
            clock,
        }
    }

    fn keys(&self, issuer: &Issuer, second: i64) -> Result<(), FetchFailure> {
        self.go_to(second);
        let keys = self.cache.keys(issuer, at(second));
        keys.map(|_| ())
            .map_err(|error| error.error.failure().clone())
    }

    fn go_to(&self, second: i64) {
        self.clock
            .store(usize::try_from(second).unwrap(), Ordering::SeqCst);
    }

    fn mood(&self, mood: usize) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn requests_to(&self, issuer: &Issuer) -> usize {
        let host = issuer
            .as_str()
            .trim_start_matches("https://")
            .trim_end_matches('/');
        self.requests
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

/// When its turn comes, the issuer of a queued refresh may be fresh, being fetched or failing. Then
/// the next refresh begins.
#[test]
fn a_queued_refresh_begins_only_if_it_is_still_due() {
    let others = [
        "fresh.example",
        "moody-failing.example",
        "held.example",
        "due.example",
    ];
    let names = moody(4).chain(others.map(str::to_owned));
    let crowd = Crowd::new(names, Refresh::Background);
    let [fresh, failing, fetching, due] = [4, 5, 6, 7].map(|index| &crowd.issuers[index]);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.mood(2);
    for issuer in &crowd.issuers[..4] {
        crowd.keys(issuer, 700).unwrap();
    }
    crowd.stop.wait_arrivals(4);
    for issuer in [fresh, failing, fetching, due, due] {
        crowd.keys(issuer, 700).unwrap();
    }
    // Each issuer is in the queue once.
    assert!(format!("{:?}", crowd.cache).contains("refreshes_queued: 4"));
    crowd.cache.reload(fresh, at(700)).unwrap();
    crowd.mood(1);
    assert!(crowd.cache.reload(failing, at(719)).is_err());
    crowd.mood(2);
    std::thread::scope(|scope| {
        scope.spawn(|| crowd.cache.reload(fetching, at(700)).unwrap());
        crowd.hold.wait_arrivals(1);
        // When their turn comes, a refresh is too early only for the failing issuer.
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
    let requests = [fresh, failing, fetching, due].map(|issuer| crowd.requests_to(issuer));
    // Metadata and keys were requested twice each, except from the failing issuer.
    assert_eq!(requests, [4, 3, 4, 4]);
}

/// All 64 foreground permits are taken by issuers that answered before. Background refreshes have
/// their own.
#[test]
fn fetches_for_issuers_that_answered_are_limited() {
    let names = moody(70).chain(["a.example", "b.example"].map(str::to_owned));
    let crowd = Crowd::new(names, Refresh::Background);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.mood(2);
    // Four refreshes run in the background.
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
        assert_eq!(*refused.error.failure(), FetchFailure::Overloaded);
        // Old keys are served, but they do not prove that another `kid` is unknown.
        assert_eq!(crowd.keys(known, 1230), Ok(()));
        let unknown = crowd
            .cache
            .keys_with(other, "nobody's", Algorithm::Rs256, at(1230));
        assert_eq!(
            *unknown.unwrap_err().error.failure(),
            FetchFailure::Overloaded
        );
        crowd.stop.open();
    });
}

/// An issuer that answered before and is failing counts like one that never answered.
#[test]
fn fetches_for_failing_issuers_are_limited_to_half() {
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

/// All issuers are due at the same time. Four threads refresh them one after the other.
#[test]
fn background_refreshes_queue_for_four_threads() {
    let names = (0..2000).map(|number| format!("t{number}.example"));
    let crowd = Crowd::new(names, Refresh::Background);
    for issuer in &crowd.issuers {
        crowd.keys(issuer, 0).unwrap();
    }
    crowd.running.lock().unwrap().1 = 0;
    // The second call for an issuer adds nothing to the queue.
    for issuer in crowd.issuers.iter().chain(&crowd.issuers) {
        crowd.keys(issuer, 700).unwrap();
    }
    while crowd.requests.lock().unwrap().values().sum::<usize>() < 8000 {
        std::thread::yield_now();
    }
    assert!(
        crowd
            .requests
            .lock()
            .unwrap()
            .values()
            .all(|times| *times == 4)
    );
    let (_, most) = *crowd.running.lock().unwrap();
    assert!(most <= 4, "{most}");
}

/// Hosts that hang take half of the permits. No caller queues behind them, and issuers that
/// answered before have the other half.
#[test]
fn hosts_that_hang_leave_room_for_issuers_that_answer() {
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
        assert_eq!(crowd.running.lock().unwrap().0, 32);
        // An issuer that has not answered yet is refused at once. One that has answered is fetched
        // as usual.
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

#[test]
fn without_a_permit_stale_keys_are_served() {
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
