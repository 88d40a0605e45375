//! Requests that no well-behaved client sends, over sockets, and routers of every shape.

use crate::common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::common::{NOW, Server, bearer, client, tenant, token};
use a0_testkit::ProofKey;
use a0_tower::proxy::Proxy;
use a0_tower::source::Subprotocol;
use a0_tower::{Auth, Verified};
use axum::Router;
use axum::extract::Request;
use axum::routing::{MethodFilter, MethodRouter, any, get, on_service};
use http::{Method, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

/// Sends the octets of a head, and returns the status of the answer.
fn status_of(server: &Server, head: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.write_all(head).unwrap();
    stream.write_all(b"connection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A client chooses the path of the URL, and nothing else.
#[test]
fn no_request_target_chooses_the_url_of_a_proof() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let handler = any(|_: Verified| async { "called" });
    let app = Router::new().fallback(handler);
    let server = Server::start(app.layer(Auth::new(client(&tenant))));
    let token = token(&tenant).bound_to(&key).mint().unwrap();
    let fields = [
        "host: evil.example\r\n",
        "x-forwarded-host: evil.example\r\nx-forwarded-proto: http\r\nx-forwarded-prefix: /admin\r\n",
        "forwarded: host=evil.example;proto=http\r\n",
        "x-original-url: /admin\r\nx-rewrite-url: /admin\r\nx-forwarded-path: /admin\r\n",
        "x-http-method-override: GET\r\n",
    ]
    .concat();
    for (line, method, url, expected) in [
        ("GET /orders", "GET", "https://api.example/orders", 200),
        (
            "GET http://evil.example/orders",
            "GET",
            "https://api.example/orders",
            200,
        ),
        (
            "GET http://evil.example/orders",
            "GET",
            "http://evil.example/orders",
            401,
        ),
        (
            "GET http://user:password@evil.example:81/orders",
            "GET",
            "http://evil.example:81/orders",
            401,
        ),
        (
            "GET //evil.example/orders",
            "GET",
            "https://evil.example/orders",
            401,
        ),
        (
            "GET //evil.example/orders",
            "GET",
            "https://api.example/orders",
            401,
        ),
        (
            "GET //evil.example/orders",
            "GET",
            "https://api.example//evil.example/orders",
            200,
        ),
        ("GET /orders", "GET", "https://api.example/admin", 401),
        (
            "GET /orders",
            "GET",
            "https://api.example/admin/orders",
            401,
        ),
        ("GET /orders", "GET", "http://api.example/orders", 401),
        ("GET /orders", "GET", "https://api.example:444/orders", 401),
        ("GET /orders", "GET", "https://[fe80::1%25eth0]/orders", 401),
        (
            "GET /orders",
            "GET",
            "https://api.example@evil.example/orders",
            401,
        ),
        (
            "GET /a%2f..%2forders",
            "GET",
            "https://api.example/orders",
            401,
        ),
        (
            "GET /a%2forders",
            "GET",
            "https://api.example/a/orders",
            401,
        ),
        ("GET /orders", "POST", "https://api.example/orders", 401),
        ("POST /orders", "GET", "https://api.example/orders", 401),
        ("HEAD /orders", "GET", "https://api.example/orders", 401),
        ("get /orders", "GET", "https://api.example/orders", 401),
        ("OPTIONS *", "OPTIONS", "https://api.example/*", 401),
        ("OPTIONS *", "OPTIONS", "https://api.example/", 401),
        ("OPTIONS *", "OPTIONS", "https://api.example", 401),
        (
            "CONNECT api.example:443",
            "CONNECT",
            "https://api.example/",
            401,
        ),
        (
            "CONNECT api.example:443",
            "CONNECT",
            "https://api.example:443",
            401,
        ),
    ] {
        let proof = key.proof(method, url).for_token(&token).issued_at(NOW);
        let head = format!(
            "{line} HTTP/1.1\r\n{fields}authorization: DPoP {token}\r\ndpop: {}\r\n",
            proof.mint().unwrap()
        );
        let status = status_of(&server, head.as_bytes());
        assert_eq!(status, expected, "{line} with a proof for {method} {url}");
    }
}

#[test]
fn no_octets_in_a_field_pass_or_panic() {
    let tenant = tenant();
    let good = token(&tenant).mint().unwrap();
    let proxy = Proxy::forwarded().only_my_proxy_reaches_me();
    let auth = Auth::new(client(&tenant))
        .optional()
        .token_source(Subprotocol::new("access_token").unwrap())
        .behind(proxy.public_hosts(["api.example"]).build().unwrap());
    let app = Router::new().fallback(any(async |token: Option<Verified>| match token {
        None => StatusCode::NO_CONTENT,
        Some(_) => StatusCode::OK,
    }));
    let server = Server::start(app.layer(auth));
    let send = |field: &str, value: &[u8]| {
        let head = [
            b"GET / HTTP/1.1\r\nhost: api\r\n",
            field.as_bytes(),
            b": ",
            value,
            b"\r\n",
        ];
        status_of(&server, &head.concat())
    };
    let bearer = format!("Bearer {good}");
    assert_eq!(send("authorization", bearer.as_bytes()), 200);
    let long = "a,".repeat(20_000);
    let quoted = format!("host=\"{}", "\\\"".repeat(20_000));
    for value in [
        &b"\xff"[..],
        b"Bearer",
        b"Bearer\t",
        b"Bearer \xff",
        b"DPoP",
        b"DPoP \xc3\x28",
        b"Bearer a.b.c, Bearer a.b.c",
        b",",
        b"\"",
        b"Bearer null",
        b"null",
        b"undefined",
        b"Negotiate x",
        long.as_bytes(),
        quoted.as_bytes(),
    ] {
        let shown = String::from_utf8_lossy(value.get(..20).unwrap_or(value));
        let status = send("authorization", value);
        assert!(matches!(status, 400 | 401), "{shown}: {status}");
        let status = send("dpop", value);
        assert!(matches!(status, 400 | 401), "{shown}: {status}");
        // Not credentials.
        for field in ["forwarded", "x-forwarded-host", "sec-websocket-protocol"] {
            assert_eq!(send(field, value), 204, "{field}: {shown}");
        }
        let offer = [b"access_token.", value].concat();
        let status = send("sec-websocket-protocol", &offer);
        assert!(matches!(status, 400 | 401), "an offer of {shown}: {status}");
    }
    for value in [&b""[..], b"   ", b"\t \t"] {
        assert_eq!(send("authorization", value), 204);
        assert_eq!(send("dpop", value), 204);
    }
    assert!(matches!(send("authorization", good.as_bytes()), 400 | 401));
}

/// Counts the calls of a handler that asks for no token.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

impl Calls {
    fn handler(&self) -> MethodRouter {
        let calls = Arc::clone(&self.0);
        any(async move || {
            calls.fetch_add(1, Ordering::Relaxed);
        })
    }

    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_layer_protects_all_that_was_there_before_it() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant));
    let calls = Calls::default();
    let handler = || calls.handler();
    let routes = || Router::new().route("/a", handler());
    let with_fallback = || routes().fallback(handler());
    let apps: [(&str, Router); 10] = [
        ("layer", with_fallback().layer(auth.clone())),
        (
            "layer and method_not_allowed_fallback",
            Router::new()
                .route("/a", on_service(MethodFilter::GET, handler()))
                .method_not_allowed_fallback(async || "called")
                .fallback(handler())
                .layer(auth.clone()),
        ),
        (
            "nest, and its fallback",
            Router::new()
                .nest("/n", with_fallback().layer(auth.clone()))
                .fallback_service(auth.layer(handler())),
        ),
        (
            "nest below the layer",
            Router::new()
                .nest("/n", with_fallback())
                .fallback(handler())
                .layer(auth.clone()),
        ),
        (
            "nest_service",
            Router::new()
                .nest_service("/n", auth.layer(with_fallback()))
                .fallback_service(auth.layer(handler())),
        ),
        (
            "merge of two",
            routes()
                .route_layer(auth.clone())
                .merge(Router::new().route("/b", handler()).layer(auth.clone()))
                .fallback_service(auth.layer(handler())),
        ),
        (
            "merge below the layer",
            routes()
                .merge(Router::new().route("/b", handler()))
                .fallback(handler())
                .layer(auth.clone()),
        ),
        (
            "a method router",
            Router::new()
                .route("/a", handler().layer(auth.clone()))
                .fallback_service(handler().layer(auth.clone())),
        ),
        (
            "around the router",
            Router::new().fallback_service(auth.layer(with_fallback())),
        ),
        (
            "optional outside, strict inside",
            with_fallback()
                .layer(auth.clone())
                .layer(auth.clone().optional()),
        ),
    ];
    let good = bearer(&token(&tenant).mint().unwrap());
    for (case, app) in apps {
        let server = Server::start(app);
        let before = calls.get();
        for path in ["/a", "/b", "/", "/n/a", "/n", "/n/", "/none", "//a", "/a/"] {
            for method in ["GET", "HEAD", "OPTIONS", "POST", "TRACE", "PURGE"] {
                for field in ["", "authorization: Bearer opaque\r\n"] {
                    let head = format!("{method} {path} HTTP/1.1\r\nhost: api\r\n{field}");
                    let status = status_of(&server, head.as_bytes());
                    assert_eq!(status, 401, "{case}: {method} {path}");
                }
            }
        }
        for line in ["CONNECT api:443", "OPTIONS *", "GET http://api"] {
            let head = format!("{line} HTTP/1.1\r\nhost: api\r\n");
            assert_eq!(status_of(&server, head.as_bytes()), 401, "{case}: {line}");
        }
        assert_eq!(calls.get(), before, "{case}");
        assert_eq!(server.get("/a", &good).status(), 200, "{case}");
        assert_eq!(calls.get(), before + 1, "{case}");
    }
}

/// A layer covers what was added before it. An extractor elsewhere is an error of the server.
#[test]
fn what_a_layer_does_not_cover_has_no_token() {
    async fn strict(_: Verified) -> &'static str {
        "called"
    }
    async fn optional(_: Option<Verified>) -> &'static str {
        "called"
    }
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).optional();
    let app = Router::new()
        .route("/covered", get(strict).post(optional))
        .route_layer(auth.clone())
        .route("/post", get(strict).route_layer(auth).post(optional))
        .route("/later", get(strict))
        .route("/later/optional", get(optional))
        .fallback(optional);
    let server = Server::start(app);
    let good = bearer(&token(&tenant).mint().unwrap());
    for (method, path, status) in [
        (Method::GET, "/covered", 200),
        (Method::POST, "/covered", 200),
        (Method::GET, "/post", 200),
        (Method::POST, "/post", 500),
        (Method::GET, "/later", 500),
        (Method::GET, "/later/optional", 500),
        (Method::GET, "/none", 500),
    ] {
        let answer = server.send(method.clone(), path, &good);
        assert_eq!(answer.status(), status, "{method} {path}");
    }
}

/// A handler that makes requests out of one request, such as one for batches, may copy the extensions.
#[test]
fn a_result_is_not_one_about_other_credentials() {
    let tenant = tenant();
    let source = Subprotocol::new("access_token").unwrap();
    let auth = Auth::new(client(&tenant)).optional().token_source(source);
    let whoami = async |token: Option<Verified>| {
        let subject = token.and_then(|token| Some(token.subject().ok()??.to_owned()));
        subject.unwrap_or_else(|| "nobody".to_owned())
    };
    let inner = Router::new().route("/whoami", get(whoami));
    let inner = inner.layer(auth.clone());
    let batch = move |request: Request| {
        let mut inner = inner.clone();
        async move {
            let (mut parts, body) = request.into_parts();
            parts.uri = "/whoami".parse().unwrap();
            match parts.headers.remove("x-instead") {
                Some(value) if value == "none" => drop(parts.headers.remove("authorization")),
                Some(value) if value == "second" => {
                    parts.headers.append("authorization", value);
                }
                Some(value) if value == "proof" => drop(parts.headers.insert("dpop", value)),
                Some(value) if value.as_bytes().starts_with(b"access_token.") => {
                    parts.headers.insert("sec-websocket-protocol", value);
                }
                Some(value) => drop(parts.headers.insert("authorization", value)),
                None => {}
            }
            Service::call(&mut inner, Request::from_parts(parts, body)).await
        }
    };
    let server = Server::start(Router::new().route("/batch", get(batch)).layer(auth));
    let of = |subject: &str| bearer(&token(&tenant).subject(subject).mint().unwrap()).remove(0);
    let (ada, bob) = (of("auth0|ada"), of("auth0|bob"));
    let offer = bob.1.replace("Bearer ", "access_token.");
    for (outer, instead, status, text) in [
        (Some(&ada), None, 200, "auth0|ada"),
        (Some(&ada), Some(&*bob.1), 200, "auth0|bob"),
        (Some(&ada), Some("Bearer opaque"), 401, ""),
        (Some(&ada), Some("Basic YTpi"), 401, ""),
        (Some(&ada), Some("none"), 200, "nobody"),
        (Some(&ada), Some("second"), 400, ""),
        (Some(&ada), Some("proof"), 400, ""),
        (Some(&ada), Some(&offer), 400, ""),
        (None, Some(&offer), 200, "auth0|bob"),
        (None, None, 200, "nobody"),
        (None, Some(&*bob.1), 200, "auth0|bob"),
        (None, Some("Bearer opaque"), 401, ""),
        (None, Some("proof"), 401, ""),
    ] {
        let mut fields: Vec<_> = outer.into_iter().cloned().collect();
        fields.extend(instead.map(|value| ("x-instead", value.to_owned())));
        let answer = server.get("/batch", &fields);
        assert_eq!(answer.status(), status, "{instead:?}");
        assert!(status != 200 || answer.text() == text, "{instead:?}");
    }
}

/// Layers that trace requests print their fields.
#[test]
fn the_debug_of_a_request_shows_no_credentials() {
    let tenant = tenant();
    let key = ProofKey::generate().unwrap();
    let auth = Auth::new(client(&tenant)).exclude("/excluded");
    let shown = get(async |request: Request| format!("{request:?}"));
    let app = Router::new()
        .route("/", shown.clone())
        .route("/excluded", shown);
    let server = Server::start(app.layer(auth));
    let fields = common::dpop(&tenant, &key, "https://api.example/");
    let twice = [&fields[..], &fields].concat();
    for (path, fields) in [
        ("/", &fields),
        ("/excluded", &fields),
        ("/excluded", &twice),
    ] {
        let answer = server.get(path, fields);
        assert_eq!(answer.status(), 200, "{path}");
        assert!(answer.text().contains("\"authorization\": Sensitive"));
        for (name, value) in fields {
            assert!(!answer.text().contains(value), "{path}: {name}");
        }
    }
}
