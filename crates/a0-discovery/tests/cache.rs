//! What is fetched, what is kept, and whose it is.

use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use a0_discovery::{
    CacheLimits, FetchError, FetchFailure, FetchRules, IssuerKeys, KeyCache, max_age,
    normalize_domain,
};
use a0_jose::{Algorithm, NumericDate};
use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant};
use http::HeaderMap;

const START: i64 = 1_700_000_000;

fn at(seconds: i64) -> NumericDate {
    NumericDate::from_unix_seconds(START + seconds)
}

fn rules() -> FetchRules {
    FetchRules::new([Algorithm::Rs256])
}

fn keys_of(
    cache: &KeyCache,
    tenant: &LocalTenant,
    seconds: i64,
) -> Result<Arc<IssuerKeys>, FetchError> {
    let issuer = normalize_domain(tenant.domain()).unwrap();
    cache.keys(&issuer, &tenant.client(), at(seconds))
}

fn failure_of(tenant: &LocalTenant) -> FetchFailure {
    let cache = KeyCache::new(rules());
    keys_of(&cache, tenant, 0).unwrap_err().failure
}

fn fetches(tenant: &LocalTenant) -> (usize, usize) {
    (
        tenant.request_count(Endpoint::Discovery),
        tenant.request_count(Endpoint::Jwks),
    )
}

#[test]
fn keys_belong_to_their_issuer() {
    let network = LocalNetwork::new();
    let tenants = ["a.example", "b.example"].map(|domain| network.tenant(domain).unwrap());
    let cache = KeyCache::new(rules());
    for tenant in &tenants {
        // Both call their key by one name.
        let mut jwks = tenant.jwks();
        jwks["keys"][0]["kid"] = "shared".into();
        tenant.set_jwks_body(Some(jwks.to_string().as_bytes()));
    }
    let fetched = keys_of(&cache, &tenants[0], 0).unwrap();
    let issuer = normalize_domain("a.example").unwrap();
    assert_eq!(
        *fetched.metadata().get("issuer").unwrap(),
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
                .admit(&a0_jose::HeaderRules::new([Algorithm::Rs256]))
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
    let mut limits = CacheLimits::default();
    limits.max_issuers = NonZeroUsize::new(2).unwrap();
    let cache = KeyCache::with_limits(rules(), limits);
    for tenant in [&a, &b, &a, &c, &a, &b] {
        keys_of(&cache, tenant, 0).unwrap();
    }
    assert_eq!(
        [fetches(&a), fetches(&b), fetches(&c)],
        [(1, 1), (2, 2), (1, 1)]
    );

    // A limit without end takes no room for itself.
    limits.max_issuers = NonZeroUsize::MAX;
    keys_of(&KeyCache::with_limits(rules(), limits), &a, 0).unwrap();
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
        let cache = KeyCache::new(rules());
        let kept = keys_of(&cache, &tenant, 0).unwrap();
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
        // Good documents, but for their size.
        let tenant = tenant();
        let mut document = match endpoint {
            Endpoint::Discovery => tenant.metadata(),
            _ => tenant.jwks(),
        };
        document["padding"] = "".into();
        let room = a0_discovery::MAX_BODY - document.to_string().len();
        for (length, fits) in [(room, true), (room + 1, false)] {
            document["padding"] = "x".repeat(length).into();
            let body = document.to_string();
            tenant.misbehave(endpoint, Fault::body(200, "application/json", body));
            let outcome = keys_of(&KeyCache::new(rules()), &tenant, 0);
            let failure = outcome.map(|_| ()).map_err(|error| error.failure);
            let expected = match fits {
                true => Ok(()),
                false => Err(FetchFailure::TooLarge),
            };
            assert_eq!(failure, expected, "{endpoint:?} {length}");
        }
        tenant.misbehave(endpoint, Fault::status(302));
        assert_eq!(failure_of(&tenant), FetchFailure::Status(302));
    }
    // Metadata that names two of something.
    let document = tenant().metadata().to_string();
    for twice in [
        r#""issuer":"https://a.example/","#,
        r#""jwks_uri":"https://a.example/.well-known/jwks.json","#,
    ] {
        let tenant = tenant();
        let body = document.replacen('{', &format!("{{{twice}"), 1);
        tenant.misbehave(
            Endpoint::Discovery,
            Fault::body(200, "application/json", body),
        );
        assert_eq!(failure_of(&tenant), FetchFailure::NotAnObject, "{twice}");
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
    let es256_only = FetchRules::new([Algorithm::Es256]);
    let outcome = keys_of(&KeyCache::new(es256_only), &tenant(), 0);
    assert_eq!(outcome.unwrap_err().failure, FetchFailure::NoUsableKey);
}

/// Callers who read the clock before they waited for another's fetch take what that one brought.
#[test]
fn callers_of_a_cold_issuer_wait_for_one_fetch() {
    let tenant = LocalTenant::new("a.example").unwrap();
    let cache = KeyCache::new(rules());
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (cache, tenant, start) = (&cache, &tenant, &start);
            scope.spawn(move || {
                start.wait();
                keys_of(cache, tenant, -thread).unwrap();
            });
        }
    });
    assert_eq!(fetches(&tenant), (1, 1));
}
