//! Looks names up for reqwest, and detects whether an exchange made a new connection.
//!
//! reqwest does not say, but a stable interface allows to wrap its connector, and an exchange that
//! reuses a connection never calls it. What arrives on a connection stays hidden: hyper reports the
//! same error for a response head that was cut short and for one that never came.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::oneshot;
use tower_layer::Layer;
use tower_service::Service;

use crate::connect;

tokio::task_local! {
    static HAS_CONNECTED: Cell<bool>;
}

/// Awaits `exchange`, and returns its output and whether it began a connection.
///
/// An exchange that begins a connection may still use another one, if that becomes idle first. It
/// counts as new all the same, so the request is not repeated.
pub(super) async fn watch<T>(exchange: impl Future<Output = T>) -> (T, bool) {
    let watched = async {
        let output = exchange.await;
        (output, HAS_CONNECTED.with(Cell::get))
    };
    HAS_CONNECTED.scope(Cell::new(false), watched).await
}

/// Wraps reqwest's connector in a [`WatchingConnector`].
#[derive(Clone)]
pub(super) struct WatchLayer;

impl<S> Layer<S> for WatchLayer {
    type Service = WatchingConnector<S>;

    fn layer(&self, connector: S) -> WatchingConnector<S> {
        WatchingConnector(connector)
    }
}

#[derive(Clone)]
pub(super) struct WatchingConnector<S>(S);

impl<S: Service<R>, R> Service<R> for WatchingConnector<S> {
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

/// Looks names up on threads of our own: tokio's lookup panics if no thread can be spawned.
pub(super) struct ThreadResolver;

impl Resolve for ThreadResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (sender, receiver) = oneshot::channel();
        // The port is a placeholder, which reqwest replaces.
        let spawned = connect::look_up((name.as_str().to_owned(), 0), move |result| {
            // The receiver is gone if the exchange was dropped.
            let _ = sender.send(result);
        });
        Box::pin(async {
            spawned?;
            let addresses = receiver.await.map_err(io::Error::other)??;
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
