//! The last good value of an issuer and its age.

use std::sync::Arc;
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::Round;

use super::cached::Cached;
use crate::age::{elapsed, older};
use crate::policy::CachePolicy;

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
