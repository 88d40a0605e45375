//! Keys and metadata from another address than the issuer's name, and keys that are never fetched.

use std::sync::Arc;

use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant};
use auth0_api::discovery::InMemoryCache;
use auth0_api::{ApiClient, Builder, ErrorKind, Freshness, OnBehalfOf, TokenOptions};
use http::StatusCode;
use serde_json::json;

use super::exchange::{DOWNSTREAM, ID, SECRET};
use super::{AUDIENCE, Driver, Handle, NOW, World, at, builder};

const METADATA_URL: &str = "https://proxy.internal:8443/tenant/metadata?code=hunter2";
const JWKS_URL: &str = "https://proxy.internal:8443/tenant/keys";

/// A proxy that serves the documents of `tenant` at addresses of its own. The issuer's own name answers
/// nothing.
fn proxy(tenant: &LocalTenant) -> impl Handle {
    let tenant = tenant.clone();
    move |request: http::Request<Vec<u8>>| {
        let path = match request.uri().to_string().as_str() {
            METADATA_URL => tenant.url(Endpoint::Discovery),
            JWKS_URL => tenant.url(Endpoint::Jwks),
            _ => {
                let mut response = http::Response::new(Vec::new());
                *response.status_mut() = StatusCode::BAD_GATEWAY;
                return Ok(response);
            }
        };
        tenant.handle(http::Request::get(path).body(Vec::new()).unwrap())
    }
}

fn client<D: Driver>(tenant: &LocalTenant, options: impl Fn(Builder) -> Builder) -> D {
    let builder = D::http_client(options(builder::<D>(tenant)), proxy(tenant));
    D::build(builder).unwrap()
}

pub fn documents_come_from_the_configured_addresses<D: Driver>() {
    let world = World::<D>::new();
    let (tenant, domain) = (&world.tenant, world.tenant.domain());
    let token = world.token().mint().unwrap();
    let metadata = |builder: Builder| builder.metadata_url(domain, METADATA_URL);
    let jwks = |builder: Builder| builder.jwks_url(domain, JWKS_URL);
    let verify = |client: D| {
        let verified = client.verify_access_token(&token, &TokenOptions::new());
        verified
            .map(|_| ())
            .map_err(|error| error.status_code().as_u16())
    };
    assert_eq!(
        verify(client(tenant, |builder| jwks(metadata(builder)))),
        Ok(())
    );
    // Each address is for one document.
    assert_eq!(verify(client(tenant, metadata)), Err(503));
    assert_eq!(verify(client(tenant, jwks)), Err(503));
    assert_eq!(verify(client(tenant, |builder| builder)), Err(503));
    // It is the address of one issuer.
    let other = |builder: Builder| {
        let builder = builder.domains([domain, "other.example"]);
        let builder = builder.metadata_url("other.example", METADATA_URL);
        builder.jwks_url("other.example", JWKS_URL)
    };
    assert_eq!(verify(client(tenant, other)), Err(503));
}

pub fn a_shared_cache_keeps_documents_of_different_addresses_apart<D: Driver>() {
    let world = World::<D>::new();
    let (tenant, domain) = (&world.tenant, world.tenant.domain());
    let token = world.token().mint().unwrap();
    let shared = Arc::new(InMemoryCache::new(100));
    let metadata = |builder: Builder| builder.metadata_url(domain, METADATA_URL);
    let jwks = |builder: Builder| builder.jwks_url(domain, JWKS_URL);
    let verify = |options: &dyn Fn(Builder) -> Builder| {
        let client: D = client(tenant, |builder| {
            D::cache(options(builder), Arc::clone(&shared))
        });
        let outcome = client.verify_access_token(&token, &TokenOptions::new());
        (outcome.is_ok(), world.fetches())
    };
    let both = |builder| metadata(jwks(builder));
    assert_eq!(verify(&both), (true, (1, 1)));
    assert_eq!(verify(&both), (true, (1, 1)));
    // The proxy answers for no other address, and what it sent before is not used for one.
    for options in [&jwks as &dyn Fn(Builder) -> Builder, &metadata, &|it| it] {
        let (is_verified, (_, key_requests)) = verify(options);
        assert_eq!((is_verified, key_requests), (false, 1));
    }
}

pub fn metadata_from_a_configured_address_passes_every_check<D: Driver>() {
    let evil = "https://evil.example/";
    // (member, value, whether keys are accepted: without jwks_url, with it)
    for (member, value, expected) in [
        ("issuer", json!(evil), [false, false]),
        (
            "issuer",
            json!("https://proxy.internal:8443/"),
            [false, false],
        ),
        ("issuer", json!(null), [false, false]),
        ("jwks_uri", json!(JWKS_URL), [false, true]),
        (
            "jwks_uri",
            json!("https://evil.example/keys"),
            [false, true],
        ),
        (
            "jwks_uri",
            json!("http://tenant.example/keys"),
            [false, true],
        ),
        ("jwks_uri", json!(null), [false, true]),
    ] {
        for (with_jwks_url, expected) in [false, true].into_iter().zip(expected) {
            let world = World::<D>::new();
            let (tenant, domain) = (&world.tenant, world.tenant.domain());
            tenant.set_metadata(member, value.clone());
            let client: D = client(tenant, |builder| {
                let builder = builder.metadata_url(domain, METADATA_URL);
                match with_jwks_url {
                    true => builder.jwks_url(domain, JWKS_URL),
                    false => builder,
                }
            });
            let token = world.token().mint().unwrap();
            let result = client.verify_access_token(&token, &TokenOptions::new());
            assert_eq!(result.is_ok(), expected, "{member} {value} {with_jwks_url}");
            if let Err(error) = result {
                assert_eq!(error.status_code(), 503, "{member} {value}");
            }
        }
    }
}

/// Gateways take keys in a query.
pub fn no_error_shows_the_query_of_an_address<D: Driver>() {
    let world = World::<D>::new();
    let (tenant, domain) = (&world.tenant, world.tenant.domain());
    tenant.set_metadata("issuer", "https://evil.example/");
    let client: D = client(tenant, |builder| builder.metadata_url(domain, METADATA_URL));
    let token = world.token().mint().unwrap();
    let error = client
        .verify_access_token(&token, &TokenOptions::new())
        .unwrap_err();
    let first: Option<&dyn std::error::Error> = Some(&error);
    let causes = std::iter::successors(first, |cause| cause.source());
    let shown: String = causes.map(|cause| format!("{cause} {cause:?} ")).collect();
    let status = client.key_status();
    let shown = format!("{shown}{} {status:?}", error.diagnosis());
    assert!(shown.contains("https://proxy.internal:8443/tenant/metadata"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// The token endpoint stays where it must be, on the issuer's own origin.
pub fn client_flows_read_metadata_from_the_configured_address<D: Driver>() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(at(NOW));
    tenant.register_client(ID, SECRET);
    let (proxied, served) = (proxy(&tenant), tenant.clone());
    let handle = move |request: http::Request<Vec<u8>>| match request.uri().path() {
        "/oauth/token" => served.handle(request),
        _ => proxied(request),
    };
    let clock = tenant.clone();
    // The domain of client flows need not be an issuer of accepted tokens.
    let builder = ApiClient::builder()
        .domain("tenant.example")
        .domains(["other.example"])
        .audience(AUDIENCE)
        .client_id(ID)
        .client_secret(SECRET)
        .metadata_url("tenant.example", METADATA_URL)
        .clock(move || clock.now());
    let client = D::build(D::http_client(builder, handle)).unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let request = OnBehalfOf::new(&token, DOWNSTREAM);
    assert!(client.get_token_on_behalf_of(&request).is_ok());
    tenant.set_metadata("token_endpoint", "https://proxy.internal:8443/oauth/token");
    tenant.set_now(at(NOW + 7200));
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let request = OnBehalfOf::new(&token, DOWNSTREAM);
    let error = client.get_token_on_behalf_of(&request).unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::GetTokenByExchangeProfile(_)
    ));
}

pub fn static_keys_are_never_fetched_and_never_age<D: Driver>() {
    let world = World::<D>::new();
    let (tenant, jwks) = (&world.tenant, world.tenant.jwks().to_string());
    let clients = [0, 16].map(|tokens| {
        let builder = builder::<D>(tenant).token_cache(tokens);
        D::build(builder.static_keys(tenant.domain(), &*jwks)).unwrap()
    });
    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    for client in &clients {
        for days in [0, 1, 400] {
            tenant.set_now(at(NOW + days * 86_400));
            let token = world.token().mint().unwrap();
            for _ in 0..2 {
                let verified = client.verify_access_token(&token, &TokenOptions::new());
                assert!(verified.is_ok(), "{verified:?}");
            }
            let status = client.key_status().remove(0);
            assert_eq!(status.freshness, Freshness::Static);
            assert_eq!(status.key_ids, [tenant.kid()]);
            assert_eq!((status.last_success, status.fetching), (None, false));
            assert!(client.is_ready());
        }
        client.warm_up().unwrap();
        client.reload(tenant.domain()).unwrap();
    }
    // Neither an unknown kid nor a wrong signature asks the issuer.
    let good = world.token().mint().unwrap();
    tenant.rotate_keys().unwrap();
    let rotated = world.token().mint().unwrap();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let (_, signature) = rotated.rsplit_once('.').unwrap();
    for token in [format!("{signed}.{signature}"), rotated.clone()] {
        for client in &clients {
            let result = client.verify_access_token(&token, &TokenOptions::new());
            assert_eq!(result.unwrap_err().status_code(), 401);
        }
    }
    assert_eq!(world.fetches(), (0, 0));
}

pub fn static_keys_are_those_of_one_issuer<D: Driver>() {
    let network = LocalNetwork::new();
    let [fixed, other] = ["fixed.example", "other.example"].map(|name| {
        let tenant = network.tenant(name).unwrap();
        tenant.set_now(at(NOW));
        tenant
    });
    let builder = builder::<D>(&fixed)
        .domains(["fixed.example", "other.example"])
        .static_keys("fixed.example", fixed.jwks().to_string())
        // The addresses of another issuer are no contradiction.
        .metadata_url("other.example", other.url(Endpoint::Discovery))
        .jwks_url("other.example", other.url(Endpoint::Jwks));
    let client = D::build(D::http_client(builder, network.client())).unwrap();
    for (tenant, fetches) in [(&fixed, 0), (&other, 1)] {
        let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
        let verified = client.verify_access_token(&token, &TokenOptions::new());
        assert!(verified.is_ok(), "{verified:?}");
        assert_eq!(tenant.request_count(Endpoint::Jwks), fetches);
    }
    assert_eq!(client.key_status().len(), 2);
}

pub fn unusable_key_sources_are_a_configuration_error<D: Driver>() {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    let jwks = &*tenant.jwks().to_string();
    let (own, other) = ("tenant.example", "other.example");
    type Option<'o> = dyn Fn(Builder) -> Builder + 'o;
    let with = |option: &Option<'_>| {
        let error = D::build(option(builder::<D>(&tenant))).err();
        let error = error.expect("the option must be refused");
        assert!(matches!(error.kind(), ErrorKind::Configuration(_)));
        error.error_description().to_owned()
    };
    for url in [
        "http://proxy.internal/keys",
        "https://user:hunter2@proxy.internal/keys",
        "https://proxy.internal/keys#fragment",
        "https:\\\\proxy.internal\\keys",
        "https:proxy.internal/keys",
        "https:/proxy.internal/keys",
        "https:///proxy.internal/keys",
        "https://proxy.internal/a b",
        " https://proxy.internal/keys",
        "proxy.internal/keys",
        "/keys",
        "file:///etc/keys",
        "",
    ] {
        let text = with(&|builder| builder.metadata_url(own, url));
        assert!(text.starts_with("metadata_url: tenant.example: "), "{text}");
        assert!(!text.contains("hunter2"));
        let text = with(&|builder| builder.jwks_url(own, url));
        assert!(text.starts_with("jwks_url: tenant.example: "), "{text}");
    }
    for keys in [
        "",
        "{}",
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AA"}]}"#,
        &format!("{jwks}{}", " ".repeat(1024 * 1024)),
    ] {
        let text = with(&|builder| builder.static_keys(own, keys));
        assert!(text.starts_with("static_keys: tenant.example: "), "{text}");
    }
    let no_tokens = "this API does not accept tokens of this domain";
    assert!(with(&|builder| builder.static_keys(other, jwks)).contains(no_tokens));
    assert!(with(&|builder| builder.jwks_url(other, JWKS_URL)).contains(no_tokens));
    assert!(with(&|builder| builder.metadata_url(other, METADATA_URL)).contains(no_tokens));
    assert!(with(&|builder| builder.static_keys("a b", jwks)).contains("a b: invalid domain"));
    // Keys that never age make the other words meaningless.
    let text = with(&|builder| {
        let builder = builder.static_keys(own, jwks);
        builder.initial_keys(own, jwks, at(NOW))
    });
    assert!(
        text.contains("initial_keys names this domain too"),
        "{text}"
    );
    let text = with(&|builder| builder.static_keys(own, jwks).jwks_url(own, JWKS_URL));
    assert!(text.contains("jwks_url names this domain too"), "{text}");
    let text = with(&|builder| {
        let builder = builder.domains([own, other]).static_keys(other, jwks);
        builder.metadata_url(other, METADATA_URL)
    });
    assert!(
        text.contains("metadata_url names this domain too"),
        "{text}"
    );
    // A test that points the same options at a tenant of its own keeps none of them.
    let production = builder::<D>(&tenant)
        .static_keys(own, jwks)
        .metadata_url(own, METADATA_URL);
    let local = LocalTenant::new("local.example").unwrap();
    let local = production.local_tenant(local.domain(), local.client(), local.clock());
    assert!(D::build(local).is_ok());
}
