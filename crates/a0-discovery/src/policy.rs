//! The policy of a cache: how long documents are fresh and served, and how long a call may wait for them.

use std::num::NonZeroUsize;
use std::time::Duration;

use a0_jose::NumericDate;

use crate::fetch::{Stamp, elapsed_seconds};

/// The upper bound of [`CachePolicy::ttl`] and [`CachePolicy::max_stale`]: 24 hours. It limits how
/// long a removed key can still verify tokens.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest time that a claim lasts.
const MIN_CLAIM_TTL: Duration = Duration::from_secs(1);

/// The longest wait for a process that took the claim of a dead one over.
const MAX_LAST_CLAIM_WAIT: Duration = Duration::from_secs(1);

/// How long keys are cached and served, for how many issuers, and how long a call may wait for
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The longest time that keys are fresh. Zero fetches them for every call. Defaults to 600 s. A
    /// value above [`MAX_TTL`] counts as `MAX_TTL`.
    pub ttl: Duration,
    /// The shortest time that keys are fresh, even if the server's `max-age` is lower; `ttl` caps
    /// it. Defaults to 300 s, so that a tenant with `max-age=15` does not receive a request every
    /// 15 seconds.
    pub min_ttl: Duration,
    /// How long keys may be served if newer ones cannot be fetched, counted from their own fetch.
    /// Defaults to 3600 s. A value above [`MAX_TTL`] counts as `MAX_TTL`. Zero serves fresh keys
    /// only; any other value below `ttl` counts as `ttl`.
    pub max_stale: Duration,
    /// The shortest time between two fetches of one issuer's keys that tokens with an unknown `kid`
    /// cause: in this process, or in all processes that share a store with
    /// [leases](crate::CacheAdapter::has_leases). Defaults to 30 s.
    pub kid_cooldown: Duration,
    /// The number of issuers whose keys are cached. When it is exceeded, the least recently used
    /// issuer is evicted. Defaults to 100.
    pub max_issuers: NonZeroUsize,
    /// Where stale keys are refreshed. Defaults to [`Refresh::Background`].
    pub refresh: Refresh,
    /// The time limit of one exchange, as the HTTP client enforces it. Defaults to 10 s. The cache
    /// uses it to tell a slow fetch from a dead one: a fetch is overdue 5 s after its exchanges, at
    /// most two, should have ended. The time that it may wait for another process is added.
    pub timeout: Duration,
    /// The longest time that one call waits, in total, for the fetches of other calls. Defaults to
    /// 10 s. A call that fetches waits half of it and 1 s, at most, for another process that shares its
    /// store.
    pub max_wait: Duration,
}

/// Where stale keys are refreshed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// In a background thread or task. The caller that finds the keys stale is served at once.
    #[default]
    Background,
    /// In the caller that finds the keys stale, for programs that must not start threads.
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
            refresh: Refresh::default(),
            timeout: Duration::from_secs(10),
            max_wait: Duration::from_secs(10),
        }
    }
}

impl CachePolicy {
    /// Clamps each value to its bounds.
    pub(crate) fn clamped(mut self) -> Self {
        self.ttl = self.ttl.min(MAX_TTL);
        self.max_wait = self.max_wait.min(MAX_TTL);
        self.timeout = self.timeout.min(MAX_TTL);
        if !self.max_stale.is_zero() {
            self.max_stale = self.max_stale.clamp(self.ttl, MAX_TTL);
        }
        self
    }

    pub(crate) fn is_fresh(&self, stamp: Stamp, now: NumericDate) -> bool {
        let server = stamp.max_age.unwrap_or(self.ttl);
        let lifetime = server.max(self.min_ttl).min(self.ttl);
        // Every verified token asks this, and a comparison of floats is the cheaper one.
        elapsed_seconds(stamp.requested_at, now) < lifetime.as_secs_f64()
    }

    pub(crate) fn are_fresh(&self, stamps: [Stamp; 2], now: NumericDate) -> bool {
        stamps.iter().all(|stamp| self.is_fresh(*stamp, now))
    }

    /// Whether stale keys of this age are served while they are refreshed in the background.
    pub(crate) fn is_young(&self, age: Duration) -> bool {
        age < self.ttl.saturating_mul(2) && age < self.max_stale
    }

    /// Whether stale keys of this age may be served if a fetch fails.
    pub(crate) fn may_serve_stale(&self, age: Duration) -> bool {
        age < self.max_stale
    }

    /// How long the claim of a process that makes this many exchanges lasts. It is shorter than the
    /// cool-down, so that a process that dies while it searches does not cause one.
    pub(crate) fn claim_ttl(&self, exchanges: u32) -> Duration {
        let ttl = self.timeout.saturating_mul(exchanges);
        let three_quarters = self.kid_cooldown.saturating_mul(3) / 4;
        let ttl = match three_quarters {
            Duration::ZERO => ttl,
            limit => ttl.min(limit),
        };
        ttl.max(MIN_CLAIM_TTL)
    }

    /// How long a round waits for another process that holds the claim. Half of the time is left
    /// for the callers that wait for this round.
    pub(crate) fn claim_wait(&self) -> Duration {
        self.max_wait / 2
    }

    /// How much longer a round waits if another one takes the claim of a dead process over.
    pub(crate) fn last_claim_wait(&self) -> Duration {
        MAX_LAST_CLAIM_WAIT.min(self.claim_wait())
    }

    /// The longest time for which a document may be served.
    pub(crate) fn max_lifetime(&self) -> Duration {
        self.max_stale.max(self.ttl)
    }
}
