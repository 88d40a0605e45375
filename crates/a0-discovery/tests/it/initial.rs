//! Keys that a cache starts with.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::common::{START, at, fetches, keys_of, policy, rules};
use a0_discovery::{CachePolicy, FetchFailure, Freshness, KeyCache, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalTenant};

fn time(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((START + seconds).unsigned_abs())
}

/// A cache that starts with the tenant's keys at the second 0. They were fetched at `fetched_at`.
fn cache(tenant: &LocalTenant, fetched_at: i64, policy: CachePolicy) -> KeyCache {
    tenant.set_now(time(0));
    let clock = tenant.clone();
    KeyCache::builder(rules(), Arc::new(tenant.client()))
        .policy(policy)
        .clock(move || clock.now())
        .initial_keys(
            normalize_domain(tenant.domain()).unwrap(),
            tenant.jwks().to_string(),
            time(fetched_at),
        )
        .unwrap()
        .build()
}

fn tenant(is_away: bool) -> LocalTenant {
    let tenant = LocalTenant::new("a.example").unwrap();
    if is_away {
        for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
            tenant.misbehave(endpoint, Fault::status(503));
        }
    }
    tenant
}

/// Whether a first call at the second `called_at` is served, and the requests that it makes.
#[test]
fn the_age_of_initial_keys_counts_from_their_fetch() {
    let without_stale = |policy: &mut CachePolicy| policy.max_stale = Duration::ZERO;
    let ages: [fn(&mut CachePolicy); 2] = [|_| {}, without_stale];
    for (options, fetched_at, called_at, is_away, served, requests) in [
        (0, 0, 0, false, true, (0, 0)),
        (0, -599, 0, true, true, (0, 0)),
        (0, -599, 1, false, true, (1, 1)),
        (0, -600, 0, false, true, (1, 1)),
        // An outage at the start: the keys serve until they are an hour old.
        (0, -600, 0, true, true, (1, 0)),
        (0, -3599, 0, true, true, (1, 0)),
        (0, -3599, 1, true, false, (1, 0)),
        (0, -3600, 0, true, false, (1, 0)),
        (0, -3600, 0, false, true, (1, 1)),
        (0, 0, 3599, true, true, (1, 0)),
        (0, 0, 3600, true, false, (1, 0)),
        (0, -1_000_000, 0, true, false, (1, 0)),
        // Keys from the future are ignored, also once that time has come.
        (0, 1000, 0, true, false, (1, 0)),
        (0, 1000, 1001, true, false, (1, 0)),
        (1, -599, 0, true, true, (0, 0)),
        (1, -600, 0, true, false, (1, 0)),
    ] {
        let case = format!("{options} {fetched_at} {called_at} {is_away}");
        let mut policy = policy();
        ages[options](&mut policy);
        let tenant = tenant(is_away);
        let cache = cache(&tenant, fetched_at, policy);
        assert_eq!(fetches(&tenant), (0, 0), "{case}");
        tenant.set_now(time(called_at));
        let keys = keys_of(&cache, &tenant, called_at);
        assert_eq!(keys.is_ok(), served, "{case}");
        assert_eq!(fetches(&tenant), requests, "{case}");
    }
}

#[test]
fn a_new_key_is_found_although_initial_keys_are_fresh() {
    let tenant = tenant(false);
    let cache = cache(&tenant, 0, policy());
    let kid = tenant.rotate_keys().unwrap();
    let issuer = normalize_domain(tenant.domain()).unwrap();
    let keys = cache
        .keys_with(&issuer, &kid, Algorithm::Rs256, at(1))
        .unwrap();
    assert!(keys.keys().contains(&kid, Algorithm::Rs256));
    // There was no `jwks_uri`, so the metadata came first.
    assert_eq!(fetches(&tenant), (1, 1));
}

#[test]
fn initial_keys_are_no_metadata() {
    let tenant = tenant(false);
    let cache = cache(&tenant, 0, policy());
    let keys = keys_of(&cache, &tenant, 0).unwrap();
    assert!(keys.metadata().is_none());
    assert_eq!(cache.status(at(0))[0].freshness, Freshness::Fresh);
    let issuer = normalize_domain(tenant.domain()).unwrap();
    let endpoint = cache.token_endpoint(&issuer, at(0)).unwrap();
    assert_eq!(endpoint, "https://a.example/oauth/token");
    assert_eq!(fetches(&tenant), (1, 0));
    let tenant = self::tenant(true);
    let cache = self::cache(&tenant, 0, policy());
    assert!(cache.token_endpoint(&issuer, at(0)).is_err());
}

#[test]
fn unusable_initial_keys_are_refused() {
    let tenant = tenant(false);
    for (text, expected) in [
        ("no JSON".to_owned(), FetchFailure::NotAKeySet),
        (r#"{"keys":[]}"#.to_owned(), FetchFailure::EmptyKeySet),
        (" ".repeat(1 << 20) + "{}", FetchFailure::TooLarge),
    ] {
        let builder = KeyCache::builder(rules(), Arc::new(tenant.client()));
        let issuer = normalize_domain(tenant.domain()).unwrap();
        let error = builder.initial_keys(issuer, text, time(0)).map(|_| ());
        assert_eq!(error, Err(expected));
    }
    // RFC 8725 section 3.1: the keys of an issuer are for its own algorithms.
    let issuer = normalize_domain(tenant.domain()).unwrap();
    let rules = rules().issuer_algorithms(issuer.clone(), [Algorithm::Es256]);
    let builder = KeyCache::builder(rules, Arc::new(tenant.client()));
    let error = builder.initial_keys(issuer, tenant.jwks().to_string(), time(0));
    assert!(matches!(error, Err(FetchFailure::NoUsableKey(_))));
}

/// The start of the cache is a reading of the clock, as every call is.
#[test]
fn a_set_back_of_the_clock_after_the_start_does_not_make_initial_keys_younger() {
    let tenant = tenant(true);
    let cache = cache(&tenant, -3000, policy());
    // By their date, the keys would be 100 seconds old, and fresh.
    tenant.set_now(time(-2900));
    assert!(keys_of(&cache, &tenant, -2900).is_ok());
    assert_eq!(fetches(&tenant), (1, 0));
    assert_eq!(cache.status(at(-2900))[0].freshness, Freshness::Stale);
    // After the second set-back their age is unknown for good.
    tenant.set_now(time(-2990));
    assert!(keys_of(&cache, &tenant, -2990).is_err());
}

/// At the limit the least recently used issuer is evicted, and its initial keys with it.
#[test]
fn evicted_initial_keys_do_not_come_back() {
    let tenants = ["a.example", "b.example", "c.example"].map(|domain| {
        let tenant = LocalTenant::new(domain).unwrap();
        tenant.misbehave(Endpoint::Discovery, Fault::status(503));
        tenant
    });
    let [first, ..] = &tenants;
    first.set_now(time(0));
    let mut policy = policy();
    policy.max_issuers = std::num::NonZeroUsize::new(2).unwrap();
    let clock = first.clone();
    let mut builder = KeyCache::builder(rules(), Arc::new(first.client()))
        .policy(policy)
        .clock(move || clock.now());
    for tenant in &tenants {
        let issuer = normalize_domain(tenant.domain()).unwrap();
        let jwks = tenant.jwks().to_string();
        builder = builder.initial_keys(issuer, jwks, time(-10)).unwrap();
    }
    let cache = builder.build();
    // The third issuer left room for one of the first two. Then the first call for the evicted one evicts.
    for (tenant, is_served) in [(2, true), (1, true), (0, false), (2, false)] {
        let keys = keys_of(&cache, &tenants[tenant], 0);
        assert_eq!(keys.is_ok(), is_served, "{tenant}");
    }
}
