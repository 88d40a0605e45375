//! gRPC, WebSockets, and streams that outlive their token.

use std::convert::Infallible;
use std::future::{Ready, pending, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::common::{Server, bearer, client, tenant, token};
use a0_testkit::{Endpoint, Fault};
use a0_tower::grpc::PublicServices;
use a0_tower::source::{Subprotocol, SubprotocolError};
use a0_tower::{Auth, AuthBody, Refusal, Untyped, Verified};
use auth0_api::Policy;
use axum::Router;
use axum::routing::get;
use http::{HeaderMap, Request, Response, Version};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::{Instant, sleep};
use tower_layer::Layer;
use tower_service::Service;

/// A gRPC service that requires a scope of its own.
#[derive(Clone)]
struct Orders;

impl Service<Request<()>> for Orders {
    type Response = Response<axum::body::Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let answer = Verified::<Untyped>::from_extensions(request.extensions())
            .and_then(|token| token.require(&Policy::scope("write:orders")))
            .map_or_else(
                |refusal| refusal.response(),
                |()| Response::new("called".to_owned()),
            );
        ready(Ok(answer.map(axum::body::Body::from)))
    }
}

type GrpcAnswer = Response<AuthBody<axum::body::Body>>;

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

fn call(auth: &Auth, request: http::request::Builder) -> GrpcAnswer {
    let call = auth.layer(Orders).call(request.body(()).unwrap());
    runtime().block_on(call).unwrap()
}

fn grpc(path: &str) -> http::request::Builder {
    Request::post(path)
        .version(Version::HTTP_2)
        .header("content-type", "application/grpc+proto")
}

#[test]
fn a_grpc_call_is_refused_in_trailers_only() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).on_refusal(|_, _| Response::new("hook".to_owned()));
    let reader = bearer(&token(&tenant).scope("read:orders").mint().unwrap())
        .remove(0)
        .1;
    for (field, status, challenge) in [
        (None, "16", r#"Bearer realm="api""#),
        (Some("Bearer opaque"), "16", "error=\"invalid_token\""),
        (Some(&*reader), "7", "error=\"insufficient_scope\""),
    ] {
        let mut request = grpc("/shop.v1.Orders/Create");
        if let Some(field) = field {
            request = request.header("authorization", field);
        }
        let answer = call(&auth, request);
        let headers = answer.headers();
        assert_eq!(
            (answer.status().as_u16(), &headers["grpc-status"]),
            (200, &status.parse().unwrap())
        );
        assert_eq!(headers["content-type"], "application/grpc");
        let challenges: Vec<_> = headers.get_all("www-authenticate").iter().collect();
        assert!(
            challenges[0].to_str().unwrap().contains(challenge),
            "{challenges:?}"
        );
        assert_eq!(challenges.len(), 2, "{challenges:?}");
        assert!(answer.body().is_end_stream());
        assert!(answer.extensions().get::<auth0_api::Error>().is_some());
    }
}

#[test]
fn a_grpc_call_in_an_outage_may_come_back() {
    let tenant = tenant();
    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    let good = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let request = grpc("/shop.v1.Orders/Create").header("authorization", good);
    let answer = call(&Auth::new(client(&tenant)), request);
    let headers = answer.headers();
    assert_eq!(headers["grpc-status"], "14");
    assert_eq!(headers["grpc-message"], "", "what failed is not told");
    assert!(headers.contains_key("retry-after"));
    assert!(!headers.contains_key("www-authenticate"));
}

/// The status of a gRPC refusal is 200, so nothing but a gRPC call may get one.
#[test]
fn other_requests_keep_their_status() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant));
    for request in [
        grpc("/shop.v1.Orders/Create").version(Version::HTTP_11),
        grpc("/shop.v1.Orders/Create").method("GET"),
        Request::post("/shop.v1.Orders/Create").version(Version::HTTP_2),
        Request::post("/shop.v1.Orders/Create")
            .version(Version::HTTP_2)
            .header("content-type", "application/grpc-web"),
    ] {
        let answer = call(&auth, request);
        assert_eq!(answer.status(), 401);
        assert!(!answer.headers().contains_key("grpc-status"));
    }
}

#[test]
fn only_the_named_grpc_services_are_excluded() {
    let tenant = tenant();
    let services = PublicServices::new().health();
    let auth = Auth::new(client(&tenant)).exclude_services(services);
    // The inner service asks for a token, which an excluded call does not have: 500.
    for (path, status) in [
        ("/grpc.health.v1.Health/Check", 500),
        ("/grpc.health.v1.HealthAdmin/Check", 200),
        ("/grpc.health.v1.Health/../shop.v1.Orders/Create", 200),
        ("/shop.v1.Orders/Create", 200),
    ] {
        let answer = call(&auth, grpc(path));
        let refused = answer.headers().contains_key("grpc-status");
        assert_eq!(
            (answer.status().as_u16(), refused),
            (status, status == 200),
            "{path}"
        );
    }
    let plain = Request::get("/grpc.health.v1.Health/Check");
    assert_eq!(call(&auth, plain).status(), 401, "not a gRPC call");
}

async fn echo(_: Verified, headers: HeaderMap) -> String {
    format!("{headers:?}")
}

#[test]
fn a_token_in_a_subprotocol_is_verified_and_taken_out() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).optional();
    let with_source = auth
        .clone()
        .token_source(Subprotocol::new("access_token").unwrap());
    let routes = || {
        Router::new()
            .route("/", get(echo))
            .route("/optional", get(|_: Option<Verified>| async { "called" }))
            .route(
                "/public",
                get(async |headers: HeaderMap| format!("{headers:?}")),
            )
    };
    let server = Server::start(routes().layer(with_source.exclude("/public")));
    let good = token(&tenant).mint().unwrap();
    let offer = |token: &str| {
        vec![(
            "sec-websocket-protocol",
            format!("chat, access_token.{token}"),
        )]
    };

    let answer = server.get("/", &offer(&good));
    assert_eq!(answer.status(), 200);
    assert!(answer.text().contains("chat"));
    assert!(
        !answer.text().contains(&good),
        "the handler cannot echo the token"
    );
    assert!(!server.get("/public", &offer(&good)).text().contains(&good));
    for (case, fields, status) in [
        ("a bad token", offer("opaque"), 401),
        ("no token", offer(""), 400),
        ("two tokens", [offer(&good), offer(&good)].concat(), 400),
        (
            "beside a field",
            [offer(&good), bearer(&good)].concat(),
            400,
        ),
        ("no offer", vec![], 200),
    ] {
        let answer = server.get("/optional", &fields);
        assert_eq!(answer.status(), status, "{case}");
        assert!(!answer.text().contains(&good), "{case}");
    }

    let strict = Server::start(routes().layer(auth));
    assert_eq!(
        strict.get("/", &offer(&good)).status(),
        401,
        "only by option"
    );
}

#[test]
fn layers_share_a_token_of_a_subprotocol() {
    let tenant = tenant();
    let source = Subprotocol::new("access_token").unwrap();
    let auth = Auth::new(client(&tenant)).token_source(source);
    let app = Router::new().route("/", get(echo));
    let server = Server::start(app.layer(auth.clone()).layer(auth));
    let offer = format!("access_token.{}", token(&tenant).mint().unwrap());
    assert_eq!(
        server
            .get("/", &[("sec-websocket-protocol", offer)])
            .status(),
        200
    );
}

#[test]
fn an_operator_sees_why_a_subprotocol_was_refused() {
    let tenant = tenant();
    let source = Subprotocol::new("access_token").unwrap();
    let auth = Auth::new(client(&tenant)).token_source(source);
    let request = Request::get("/").header("sec-websocket-protocol", "access_token.");
    let answer = call(&auth, request);
    let reason = answer.extensions().get::<SubprotocolError>();
    assert_eq!(reason, Some(&SubprotocolError::NoToken));
}

type Answering<R, E> = Pin<Box<dyn Future<Output = Result<R, E>>>>;

/// A service that works for 20 seconds before it calls the next.
#[derive(Clone)]
struct Slow<S>(S);

impl<S: Service<Request<()>> + Clone + 'static> Service<Request<()>> for Slow<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = Answering<S::Response, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let mut next = self.0.clone();
        Box::pin(async move {
            sleep(Duration::from_secs(20)).await;
            next.call(request).await
        })
    }
}

/// A handler that works for 40 seconds before it begins a stream, which ends with the token.
#[derive(Clone)]
struct Streams;

impl Service<Request<()>> for Streams {
    type Response = Response<axum::body::Body>;
    type Error = Refusal;
    type Future = Answering<Self::Response, Refusal>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Refusal>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let token = Verified::<Untyped>::from_extensions(request.extensions()).unwrap();
        Box::pin(async move {
            sleep(Duration::from_secs(40)).await;
            assert!(token.expiry().run(pending::<()>()).await.is_err());
            Ok(Response::default())
        })
    }
}

/// All work since the request came to the outermost layer is a part of the token's life.
#[test]
fn a_stream_can_end_when_its_token_expires() {
    let tenant = tenant();
    let client = client(&tenant);
    let good = bearer(&token(&tenant).expires_in(90).mint().unwrap())
        .remove(0)
        .1;
    let request = Request::get("/").header("authorization", good).body(());
    let auth = Auth::new(client);
    let mut service = auth.layer(Slow(auth.layer(Streams)));
    runtime().block_on(async {
        let began = Instant::now();
        let answer = service.call(request.unwrap()).await.unwrap();
        let lasted = began.elapsed();
        assert!(lasted >= Duration::from_secs(90) && lasted < Duration::from_secs(91));
        let body = answer.into_body().collect().await.unwrap();
        assert!(body.to_bytes().is_empty());
    });
}
