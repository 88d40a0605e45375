//! One fetch at a time for each issuer, and those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use a0_jose::NumericDate;

#[cfg(feature = "async")]
use std::task::Poll;

use crate::lock::lock;
use crate::record::{Outcome, Record, Round};
use crate::stamp::Kept;
#[cfg(feature = "async")]
use crate::wakers::Wakers;

/// The record of one issuer. Its lock is held for a moment only, never while somebody fetches.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    record: Mutex<Record<T>>,
    ended: Condvar,
    #[cfg(feature = "async")]
    wakers: Wakers,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot {
            record: Mutex::default(),
            ended: Condvar::new(),
            #[cfg(feature = "async")]
            wakers: Wakers::default(),
        }
    }
}

impl<T: Kept> Slot<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record<T>> {
        lock(&self.record)
    }

    /// Waits until `round` is over, however it ends.
    pub(crate) fn wait(&self, round: Round) {
        let ended = self
            .ended
            .wait_while(self.lock(), |record| record.is_under_way(round));
        drop(ended.unwrap_or_else(PoisonError::into_inner));
    }

    /// The same for async callers. Dropped before the end, it leaves nothing behind.
    #[cfg(feature = "async")]
    pub(crate) async fn ended(&self, round: Round) {
        let mut ticket = self.wakers.ticket();
        std::future::poll_fn(|context| {
            // Under the lock that ends a round: none can end between the look and the ticket.
            let record = self.lock();
            match record.is_under_way(round) {
                true => {
                    ticket.wait(context.waker());
                    Poll::Pending
                }
                false => Poll::Ready(()),
            }
        })
        .await;
    }
}

/// The duty to carry out a round. Dropped without [`finish`](Flight::finish), as when its thread
/// panics, it abandons the round, so that nobody waits for ever.
pub(crate) struct Flight<T: Kept> {
    slot: Arc<Slot<T>>,
    round: Round,
}

impl<T: Kept> Flight<T> {
    pub(crate) fn of(slot: &Arc<Slot<T>>, round: Round) -> Self {
        let slot = Arc::clone(slot);
        Flight { slot, round }
    }

    #[cfg(feature = "async")]
    pub(crate) fn round(&self) -> Round {
        self.round
    }

    /// What the round is to replace.
    pub(crate) fn in_hand(&self) -> Option<Arc<T>> {
        self.slot.lock().good().map(|good| good.value)
    }

    pub(crate) fn finish(self, outcome: Outcome<T>, at: NumericDate) {
        self.slot.lock().finish(self.round, outcome, at);
    }
}

impl<T: Kept> Drop for Flight<T> {
    fn drop(&mut self) {
        self.slot.lock().abandon(self.round);
        self.slot.ended.notify_all();
        #[cfg(feature = "async")]
        self.slot.wakers.wake_all();
    }
}
