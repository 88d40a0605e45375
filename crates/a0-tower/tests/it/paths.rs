//! Excluded paths are compared octet for octet with the path that the inner service receives.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::{Server, bearer, client, tenant, token};
use a0_tower::{Auth, Refusal, Verified};
use axum::Router;
use axum::extract::OriginalUri;
use axum::routing::{any, get};

/// Sends a request line as it is, without a client that may change the path.
fn status(server: &Server, target: &str) -> u16 {
    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn only_the_exact_path_is_excluded() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant))
        .exclude("/public")
        .exclude("/.well-known/a");
    // A handler that takes every path, so that only the layer refuses.
    let app = Router::new()
        .fallback(any(|| async { "called" }))
        .layer(auth);
    let server = Server::start(app);
    for target in [
        "/public",
        "/public?a=/admin",
        "/.well-known/a",
        "http://api/public",
    ] {
        assert_eq!(status(&server, target), 200, "{target}");
    }
    for target in [
        "/public/../admin",
        "/public/..%2fadmin",
        "/public%2f..%2fadmin",
        "/public/",
        "/public//",
        "//public",
        "/./public",
        "/Public",
        "/PUBLIC",
        "/%70ublic",
        "/public%00",
        "/public%20",
        "/public;a=b",
        "/public.json",
        "/publicity",
        "/public/admin",
        "/admin/../public",
        "/admin",
        "/",
        "/admin?/public",
        "/.well-known/b",
        "http://public/admin",
    ] {
        assert_eq!(status(&server, target), 401, "{target}");
    }
}

#[test]
fn a_layer_in_a_nested_router_excludes_what_the_nested_router_sees() {
    let tenant = tenant();
    let nested = |auth: Auth| {
        let path = |OriginalUri(uri): OriginalUri| async move { uri.path().to_owned() };
        let routes = Router::new()
            .route("/health", get(path))
            .route("/me", get(path));
        routes.layer(auth)
    };
    let auth = Auth::new(client(&tenant));
    let app = Router::new()
        .nest("/inside", nested(auth.clone().exclude("/health")))
        .nest("/outside", nested(auth.exclude("/outside/health")));
    let server = Server::start(app);
    for (path, expected) in [
        ("/inside/health", 200),
        ("/inside/me", 401),
        // The nested router sees `/health`.
        ("/outside/health", 401),
    ] {
        assert_eq!(status(&server, path), expected, "{path}");
    }
}

#[test]
fn extractors_refuse_an_excluded_path() {
    async fn strict(_: Verified) -> &'static str {
        "called"
    }
    async fn optional(_: Option<Verified>) -> &'static str {
        "called"
    }
    async fn by_hand(request: axum::extract::Request) -> Result<&'static str, Refusal> {
        Verified::<a0_tower::Untyped>::from_extensions(request.extensions())?;
        Ok("called")
    }
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).optional();
    let routes = Router::new()
        .route("/strict", get(strict))
        .route("/optional", get(optional))
        .route("/by-hand", get(by_hand))
        .layer(
            auth.clone()
                .exclude("/strict")
                .exclude("/optional")
                .exclude("/by-hand"),
        );
    // The outer layer verifies the request, and the inner layer says that nobody did.
    let server = Server::start(routes.layer(auth));
    let good = bearer(&token(&tenant).mint().unwrap());
    for path in ["/strict", "/optional", "/by-hand"] {
        assert_eq!(server.get(path, &good).status(), 500, "{path}");
    }
}
