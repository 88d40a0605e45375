//! Watches reqwest's connections, to tell whether an exchange used a kept one.
//!
//! reqwest does not say, but its connector can be wrapped, through a stable interface, and an
//! exchange that takes a kept connection never calls it. What arrives on a connection stays hidden:
//! to hyper, whose error this is, a head that was cut short and one that never came are the same.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;
use tower_layer::Layer;
use tower_service::Service;

use crate::lookup;

tokio::task_local! {
    static HAS_CONNECTED: Cell<bool>;
}

/// Awaits `exchange`, and tells whether it began a connection.
///
/// An exchange that begins one may still get another, if that becomes idle first. It counts as new
/// all the same, so the request is not repeated.
pub(super) async fn watched<T>(exchange: impl Future<Output = T>) -> (T, bool) {
    let watched = async {
        let outcome = exchange.await;
        (outcome, HAS_CONNECTED.with(Cell::get))
    };
    HAS_CONNECTED.scope(Cell::new(false), watched).await
}

/// Notes that the current exchange begins a connection.
#[derive(Clone)]
pub(super) struct Watch;

impl<S> Layer<S> for Watch {
    type Service = Watched<S>;

    fn layer(&self, connector: S) -> Watched<S> {
        Watched(connector)
    }
}

#[derive(Clone)]
pub(super) struct Watched<S>(S);

impl<S: Service<R>, R> Service<R> for Watched<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, target: R) -> S::Future {
        let _ = HAS_CONNECTED.try_with(|connected| connected.set(true));
        self.0.call(target)
    }
}

pub(super) struct Lookup;

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        let (tell, told) = oneshot::channel();
        // The port is a placeholder, which reqwest replaces.
        let started = lookup::start((name.as_str().to_owned(), 0), move |addresses| {
            let _ = tell.send(addresses);
        });
        Box::pin(async {
            started?;
            let addresses = told.await.map_err(io::Error::other)??;
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
