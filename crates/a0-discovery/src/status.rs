//! What a cache can tell about one issuer.

use std::time::Duration;

use a0_jose::NumericDate;

use crate::error::FetchError;
use crate::issuer::Issuer;

/// What a [`KeyCache`](crate::KeyCache) knows about one issuer at one moment: for a health check, a
/// metric, or a log. It holds no secret.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// Whose keys these are.
    pub issuer: Issuer,
    /// Whether there are keys to serve.
    pub freshness: Freshness,
    /// The `kid` of every key in memory, in alphabetical order.
    pub key_ids: Vec<String>,
    /// When the older of the two documents in memory was asked for.
    pub last_success: Option<NumericDate>,
    /// The time since then; [`Duration::MAX`] where the clock went back.
    pub age: Option<Duration>,
    /// When fetching last failed, and how.
    pub last_failure: Option<(NumericDate, FetchError)>,
    /// Failures since the last success.
    pub failures: u32,
    /// Whether a fetch is under way.
    pub fetching: bool,
    /// How long the issuer is left alone because it failed.
    pub retry_in: Duration,
    /// How long an unknown `kid` fetches nothing.
    pub kid_cooldown_left: Duration,
}

/// Whether there are keys to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// There are none that may be served: the next call waits for a fetch.
    Absent,
    /// Within their time to live.
    Fresh,
    /// Past it and still served, while newer ones are fetched or cannot be had.
    Stale,
}
