//! The whole way over real HTTPS on loopback: ureq and rustls on one side, OpenSSL on the other.

use std::time::Duration;

use a0_http::TransportErrorKind;
use a0_testkit::{Endpoint, Fault, LocalTenant, TenantServer};
use auth0_api::{ApiClient, ErrorKind, RequestContext, UreqClient};

const AUDIENCE: &str = "https://api.example/";

fn api(server: &TenantServer, timeout: Duration) -> ApiClient {
    let http = UreqClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())
        .unwrap()
        .timeout(timeout)
        .build();
    ApiClient::builder()
        .domain(server.domain())
        .audience(AUDIENCE)
        .http_client(http)
        .build()
        .unwrap()
}

fn bearer(server: &TenantServer) -> String {
    let token = server.tenant().access_token().audience(AUDIENCE).mint();
    format!("Bearer {}", token.unwrap())
}

const PATIENT: Duration = Duration::from_secs(30);

#[test]
fn a_request_is_verified_against_a_tenant_over_tls() {
    let server = TenantServer::start().unwrap();
    let api = api(&server, PATIENT);
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
fn a_tenant_whose_certificate_nobody_vouches_for_is_not_asked() {
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
fn hostile_answers_end_within_the_limits() {
    for endpoint in [Endpoint::Discovery, Endpoint::Jwks] {
        for (fault, timeout, expected) in [
            (
                Fault::endless_body(),
                PATIENT,
                TransportErrorKind::BodyTooLarge,
            ),
            (
                Fault::stalled_body(),
                Duration::from_millis(200),
                TransportErrorKind::Timeout,
            ),
            (
                Fault::transport(std::io::ErrorKind::ConnectionReset),
                PATIENT,
                TransportErrorKind::Io,
            ),
        ] {
            let server = TenantServer::start().unwrap();
            // A slow machine may need longer than the short limit for the document before: only
            // the kind of the failure is looked at, and that is the same.
            server.tenant().misbehave(endpoint, fault);
            let error = api(&server, timeout)
                .verify_request(RequestContext::new().header("Authorization", bearer(&server)))
                .unwrap_err();
            assert_eq!(error.status_code(), 503);
            assert_eq!(transport_kind(&error), Some(expected), "{endpoint:?}");
        }
    }
}

/// The option reaches the default client, which trusts no local CA: what is seen is that it gives up
/// on a server that never answers the handshake.
#[test]
fn the_timeout_is_an_option() {
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
fn a_redirect_is_not_followed() {
    let server = TenantServer::start().unwrap();
    let elsewhere = TenantServer::start().unwrap();
    let target = elsewhere.tenant().url(Endpoint::Jwks);
    server
        .tenant()
        .misbehave(Endpoint::Jwks, Fault::redirect(&target));
    let api = api(&server, PATIENT);
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
