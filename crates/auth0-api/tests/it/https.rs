//! The blocking client over HTTPS on loopback. The client uses ureq and rustls, the server OpenSSL.

use std::sync::Barrier;
use std::time::Duration;

use a0_http::TransportErrorKind;
use a0_testkit::{Endpoint, Fault, Gate, LocalTenant, TenantServer};
use auth0_api::{ApiClient, Builder, ErrorKind, RequestContext, UreqClient};

const AUDIENCE: &str = "https://api.example/";

fn api(server: &TenantServer, timeout: Duration) -> ApiClient {
    builder(server, timeout).build().unwrap()
}

fn builder(server: &TenantServer, timeout: Duration) -> Builder {
    let http = UreqClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())
        .unwrap()
        .timeout(timeout)
        .build();
    ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .http_client(http)
}

fn bearer(server: &TenantServer) -> String {
    let token = server.tenant().access_token().audience(AUDIENCE).mint();
    format!("Bearer {}", token.unwrap())
}

const LONG: Duration = Duration::from_secs(30);

#[test]
fn a_request_is_verified_against_a_tenant_over_tls() {
    let server = TenantServer::start().unwrap();
    let api = api(&server, LONG);
    let field = bearer(&server);
    for _ in 0..3 {
        let request = RequestContext::new().header("Authorization", &*field);
        let token = api.verify_request(request).unwrap();
        assert_eq!(token.issuer().unwrap(), Some(server.issuer()));
    }
    assert_eq!(server.tenant().request_count(Endpoint::Discovery), 1);
    assert_eq!(server.tenant().request_count(Endpoint::Jwks), 1);
}

#[test]
fn a_tenant_with_an_untrusted_certificate_gets_no_request() {
    let server = TenantServer::start().unwrap();
    let stranger = TenantServer::start().unwrap();
    let http = UreqClient::builder()
        .root_certificates_pem(stranger.ca_pem().as_bytes())
        .unwrap()
        .build();
    let api = ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .http_client(http)
        .build()
        .unwrap();
    let field = bearer(&server);
    let error = api
        .verify_request(RequestContext::new().header("Authorization", field))
        .unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportErrorKind::Tls));
    assert!(server.tenant().requests().is_empty());
}

#[test]
fn hostile_responses_end_within_the_limits() {
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        for (fault, timeout, expected) in [
            (
                Fault::endless_body(),
                LONG,
                TransportErrorKind::BodyTooLarge,
            ),
            (
                Fault::stalled_body(),
                Duration::from_millis(200),
                TransportErrorKind::Timeout,
            ),
            (
                Fault::trickling_body(),
                Duration::from_millis(200),
                TransportErrorKind::Timeout,
            ),
            (
                Fault::transport(std::io::ErrorKind::ConnectionReset),
                LONG,
                TransportErrorKind::Io,
            ),
        ] {
            let server = TenantServer::start().unwrap();
            // On a slow machine the short limit may end an earlier exchange. The kind of failure is the
            // same then.
            server.tenant().misbehave(endpoint, fault);
            let error = api(&server, timeout)
                .verify_request(RequestContext::new().header("Authorization", bearer(&server)))
                .unwrap_err();
            assert_eq!(error.status_code(), 503);
            assert_eq!(transport_kind(&error), Some(expected), "{endpoint:?}");
        }
    }
}

/// The server never answers the TLS handshake, because the default client trusts no local CA.
#[test]
fn the_timeout_option_applies_to_the_default_client() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let tenant = LocalTenant::new(&format!(
        "localhost:{}",
        silent.local_addr().unwrap().port()
    ));
    let tenant = tenant.unwrap();
    let api = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .timeout(Duration::from_millis(100))
        .build()
        .unwrap();
    let token = tenant.access_token().audience(AUDIENCE).mint().unwrap();
    let error = api.verify_access_token(&token).unwrap_err();
    assert_eq!(transport_kind(&error), Some(TransportErrorKind::Timeout));
}

#[test]
fn an_unusable_response_is_an_outage() {
    let metadata = "Failed to fetch OIDC discovery metadata";
    for fault in [
        Fault::body(200, "text/html", "<html>Sign in</html>"),
        Fault::gzip_bomb(64 * 1024 * 1024),
        Fault::status(404),
        Fault::retry_after(429, 7),
    ] {
        for (endpoint, description) in [
            (Endpoint::Discovery, metadata),
            (Endpoint::Jwks, "Failed to fetch JWKS"),
        ] {
            let server = TenantServer::start().unwrap();
            server.tenant().misbehave(endpoint, fault.clone());
            let error = outage(&server);
            assert_eq!(error.error_description(), description, "{fault:?}");
            assert!(error.headers().contains_key("retry-after"));
        }
    }
    // Other hosts, hosts inside the network, and http are refused.
    let elsewhere = TenantServer::start().unwrap();
    let https = elsewhere.tenant().url(Endpoint::Jwks);
    for jwks_uri in [
        https.as_str(),
        &https.replace("https", "http"),
        "https://169.254.169.254/latest/meta-data",
        "https://[fe80::1]/keys",
        "https://127.0.0.1/keys",
    ] {
        let server = TenantServer::start().unwrap();
        server.tenant().set_metadata("jwks_uri", jwks_uri);
        assert_eq!(outage(&server).error_description(), metadata, "{jwks_uri}");
    }
    assert!(elsewhere.tenant().requests().is_empty());
}

fn outage(server: &TenantServer) -> auth0_api::Error {
    let request = RequestContext::new().header("Authorization", bearer(server));
    let error = api(server, LONG).verify_request(request).unwrap_err();
    assert_eq!(error.status_code(), 503);
    error
}

#[test]
fn a_short_or_invalid_max_age_causes_no_second_fetch() {
    for value in [
        "max-age=0",
        "max-age=-1",
        "max-age=100000000000000000000",
        "max-age=15, max-age=0",
        "no-store",
    ] {
        let server = TenantServer::start().unwrap();
        server.tenant().cache_control(Some(value));
        let api = api(&server, LONG);
        let field = bearer(&server);
        for _ in 0..3 {
            let request = RequestContext::new().header("Authorization", &*field);
            assert!(api.verify_request(request).is_ok());
        }
        assert_eq!(server.tenant().request_count(Endpoint::Jwks), 1, "{value}");
    }
}

#[test]
fn sixty_four_callers_of_a_cold_client_make_two_requests() {
    for (fault, requests, accepted) in [
        (Fault::none(), (1, 1), true),
        (Fault::status(500), (1, 0), false),
    ] {
        let server = TenantServer::start().unwrap();
        // The tenant's clock stands still, so every caller gets the first failure.
        server.tenant().set_now(std::time::SystemTime::now());
        let clock = server.tenant().clone();
        let api = builder(&server, LONG).clock(move || clock.now());
        let api = api.build().unwrap();
        server.tenant().misbehave(Endpoint::Discovery, fault);
        let field = bearer(&server);
        let start = Barrier::new(64);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    start.wait();
                    let request = RequestContext::new().header("Authorization", &*field);
                    assert_eq!(api.verify_request(request).is_ok(), accepted);
                });
            }
        });
        let count = |endpoint| server.tenant().request_count(endpoint);
        assert_eq!(
            (count(Endpoint::Discovery), count(Endpoint::Jwks)),
            requests
        );
    }
}

/// In the default mode, a background thread fetches newer keys.
#[test]
fn no_caller_waits_for_a_background_refresh() {
    let server = TenantServer::start().unwrap();
    let tenant = server.tenant();
    tenant.set_now(std::time::SystemTime::now());
    let clock = tenant.clone();
    let builder = builder(&server, LONG).cache_min_ttl(Duration::from_secs(600));
    let api = builder.clock(move || clock.now()).build().unwrap();
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let token = token.mint().unwrap();
    assert!(api.verify_access_token(&token).is_ok());
    let gate = Gate::new();
    tenant.misbehave_times(Endpoint::Discovery, 1, Fault::hold_at(&gate));
    tenant.set_now(tenant.now() + Duration::from_secs(700));
    for _ in 0..10 {
        assert!(api.verify_access_token(&token).is_ok());
    }
    assert!(gate.wait_arrived());
    assert!(api.key_status()[0].fetching);
    gate.release();
    // Later calls use the new keys.
    while api.key_status()[0].fetching {
        std::thread::yield_now();
    }
    tenant.set_now(tenant.now() + Duration::from_secs(500));
    assert!(api.verify_access_token(&token).is_ok());
    assert_eq!(tenant.request_count(Endpoint::Discovery), 2);
}

#[test]
fn a_redirect_is_not_followed() {
    let server = TenantServer::start().unwrap();
    let elsewhere = TenantServer::start().unwrap();
    let target = elsewhere.tenant().url(Endpoint::Jwks);
    server
        .tenant()
        .misbehave(Endpoint::Jwks, Fault::redirect(&target));
    let api = api(&server, LONG);
    let error = api
        .verify_request(RequestContext::new().header("Authorization", bearer(&server)))
        .unwrap_err();
    assert_eq!(error.error_description(), "Failed to fetch JWKS");
    assert!(elsewhere.tenant().requests().is_empty());
}

fn transport_kind(error: &auth0_api::Error) -> Option<TransportErrorKind> {
    assert!(
        matches!(error.kind(), ErrorKind::Unavailable(_)),
        "{error:?}"
    );
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(transport) = cause.downcast_ref::<a0_http::TransportError>() {
            return Some(transport.kind());
        }
        source = cause.source();
    }
    None
}
