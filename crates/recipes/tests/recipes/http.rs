use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use a0_testkit::{LocalTenant, ProofKey};
use http::{Request, Response};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};

use crate::common::*;

/// What each recipe must do with `GET /orders`. If a field that is sent twice arrives as one, with a comma,
/// two tokens are a malformed one.
#[rustfmt::skip]
fn assert_protected(tenant: &LocalTenant, send: impl Fn(Request<()>) -> Response<String>, joins_fields: bool) {
    let key = ProofKey::generate().unwrap();
    let dpop = |url: &str| {
        let token = tenant.access_token().audience(AUDIENCE).subject("ada").scope("read:orders");
        let token = token.bound_to(&key).mint().unwrap();
        let proof = key.proof("GET", url).for_token(&token).issued_at(NOW).mint().unwrap();
        vec![("authorization", format!("DPoP {token}")), ("dpop", proof)]
    };
    let bearer = |scope| bearer(tenant, scope);
    let forged = || vec![("authorization", "Bearer a.b.c".to_owned())];
    let (twice_status, twice_code) = match joins_fields {
        true => (401, "error=\"invalid_token\""),
        false => (400, "error=\"invalid_request\""),
    };
    let twice = || [bearer("read:orders"), bearer("read:orders")].concat();
    for (name, fields, status, challenge, body) in [
        ("no token", vec![], 401, "Bearer realm=\"api\"", "\"status\":401"),
        ("forged", forged(), 401, "error=\"invalid_token\"", "\"error\":\"invalid_token\""),
        ("two tokens", twice(), twice_status, twice_code, "\"error\":\"invalid_"),
        ("scope", bearer("write:orders"), 403, "scope=\"read:orders\"", "\"error\":\"insufficient_scope\""),
        ("good", bearer("read:orders"), 200, "", "orders of ada"),
        ("good proof", dpop("https://api.example/orders"), 200, "", "orders of ada"),
        ("other URL", dpop("https://api.example/"), 401, "error=\"invalid_dpop_proof\"", "\"error\":\"invalid_dpop_proof\""),
    ] {
        let mut request = Request::get("/orders?page=2").body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let answer = send(request);
        assert_eq!(answer.status(), status, "{name}: {answer:?}");
        let challenges = answer.headers().get_all("www-authenticate").iter();
        let challenges: Vec<_> = challenges.map(|value| value.to_str().unwrap()).collect();
        assert!(challenges.join("\n").contains(challenge), "{name}: {challenges:?}");
        assert_eq!(challenges.is_empty(), status == 200, "{name}: {challenges:?}");
        assert!(answer.body().contains(body), "{name}: {answer:?}");
        let is_problem = answer.headers().get("content-type");
        let is_problem = is_problem.is_some_and(|value| value == "application/problem+json");
        assert_eq!(is_problem, status != 200, "{name}: {answer:?}");
    }
}

/// Sends requests to a server on this address.
fn over_socket(address: SocketAddr) -> impl Fn(Request<()>) -> Response<String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    move |mut request| {
        let uri = format!("http://{address}{}", request.uri());
        *request.uri_mut() = uri.parse().unwrap();
        let (parts, mut body) = agent.run(request).unwrap().into_parts();
        Response::from_parts(parts, body.read_to_string().unwrap())
    }
}

fn listener() -> std::net::TcpListener {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    listener
}

#[test]
fn actix_web() {
    let tenant = tenant();
    let (listener, client) = (listener(), async_client(&tenant));
    let address = listener.local_addr().unwrap();
    let (sender, handle) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async {
            let server = recipes::actix_web::server(listener, client).unwrap();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    assert_protected(&tenant, over_socket(address), false);
    let stopped = handle.recv().unwrap().stop(false);
    Runtime::new().unwrap().block_on(stopped);
    thread.join().unwrap();
}

#[test]
fn hyper() {
    let tenant = tenant();
    let runtime = Runtime::new().unwrap();
    let (listener, client) = (listener(), async_client(&tenant));
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        recipes::hyper::serve(listener, client).await
    });
    assert_protected(&tenant, over_socket(address), false);
}

#[test]
fn lambda() {
    let tenant = tenant();
    let runtime = Runtime::new().unwrap();
    let function = recipes::lambda::orders(async_client(&tenant));
    let send = |request| {
        let event = event(&request);
        let request = lambda_http::request::from_str(&event).unwrap();
        let mut function = function.clone();
        runtime.block_on(async move {
            let answer = function.ready().await.unwrap().call(request).await.unwrap();
            let (parts, body) = answer.into_parts();
            let body = http_body_util::BodyExt::collect(body)
                .await
                .unwrap()
                .to_bytes();
            Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
        })
    };
    assert_protected(&tenant, send, true);
}

/// A request as an API gateway passes it on. Fields that came twice are joined by commas.
fn event(request: &Request<()>) -> String {
    let mut headers = serde_json::Map::new();
    headers.insert("host".to_owned(), "api.example".into());
    for name in request.headers().keys() {
        let values = request.headers().get_all(name).iter();
        let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
        headers.insert(name.to_string(), values.join(",").into());
    }
    let path = request.uri().path();
    let query = request.uri().query().unwrap_or_default();
    serde_json::json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": query,
        "headers": headers, "isBase64Encoded": false,
        "requestContext": {
            "accountId": "1", "apiId": "api", "domainName": "api.example", "domainPrefix": "api",
            "requestId": "id", "routeKey": "$default", "stage": "$default",
            "time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1_700_000_000_000_u64,
            "http": {
                "method": request.method().as_str(), "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "test",
            },
        },
    })
    .to_string()
}

#[test]
fn tiny_http() {
    let tenant = tenant();
    let server = Arc::new(tiny_http::Server::http("127.0.0.1:0").unwrap());
    let address = server.server_addr().to_ip().unwrap();
    let (shared, client) = (Arc::clone(&server), blocking_client(&tenant));
    let thread = std::thread::spawn(move || recipes::tiny_http::serve(&shared, &client));
    assert_protected(&tenant, over_socket(address), false);
    server.unblock();
    thread.join().unwrap();
}
