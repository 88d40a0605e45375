//! What operators see: an [`Observer`] is told what a client does, as data.
//!
//! ```
//! use auth0_api::ApiClient;
//! use auth0_api::observer::{Event, Observer, Outcome};
//!
//! struct Log;
//!
//! impl Observer for Log {
//!     fn event(&self, event: &Event<'_>) {
//!         match event {
//!             Event::Verification(end) if end.outcome == Outcome::Unavailable => {
//!                 eprintln!("verifications fail: {:?} of {:?}", end.reason, end.issuer_host);
//!             }
//!             Event::RequestWithoutUrl { is_first: true } => eprintln!("public_url is not set"),
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let client = ApiClient::builder()
//!     .domain("tenant.example")
//!     .audience("https://api.example/")
//!     .observer(Log)
//!     .build()?;
//! # let _ = client;
//! # Ok::<(), auth0_api::Error>(())
//! ```
//!
//! The features `tracing` and `metrics` add an observer each: `TracingObserver` and `MetricsObserver`.
//! Neither changes anything until it is passed to [`Builder::observer`](crate::Builder::observer).
//! [`ApiClient::counts`](crate::ApiClient::counts) works without an observer.

pub(crate) mod counters;
pub(crate) mod event;
#[cfg(feature = "tracing")]
mod limiter;
#[cfg(feature = "metrics")]
mod metrics;
pub(crate) mod refresh;
pub(crate) mod telemetry;
#[cfg(feature = "tracing")]
mod tracing;
mod watch;

use std::sync::Arc;

pub use event::{
    Denial, Event, ExchangeResult, ExchangedToken, Flow, KeysRefresh, Outcome, RefreshResult,
    Replay, Subject, TokenCacheLookup, Verification, Work,
};

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use metrics::MetricsObserver;
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use tracing::TracingObserver;

/// Is told what a client does.
///
/// Its methods run on the thread that does the work, so they should return soon. They decide nothing: if
/// one panics, the panic is caught and counted
/// ([`Counts::observer_panics`](crate::Counts::observer_panics)), and the work goes on. A program that is
/// built with `panic = "abort"` aborts.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_>);

    /// A piece of work begins. Return a span to surround it. By default there is none.
    fn begin(&self, _work: &Work<'_>) -> Option<Box<dyn Span>> {
        None
    }
}

/// Surrounds a piece of work.
///
/// While a blocking client works, the span is entered once. While an async client works, it is entered
/// whenever the task is polled, perhaps by another thread each time. A span that is dropped without an end
/// belongs to a future that was dropped.
pub trait Span: Send {
    /// The work begins or goes on.
    fn enter(&mut self) {}

    /// The work pauses or ends.
    fn exit(&mut self) {}

    /// The work has ended with this event. The observers then get the same event, within the span.
    fn end(&mut self, _event: &Event<'_>) {}
}

impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn event(&self, event: &Event<'_>) {
        (**self).event(event);
    }

    fn begin(&self, work: &Work<'_>) -> Option<Box<dyn Span>> {
        (**self).begin(work)
    }
}
