//! Decisions for a caller: pure functions of an issuer's record and the time.

use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::{Round, Running};

use super::cached::Cached;
use super::good::Good;
use super::record::{Failure, Record, Work, moment};
use crate::age::elapsed;
use crate::error::Unavailable;
use crate::policy::CachePolicy;

/// The shortest time between the starts of two background refreshes of one issuer.
const MIN_REFRESH_INTERVAL: Duration = Duration::from_secs(15);

/// How long a failure says that the next attempt would most likely fail too: longer than any back-off.
const FAILURE_LASTS: Duration = Duration::from_secs(360);

/// The shortest time between two readings of the second level during a back-off.
const MIN_REREAD_INTERVAL: Duration = Duration::from_secs(1);

/// The next action of a caller.
#[derive(Debug)]
pub(crate) enum Decision<T> {
    Serve(Good<T>),
    /// Serve stale keys, which are due for a refresh.
    Refresh(Good<T>),
    Join(Running),
    /// Lead a round. If it finds no place among the rounds under way, serve this instead.
    Lead(Work, Option<Good<T>>),
    Refuse(Unavailable),
}

impl<T: Cached> Record<T> {
    /// Decides for a caller that wants keys.
    pub(crate) fn decide(
        &mut self,
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
            let in_background = running.is_some_and(|it| it.round() == self.background);
            // Nobody waits for an issuer that is known to fail, nor for a background refresh.
            if is_young || in_background || self.has_failed_lately(policy, now) {
                let is_due = running.is_none() && self.may_refresh(policy, now);
                return match is_due {
                    true => Decision::Refresh(good),
                    false => Decision::Serve(good),
                };
            }
        }
        match (running, self.unavailable(policy, now)) {
            (Some(running), _) => Decision::Join(running),
            (None, Some(error)) if self.is_left_alone(policy, now) => {
                match has_second_level && self.may_reread(now) {
                    // Another process may have what this one cannot fetch.
                    true => Decision::Lead(Work::Reread, servable),
                    false => Decision::Refuse(error),
                }
            }
            (None, _) => Decision::Lead(Work::Refresh, servable),
        }
    }

    /// Decides for a caller whose `kid` is not among the keys it was served. `begun_before` rounds had
    /// begun when it came.
    pub(crate) fn decide_search(
        &mut self,
        begun_before: Round,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Decision<T> {
        let newer = |good: &&Good<T>| good.of_issuer && good.round > begun_before;
        if let Some(good) = self.good.as_ref().filter(newer) {
            return Decision::Serve(good.clone());
        }
        if let Some(running) = self.rounds.running(&moment(now)) {
            return Decision::Join(running);
        }
        let cooling = self.cool_down(policy, now);
        match (self.unavailable(policy, now), &self.good) {
            _ if cooling.is_zero() => Decision::Lead(Work::Search, None),
            // Nobody can tell whether the issuer has the key by now.
            (Some(error), _) => Decision::Refuse(error.not_before(cooling)),
            (None, Some(good)) => Decision::Serve(good.clone()),
            (None, None) => Decision::Lead(Work::Search, None),
        }
    }

    /// Decides for a caller that wants newer keys than there are, whatever happened before.
    pub(crate) fn decide_reload(&mut self, now: NumericDate) -> Decision<T> {
        match self.rounds.running(&moment(now)) {
            Some(running) => Decision::Join(running),
            None => Decision::Lead(Work::Reload, None),
        }
    }

    pub(super) fn may_refresh(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let is_early = |at| elapsed(at, now) < MIN_REFRESH_INTERVAL;
        self.back_off_left(policy, now).is_zero() && !self.refreshed_at.is_some_and(is_early)
    }

    /// Whether the second level may have what the issuer does not give. An adapter that panics is left
    /// alone like an issuer that fails.
    fn may_reread(&self, now: NumericDate) -> bool {
        let at = [self.refreshed_at, self.reread_at];
        let is_early = |at: &NumericDate| elapsed(*at, now) < MIN_REREAD_INTERVAL;
        let failure = self.failure.as_ref();
        !at.iter().flatten().any(is_early)
            && !failure.is_some_and(|failure| failure.error.is_abandonment())
    }

    /// Whether asking the issuer again would most likely fail again. A failure from before a pause says
    /// nothing. If keys are fetched for every call, only the back-off counts, and so it does for rounds
    /// that were abandoned: they say nothing of the issuer.
    fn has_failed_lately(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let Some(failure) = self.failure.as_ref().filter(|_| self.failures > 0) else {
            return false;
        };
        match policy.ttl.is_zero() || failure.error.is_abandonment() {
            true => self.is_left_alone(policy, now),
            false => elapsed(failure.at, now) < FAILURE_LASTS,
        }
    }

    /// Whether a back-off keeps callers from asking the issuer. That of an abandoned refresh in the
    /// background does not: a runtime that drops its tasks may well carry a caller's own.
    pub(super) fn is_left_alone(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        let by_background =
            |failure: &Failure| failure.round == self.background && failure.error.is_abandonment();
        !self.back_off_left(policy, now).is_zero()
            && !self.failure.as_ref().is_some_and(by_background)
    }
}
