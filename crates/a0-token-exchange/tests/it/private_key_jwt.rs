//! Client assertions.

use crate::support;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::{ENDPOINT, NOW, form, now, parameter};
use a0_http::{Conversation, Step};
use a0_jose::json::Node;
use a0_jose::{
    Algorithm, Compact, HeaderRules, Jwk, Signer, SigningError, SigningKey, VerifiedJws,
    VerifyingKey,
};
use a0_token_exchange::{
    ASSERTION_LIFETIME, ClientAuth, RequestError, TokenClient, TokenExchange, WorkerKey,
};
use http::Request;
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://tenant.example/";

fn client(key_id: Option<&str>, key: SigningKey) -> TokenClient {
    let auth = ClientAuth::private_key_jwt("a:b", ISSUER, key_id, key).unwrap();
    TokenClient::new(ENDPOINT, auth).unwrap()
}

fn verified(request: &Request<Vec<u8>>, key: &SigningKey) -> VerifiedJws {
    let assertion = parameter(request, "client_assertion").unwrap();
    let allowed = [key.algorithm()];
    let public = Jwk::from_object(key.public_jwk()).unwrap();
    let public = VerifyingKey::new(&public, &allowed).unwrap();
    let unverified = Compact::parse(&assertion, 4096).unwrap().decode().unwrap();
    let verifiable = unverified
        .validate_header(&HeaderRules::new(allowed))
        .unwrap();
    verifiable.verify_with(&public).unwrap()
}

#[test]
fn rfc7523_3_an_assertion_names_client_and_issuer_and_is_short_lived() {
    let rsa = a0_testkit::SigningKey::cached_rsa("client")
        .unwrap()
        .private_pem()
        .unwrap();
    for key in [
        SigningKey::generate_es256().unwrap(),
        SigningKey::from_pem(Algorithm::Rs256, &rsa).unwrap(),
        SigningKey::from_pem(Algorithm::Ps256, &rsa).unwrap(),
    ] {
        for key_id in [None, Some("key-1")] {
            let client = client(key_id, key.clone());
            let token_request = client.exchange(&TokenExchange::new("t", "urn:x")).unwrap();
            let request = token_request
                .prepare(now() + Duration::from_millis(900))
                .unwrap();
            assert!(!request.headers().contains_key("authorization"));
            let names: Vec<String> = form(&request).into_iter().map(|(name, _)| name).collect();
            let added = ["client_id", "client_assertion_type", "client_assertion"];
            assert_eq!(names[3..], added);
            assert_eq!(parameter(&request, "client_id").as_deref(), Some("a:b"));
            assert_eq!(
                parameter(&request, "client_assertion_type").as_deref(),
                Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            );

            let jws = verified(&request, &key);
            let mut header = json!({"typ": "JWT", "alg": key.algorithm().name()});
            if let Some(key_id) = key_id {
                header["kid"] = key_id.into();
            }
            for (name, value) in header.as_object().unwrap() {
                let member = jws.header().get(name).map(Node::to_value);
                assert_eq!(member.as_ref(), Some(value), "{name}");
            }
            assert_eq!(jws.header().get("kid").is_some(), key_id.is_some());
            let mut claims = jws.into_claims().into_object();
            let jti = claims.remove("jti").unwrap();
            assert!(jti.as_str().unwrap().len() >= 22);
            let end = NOW + ASSERTION_LIFETIME.as_secs();
            let expected =
                json!({"iss": "a:b", "sub": "a:b", "aud": ISSUER, "iat": NOW, "exp": end});
            assert_eq!(Value::Object(claims), expected);
        }
    }
    assert_eq!(ASSERTION_LIFETIME, Duration::from_secs(60));
}

#[test]
fn a_workers_token_names_the_user_the_client_and_the_reason() {
    let key = SigningKey::generate_es256().unwrap();
    for key_id in [None, Some("key-1")] {
        for organization in [None, Some(""), Some("org_1")] {
            let worker = WorkerKey::new("a:b", ISSUER, key_id, key.clone()).unwrap();
            let token = worker.sign("auth0|ada", "nightly sync", organization, now());
            let token = token.unwrap();
            let allowed = [key.algorithm()];
            let public = Jwk::from_object(key.public_jwk()).unwrap();
            let public = VerifyingKey::new(&public, &allowed).unwrap();
            let unverified = Compact::parse(&token, 4096).unwrap().decode().unwrap();
            let rules = HeaderRules::new(allowed)
                .types(["token-vault-req+jwt"])
                .require_type();
            let jws = unverified.validate_header(&rules).unwrap();
            let jws = jws.verify_with(&public).unwrap();
            let found = jws.header().get("kid").map(Node::to_value);
            assert_eq!(found, key_id.map(Value::from));
            let mut claims = jws.into_claims().into_object();
            assert!(claims.remove("jti").unwrap().as_str().unwrap().len() >= 22);
            let mut expected = json!({
                "iss": "a:b", "sub": "auth0|ada", "aud": ISSUER, "iat": NOW, "exp": NOW + 60,
                "audit_context": "nightly sync",
            });
            if let Some(organization) = organization.filter(|name| !name.is_empty()) {
                expected["org_id"] = organization.into();
            }
            assert_eq!(Value::Object(claims), expected);
        }
    }
}

#[test]
fn a_workers_token_needs_a_user_and_a_reason() {
    let key = || SigningKey::generate_es256().unwrap();
    let worker = WorkerKey::new("a:b", ISSUER, None, key()).unwrap();
    let reason = |length| "\u{e9}".repeat(length);
    for (user, context, is_signed) in [
        ("auth0|ada", &*reason(1), true),
        ("auth0|ada", &*reason(256), true),
        ("auth0|ada", &*reason(257), false),
        ("auth0|ada", "", false),
        ("auth0|ada", " \u{a0}", false),
        ("auth0|ada", "a\nb", false),
        ("", "reason", false),
    ] {
        let result = worker.sign(user, context, None, now());
        assert_eq!(result.is_ok(), is_signed, "{user} {context:?}");
        if let Err(error) = result {
            assert!(!format!("{error} {error:?}").contains("ada"));
        }
    }
    for (client_id, issuer, expected) in [
        ("", ISSUER, RequestError::MissingArgument("client_id")),
        ("a:b", "http://tenant.example/", RequestError::Issuer),
        ("a:b", "tenant.example", RequestError::Issuer),
    ] {
        let error = WorkerKey::new(client_id, issuer, None, key()).unwrap_err();
        assert_eq!(error, expected);
    }
    assert_eq!(
        format!("{worker:?}"),
        r#"WorkerKey { client_id: "a:b", .. }"#
    );
}

#[test]
fn rfc7523_3_each_request_has_an_assertion_of_its_own() {
    let key = SigningKey::generate_es256().unwrap();
    let client = client(None, key.clone());
    let token_request = || {
        let token_request = client.exchange(&TokenExchange::new("t", "urn:x")).unwrap();
        token_request.with_proof(|_| Ok::<_, std::io::Error>("proof".to_owned()))
    };
    let again = token_request();
    let mut requests = vec![again.prepare(now()).unwrap(), again.prepare(now()).unwrap()];
    // A retry with a nonce needs its own assertion too.
    let Step::Fetch(request, pending) = token_request().start(now()).unwrap() else {
        panic!("no request")
    };
    requests.push(request);
    let mut error_response =
        support::response(400, "application/json", r#"{"error":"use_dpop_nonce"}"#);
    error_response
        .headers_mut()
        .insert("dpop-nonce", "n".parse().unwrap());
    let Step::Fetch(request, _) = pending.resume(Ok(error_response)).unwrap() else {
        panic!("no request")
    };
    requests.push(request);
    let ids: BTreeSet<String> = requests
        .iter()
        .map(|request| {
            verified(request, &key)
                .claims()
                .token_id()
                .unwrap()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(ids.len(), requests.len());
}

/// A signer of any algorithm. It always fails.
struct FailingSigner(Algorithm, Map<String, Value>);

impl Signer for FailingSigner {
    fn algorithm(&self) -> Algorithm {
        self.0
    }

    fn public_jwk(&self) -> &Map<String, Value> {
        &self.1
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SigningError> {
        Err(SigningError::Unusable)
    }
}

#[test]
fn unsupported_algorithms_and_invalid_issuers_are_refused() {
    let auth = |id, issuer, algorithm| {
        ClientAuth::private_key_jwt(id, issuer, None, FailingSigner(algorithm, Map::new()))
            .map(|_| ())
    };
    for algorithm in Algorithm::all() {
        let good = [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256].contains(&algorithm);
        let expected = if good {
            Ok(())
        } else {
            Err(RequestError::Algorithm)
        };
        assert_eq!(auth("id", ISSUER, algorithm), expected);
    }
    for (id, issuer, error) in [
        ("", ISSUER, RequestError::MissingCredentials),
        ("id", "", RequestError::Issuer),
        ("id", "tenant.example", RequestError::Issuer),
        ("id", "http://tenant.example/", RequestError::Issuer),
        // Identifier and issuer in the wrong order.
        (ISSUER, "id", RequestError::Issuer),
    ] {
        assert_eq!(auth(id, issuer, Algorithm::Es256), Err(error));
    }
}

#[test]
fn without_a_signature_nothing_is_sent() {
    let signer = FailingSigner(Algorithm::Es256, Map::new());
    let auth = ClientAuth::private_key_jwt("id", ISSUER, None, signer).unwrap();
    let client = TokenClient::new(ENDPOINT, auth).unwrap();
    let token_request = client.exchange(&TokenExchange::new("t", "urn:x")).unwrap();
    let error = token_request.start(now()).unwrap_err();
    assert_eq!(
        (error.endpoint_status(), error.error_code()),
        (500, "signing_error")
    );
    assert_eq!(error.to_string(), "no client assertion could be made");
    assert!(std::error::Error::source(&error).is_some_and(|it| it.is::<SigningError>()));
}
