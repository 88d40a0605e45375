//! Single flight over threads. No test depends on which thread is first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use crate::common::{at, cache_of, cache_with, fetches, keys_of, policy};
use a0_discovery::{Freshness, KeyCache, Refresh, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, Gate, LocalNetwork, LocalTenant};

const THREADS: usize = 64;

fn tenant() -> LocalTenant {
    LocalTenant::new("a.example").unwrap()
}

/// The results of `work` on many threads that start together.
fn on_threads<T: Send>(work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (work, start) = (&work, &start);
                scope.spawn(move || {
                    start.wait();
                    work(thread)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn in_background(client: impl a0_http::HttpClient + 'static) -> KeyCache {
    let mut policy = policy();
    policy.refresh = Refresh::Background;
    // At 1200, keys fetched at 700 are still fresh, and keys fetched at 0 are too old to serve at
    // once.
    policy.min_ttl = Duration::from_secs(600);
    cache_with(client, policy)
}

#[test]
fn callers_of_a_cold_issuer_share_one_fetch() {
    let tenant = tenant();
    let cache = cache_of(&tenant);
    // Each caller reads the clock at a different time before it waits.
    let kept = on_threads(|thread| {
        let second = -i64::try_from(thread % 60).unwrap();
        keys_of(&cache, &tenant, second).unwrap()
    });
    assert_eq!(fetches(&tenant), (1, 1));
    assert!(kept.iter().all(|keys| Arc::ptr_eq(keys, &kept[0])));
}

#[test]
fn callers_of_a_failing_issuer_share_one_failure() {
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        let tenant = tenant();
        tenant.misbehave(endpoint, Fault::status(500));
        tenant.set_now(std::time::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        let cache = cache_of(&tenant);
        let failures = on_threads(|_| keys_of(&cache, &tenant, 0).unwrap_err());
        assert_eq!(tenant.request_count(endpoint), 1);
        assert!(failures.iter().all(|failure| failure == &failures[0]));
    }
}

#[test]
fn waiters_continue_when_a_leader_panics() {
    let tenant = tenant();
    let calls = Arc::new(AtomicUsize::new(0));
    let client = {
        let (calls, tenant) = (Arc::clone(&calls), tenant.clone());
        move |request| {
            assert!(
                calls.fetch_add(1, Ordering::SeqCst) > 0,
                "the first leader panics"
            );
            tenant.handle(request)
        }
    };
    let cache = cache_with(client, policy());
    let outcomes = on_threads(|_| {
        let call = AssertUnwindSafe(|| keys_of(&cache, &tenant, 0).is_ok());
        catch_unwind(call).ok()
    });
    let count = |outcome| outcomes.iter().filter(|o| **o == outcome).count();
    assert_eq!((count(None), count(Some(true))), (1, THREADS - 1));
    assert_eq!(fetches(&tenant), (1, 1));
}

/// The round that the waiter waits for is abandoned. An older round has failed.
#[test]
fn a_waiter_does_not_get_the_failure_of_an_older_round() {
    let tenant = tenant();
    let calls = Arc::new(AtomicUsize::new(0));
    let client = {
        let (calls, tenant) = (Arc::clone(&calls), tenant.clone());
        move |request| match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(std::io::ErrorKind::ConnectionRefused.into()),
            1 => {
                // Gives the others time to wait.
                std::thread::yield_now();
                panic!("the second leader panics");
            }
            _ => tenant.handle(request),
        }
    };
    let cache = cache_with(client, policy());
    assert!(keys_of(&cache, &tenant, 0).is_err());
    let outcomes = on_threads(|_| {
        let call = AssertUnwindSafe(|| keys_of(&cache, &tenant, 10).is_ok());
        catch_unwind(call).ok()
    });
    let count = |outcome| outcomes.iter().filter(|o| **o == outcome).count();
    assert_eq!((count(None), count(Some(true))), (1, THREADS - 1));
}

#[test]
fn a_running_refresh_is_not_started_again() {
    let tenant = tenant();
    let cache = cache_of(&tenant);
    let gate = Gate::new();
    let old = keys_of(&cache, &tenant, 0).unwrap();
    tenant.misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&gate));
    std::thread::scope(|scope| {
        let refreshing = scope.spawn(|| keys_of(&cache, &tenant, 300).is_ok());
        assert!(gate.wait_arrived());
        // The refresh is overdue after two exchanges of 10 seconds, 5 seconds more, and the 60
        // seconds by which clocks may differ.
        for second in 300..=385 {
            assert!(Arc::ptr_eq(
                &old,
                &keys_of(&cache, &tenant, second).unwrap()
            ));
        }
        assert_eq!(fetches(&tenant), (2, 1));
        gate.release();
        assert!(refreshing.join().unwrap());
    });
}

#[test]
fn a_hanging_issuer_delays_no_other() {
    let network = LocalNetwork::new();
    let [slow, quick] = ["slow.example", "quick.example"].map(|d| network.tenant(d).unwrap());
    let gate = Gate::new();
    slow.misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&gate));
    let cache = cache_with(network.client(), policy());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| keys_of(&cache, &slow, 0).map(|_| ()));
        assert!(gate.wait_arrived());
        for second in 0..1000 {
            keys_of(&cache, &quick, second).unwrap();
        }
        let fetching = |tenant: &LocalTenant| {
            let issuer = normalize_domain(tenant.domain()).unwrap();
            let status = cache.status(at(0)).into_iter();
            status
                .filter(|status| status.issuer == issuer)
                .any(|status| status.fetching)
        };
        assert!(fetching(&slow) && !fetching(&quick));
        gate.release();
        assert_eq!(waiting.join().unwrap(), Ok(()));
    });
}

#[test]
fn no_caller_waits_for_a_background_refresh() {
    // Keys that are 1190 seconds old are refreshed in the background. Beyond 1200 seconds a caller
    // waits for a fetch, but not for a background refresh that is running.
    for (due, still) in [(700, 785), (1190, 1275)] {
        let tenant = tenant();
        let cache = in_background(tenant.client());
        let gate = Gate::new();
        let old = keys_of(&cache, &tenant, 0).unwrap();
        tenant.misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&gate));
        for keys in on_threads(|_| keys_of(&cache, &tenant, due).unwrap()) {
            assert!(Arc::ptr_eq(&old, &keys));
        }
        assert!(gate.wait_arrived());
        assert!(Arc::ptr_eq(&old, &keys_of(&cache, &tenant, still).unwrap()));
        assert_eq!(fetches(&tenant), (2, 1));
        // Once the refresh is overdue, a caller fetches.
        let new = keys_of(&cache, &tenant, 1300).unwrap();
        assert_eq!(new.requested_at(), at(1300));
        gate.release();
    }
}

/// The response to the refresh was made before the issuer had its new key.
#[test]
fn a_refresh_begun_before_a_rotation_does_not_hide_the_new_key() {
    let tenant = tenant();
    let cache = in_background(tenant.client());
    let gate = Gate::new();
    keys_of(&cache, &tenant, 0).unwrap();
    let stale = Fault::body(200, "application/json", tenant.jwks().to_string());
    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::hold_then(&gate, stale));
    keys_of(&cache, &tenant, 700).unwrap();
    assert!(gate.wait_arrived());
    tenant.replace_keys().unwrap();
    let (kid, issuer) = (tenant.kid(), normalize_domain(tenant.domain()).unwrap());
    let called = Barrier::new(2);
    std::thread::scope(|scope| {
        let call = || {
            called.wait();
            cache.keys_with(&issuer, &kid, Algorithm::Rs256, at(701))
        };
        let waiting = scope.spawn(call);
        called.wait();
        gate.release();
        let keys = waiting.join().unwrap().unwrap();
        assert!(keys.keys().contains(&kid, Algorithm::Rs256));
    });
    assert_eq!(fetches(&tenant), (2, 3));
}

#[test]
fn unknown_key_ids_on_many_threads_make_one_request() {
    let tenant = tenant();
    let cache = cache_of(&tenant);
    let issuer = normalize_domain(tenant.domain()).unwrap();
    keys_of(&cache, &tenant, 0).unwrap();
    tenant.replace_keys().unwrap();
    let kid = tenant.kid();
    let found = on_threads(|thread| {
        let wanted = match thread % 2 {
            0 => kid.clone(),
            _ => format!("nobody's {thread}"),
        };
        let keys = cache.keys_with(&issuer, &wanted, Algorithm::Rs256, at(1));
        keys.unwrap().keys().contains(&wanted, Algorithm::Rs256)
    });
    for (thread, found) in found.into_iter().enumerate() {
        assert_eq!(found, thread % 2 == 0, "{thread}");
    }
    assert_eq!(fetches(&tenant), (1, 2));
}

#[test]
fn a_reload_waits_for_the_running_round_and_then_fetches_again() {
    a_reload_during(Fault::none(), (3, 3));
    a_reload_during(Fault::status(500), (3, 2));
}

fn a_reload_during(fault: Fault, expected: (usize, usize)) {
    let tenant = tenant();
    let cache = in_background(tenant.client());
    let gate = Gate::new();
    keys_of(&cache, &tenant, 0).unwrap();
    tenant.misbehave_times(Endpoint::Discovery, 1, Fault::hold_then(&gate, fault));
    keys_of(&cache, &tenant, 700).unwrap();
    assert!(gate.wait_arrived());
    let issuer = normalize_domain(tenant.domain()).unwrap();
    let called = Barrier::new(2);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            called.wait();
            cache.reload(&issuer, at(700))
        });
        called.wait();
        gate.release();
        assert!(waiting.join().unwrap().is_ok());
    });
    assert_eq!(fetches(&tenant), expected);
}

/// A running refresh sends no further requests once the last clone is dropped.
#[test]
fn refreshes_end_with_the_last_clone() {
    for clones in [0, 1] {
        let tenant = tenant();
        let [metadata, keys] = [Gate::new(), Gate::new()];
        let (alive, ended) = mpsc::channel::<()>();
        let client = {
            let tenant = tenant.clone();
            move |request| {
                // This is dropped once neither the cache nor a thread holds the client.
                let _ = &alive;
                tenant.handle(request)
            }
        };
        let cache = in_background(client);
        keys_of(&cache, &tenant, 0).unwrap();
        tenant.misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&metadata));
        tenant.misbehave_times(Endpoint::Jwks, 1, Fault::hold_at(&keys));
        let kept: Vec<KeyCache> = (0..clones).map(|_| cache.clone()).collect();
        keys_of(&cache, &tenant, 700).unwrap();
        assert!(metadata.wait_arrived());
        drop(cache);
        metadata.release();
        if clones > 0 {
            assert!(keys.wait_arrived());
        }
        drop(kept);
        keys.release();
        assert!(ended.recv().is_err());
        assert_eq!(fetches(&tenant), (2, 1 + clones));
    }
}

#[test]
fn a_refresh_that_panics_is_tried_again() {
    let tenant = tenant();
    let calls = Arc::new(AtomicUsize::new(0));
    let (panicked, has_panicked) = mpsc::channel::<()>();
    let client = {
        let (calls, tenant) = (Arc::clone(&calls), tenant.clone());
        move |request| {
            if calls.fetch_add(1, Ordering::SeqCst) == 2 {
                panicked.send(()).unwrap();
                panic!("the refresh panics");
            }
            tenant.handle(request)
        }
    };
    let cache = in_background(client);
    keys_of(&cache, &tenant, 0).unwrap();
    keys_of(&cache, &tenant, 700).unwrap();
    has_panicked.recv().unwrap();
    // The next caller that has to wait fetches.
    let keys = keys_of(&cache, &tenant, 1200).unwrap();
    assert_eq!(keys.requested_at(), at(1200));
    assert_eq!(cache.status(at(1200))[0].freshness, Freshness::Fresh);
}
