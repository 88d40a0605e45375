//! The status of one issuer in a cache.

use std::time::Duration;

use a0_jose::NumericDate;

use super::record::{Record, moment};
use crate::error::FetchError;
use crate::fetch::{IssuerKeys, elapsed};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;
use crate::skipped_keys::SkippedKeys;

/// The status of one issuer in a [`KeyCache`](crate::KeyCache) at one moment, for health checks,
/// metrics and logs. It contains no secrets.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct IssuerStatus {
    /// The issuer.
    pub issuer: Issuer,
    /// Whether keys can be served.
    pub freshness: Freshness,
    /// The `kid` of every key in memory, in alphabetical order.
    pub key_ids: Vec<String>,
    /// The entries of the key set in memory that cannot be used, and why. A token that was signed by
    /// one of them is refused as if the set did not have it.
    pub skipped_keys: SkippedKeys,
    /// When the older of the two documents in memory was requested.
    pub last_success: Option<NumericDate>,
    /// The time since then; [`Duration::MAX`] if the clock was set back.
    pub age: Option<Duration>,
    /// The last failure and when it happened. A success does not clear it.
    pub last_failure: Option<(NumericDate, FetchError)>,
    /// Failures since the last success.
    pub failures: u32,
    /// Whether a fetch is running that callers may join.
    pub fetching: bool,
    /// How long the back-off after a failure still lasts.
    pub retry_in: Duration,
    /// How long an unknown `kid` will not cause a fetch.
    pub kid_cooldown_left: Duration,
}

impl IssuerStatus {
    /// The status of an issuer whose keys are never fetched.
    pub(super) fn of_static(issuer: &Issuer, keys: &IssuerKeys) -> Self {
        IssuerStatus {
            issuer: issuer.clone(),
            freshness: Freshness::Static,
            key_ids: key_ids(keys),
            skipped_keys: SkippedKeys::of(keys.keys()),
            last_success: None,
            age: None,
            last_failure: None,
            failures: 0,
            fetching: false,
            retry_in: Duration::ZERO,
            kid_cooldown_left: Duration::ZERO,
        }
    }

    pub(super) fn new(
        issuer: Issuer,
        record: &Record<IssuerKeys>,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Self {
        let good = record.good.as_ref();
        let keys = good.map(|good| &*good.value);
        let failure = record.failure.as_ref();
        IssuerStatus {
            issuer,
            freshness: match good {
                Some(good) if good.is_fresh(policy, now) => Freshness::Fresh,
                Some(good) if good.may_be_served(policy, now) => Freshness::Stale,
                _ => Freshness::Absent,
            },
            key_ids: keys.map_or_else(Vec::new, key_ids),
            skipped_keys: keys
                .map_or_else(SkippedKeys::default, |keys| SkippedKeys::of(keys.keys())),
            last_success: keys.map(IssuerKeys::requested_at),
            age: keys.map(|keys| elapsed(keys.requested_at(), now)),
            last_failure: failure.map(|failure| (failure.at, failure.error.clone())),
            failures: record.failures,
            fetching: record.rounds.running(&moment(now)).is_some(),
            retry_in: record.back_off_left(policy, now),
            kid_cooldown_left: record.cool_down(policy, now),
        }
    }
}

fn key_ids(keys: &IssuerKeys) -> Vec<String> {
    let mut key_ids: Vec<String> = keys.keys().key_ids().map(str::to_owned).collect();
    key_ids.sort_unstable();
    key_ids
}

/// Whether an issuer's keys can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Freshness {
    /// No keys may be served. The next call waits for a fetch.
    Absent,
    /// The keys are within their time to live.
    Fresh,
    /// The keys are past their time to live. They are served until newer ones have been fetched.
    Stale,
    /// The keys were given as [static keys](crate::KeyCacheBuilder::static_keys). They are served
    /// forever and never fetched.
    Static,
}
