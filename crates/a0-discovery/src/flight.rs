//! One fetch at a time for each issuer, and those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use a0_jose::NumericDate;

use crate::error::FetchError;
use crate::fetch::IssuerKeys;
use crate::policy::{Record, Round};

/// The record of one issuer. Its lock is held for a moment only, never while somebody fetches.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    record: Mutex<Record>,
    ended: Condvar,
}

impl Slot {
    /// A thread that panicked while it held the lock left a record that is whole all the same.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
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
#[derive(Debug)]
pub(crate) struct Flight {
    slot: Arc<Slot>,
    round: Round,
}

impl Flight {
    pub(crate) fn of(slot: &Arc<Slot>, round: Round) -> Self {
        let slot = Arc::clone(slot);
        Flight { slot, round }
    }

    /// The keys that the round is to replace.
    pub(crate) fn in_hand(&self) -> Option<Arc<IssuerKeys>> {
        self.slot.lock().good().map(|good| good.keys)
    }

    pub(crate) fn finish(self, outcome: Outcome, at: NumericDate) {
        let mut record = self.slot.lock();
        record.finish(self.round, outcome.keys, outcome.error, at);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.slot.lock().abandon(self.round);
        self.slot.ended.notify_all();
    }
}

/// What a round gave: newer keys, or why there are none, or the keys of a second source and why
/// there are none newer.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) keys: Option<Arc<IssuerKeys>>,
    pub(crate) error: Option<FetchError>,
}
