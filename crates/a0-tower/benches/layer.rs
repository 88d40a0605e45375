//! The time that the layer adds to a verification, without and with axum. The token is cached, so that the
//! signature check does not hide the difference. The rounds alternate, and the results are medians.
//!
//! `cargo bench -p a0-tower --bench layer`

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use a0_testkit::LocalTenant;
use a0_tower::{Auth, Untyped, Verified};
use auth0_api::asynchronous::ApiClient;
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

const AUDIENCE: &str = "https://api.example/";
const ROUNDS: usize = 400;
const BATCH: u32 = 64;

/// The smallest service that reads the token.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        black_box(Verified::<Untyped>::from_extensions(request.extensions()).expect("a token"));
        ready(Ok(Response::new(())))
    }
}

fn main() {
    let tenant = LocalTenant::new("tenant.example").expect("a tenant");
    let handle = tenant.client();
    let client = ApiClient::builder()
        .domain(tenant.domain())
        .audience(AUDIENCE)
        .token_cache(100)
        .async_http_client(move |request| ready(handle(request)))
        .build_async()
        .expect("a client");
    let token = tenant.access_token().audience(AUDIENCE).expires_in(86_400);
    let field = format!("Bearer {}", token.mint().expect("a token"));
    let request = || Request::get("/orders").header("authorization", &*field);
    let bare = || request().body(()).expect("a request");
    let with_body = || request().body(Body::empty()).expect("a request");
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let warm = runtime.expect("a runtime").block_on(client.warm_up());
    warm.expect("keys");

    let mut layered = Auth::new(client.clone()).layer(Inner);
    let handler = || get(|_request: axum::extract::Request| async { "orders" });
    let mut open = Router::new().route("/orders", handler());
    let mut protected = open.clone().route_layer(Auth::new(client.clone()));
    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        times[0].push(per_call(bare, |request| {
            drop(black_box(
                now(client.verify_request(&request)).expect("a token"),
            ));
        }));
        times[1].push(per_call(bare, |request| {
            drop(black_box(now(layered.call(request)).expect("a response")));
        }));
        times[2].push(per_call(with_body, |request| {
            drop(black_box(now(open.call(request)).expect("a response")));
        }));
        times[3].push(per_call(with_body, |request| {
            drop(black_box(now(protected.call(request)).expect("a response")));
        }));
    }
    let [alone, layered, open, protected] = times.map(median);
    println!("{ROUNDS} rounds of {BATCH} requests; microseconds are medians");
    for (name, microseconds) in [
        ("verification of a cached token", alone),
        ("with the layer and a service", layered),
        ("    the layer itself", layered - alone),
        ("open route of axum", open),
        ("protected route of axum", protected),
        ("    the layer and axum's boxes", protected - open - alone),
    ] {
        println!("{name:<34}{microseconds:>8.2}");
    }
}

/// Runs a future that does not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the keys are in memory"),
    }
}

/// Microseconds for each request. The requests are built before.
fn per_call<R>(request: impl Fn() -> R, mut run: impl FnMut(R)) -> f64 {
    let requests: Vec<R> = (0..BATCH).map(|_| request()).collect();
    let start = Instant::now();
    requests.into_iter().for_each(&mut run);
    start.elapsed().as_secs_f64() * 1e6 / f64::from(BATCH)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
