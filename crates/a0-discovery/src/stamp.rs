//! Documents by their age.

use std::time::Duration;

use a0_jose::{Algorithm, NumericDate};

/// When a document was asked for, and how long its server lets it be kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) requested_at: NumericDate,
    pub(crate) max_age: Option<Duration>,
}

/// What is kept: one or two documents of an issuer.
pub(crate) trait Kept {
    /// Those of its documents; the same one twice where there is one.
    fn stamps(&self) -> [Stamp; 2];

    /// Whether it holds a key of this `kid` for this algorithm.
    fn has_key(&self, _key_id: &str, _algorithm: Algorithm) -> bool {
        false
    }

    /// Whether it was used by somebody who did not ask for it, since the last call of this.
    fn take_used(&self) -> bool {
        false
    }

    /// It is no longer kept.
    fn end(&self) {}

    /// When the older one was asked for.
    fn requested_at(&self) -> NumericDate {
        let [first, second] = self.stamps().map(|stamp| stamp.requested_at);
        if first < second { first } else { second }
    }
}

/// How far a clock may go back before what it dated counts as long past: callers read it before
/// they wait for each other.
const CLOCK_TOLERANCE: f64 = 60.0;

/// The time from `since` to `now`; for ever where the clock went back.
pub(crate) fn elapsed(since: NumericDate, now: NumericDate) -> Duration {
    let seconds = now.as_seconds() - since.as_seconds();
    if seconds < -CLOCK_TOLERANCE {
        return Duration::MAX;
    }
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
