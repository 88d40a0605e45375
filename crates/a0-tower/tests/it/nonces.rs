//! Nonces of DPoP proofs on answers (RFC 9449 section 8).

use crate::common::{NOW, Server, at, bearer, builder, nonces, tenant, token};
use a0_testkit::ProofKey;
use a0_tower::{Auth, Verified};
use auth0_api::proof::NonceIssuer;
use axum::Router;
use axum::routing::get;
use http::header::CACHE_CONTROL;
use std::time::Duration;

#[test]
fn a_successful_answer_brings_a_nonce_only_when_it_changed() {
    let tenant = tenant();
    let period = 300;
    let nonces = NonceIssuer::new([7; 32], Duration::from_secs(period));
    let client = builder(&tenant).dpop_nonces(nonces).build_async().unwrap();
    let cached = |_: Verified| async { ([(CACHE_CONTROL, "public, max-age=60")], "called") };
    let app = Router::new()
        .route("/", get(cached))
        .layer(Auth::new(client));
    let server = Server::start(app);
    let key = ProofKey::generate().unwrap();
    let get = |now: i64, nonce: &str| {
        tenant.set_now(at(now));
        let token = token(&tenant).bound_to(&key).mint().unwrap();
        let proof = key.proof("GET", "https://api.example/").for_token(&token);
        let proof = proof.issued_at(now).nonce(nonce).mint().unwrap();
        server.get(
            "/",
            &[("authorization", format!("DPoP {token}")), ("dpop", proof)],
        )
    };

    let asked = get(NOW, "stale");
    assert_eq!(asked.status(), 401);
    assert_eq!(asked.field("cache-control"), Some("no-store"));
    let first = asked.field("dpop-nonce").unwrap();

    let current = get(NOW, first);
    assert_eq!(current.status(), 200);
    assert_eq!(
        current.field("dpop-nonce"),
        None,
        "the client has it already"
    );
    assert_eq!(current.field("cache-control"), Some("public, max-age=60"));

    let changed = get(NOW + 300, first);
    assert_eq!(changed.status(), 200);
    let second = changed.field("dpop-nonce").unwrap();
    assert_ne!(second, first);
    assert_eq!(changed.field("cache-control"), Some("no-store"));
    assert_eq!(get(NOW + 300, second).field("dpop-nonce"), None);
}

#[test]
fn a_bearer_token_needs_no_nonce() {
    let tenant = tenant();
    let client = builder(&tenant)
        .dpop_nonces(nonces())
        .build_async()
        .unwrap();
    let app = Router::new()
        .route("/", get(|_: Verified| async {}))
        .layer(Auth::new(client));
    let server = Server::start(app);
    let answer = server.get("/", &bearer(&token(&tenant).mint().unwrap()));
    assert_eq!(
        (answer.status().as_u16(), answer.field("dpop-nonce")),
        (200, None)
    );
}
