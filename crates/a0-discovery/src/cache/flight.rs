//! A round under way: the duty of its leader to end it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use a0_jose::NumericDate;
use a0_single_flight::{Monitor, Round};

use super::cached::Cached;
use super::places::Place;
use super::record::{Outcome, Record, Work, moment};
use crate::error::{Document, FetchError, FetchFailure};
use crate::policy::CachePolicy;

/// The record of one issuer. Its lock is held for a moment only, never during a fetch.
pub(crate) type Slot<T> = Monitor<Record<T>>;

/// The time a round may take beyond its exchanges: for the second level, a name lookup, a busy machine.
const OVERTIME: Duration = Duration::from_secs(5);

/// The time that a round may take; after it the round is overdue.
pub(crate) fn limit(work: Work, policy: &CachePolicy) -> Duration {
    let exchanges = match work {
        Work::Refresh | Work::Reload => 2,
        Work::Search => 1,
        Work::Reread => 0,
    };
    policy
        .timeout
        .saturating_mul(exchanges)
        .saturating_add(OVERTIME)
}

/// The time of a caller whose clock said `now` at `since`, in whole seconds, so that injected times stay
/// round.
pub(crate) fn later(now: NumericDate, since: Instant) -> NumericDate {
    now.plus(Duration::from_secs(since.elapsed().as_secs()))
}

/// The duty to carry out a round. Dropped without [`finish`](Flight::finish), as when its thread panics
/// or its runtime is dropped, it abandons the round and wakes those who wait.
pub(crate) struct Flight<T: Cached> {
    slot: Arc<Slot<T>>,
    round: Round,
    work: Work,
    now: NumericDate,
    began: Instant,
    place: Option<Place>,
    by_caller: Arc<AtomicBool>,
}

impl<T: Cached> Flight<T> {
    pub(crate) fn new(
        slot: &Arc<Slot<T>>,
        round: Round,
        work: Work,
        now: NumericDate,
        place: Place,
    ) -> Self {
        Flight {
            slot: Arc::clone(slot),
            round,
            work,
            now,
            began: Instant::now(),
            place: Some(place),
            by_caller: Arc::default(),
        }
    }

    pub(crate) fn work(&self) -> Work {
        self.work
    }

    /// When the round began.
    pub(crate) fn now(&self) -> NumericDate {
        self.now
    }

    /// Whether dropping the round says nothing against the issuer or the client: its caller carries it out
    /// in a future of its own, or its thread could not be started.
    pub(crate) fn by_caller(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.by_caller)
    }

    /// The value that the round is to replace, and whether its dates can be trusted.
    pub(crate) fn in_hand(&self) -> (Option<Arc<T>>, bool) {
        let record = self.slot.lock();
        match record.good() {
            Some(good) => (Some(Arc::clone(&good.value)), good.has_known_age()),
            None => (None, false),
        }
    }

    /// Ends the round, which was carried out from `since` to `at` by the cache's clock. Returns whether
    /// its result counts.
    pub(crate) fn finish(self, outcome: Outcome<T>, since: NumericDate, at: NumericDate) -> bool {
        // By one clock: the time of a caller may come from another.
        let took = (at.as_seconds() - since.as_seconds()).max(0.0);
        let took = Duration::try_from_secs_f64(took).unwrap_or(Duration::MAX);
        let end = moment(self.now.plus(took));
        self.slot.lock().finish(self.round, outcome, at, &end)
    }
}

impl<T: Cached> Drop for Flight<T> {
    fn drop(&mut self) {
        // No clock is read here: it is the user's code, and this may be an unwinding thread.
        let at = later(self.now, self.began);
        let is_cancelled = self.by_caller.load(Ordering::Acquire) && !std::thread::panicking();
        let mut record = self.slot.lock();
        if is_cancelled {
            record.cancel(self.round);
        } else {
            let document = match self.work {
                Work::Search => Document::Jwks,
                Work::Refresh | Work::Reload | Work::Reread => Document::Metadata,
            };
            let error = FetchError::new(document, FetchFailure::Abandoned);
            record.abandon(self.round, error, at);
        }
        drop(record);
        // Before anybody is woken: whoever leads next needs a place.
        self.place = None;
        self.slot.notify_all();
    }
}
