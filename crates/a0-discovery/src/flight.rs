//! One fetch at a time for each issuer, and those who wait for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use a0_jose::NumericDate;

use crate::error::Unavailable;
use crate::policy::CachePolicy;
use crate::record::{Decision, Good, Outcome, Record, Round};
use crate::stamp::Kept;

/// The record of one issuer. Its lock is held for a moment only, never while somebody fetches.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    record: Mutex<Record<T>>,
    ended: Condvar,
}

/// How rounds are carried out.
pub(crate) struct Work<'w, T: Kept> {
    /// On the caller's own thread.
    pub(crate) here: &'w dyn Fn(Flight<T>),
    /// Without the caller's waiting for its end, where that is possible.
    pub(crate) behind: Option<&'w dyn Fn(Flight<T>)>,
}

impl<'w, T: Kept> Work<'w, T> {
    pub(crate) fn here(here: &'w dyn Fn(Flight<T>)) -> Self {
        Work { here, behind: None }
    }
}

/// Something to serve, and the rounds that had started when the call came.
pub(crate) struct Found<T> {
    pub(crate) rounds: Round,
    pub(crate) good: Good<T>,
}

/// What became of a decision.
pub(crate) enum Acted<T> {
    Served(Good<T>),
    /// This round is over.
    Ended(Round),
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
    /// What may be served at the time `now`, fetched if need be.
    pub(crate) fn serve(
        self: &Arc<Self>,
        policy: &CachePolicy,
        now: NumericDate,
        work: &Work<'_, T>,
    ) -> Result<Found<T>, Unavailable> {
        let mut came_at = None;
        loop {
            let mut record = self.lock();
            let rounds = *came_at.get_or_insert(record.rounds());
            let decision = record.decide(policy, now);
            drop(record);
            let round = match self.act(decision, work)? {
                Acted::Served(good) => return Ok(Found { rounds, good }),
                Acted::Ended(round) => round,
            };
            if let Some(outcome) = self.lock().outcome(round, policy, now) {
                return outcome.map(|good| Found { rounds, good });
            }
        }
    }

    /// Does what was decided.
    pub(crate) fn act(
        self: &Arc<Self>,
        decision: Decision<T>,
        work: &Work<'_, T>,
    ) -> Result<Acted<T>, Unavailable> {
        match (decision, work.behind) {
            (Decision::Use(good), _) => Ok(Acted::Served(good)),
            (Decision::Fail(error), _) => Err(error),
            (Decision::Join(round), _) => {
                self.wait(round);
                Ok(Acted::Ended(round))
            }
            (Decision::UseAndRefresh(good, round), Some(behind)) => {
                behind(Flight::of(self, round));
                Ok(Acted::Served(good))
            }
            (Decision::Fetch(round) | Decision::UseAndRefresh(_, round), _) => {
                (work.here)(Flight::of(self, round));
                Ok(Acted::Ended(round))
            }
        }
    }

    /// A thread that panicked while it held the lock left a record that is whole all the same.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Record<T>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `round` is over, however it ends.
    fn wait(&self, round: Round) {
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
    fn of(slot: &Arc<Slot<T>>, round: Round) -> Self {
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
