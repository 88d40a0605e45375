//! Leases: whether keys are still the ones a cache serves.

use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::common::{at, cache_of, cache_with, keys_of, policy, rules};
use a0_discovery::{KeyCache, Lease, normalize_domain};
use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant};

/// Three tenants and a cache for two of them.
fn crowded() -> (KeyCache, [LocalTenant; 3]) {
    let network = LocalNetwork::new();
    let tenants = ["a.example", "b.example", "c.example"].map(|d| network.tenant(d).unwrap());
    let mut policy = policy();
    policy.max_issuers = NonZeroUsize::new(2).unwrap();
    (cache_with(network.client(), policy), tenants)
}

fn holds(lease: &Lease, seconds: i64) -> bool {
    lease.holds(&policy(), at(seconds))
}

/// The lease holds exactly as long as the cache serves the keys without a fetch.
#[test]
fn a_lease_holds_while_the_keys_are_fresh() {
    let tenant = LocalTenant::new("a.example").unwrap();
    tenant.cache_control(None);
    let cache = cache_of(&tenant);
    let lease = keys_of(&cache, &tenant, 0).unwrap().lease().clone();
    // A second before the TTL, at the TTL, and with a clock that was set back.
    let ttl = i64::try_from(policy().ttl.as_secs()).unwrap();
    for (seconds, expected) in [
        (0, true),
        (ttl - 1, true),
        (ttl, false),
        (-60, true),
        (-61, false),
    ] {
        assert_eq!(holds(&lease, seconds), expected, "{seconds}");
    }
    let mut never = policy();
    never.ttl = Duration::ZERO;
    assert!(!lease.holds(&never, at(0)));

    let again = keys_of(&cache, &tenant, ttl - 1).unwrap();
    assert_eq!(*again.lease(), lease);

    // Stale keys keep their lease while they are served.
    tenant.misbehave(Endpoint::Discovery, Fault::status(503));
    let stale = keys_of(&cache, &tenant, ttl).unwrap();
    assert_eq!(*stale.lease(), lease);
    assert!(!lease.has_ended());
}

#[test]
fn the_lease_of_static_keys_holds_at_any_time() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let cache = KeyCache::builder(rules(), Arc::new(tenant.client()))
        .static_keys(
            normalize_domain("a.example").unwrap(),
            tenant.jwks().to_string(),
        )
        .unwrap()
        .build();
    let lease = keys_of(&cache, &tenant, 0).unwrap().lease().clone();
    let mut never = policy();
    never.ttl = Duration::ZERO;
    for seconds in [-86_400, 0, 400 * 86_400] {
        assert!(lease.holds(&never, at(seconds)), "{seconds}");
    }
}

#[test]
fn a_lease_ends_when_the_keys_are_replaced() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let cache = cache_of(&tenant);
    let issuer = normalize_domain(tenant.domain()).unwrap();
    let first = keys_of(&cache, &tenant, 0).unwrap();
    // A failed fetch replaces nothing.
    tenant.misbehave_times(Endpoint::Jwks, 1, Fault::status(503));
    assert!(cache.reload(&issuer, at(1)).is_err());
    assert!(!first.lease().has_ended());

    let second = cache.reload(&issuer, at(100)).unwrap();
    assert!(first.lease().has_ended());
    assert!(!holds(first.lease(), 100));
    assert!(!second.lease().has_ended());
    assert_ne!(first.lease(), second.lease());
}

/// Holders of a lease compute the age from the date, which a set-back makes unreliable.
#[test]
fn a_lease_ends_when_the_clock_is_set_back() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let cache = cache_of(&tenant);
    let keys = keys_of(&cache, &tenant, 0).unwrap();
    tenant.misbehave(Endpoint::Discovery, Fault::status(503));
    let served = keys_of(&cache, &tenant, -200).unwrap();
    assert!(Arc::ptr_eq(&keys, &served));
    assert!(keys.lease().has_ended());
}

#[test]
fn a_lease_ends_when_the_issuer_is_evicted() {
    let (cache, [a, b, c]) = crowded();
    let [of_a, of_b] = [&a, &b].map(|tenant| keys_of(&cache, tenant, 0).unwrap());
    assert!(!of_a.lease().has_ended());
    keys_of(&cache, &c, 0).unwrap();
    assert!(of_a.lease().has_ended());
    assert!(!of_b.lease().has_ended());
}

/// An issuer whose keys are used through their lease alone does not count as least recently used.
#[test]
fn a_used_lease_keeps_its_issuer_from_eviction() {
    let (cache, [a, b, c]) = crowded();
    let [of_a, of_b] = [&a, &b].map(|tenant| keys_of(&cache, tenant, 0).unwrap());
    assert!(holds(of_a.lease(), 1));
    let of_c = keys_of(&cache, &c, 0).unwrap();
    assert!(!of_a.lease().has_ended());
    assert!(of_b.lease().has_ended());
    // One use spares an issuer once. If all leases were used, one issuer is evicted all the same.
    assert!(holds(of_a.lease(), 1) && holds(of_c.lease(), 1));
    keys_of(&cache, &b, 0).unwrap();
    let ended = [&of_a, &of_c].map(|keys| keys.lease().has_ended());
    assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
}

/// The issuer is evicted during the fetch. Nothing could end the lease later, so it has ended
/// already.
#[test]
fn keys_of_an_evicted_issuer_get_an_ended_lease() {
    let network = LocalNetwork::new();
    let [a, b, c] = ["a.example", "b.example", "c.example"].map(|d| network.tenant(d).unwrap());
    let (requested, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let gates = (Arc::clone(&requested), Arc::clone(&go_on));
    let answer = network.client();
    let client = move |request: http::Request<Vec<u8>>| {
        if request.uri().host() == Some("a.example") && request.uri().path().contains("jwks") {
            gates.0.wait();
            gates.1.wait();
        }
        answer(request)
    };
    let mut policy = policy();
    policy.max_issuers = NonZeroUsize::new(2).unwrap();
    let cache = cache_with(client, policy);
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| keys_of(&cache, &a, 0).unwrap());
        requested.wait();
        keys_of(&cache, &b, 0).unwrap();
        keys_of(&cache, &c, 0).unwrap();
        go_on.wait();
        assert!(slow.join().unwrap().lease().has_ended());
    });
    // The issuer is fetched again and gets a new lease.
    std::thread::scope(|scope| {
        let again = scope.spawn(|| keys_of(&cache, &a, 0).unwrap());
        requested.wait();
        go_on.wait();
        assert!(!again.join().unwrap().lease().has_ended());
    });
}
