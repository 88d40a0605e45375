//! Decisions for a caller, from the last good value of an issuer, its record and the time. They change
//! nothing and do no input or output. Whether a round is overdue also depends on the monotonic clock.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::{Round, Running};

use super::record::{Purpose, Record, moment};
use super::round::Cached;
use crate::error::Unavailable;
use crate::fetch::{elapsed, older};
use crate::policy::CachePolicy;

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
        let unavailable = |failure| self.unavailable(failure, policy, now);
        match (running, self.ongoing_failure().map(unavailable)) {
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
        let unavailable = |failure| self.unavailable(failure, policy, now);
        match (self.ongoing_failure().map(unavailable), &self.good) {
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
