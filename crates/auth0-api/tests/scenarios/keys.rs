//! Fetching keys, how long they are used, and outages.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use a0_testkit::{Endpoint, Fault, LocalNetwork, SigningKey};
use auth0_api::discovery::InMemoryCache;
use auth0_api::{ApiClient, CacheAdapter, ErrorKind, Freshness, ResolverContext, TokenOptions};
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
    // A forged signature causes no request.
    let forged = world.token().with_signature([1; 256]).mint().unwrap();
    let error = world.verify(&forged).unwrap_err();
    assert_eq!(error.error_description(), "Signature verification failed");
    assert_eq!(world.fetches(), (1, 1));
}

pub fn keys_are_fresh_for_their_time_to_live<D: Driver>() {
    let seconds = Duration::from_secs;
    // (max-age, cache_ttl, cache_min_ttl, seconds for which the keys are fresh)
    for (max_age, ttl, min_ttl, fresh_for) in [
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
        if fresh_for > 0 {
            world.advance(fresh_for - 1);
            assert!(world.verify(&token).is_ok());
            assert_eq!(world.fetches(), (1, 1), "{max_age:?} {ttl} {min_ttl}");
            world.advance(1);
        }
        assert!(world.verify(&token).is_ok());
        assert_eq!(world.fetches(), (2, 2), "{max_age:?} {ttl} {min_ttl}");
    }
    // If the clock is set back by more than a minute, the age of the keys is unknown.
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_ok());
    for (now, fetches) in [(NOW - 60, 1), (NOW - 61, 2)] {
        world.tenant.set_now(at(now));
        assert!(world.verify(&token).is_ok());
        assert_eq!(world.fetches(), (fetches, fetches));
    }
}

pub fn tokens_stay_valid_during_a_key_rotation<D: Driver>() {
    let world = World::<D>::new();
    let old = world.token().mint().unwrap();
    assert!(world.verify(&old).is_ok());
    world.tenant.rotate_keys().unwrap();
    // Both keys are published. The first token of the new one causes one more request for keys.
    let new = world.token().mint().unwrap();
    for token in [&old, &new, &old, &new] {
        assert!(world.verify(token).is_ok());
    }
    assert_eq!(world.fetches(), (1, 2));
    // The old key is removed. Its tokens are accepted until the client fetches the new set.
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

pub fn ten_thousand_forged_tokens_cause_one_request<D: Driver>() {
    let world = World::<D>::new();
    let genuine = world.token().mint().unwrap();
    assert!(world.verify(&genuine).is_ok());
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
    assert!(world.verify(&genuine).is_ok());
}

/// The tenant fails for an hour. Its `max-age` is 15 seconds.
pub fn stale_keys_are_used_during_an_outage<D: Driver>() {
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

    // An unknown `kid` is an outage too, and the response says when to try again.
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

/// RFC 9110 section 10.2.3: `Retry-After` is a number of whole seconds. Zero would ask for a request at
/// once.
pub fn rfc9110_10_2_3_retry_after_is_in_whole_seconds_and_never_zero<D: Driver>() {
    let milliseconds = Duration::from_millis;
    // (the failure, how long ago it was, what is left of it)
    for (fault, ago, expected) in [
        (Fault::status(500), 0, "1"),
        (Fault::status(500), 600, "1"),
        (Fault::status(500), 999, "1"),
        (Fault::retry_after(503, 20), 0, "20"),
        (Fault::retry_after(503, 20), 1, "20"),
        (Fault::retry_after(503, 20), 18_600, "2"),
        (Fault::retry_after(503, 20), 19_600, "1"),
    ] {
        let world = World::<D>::new();
        world.tenant.misbehave(Endpoint::Jwks, fault.clone());
        assert_outage(&world, "Failed to fetch JWKS");
        world.tenant.set_now(world.tenant.now() + milliseconds(ago));
        let field = &outage(&world).headers()["retry-after"];
        assert_eq!(field, expected, "{fault:?}, {ago} ms ago");
        assert_eq!(world.fetches(), (1, 1));
    }
    // The clock moves during the fetch: by more than the back-off, or back.
    for seconds in [0, 1, 10, -1, -10, -3600] {
        let tenant = World::<D>::new().tenant;
        let clock = tenant.clone();
        let slow = move |_| {
            clock.set_now(at(NOW + seconds));
            Err(std::io::ErrorKind::ConnectionRefused.into())
        };
        let client = D::build(D::http_client(builder::<D>(&tenant), slow)).unwrap();
        let world = World { tenant, client };
        assert_eq!(outage(&world).headers()["retry-after"], "1", "{seconds}");
    }
}

pub fn key_status_reports_the_state_of_the_keys<D: Driver>() {
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

/// Only requests fetch keys, so an instance that gets none because it is not ready would not recover.
pub fn a_client_stays_ready_once_it_has_fetched_keys<D: Driver>() {
    let world = World::<D>::new();
    assert!(!world.client.is_ready());
    world.client.warm_up().unwrap();
    assert!(world.client.is_ready());
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::status(500));
    world.tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    world.advance(200_000);
    assert!(world.verify(&world.token().mint().unwrap()).is_err());
    assert!(world.client.is_ready());

    let resolver = |_: &ResolverContext<'_>| Ok::<_, io::Error>(Vec::new());
    let builder = ApiClient::builder().audience(AUDIENCE);
    let client = D::build(D::domains_resolver(builder, resolver)).unwrap();
    assert!(client.is_ready(), "no issuer is known before a request");
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
    let key = format!("a0-discovery:2:metadata:{}", tenant.issuer());
    shared
        .set(&key, "garbage", Duration::from_secs(60))
        .unwrap();
    let client = build();
    let outcome = client.verify_access_token(&token, &Default::default());
    assert!(outcome.is_ok());
    assert_eq!(client.cache_failures(), 1);
    assert_eq!(client.counts().shared_entries_refused, 1);
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
    // With the `kid` of their key, and with the `kid` of ours.
    let their_kid = forged.clone().kid(&theirs.kid()).mint().unwrap();
    assert_eq!(
        verify(their_kid),
        Err("No matching key found in JWKS".into())
    );
    let our_kid = forged.clone().kid(&ours.kid()).mint().unwrap();
    assert_eq!(verify(our_kid), Err("Signature verification failed".into()));
    assert!(
        theirs.requests().is_empty(),
        "the attacker's tenant gets no request"
    );
    let genuine = ours.access_token().audience(AUDIENCE).mint().unwrap();
    assert_eq!(verify(genuine), Ok(()));
}

pub fn rfc8414_3_3_metadata_of_another_issuer_is_not_used<D: Driver>() {
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
    for (jwks_uri, refusal) in [
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
        match refusal {
            Some(description) => {
                assert_outage(&world, description);
                assert!(world.tenant.refused().is_empty(), "{jwks_uri}");
            }
            // The tenant has no keys at that path, but it received the request.
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

pub fn an_unusable_document_is_an_outage_and_not_an_invalid_token<D: Driver>() {
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
            let actual = error.error_description();
            // Some of these documents are metadata without an issuer.
            let expected =
                actual == description || actual == "Discovery metadata missing 'issuer' field";
            assert!(expected, "{actual}");
            assert!(world.tenant.refused().is_empty(), "no redirect is followed");
        }
    }
}

pub fn a_failed_fetch_is_retried_after_one_second<D: Driver>() {
    let world = World::<D>::new();
    world
        .tenant
        .misbehave_times(Endpoint::Jwks, 1, Fault::status(500));
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_err());
    // For one second, calls get the same failure without another request.
    assert!(world.verify(&token).is_err());
    assert_eq!(world.fetches(), (1, 1));
    world.advance(1);
    assert!(world.verify(&token).is_ok());
}

pub fn a_new_key_set_replaces_the_old_one<D: Driver>() {
    let world = World::<D>::new();
    let token = world.token().mint().unwrap();
    assert!(world.verify(&token).is_ok());
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

pub fn initial_keys_serve_while_the_tenant_is_away<D: Driver>() {
    for (age, is_served, requests) in [
        (0, true, 0),
        (599, true, 0),
        (3599, true, 1),
        (3600, false, 1),
    ] {
        let world = World::<D>::new();
        let (tenant, jwks) = (&world.tenant, world.tenant.jwks().to_string());
        let token = world.token().mint().unwrap();
        tenant.misbehave(Endpoint::Discovery, Fault::status(503));
        let fetched_at = at(NOW - age);
        let builder = builder::<D>(tenant).initial_keys(tenant.domain(), jwks, fetched_at);
        let client = D::build(builder).unwrap();
        let result = client.verify_access_token(&token, &TokenOptions::new());
        assert_eq!(result.is_ok(), is_served, "{age}: {result:?}");
        assert_eq!(tenant.request_count(Endpoint::Discovery), requests, "{age}");
    }
}

/// The client is told no more than that there is no key; the error's source is for the operator.
pub fn an_operator_is_told_why_the_key_of_a_token_is_not_used<D: Driver>() {
    let world = World::<D>::new();
    let usable = world.tenant.jwks()["keys"][0].clone();
    let mut wrong_use = usable.clone();
    wrong_use["use"] = "enc".into();
    let mut other = usable;
    other["kid"] = "other".into();
    let keys = json!({"keys": [other, wrong_use]}).to_string();
    world.tenant.set_jwks_body(Some(keys.as_bytes()));
    let error = world.verify(&world.token().mint().unwrap()).unwrap_err();
    assert_eq!(error.error_description(), "No matching key found in JWKS");
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        source.starts_with("the key with the token's 'kid' was left out"),
        "{source}"
    );
    let unknown = world.token().kid("unknown").mint().unwrap();
    let error = world.verify(&unknown).unwrap_err();
    assert!(std::error::Error::source(&error).is_none(), "{error:?}");
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
