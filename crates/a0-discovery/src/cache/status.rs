//! The state of one issuer in a cache.

use std::time::Duration;

use a0_jose::NumericDate;

use super::record::{Record, moment};
use crate::age::elapsed;
use crate::error::FetchError;
use crate::fetch::IssuerKeys;
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// The state of one issuer in a [`KeyCache`](crate::KeyCache) at one moment: for a health check, a
/// metric, or a log. It holds no secret.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// The issuer.
    pub issuer: Issuer,
    /// Whether there are keys to serve.
    pub freshness: Freshness,
    /// The `kid` of every key in memory, in alphabetical order.
    pub key_ids: Vec<String>,
    /// When the older of the two documents in memory was requested.
    pub last_success: Option<NumericDate>,
    /// The time since then; [`Duration::MAX`] if the clock was set back.
    pub age: Option<Duration>,
    /// When fetching last failed, and how.
    pub last_failure: Option<(NumericDate, FetchError)>,
    /// Failures since the last success.
    pub failures: u32,
    /// Whether a fetch is under way that callers may join.
    pub fetching: bool,
    /// How long the issuer is left alone because it failed.
    pub retry_in: Duration,
    /// How long an unknown `kid` fetches nothing.
    pub kid_cooldown_left: Duration,
}

impl IssuerStatus {
    pub(super) fn new(
        issuer: Issuer,
        record: &Record<IssuerKeys>,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Self {
        let good = record.good();
        let keys = good.map(|good| &*good.value);
        let (failure, failures) = record.failure();
        IssuerStatus {
            issuer,
            freshness: match good {
                Some(good) if good.is_fresh(policy, now) => Freshness::Fresh,
                Some(good) if good.may_be_served(policy, now) => Freshness::Stale,
                _ => Freshness::Absent,
            },
            key_ids: keys.map_or_else(Vec::new, |keys| {
                let mut names: Vec<String> = keys.keys().key_ids().map(str::to_owned).collect();
                names.sort_unstable();
                names
            }),
            last_success: keys.map(IssuerKeys::requested_at),
            age: keys.map(|keys| elapsed(keys.requested_at(), now)),
            last_failure: failure.map(|(at, error)| (at, error.clone())),
            failures,
            fetching: record.rounds.running(&moment(now)).is_some(),
            retry_in: record.back_off_left(policy, now),
            kid_cooldown_left: record.cool_down(policy, now),
        }
    }
}

/// Whether there are keys to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// There are none that may be served. The next call waits for a fetch.
    Absent,
    /// They are within their time to live.
    Fresh,
    /// Past it, and still served while newer ones are fetched or cannot be had.
    Stale,
}
