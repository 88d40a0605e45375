//! Observers of the refreshes of a cache.

#[cfg(feature = "async")]
use std::pin::Pin;
use std::time::Duration;

use a0_jose::NumericDate;

use super::round::{Cached, End};
use super::second_level::RefusedEntry;
use crate::error::FetchError;
use crate::fetch::elapsed;
use crate::issuer::Issuer;

/// Is told when a refresh of keys begins, and when it ends.
///
/// Its methods run on the thread that refreshes. They must return soon and must not panic: a panic
/// abandons the refresh.
///
/// ```
/// use std::sync::Arc;
/// use a0_discovery::{FetchRules, Issuer, KeyCache, RefreshEnd, RefreshObserver, RefreshSpan};
///
/// struct Log;
/// struct Line(String);
///
/// impl RefreshObserver for Log {
///     fn begin(&self, issuer: &Issuer) -> Box<dyn RefreshSpan> {
///         Box::new(Line(issuer.as_str().to_owned()))
///     }
/// }
///
/// impl RefreshSpan for Line {
///     fn end(self: Box<Self>, end: &RefreshEnd) {
///         eprintln!("{}: {:?}", self.0, end.error);
///     }
/// }
///
/// # let client = |_: http::Request<Vec<u8>>| -> std::io::Result<_> { Ok(http::Response::new(Vec::new())) };
/// let rules = FetchRules::new([a0_jose::Algorithm::Rs256]);
/// let cache = KeyCache::builder(rules, Arc::new(client)).observer(Log).build();
/// # let _ = cache;
/// ```
pub trait RefreshObserver: Send + Sync {
    /// A refresh of the keys of an issuer begins. Fetches of metadata alone are not reported.
    fn begin(&self, issuer: &Issuer) -> Box<dyn RefreshSpan>;
}

/// Surrounds one refresh. If it is dropped without [`end`](RefreshSpan::end), the refresh was
/// abandoned: its thread or task panicked, or its future or runtime was dropped.
pub trait RefreshSpan: Send {
    /// The refresh begins or goes on. An async one does so whenever its task is polled.
    fn enter(&mut self) {}

    /// The refresh pauses or ends.
    fn exit(&mut self) {}

    /// The refresh has ended. Its waiting callers have been woken.
    fn end(self: Box<Self>, end: &RefreshEnd);
}

/// The result of a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RefreshEnd {
    /// Why the issuer's documents could not be fetched or used. Keys in memory stay in use for a
    /// time.
    pub error: Option<FetchError>,
    /// Whether a request was sent to the issuer. Otherwise only the second level was read.
    pub asked_issuer: bool,
    /// The age of the keys that the refresh brought, counted from the request that fetched them.
    /// `None` if it brought none.
    pub keys_age: Option<Duration>,
    /// The entries of the second level that were ignored, each kind once. Such an entry is no
    /// failure of the refresh, but somebody may be attacking the store.
    pub refused_entries: Vec<RefusedEntry>,
}

impl RefreshEnd {
    pub(super) fn new<T: Cached>(round: &End<'_, T>, at: NumericDate) -> Self {
        let outcome = &round.outcome;
        let age = |value: &T| {
            let [_, keys] = value.stamps();
            elapsed(keys.requested_at, at)
        };
        let keys_age = outcome.value.as_deref().map(age);
        RefreshEnd {
            error: outcome.error.clone(),
            asked_issuer: outcome.asked_issuer,
            // The clock was set back.
            keys_age: keys_age.filter(|age| *age != Duration::MAX),
            refused_entries: round.refused.clone(),
        }
    }
}

/// A round that may be watched.
pub(super) struct Watched(pub(super) Option<Box<dyn RefreshSpan>>);

impl Watched {
    /// Runs a part of the round within the span.
    pub(super) fn scoped<R>(&mut self, work: impl FnOnce() -> R) -> R {
        struct Exit<'w>(&'w mut Watched);
        impl Drop for Exit<'_> {
            fn drop(&mut self) {
                if let Some(span) = &mut self.0.0 {
                    span.exit();
                }
            }
        }
        if let Some(span) = &mut self.0 {
            span.enter();
        }
        let _exit = Exit(self);
        work()
    }

    /// Polls the round within the span, each time.
    #[cfg(feature = "async")]
    pub(super) async fn scoped_async<F: Future>(&mut self, mut work: Pin<&mut F>) -> F::Output {
        std::future::poll_fn(|context| self.scoped(|| work.as_mut().poll(context))).await
    }

    pub(super) fn end(self, end: &RefreshEnd) {
        if let Some(span) = self.0 {
            span.end(end);
        }
    }
}
