//! Exchanged tokens that are bound to a DPoP key of this API.

use a0_testkit::{Endpoint, Fault, RecordedRequest};
use auth0_api::jose::{SigningKey, unverified_payload};
use auth0_api::token_exchange::{ExchangeError, InvalidResponse};
use auth0_api::{ApiError, ConnectionToken, ErrorKind, OnBehalfOf, TokenExchange};

use super::Driver;
use super::exchange::{DOWNSTREAM, PROFILE, token_requests, world};

pub fn rfc9449_5_exchanged_tokens_are_bound_to_the_dpop_key<D: Driver>() {
    let key = || SigningKey::generate_es256().unwrap();
    let world = world::<D>(|builder| builder.exchange_dpop_key(key()));
    let nonce = |nonce: &str| {
        Fault::body(400, "application/json", r#"{"error":"use_dpop_nonce"}"#)
            .with_header("dpop-nonce", nonce)
    };
    let proof_of = |request: &RecordedRequest| {
        let proof = request.headers()["dpop"].to_str().unwrap();
        unverified_payload(proof, 16_384).unwrap()
    };
    let subject = world.token().mint().unwrap();
    let request = OnBehalfOf::new(&subject, DOWNSTREAM);
    world
        .tenant
        .misbehave_times(Endpoint::Token, 1, nonce("first"));
    let token = world.client.get_token_on_behalf_of(&request).unwrap();
    assert!(token.is_token_type("DPoP"));
    let claims = unverified_payload(token.access_token(), 16_384).unwrap();
    assert!(claims["cnf"]["jkt"].is_string());
    // The client retries once with a new proof, and uses the nonce for later requests too.
    assert!(world.client.get_token_on_behalf_of(&request).is_ok());
    let proofs: Vec<_> = token_requests(&world.tenant).iter().map(proof_of).collect();
    let nonces: Vec<_> = proofs
        .iter()
        .map(|proof| proof.get("nonce").cloned())
        .collect();
    assert_eq!(nonces, [None, Some("first".into()), Some("first".into())]);
    let mut ids: Vec<_> = proofs
        .iter()
        .map(|proof| proof["jti"].to_string())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
    for proof in &proofs {
        assert_eq!(proof["htm"], "POST");
        assert_eq!(proof["htu"], "https://tenant.example/oauth/token");
        assert!(proof.get("ath").is_none());
    }

    // The other flow remembers a nonce too, but only for the endpoint that issued it.
    let world = self::world::<D>(|builder| builder.exchange_dpop_key(key()));
    world
        .tenant
        .misbehave_times(Endpoint::Token, 1, nonce("first"));
    let profile = TokenExchange::new(&subject, PROFILE).audience(DOWNSTREAM);
    let last_proof = || proof_of(&token_requests(&world.tenant).pop().unwrap());
    for _ in 0..2 {
        assert!(world.client.get_token_by_exchange_profile(&profile).is_ok());
    }
    assert_eq!(last_proof()["nonce"], "first");
    assert_eq!(token_requests(&world.tenant).len(), 3);
    let moved = "https://tenant.example/oauth/token?moved";
    world.tenant.set_metadata("token_endpoint", moved);
    world.advance(300);
    assert!(world.client.get_token_by_exchange_profile(&profile).is_ok());
    while D::SERVES_STALE && last_proof().get("nonce").is_some() {
        assert!(world.client.get_token_by_exchange_profile(&profile).is_ok());
    }
    assert!(last_proof().get("nonce").is_none());

    // An endpoint that always requires another nonce gets two requests.
    world.tenant.reset_requests();
    world.tenant.misbehave(Endpoint::Token, nonce("again"));
    let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
    assert_eq!(error.error_code(), "use_dpop_nonce");
    assert_eq!(token_requests(&world.tenant).len(), 2);

    // A token that is not bound is an invalid response.
    let bearer = r#"{"access_token":"a","token_type":"Bearer","expires_in":60}"#;
    let bearer = Fault::body(200, "application/json", bearer);
    world.tenant.misbehave(Endpoint::Token, bearer);
    let error = world.client.get_token_on_behalf_of(&request).unwrap_err();
    let not_bound = ExchangeError::InvalidResponse(InvalidResponse::NotBound);
    assert_eq!(*error.kind(), ErrorKind::Api(ApiError::Exchange(not_bound)));

    // Tokens of other providers are not bound, so the client sends no proof.
    world.tenant.recover(Endpoint::Token);
    world.tenant.reset_requests();
    let request = ConnectionToken::new("github", &subject);
    assert!(
        world
            .client
            .get_access_token_for_connection(&request)
            .is_ok()
    );
    assert!(
        token_requests(&world.tenant)[0]
            .headers()
            .get("dpop")
            .is_none()
    );
}
