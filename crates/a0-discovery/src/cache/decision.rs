//! Decisions for a caller, from the last good value of an issuer, its record and the time. They change
//! nothing and do no input or output. Whether a round is overdue also depends on the monotonic clock.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::{Round, Running};

use super::record::{Failure, Purpose, Record, moment};
use super::round::Cached;
use crate::error::Unavailable;
use crate::fetch::{elapsed, older};
use crate::policy::CachePolicy;

/// The shortest time between the starts of two background refreshes of one issuer.
pub(super) const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(15);

/// How long after a failure the next attempt is expected to fail too. Longer than any back-off.
const FAILURE_MEMORY: Duration = Duration::from_secs(360);

/// The shortest time between two reads of the second level during a back-off.
const MIN_REREAD_INTERVAL: Duration = Duration::from_secs(1);

/// The back-off after the first failure. Each further failure doubles it.
const FIRST_BACK_OFF: Duration = Duration::from_secs(1);

const MAX_BACK_OFF: Duration = Duration::from_secs(60);

/// The longest `Retry-After` that is honoured while keys can be served.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

/// The longest `Retry-After` that is honoured while no keys can be served. Every request fails
/// then, so a recovered tenant must be noticed soon.
const MAX_RETRY_AFTER_UNSERVED: Duration = Duration::from_secs(30);

/// The next action of a caller.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    Serve(Good<T>),
    /// Serve stale keys and refresh them.
    Refresh(Good<T>),
    /// Wait for a running round.
    Join(Running),
    /// Lead a round. If no permit is left for it, serve the value, if there is one.
    Lead(Purpose, Option<Good<T>>),
    Refuse(Unavailable),
}

impl<T: Cached> Record<T> {
    /// Decides for a caller that needs keys.
    pub(crate) fn decide(
        &self,
        policy: &CachePolicy,
        has_second_level: bool,
        now: NumericDate,
    ) -> Decision<T> {
        if let Some(good) = self.good.as_ref().filter(|good| good.is_fresh(policy, now)) {
            return Decision::Serve(good.clone());
        }
        let running = self.rounds.running(&moment(now));
        let servable = self.servable(policy, now);
        if let Some(good) = servable.clone() {
            let is_young = policy.is_young(good.age(now));
            let is_refreshing = running.is_some_and(|it| it.round() == self.background);
            // No caller waits for a failing issuer or a background refresh if it can be served.
            if is_young || is_refreshing || self.is_likely_to_fail(policy, now) {
                let is_due = running.is_none() && self.may_refresh(policy, now);
                return if is_due {
                    Decision::Refresh(good)
                } else {
                    Decision::Serve(good)
                };
            }
        }
        match (running, self.unavailable(policy, now)) {
            (Some(running), _) => Decision::Join(running),
            (None, Some(error)) if self.is_left_alone(policy, now) => {
                // Another process may have stored what this one cannot fetch.
                if has_second_level && self.may_reread(now) {
                    Decision::Lead(Purpose::Reread, servable)
                } else {
                    Decision::Refuse(error)
                }
            }
            (None, _) => Decision::Lead(Purpose::Refresh, servable),
        }
    }

    /// Decides for a caller whose `kid` is not among the keys in memory. `begun_before` is the
    /// number of rounds that had begun before the call.
    pub(crate) fn decide_search(
        &self,
        begun_before: Round,
        policy: &CachePolicy,
        has_second_level: bool,
        now: NumericDate,
    ) -> Decision<T> {
        let is_newer = |good: &&Good<T>| good.from_issuer && good.round > begun_before;
        if let Some(good) = self.good.as_ref().filter(is_newer) {
            return Decision::Serve(good.clone());
        }
        if let Some(running) = self.rounds.running(&moment(now)) {
            return Decision::Join(running);
        }
        let cooling = self.cool_down(policy, now);
        match (self.unavailable(policy, now), &self.good) {
            _ if cooling.is_zero() => Decision::Lead(Purpose::Search, None),
            // Another process may have stored the key since.
            (failure, good) if has_second_level && self.may_reread(now) => {
                let fallback = good.clone().filter(|_| failure.is_none());
                Decision::Lead(Purpose::Reread, fallback)
            }
            // The issuer may have published the key since; only a fetch can tell.
            (Some(error), _) => Decision::Refuse(error.not_before(cooling)),
            (None, Some(good)) => Decision::Serve(good.clone()),
            (None, None) => Decision::Lead(Purpose::Search, None),
        }
    }

    /// Decides for a caller that wants newer keys than those in memory, regardless of any back-off.
    pub(crate) fn decide_reload(&self, now: NumericDate) -> Decision<T> {
        match self.rounds.running(&moment(now)) {
            Some(running) => Decision::Join(running),
            None => Decision::Lead(Purpose::Reload, None),
        }
    }

    pub(super) fn may_refresh(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let interval = match self.left_to_another {
            true => MIN_REREAD_INTERVAL,
            false => MIN_REFRESH_INTERVAL,
        };
        let is_early = |at| elapsed(at, now) < interval;
        self.back_off_left(policy, now).is_zero() && !self.refreshed_at.is_some_and(is_early)
    }

    /// Whether the second level may be read during a back-off. It is not read if the last round was
    /// abandoned, because the adapter may be what panics.
    fn may_reread(&self, now: NumericDate) -> bool {
        let last_reads = [self.refreshed_at, self.reread_at];
        let is_early = |at: &NumericDate| elapsed(*at, now) < MIN_REREAD_INTERVAL;
        let failure = self.failure.as_ref();
        !last_reads.iter().flatten().any(is_early)
            && !failure.is_some_and(|failure| failure.error.is_abandonment())
    }

    /// Whether another attempt would probably fail. A failure counts for [`FAILURE_MEMORY`]. Only
    /// the back-off counts if the policy fetches keys for every call, or if the round was
    /// abandoned: that says nothing about the issuer.
    fn is_likely_to_fail(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let Some(failure) = self.ongoing_failure() else {
            return false;
        };
        if policy.ttl.is_zero() || failure.error.is_abandonment() {
            self.is_left_alone(policy, now)
        } else {
            elapsed(failure.at, now) < FAILURE_MEMORY
        }
    }

    /// Whether a back-off keeps callers from fetching. The back-off of an abandoned background
    /// refresh does not: a runtime that drops background tasks may still run the caller's own.
    pub(super) fn is_left_alone(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let in_background =
            |failure: &Failure| failure.round == self.background && failure.error.is_abandonment();
        !self.back_off_left(policy, now).is_zero()
            && !self.failure.as_ref().is_some_and(in_background)
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

    /// The error for a caller that cannot be served, if the issuer is failing.
    pub(super) fn unavailable(
        &self,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<Unavailable> {
        let failure = self.ongoing_failure()?;
        Some(Unavailable {
            error: failure.error.clone(),
            retry_in: self.back_off_left(policy, now),
        })
    }

    /// How much of the back-off is left.
    pub(crate) fn back_off_left(&self, policy: &CachePolicy, now: NumericDate) -> Duration {
        let Some(failure) = self.ongoing_failure() else {
            return Duration::ZERO;
        };
        let doublings = 2_u32.saturating_pow(self.failures.saturating_sub(1));
        let own = FIRST_BACK_OFF.saturating_mul(doublings).min(MAX_BACK_OFF);
        let good = self.good.as_ref();
        let max_retry_after = if good.is_some_and(|good| good.may_be_served(policy, now)) {
            MAX_RETRY_AFTER
        } else {
            MAX_RETRY_AFTER_UNSERVED
        };
        let retry_after = failure.error.retry_after().unwrap_or_default();
        let back_off = own.max(retry_after.min(max_retry_after));
        back_off.saturating_sub(elapsed(failure.at, now))
    }

    /// How long an unknown `kid` will not cause a fetch.
    pub(crate) fn cool_down(&self, policy: &CachePolicy, now: NumericDate) -> Duration {
        let since = self.search.map(|(_, at)| elapsed(at, now));
        let left = since.map(|since| policy.kid_cooldown.saturating_sub(since));
        let left = left.unwrap_or_default();
        if self.is_left_alone(policy, now) {
            left.max(self.back_off_left(policy, now))
        } else {
            left
        }
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
