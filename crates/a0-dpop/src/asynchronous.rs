//! The contract of a replay store for async callers.

use std::pin::Pin;
use std::sync::Arc;

use a0_jose::NumericDate;

use crate::replay::{InMemoryReplayStore, ReplayStore, ReplayStoreError, Seen};
use crate::signature::ReplayKey;

/// The future of [`AsyncReplayStore::check_and_insert`]. It borrows the store and the key.
pub type ReplayFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Seen, ReplayStoreError>> + Send + 'a>>;

/// A [`ReplayStore`] for async callers. The same contract applies, and it does not block.
///
/// If the future is dropped, the store may or may not hold the key. The same proof may get
/// [`Seen::Before`] when it is tried again.
pub trait AsyncReplayStore: Send + Sync {
    /// Like [`ReplayStore::check_and_insert`].
    fn check_and_insert<'a>(
        &'a self,
        key: &'a ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> ReplayFuture<'a>;
}

impl<S: AsyncReplayStore + ?Sized> AsyncReplayStore for Arc<S> {
    fn check_and_insert<'a>(
        &'a self,
        key: &'a ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> ReplayFuture<'a> {
        (**self).check_and_insert(key, expires_at, now)
    }
}

/// The future is ready at once.
impl AsyncReplayStore for InMemoryReplayStore {
    fn check_and_insert<'a>(
        &'a self,
        key: &'a ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> ReplayFuture<'a> {
        let answer = ReplayStore::check_and_insert(self, key, expires_at, now);
        Box::pin(std::future::ready(answer))
    }
}
