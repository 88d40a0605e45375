//! How long what an issuer publishes is kept and served.

use std::num::NonZeroUsize;
use std::time::Duration;

use a0_jose::NumericDate;

use crate::stamp::{Kept, Stamp, elapsed};

/// The upper bound of [`CachePolicy::ttl`] and [`CachePolicy::max_stale`]: 24 hours. It bounds how long
/// a key that its issuer removed can still verify tokens.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long keys are kept and served, and of how many issuers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The longest time that keys are fresh. Zero fetches them for every call. 600 s by default.
    pub ttl: Duration,
    /// The shortest such time, whatever the server says, but never above `ttl`. 300 s by default: a
    /// tenant that answers `max-age=15` is not asked every 15 seconds.
    pub min_ttl: Duration,
    /// How long after they were asked for keys that are no longer fresh may still be served while
    /// newer ones cannot be had. 3600 s by default; zero serves fresh ones only.
    pub max_stale: Duration,
    /// The shortest time between two fetches of one issuer's keys for the sake of a `kid` that is
    /// not among them. 30 s by default.
    pub kid_cooldown: Duration,
    /// Issuers whose keys are kept; beyond that the least recently used is dropped. 100 by default.
    pub max_issuers: NonZeroUsize,
    /// The time limit of one exchange of the HTTP client, which the client itself enforces. 10 s by
    /// default. The cache needs it to tell a fetch that takes its time from one that was abandoned.
    pub timeout: Duration,
    /// The longest time that one call waits, in all, for a fetch that another call carries. 10 s by
    /// default.
    pub max_wait: Duration,
    /// Who waits while keys that are no longer fresh are fetched again.
    pub refresh: Refresh,
}

/// Who waits while keys that are no longer fresh are fetched again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// Nobody: a thread that lives for one fetch.
    #[default]
    Background,
    /// The caller who finds that they are no longer fresh. For programs that may start no thread.
    Inline,
}

impl Default for CachePolicy {
    fn default() -> Self {
        CachePolicy {
            ttl: Duration::from_secs(600),
            min_ttl: Duration::from_secs(300),
            max_stale: Duration::from_secs(3600),
            kid_cooldown: Duration::from_secs(30),
            max_issuers: NonZeroUsize::MIN.saturating_add(99),
            timeout: Duration::from_secs(10),
            max_wait: Duration::from_secs(10),
            refresh: Refresh::default(),
        }
    }
}

impl CachePolicy {
    pub(crate) fn is_fresh(&self, stamp: Stamp, now: NumericDate) -> bool {
        let server = stamp.max_age.unwrap_or(self.ttl);
        elapsed(stamp.requested_at, now) < server.max(self.min_ttl).min(self.ttl)
    }

    pub(crate) fn are_fresh(&self, kept: &impl Kept, now: NumericDate) -> bool {
        kept.stamps().iter().all(|stamp| self.is_fresh(*stamp, now))
    }

    /// Whether something is young enough for nobody to wait for newer.
    pub(crate) fn is_young(&self, kept: &impl Kept, now: NumericDate) -> bool {
        let age = elapsed(kept.requested_at(), now);
        age < self.ttl.saturating_mul(2) && age < self.max_stale
    }

    /// Whether something may be served although newer cannot be had.
    pub(crate) fn may_serve(&self, kept: &impl Kept, now: NumericDate) -> bool {
        self.are_fresh(kept, now) || elapsed(kept.requested_at(), now) < self.max_stale
    }
}
