//! The token endpoint of an issuer.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{START, at, cache_of, fetches, keys_of, rules};
use a0_discovery::{FetchFailure, KeyCache, TokenEndpointError, normalize_domain};
use a0_testkit::{Endpoint, Fault, LocalTenant};
use serde_json::{Value, json};

fn tenant() -> LocalTenant {
    LocalTenant::new("a.example").unwrap()
}

fn endpoint_of(cache: &KeyCache, seconds: i64) -> Result<String, TokenEndpointError> {
    cache.token_endpoint(&normalize_domain("a.example").unwrap(), at(seconds))
}

const OWN: &str = "https://a.example/oauth/token";

#[test]
fn the_endpoint_comes_from_metadata_alone_or_from_that_of_cached_keys() {
    let tenant = tenant();
    let cache = cache_of(&tenant);
    for (second, requests) in [(0, 1), (299, 1), (300, 2)] {
        assert_eq!(endpoint_of(&cache, second), Ok(OWN.to_owned()));
        assert_eq!(fetches(&tenant), (requests, 0), "{second}");
    }
    // The issuer does not appear among those with keys.
    assert!(cache.status(at(300)).is_empty());

    let cache = cache_of(&tenant);
    tenant.reset_requests();
    keys_of(&cache, &tenant, 0).unwrap();
    for (second, requests) in [(299, 1), (300, 2)] {
        assert_eq!(endpoint_of(&cache, second), Ok(OWN.to_owned()));
        assert_eq!(fetches(&tenant), (requests, 1), "{second}");
    }
    // While metadata cannot be fetched, that of keys which may still be served is used.
    let cache = cache_of(&tenant);
    keys_of(&cache, &tenant, 0).unwrap();
    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    assert_eq!(endpoint_of(&cache, 3599), Ok(OWN.to_owned()));
    assert!(endpoint_of(&cache, 3600).is_err());
}

#[test]
fn the_endpoint_outlives_an_outage_and_callers_share_its_failure() {
    let tenant = tenant();
    tenant.set_now(UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()));
    tenant.misbehave(Endpoint::Discovery, Fault::retry_after(503, 7));
    let cache = cache_of(&tenant);
    for _ in 0..2 {
        let Err(TokenEndpointError::Unavailable(error)) = endpoint_of(&cache, 0) else {
            panic!("there is no metadata");
        };
        assert_eq!(*error.error.failure(), FetchFailure::Status(503));
        assert_eq!(fetches(&tenant), (1, 0));
    }
    tenant.recover(Endpoint::Discovery);
    tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    let cache = cache_of(&tenant);
    assert!(endpoint_of(&cache, 0).is_ok(), "no keys are needed");
    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    assert_eq!(endpoint_of(&cache, 3599), Ok(OWN.to_owned()));
    assert!(endpoint_of(&cache, 3600).is_err());
}

#[test]
fn the_endpoint_is_on_the_domains_own_origin_or_a_trusted_one() {
    use TokenEndpointError::{Missing, NotAllowed};
    let elsewhere = "https://login.example/token";
    for (endpoint, expected) in [
        (json!(OWN), Ok(OWN)),
        (
            json!("https://A.example:443/token"),
            Ok("https://a.example/token"),
        ),
        (json!(elsewhere), Ok(elsewhere)),
        (json!("https://login.example:8443/token"), Err(NotAllowed)),
        (json!("http://a.example/oauth/token"), Err(NotAllowed)),
        (json!("https://a.example:8443/oauth/token"), Err(NotAllowed)),
        (json!("https://user@a.example/oauth/token"), Err(NotAllowed)),
        (json!("https://evil.example/oauth/token"), Err(NotAllowed)),
        (json!("https://169.254.169.254/"), Err(NotAllowed)),
        (json!("/oauth/token"), Err(NotAllowed)),
        (json!(7), Err(NotAllowed)),
        (json!(""), Err(Missing)),
        (Value::Null, Err(Missing)),
    ] {
        let tenant = tenant();
        tenant.set_metadata("token_endpoint", endpoint.clone());
        let rules = rules().trust(["https://login.example".parse().unwrap()]);
        let cache = KeyCache::builder(rules, Arc::new(tenant.client())).build();
        let expected = expected.map(str::to_owned);
        assert_eq!(endpoint_of(&cache, 0), expected, "{endpoint}");
        // The result is the same if the metadata comes with keys.
        keys_of(&cache, &tenant, 0).unwrap();
        assert_eq!(endpoint_of(&cache, 0), expected, "{endpoint}");
    }
    let tenant = tenant();
    tenant.remove_metadata("token_endpoint");
    assert_eq!(endpoint_of(&cache_of(&tenant), 0), Err(Missing));
}

#[test]
fn metadata_of_the_endpoint_names_its_issuer_or_none() {
    let own = json!("https://a.example/");
    for (issuer, accepted) in [
        (Some(own), true),
        (None, true),
        (Some(json!("https://evil.example/")), false),
        (Some(json!("https://a.example")), false),
        (Some(Value::Null), false),
        (Some(json!(7)), false),
    ] {
        let tenant = tenant();
        match issuer.clone() {
            Some(issuer) => tenant.set_metadata("issuer", issuer),
            None => tenant.remove_metadata("issuer"),
        }
        let outcome = endpoint_of(&cache_of(&tenant), 0);
        assert_eq!(outcome.is_ok(), accepted, "{issuer:?}");
    }
}
