//! The age of a document.

use std::time::Duration;

use a0_jose::NumericDate;

/// When a document was requested, and the `max-age` of its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) requested_at: NumericDate,
    pub(crate) max_age: Option<Duration>,
}

/// When the older of two documents was requested.
pub(crate) fn older(stamps: [Stamp; 2]) -> NumericDate {
    let [first, second] = stamps.map(|stamp| stamp.requested_at);
    if first < second { first } else { second }
}

/// How far back, in seconds, a clock may appear to go before an age counts as unknown. Callers read
/// the clock before they wait for each other, so their times are slightly out of order.
const CLOCK_TOLERANCE: f64 = 60.0;

/// The time from `since` to `now`. Returns [`Duration::MAX`] if the clock was set back, because the
/// true time is then unknown.
pub(crate) fn elapsed(since: NumericDate, now: NumericDate) -> Duration {
    let seconds = now.as_seconds() - since.as_seconds();
    if seconds < -CLOCK_TOLERANCE {
        return Duration::MAX;
    }
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}
