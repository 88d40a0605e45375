//! Streams end when the token of their request expires. The time is tokio's, paused.

use std::sync::Arc;
use std::time::Duration;

use crate::common::*;
use a0_mcp::McpAuth;
use a0_testkit::LocalTenant;
use auth0_api::Policy;
use auth0_api::asynchronous::ApiClient;
use axum::Router;
use axum::body::{Body, Bytes};
use http::{Method, Request};
use http_body_util::BodyExt;
use rmcp::model::{
    NumberOrString, ProgressNotificationParam, ProgressToken, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router};
use serde_json::json;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};
use tower_service::Service;

const LIFE: u64 = 100;
const LEEWAY: u64 = 7;

/// A server whose streams never end by themselves.
#[derive(Clone)]
struct Endless;

#[tool_router]
impl Endless {
    #[tool(description = "Never answers")]
    async fn wait(&self) -> String {
        std::future::pending().await
    }
}

#[tool_handler]
impl ServerHandler for Endless {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_tools();
        ServerConfig::new(capabilities.enable_tool_list_changed().build())
    }

    fn accepted_subscription_filter(&self, all: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(all.clone())
    }
}

fn client_with(tenant: &LocalTenant, leeway: u64) -> ApiClient {
    let builder = builder(tenant).leeway(Duration::from_secs(leeway));
    builder.build_async().unwrap()
}

fn layer(client: &ApiClient) -> McpAuth {
    McpAuth::new(client.clone()).unwrap()
}

fn short_lived(tenant: &LocalTenant) -> String {
    let token = tenant
        .access_token()
        .audience(RESOURCE)
        .subject("auth0|ada");
    token.expires_in(LIFE as i64).mint().unwrap()
}

/// How long a response lasts, in whole seconds, and what arrived.
async fn duration(app: &Router, request: Request<Body>) -> (u64, String) {
    let response = app.clone().call(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let begun = Instant::now();
    let body = timeout(Duration::from_secs(3600), response.into_body().collect());
    let text = body.await.expect("nothing ends it").unwrap().to_bytes();
    let text = String::from_utf8(text.to_vec()).unwrap();
    (begun.elapsed().as_secs(), text)
}

/// A server of calls that tell how they end.
#[derive(Clone)]
struct Calls {
    reports: UnboundedSender<&'static str>,
    finish: Arc<Notify>,
}

#[tool_router]
impl Calls {
    #[tool(description = "Ends when the test says so, or when it is cancelled")]
    async fn work(&self, context: RequestContext<RoleServer>) -> String {
        // From 2026-07-28 on, the response begins with the first message.
        let token = ProgressToken(NumberOrString::Number(1));
        let progress = ProgressNotificationParam::new(token, 1.0);
        context.peer.notify_progress(progress).await.unwrap();
        let report = tokio::select! {
            () = self.finish.notified() => "done",
            () = context.ct.cancelled() => "cancelled",
        };
        self.reports.send(report).unwrap();
        report.to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Calls {}

const EXPIRED: &str = concat!(
    r#"data: {"jsonrpc":"2.0","id":1,"#,
    r#""error":{"code":-32600,"message":"the access token expired"}}"#,
    "\n\n"
);

/// From 2026-07-28 on, `rmcp` cancels the call. In a session it goes on. The client is told that it has no result,
/// unless it can resume the stream.
#[tokio::test(start_paused = true)]
async fn a_call_that_outlives_its_token() {
    let tenant = tenant();
    let client = client_with(&tenant, 0);
    let read = || layer(&client).other_tools(Policy::verified());
    let cases = [
        (layer(&client), true, ""),
        (layer(&client), false, ""),
        (read(), true, EXPIRED),
        (read(), false, EXPIRED),
        (read().resume_streams(), true, EXPIRED),
        (read().resume_streams(), false, ""),
    ];
    for (number, (layer, is_modern, end)) in cases.into_iter().enumerate() {
        let (reports, mut reported) = unbounded_channel();
        let finish = Arc::new(Notify::new());
        let calls = Calls {
            reports,
            finish: Arc::clone(&finish),
        };
        let sessions = Arc::new(LocalSessionManager::default());
        let config = layer.server_config().with_sse_keep_alive(None);
        let service = StreamableHttpService::new(move || Ok(calls.clone()), sessions, config);
        let app = Router::new()
            .route_service("/mcp", service)
            .route_layer(layer);
        let token = short_lived(&tenant);
        let request = match is_modern {
            true => call(Some(&token), "work"),
            false => {
                let session = open_session(&app, &token).await;
                let fields = [JSON, OLD, ("mcp-session-id", &*session)];
                request(Method::POST, Some(&token), &fields, OLD_CALL)
            }
        };
        let (seconds, text) = duration(&app, request).await;
        assert_eq!(seconds, LIFE, "{number}");
        assert!(!text.contains("result"), "{number}: {text}");
        let messages = text.split_inclusive("\n\n");
        let messages: String = messages.filter(|it| it.contains("error")).collect();
        assert_eq!(messages, end, "{number}");

        let minute = Duration::from_secs(60);
        let report = timeout(minute, reported.recv()).await.ok().flatten();
        assert_eq!(report, is_modern.then_some("cancelled"), "{number}");
        if !is_modern {
            finish.notify_one();
            let report = timeout(minute, reported.recv()).await.ok().flatten();
            assert_eq!(report, Some("done"), "{number}");
        }
    }
}

const OLD: (&str, &str) = ("mcp-protocol-version", "2025-06-18");
const OLD_CALL: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"work","arguments":{}}}"#;

async fn open_session(app: &Router, token: &str) -> String {
    let params = json!({
        "protocolVersion": OLD.1, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"},
    });
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    let initialize = request(Method::POST, Some(token), &[JSON], body.to_string());
    let opened = app.clone().call(initialize).await.unwrap();
    let session = opened.headers()["mcp-session-id"].to_str().unwrap();
    let fields = [JSON, OLD, ("mcp-session-id", session)];
    let body = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let initialized = request(Method::POST, Some(token), &fields, body);
    let accepted = app.clone().call(initialized).await.unwrap();
    assert_eq!(accepted.status(), 202);
    session.to_owned()
}

/// The last event is one of its own, for the request that the body asks for.
#[tokio::test(start_paused = true)]
async fn the_last_event_is_for_one_request_and_between_events() {
    let tenant = tenant();
    let client = client_with(&tenant, 0);
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let event = "data: {}\n\n";
    let encoded = ("content-encoding", "identity");
    let none = ("x-none", "");
    let long = "n".repeat(129);
    let long = format!(r#"{{"jsonrpc":"2.0","id":"{long}","method":"ping"}}"#);
    let listen = ping.replace("ping", "subscriptions/listen");
    for (what, body, sent, field, is_told) in [
        ("a request", ping, event, none, true),
        ("before the first event", ping, "", none, true),
        ("within an event", ping, "data: {}\n", none, false),
        ("another coding", ping, event, encoded, false),
        (
            "a given length",
            ping,
            event,
            ("content-length", "999"),
            false,
        ),
        ("a batch", &format!("[{ping}]"), event, none, false),
        (
            "a notification",
            &ping.replace(r#""id":1,"#, ""),
            event,
            none,
            false,
        ),
        (
            "an answer",
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            event,
            none,
            false,
        ),
        ("a subscription", &listen, event, none, false),
        ("a long identifier", &long, event, none, false),
    ] {
        let answer = async move || {
            let body = Body::from_stream(Once(Some(sent)));
            ([("content-type", "text/event-stream"), field], body)
        };
        let app = Router::new()
            .route("/mcp", axum::routing::any(answer))
            .route_layer(layer(&client).other_tools(Policy::verified()));
        let token = short_lived(&tenant);
        let request = request(Method::POST, Some(&token), &[JSON], body.to_owned());
        let (seconds, text) = duration(&app, request).await;
        assert_eq!(seconds, LIFE, "{what}");
        let end = if is_told { EXPIRED } else { "" };
        assert_eq!(text, format!("{sent}{end}"), "{what}");
    }
}

/// A stream that gives this text and never ends.
struct Once(Option<&'static str>);

impl futures_core::Stream for Once {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        match self.0.take() {
            Some(text) => std::task::Poll::Ready(Some(Ok(Bytes::from_static(text.as_bytes())))),
            None => std::task::Poll::Pending,
        }
    }
}

/// The time that keys take to arrive is a part of the token's life.
#[tokio::test(start_paused = true)]
async fn the_time_counts_from_the_arrival_of_the_request() {
    let tenant = tenant();
    let respond = tenant.client();
    let slow = move |request| {
        let response = respond(request);
        async move {
            tokio::time::sleep(Duration::from_secs(4)).await;
            response
        }
    };
    let builder = builder(&tenant).leeway(Duration::ZERO);
    let client = builder.async_http_client(slow).build_async().unwrap();
    let answer = async || {
        let body = Body::from_stream(Once(Some("")));
        ([("content-type", "text/event-stream")], body)
    };
    let app = Router::new()
        .route("/mcp", axum::routing::any(answer))
        .route_layer(layer(&client));
    let token = short_lived(&tenant);
    let begun = Instant::now();
    let (seconds, _) = duration(&app, ask(Some(&token), "ping")).await;
    // The metadata of the issuer, and its keys.
    assert_eq!(seconds, LIFE - 8);
    assert_eq!(begun.elapsed().as_secs(), LIFE);
}

#[tokio::test(start_paused = true)]
async fn streams_of_rmcp_end_with_the_token() {
    let tenant = tenant();
    for leeway in [0, LEEWAY] {
        let client = client_with(&tenant, leeway);
        let layer = layer(&client);
        let sessions = Arc::new(LocalSessionManager::default());
        // The timer of `rmcp`'s comments does not know that the time is paused.
        let config = layer.server_config().with_sse_keep_alive(None);
        let service = StreamableHttpService::new(|| Ok(Endless), sessions, config);
        let app = Router::new()
            .route_service("/mcp", service)
            .route_layer(layer);
        let token = short_lived(&tenant);
        let post = |fields: &[(&str, &str)], body: String| {
            request(
                Method::POST,
                Some(&token),
                &[&[JSON], fields].concat(),
                body,
            )
        };

        let params = json!({"_meta": meta(), "notifications": {"toolsListChanged": true}});
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params});
        let listen = post(
            &[VERSION, ("mcp-method", "subscriptions/listen")],
            body.to_string(),
        );
        let (seconds, text) = duration(&app, listen).await;
        assert_eq!(seconds, LIFE + leeway);
        assert!(text.contains("acknowledged"), "{text}");

        // A session of an older revision.
        let session = open_session(&app, &token).await;
        let in_session = [OLD, ("mcp-session-id", &*session)];
        let (seconds, _) =
            duration(&app, request(Method::GET, Some(&token), &in_session, "")).await;
        assert_eq!(seconds, LIFE + leeway);
        let body =
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wait"}});
        let (seconds, text) = duration(&app, post(&in_session, body.to_string())).await;
        assert_eq!(seconds, LIFE + leeway);
        assert!(!text.contains("result"), "{text}");
    }
}

/// A stream that gives an event at once and another one each minute, five in all.
struct Events(u32, Option<tokio::time::Interval>);

impl futures_core::Stream for Events {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        if self.0 == 0 {
            return std::task::Poll::Ready(None);
        }
        let minute = Duration::from_secs(60);
        let interval = self.1.get_or_insert_with(|| tokio::time::interval(minute));
        std::task::ready!(interval.poll_tick(context));
        self.0 -= 1;
        std::task::Poll::Ready(Some(Ok(Bytes::from_static(b"data: {}\n\n"))))
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_end_arrives_and_other_answers_stay_whole() {
    let tenant = tenant();
    let client = client_with(&tenant, 0);
    for (media_type, expected) in [
        ("text/event-stream", 2),
        ("Text/Event-Stream ; charset=utf-8", 2),
        ("application/json", 5),
        ("text/event-streams", 5),
    ] {
        let answer = async move || {
            let body = Body::from_stream(Events(5, None));
            ([("content-type", media_type)], body)
        };
        let app = Router::new()
            .route("/mcp", axum::routing::any(answer))
            .route_layer(layer(&client).anonymous_discovery());
        let token = short_lived(&tenant);
        let (seconds, text) = duration(&app, ask(Some(&token), "ping")).await;
        assert_eq!(text.matches("data: {}").count(), expected, "{media_type}");
        assert_eq!(seconds, if expected == 2 { LIFE } else { 240 });
        // A stranger has no token that expires.
        assert_eq!(duration(&app, ask(None, "ping")).await.0, 240);
    }
}

/// The time that a body takes to arrive is a part of the token's life.
#[tokio::test(start_paused = true)]
async fn the_time_counts_from_the_verification() {
    let tenant = tenant();
    let client = client_with(&tenant, 0);
    let answer = async || {
        let body = Body::from_stream(Events(5, None));
        ([("content-type", "text/event-stream")], body)
    };
    let app = Router::new()
        .route("/mcp", axum::routing::any(answer))
        .route_layer(auth(&client).body_timeout(Duration::from_secs(90)));
    let tenant_token = tenant.access_token().audience(RESOURCE).scope("mcp:use");
    let token = tenant_token.expires_in(LIFE as i64).mint().unwrap();
    let body = Body::from_stream(Late(Some(Box::pin(tokio::time::sleep(
        Duration::from_secs(80),
    )))));
    let ping = request(Method::POST, Some(&token), &[JSON], body);
    assert_eq!(duration(&app, ping).await.0, LIFE - 80);
}

/// A message that arrives when its timer has elapsed.
struct Late(Option<std::pin::Pin<Box<tokio::time::Sleep>>>);

impl futures_core::Stream for Late {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let Some(sleep) = &mut self.0 else {
            return std::task::Poll::Ready(None);
        };
        std::task::ready!(sleep.as_mut().poll(context));
        self.0 = None;
        let ping = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        std::task::Poll::Ready(Some(Ok(ping)))
    }
}
