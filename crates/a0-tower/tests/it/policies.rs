//! The policies of layers and handlers.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{Server, bearer, builder, client, tenant, token};
use a0_tower::{Auth, Refusal, Scoped, Verified};
use auth0_api::{Policy, Principal};
use axum::Router;
use axum::routing::get;
use serde_json::json;

a0_tower::scopes!(WriteOrders: "write:orders");
a0_tower::scopes!(pub Several: "read:orders", "write:orders");

async fn called(_: Verified) -> &'static str {
    "called"
}

async fn scoped(token: Scoped<WriteOrders>) -> Result<String, Refusal> {
    Ok(token.subject()?.unwrap_or_default().to_owned())
}

/// A policy that decides differently each time. A refusal is not taken back.
fn flips() -> Policy {
    let judged = AtomicUsize::new(0);
    Policy::test("flips", move |_| {
        judged.fetch_add(1, Ordering::Relaxed) % 2 == 1
    })
}

#[test]
fn several_policies_of_a_layer_hold_all() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).require(Policy::scope("read:api"));
    let auth = auth.require(Policy::scope("read:orders"));
    let server = Server::start(Router::new().route("/", get(called)).layer(auth));
    for (scope, status) in [
        ("read:api read:orders", 200),
        ("read:api", 403),
        ("read:orders", 403),
    ] {
        let fields = bearer(&token(&tenant).scope(scope).mint().unwrap());
        assert_eq!(server.get("/", &fields).status(), status, "{scope}");
    }
}

#[test]
fn a_layer_requires_its_policy() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant));
    let policies = [
        ("/scope", Policy::scope("write:orders")),
        ("/permission", Policy::permission("orders:write")),
        ("/machine", Policy::principal([Principal::Client])),
        ("/none", Policy::any([])),
        ("/panics", Policy::test("panics", |_| panic!("the policy"))),
        ("/flips", flips()),
    ];
    let app = policies
        .into_iter()
        .fold(Router::new(), |app, (path, policy)| {
            let route = Router::new().route(path, get(called));
            app.merge(route.route_layer(auth.clone().require(policy)))
        });
    let server = Server::start(app);
    let user = token(&tenant).scope("read:orders write:orders-all");
    let user = bearer(
        &user
            .claim("permissions", json!(["orders:read"]))
            .mint()
            .unwrap(),
    );
    let editor = token(&tenant).scope("write:orders");
    let editor = bearer(
        &editor
            .claim("permissions", json!(["orders:write"]))
            .mint()
            .unwrap(),
    );
    let machine = bearer(&token(&tenant).subject("abc@clients").mint().unwrap());
    for (path, fields, status, code) in [
        ("/scope", &editor, 200, None),
        ("/scope", &user, 403, Some("insufficient_scope")),
        ("/permission", &editor, 200, None),
        ("/permission", &user, 403, None),
        ("/machine", &machine, 200, None),
        ("/machine", &user, 403, None),
        ("/none", &editor, 500, None),
        ("/panics", &editor, 500, None),
        ("/flips", &editor, 403, None),
    ] {
        let answer = server.get(path, fields);
        assert_eq!(answer.status(), status, "{path}");
        let said = answer
            .challenges()
            .iter()
            .any(|challenge| challenge.contains("error="));
        assert_eq!(said, code.is_some(), "{path}: {:?}", answer.challenges());
        if let Some(code) = code {
            assert!(answer.challenges()[0].contains(code), "{path}");
        }
    }
    assert_eq!(
        server.get("/panics", &[]).status(),
        401,
        "the server goes on"
    );
}

#[test]
fn a_refusal_names_the_scopes_of_layers_and_handler() {
    let tenant = tenant();
    let any = Auth::new(client(&tenant));
    let auth = any.clone().require(Policy::scope("read:api"));
    let by_hand = |token: Verified| async move {
        token.require(&Policy::scope("delete:orders"))?;
        Ok::<_, Refusal>("deleted")
    };
    let app = Router::new()
        .route("/inner", get(scoped))
        .route_layer(any.clone().require(Policy::scope("admin:orders")))
        .merge(Router::new().route("/no-more", get(scoped)).layer(any))
        .route("/scoped", get(scoped))
        .route("/by-hand", get(by_hand))
        .route("/several", get(|_: Scoped<Several>| async { "called" }))
        .route_layer(auth);
    let server = Server::start(app);
    let of = |scope: &str| bearer(&token(&tenant).scope(scope).mint().unwrap());
    for (path, scope, expected) in [
        ("/scoped", "read:api write:orders", None),
        ("/scoped", "read:api", Some("read:api write:orders")),
        (
            "/scoped",
            "read:api write:orders2",
            Some("read:api write:orders"),
        ),
        // The layer does not know what the handler asks for.
        ("/scoped", "write:orders", Some("read:api")),
        ("/by-hand", "read:api delete:orders", None),
        ("/by-hand", "read:api", Some("read:api delete:orders")),
        (
            "/several",
            "read:api read:orders",
            Some("read:api read:orders write:orders"),
        ),
        ("/no-more", "read:api", Some("read:api write:orders")),
        ("/inner", "read:api", Some("read:api admin:orders")),
        (
            "/inner",
            "read:api admin:orders",
            Some("read:api admin:orders write:orders"),
        ),
        ("/inner", "read:api admin:orders write:orders", None),
    ] {
        let answer = server.get(path, &of(scope));
        let Some(expected) = expected else {
            assert_eq!(answer.status(), 200, "{path} with {scope}");
            continue;
        };
        assert_eq!(answer.status(), 403, "{path} with {scope}");
        let challenge = answer.challenges()[0];
        let named = format!("scope=\"{expected}\"");
        assert!(
            challenge.contains("error=\"insufficient_scope\""),
            "{challenge}"
        );
        assert!(
            challenge.contains(&named),
            "{path} with {scope}: {challenge}"
        );
    }
}

#[test]
fn an_optional_handler_refuses_a_token_without_its_scopes() {
    let tenant = tenant();
    let optional = |token: Option<Scoped<WriteOrders>>| async move {
        if token.is_some() { "editor" } else { "nobody" }
    };
    let app = Router::new()
        .route("/optional", get(optional))
        .route("/strict", get(scoped))
        .layer(Auth::new(client(&tenant)).optional());
    let server = Server::start(app);
    let editor = bearer(&token(&tenant).scope("write:orders").mint().unwrap());
    let reader = bearer(&token(&tenant).scope("read:orders").mint().unwrap());
    assert_eq!(server.get("/optional", &editor).text(), "editor");
    assert_eq!(server.get("/optional", &reader).status(), 403);
    assert_eq!(server.get("/optional", &[]).text(), "nobody");
    assert_eq!(server.get("/strict", &[]).status(), 401);
}

#[test]
fn an_implied_scope_satisfies_a_handler() {
    let tenant = tenant();
    let client = builder(&tenant).scope_implies("admin", ["write:orders"]);
    let auth = Auth::new(client.build_async().unwrap());
    let server = Server::start(Router::new().route("/", get(scoped)).layer(auth));
    for (scope, status) in [("admin", 200), ("admin2", 403), ("write:orders", 200)] {
        let fields = bearer(&token(&tenant).scope(scope).mint().unwrap());
        assert_eq!(server.get("/", &fields).status(), status, "{scope}");
    }
}

#[test]
fn a_policy_of_an_optional_layer_holds_for_every_token() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant))
        .optional()
        .require(Policy::scope("read:api"));
    let app = Router::new().route("/", get(|_: Option<Verified>| async { "called" }));
    let server = Server::start(app.layer(auth));
    assert_eq!(server.get("/", &[]).status(), 200);
    let fields = bearer(&token(&tenant).scope("other").mint().unwrap());
    assert_eq!(server.get("/", &fields).status(), 403);
}
