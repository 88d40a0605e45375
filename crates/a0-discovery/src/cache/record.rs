//! The record of one issuer, with the last good value, and how rounds change it.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::{Ending, Moment, Round, Rounds};

use super::back_off::Failure;
use super::round::Cached;
use crate::error::{FetchError, Unavailable};
use crate::fetch::{elapsed, older};
use crate::policy::CachePolicy;

/// The purpose of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Fetch fresh keys.
    Refresh,
    /// Fetch the keys alone, for an unknown `kid`.
    Search,
    /// Fetch new documents from the issuer and bypass the second level.
    Reload,
    /// Read the second level and send no request.
    Reread,
}

impl Purpose {
    /// The largest number of exchanges of a round.
    pub(crate) fn exchanges(self) -> u32 {
        match self {
            Purpose::Refresh | Purpose::Reload => 2,
            Purpose::Search => 1,
            Purpose::Reread => 0,
        }
    }
}

/// The state of one issuer's keys, or of its metadata.
#[derive(Debug)]
pub(crate) struct Record<T> {
    pub(super) good: Option<Good<T>>,
    pub(crate) rounds: Rounds,
    pub(super) failure: Option<Failure>,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// When the last [`Purpose::Refresh`] or [`Purpose::Reload`] began.
    pub(super) refreshed_at: Option<NumericDate>,
    /// When the last [`Purpose::Reread`] or [`Purpose::Search`] began.
    pub(super) reread_at: Option<NumericDate>,
    /// The last search, and when it began: by a [`Purpose::Search`], or by another process, of which
    /// that round was told.
    pub(super) search: Option<(Round, NumericDate)>,
    /// Whether a background refresh is in the queue.
    pub(crate) refresh_is_queued: bool,
    /// The last background round.
    pub(super) background: Round,
    /// Whether the last refresh was left to another process, whose documents will be in the store
    /// soon.
    pub(super) left_to_another: bool,
    /// When the newest metadata and the newest keys of the issuer were requested.
    seen: Option<[NumericDate; 2]>,
    /// Whether the issuer was evicted.
    pub(super) evicted: bool,
    /// A round, and the number of callers that wait for it although it has run for more than a
    /// second.
    late_waiters: (Round, usize),
}

/// The result of a round: a newer value, or the error. It has both if the second level had a value
/// and the issuer then failed.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) value: Option<Arc<T>>,
    pub(crate) error: Option<FetchError>,
    /// Whether a request was sent to the issuer.
    pub(crate) asked_issuer: bool,
    /// When another process searched, if its cool-down kept this round from asking the issuer.
    pub(crate) searched_at: Option<NumericDate>,
    /// A value of the second level that was read before the issuer answered, so it is older than the
    /// answer, whatever its date. The clock of its process may be ahead.
    pub(crate) overtaken: Option<Arc<T>>,
}

impl<T> From<Result<T, FetchError>> for Outcome<T> {
    fn from(fetched: Result<T, FetchError>) -> Self {
        let (value, error) = match fetched {
            Ok(value) => (Some(Arc::new(value)), None),
            Err(error) => (None, Some(error)),
        };
        Outcome {
            value,
            error,
            asked_issuer: true,
            searched_at: None,
            overtaken: None,
        }
    }
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Record {
            good: None,
            rounds: Rounds::default(),
            failure: None,
            failures: 0,
            refreshed_at: None,
            reread_at: None,
            search: None,
            refresh_is_queued: false,
            background: 0,
            left_to_another: false,
            seen: None,
            evicted: false,
            late_waiters: (0, 0),
        }
    }
}

impl<T: Cached> Record<T> {
    /// Begins a round.
    pub(crate) fn begin(&mut self, purpose: Purpose, now: NumericDate, limit: Duration) -> Round {
        let round = self.rounds.begin(moment(now), limit);
        match purpose {
            Purpose::Refresh | Purpose::Reload => {
                self.refreshed_at = Some(now);
                self.left_to_another = false;
            }
            Purpose::Search => {
                self.search = Some((round, now));
                self.reread_at = Some(now);
            }
            Purpose::Reread => self.reread_at = Some(now),
        }
        round
    }

    /// Ends a round. Its value replaces the earlier one as a whole. A failure is dated `at`.
    /// Returns whether the result counts.
    pub(crate) fn finish(
        &mut self,
        round: Round,
        outcome: Outcome<T>,
        at: NumericDate,
        end: &Moment,
    ) -> bool {
        let succeeded = outcome.error.is_none();
        let ending = self.rounds.end(round, succeeded, end);
        if ending == Ending::Superseded {
            return false;
        }
        if round == self.background {
            let is_without_result = outcome.value.is_none() && !outcome.asked_issuer;
            self.left_to_another = succeeded && is_without_result;
        }
        if let Some(value) = outcome.value {
            self.replace(value, round, outcome.asked_issuer && succeeded);
        }
        if let Some(overtaken) = outcome.overtaken {
            self.see(&overtaken);
        }
        match outcome.error {
            Some(error) if ending == Ending::Counts => self.fail(round, error, at),
            Some(error) => self.abandoned(ending, round, error, at),
            None if outcome.asked_issuer => self.failures = 0,
            // Only a request to the issuer starts a cool-down.
            None => {
                self.forget_search(round);
                self.search = outcome.searched_at.map(|at| (round, at)).or(self.search);
            }
        }
        true
    }

    fn replace(&mut self, value: Arc<T>, round: Round, from_issuer: bool) {
        if self.evicted {
            value.end_lease();
        }
        self.see(&value);
        let good = Good::new(Arc::clone(&value), round, from_issuer);
        let previous = self.good.replace(good);
        if let Some(previous) = previous.filter(|good| !Arc::ptr_eq(&good.value, &value)) {
            previous.value.end_lease();
        }
    }

    /// Remembers how new the documents of a value are.
    pub(crate) fn see(&mut self, value: &T) {
        let [metadata, keys] = value.stamps().map(|stamp| stamp.requested_at);
        let newer = |seen: NumericDate, now| if now > seen { now } else { seen };
        self.seen = Some(match self.seen {
            Some([seen_metadata, seen_keys]) => {
                [newer(seen_metadata, metadata), newer(seen_keys, keys)]
            }
            None => [metadata, keys],
        });
    }

    pub(crate) fn seen(&self) -> Option<[NumericDate; 2]> {
        self.seen
    }

    /// The result of a finished round for a caller that waited for it; `None` if the round was
    /// abandoned.
    pub(crate) fn outcome(
        &self,
        round: Round,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<Result<Good<T>, Unavailable>> {
        if let Some(good) = self.good.as_ref().filter(|good| good.round >= round) {
            return Some(Ok(good.clone()));
        }
        let error = self.failed_since(round, policy, now)?;
        Some(self.servable(policy, now).ok_or(error))
    }

    /// The last good value, if it may be served.
    pub(crate) fn servable(&self, policy: &CachePolicy, now: NumericDate) -> Option<Good<T>> {
        let good = self.good.as_ref()?;
        good.may_be_served(policy, now).then(|| good.clone())
    }

    /// The last failure, if the issuer is failing: no round has succeeded since.
    pub(super) fn ongoing_failure(&self) -> Option<&Failure> {
        self.failure.as_ref().filter(|_| self.failures > 0)
    }

    /// Records the time of a caller that has not waited, and notices if the clock was set back.
    pub(crate) fn observe_clock(&mut self, now: NumericDate) {
        if let Some(good) = &mut self.good {
            good.observe_clock(now);
        }
    }

    /// Counts a caller that waits for a search after its first second. Returns `false` if `limit`
    /// callers wait already.
    pub(crate) fn join_late(&mut self, round: Round, limit: usize) -> bool {
        if self.late_waiters.0 != round {
            self.late_waiters = (round, 0);
        }
        let has_room = self.late_waiters.1 < limit;
        self.late_waiters.1 += usize::from(has_room);
        has_room
    }
}

/// The last good value and the round that brought it.
#[derive(Debug)]
pub(crate) struct Good<T> {
    pub(crate) value: Arc<T>,
    pub(crate) round: Round,
    /// Whether the issuer itself responded in that round.
    pub(crate) from_issuer: bool,
    readings: ClockReadings,
}

/// The readings of the clock since the value was requested.
///
/// Once the clock was set back, the value's age is unknown. The age is then counted from the moment
/// the set-back was noticed, but only for the first set-back: further ones must not extend the
/// value's life.
#[derive(Debug, Clone, Copy)]
struct ClockReadings {
    latest: NumericDate,
    set_backs: u32,
    set_back_at: NumericDate,
}

impl<T: Cached> Good<T> {
    pub(crate) fn new(value: Arc<T>, round: Round, from_issuer: bool) -> Self {
        let requested_at = older(value.stamps());
        Good {
            value,
            round,
            from_issuer,
            readings: ClockReadings {
                latest: requested_at,
                set_backs: 0,
                set_back_at: requested_at,
            },
        }
    }

    /// Records a reading of the clock, and notices if the clock was set back.
    pub(crate) fn observe_clock(&mut self, now: NumericDate) {
        let readings = &mut self.readings;
        if elapsed(readings.latest, now) < Duration::MAX {
            if now > readings.latest {
                readings.latest = now;
            }
            return;
        }
        readings.set_back_at = now;
        readings.latest = now;
        readings.set_backs = readings.set_backs.saturating_add(1);
        // Holders of the lease compute the age from the dates, which are now unreliable.
        self.value.end_lease();
    }

    /// The age of the value; [`Duration::MAX`] if it is unknown.
    pub(crate) fn age(&self, now: NumericDate) -> Duration {
        let by_date = elapsed(older(self.value.stamps()), now);
        let since_set_back = elapsed(self.readings.set_back_at, now);
        match self.readings.set_backs {
            0 => by_date,
            1 if by_date == Duration::MAX => since_set_back,
            1 => by_date.max(since_set_back),
            _ => Duration::MAX,
        }
    }

    /// Whether the clock was never set back, so that the dates of the documents are reliable.
    pub(crate) fn has_known_age(&self) -> bool {
        self.readings.set_backs == 0
    }

    pub(crate) fn is_fresh(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        self.has_known_age() && policy.are_fresh(self.value.stamps(), now)
    }

    pub(crate) fn may_be_served(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        self.is_fresh(policy, now) || policy.may_serve_stale(self.age(now))
    }
}

impl<T> Clone for Good<T> {
    fn clone(&self) -> Self {
        Good {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

/// The current moment, for a caller whose clock reads `now`.
pub(crate) fn moment(now: NumericDate) -> Moment {
    Moment::now(now.as_seconds())
}
