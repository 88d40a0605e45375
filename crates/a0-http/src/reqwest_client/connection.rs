//! Detects whether an exchange made a new connection.
//!
//! reqwest does not say, but a stable interface allows to wrap its connector, and an exchange that
//! reuses a connection never calls it. What arrives on a connection stays hidden: hyper reports the
//! same error for a response head that was cut short and for one that never came.

use std::cell::Cell;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

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
