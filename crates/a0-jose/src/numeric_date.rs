//! NumericDate, RFC 7519 section 2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::json::Node;

/// Seconds since 1970-01-01T00:00:00Z, ignoring leap seconds. Fractions are allowed.
///
/// The value is always finite, so two dates can always be compared and arithmetic never wraps. For
/// present dates it is exact to less than a microsecond.
///
/// ```
/// use a0_jose::NumericDate;
///
/// let exp = NumericDate::from_json(&serde_json::json!(1.9e9)).ok_or("no number")?;
/// let now = NumericDate::from_unix_seconds(1_900_000_000);
/// assert!(now >= exp, "a token expires at the second of its exp");
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct NumericDate(f64);

impl NumericDate {
    /// Creates a date from whole seconds since the epoch.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        NumericDate(seconds as f64)
    }

    /// Reads a JSON number, which may have a fraction or an exponent. Returns `None` for every
    /// other JSON value.
    pub fn from_json(value: &Value) -> Option<Self> {
        NumericDate::from_number(value.as_f64())
    }

    /// Like [`from_json`](NumericDate::from_json), for a value in a header or in claims.
    pub fn from_node(value: Node<'_>) -> Option<Self> {
        NumericDate::from_number(value.as_f64())
    }

    fn from_number(seconds: Option<f64>) -> Option<Self> {
        seconds
            .filter(|seconds| seconds.is_finite())
            .map(NumericDate)
    }

    /// Returns the seconds since the epoch, with their fraction.
    pub fn as_seconds(self) -> f64 {
        self.0
    }

    /// Returns whole seconds since the epoch, rounded down. Values beyond the range of `i64` become
    /// its minimum or maximum.
    pub fn as_unix_seconds(self) -> i64 {
        // A float-to-integer cast saturates.
        self.0.floor() as i64
    }

    /// Returns this date moved by `duration` into the future.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        NumericDate((self.0 + duration.as_secs_f64()).min(f64::MAX))
    }

    /// Returns this date moved by `duration` into the past.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        NumericDate((self.0 - duration.as_secs_f64()).max(f64::MIN))
    }
}

impl From<SystemTime> for NumericDate {
    /// A time before 1970 becomes a negative number.
    fn from(time: SystemTime) -> Self {
        NumericDate(match time.duration_since(UNIX_EPOCH) {
            Ok(since_epoch) => since_epoch.as_secs_f64(),
            Err(before_epoch) => -before_epoch.duration().as_secs_f64(),
        })
    }
}
