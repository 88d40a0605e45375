//! A replay store for async callers.

use std::pin::Pin;
use std::sync::Arc;

use a0_jose::NumericDate;

use crate::replay::{InMemoryReplayStore, ReplayKey, ReplayStore, ReplayStoreError, Seen};

/// What an [`AsyncReplayStore`] gives: a future that borrows it and the key.
pub type ReplayFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Seen, ReplayStoreError>> + Send + 'a>>;

/// A [`ReplayStore`] for async callers, which does not block. It owes the same.
///
/// A future that is dropped may have held the proof or not: the client that sends it again may be
/// refused.
pub trait AsyncReplayStore: Send + Sync {
    /// As [`ReplayStore::check_and_insert`].
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

/// Memory alone: it has nothing to wait for.
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
