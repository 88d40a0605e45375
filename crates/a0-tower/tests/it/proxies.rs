//! The layer behind a proxy. The table of what a proxy's fields mean is in `proxy.rs`.

use crate::common::{AUDIENCE, Server, bearer, builder, client, dpop, tenant, token};
use a0_testkit::{LocalTenant, ProofKey};
use a0_tower::proxy::{Proxy, UnknownUrl};
use a0_tower::source::Subprotocol;
use a0_tower::{Auth, Verified};
use auth0_api::asynchronous::ApiClient;
use axum::Router;
use axum::middleware::map_response;
use axum::routing::get;

async fn called(_: Verified) -> &'static str {
    "called"
}

fn proxy(trusted: &str) -> Proxy {
    let proxy = Proxy::x_forwarded().trusted([trusted]);
    proxy
        .public_hosts(["eu.example", "us.example"])
        .build()
        .unwrap()
}

fn without_public_url(tenant: &LocalTenant) -> ApiClient {
    let (clock, handle) = (tenant.clone(), tenant.client());
    let builder = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .url_in_requests()
        .clock(move || clock.now())
        .async_http_client(move |request| {
            let handle = handle.clone();
            async move { handle(request) }
        });
    builder.build_async().unwrap()
}

#[test]
fn a_trusted_proxy_names_the_url_of_a_proof() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let routes = || Router::new().route("/orders", get(called));
    let auth = Auth::new(without_public_url(&tenant));
    let log = map_response(async |mut response: axum::response::Response| {
        if response.extensions().get::<UnknownUrl>().is_some() {
            response
                .headers_mut()
                .insert("x-log", "unknown".parse().unwrap());
        }
        response
    });
    let app = Router::new()
        .nest(
            "/trusted",
            routes().layer(auth.clone().behind(proxy("127.0.0.1"))),
        )
        .nest(
            "/strange",
            routes().layer(auth.clone().behind(proxy("10.0.0.0/8"))),
        )
        .nest(
            "/by-hand",
            routes().layer(
                auth.behind(proxy("10.0.0.0/8"))
                    .peer_address(|_| Some([10, 0, 0, 1].into())),
            ),
        )
        .layer(log);
    let server = Server::start(app);
    let good = bearer(&token(&tenant).mint().unwrap());
    for (path, host, url, status) in [
        (
            "/trusted/orders",
            "eu.example",
            "https://eu.example/trusted/orders",
            200,
        ),
        (
            "/trusted/orders",
            "us.example",
            "https://us.example/trusted/orders",
            200,
        ),
        (
            "/trusted/orders",
            "us.example",
            "https://eu.example/trusted/orders",
            401,
        ),
        (
            "/trusted/orders",
            "evil.example",
            "https://evil.example/trusted/orders",
            401,
        ),
        (
            "/trusted/orders",
            "us.example",
            "https://us.example/orders",
            401,
        ),
        (
            "/strange/orders",
            "eu.example",
            "https://eu.example/strange/orders",
            401,
        ),
        (
            "/by-hand/orders",
            "eu.example",
            "https://eu.example/by-hand/orders",
            200,
        ),
    ] {
        let forwarded = [
            ("x-forwarded-host", host.to_owned()),
            ("x-forwarded-proto", "https".to_owned()),
        ];
        let fields = [&dpop(&tenant, &key, url)[..], &forwarded].concat();
        let answer = server.get(path, &fields);
        assert_eq!(
            answer.status(),
            status,
            "{path} at {host} with a proof for {url}"
        );
        let is_unknown = host == "evil.example" || path.starts_with("/strange");
        assert_eq!(
            answer.field("x-log").is_some(),
            is_unknown,
            "{path} at {host}"
        );
        let answer = server.get(path, &[&good[..], &forwarded].concat());
        assert_eq!(answer.status(), 200, "a bearer token needs no URL");
    }
}

/// Otherwise a client that bypasses the proxy could choose between two URLs.
#[test]
fn an_unknown_url_is_not_replaced_by_the_public_url() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let auth = Auth::new(client(&tenant)).behind(proxy("10.0.0.0/8"));
    let server = Server::start(Router::new().route("/orders", get(called)).layer(auth));
    let fields = dpop(&tenant, &key, "https://api.example/orders");
    assert_eq!(server.get("/orders", &fields).status(), 401);
}

#[test]
fn a_layer_that_reads_requests_differently_verifies_again() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let client = builder(&tenant).without_replay_protection().build_async();
    let auth = Auth::new(client.unwrap());
    let behind = auth.clone().behind(proxy("127.0.0.1"));
    let source = Subprotocol::new("access_token").unwrap();
    let with_source = auth.clone().token_source(source);
    let forwarded = [
        ("x-forwarded-host", "eu.example".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
    ];
    let proof = |url| [&dpop(&tenant, &key, url)[..], &forwarded].concat();
    let offer = format!("access_token.{}", token(&tenant).mint().unwrap());
    let offer = vec![("sec-websocket-protocol", offer)];
    for (case, outer, inner, fields) in [
        (
            "another proxy",
            &auth,
            auth.clone().behind(proxy("10.0.0.0/8")),
            proof("https://api.example/orders"),
        ),
        (
            "another address",
            &behind,
            behind.clone().peer_address(|_| None),
            proof("https://eu.example/orders"),
        ),
        ("another source", &with_source, auth.clone(), offer),
    ] {
        let routes = || Router::new().route("/orders", get(called));
        let one = Server::start(routes().layer(outer.clone()));
        assert_eq!(one.get("/orders", &fields).status(), 200, "{case}");
        let both = Server::start(routes().layer(inner).layer(outer.clone()));
        assert_eq!(both.get("/orders", &fields).status(), 401, "{case}");
    }
}
