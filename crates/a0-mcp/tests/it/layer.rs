//! What a client of MCP meets: challenges, policies, streams, sessions, origins.

use std::time::Duration;

use crate::common::*;
use a0_mcp::{McpAuth, McpConfigError};
use a0_testkit::ProofKey;
use auth0_api::asynchronous::ApiClient;
use auth0_api::{Policy, ProtectedResource};
use axum::body::{Body, Bytes};
use http::{Method, Request};
use serde_json::json;

#[tokio::test]
async fn a_request_without_a_token_is_401_with_metadata_and_scopes_and_its_body_is_not_read() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let unread = || Body::from_stream(Unread);
    for (token, error) in [(None, ""), (Some("opaque"), "invalid_token")] {
        for method in [Method::POST, Method::GET, Method::DELETE, Method::PUT] {
            let answer = server.send(request(method, token, &[JSON], unread())).await;
            assert_eq!(answer.status, 401);
            assert!(!answer.challenges().is_empty());
            for challenge in answer.challenges() {
                assert!(
                    challenge.contains(&format!(r#"resource_metadata="{METADATA}""#)),
                    "{challenge}"
                );
                assert!(challenge.contains(r#"scope="mcp:use""#), "{challenge}");
            }
            assert!(answer.challenges()[0].contains(error));
        }
    }
    // No token is taken from the query.
    let good = token(&tenant, "mcp:use");
    let uri = format!("/mcp?access_token={good}");
    let mut in_query = request(Method::POST, None, &[JSON], unread());
    *in_query.uri_mut() = uri.parse().unwrap();
    assert_eq!(server.send(in_query).await.status, 401);
}

/// A body that fails the test if it is read.
struct Unread;

impl futures_core::Stream for Unread {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        panic!("the body of a stranger is read")
    }
}

#[tokio::test]
async fn a_tool_runs_with_its_scopes_and_one_challenge_names_all_that_are_needed() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    for (scope, tool, expected) in [
        ("mcp:use", "echo", None),
        ("mcp:use orders:write", "refund", None),
        // `orders:admin` implies `orders:write`.
        ("mcp:use orders:admin", "refund", None),
        ("mcp:use", "refund", Some("mcp:use orders:write")),
        // Both in one challenge, though the base alone would fail too.
        ("", "refund", Some("mcp:use orders:write")),
        ("orders:write", "refund", Some("mcp:use orders:write")),
        ("", "echo", Some("mcp:use")),
        // A tool without a policy needs all of them.
        ("mcp:use", "unlisted", Some("mcp:use orders:write")),
        ("mcp:use orders:write", "unlisted", None),
    ] {
        let token = token(&tenant, scope);
        let answer = server.send(call(Some(&token), tool)).await;
        let ran = server.ran();
        match expected {
            None => {
                assert_eq!(answer.status, 200, "{scope} {tool}: {}", answer.text);
                assert_eq!(ran, [tool]);
                assert!(
                    answer.json()["result"]["content"][0]["text"]
                        .as_str()
                        .unwrap()
                        .starts_with("auth0|ada")
                );
            }
            Some(scopes) => {
                assert_eq!(answer.status, 403, "{scope} {tool}");
                assert!(ran.is_empty());
                let challenge = &answer.challenges()[0];
                for part in [
                    "error=\"insufficient_scope\"",
                    &format!("scope=\"{scopes}\""),
                    &format!("resource_metadata=\"{METADATA}\""),
                ] {
                    assert!(challenge.contains(part), "{challenge}");
                }
            }
        }
    }
}

#[tokio::test]
async fn other_tools_and_methods_have_policies() {
    let tenant = tenant();
    let client = client(&tenant);
    let layer = auth(&client)
        .other_tools(Policy::verified())
        .method("tools/list", Policy::scope("mcp:list"))
        .method("x/own", Policy::scope("x:own"));
    let server = Server::new(&client, layer);
    let base = token(&tenant, "mcp:use");
    assert_eq!(server.send(call(Some(&base), "unlisted")).await.status, 200);
    for (method, needed) in [
        ("tools/list", "mcp:use mcp:list"),
        ("x/own", "mcp:use x:own"),
        // Nobody knows what they do, and a task gives the result of any tool.
        ("x/other", "mcp:use mcp:list x:own orders:write"),
        ("", "mcp:use mcp:list x:own orders:write"),
        ("tools/Call", "mcp:use mcp:list x:own orders:write"),
    ] {
        let answer = server.send(ask(Some(&base), method)).await;
        assert_eq!(answer.status, 403, "{method}");
        let challenge = &answer.challenges()[0];
        assert!(
            challenge.contains(&format!("scope=\"{needed}\"")),
            "{challenge}"
        );
        let all = token(&tenant, needed);
        assert_ne!(
            server.send(ask(Some(&all), method)).await.status,
            403,
            "{method}"
        );
    }
    for method in ["server/discover", "resources/list", "prompts/list", "ping"] {
        let status = server.send(ask(Some(&base), method)).await.status;
        assert!(status != 403 && status != 401, "{method}: {status}");
    }
    // A 403 that no scope helps against names no metadata.
    let closed = auth(&client).method("tools/list", Policy::permission("x"));
    let server = Server::new(&client, closed);
    let answer = server.send(ask(Some(&base), "tools/list")).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.challenges()[0].contains("resource_metadata"));
}

/// The exact octets, and the trailers.
#[tokio::test]
async fn a_body_that_was_read_is_handed_on_unchanged_and_others_are_streamed() {
    let tenant = tenant();
    let client = client(&tenant);
    let good = token(&tenant, "mcp:use");
    let body = format!(
        " {}\r\n",
        call_body("echo").replace("\"arguments\"", "\"argu\\u006dents\"")
    );
    let echo = || {
        axum::Router::new().route(
            "/mcp",
            axum::routing::any(|body: Bytes| async move { body }),
        )
    };
    let layered = |auth: McpAuth| Server {
        app: echo().route_layer(auth),
        log: Log::default(),
    };
    let fields = [
        JSON,
        VERSION,
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    let reading = layered(auth(&client));
    let answer = reading
        .send(request(Method::POST, Some(&good), &fields, body.clone()))
        .await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (200, &*body));
    // Without a policy for an operation, any octets of any length pass.
    let base = McpAuth::new(client.clone())
        .unwrap()
        .require(Policy::scope("mcp:use"));
    let streaming = layered(base.max_body_size(4));
    let answer = streaming
        .send(request(
            Method::POST,
            Some(&good),
            &[JSON],
            "{\"not\": json",
        ))
        .await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.text),
        (200, "{\"not\": json")
    );
    let other = token(&tenant, "other");
    let answer = streaming
        .send(request(Method::POST, Some(&other), &[JSON], "{}"))
        .await;
    assert_eq!(answer.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_body_is_bounded_in_size_and_time() {
    let tenant = tenant();
    let client = client(&tenant);
    let good = token(&tenant, "mcp:use");
    let layer = auth(&client)
        .max_body_size(1000)
        .body_timeout(Duration::from_secs(3));
    let server = Server::new(&client, layer);
    let padded = |length: usize| format!("{:<length$}", call_body("echo"));
    let fields = [
        JSON,
        VERSION,
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ];
    let send = |body: Body| server.send(request(Method::POST, Some(&good), &fields, body));
    assert_eq!(send(padded(1000).into()).await.status, 200);
    let large = send(padded(1001).into()).await;
    assert_eq!(
        (large.status.as_u16(), &large.headers["connection"]),
        (413, &"close".parse().unwrap())
    );
    // Chunks without a length.
    let chunks = Chunks(vec![Bytes::from(padded(600)), Bytes::from(vec![b' '; 600])]);
    assert_eq!(send(Body::from_stream(chunks)).await.status, 413);
    let begun = tokio::time::Instant::now();
    assert_eq!(send(Body::from_stream(Never)).await.status, 408);
    assert_eq!(begun.elapsed().as_secs(), 3);
    server.ran();
}

struct Chunks(Vec<Bytes>);

impl futures_core::Stream for Chunks {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready((!self.0.is_empty()).then(|| Ok(self.0.remove(0))))
    }
}

struct Never;

impl futures_core::Stream for Never {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Pending
    }
}

fn initialize(token: Option<&str>) -> Request<Body> {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    request(Method::POST, token, &[JSON], body.to_string())
}

fn in_session(method: Method, token: Option<&str>, session: &str, body: String) -> Request<Body> {
    let fields = [
        JSON,
        ("mcp-protocol-version", "2025-06-18"),
        ("mcp-session-id", session),
    ];
    request(method, token, &fields, body)
}

fn legacy_call(tool: &str) -> String {
    let params = json!({"name": tool, "arguments": {}});
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).to_string()
}

const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

#[tokio::test]
async fn a_session_serves_only_the_principal_that_opened_it() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let mint = |subject: &str, azp: &str| {
        let token = tenant
            .access_token()
            .audience(RESOURCE)
            .subject(subject)
            .scope("mcp:use orders:write");
        token.claim("azp", azp).mint().unwrap()
    };
    let ada = mint("auth0|ada", "app");
    let opened = server.send(initialize(Some(&ada))).await;
    assert_eq!(opened.status, 200, "{}", opened.text);
    let session = opened.headers["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let post = |token: &str, session: &str, body: &str| {
        server.send(in_session(
            Method::POST,
            Some(token),
            session,
            body.to_owned(),
        ))
    };
    assert_eq!(post(&ada, &session, INITIALIZED).await.status, 202);
    // Also with a new token of the same user and client.
    for token in [&ada, &mint("auth0|ada", "app")] {
        assert_eq!(
            post(token, &session, &legacy_call("refund")).await.status,
            200
        );
        assert_eq!(server.ran(), ["refund"]);
    }
    let (inner, hash) = session.rsplit_once('.').unwrap();
    let forged = [
        inner.to_owned(),
        format!("{inner}."),
        format!("{inner}.{}", "A".repeat(43)),
        format!("{inner}x.{hash}"),
        format!("{session}="),
        format!("{session}."),
        format!(".{hash}"),
        String::new(),
    ];
    let others = [
        mint("auth0|bob", "app"),
        mint("auth0|ada", "other"),
        mint("auth0|adaa", "pp"),
    ];
    let named = |client: &str| {
        let token = tenant
            .access_token()
            .audience(RESOURCE)
            .subject("auth0|ada");
        let token = token.scope("mcp:use orders:write").claim("azp", "app");
        token.claim("client_id", client).mint().unwrap()
    };
    let in_organization = tenant
        .access_token()
        .audience(RESOURCE)
        .subject("auth0|ada")
        .scope("mcp:use orders:write")
        .claim("azp", "app");
    let in_organization = in_organization.claim("org_id", "org_1").mint().unwrap();
    let further = [named("other"), in_organization];
    let others: Vec<String> = others.into_iter().chain(further).collect();
    let attempts = others.iter().map(|token| (token, &session));
    let attempts = attempts.chain(forged.iter().map(|session| (&ada, session)));
    for (token, session) in attempts {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let body = legacy_call("refund");
            let answer = server
                .send(in_session(method.clone(), Some(token), session, body))
                .await;
            assert_eq!(answer.status, 404, "{method} {session}");
        }
    }
    assert!(server.ran().is_empty());
    // Two identifiers at once.
    let mut two = in_session(Method::POST, Some(&ada), &session, legacy_call("refund"));
    two.headers_mut()
        .append("mcp-session-id", inner.parse().unwrap());
    assert_eq!(server.send(two).await.status, 404);
    // The policies hold within a session, for the token of each request.
    let weak = token(&tenant, "mcp:use");
    let weak_session = server.send(initialize(Some(&weak))).await;
    let weak_session = weak_session.headers["mcp-session-id"].to_str().unwrap();
    assert_eq!(post(&weak, weak_session, INITIALIZED).await.status, 202);
    assert_eq!(
        post(&weak, weak_session, &legacy_call("refund"))
            .await
            .status,
        403
    );
    assert_eq!(
        server
            .send(in_session(
                Method::DELETE,
                Some(&ada),
                &session,
                String::new()
            ))
            .await
            .status,
        202
    );
    assert_eq!(
        post(&ada, &session, &legacy_call("refund")).await.status,
        404
    );
}

#[tokio::test]
async fn discovery_needs_the_base_and_calls_need_the_policy_of_their_method() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let other = token(&tenant, "other");
    assert_eq!(
        server.send(ask(Some(&other), "tools/list")).await.status,
        403
    );
    let layer = auth(&client).method("tools/call", Policy::scope("tools"));
    let server = Server::new(&client, layer);
    let answer = server
        .send(call(Some(&token(&tenant, "mcp:use")), "echo"))
        .await;
    assert_eq!(answer.status, 403);
    assert!(answer.challenges()[0].contains(r#"scope="mcp:use tools""#));
}

/// All policies for each member would be more rules than a policy may have.
#[tokio::test]
async fn a_batch_needs_each_policy_once() {
    let tenant = tenant();
    let client = client(&tenant);
    let tools = (0..20).fold(auth(&client), |layer, tool| {
        layer.tool(format!("tool{tool}"), Policy::scope(format!("scope{tool}")))
    });
    let server = Server::new(&client, tools);
    let batch = format!("[{}]", vec![legacy_call("unlisted"); 100].join(","));
    let good = token(&tenant, "mcp:use");
    let answer = server
        .send(request(Method::POST, Some(&good), &[JSON], batch))
        .await;
    assert_eq!(answer.status, 403);
}

/// A body that says that it is large.
struct Large;

impl axum::body::HttpBody for Large {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        panic!("a body over the limit is read")
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(5 * 1024 * 1024)
    }
}

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_not_read() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let good = token(&tenant, "mcp:use");
    let large = request(Method::POST, Some(&good), &[JSON], Body::new(Large));
    assert_eq!(server.send(large).await.status, 413);
}

/// Whatever the server inside would make of them.
#[tokio::test]
async fn other_http_methods_and_optional_credentials_open_nothing() {
    let tenant = tenant();
    let client = client(&tenant);
    let echo = || axum::Router::new().route("/mcp", axum::routing::any(|| async { "reached" }));
    let layered = |auth: McpAuth| Server {
        app: echo().route_layer(auth),
        log: Log::default(),
    };
    let good = token(&tenant, "mcp:use orders:write");
    let server = layered(auth(&client));
    let put = request(Method::PUT, Some(&good), &[JSON], legacy_call("refund"));
    assert_eq!(server.send(put).await.status, 405);
    let optional = layered(auth(&client).with_auth(a0_tower::Auth::optional));
    let stranger = request(Method::POST, None, &[JSON], Body::from_stream(Unread));
    assert_eq!(optional.send(stranger).await.status, 401);
}

#[tokio::test]
async fn a_session_belongs_to_one_issuer() {
    let (one, other) = (
        tenant(),
        a0_testkit::LocalTenant::new("other.example").unwrap(),
    );
    other.set_now(at(NOW));
    let (handle, other_handle, clock) = (one.client(), other.client(), one.clone());
    let client = ApiClient::builder()
        .domains(["tenant.example", "other.example"])
        .audience(RESOURCE)
        .clock(move || clock.now())
        .protected_resource(ProtectedResource::new(RESOURCE))
        .async_http_client(move |request: Request<Vec<u8>>| {
            let is_other = request.uri().host() == Some("other.example");
            let handle = if is_other {
                other_handle.clone()
            } else {
                handle.clone()
            };
            async move { handle(request) }
        })
        .build_async()
        .unwrap();
    let server = Server::new(&client, auth(&client));
    let opened = server.send(initialize(Some(&token(&one, "mcp:use")))).await;
    let session = opened.headers["mcp-session-id"].to_str().unwrap();
    let post = |tenant, body: &str| {
        let token = token(tenant, "mcp:use");
        server.send(in_session(
            Method::POST,
            Some(&token),
            session,
            body.to_owned(),
        ))
    };
    assert_eq!(post(&one, INITIALIZED).await.status, 202);
    assert_eq!(post(&other, &legacy_call("echo")).await.status, 404);
    assert_eq!(post(&one, &legacy_call("echo")).await.status, 200);
}

/// A client learns the revision by the handshake, so its fields are not required there.
#[tokio::test]
async fn the_handshake_needs_no_fields() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let good = token(&tenant, "mcp:use");
    let body = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2026-07-28","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}"#;
    let answer = server
        .send(request(Method::POST, Some(&good), &[JSON, VERSION], body))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// Instances share a store of sessions, and a key.
#[tokio::test]
async fn a_session_of_another_instance_needs_the_same_key() {
    let tenant = tenant();
    let client = client(&tenant);
    let (service, _) = service(&client, &auth(&client));
    let instance = |auth: McpAuth| Server {
        app: axum::Router::new()
            .route_service("/mcp", service.clone())
            .route_layer(auth),
        log: Log::default(),
    };
    let good = token(&tenant, "mcp:use");
    let first = instance(auth(&client).session_key([7; 32]));
    let opened = first.send(initialize(Some(&good))).await;
    let session = opened.headers["mcp-session-id"].to_str().unwrap();
    for (auth, expected) in [
        (auth(&client).session_key([7; 32]), 202),
        (auth(&client).session_key([8; 32]), 404),
        (auth(&client), 404),
    ] {
        let initialized = in_session(Method::POST, Some(&good), session, INITIALIZED.to_owned());
        assert_eq!(instance(auth).send(initialized).await.status, expected);
    }
}

/// Behind a proxy, the URL of a proof is that of the proxy's fields.
#[tokio::test]
async fn the_verification_can_be_changed() {
    use std::net::{IpAddr, Ipv4Addr};

    let tenant = tenant();
    let client = builder(&tenant).url_in_requests().build_async().unwrap();
    let proxy = a0_tower::proxy::Proxy::x_forwarded()
        .trusted(["127.0.0.0/8"])
        .public_hosts(["api.example"])
        .build()
        .unwrap();
    let layer = auth(&client).with_auth(|auth| {
        auth.behind(proxy)
            .peer_address(|_| Some(IpAddr::V4(Ipv4Addr::LOCALHOST)))
    });
    let server = Server::new(&client, layer);
    let key = ProofKey::generate().unwrap();
    let bound = tenant
        .access_token()
        .audience(RESOURCE)
        .subject("auth0|ada")
        .scope("mcp:use");
    let bound = bound.bound_to(&key).mint().unwrap();
    let proof = key.proof("POST", RESOURCE).for_token(&bound);
    let proof = proof.issued_at(NOW as i64).mint().unwrap();
    let mut proven = call(None, "echo");
    for (name, value) in [
        ("authorization", &*format!("DPoP {bound}")),
        ("dpop", &*proof),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example"),
    ] {
        proven.headers_mut().insert(name, value.parse().unwrap());
    }
    let answer = server.send(proven).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn streams_and_the_end_of_a_session_need_the_base() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let other = token(&tenant, "other");
    for method in [Method::GET, Method::DELETE] {
        let answer = server
            .send(request(method, Some(&other), &[], Body::empty()))
            .await;
        assert_eq!(answer.status, 403);
        assert!(answer.challenges()[0].contains(r#"scope="mcp:use""#));
    }
    let good = token(&tenant, "mcp:use");
    for method in [Method::PUT, Method::PATCH, Method::OPTIONS, Method::HEAD] {
        let answer = server
            .send(request(method.clone(), Some(&good), &[], Body::empty()))
            .await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.headers["allow"], "GET, POST, DELETE");
    }
}

/// `rmcp` replays the events of any request for whoever knows an identifier.
#[tokio::test]
async fn an_event_identifier_is_no_credential() {
    let tenant = tenant();
    let client = client(&tenant);
    let seen = axum::Router::new().route(
        "/mcp",
        axum::routing::any(|headers: http::HeaderMap| async move {
            let has = |name: &str| headers.contains_key(name);
            format!("{} {}", has("last-event-id"), has("mcp-session-id"))
        }),
    );
    let server = Server {
        app: seen.route_layer(auth(&client)),
        log: Log::default(),
    };
    let good = token(&tenant, "mcp:use");
    let stateless = request(
        Method::GET,
        Some(&good),
        &[("last-event-id", "1")],
        Body::empty(),
    );
    assert_eq!(server.send(stateless).await.text, "false false");
    // The revision 2026-07-28 has neither, so a server must ignore them.
    let fields = [VERSION, ("last-event-id", "1"), ("mcp-session-id", "x")];
    let modern = request(Method::GET, Some(&good), &fields, Body::empty());
    assert_eq!(server.send(modern).await.text, "false false");
    // A server that takes two versions would take the first, and the layer another one.
    let two = [
        VERSION,
        ("mcp-protocol-version", "2025-06-18"),
        ("last-event-id", "1"),
    ];
    let two = request(Method::GET, Some(&good), &two, Body::empty());
    assert_eq!(server.send(two).await.status, 400);
}

/// With a store of events, `rmcp` would replay the stream of another session for its identifier.
#[tokio::test]
async fn a_stream_is_resumed_by_option_and_in_its_session_alone() {
    let tenant = tenant();
    let client = client(&tenant);
    let good = token(&tenant, "mcp:use");
    for (layer, expected) in [
        (auth(&client), "false true"),
        (auth(&client).resume_streams(), "true true"),
    ] {
        let seen = axum::Router::new().route(
            "/mcp",
            axum::routing::any(|headers: http::HeaderMap| async move {
                let has = |name: &str| headers.contains_key(name);
                let seen = format!("{} {}", has("last-event-id"), has("mcp-session-id"));
                ([("mcp-session-id", "of-the-server")], seen)
            }),
        );
        let server = Server {
            app: seen.route_layer(layer),
            log: Log::default(),
        };
        let opened = server
            .send(request(Method::GET, Some(&good), &[], Body::empty()))
            .await;
        let session = opened.headers["mcp-session-id"].to_str().unwrap();
        let fields = [("mcp-session-id", session), ("last-event-id", "1")];
        let resumed = request(Method::GET, Some(&good), &fields, Body::empty());
        assert_eq!(server.send(resumed).await.text, expected);
        let elsewhere = request(Method::GET, Some(&good), &fields[1..], Body::empty());
        assert_eq!(server.send(elsewhere).await.text, "false false");
    }
}

#[tokio::test]
async fn an_origin_must_be_allowed() {
    let tenant = tenant();
    let client = client(&tenant);
    let layer = auth(&client).allowed_origins([
        "https://app.example",
        "http://localhost:6274/",
        "null",
        "*",
        "https://path.example/x",
    ]);
    let server = Server::new(&client, layer);
    let good = token(&tenant, "mcp:use");
    let status = async |origins: &[&str]| {
        let mut call = call(Some(&good), "echo");
        for origin in origins {
            call.headers_mut().append("origin", origin.parse().unwrap());
        }
        server.send(call).await.status.as_u16()
    };
    for origin in [
        "https://app.example",
        "http://localhost:6274",
        "https://api.example",
        "HTTPS://APP.example:443",
    ] {
        assert_eq!(status(&[origin]).await, 200, "{origin}");
    }
    for origin in [
        "null",
        "",
        "*",
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "http://localhost",
        "http://localhost:6275",
        "https://app.example.evil",
        "https://sub.app.example",
        "https://app.example/path",
        "https://path.example/x",
        "https://path.example",
        "https://app.example?x",
        "app.example",
        "https://app.example, https://evil.example",
        "http://api.example",
    ] {
        assert_eq!(status(&[origin]).await, 403, "{origin}");
    }
    assert_eq!(
        status(&["https://app.example", "https://app.example"]).await,
        403
    );
    // Before the credentials, and without a challenge.
    let mut stranger = call(None, "echo");
    stranger
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    let answer = server.send(stranger).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (403, Some(-32600)));
    assert!(answer.challenges().is_empty());
    server.ran();
}

#[tokio::test]
async fn strangers_may_discover_by_option_and_nothing_more() {
    let tenant = tenant();
    let client = client(&tenant);
    let layer = auth(&client)
        .anonymous_discovery()
        .method("prompts/list", Policy::scope("prompts"));
    let server = Server::new(&client, layer);
    for method in ["server/discover", "tools/list", "resources/list", "ping"] {
        let status = server.send(ask(None, method)).await.status;
        assert!(status != 401 && status != 403, "{method}: {status}");
    }
    let listed = server.send(ask(None, "tools/list")).await.json();
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), 5);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let status = server
        .send(request(Method::POST, None, &[JSON], ping))
        .await
        .status;
    assert_ne!(status, 401);
    let batch = format!("[{ping},{}]", legacy_call("echo"));
    let refused = [
        call(None, "echo"),
        ask(None, "prompts/list"),
        ask(None, "resources/read"),
        ask(None, "x/own"),
        request(Method::GET, None, &[], Body::empty()),
        request(Method::DELETE, None, &[], Body::empty()),
        request(Method::PUT, None, &[JSON], ping),
        request(Method::POST, None, &[JSON], batch),
        request(Method::POST, None, &[JSON], "{"),
        request(
            Method::POST,
            None,
            &[JSON],
            r#"{"jsonrpc":"2.0","method":"ping","method":"tools/call"}"#,
        ),
        request(
            Method::POST,
            None,
            &[JSON, ("mcp-method", "ping")],
            legacy_call("echo"),
        ),
        request(Method::POST, None, &[], ping),
        request(
            Method::POST,
            None,
            &[JSON, ("content-encoding", "gzip")],
            ping,
        ),
        request(
            Method::POST,
            None,
            &[JSON],
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ),
        request(Method::POST, None, &[JSON], "x".repeat(5 * 1024 * 1024)),
        // Credentials that are bad are no lack of them.
        ask(Some("opaque"), "tools/list"),
    ];
    for request in refused {
        let shown = format!("{request:?}");
        let answer = server.send(request).await;
        assert_eq!(answer.status, 401, "{shown}");
        assert!(answer.challenges()[0].contains("resource_metadata"));
    }
    assert!(server.ran().is_empty());
    // A stranger with a session is told to log in, and not that there is no such session.
    for body in [message("tools/list"), legacy_call("echo")] {
        let lost = in_session(Method::POST, None, "lost.AAAA", body);
        let answer = server.send(lost).await;
        assert_eq!(answer.status, 401);
        assert!(answer.challenges()[0].contains("resource_metadata"));
    }
    // A session of a stranger is not one of a user.
    let opened = server.send(initialize(None)).await;
    assert_eq!(opened.status, 200);
    let session = opened.headers["mcp-session-id"].to_str().unwrap();
    let initialized = in_session(Method::POST, None, session, INITIALIZED.to_owned());
    assert_eq!(server.send(initialized).await.status, 202);
    let good = token(&tenant, "mcp:use");
    let taken = in_session(Method::POST, Some(&good), session, legacy_call("echo"));
    assert_eq!(server.send(taken).await.status, 404);
    // A token without the base may discover what strangers may.
    let other = token(&tenant, "other");
    assert_eq!(
        server.send(ask(Some(&other), "tools/list")).await.status,
        200
    );
    assert_eq!(server.send(call(Some(&other), "echo")).await.status, 403);
}

#[tokio::test]
async fn a_bound_token_needs_its_proof() {
    let tenant = tenant();
    let client = builder(&tenant)
        .public_url("https://api.example")
        .build_async()
        .unwrap();
    let server = Server::new(&client, auth(&client));
    let key = ProofKey::generate().unwrap();
    let bound = tenant
        .access_token()
        .audience(RESOURCE)
        .subject("auth0|ada")
        .scope("mcp:use");
    let bound = bound.bound_to(&key).mint().unwrap();
    assert_eq!(server.send(call(Some(&bound), "echo")).await.status, 401);
    let proof = key
        .proof("POST", RESOURCE)
        .for_token(&bound)
        .issued_at(NOW as i64)
        .mint()
        .unwrap();
    let mut proven = call(None, "echo");
    let fields = proven.headers_mut();
    fields.insert("authorization", format!("DPoP {bound}").parse().unwrap());
    fields.insert("dpop", proof.parse().unwrap());
    let answer = server.send(proven).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(server.ran(), ["echo"]);
}

#[test]
fn an_unusable_configuration_is_an_error_at_the_start() {
    let tenant = tenant();
    let plain = ApiClient::builder()
        .domain("tenant.example")
        .audience(RESOURCE)
        .build_async()
        .unwrap();
    assert_eq!(
        McpAuth::new(plain).unwrap_err(),
        McpConfigError::NoProtectedResource
    );
    let good = auth(&client(&tenant));
    assert!(good.validate().is_ok());
    for bad in [
        good.clone().require(Policy::scope("a b")),
        good.clone().tool("x", Policy::any([])),
        good.clone().method("x", Policy::scope("")),
        good.clone().other_tools(Policy::all([])),
    ] {
        assert!(matches!(bad.validate(), Err(McpConfigError::Policy(_))));
    }
    for (method, meant) in [
        ("Tools/Call", "tools/call"),
        ("tools_call", "tools/call"),
        ("tools.list", "tools/list"),
        ("tools-list", "tools/list"),
        (" tools/call ", "tools/call"),
        ("/resources/read", "resources/read"),
        ("resources/templates_list", "resources/templates/list"),
        ("logging/setlevel", "logging/setLevel"),
        ("Tasks/Get", "tasks/get"),
    ] {
        let bad = good.clone().method(method, Policy::scope("x"));
        let error = bad.validate().unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains(&format!("{method:?}")) && shown.contains(&format!("{meant:?}")));
        let method = method.to_owned();
        assert_eq!(error, McpConfigError::MisspeltMethod { method, meant });
    }
    for method in ["tools/call", "tasks/list", "ping", "tools/call/own", "pong"] {
        let fine = good.clone().method(method, Policy::scope("x"));
        assert_eq!(fine.validate(), Ok(()), "{method}");
    }
    assert!(!format!("{good:?}").contains("key"));
    let _ = ProtectedResource::new(RESOURCE);
}

#[tokio::test]
async fn the_metadata_is_served_outside_of_the_layer() {
    let tenant = tenant();
    let client = client(&tenant);
    let server = Server::new(&client, auth(&client));
    let request = Request::get("/.well-known/oauth-protected-resource/mcp")
        .body(Body::empty())
        .unwrap();
    let answer = server.send(request).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["resource"], RESOURCE);
    assert_eq!(
        answer.json()["authorization_servers"],
        json!([tenant.issuer()])
    );
}

/// As the MCP Inspector does it from a page.
#[tokio::test]
async fn a_page_of_an_allowed_origin_can_use_the_server() {
    use a0_mcp::{CORS_EXPOSED_HEADERS, CORS_METHODS, CORS_REQUEST_HEADERS};

    let tenant = tenant();
    let client = client(&tenant);
    let origin = "http://localhost:6274";
    let server = Server::new(&client, auth(&client).allowed_origins([origin]));
    let cors = tower_http::cors::CorsLayer::new()
        .allow_origin(http::HeaderValue::from_static(origin))
        .allow_methods(CORS_METHODS)
        .allow_headers(CORS_REQUEST_HEADERS)
        .expose_headers(CORS_EXPOSED_HEADERS);
    let app = server.app.clone().layer(cors);
    let server = Server { app, ..server };
    let has = |answer: &Answer, field: &str, name: &str| {
        let listed = answer.headers[field].to_str().unwrap().to_owned();
        assert!(
            listed.split(',').any(|it| it.eq_ignore_ascii_case(name)),
            "{name}: {listed}"
        );
    };
    let asked = "authorization,content-type,dpop,last-event-id,mcp-method,mcp-name,mcp-protocol-version,mcp-session-id";
    for method in ["GET", "POST", "DELETE"] {
        let fields = [
            ("origin", origin),
            ("access-control-request-method", method),
            ("access-control-request-headers", asked),
        ];
        let preflight = request(Method::OPTIONS, None, &fields, Body::empty());
        let answer = server.send(preflight).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["access-control-allow-origin"], origin);
        has(&answer, "access-control-allow-methods", method);
        for name in asked.split(',') {
            has(&answer, "access-control-allow-headers", name);
        }
    }
    // A refusal too can be read, with its challenges.
    let mut stranger = call(None, "echo");
    stranger
        .headers_mut()
        .insert("origin", origin.parse().unwrap());
    let answer = server.send(stranger).await;
    assert_eq!(answer.status, 401);
    for name in [
        "www-authenticate",
        "mcp-session-id",
        "mcp-protocol-version",
        "dpop-nonce",
    ] {
        has(&answer, "access-control-expose-headers", name);
    }
}
