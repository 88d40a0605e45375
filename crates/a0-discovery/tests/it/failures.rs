//! A failure tells an operator the document, its URL, and why keys were left out.

use std::error::Error;
use std::sync::Arc;

use crate::common::{at, cache_of, fetches, keys_of, policy};
use a0_discovery::{Document, FetchError, FetchFailure, FetchRules, KeyCache};
use a0_http::TransportErrorKind;
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalTenant};
use serde_json::{Value, json};

const METADATA_URL: &str = "https://a.example/.well-known/openid-configuration";

fn tenant() -> LocalTenant {
    LocalTenant::new("a.example").unwrap()
}

fn error_of(tenant: &LocalTenant) -> FetchError {
    keys_of(&cache_of(tenant), tenant, 0).unwrap_err().error
}

/// The texts of an error and its sources, as a log shows them.
fn chain(error: &dyn Error) -> String {
    let mut texts = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        texts = format!("{texts}: {source}");
        next = source.source();
    }
    texts
}

fn set_keys(tenant: &LocalTenant, keys: impl IntoIterator<Item = Value>) {
    let keys: Vec<Value> = keys.into_iter().collect();
    let body = json!({ "keys": keys }).to_string();
    tenant.set_jwks_body(Some(body.as_bytes()));
}

/// The tenant's own key with some members replaced.
fn own_key(tenant: &LocalTenant, members: Value) -> Value {
    let mut key = tenant.jwks()["keys"][0].clone();
    for (name, value) in members.as_object().unwrap() {
        key[name] = value.clone();
    }
    key
}

/// An RSA modulus of 1024 bits.
fn small_modulus() -> Value {
    format!("{}A", "_".repeat(170)).into()
}

#[test]
fn a_set_without_a_usable_key_says_why() {
    let tenant = tenant();
    let without_kid = {
        let mut key = own_key(&tenant, json!({}));
        key.as_object_mut().unwrap().remove("kid");
        key
    };
    for (key, reason) in [
        (Value::Null, "not a JSON object"),
        (
            json!({"kty": "oct", "k": "c2VjcmV0"}),
            "unsupported key type",
        ),
        (json!({"kid": "a"}), "missing or invalid member 'kty'"),
        (
            json!({"kty": "EC", "crv": "secp256k1", "kid": "a"}),
            "unsupported curve",
        ),
        (
            json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "a"}),
            "a coordinate is not of full length",
        ),
        (
            json!({"kty": "EC", "crv": "P-256", "x": "A".repeat(43), "y": "A".repeat(43),
                "kid": "a", "alg": "ES256"}),
            "not a key for an allowed algorithm",
        ),
        (
            own_key(&tenant, json!({"n": small_modulus()})),
            "RSA modulus is not of 2048 to 8192 bits",
        ),
        (
            own_key(&tenant, json!({"e": "AQ"})),
            "RSA exponent is not acceptable",
        ),
        (
            own_key(&tenant, json!({"use": "enc"})),
            "not a key for signatures",
        ),
        (
            own_key(&tenant, json!({"alg": "RS512"})),
            "not a key for an allowed algorithm",
        ),
        (without_kid, "a key without 'kid'"),
    ] {
        set_keys(&tenant, [key]);
        let error = error_of(&tenant);
        assert!(matches!(error.failure(), FetchFailure::NoUsableKey(_)));
        assert_eq!(
            chain(&error),
            format!(
                "Failed to fetch JWKS: the 'jwks_uri' at https://a.example: \
                 the key set has no usable key: entry 0: {reason}"
            )
        );
    }
    set_keys(&tenant, []);
    assert!(chain(&error_of(&tenant)).ends_with("the key set has no entries"));
    for body in [
        "{}",
        "[]",
        "null",
        "",
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        tenant.set_jwks_body(Some(body.as_bytes()));
        let text = chain(&error_of(&tenant));
        assert!(
            text.ends_with("not a JSON object with an array 'keys'"),
            "{text}"
        );
    }
}

#[test]
fn many_entries_are_counted() {
    let tenant = tenant();
    for (entries, tail) in [
        (2, "entry 0: not a JSON object; entry 1: not a JSON object"),
        (16, "entry 15: not a JSON object"),
        (17, "entry 15: not a JSON object; and 1 more"),
        (1024, "and 1008 more"),
        // The entries after the 1024th are one reason together.
        (5000, "and 1009 more"),
    ] {
        set_keys(&tenant, vec![Value::Null; entries]);
        let text = chain(&error_of(&tenant));
        assert!(text.ends_with(tail), "{text}");
        assert!(text.len() < 1000, "{text}");
    }
}

#[test]
fn the_status_says_why_keys_of_the_set_in_use_were_left_out() {
    let tenant = tenant();
    let small = own_key(&tenant, json!({"kid": "small", "n": small_modulus()}));
    let good = own_key(&tenant, json!({}));
    let cache = cache_of(&tenant);
    let status = |seconds| cache.status(at(seconds)).remove(0);

    set_keys(&tenant, [small, good.clone(), Value::Null]);
    keys_of(&cache, &tenant, 0).unwrap();
    let skipped = status(0).skipped_keys;
    assert_eq!(skipped.total(), 2);
    assert_eq!(
        skipped.to_string(),
        "entry 0: RSA modulus is not of 2048 to 8192 bits; entry 2: not a JSON object"
    );
    let positions: Vec<usize> = skipped
        .entries()
        .iter()
        .map(|entry| entry.position)
        .collect();
    assert_eq!(positions, [0, 2]);
    assert_eq!(skipped.entries()[0].reason, a0_jose::JwkError::ModulusSize);
    assert_eq!(status(0).key_ids, [tenant.kid()]);

    // A set that replaces it has its own. The keys of an outage keep theirs.
    set_keys(&tenant, [Value::Null]);
    keys_of(&cache, &tenant, 700).unwrap();
    assert_eq!(status(700).skipped_keys, skipped);
    let (_, error) = status(700).last_failure.unwrap();
    assert!(chain(&error).ends_with("entry 0: not a JSON object"));
    set_keys(&tenant, [good]);
    keys_of(&cache, &tenant, 800).unwrap();
    assert_eq!(status(800).skipped_keys.total(), 0);
    assert!(status(800).skipped_keys.entries().is_empty());
}

#[test]
fn a_failure_names_the_document_and_where_it_was_asked_for() {
    for (fault, reason) in [
        (Fault::status(404), "the server answered with status 404"),
        (Fault::redirect("https://evil.example/"), "status 302"),
        (
            Fault::transport(std::io::ErrorKind::TimedOut),
            "there was no complete response",
        ),
        (
            Fault::body(200, "application/json", "x".repeat(1 << 21)),
            "1 MiB",
        ),
    ] {
        let tenant = tenant();
        tenant.misbehave(Endpoint::Discovery, fault.clone());
        let error = error_of(&tenant);
        assert_eq!(error.document(), Document::Metadata);
        assert_eq!(error.url(), Some(METADATA_URL));
        let text = chain(&error);
        let start = format!("Failed to fetch OIDC discovery metadata: {METADATA_URL}: ");
        assert!(text.starts_with(&start) && text.contains(reason), "{text}");
        assert!(!text.contains("evil"), "{text}");

        tenant.recover(Endpoint::Discovery);
        tenant.misbehave(Endpoint::Jwks, fault);
        let error = error_of(&tenant);
        assert_eq!(error.document(), Document::Jwks);
        // The path is the server's text.
        assert_eq!(error.url(), Some("https://a.example"));
        let text = chain(&error);
        let start = "Failed to fetch JWKS: the 'jwks_uri' at https://a.example: ";
        assert!(text.starts_with(start) && text.contains(reason), "{text}");
        assert!(
            !text.contains("jwks.json") && !text.contains("evil"),
            "{text}"
        );
    }
    // A key set elsewhere.
    let tenant = tenant();
    tenant.set_metadata("jwks_uri", "https://keys.example:8443/a?b");
    let rules =
        FetchRules::new([Algorithm::Rs256]).trust(["https://keys.example:8443".parse().unwrap()]);
    let client = |_request: &http::Request<Vec<u8>>| TransportErrorKind::Connect;
    let tenants = tenant.client();
    let cache = KeyCache::builder(
        rules,
        Arc::new(
            move |request: http::Request<Vec<u8>>| match request.uri().host() {
                Some("a.example") => a0_http::HttpClient::exchange(&tenants, request),
                _ => Err(client(&request).into()),
            },
        ),
    )
    .policy(policy())
    .build();
    let error = keys_of(&cache, &tenant, 0).unwrap_err().error;
    assert_eq!(error.url(), Some("https://keys.example:8443"));
    assert_eq!(fetches(&tenant), (1, 0));
    assert!(!chain(&error).contains("?b"), "{error:?}");
}

#[test]
fn metadata_of_another_issuer_is_told_as_such() {
    let tenant = tenant();
    tenant.set_metadata("issuer", "https://evil.example/");
    let text = chain(&error_of(&tenant));
    assert!(
        text.starts_with(&format!(
            "Discovery metadata 'issuer' does not match the domain: {METADATA_URL}: "
        )),
        "{text}"
    );
    assert!(!text.contains("Token") && !text.contains("evil"), "{text}");
}
