//! Where keys come from, how long they are used, and what an outage is.

use std::sync::Arc;
use std::time::Duration;

use a0_testkit::{Endpoint, Fault, LocalNetwork, SigningKey};
use auth0_api::discovery::InMemoryCache;
use auth0_api::{CacheAdapter, ErrorKind, Freshness};
use serde_json::{Value, json};

use super::{AUDIENCE, Driver, NOW, World, at, builder};

pub fn a_cold_client_makes_two_requests_and_a_warm_one_none<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    assert_eq!(world.fetches(), (0, 0));
    for _ in 0..5 {
        assert!(world.verify(&token).is_ok());
        assert_eq!(world.fetches(), (1, 1));
    }
    // Nor for tokens that nobody signed.
    let forged = world.token().with_signature([1; 256]).mint().unwrap();
    let error = world.verify(&forged).unwrap_err();
    assert_eq!(error.error_description(), "Signature verification failed");
    assert_eq!(world.fetches(), (1, 1));
}

pub fn keys_are_used_for_their_time_to_live<D: Driver>() {
    let seconds = Duration::from_secs;
    // (max-age, cache_ttl, cache_min_ttl, seconds that the keys are used)
    for (max_age, ttl, min_ttl, used_for) in [
        (None, 600, 300, 600),
        (Some("max-age=15"), 600, 300, 300),
        (Some("max-age=400"), 600, 300, 400),
        (Some("max-age=86400"), 600, 300, 600),
        (Some("max-age=15"), 600, 0, 15),
        (Some("max-age=0"), 600, 0, 15),
        (Some("max-age=-1"), 600, 0, 600),
        (Some("max-age=100000000000000000000"), 600, 300, 600),
        (Some("max-age=15, max-age=500"), 600, 0, 15),
        (Some("no-store"), 600, 300, 600),
        (None, 0, 300, 0),
        (None, 100, 300, 100),
    ] {
        let world = World::<D>::with(|builder| {
            builder
                .cache_ttl(seconds(ttl))
                .cache_min_ttl(seconds(min_ttl))
        });
        world.tenant.cache_control(max_age);
        let token = world.token().mint().unwrap();
        assert!(world.verify(&token).is_ok());
        if used_for > 0 {
            world.advance(used_for - 1);
            assert!(world.verify(&token).is_ok());
            assert_eq!(world.fetches(), (1, 1), "{max_age:?} {ttl} {min_ttl}");
            world.advance(1);
        }
        assert!(world.verify(&token).is_ok());
        assert_eq!(world.fetches(), (2, 2), "{max_age:?} {ttl} {min_ttl}");
    }
    // A clock that goes back makes their age unknown.
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_ok());
    for (now, fetches) in [(NOW - 60, 1), (NOW - 61, 2)] {
        world.tenant.set_now(at(now));
        assert!(world.verify(&token).is_ok());
        assert_eq!(world.fetches(), (fetches, fetches));
    }
}

pub fn a_rotation_refuses_nobody<D: Driver>() {
    let world = World::<D>::new();
    let old = world.token().mint().unwrap();
    assert!(world.verify(&old).is_ok());
    world.tenant.rotate_keys().unwrap();
    // Both keys are published: tokens of the new one pass after one more request for keys.
    let new = world.token().mint().unwrap();
    for token in [&old, &new, &old, &new] {
        assert!(world.verify(token).is_ok());
    }
    assert_eq!(world.fetches(), (1, 2));
    // The old one is withdrawn: its tokens pass until the set is replaced.
    world.tenant.replace_keys().unwrap();
    assert!(world.verify(&old).is_ok());
    world.advance(30);
    assert!(world.verify(&world.token().mint().unwrap()).is_ok());
    assert_eq!(world.fetches(), (1, 3));
    for token in [&old, &new] {
        let error = world.verify(token).unwrap_err();
        assert_eq!(error.error_description(), "No matching key found in JWKS");
        assert_eq!(error.status_code(), 401);
    }
    assert_eq!(world.fetches(), (1, 3));
}

pub fn ten_thousand_forged_tokens_make_one_request<D: Driver>() {
    let world = World::<D>::new();
    let honest = world.token().mint().unwrap();
    assert!(world.verify(&honest).is_ok());
    let forged = world.token().with_signature([1; 256]);
    for number in 0..10_000 {
        let forged = forged
            .clone()
            .kid(&format!("forged {number}"))
            .mint()
            .unwrap();
        let error = world.verify(&forged).unwrap_err();
        assert_eq!(error.error_description(), "No matching key found in JWKS");
    }
    assert_eq!(world.fetches(), (1, 2));
    assert!(world.verify(&honest).is_ok());
}

/// Half an hour without the tenant, whose keys may be cached for 15 seconds.
pub fn an_outage_is_outlived<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().expires_in(86_400);
    let token = token.mint().unwrap();
    assert!(world.verify(&token).is_ok());
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        world
            .tenant
            .misbehave(endpoint, Fault::retry_after(503, 20));
    }
    for _ in 0..1800 {
        world.advance(1);
        assert!(world.verify(&token).is_ok());
    }
    let (metadata, keys) = world.fetches();
    assert!(
        (20..40).contains(&metadata) && keys == 1,
        "{metadata} {keys}"
    );

    // A token of a key that nobody here knows: no verdict, and when to come back.
    let unknown = world.token().kid("unknown").mint().unwrap();
    let error = world.verify(&unknown).unwrap_err();
    assert_eq!(error.error_code(), "temporarily_unavailable");
    let seconds = error.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse::<u64>();
    assert!((1..=60).contains(&seconds.unwrap()));

    world.advance(1800);
    let error = world.verify(&token).unwrap_err();
    assert_eq!(error.status_code(), 503);
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        world.tenant.recover(endpoint);
    }
    world.advance(60);
    assert!(world.verify(&token).is_ok());
}

pub fn the_client_tells_the_state_of_its_keys<D: Driver>() {
    let world = World::<D>::new();
    assert!(world.client.key_status().is_empty());
    world.client.warm_up().unwrap();
    assert_eq!(world.fetches(), (1, 1));
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_ok());
    assert_eq!(world.fetches(), (1, 1));
    let status = world.client.key_status().remove(0);
    assert_eq!(status.issuer.as_str(), world.tenant.issuer());
    assert_eq!(status.key_ids, [world.tenant.kid()]);
    assert_eq!(status.freshness, Freshness::Fresh);

    world.tenant.replace_keys().unwrap();
    world.client.reload("HTTPS://tenant.example").unwrap();
    assert_eq!(world.fetches(), (2, 2));
    assert!(world.verify(&token).is_err());

    world.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    let error = world.client.reload("tenant.example").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable(_)));
    assert_eq!(world.client.key_status()[0].failures, 1);
    assert_eq!(world.client.key_status()[0].freshness, Freshness::Fresh);
    let error = world.client.reload("http://tenant.example").unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Configuration(_)));

    let cold = World::<D>::new();
    cold.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    let error = cold.client.warm_up().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable(_)));
}

pub fn clients_share_keys_through_an_adapter<D: Driver>() {
    let shared = Arc::new(InMemoryCache::new(100));
    let tenant = World::<D>::new().tenant;
    let build = || D::build(D::cache(builder::<D>(&tenant), Arc::clone(&shared))).unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    for _ in 0..2 {
        let client = build();
        let outcome = client.verify_access_token(&token, &Default::default());
        assert!(outcome.is_ok());
        assert_eq!(tenant.request_count(Endpoint::Jwks), 1);
        assert_eq!(client.cache_failures(), 0);
    }
    let key = format!("a0-discovery:1:metadata:{}", tenant.issuer());
    shared
        .set(&key, "garbage", Duration::from_secs(60))
        .unwrap();
    let client = build();
    let outcome = client.verify_access_token(&token, &Default::default());
    assert!(outcome.is_ok());
    assert_eq!(client.cache_failures(), 1);
}

pub fn rfc8725_3_8_only_keys_of_the_issuer_verify<D: Driver>() {
    let network = LocalNetwork::new();
    let ours = network.tenant("tenant.example").unwrap();
    let theirs = network.tenant("evil.example").unwrap();
    for tenant in [&ours, &theirs] {
        tenant.set_now(at(NOW));
    }
    let builder = builder::<D>(&ours).clock(|| at(NOW));
    let client = D::build(D::http_client(builder, network.client())).unwrap();
    let forged = theirs
        .access_token()
        .audience(AUDIENCE)
        .claim("iss", ours.issuer())
        .header("jku", theirs.url(Endpoint::Jwks))
        .header("jwk", theirs.signing_key().public_jwk());
    let verify = |token: String| {
        client
            .verify_access_token(&token, &Default::default())
            .map(|_| ())
            .map_err(|error| error.error_description())
    };
    // Named by their key's name, and by ours.
    let named_theirs = forged.clone().kid(&theirs.kid()).mint().unwrap();
    assert_eq!(
        verify(named_theirs),
        Err("No matching key found in JWKS".into())
    );
    let named_ours = forged.clone().kid(&ours.kid()).mint().unwrap();
    assert_eq!(
        verify(named_ours),
        Err("Signature verification failed".into())
    );
    assert!(
        theirs.requests().is_empty(),
        "the attacker's tenant was asked"
    );
    let honest = ours.access_token().audience(AUDIENCE).mint().unwrap();
    assert_eq!(verify(honest), Ok(()));
}

pub fn rfc8414_3_3_metadata_of_another_issuer_is_of_no_use<D: Driver>() {
    for (issuer, description) in [
        (
            Some(json!("https://evil.example/")),
            "Discovery metadata 'issuer' does not match the domain",
        ),
        (
            Some(json!("https://tenant.example")),
            "Discovery metadata 'issuer' does not match the domain",
        ),
        (
            Some(json!("https://TENANT.example/")),
            "Discovery metadata 'issuer' does not match the domain",
        ),
        (
            Some(json!("https://tenant.example:443/")),
            "Discovery metadata 'issuer' does not match the domain",
        ),
        (
            Some(json!(["https://tenant.example/"])),
            "Discovery metadata 'issuer' does not match the domain",
        ),
        (
            Some(Value::Null),
            "Discovery metadata 'issuer' does not match the domain",
        ),
        (None, "Discovery metadata missing 'issuer' field"),
    ] {
        let world = World::<D>::new();
        match issuer {
            Some(issuer) => world.tenant.set_metadata("issuer", issuer),
            None => world.tenant.remove_metadata("issuer"),
        }
        assert_outage(&world, description);
        assert_eq!(world.fetches(), (1, 0));
    }
}

pub fn keys_come_only_from_the_issuer_or_a_trusted_endpoint<D: Driver>() {
    let refused = "Failed to fetch OIDC discovery metadata";
    for (jwks_uri, outcome) in [
        (json!("https://tenant.example/keys"), None),
        (json!("https://TENANT.example:443/keys"), None),
        (json!("http://tenant.example/keys"), Some(refused)),
        (json!("https://keys.example/keys"), Some(refused)),
        (json!("https://tenant.example:8443/keys"), Some(refused)),
        (
            json!("https://tenant.example.evil.example/keys"),
            Some(refused),
        ),
        (
            json!("https://tenant.example@evil.example/keys"),
            Some(refused),
        ),
        (json!("https://user@tenant.example/keys"), Some(refused)),
        (
            json!("https://evil.example\\@tenant.example/keys"),
            Some(refused),
        ),
        (json!("https://169.254.169.254/latest"), Some(refused)),
        (json!("https://localhost/keys"), Some(refused)),
        (json!("file:///etc/passwd"), Some(refused)),
        (json!("/keys"), Some(refused)),
        (json!(""), Some(refused)),
        (json!(7), Some(refused)),
        (
            Value::Null,
            Some("Discovery metadata missing 'jwks_uri' field"),
        ),
    ] {
        let world = World::<D>::new();
        world.tenant.set_metadata("jwks_uri", jwks_uri.clone());
        match outcome {
            Some(description) => {
                assert_outage(&world, description);
                assert!(world.tenant.refused().is_empty(), "{jwks_uri}");
            }
            // The tenant has nothing at that path: it is enough that it was asked.
            None => assert_outage(&world, "Failed to fetch JWKS"),
        }
    }

    let network = LocalNetwork::new();
    let tenant = network.tenant("tenant.example").unwrap();
    let elsewhere = network.tenant("keys.example").unwrap();
    tenant.set_now(at(NOW));
    tenant.set_metadata("jwks_uri", elsewhere.url(Endpoint::Jwks));
    elsewhere.set_jwks_body(Some(tenant.jwks().to_string().as_bytes()));
    let builder = D::http_client(builder::<D>(&tenant), network.client());
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    for (trusted, accepted) in [
        ("https://keys.example", true),
        ("https://KEYS.example:443/", true),
        ("https://keys.example:8443", false),
        ("https://other.example", false),
    ] {
        let client = D::build(builder.clone().trusted_endpoints([trusted])).unwrap();
        let outcome = client.verify_access_token(&token, &Default::default());
        assert_eq!(outcome.is_ok(), accepted, "{trusted}");
    }
}

pub fn a_document_that_cannot_be_had_is_an_outage_and_no_verdict<D: Driver>() {
    let big = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(1024 * 1024));
    let ok = |body: &str| Fault::body(200, "application/json", body);
    let faults = [
        Fault::status(404),
        Fault::status(429),
        Fault::status(500),
        Fault::status(503),
        Fault::status(204),
        Fault::status(206),
        Fault::redirect("https://evil.example/"),
        Fault::transport(std::io::ErrorKind::ConnectionRefused),
        Fault::transport(std::io::ErrorKind::TimedOut),
        Fault::body(200, "text/html", "<html></html>"),
        ok(""),
        ok("null"),
        ok("[]"),
        ok("{"),
        ok("{}"),
        ok(r#"{"keys":null}"#),
        ok(r#"{"keys":[]}"#),
        ok(r#"{"keys":[null]}"#),
        ok(r#"{"keys":[{"kty":"oct","k":"AAAA","kid":"a"}]}"#),
        ok(&big),
        Fault::gzip_bomb(2 * 1024 * 1024),
        Fault::endless_body(),
    ];
    for (endpoint, description) in [
        (
            Endpoint::Discovery,
            "Failed to fetch OIDC discovery metadata",
        ),
        (Endpoint::Jwks, "Failed to fetch JWKS"),
    ] {
        for fault in &faults {
            let world = World::<D>::new();
            world.tenant.misbehave(endpoint, fault.clone());
            let error = outage(&world);
            let described = error.error_description();
            // An object that is no metadata lacks an issuer.
            let expected = described == description
                || described == "Discovery metadata missing 'issuer' field";
            assert!(expected, "{described}");
            assert!(world.tenant.refused().is_empty(), "a redirect was followed");
        }
    }
}

pub fn a_failure_is_not_kept<D: Driver>() {
    let world = World::<D>::new();
    world
        .tenant
        .misbehave_times(Endpoint::Jwks, 1, Fault::status(500));
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_err());
    // It is told for a second more, and nobody asks meanwhile.
    assert!(world.verify(&token).is_err());
    assert_eq!(world.fetches(), (1, 1));
    world.advance(1);
    assert!(world.verify(&token).is_ok());

    // A set that is replaced is replaced, not merged.
    let stranger = SigningKey::cached_rsa("stranger").unwrap();
    world.tenant.replace_keys().unwrap();
    world.advance(600);
    if D::SERVES_STALE {
        assert!(world.verify(&token).is_ok());
    }
    let error = world.verify(&token).unwrap_err();
    assert_eq!(error.error_description(), "No matching key found in JWKS");
    assert!(world.verify(&world.token().mint().unwrap()).is_ok());
    let forged = world.token().signed_with(&stranger).mint().unwrap();
    assert!(world.verify(&forged).is_err());
}

fn outage<D: Driver>(world: &World<D>) -> auth0_api::Error {
    let token = world.token().mint().unwrap();
    let error = world.verify_bearer(&token).unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::Unavailable(_)),
        "{error:?}"
    );
    assert_eq!(error.status_code(), 503);
    assert_eq!(error.error_code(), "temporarily_unavailable");
    assert!(error.challenges().is_empty());
    assert!(error.headers().get("www-authenticate").is_none());
    assert!(std::error::Error::source(&error).is_some());
    error
}

fn assert_outage<D: Driver>(world: &World<D>, description: &str) {
    assert_eq!(outage(world).error_description(), description);
}
