//! Layers inside layers: the innermost one decides what a handler sees.

use crate::common;

use crate::common::{Server, at, bearer, builder, client, dpop, tenant, token};
use a0_testkit::{LocalTenant, ProofKey};
use a0_tower::{Auth, Refusal, Verified};
use axum::Router;
use axum::routing::get;

async fn issuer(token: Verified) -> Result<String, Refusal> {
    Ok(token.issuer()?.unwrap_or_default().to_owned())
}

async fn issuer_if_any(token: Option<Verified>) -> Result<String, Refusal> {
    token.map_or(Ok("nobody".to_owned()), |token| {
        Ok(token.issuer()?.unwrap_or_default().to_owned())
    })
}

fn routes() -> Router {
    Router::new()
        .route("/strict", get(issuer))
        .route("/optional", get(issuer_if_any))
}

#[test]
fn layers_of_one_client_use_a_proof_once() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant));
    let app = routes().layer(auth.clone().optional()).layer(auth);
    let server = Server::start(app);
    let key = ProofKey::generate().unwrap();
    let fields = dpop(&tenant, &key, "https://api.example/strict");
    assert_eq!(server.get("/strict", &fields).text(), tenant.issuer());
    assert_eq!(server.get("/strict", &fields).status(), 401, "a replay");
    assert_eq!(
        server.get("/optional", &[]).status(),
        401,
        "the outer layer is strict"
    );
}

#[test]
fn a_strict_layer_inside_an_optional_one_refuses_anonymous_requests() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant));
    let app = routes().layer(auth.clone()).layer(auth.optional());
    let server = Server::start(app);
    for path in ["/strict", "/optional"] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status(), 401, "{path}");
        assert_eq!(answer.challenges()[0], r#"Bearer realm="api""#);
    }
    let good = bearer(&token(&tenant).mint().unwrap());
    assert_eq!(server.get("/optional", &good).text(), tenant.issuer());
}

#[test]
fn a_layer_of_another_client_does_not_trust_the_outer_one() {
    let (mine, other) = (tenant(), LocalTenant::new("other.example").unwrap());
    other.set_now(at(common::NOW));
    // Both accept the token of the other tenant, or only the outer one does.
    let outer = || Auth::new(client(&other));
    let same_rules = builder(&other).build_async().unwrap();
    let inner_of = |client| routes().layer(Auth::new(client).optional()).layer(outer());
    let refused = Server::start(inner_of(client(&mine)));
    let accepted = Server::start(inner_of(same_rules));
    let fields = bearer(&token(&other).mint().unwrap());
    for path in ["/strict", "/optional"] {
        assert_eq!(refused.get(path, &fields).status(), 401, "{path}");
        assert_eq!(accepted.get(path, &fields).text(), other.issuer(), "{path}");
    }
}

#[test]
fn an_anonymous_request_does_not_keep_the_token_of_an_outer_layer() {
    use axum::middleware::{Next, from_fn};
    let (mine, other) = (tenant(), LocalTenant::new("other.example").unwrap());
    other.set_now(at(common::NOW));
    // A gateway that verifies its own tokens and takes them off.
    let strip = from_fn(
        |mut request: axum::extract::Request, next: Next| async move {
            request.headers_mut().remove("authorization");
            next.run(request).await
        },
    );
    let app = routes()
        .layer(Auth::new(client(&mine)).optional())
        .layer(strip)
        .layer(Auth::new(client(&other)));
    let server = Server::start(app);
    let fields = bearer(&token(&other).mint().unwrap());
    assert_eq!(server.get("/optional", &fields).text(), "nobody");
    assert_eq!(server.get("/strict", &fields).status(), 401);
}
