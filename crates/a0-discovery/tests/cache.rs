//! What is fetched, what is kept, and whose it is.

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use a0_discovery::{FetchFailure, FetchRules, IssuerKeys, max_age, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant};
use common::{cache_of, cache_with, fetches, keys_of, policy};
use http::HeaderMap;

fn failure_of(tenant: &LocalTenant) -> FetchFailure {
    keys_of(&cache_of(tenant), tenant, 0)
        .unwrap_err()
        .error
        .failure
}

#[test]
fn keys_belong_to_their_issuer() {
    let network = LocalNetwork::new();
    let tenants = ["a.example", "b.example"].map(|domain| network.tenant(domain).unwrap());
    let cache = cache_with(network.client(), policy());
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

    // A limit without end takes no room for itself.
    keys_of(&limited_to(NonZeroUsize::MAX), &a, 0).unwrap();
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
            let outcome = keys_of(&cache_of(&tenant), &tenant, 0);
            let failure = outcome.map(|_| ()).map_err(|error| error.error.failure);
            let expected = match fits {
                true => Ok(()),
                false => Err(FetchFailure::TooLarge),
            };
            assert_eq!(failure, expected, "{endpoint:?} {length}");
        }
        // And but for their status.
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
    let tenant = tenant();
    let es256_only = FetchRules::new([Algorithm::Es256]);
    let client = Arc::new(tenant.client());
    let cache = a0_discovery::KeyCache::builder(es256_only, client).build();
    let outcome = keys_of(&cache, &tenant, 0);
    assert_eq!(
        outcome.unwrap_err().error.failure,
        FetchFailure::NoUsableKey
    );
}
