//! Keys that a cache starts with.

mod common;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a0_discovery::{CachePolicy, FetchFailure, Freshness, KeyCache, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalTenant};
use common::{START, at, fetches, keys_of, policy, rules};

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
}
