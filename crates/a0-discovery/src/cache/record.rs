//! The record of one issuer, and how a round changes it.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::{Ending, Moment, Round, Rounds};

use super::cached::Cached;
use super::good::Good;
use crate::age::elapsed;
use crate::error::{FetchError, Unavailable};
use crate::policy::CachePolicy;

/// The back-off after the first failure. Each further failure doubles it.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);

const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is honoured while there are keys to serve.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The same while nothing can be served: a tenant that is back must not be left alone for minutes.
const MAX_RETRY_AFTER_UNSERVED: Duration = Duration::from_secs(30);

/// The second abandoned round in a row starts the back-off.
const TOLERATED_ABANDONMENTS: u32 = 1;

/// The purpose of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// Fresh keys.
    Refresh,
    /// The keys alone, for a `kid` that is unknown.
    Search,
    /// New documents from the issuer, whatever the second level has.
    Reload,
    /// The documents in the second level alone.
    Reread,
}

/// Everything known of one issuer's keys, or of its metadata.
#[derive(Debug)]
pub(crate) struct Record<T> {
    pub(super) good: Option<Good<T>>,
    pub(crate) rounds: Rounds,
    pub(super) failure: Option<Failure>,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// When the last round began that was neither for an unknown `kid` nor for the second level alone.
    pub(super) refreshed_at: Option<NumericDate>,
    /// When the second level was last read during a back-off.
    pub(super) reread_at: Option<NumericDate>,
    /// The last round for an unknown `kid`, and when it began.
    pub(super) search: Option<(Round, NumericDate)>,
    /// Whether a background refresh waits for its turn.
    pub(crate) refresh_is_queued: bool,
    /// The last round in the background.
    pub(super) background: Round,
    /// Whether the issuer was evicted.
    evicted: bool,
    /// Callers that wait for a search beyond its first second, and the round that they wait for.
    patient: (Round, usize),
}

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) at: NumericDate,
    pub(super) round: Round,
}

/// The result of a round: something newer, or why there is nothing newer. Both, if the second level had
/// something and the issuer then failed.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    pub(crate) value: Option<Arc<T>>,
    pub(crate) error: Option<FetchError>,
    /// Whether the issuer was asked.
    pub(crate) asked: bool,
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
            asked: true,
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
            evicted: false,
            patient: (0, 0),
        }
    }
}

impl<T: Cached> Record<T> {
    /// Begins a round.
    pub(crate) fn begin(&mut self, work: Work, now: NumericDate, limit: Duration) -> Round {
        let round = self.rounds.begin(moment(now), limit);
        match work {
            Work::Refresh | Work::Reload => self.refreshed_at = Some(now),
            Work::Search => self.search = Some((round, now)),
            Work::Reread => self.reread_at = Some(now),
        }
        round
    }

    /// Begins a refresh in the background.
    pub(crate) fn begin_in_background(&mut self, now: NumericDate, limit: Duration) -> Round {
        self.background = self.begin(Work::Refresh, now, limit);
        self.background
    }

    /// Whether a refresh that waited for its turn is still due. It leaves the queue either way.
    pub(crate) fn leave_queue(&mut self, policy: &CachePolicy, now: NumericDate) -> bool {
        self.refresh_is_queued = false;
        let is_fresh = |good: &Good<T>| good.is_fresh(policy, now);
        !self.evicted
            && !self.good.as_ref().is_some_and(is_fresh)
            && self.rounds.running(&moment(now)).is_none()
            && self.may_refresh(policy, now)
    }

    /// Ends a round; its value replaces the one before, whole. A failure is dated `at`. Returns whether
    /// the result counts.
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
        if let Some(value) = outcome.value {
            self.replace(value, round, outcome.asked && succeeded);
        }
        match outcome.error {
            Some(error) if ending == Ending::Counts => self.fail(round, error, at),
            Some(error) => self.abandoned(ending, round, error, at),
            None if outcome.asked => self.failures = 0,
            // The issuer was not asked: no cool-down.
            None => self.forget_search(round),
        }
        true
    }

    /// Ends a round whose leader is gone. Its waiters elect another; a second one in a row is a failure
    /// that starts the back-off.
    pub(crate) fn abandon(&mut self, round: Round, error: FetchError, at: NumericDate) {
        let ending = self.rounds.abandon(round);
        self.abandoned(ending, round, error, at);
    }

    /// Ends a round whose caller dropped its future.
    pub(crate) fn cancel(&mut self, round: Round) {
        if self.rounds.cancel(round) {
            self.forget_search(round);
        }
    }

    fn abandoned(&mut self, ending: Ending, round: Round, error: FetchError, at: NumericDate) {
        if let Ending::Abandoned(in_a_row) = ending {
            self.forget_search(round);
            if in_a_row > TOLERATED_ABANDONMENTS {
                self.fail(round, error, at);
            }
        }
    }

    fn fail(&mut self, round: Round, error: FetchError, at: NumericDate) {
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(Failure { error, at, round });
    }

    fn forget_search(&mut self, round: Round) {
        self.search = self.search.filter(|(search, _)| *search != round);
    }

    fn replace(&mut self, value: Arc<T>, round: Round, of_issuer: bool) {
        if self.evicted {
            value.end();
        }
        let good = Good::new(Arc::clone(&value), round, of_issuer);
        let before = self.good.replace(good);
        if let Some(before) = before.filter(|before| !Arc::ptr_eq(&before.value, &value)) {
            before.value.end();
        }
    }

    /// Gives up the keys of an issuer that is evicted. What is known of its failures and its cool-down
    /// stays.
    pub(crate) fn evict(&mut self) {
        self.evicted = true;
        if let Some(good) = self.good.take() {
            good.value.end();
        }
    }

    /// Takes an evicted issuer back, without keys.
    pub(crate) fn readmit(&mut self) {
        self.evicted = false;
        self.good = None;
    }

    /// Whether anything is known that a new record would not know.
    pub(crate) fn is_worth_keeping(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        self.failures > 0
            || self.rounds.is_running(self.rounds.begun())
            || !self.cool_down(policy, now).is_zero()
    }

    /// Whether a lease on its keys was used: callers that hold one do not come here.
    pub(crate) fn take_used(&self) -> bool {
        let good = self.good.as_ref();
        good.is_some_and(|good| good.value.take_used())
    }

    /// The result of a finished round for a caller that waited for it; `None` if it was abandoned.
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

    /// The failure of this round or of a later one, if none has succeeded since.
    pub(crate) fn failed_since(
        &self,
        round: Round,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<Unavailable> {
        let is_later = |failure: &Failure| failure.round >= round;
        let failure = self.failure.as_ref().filter(|failure| is_later(failure));
        failure.and_then(|_| self.unavailable(policy, now))
    }

    /// Notices whether the clock was set back, from the time of a caller that has not waited.
    pub(crate) fn see_clock(&mut self, now: NumericDate) {
        if let Some(good) = &mut self.good {
            good.see_clock(now);
        }
    }

    /// Counts a caller that goes on waiting for a search, unless `limit` others have.
    pub(crate) fn be_patient(&mut self, round: Round, limit: usize) -> bool {
        if self.patient.0 != round {
            self.patient = (round, 0);
        }
        let has_room = self.patient.1 < limit;
        self.patient.1 += usize::from(has_room);
        has_room
    }

    /// The last good value, if it may be served.
    pub(crate) fn servable(&self, policy: &CachePolicy, now: NumericDate) -> Option<Good<T>> {
        let good = self.good.as_ref()?;
        good.may_be_served(policy, now).then(|| good.clone())
    }

    /// The last good value, whether or not it may be served.
    pub(crate) fn good(&self) -> Option<&Good<T>> {
        self.good.as_ref()
    }

    /// When fetching last failed, and how; and how often it did since the last success.
    pub(crate) fn failure(&self) -> (Option<(NumericDate, &FetchError)>, u32) {
        let failure = self.failure.as_ref();
        (failure.map(|it| (it.at, &it.error)), self.failures)
    }

    /// The last failure, if the issuer is failing.
    pub(super) fn unavailable(
        &self,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<Unavailable> {
        let failure = self.failure.as_ref().filter(|_| self.failures > 0)?;
        Some(Unavailable {
            error: failure.error.clone(),
            retry_in: self.back_off_left(policy, now),
        })
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// How long the issuer is left alone because it failed.
    pub(crate) fn back_off_left(&self, policy: &CachePolicy, now: NumericDate) -> Duration {
        let Some(failure) = self.failure.as_ref().filter(|_| self.failures > 0) else {
            return Duration::ZERO;
        };
        let doublings = 2_u32.saturating_pow(self.failures.saturating_sub(1));
        let own = FIRST_BACK_OFF.saturating_mul(doublings).min(MAX_BACK_OFF);
        let good = self.good.as_ref();
        let honoured = match good.is_some_and(|good| good.may_be_served(policy, now)) {
            true => MAX_RETRY_AFTER,
            false => MAX_RETRY_AFTER_UNSERVED,
        };
        let asked_for = failure.error.retry_after.unwrap_or_default();
        let wait = own.max(asked_for.min(honoured));
        wait.saturating_sub(elapsed(failure.at, now))
    }

    /// How long an unknown `kid` causes no fetch.
    pub(crate) fn cool_down(&self, policy: &CachePolicy, now: NumericDate) -> Duration {
        let since = self.search.map(|(_, at)| elapsed(at, now));
        let left = since.map(|since| policy.kid_cooldown.saturating_sub(since));
        let left = left.unwrap_or_default();
        match self.is_left_alone(policy, now) {
            true => left.max(self.back_off_left(policy, now)),
            false => left,
        }
    }
}

/// This moment, for a caller whose clock says `now`.
pub(crate) fn moment(now: NumericDate) -> Moment {
    Moment::now(now.as_seconds())
}
