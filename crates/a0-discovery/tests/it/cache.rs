//! The documents of a fetch, their failures, and the limit on issuers.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{START, at, cache_of, cache_with, fetches, keys_of, policy, rules};
use a0_discovery::{FetchFailure, Issuer, IssuerKeys, KeyCache, max_age, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, Gate, LocalNetwork, LocalTenant};
use http::HeaderMap;

fn failure_of(tenant: &LocalTenant) -> FetchFailure {
    keys_of(&cache_of(tenant), tenant, 0)
        .unwrap_err()
        .error
        .failure()
        .clone()
}

#[test]
fn keys_belong_to_their_issuer() {
    let network = LocalNetwork::new();
    let tenants = ["a.example", "b.example"].map(|domain| network.tenant(domain).unwrap());
    let cache = cache_with(network.client(), policy());
    for tenant in &tenants {
        // Both issuers use the same `kid`.
        let mut jwks = tenant.jwks();
        jwks["keys"][0]["kid"] = "shared".into();
        tenant.set_jwks_body(Some(jwks.to_string().as_bytes()));
    }
    let fetched = keys_of(&cache, &tenants[0], 0).unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    assert_eq!(
        *fetched.metadata().unwrap().get("issuer").unwrap(),
        issuer.to_string()
    );
    let [a, b] = &tenants
        .each_ref()
        .map(|tenant| keys_of(&cache, tenant, 0).unwrap());
    for (tenant, own, other) in [(&tenants[0], a, b), (&tenants[1], b, a)] {
        let token = tenant.access_token().kid("shared").mint().unwrap();
        let verify = |keys: &IssuerKeys| {
            a0_jose::Compact::parse(&token, 16_384)
                .unwrap()
                .decode()
                .unwrap()
                .validate_header(&a0_jose::HeaderRules::new([Algorithm::Rs256]))
                .unwrap()
                .verify(keys.keys())
                .is_ok()
        };
        assert!(verify(own));
        assert!(!verify(other));
        assert_eq!(fetches(tenant), (1, 1));
    }
}

#[test]
fn the_least_recently_used_issuer_is_dropped_at_the_limit() {
    let network = LocalNetwork::new();
    let [a, b, c] = ["a.example", "b.example", "c.example"].map(|d| network.tenant(d).unwrap());
    let limited_to = |issuers| {
        let mut policy = policy();
        policy.max_issuers = issuers;
        cache_with(network.client(), policy)
    };
    let cache = limited_to(NonZeroUsize::new(2).unwrap());
    for tenant in [&a, &b, &a, &c, &a, &b] {
        keys_of(&cache, tenant, 0).unwrap();
    }
    assert_eq!(
        [fetches(&a), fetches(&b), fetches(&c)],
        [(1, 1), (2, 2), (1, 1)]
    );

    // A huge limit allocates nothing in advance.
    keys_of(&limited_to(NonZeroUsize::MAX), &a, 0).unwrap();
}

/// It is not fetched twice at the same time either.
#[test]
fn an_evicted_issuer_keeps_its_back_off_and_cool_down() {
    let network = LocalNetwork::new();
    let names: Vec<String> = (0..6).map(|number| format!("t{number}.example")).collect();
    let tenants: Vec<_> = names
        .iter()
        .map(|name| network.tenant(name).unwrap())
        .collect();
    let mut policy = policy();
    policy.max_issuers = NonZeroUsize::new(2).unwrap();
    let now = Arc::new(AtomicI64::new(0));
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
    // If the issuer is evicted after its back-off is over, the next back-off is still twice as
    // long.
    let [first, others] = [&tenants[0], &tenants[1]];
    let fetches_at = |tenant: &LocalTenant, second| {
        now.store(second, Ordering::SeqCst);
        let before = fetches(tenant).0;
        assert!(keys_of(&cache, tenant, second).is_err());
        fetches(tenant).0 > before
    };
    assert!(fetches_at(first, 500));
    for second in [600, 601] {
        fetches_at(others, second);
        fetches_at(&tenants[2], second);
    }
    assert!(fetches_at(first, 602) && !fetches_at(first, 602 + 59));
    now.store(1000, Ordering::SeqCst);
    for tenant in &tenants {
        tenant.recover(Endpoint::Discovery);
        tenant.reset_requests();
    }
    // A cool-down outlives an eviction too.
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
    // Each issuer was evicted, so its keys are fetched again, but no search is made.
    let searched: usize = tenants.iter().map(|tenant| fetches(tenant).1).sum();
    assert_eq!(searched, 18);

    // Three issuers in a cache for two, while the first one is being fetched.
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

#[test]
fn the_lower_max_age_of_the_two_documents_counts() {
    for (metadata, keys, lowest) in [
        (Some("max-age=400"), Some("max-age=500"), Some(400)),
        (Some("max-age=500"), Some("max-age=400"), Some(400)),
        (None, Some("max-age=400"), Some(400)),
        (Some("max-age=400"), None, Some(400)),
        (None, None, None),
    ] {
        let tenant = LocalTenant::new("a.example").unwrap();
        tenant.cache_control(None);
        for (endpoint, value) in [(Endpoint::Discovery, metadata), (Endpoint::Jwks, keys)] {
            if let Some(value) = value {
                tenant.misbehave(endpoint, Fault::headers([("cache-control", value)]));
            }
        }
        let kept = keys_of(&cache_of(&tenant), &tenant, 0).unwrap();
        assert_eq!(kept.max_age(), lowest.map(Duration::from_secs));
    }
}

#[test]
fn a_max_age_is_a_number_or_nothing() {
    for (value, expected) in [
        ("max-age=15", Some(15)),
        ("public, Max-Age=15", Some(15)),
        ("max-age = 15", Some(15)),
        ("max-age=15, max-age=20", Some(15)),
        ("max-age=99999999999999999999999", Some(u64::MAX)),
        ("max-age=0", Some(0)),
        ("s-maxage=15", None),
        ("max-age", None),
        ("max-age=", None),
        ("max-age=+5", None),
        ("max-age=-1", None),
        ("max-age=1.5", None),
        ("max-age=abc, max-age=20", None),
        ("max-age=\"15\"", None),
        ("no-store", None),
    ] {
        let mut headers = HeaderMap::new();
        headers.insert("cache-control", value.parse().unwrap());
        assert_eq!(
            max_age(&headers),
            expected.map(Duration::from_secs),
            "{value}"
        );
    }
    assert_eq!(max_age(&HeaderMap::new()), None);
}

#[test]
fn each_failure_is_told_apart() {
    let tenant = || LocalTenant::new("a.example").unwrap();
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        // A valid document of the largest size, and one that is an octet longer.
        let tenant = tenant();
        let mut document = match endpoint {
            Endpoint::Discovery => tenant.metadata(),
            _ => tenant.jwks(),
        };
        document["padding"] = "".into();
        let room = a0_discovery::MAX_BODY_SIZE - document.to_string().len();
        for (length, fits) in [(room, true), (room + 1, false)] {
            document["padding"] = "x".repeat(length).into();
            let body = document.to_string();
            tenant.misbehave(endpoint, Fault::body(200, "application/json", body));
            let outcome = keys_of(&cache_of(&tenant), &tenant, 0);
            let failure = outcome
                .map(|_| ())
                .map_err(|error| error.error.failure().clone());
            let expected = match fits {
                true => Ok(()),
                false => Err(FetchFailure::TooLarge),
            };
            assert_eq!(failure, expected, "{endpoint:?} {length}");
        }
        // A valid document with another status.
        let good = match endpoint {
            Endpoint::Discovery => tenant.metadata(),
            _ => tenant.jwks(),
        };
        for status in [201, 202, 203, 206, 299, 404] {
            let body = good.to_string();
            tenant.misbehave(endpoint, Fault::body(status, "application/json", body));
            assert_eq!(failure_of(&tenant), FetchFailure::Status(status));
        }
        tenant.misbehave(endpoint, Fault::status(302));
        assert_eq!(failure_of(&tenant), FetchFailure::Status(302));
    }
    for jwks_uri in [
        "https://user@a.example/keys",
        "https://:password@a.example/keys",
        "https://a.example:8443/keys",
        "http://a.example/keys",
    ] {
        let tenant = tenant();
        tenant.set_metadata("jwks_uri", jwks_uri);
        assert_eq!(
            failure_of(&tenant),
            FetchFailure::JwksUriNotAllowed,
            "{jwks_uri}"
        );
    }
}
