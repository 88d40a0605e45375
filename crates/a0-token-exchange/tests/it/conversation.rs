//! Token requests as conversations: proofs, nonces, and a tenant that responds.

use std::error::Error as _;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::{ENDPOINT, NOW, exchange, json, now, response};
use a0_http::{Conversation, Step, TransportError, TransportErrorKind, drive};
use a0_testkit::{Endpoint, Fault, LocalTenant, ProofKey, RecordedRequest};
use a0_token_exchange::{
    ClientAuth, ConnectionToken, ExchangeError, InvalidResponse, OnBehalfOf, Pending, ProofRequest,
    TokenClient, TokenExchange, TokenRequest, TokenResponse,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Request, Response};
use serde_json::Value;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn tenant() -> LocalTenant {
    let tenant = LocalTenant::new("tenant.example").unwrap();
    tenant.set_now(now());
    tenant.register_client("a:b %", "s+c r~t");
    tenant
}

fn client() -> TokenClient {
    TokenClient::new(ENDPOINT, ClientAuth::basic("a:b %", "s+c r~t").unwrap()).unwrap()
}

fn token_request(tenant: &LocalTenant) -> TokenRequest<TokenResponse> {
    let subject = tenant.access_token().subject("auth0|ada").mint().unwrap();
    let request = TokenExchange::new(&subject, ACCESS_TOKEN).audience("next");
    client().exchange(&request).unwrap()
}

/// Returns a prover that uses a counter as `jti`.
fn prover(
    key: &ProofKey,
) -> impl Fn(&ProofRequest<'_>) -> Result<String, a0_testkit::Error> + use<> {
    let (key, count) = (key.clone(), AtomicUsize::new(0));
    move |request| {
        let jti = count.fetch_add(1, Ordering::Relaxed).to_string();
        let proof = key
            .proof(request.method, request.url)
            .at(request.now)
            .jti(&jti);
        match request.nonce {
            Some(nonce) => proof.nonce(nonce).mint(),
            None => proof.mint(),
        }
    }
}

fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn proof_of(request: &RecordedRequest) -> Value {
    claims(request.headers()["dpop"].to_str().unwrap())
}

fn asks_for_nonce(nonce: &str) -> Fault {
    let body = r#"{"error":"use_dpop_nonce","error_description":"nonce"}"#;
    Fault::body(400, "application/json", body).with_header("DPoP-Nonce", nonce)
}

#[test]
fn a_tenant_accepts_each_request() {
    let tenant = tenant();
    let subject = tenant.access_token().subject("auth0|ada").mint().unwrap();
    let clients = [
        client(),
        TokenClient::new(ENDPOINT, ClientAuth::post("a:b %", "s+c r~t").unwrap()).unwrap(),
    ];
    for client in clients {
        let request = TokenExchange::new(&subject, ACCESS_TOKEN)
            .audience("next")
            .scope("a b");
        let token_request = client.exchange(&request).unwrap();
        let token = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap();
        let minted = claims(token.access_token());
        assert_eq!(
            (&minted["sub"], &minted["aud"]),
            (&"auth0|ada".into(), &"next".into())
        );
        assert_eq!(token.scope(), Some("a b"));
        assert!(token.is_token_type("Bearer"));
        assert_eq!(token.issued_token_type(), Some(ACCESS_TOKEN));
        assert_eq!(token.expires_at(), NOW + token.expires_in());

        let token_request = client
            .on_behalf_of(&OnBehalfOf::new(&subject, "next"))
            .unwrap();
        let token = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap();
        assert_eq!(claims(token.access_token())["act"]["sub"], "a:b %");

        let request = ConnectionToken::new("google", &subject).login_hint("ada@x");
        let token_request = client.connection_token(&request).unwrap();
        let token = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap();
        assert_eq!(
            (token.access_token(), token.scope()),
            ("google:ada@x", Some(""))
        );
    }
    let unknown_client = TokenClient::new(ENDPOINT, ClientAuth::basic("a", "b").unwrap()).unwrap();
    let token_request = unknown_client
        .on_behalf_of(&OnBehalfOf::new(&subject, "next"))
        .unwrap();
    let error = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap_err();
    assert_eq!(
        (error.endpoint_status(), error.error_code()),
        (401, "invalid_client")
    );
}

#[test]
fn rfc9449_5_a_proof_binds_the_token_to_its_key() {
    let (tenant, key) = (tenant(), ProofKey::generate().unwrap());
    let token_request = token_request(&tenant).with_proof(prover(&key));
    let request = token_request.prepare(now()).unwrap();
    assert!(request.headers()["dpop"].is_sensitive());
    let token = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap();
    assert!(token.is_token_type("DPoP"));
    assert_eq!(claims(token.access_token())["cnf"]["jkt"], key.thumbprint());
    let proof = proof_of(&tenant.requests()[0]);
    assert_eq!(
        (&proof["htm"], &proof["htu"]),
        (&"POST".into(), &ENDPOINT.into())
    );
    assert_eq!((&proof["iat"], proof.get("nonce")), (&NOW.into(), None));
}

#[test]
fn rfc9449_5_a_token_that_is_not_bound_is_an_error_after_a_proof() {
    let accept = |token_type: &str| {
        let token_request = exchange().with_proof(|_| Ok::<_, io::Error>("proof".to_owned()));
        let body = format!(r#"{{"access_token":"a"{token_type}}}"#);
        token_request.accept(json(body), now()).map(|_| ())
    };
    for good in [r#","token_type":"DPoP""#, r#","token_type":"dpop""#] {
        assert_eq!(accept(good), Ok(()));
    }
    for bad in [
        "",
        r#","token_type":null"#,
        r#","token_type":"Bearer""#,
        r#","token_type":"bearer""#,
        r#","token_type":"N_A""#,
        r#","token_type":"DPoP ""#,
    ] {
        let error = accept(bad).unwrap_err();
        assert_eq!(error, InvalidResponse::NotBound.into(), "{bad}");
        assert_eq!(
            (error.endpoint_status(), error.error_code()),
            (502, "invalid_response")
        );
    }
}

#[test]
fn rfc9449_8_a_wanted_nonce_is_sent_once_in_a_new_proof() {
    let (tenant, key) = (tenant(), ProofKey::generate().unwrap());
    tenant.misbehave_times(Endpoint::Token, 1, asks_for_nonce("fresh-1"));
    let token_request = token_request(&tenant)
        .with_proof(prover(&key))
        .with_nonce("stale");
    let token = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap();
    assert!(token.is_token_type("DPoP"));
    let requests = tenant.requests();
    let proofs: Vec<Value> = requests.iter().map(proof_of).collect();
    let nonces: Vec<&Value> = proofs.iter().map(|proof| &proof["nonce"]).collect();
    assert_eq!(nonces, ["stale", "fresh-1"]);
    assert_ne!(proofs[0]["jti"], proofs[1]["jti"]);
    assert_eq!(requests[0].body(), requests[1].body());
}

#[test]
fn rfc9449_8_a_server_that_always_wants_another_nonce_gets_two_requests() {
    let (tenant, key) = (tenant(), ProofKey::generate().unwrap());
    tenant.misbehave_script(
        Endpoint::Token,
        (1..9).map(|it| asks_for_nonce(&format!("n{it}"))),
    );
    let token_request = token_request(&tenant).with_proof(prover(&key));
    let error = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap_err();
    assert_eq!(
        (error.endpoint_status(), error.error_code()),
        (400, "use_dpop_nonce")
    );
    let ExchangeError::Refused(error_response) = error else {
        panic!("{error:?}")
    };
    assert_eq!(error_response.dpop_nonce(), Some("n2"));
    assert_eq!(tenant.request_count(Endpoint::Token), 2);
}

#[test]
fn a_request_is_not_repeated_unless_the_endpoint_asks_for_a_nonce() {
    let nonce = |nonces: &[&str]| {
        let body = br#"{"error":"use_dpop_nonce"}"#.to_vec();
        let mut response = Response::builder()
            .status(400)
            .header("content-type", "application/json");
        for nonce in nonces {
            response = response.header("dpop-nonce", *nonce);
        }
        response.body(body).unwrap()
    };
    let other = r#"{"error":"invalid_grant"}"#;
    let too_long = "n".repeat(1025);
    let cases: [(bool, Fault); 10] = [
        (false, asks_for_nonce("n")),
        (
            true,
            Fault::body(400, "application/json", other).with_header("dpop-nonce", "n"),
        ),
        (
            true,
            Fault::body(400, "text/plain", "use_dpop_nonce").with_header("dpop-nonce", "n"),
        ),
        (true, Fault::response(nonce(&[]))),
        (true, Fault::response(nonce(&[""]))),
        (true, Fault::response(nonce(&["a", "a"]))),
        (true, Fault::response(nonce(&["a b"]))),
        (true, Fault::response(nonce(&["a\"b"]))),
        (true, Fault::response(nonce(&["\u{e9}"]))),
        (true, Fault::response(nonce(&[&too_long]))),
    ];
    for (has_proof, fault) in cases {
        let (tenant, key) = (tenant(), ProofKey::generate().unwrap());
        tenant.misbehave(Endpoint::Token, fault.clone());
        let mut token_request = token_request(&tenant);
        if has_proof {
            token_request = token_request.with_proof(prover(&key));
        }
        let error = drive(&tenant.client(), token_request.start(now()).unwrap()).unwrap_err();
        assert_eq!(error.endpoint_status(), 400, "{fault:?}");
        assert_eq!(tenant.request_count(Endpoint::Token), 1, "{fault:?}");
    }
}

#[test]
fn rfc9449_8_2_the_nonce_of_a_successful_response_is_returned() {
    for (nonces, expected) in [
        (&["n1"][..], Some("n1")),
        (&["n1", "n2"], None),
        (&[], None),
        (&["a b"], None),
    ] {
        let mut response = json(r#"{"access_token":"a"}"#);
        for nonce in nonces {
            response
                .headers_mut()
                .append("dpop-nonce", nonce.parse().unwrap());
        }
        let token = exchange().accept(response, now()).unwrap();
        assert_eq!(token.dpop_nonce(), expected);
    }
}

#[test]
fn without_a_proof_nothing_is_sent() {
    #[derive(Debug, thiserror::Error)]
    #[error("the key is gone")]
    struct Gone;

    let error = exchange()
        .with_proof(|_| Err(Gone))
        .start(now())
        .unwrap_err();
    assert_eq!(
        (error.endpoint_status(), error.error_code()),
        (500, "signing_error")
    );
    assert_eq!(error.to_string(), "no DPoP proof could be made");
    assert!(error.source().is_some_and(|cause| cause.is::<Gone>()));

    let injected = exchange().with_proof(|_| Ok::<_, Gone>("a\r\nX-Other: b".to_owned()));
    assert_eq!(injected.prepare(now()).unwrap_err(), error);
}

#[test]
fn a_transport_failure_ends_the_conversation() {
    for kind in [TransportErrorKind::Timeout, TransportErrorKind::Tls] {
        let exchanges = AtomicUsize::new(0);
        let client = |_: Request<Vec<u8>>| -> Result<Response<Vec<u8>>, TransportError> {
            exchanges.fetch_add(1, Ordering::Relaxed);
            Err(kind.into())
        };
        let error = drive(&client, exchange().start(now()).unwrap()).unwrap_err();
        assert_eq!(error, ExchangeError::Transport(kind.into()));
        assert_eq!(exchanges.into_inner(), 1);
    }
}

#[test]
fn clients_and_requests_are_send_and_sync() {
    fn check<T: Send + Sync + 'static>() {}
    check::<TokenClient>();
    check::<TokenRequest<TokenResponse>>();
    check::<Pending<TokenResponse>>();
    check::<ExchangeError>();
}

#[test]
fn a_conversation_can_be_resumed_by_hand() {
    let Step::Fetch(request, pending) = exchange().start(now()).unwrap() else {
        panic!("no request")
    };
    assert_eq!(request.uri(), ENDPOINT);
    let error_response = response(503, "text/html", "<html>");
    assert_eq!(
        pending
            .resume(Ok(error_response))
            .unwrap_err()
            .endpoint_status(),
        503
    );
}
