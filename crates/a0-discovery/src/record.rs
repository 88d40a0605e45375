//! When an issuer is asked, and what may be served meanwhile: a state machine that waits for nothing
//! and reads no clock.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;

use crate::error::{FetchError, Unavailable};
use crate::fetch::IssuerKeys;
use crate::issuer::Issuer;
use crate::policy::CachePolicy;
use crate::stamp::{Kept, elapsed};
use crate::status::{Freshness, IssuerStatus};

/// The shortest time between the starts of two refreshes that nobody waits for.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(15);

/// After the first failure nobody asks again for this long; after each further one, twice as long.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);

const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// What a server can ask for at most with `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// How long a failure says that the next attempt would fail too: longer than any wait after one.
const FAILURE_LASTS: Duration = Duration::from_secs(360);

/// The shortest time between two readings of the second level while the issuer is left alone.
const MIN_REREAD_INTERVAL: Duration = Duration::from_secs(1);

/// The rounds of fetching of one issuer are counted from 1. A round succeeds, fails, or is
/// abandoned.
pub(crate) type Round = u64;

/// What is known of one issuer's keys, or of another thing that it publishes.
#[derive(Debug)]
pub(crate) struct Record<T> {
    good: Option<Good<T>>,
    /// The round that is under way.
    flight: Option<Round>,
    /// Rounds started so far.
    rounds: Round,
    started_at: Option<NumericDate>,
    failure: Option<Failure>,
    /// Failures since the last success.
    failures: u32,
    /// The last round for the sake of an unknown `kid`, and when it began.
    refetch: Option<(Round, NumericDate)>,
    /// Whether it is in the cache no more.
    dropped: bool,
}

/// The last good value, and the round that brought it.
#[derive(Debug)]
pub(crate) struct Good<T> {
    pub(crate) value: Arc<T>,
    pub(crate) round: Round,
    /// Whether the issuer itself said so in that round.
    pub(crate) of_issuer: bool,
}

impl<T> Clone for Good<T> {
    fn clone(&self) -> Self {
        Good {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

impl<T> Default for Record<T> {
    fn default() -> Self {
        Record {
            good: None,
            flight: None,
            rounds: 0,
            started_at: None,
            failure: None,
            failures: 0,
            refetch: None,
            dropped: false,
        }
    }
}

#[derive(Debug)]
struct Failure {
    error: FetchError,
    at: NumericDate,
    round: Round,
}

/// What a round gave: something newer, or why there is nothing, or what a second source had and why
/// there is nothing newer.
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

/// What a caller is to do.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    Use(Good<T>),
    /// And somebody is to carry out this round, for whose end the caller need not wait.
    UseAndRefresh(Good<T>, Round),
    /// Carry out this round.
    Fetch(Round),
    /// Carry out this round, in the second level alone.
    Reread(Round),
    /// Wait for the end of this round.
    Join(Round),
    Fail(Unavailable),
}

impl<T: Kept> Record<T> {
    /// What a caller is to do who wants keys at the time `now`.
    pub(crate) fn decide(
        &mut self,
        policy: &CachePolicy,
        has_second_level: bool,
        now: NumericDate,
    ) -> Decision<T> {
        let good = self
            .good
            .clone()
            .filter(|good| policy.may_serve(&*good.value, now));
        if let Some(good) = good {
            if policy.are_fresh(&*good.value, now) {
                return Decision::Use(good);
            }
            // While the issuer is known to fail, nobody who can be served waits for it.
            if policy.is_young(&*good.value, now) || self.has_failed_lately(policy, now) {
                return match self.flight.is_none() && self.may_refresh(now) {
                    true => Decision::UseAndRefresh(good, self.start(now)),
                    false => Decision::Use(good),
                };
            }
        }
        match self.join_or_fetch(now) {
            // Another process may have what this one cannot fetch.
            Decision::Fail(_)
                if has_second_level && !self.started_within(MIN_REREAD_INTERVAL, now) =>
            {
                Decision::Reread(self.start(now))
            }
            decision => decision,
        }
    }

    /// What a caller is to do who has keys, without the one that its token names. `rounds` were
    /// started when it came.
    pub(crate) fn decide_unknown_kid(
        &mut self,
        rounds: Round,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Decision<T> {
        let good = self.good.as_ref();
        let newer = good.filter(|good| good.of_issuer && good.round > rounds);
        if let Some(good) = newer {
            return Decision::Use(good.clone());
        }
        if self.flight.is_none() {
            let cooling = self.cool_down(policy, now);
            if cooling > Duration::ZERO {
                return match (self.unavailable(now), &self.good) {
                    // Whether the issuer has the key by now is what cannot be told.
                    (Some(error), _) => Decision::Fail(error.not_before(cooling)),
                    (None, Some(good)) => Decision::Use(good.clone()),
                    (None, None) => self.join_or_fetch(now),
                };
            }
        }
        let decision = self.join_or_fetch(now);
        if let Decision::Fetch(round) = decision {
            self.refetch = Some((round, now));
        }
        decision
    }

    /// What a caller is to do who wants newer keys than there are, whatever happened before.
    pub(crate) fn decide_reload(&mut self, now: NumericDate) -> Decision<T> {
        match self.flight {
            Some(round) => Decision::Join(round),
            None => Decision::Fetch(self.start(now)),
        }
    }

    fn join_or_fetch(&mut self, now: NumericDate) -> Decision<T> {
        match (self.flight, self.unavailable(now)) {
            (Some(round), _) => Decision::Join(round),
            (None, Some(error)) if self.back_off_left(now) > Duration::ZERO => {
                Decision::Fail(error)
            }
            (None, _) => Decision::Fetch(self.start(now)),
        }
    }

    fn start(&mut self, now: NumericDate) -> Round {
        self.rounds = self.rounds.saturating_add(1);
        self.flight = Some(self.rounds);
        self.started_at = Some(now);
        self.rounds
    }

    /// The end of a round: what it brought replaces what was there, whole.
    pub(crate) fn finish(&mut self, round: Round, outcome: Outcome<T>, at: NumericDate) {
        if self.flight == Some(round) {
            self.flight = None;
        }
        if let Some(value) = outcome.value {
            if self.dropped {
                value.end();
            }
            let before = self.good.replace(Good {
                value: Arc::clone(&value),
                round,
                of_issuer: outcome.asked && outcome.error.is_none(),
            });
            if let Some(before) = before
                && !Arc::ptr_eq(&before.value, &value)
            {
                before.value.end();
            }
        }
        match outcome.error {
            Some(error) => {
                self.failures = self.failures.saturating_add(1);
                self.failure = Some(Failure { error, at, round });
            }
            None if outcome.asked => self.failures = 0,
            // Nobody was bothered.
            None => self.refetch = self.refetch.filter(|(refetch, _)| *refetch != round),
        }
    }

    /// Whether its keys were used by somebody who holds their lease, and so did not ask for them.
    pub(crate) fn take_used(&self) -> bool {
        self.good
            .as_ref()
            .is_some_and(|good| good.value.take_used())
    }

    /// Nobody finds this record any more: what it has ends, and what a round may yet bring.
    pub(crate) fn end(&mut self) {
        self.dropped = true;
        if let Some(good) = &self.good {
            good.value.end();
        }
    }

    /// The end of a round that came to nothing. Who waited for it decides anew, and is not told to be
    /// patient because of it.
    pub(crate) fn abandon(&mut self, round: Round) {
        if self.flight == Some(round) {
            self.flight = None;
            self.refetch = self.refetch.filter(|(refetch, _)| *refetch != round);
        }
    }

    /// What a finished round gave to those who waited for it; `None` if it was abandoned.
    pub(crate) fn outcome(
        &self,
        round: Round,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<Result<Good<T>, Unavailable>> {
        if let Some(good) = self.good.as_ref().filter(|good| good.round >= round) {
            return Some(Ok(good.clone()));
        }
        let error = self.failed_since(round, now)?;
        let served = self
            .good
            .clone()
            .filter(|good| policy.may_serve(&*good.value, now));
        Some(served.ok_or(error))
    }

    /// The failure of this round or of one after it, if none has succeeded since.
    pub(crate) fn failed_since(&self, round: Round, now: NumericDate) -> Option<Unavailable> {
        self.unavailable(now).filter(|_| {
            self.failure
                .as_ref()
                .is_some_and(|failure| failure.round >= round)
        })
    }

    /// The last failure, if the issuer is failing.
    fn unavailable(&self, now: NumericDate) -> Option<Unavailable> {
        let failure = self.failure.as_ref().filter(|_| self.failures > 0)?;
        Some(Unavailable {
            error: failure.error.clone(),
            retry_in: self.back_off_left(now),
        })
    }

    fn may_refresh(&self, now: NumericDate) -> bool {
        self.back_off_left(now).is_zero() && !self.started_within(MIN_REFRESH_INTERVAL, now)
    }

    fn started_within(&self, interval: Duration, now: NumericDate) -> bool {
        self.started_at
            .is_some_and(|at| elapsed(at, now) < interval)
    }

    /// Whether asking the issuer again would most likely end as it did. A failure from before a pause
    /// says nothing. Where keys are fetched for every call, the back-off alone counts.
    fn has_failed_lately(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let lately = |failure: &Failure| elapsed(failure.at, now) < FAILURE_LASTS;
        match policy.ttl.is_zero() {
            true => !self.back_off_left(now).is_zero(),
            false => self.failures > 0 && self.failure.as_ref().is_some_and(lately),
        }
    }

    /// How long nobody is to ask the issuer, because it failed.
    fn back_off_left(&self, now: NumericDate) -> Duration {
        let Some(failure) = self.failure.as_ref().filter(|_| self.failures > 0) else {
            return Duration::ZERO;
        };
        let doublings = 2_u32.saturating_pow(self.failures.saturating_sub(1));
        let own = FIRST_BACK_OFF.saturating_mul(doublings).min(MAX_BACK_OFF);
        let asked_for = failure.error.retry_after.unwrap_or_default();
        let wait = own.max(asked_for.min(MAX_RETRY_AFTER));
        wait.saturating_sub(elapsed(failure.at, now))
    }

    /// How long nobody is to ask the issuer for the sake of an unknown `kid`.
    pub(crate) fn cool_down(&self, policy: &CachePolicy, now: NumericDate) -> Duration {
        let since = self.refetch.map(|(_, at)| elapsed(at, now));
        let left = since.map(|since| policy.kid_cooldown.saturating_sub(since));
        left.unwrap_or_default().max(self.back_off_left(now))
    }

    /// The last good value, whether or not it may be served.
    pub(crate) fn good(&self) -> Option<Good<T>> {
        self.good.clone()
    }

    /// Rounds started so far.
    pub(crate) fn rounds(&self) -> Round {
        self.rounds
    }

    pub(crate) fn is_under_way(&self, round: Round) -> bool {
        self.flight == Some(round)
    }
}

impl Record<IssuerKeys> {
    /// What there is to tell, `issuer` being whose record this is.
    pub(crate) fn status(
        &self,
        issuer: Issuer,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> IssuerStatus {
        let keys = self.good.as_ref().map(|good| &*good.value);
        let failure = self.failure.as_ref();
        IssuerStatus {
            issuer,
            freshness: match keys {
                Some(keys) if policy.are_fresh(keys, now) => Freshness::Fresh,
                Some(keys) if policy.may_serve(keys, now) => Freshness::Stale,
                _ => Freshness::Absent,
            },
            key_ids: keys.map_or_else(Vec::new, |keys| {
                let mut names: Vec<String> = keys.keys().key_ids().map(str::to_owned).collect();
                names.sort_unstable();
                names
            }),
            last_success: keys.map(IssuerKeys::requested_at),
            age: keys.map(|keys| elapsed(keys.requested_at(), now)),
            last_failure: failure.map(|failure| (failure.at, failure.error.clone())),
            failures: self.failures,
            fetching: self.flight.is_some(),
            retry_in: self.back_off_left(now),
            kid_cooldown_left: self.cool_down(policy, now),
        }
    }
}
