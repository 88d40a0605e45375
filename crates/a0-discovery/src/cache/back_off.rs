//! How failures of an issuer are recorded, and how long the issuer is left alone after them.

use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::{Ending, Round};

use super::record::Record;
use super::round::Cached;
use crate::error::{FetchError, Unavailable};
use crate::fetch::elapsed;
use crate::policy::CachePolicy;

/// How many rounds in a row may be abandoned without a back-off.
const TOLERATED_ABANDONMENTS: u32 = 1;

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

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: FetchError,
    pub(super) at: NumericDate,
    pub(super) round: Round,
}

impl<T: Cached> Record<T> {
    /// Ends a round whose leader is gone. Its waiters elect another leader. The second abandoned
    /// round in a row counts as a failure and starts the back-off.
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

    pub(super) fn abandoned(
        &mut self,
        ending: Ending,
        round: Round,
        error: FetchError,
        at: NumericDate,
    ) {
        if let Ending::Abandoned(in_a_row) = ending {
            self.forget_search(round);
            if in_a_row > TOLERATED_ABANDONMENTS {
                self.fail(round, error, at);
            }
        }
    }

    pub(super) fn fail(&mut self, round: Round, error: FetchError, at: NumericDate) {
        self.failures = self.failures.saturating_add(1);
        self.failure = Some(Failure { error, at, round });
    }

    pub(super) fn forget_search(&mut self, round: Round) {
        self.search = self.search.filter(|(search, _)| *search != round);
    }

    /// The failure of this round or of a later one, if none has succeeded since.
    pub(crate) fn failed_since(
        &self,
        round: Round,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Option<Unavailable> {
        let failure = self.ongoing_failure();
        failure
            .filter(|failure| failure.round >= round)
            .map(|failure| self.unavailable(failure, policy, now))
    }

    /// The error for a caller that cannot be served because of this failure.
    pub(super) fn unavailable(
        &self,
        failure: &Failure,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Unavailable {
        Unavailable {
            error: failure.error.clone(),
            retry_in: self.back_off_left(policy, now),
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
    pub(super) fn may_reread(&self, now: NumericDate) -> bool {
        let last_reads = [self.refreshed_at, self.reread_at];
        let is_early = |at: &NumericDate| elapsed(*at, now) < MIN_REREAD_INTERVAL;
        let failure = self.failure.as_ref();
        !last_reads.iter().flatten().any(is_early)
            && !failure.is_some_and(|failure| failure.error.is_abandonment())
    }

    /// Whether another attempt would probably fail. A failure counts for [`FAILURE_MEMORY`]. Only
    /// the back-off counts if the policy fetches keys for every call, or if the round was
    /// abandoned: that says nothing about the issuer.
    pub(super) fn is_likely_to_fail(&self, policy: &CachePolicy, now: NumericDate) -> bool {
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
