//! A piece of work with the spans that surround it.

use std::ops::Deref;
#[cfg(feature = "async")]
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::Span;
use super::event::{Event, Work};
use super::telemetry::Telemetry;

/// The spans of a piece of work, and when it began.
pub(super) struct Watch<T: Deref<Target = Telemetry>> {
    telemetry: T,
    spans: Vec<Box<dyn Span>>,
    since: Instant,
}

impl<T: Deref<Target = Telemetry>> Watch<T> {
    pub(super) fn begin(telemetry: T, work: &Work<'_>) -> Self {
        Watch {
            spans: telemetry.spans(work),
            telemetry,
            since: Instant::now(),
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// Runs a part of the work within the spans.
    pub(super) fn scoped<R>(&mut self, work: impl FnOnce() -> R) -> R {
        struct Exit<'w, T: Deref<Target = Telemetry>>(&'w mut Watch<T>);
        impl<T: Deref<Target = Telemetry>> Drop for Exit<'_, T> {
            fn drop(&mut self) {
                self.0.exit();
            }
        }
        self.enter();
        let _exit = Exit(self);
        work()
    }

    /// Polls the work within the spans, each time.
    #[cfg(feature = "async")]
    pub(super) async fn scoped_async<F: Future>(&mut self, mut work: Pin<&mut F>) -> F::Output {
        std::future::poll_fn(|context| self.scoped(|| work.as_mut().poll(context))).await
    }

    /// Ends the spans and tells the observers.
    pub(super) fn end(mut self, event: &Event<'_>) {
        for span in &mut self.spans {
            self.telemetry.shield(|| span.end(event));
        }
        self.enter();
        self.telemetry.tell(event);
        self.exit();
    }

    pub(super) fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    pub(super) fn enter(&mut self) {
        for span in &mut self.spans {
            self.telemetry.shield(|| span.enter());
        }
    }

    pub(super) fn exit(&mut self) {
        for span in self.spans.iter_mut().rev() {
            self.telemetry.shield(|| span.exit());
        }
    }
}

impl<T: Deref<Target = Telemetry>> Drop for Watch<T> {
    fn drop(&mut self) {
        for span in self.spans.drain(..) {
            self.telemetry.shield(|| drop(span));
        }
    }
}
