//! One fetch at a time for each issuer, and those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use a0_jose::NumericDate;

use crate::lock::lock;
use crate::record::{Outcome, Record, Round};
use crate::stamp::Kept;

/// The record of one issuer. Its lock is held for a moment only, never while somebody fetches.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    record: Mutex<Record<T>>,
    ended: Condvar,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Slot {
            record: Mutex::default(),
            ended: Condvar::new(),
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
    }
}
