//! The last good value of an issuer, and how old it is.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::Round;

use super::cached::Cached;
use crate::age::{elapsed, older};
use crate::policy::CachePolicy;

/// The last good value, and the round that brought it.
#[derive(Debug)]
pub(crate) struct Good<T> {
    pub(crate) value: Arc<T>,
    pub(crate) round: Round,
    /// Whether the issuer itself answered in that round.
    pub(crate) of_issuer: bool,
    clock: Clock,
}

/// The behaviour of the clock since the value was requested.
///
/// Once a clock was set back, the value's age is unknown. It is then counted from the moment the
/// set-back was noticed, once: further set-backs must not extend it.
#[derive(Debug, Clone, Copy)]
struct Clock {
    latest: NumericDate,
    set_backs: u32,
    set_back_at: NumericDate,
}

impl<T: Cached> Good<T> {
    pub(crate) fn new(value: Arc<T>, round: Round, of_issuer: bool) -> Self {
        let requested_at = older(value.stamps());
        Good {
            value,
            round,
            of_issuer,
            clock: Clock {
                latest: requested_at,
                set_backs: 0,
                set_back_at: requested_at,
            },
        }
    }

    /// Notices whether the clock was set back.
    pub(crate) fn see_clock(&mut self, now: NumericDate) {
        let clock = &mut self.clock;
        if elapsed(clock.latest, now) < Duration::MAX {
            if now > clock.latest {
                clock.latest = now;
            }
            return;
        }
        clock.set_back_at = now;
        clock.latest = now;
        clock.set_backs = clock.set_backs.saturating_add(1);
        // Its holders tell the age by the date.
        self.value.end();
    }

    /// How old the value counts; [`Duration::MAX`] if nobody can tell.
    pub(crate) fn age(&self, now: NumericDate) -> Duration {
        let by_date = elapsed(older(self.value.stamps()), now);
        let since_set_back = elapsed(self.clock.set_back_at, now);
        match self.clock.set_backs {
            0 => by_date,
            1 if by_date == Duration::MAX => since_set_back,
            1 => by_date.max(since_set_back),
            _ => Duration::MAX,
        }
    }

    /// Whether the clock was never set back, so that the dates of the documents can be trusted.
    pub(crate) fn has_known_age(&self) -> bool {
        self.clock.set_backs == 0
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
