//! Panics, cancelled requests, outages, and bodies that nobody reads.

use crate::common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::common::{Server, at, bearer, builder, client, tenant, token};
use a0_testkit::{Endpoint, Fault};
use a0_tower::{Auth, Readiness, Verified};
use auth0_api::Refresh;
use axum::Router;
use axum::routing::{get, post};
use http::{Method, Request, StatusCode};
use tokio::sync::Semaphore;

async fn called(_: Verified) -> &'static str {
    "called"
}

#[test]
fn a_panic_of_a_handler_ends_its_connection_alone() {
    let tenant = tenant();
    let app = Router::new()
        .route(
            "/panics",
            get(|_: Verified| async { panic!("the handler") as () }),
        )
        .route("/works", get(called))
        .layer(Auth::new(client(&tenant)));
    let server = Server::start(app);
    let good = bearer(&token(&tenant).mint().unwrap());
    let request = Request::get(format!("http://{}/panics", server.address))
        .header("authorization", &good[0].1)
        .body(());
    assert!(server.run(request.unwrap()).is_err());
    assert_eq!(server.get("/works", &good).text(), "called");
    assert_eq!(server.get("/panics", &[]).status(), 401);
}

#[test]
fn a_hook_that_panics_changes_nothing() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant)).on_refusal(|_, _| panic!("the hook"));
    let server = Server::start(Router::new().route("/", get(called)).layer(auth));
    let answer = server.get("/", &[]);
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.challenges().len(), 2);
    assert_eq!(answer.json()["status"], 401);
}

#[test]
fn a_cancelled_request_leaves_the_others_alone() {
    let tenant = tenant();
    let open = Arc::new(Semaphore::new(0));
    let (began, begins) = mpsc::channel();
    let (gate, handle) = (Arc::clone(&open), tenant.client());
    let client = builder(&tenant).async_http_client(move |request| {
        let (gate, handle, began) = (Arc::clone(&gate), handle.clone(), began.clone());
        async move {
            began.send(()).unwrap();
            drop(gate.acquire().await.unwrap());
            handle(request)
        }
    });
    let auth = Auth::new(client.build_async().unwrap());
    let server = Server::start(Router::new().route("/", get(called)).layer(auth));
    let good = bearer(&token(&tenant).mint().unwrap());

    let mut stream = TcpStream::connect(server.address).unwrap();
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: api\r\nauthorization: {}\r\n\r\n",
        good[0].1
    )
    .unwrap();
    begins.recv().unwrap();
    drop(stream);
    open.add_permits(10);
    assert_eq!(server.get("/", &good).text(), "called");
}

#[test]
fn the_layer_does_not_wait_for_the_body() {
    let tenant = tenant();
    let auth = Auth::new(client(&tenant));
    let server = Server::start(Router::new().route("/", post(called)).layer(auth));
    let good = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    for (field, status) in [("Bearer opaque", " 401 "), (&*good, " 200 ")] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        // The body never comes.
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: api\r\nauthorization: {field}\r\ncontent-length: 1000000\r\n\r\n"
        )
        .unwrap();
        let mut head = [0; 12];
        stream.read_exact(&mut head).unwrap();
        let head = String::from_utf8(head.to_vec()).unwrap() + " ";
        assert!(head.contains(status), "{head}");
    }
}

/// A body that panics when it is polled, and that is not `Send`.
struct Untouchable(#[allow(dead_code, reason = "only its type matters")] Rc<()>);

impl http_body::Body for Untouchable {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        panic!("the body was polled")
    }
}

/// Returns the body of the request.
#[derive(Clone)]
struct Echo(Arc<AtomicUsize>);

impl<B> tower_service::Service<Request<B>> for Echo {
    type Response = http::Response<B>;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<http::Response<B>, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok(http::Response::new(request.into_body())))
    }
}

#[test]
fn any_service_and_any_body_can_be_protected() {
    use http_body_util::BodyExt;
    use tower_layer::Layer;
    use tower_service::Service;

    let tenant = tenant();
    let calls = Arc::new(AtomicUsize::new(0));
    let mut service = Auth::new(client(&tenant)).layer(Echo(Arc::clone(&calls)));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let request = |field: &str| {
        let body = Untouchable(Rc::new(()));
        Request::get("/")
            .header("authorization", field)
            .body(body)
            .unwrap()
    };
    let good = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let answer = runtime.block_on(service.call(request(&good))).unwrap();
    assert_eq!(
        (answer.status(), calls.load(Ordering::Relaxed)),
        (StatusCode::OK, 1)
    );
    // Neither body is ever polled.
    drop(answer);

    let answer = runtime
        .block_on(service.call(request("Bearer opaque")))
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), calls.load(Ordering::Relaxed)),
        (401, 1)
    );
    assert!(http_body::Body::size_hint(answer.body()).exact().unwrap() > 0);
    let body = runtime
        .block_on(answer.into_body().collect())
        .unwrap()
        .to_bytes();
    assert!(body.starts_with(b"{"));

    // A future that is never polled calls nothing.
    drop(service.call(request(&good)));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[test]
fn an_outage_is_503_and_unreadies_no_warm_instance() {
    let tenant = tenant();
    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    let client = builder(&tenant)
        .cache_refresh(Refresh::Inline)
        .build_async()
        .unwrap();
    let app = Router::new()
        .route("/", get(called))
        .layer(Auth::new(client.clone()))
        .route_service("/ready", Readiness::new(client));
    let server = Server::start(app);
    let good = bearer(&token(&tenant).mint().unwrap());
    let waiting = server.get("/ready", &[]);
    assert_eq!(waiting.status(), 503, "no keys yet");
    assert_eq!(waiting.field("cache-control"), Some("no-store"));
    let answer = server.get("/", &good);
    assert_eq!(answer.status(), 503);
    assert!(answer.challenges().is_empty());
    assert!(answer.field("retry-after").is_some());
    assert_eq!(
        server.get("/", &bearer("opaque")).status(),
        401,
        "a bad token in an outage"
    );

    tenant.recover(Endpoint::Discovery);
    tenant.set_now(at(common::NOW + 10));
    let requests = tenant.request_count(Endpoint::Jwks);
    assert_eq!(server.get("/ready", &[]).status(), 503);
    assert_eq!(
        tenant.request_count(Endpoint::Jwks),
        requests,
        "a probe fetches nothing"
    );
    assert_eq!(server.get("/", &good).status(), 200);
    let ready = server.get("/ready", &[]);
    assert_eq!(
        (ready.status().as_u16(), ready.text()),
        (200, r#"{"status":"ready"}"#)
    );
    assert_eq!(ready.field("cache-control"), Some("no-store"));

    tenant.misbehave(Endpoint::Discovery, Fault::status(500));
    tenant.misbehave(Endpoint::Jwks, Fault::status(500));
    for seconds in [700, 4000, 100_000] {
        tenant.set_now(at(common::NOW + seconds));
        let _ = server.get("/", &good);
        assert_eq!(
            server.send(Method::GET, "/ready", &[]).status(),
            200,
            "{seconds} s"
        );
    }
}

#[test]
fn an_instance_warms_up_when_the_tenant_comes_back() {
    let tenant = tenant();
    tenant.misbehave_times(Endpoint::Discovery, 3, Fault::status(500));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let began = tokio::time::Instant::now();
        let now = move || at(common::NOW) + began.elapsed();
        let client = builder(&tenant).clock(now).build_async().unwrap();
        assert!(!client.is_ready());
        let warm_up = Readiness::new(client.clone()).warm_up();
        let limit = std::time::Duration::from_secs(600);
        tokio::time::timeout(limit, warm_up).await.unwrap();
        assert!(client.is_ready());
    });
    assert_eq!(tenant.request_count(Endpoint::Discovery), 4);
}
