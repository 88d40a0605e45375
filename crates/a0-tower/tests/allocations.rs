//! Counts what the layer itself allocates: all but the verification and the inner service.
//! The counting allocator belongs to the whole process, so this is a program of its own.

mod common;

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use a0_tower::{Auth, Untyped, Verified};
use allocation_counter::measure;
use axum::Router;
use axum::routing::get;
use common::{bearer, builder, tenant, token};
use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

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
        Verified::<Untyped>::from_extensions(request.extensions()).unwrap();
        ready(Ok(Response::new(())))
    }
}

/// Runs a future that does not wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the keys are in memory"),
    }
}

#[test]
fn the_layer_makes_at_most_five_allocations() {
    let tenant = tenant();
    let client = builder(&tenant).build_async().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(client.warm_up()).unwrap();
    let mut service = Auth::new(client.clone()).layer(Inner);
    let field = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let request = || {
        Request::get("/")
            .header("authorization", &field)
            .body(())
            .unwrap()
    };
    let fewest = |run: &mut dyn FnMut(Request<()>)| {
        let counts = (0..64).map(|_| {
            let request = request();
            measure(|| run(request)).count_total
        });
        counts.min().unwrap()
    };

    let alone = fewest(&mut |request| drop(now(client.verify_request(&request)).unwrap()));
    let layered = fewest(&mut |request| drop(now(service.call(request)).unwrap()));
    println!("verification {alone}, with the layer {layered}");
    assert!(layered - alone <= 5, "{}", layered - alone);
}

/// axum boxes each service and each body that it does not know, and clones a service for each call.
#[test]
fn a_protected_route_of_axum_makes_few_more() {
    let tenant = tenant();
    let client = builder(&tenant).build_async().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(client.warm_up()).unwrap();
    let field = bearer(&token(&tenant).mint().unwrap()).remove(0).1;
    let request = || {
        let body = axum::body::Body::empty();
        let request = Request::get("/orders").header("authorization", &field);
        request.body(body).unwrap()
    };
    let fewest = |app: &mut Router| {
        let counts = (0..64).map(|_| {
            let request = request();
            measure(|| drop(now(app.call(request)).unwrap())).count_total
        });
        counts.min().unwrap()
    };
    let routes = || Router::new().route("/orders", get(|| async { "orders" }));
    let alone = (0..64).map(|_| {
        let request = request().map(drop);
        measure(|| drop(now(client.verify_request(&request)).unwrap())).count_total
    });
    let alone = alone.min().unwrap();
    let open = fewest(&mut routes());
    let protected = fewest(&mut routes().route_layer(Auth::new(client.clone())));
    println!("verification {alone}, open {open}, protected {protected}");
    assert!(
        protected - open - alone <= 8,
        "{}",
        protected - open - alone
    );
}
