//! How processes agree who fetches: races, failures, and claims that somebody planted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::{START, Stop, at, fetches, rules, unauthenticated};
use crate::fleet::world::{DRIVERS, Driver, Fleet, Keys, Process};
use a0_discovery::{
    CacheAdapter, CacheAdapterError, EntryAuthentication, FetchFailure, InMemoryCache, KeyCache,
    Refresh, asynchronous, normalize_domain,
};
use a0_testkit::{Endpoint, Fault, Gate};

const NEVER: Duration = Duration::ZERO;

/// Between its look at the documents and its claim, another process finishes.
#[test]
fn the_documents_are_read_once_more_before_a_claim_decides() {
    for driver in DRIVERS {
        // A refresh, a search whose claim is free again, and one with a cool-down.
        for (is_search, is_cooling) in [(false, false), (true, false), (true, true)] {
            let fleet = Fleet::new(driver);
            let [late, quick] = [(); 2].map(|()| fleet.process());
            let mut now = 0;
            if is_search {
                late.keys(0).unwrap();
                quick.keys(0).unwrap();
                fleet.tenant.replace_keys().unwrap();
                now = 1;
            }
            let (kid, before) = (fleet.tenant.kid(), fetches(&fleet.tenant).1);
            let wanted = kid.clone();
            // The store has one hook for all processes, and the quick one claims too.
            let hook = move || match is_cooling {
                true => assert!(quick.has(&kid, now)),
                false => drop(quick.reload(now).unwrap()),
            };
            *fleet.store.before_claim.lock().unwrap() = Some(Box::new(hook));
            assert!(
                late.has(&wanted, now),
                "{driver:?} {is_search} {is_cooling}"
            );
            assert_eq!(
                fetches(&fleet.tenant).1,
                before + 1,
                "{driver:?} {is_search}"
            );
            assert_eq!(fleet.waited(), NEVER);
        }
    }
}

/// Its own round took the claim and is overdue.
#[test]
fn a_process_does_not_wait_for_itself() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let process = fleet.process();
        let gate = Gate::new();
        fleet
            .tenant
            .misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&gate));
        std::thread::scope(|scope| {
            let late = scope.spawn(|| process.keys(0).is_ok());
            assert!(gate.wait_arrived());
            process.keys(1000).unwrap();
            let waited = fleet.waited();
            gate.release();
            assert_eq!(waited, NEVER, "{driver:?}");
            assert!(late.join().unwrap());
        });
    }
}

/// While the issuer fails, no process waits for another one: each learns of the failure itself.
#[test]
fn nobody_waits_for_a_process_whose_fetch_failed() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        fleet
            .tenant
            .misbehave(Endpoint::Discovery, Fault::status(500));
        let first = fleet.process();
        let third = fleet.process();
        // The third process needs keys while the second one fetches.
        let tenant = fleet.tenant.clone();
        let asked = Mutex::new(Some(third));
        let second = fleet.process_with(move |request| {
            if let Some(third) = asked.lock().unwrap().take() {
                let third = move || assert!(third.keys(0).is_err());
                std::thread::spawn(third).join().unwrap();
            }
            tenant.handle(request)
        });
        for process in [&first, &second] {
            let error = process.keys(0).unwrap_err();
            assert_eq!(*error.error.failure(), FetchFailure::Status(500));
        }
        assert_eq!(fetches(&fleet.tenant).0, 3);
        assert_eq!(fleet.waited(), NEVER, "{driver:?}");
        // Soon after, they agree again.
        fleet.tenant.recover(Endpoint::Discovery);
        fleet.go_to(2);
        for process in fleet.processes(10) {
            process.keys(2).unwrap();
        }
        assert_eq!(fetches(&fleet.tenant), (4, 1), "{driver:?}");
    }
}

/// The claim of a process that died expires before its cool-down would.
#[test]
fn a_claim_expires_before_the_cool_down() {
    // (timeout, cool-down, the second at which the claim has expired)
    for (timeout, cool_down, expired) in [(10, 30, 10), (60, 30, 23), (0, 30, 1), (7, 0, 7)] {
        for driver in DRIVERS {
            let mut fleet = Fleet::new(driver);
            fleet.policy.timeout = Duration::from_secs(timeout);
            fleet.policy.kid_cooldown = Duration::from_secs(cool_down);
            let warm = fleet.process();
            warm.keys(0).unwrap();
            fleet.tenant.replace_keys().unwrap();
            let kid = fleet.tenant.kid();
            let dying = fleet.process_with(|_| panic!("the process dies"));
            assert!(catch_unwind(AssertUnwindSafe(|| dying.keys_with(&kid, 0))).is_err());
            let name = fleet.name("search");
            fleet.go_to(expired - 1);
            assert!(fleet.store.value(&name).is_some(), "{timeout} {cool_down}");
            fleet.go_to(expired);
            assert!(warm.has(&kid, expired), "{driver:?} {timeout} {cool_down}");
            assert_eq!(fleet.waited(), NEVER);
        }
    }
}

/// Whatever somebody writes in the place of a claim, each process gets keys, and waits no longer
/// than for a process that died.
#[test]
fn a_planted_claim_is_no_outage() {
    let cool_down = |second: i64| format!("{{\"searched_at\":\"{}\"}}", START + second);
    // (value, whether processes wait for it)
    let values = [
        (String::new(), false),
        ("held:".into(), true),
        ("held:somebody".into(), true),
        (format!("held:{}", "x".repeat(2000)), false),
        ("failed".into(), false),
        ("failed ".into(), false),
        ("done".into(), false),
        ("x".repeat(10_000), false),
        (cool_down(1), false),
        (cool_down(60), false),
        (cool_down(1_000_000), false),
        (
            format!("AAAAAAAAAAA.{}.{}", "A".repeat(43), cool_down(1)),
            false,
        ),
    ];
    for driver in DRIVERS {
        for (value, is_held) in &values {
            let fleet = Fleet::new(driver);
            let processes = fleet.processes(3);
            for kind in ["refresh", "search"] {
                fleet.store.plant(&fleet.name(kind), value);
            }
            processes
                .iter()
                .for_each(|process| drop(process.keys(0).unwrap()));
            fleet.tenant.replace_keys().unwrap();
            let kid = fleet.tenant.kid();
            assert!(
                processes.iter().all(|process| process.has(&kid, 1)),
                "{value}"
            );
            // Once for each claim, by the first process.
            let waited = if *is_held {
                fleet.policy.max_wait
            } else {
                NEVER
            };
            assert_eq!(fleet.waited(), waited, "{driver:?} {value}");
            assert_eq!(fetches(&fleet.tenant), (1, 2), "{driver:?} {value}");
        }
    }
}

/// A genuine failure cannot be used to end the agreement of the fleet.
#[test]
fn a_replayed_failure_is_void() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let fault = Fault::status(500);
        fleet.tenant.misbehave_times(Endpoint::Discovery, 1, fault);
        assert!(fleet.process().keys(0).is_err());
        let name = fleet.name("refresh");
        let genuine = fleet.store.value(&name).unwrap();
        fleet.go_to(60);
        fleet.store.plant(&name, &genuine);
        let process = fleet.process();
        process.keys(60).unwrap();
        // The process took the claim and gave it back.
        assert_eq!(fleet.store.value(&name), None, "{driver:?}");
    }
}

/// A child process that was forked has the random numbers of its parent.
#[test]
fn a_claim_names_its_process() {
    let fleet = Fleet::new(Driver::Blocking);
    let (tenant, store, name) = (
        fleet.tenant.clone(),
        Arc::clone(&fleet.store),
        fleet.name("refresh"),
    );
    let process = fleet.process_with(move |request| {
        let held = store.value(&name).unwrap();
        assert!(held.ends_with(&format!(":{}", std::process::id())));
        tenant.handle(request)
    });
    process.keys(0).unwrap();
}

/// Without entry keys a cool-down can be planted, but it keeps nobody from a refresh.
#[test]
fn a_cool_down_in_the_place_of_a_refresh_is_void() {
    for driver in DRIVERS {
        let mut fleet = Fleet::new(driver);
        fleet.authentication = EntryAuthentication::unauthenticated_entries();
        let name = fleet.name("refresh").replace(":2:", ":1:");
        let process = fleet.process();
        for second in [0, 400] {
            fleet.go_to(second);
            let planted = format!("{{\"searched_at\":\"{}\"}}", START + second);
            fleet.store.plant(&name, &planted);
            let keys = process.keys(second).unwrap();
            assert_eq!(keys.requested_at(), at(second), "{driver:?}");
        }
    }
}

#[test]
fn claims_keep_nobody_from_a_reload() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        fleet.store.plant(&fleet.name("refresh"), "held:somebody");
        fleet.process().reload(0).unwrap();
        assert_eq!(
            (fetches(&fleet.tenant), fleet.waited()),
            ((1, 1), NEVER),
            "{driver:?}"
        );
    }
}

/// With a TTL of zero each verification fetches, whatever others have fetched.
#[test]
fn with_a_ttl_of_zero_nobody_claims() {
    for driver in DRIVERS {
        let mut fleet = Fleet::new(driver);
        fleet.policy.ttl = Duration::ZERO;
        fleet.store.plant(&fleet.name("refresh"), "held:somebody");
        let processes = fleet.processes(2);
        for second in 0..3 {
            fleet.go_to(second);
            processes
                .iter()
                .for_each(|process| drop(process.keys(second).unwrap()));
        }
        assert_eq!(fetches(&fleet.tenant), (6, 6), "{driver:?}");
        assert_eq!(fleet.waited(), NEVER);
    }
}

/// A process whose metadata is in memory needs it in the store no more.
#[test]
fn a_store_that_drops_the_metadata_hides_no_key() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let processes = fleet.processes(3);
        processes
            .iter()
            .for_each(|process| drop(process.keys(0).unwrap()));
        fleet.tenant.replace_keys().unwrap();
        let kid = fleet.tenant.kid();
        let metadata = fleet.name("metadata");
        CacheAdapter::delete(&*fleet.store, &metadata).unwrap();
        assert!(
            processes.iter().all(|process| process.has(&kid, 1)),
            "{driver:?}"
        );
        assert_eq!(fetches(&fleet.tenant), (1, 2), "{driver:?}");
    }
}

/// A date that a process has seen before its clock was corrected makes it refuse nothing.
#[test]
fn a_clock_that_was_ahead_keeps_no_process_from_the_store() {
    for driver in DRIVERS {
        let fleet = Fleet::new(driver);
        let [ahead, other] = [(); 2].map(|()| fleet.process());
        fleet.go_to(100_000);
        ahead.reload(100_000).unwrap();
        fleet.go_to(0);
        CacheAdapter::clear(&*fleet.store).unwrap();
        other.reload(0).unwrap();
        fleet.go_to(1);
        ahead.keys(1).unwrap();
        assert_eq!(fleet.take_refused(), [""; 0], "{driver:?}");
        assert_eq!(ahead.failures(), 0);
    }
}

/// The keys are evicted during a search, the store drops them too, and the cool-down of the fleet
/// forbids the search.
#[test]
fn an_issuer_that_is_evicted_during_a_search_is_fetched_again() {
    let network = a0_testkit::LocalNetwork::new();
    let mut fleet = Fleet::new(Driver::Blocking);
    fleet.policy.max_issuers = std::num::NonZeroUsize::MIN;
    fleet.tenant = network.tenant("a.example").unwrap();
    network.tenant("b.example").unwrap();
    let client = network.client();
    let process = fleet.process_with(client);
    let first = fleet.process();
    first.keys(0).unwrap();
    process.keys(0).unwrap();
    assert!(!first.has("forged", 1));
    let (evicted, store) = (process.clone(), Arc::clone(&fleet.store));
    let names = ["metadata", "jwks"].map(|kind| fleet.name(kind));
    *fleet.store.before_read.lock().unwrap() = Some(Box::new(move || {
        let Process::Blocking(cache, _) = evicted else {
            unreachable!("it is blocking");
        };
        cache
            .keys(&normalize_domain("b.example").unwrap(), at(2))
            .unwrap();
        for name in &names {
            CacheAdapter::delete(&store.values, name).unwrap();
        }
    }));
    assert!(!process.has("forged", 2));
}

/// Grants every change to nobody, or to everybody.
struct Liar(InMemoryCache, bool);

impl CacheAdapter for Liar {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        CacheAdapter::get(&self.0, key)
    }
    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        CacheAdapter::set(&self.0, key, value, ttl)
    }
    fn set_if_absent(&self, _: &str, _: &str, _: Duration) -> Result<bool, CacheAdapterError> {
        Ok(self.1)
    }
    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        CacheAdapter::delete(&self.0, key)
    }
    fn clear(&self) -> Result<(), CacheAdapterError> {
        CacheAdapter::clear(&self.0)
    }
    fn has_leases(&self) -> bool {
        true
    }
    fn set_if_equal(
        &self,
        _: &str,
        _: &str,
        _: &str,
        _: Duration,
    ) -> Result<bool, CacheAdapterError> {
        Ok(self.1)
    }
    fn delete_if_equal(&self, _: &str, _: &str) -> Result<bool, CacheAdapterError> {
        Ok(self.1)
    }
}

#[test]
fn a_store_that_lies_about_claims_is_no_outage() {
    // (whether it grants changes, whether somebody holds the claim, refresh, seconds of waiting)
    for (grants, is_held, refresh, seconds) in [
        (true, false, Refresh::Inline, 0),
        (true, true, Refresh::Inline, 0),
        (false, false, Refresh::Inline, 6),
        (false, true, Refresh::Inline, 6),
        (false, true, Refresh::Background, 0),
    ] {
        let mut fleet = Fleet::new(Driver::Blocking);
        fleet.policy.refresh = refresh;
        let waited = Arc::clone(&fleet.waited);
        let store = Arc::new(Liar(InMemoryCache::new(10), grants));
        let cache = KeyCache::builder(rules(), Arc::new(fleet.tenant.client()))
            .policy(fleet.policy)
            .adapter(Arc::clone(&store), unauthenticated())
            .pause(move |by| {
                let by = u64::try_from(by.as_millis()).unwrap();
                waited.fetch_add(by, Ordering::SeqCst);
            })
            .build();
        let issuer = normalize_domain("a.example").unwrap();
        if refresh == Refresh::Background {
            cache.reload(&issuer, at(0)).unwrap();
        }
        if is_held {
            let name = "a0-discovery:1:refresh:https://a.example/";
            store
                .set(name, "held:somebody", Duration::from_secs(60))
                .unwrap();
        }
        let keys = cache.keys(&issuer, at(301)).unwrap();
        assert_eq!(keys.keys().key_ids().count(), 1);
        while cache.status(at(301)).remove(0).fetching {
            std::thread::yield_now();
        }
        let expected = Duration::from_secs(seconds);
        assert_eq!(fleet.waited(), expected, "{grants} {is_held} {refresh:?}");
    }
}

/// The same cache, for another issuer.
fn for_issuer(process: &Process, domain: &str) -> Process {
    let issuer = normalize_domain(domain).unwrap();
    match process {
        Process::Blocking(cache, _) => Process::Blocking(cache.clone(), issuer),
        Process::Async(cache, _) => Process::Async(cache.clone(), issuer),
    }
}

/// Fetches for other issuers hold all permits. The cool-down forbids a search anyway, so an unknown `kid`
/// gets the keys in memory. They prove nothing if the last search of this process failed.
#[test]
fn without_a_permit_a_cool_down_still_tells_that_a_kid_is_unknown() {
    for driver in DRIVERS {
        for fails in [false, true] {
            let fleet = Fleet::new(driver);
            let (stop, is_held) = (Arc::<Stop>::default(), Arc::<AtomicBool>::default());
            let process = fleet.process_with({
                let (tenant, stop, is_held) = (
                    fleet.tenant.clone(),
                    Arc::clone(&stop),
                    Arc::clone(&is_held),
                );
                move |request| {
                    let host = request.uri().host().unwrap();
                    if host == tenant.domain() {
                        return tenant.handle(request);
                    }
                    if is_held.load(Ordering::SeqCst) {
                        stop.pass();
                    }
                    let body = match request.uri().path() {
                        "/keys" => tenant.jwks().to_string(),
                        _ => format!(
                            r#"{{"issuer":"https://{host}/","jwks_uri":"https://{host}/keys"}}"#
                        ),
                    };
                    Ok(http::Response::new(body.into_bytes()))
                }
            });
            let crowd: Vec<Process> = (0..64)
                .map(|number| for_issuer(&process, &format!("t{number}.example")))
                .collect();
            for process in crowd.iter().chain([&process]) {
                process.keys(0).unwrap();
            }
            if fails {
                fleet.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
                process.keys_with("forged", 1).unwrap_err();
            } else {
                assert!(!fleet.process().has("forged", 1));
                let before = fetches(&fleet.tenant);
                assert!(!process.has("forged", 2));
                assert_eq!(fetches(&fleet.tenant), before, "the fleet has searched");
            }
            is_held.store(true, Ordering::SeqCst);
            let [unknown, reload] = std::thread::scope(|scope| {
                for process in &crowd {
                    scope.spawn(|| process.reload(3).unwrap());
                }
                stop.wait_arrivals(crowd.len());
                let results = [process.keys_with("forged", 4), process.reload(4)];
                stop.open();
                results
            });
            let failure = |keys: Keys| keys.map_err(|error| error.error.failure().clone());
            assert_eq!(failure(reload).unwrap_err(), FetchFailure::Overloaded);
            let unknown = failure(unknown).map(|keys| keys.requested_at());
            let expected = match fails {
                false => Ok(at(0)),
                true => Err(FetchFailure::Overloaded),
            };
            assert_eq!(unknown, expected, "{driver:?}");
        }
    }
}

/// An async process without timers cannot wait, so it fetches.
#[test]
fn without_timers_an_async_process_waits_for_nobody() {
    let fleet = Fleet::new(Driver::Async);
    fleet.store.plant(&fleet.name("refresh"), "held:somebody");
    let tenant = fleet.tenant.clone();
    let client = move |request| std::future::ready(tenant.handle(request));
    let cache = asynchronous::KeyCache::builder(rules(), Arc::new(client))
        .policy(fleet.policy)
        .async_adapter(Arc::clone(&fleet.store), fleet.authentication.clone())
        .build_async(Some);
    let issuer = normalize_domain("a.example").unwrap();
    let process = Process::Async(cache, issuer);
    process.keys(0).unwrap();
    assert_eq!(fetches(&fleet.tenant), (1, 1));
}
