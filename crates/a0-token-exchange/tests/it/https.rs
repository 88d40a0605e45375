//! Token requests over HTTPS on the loopback interface.

use std::io;
use std::time::Duration;

use crate::support::now;
use a0_http::{TransportErrorKind, UreqClient, drive};
use a0_testkit::{Endpoint, Fault, ProofKey, TenantServer};
use a0_token_exchange::{
    ClientAuth, ExchangeError, InvalidResponse, IssuedToken, OnBehalfOf, TokenClient,
};

fn exchange(server: &TenantServer, timeout: Duration) -> Result<IssuedToken, ExchangeError> {
    let http = UreqClient::builder()
        .root_certificates_pem(server.ca_pem().as_bytes())
        .unwrap()
        .timeout(timeout)
        .build();
    server.tenant().register_client("a:b %", "s+c r~t");
    let auth = ClientAuth::basic("a:b %", "s+c r~t").unwrap();
    let client = TokenClient::new(&server.tenant().url(Endpoint::Token), auth).unwrap();
    let subject = server.tenant().access_token().mint().unwrap();
    let token_request = client
        .on_behalf_of(&OnBehalfOf::new(&subject, "next"))
        .unwrap();
    let key = ProofKey::generate().unwrap();
    let token_request =
        token_request.with_proof(move |request| key.proof(request.method, request.url).mint());
    drive(&http, token_request.start(now()).unwrap())
}

const PATIENT: Duration = Duration::from_secs(30);

#[test]
fn a_token_is_exchanged_over_tls() {
    let server = TenantServer::start().unwrap();
    let nonce = r#"{"error":"use_dpop_nonce"}"#;
    let nonce = Fault::body(400, "application/json", nonce).with_header("dpop-nonce", "n");
    server.tenant().misbehave_times(Endpoint::Token, 1, nonce);
    let token = exchange(&server, PATIENT).unwrap();
    assert!(token.is_token_type("DPoP"));
    assert_eq!(server.tenant().request_count(Endpoint::Token), 2);
}

#[test]
fn credentials_do_not_follow_a_redirect() {
    let (server, elsewhere) = (
        TenantServer::start().unwrap(),
        TenantServer::start().unwrap(),
    );
    for status in [302, 307] {
        let target = elsewhere.tenant().url(Endpoint::Token);
        let fault = Fault::status(status).with_header("location", &target);
        server.tenant().misbehave(Endpoint::Token, fault);
        let error = exchange(&server, PATIENT).unwrap_err();
        assert_eq!(error, InvalidResponse::Redirect(status).into());
    }
    assert!(elsewhere.tenant().requests().is_empty());
}

#[test]
fn a_misbehaving_server_is_an_error_with_a_code() {
    let short = Duration::from_millis(200);
    for (fault, timeout, expected, code) in [
        (
            Fault::stalled_body(),
            short,
            ExchangeError::Transport(TransportErrorKind::Timeout.into()),
            "timeout_error",
        ),
        (
            Fault::transport(io::ErrorKind::ConnectionReset),
            PATIENT,
            ExchangeError::Transport(TransportErrorKind::Io.into()),
            "network_error",
        ),
        (
            Fault::endless_body(),
            PATIENT,
            InvalidResponse::TooLarge.into(),
            "invalid_response",
        ),
    ] {
        let server = TenantServer::start().unwrap();
        server.tenant().misbehave(Endpoint::Token, fault);
        let error = exchange(&server, timeout).unwrap_err();
        assert_eq!(error.error_code(), code);
        assert_eq!(error, expected);
    }
}
