//! How long documents are kept and served.

use std::num::NonZeroUsize;
use std::time::Duration;

use a0_jose::NumericDate;

use crate::age::{Stamp, elapsed};

/// The upper bound of [`CachePolicy::ttl`] and [`CachePolicy::max_stale`]: 24 hours. It bounds how long
/// a key that its issuer removed can still verify tokens.
pub const MAX_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// How long keys are kept and served, for how many issuers, and how long a call may wait for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachePolicy {
    /// The longest time that keys are fresh. Zero fetches them for every call. Defaults to 600 s; at
    /// most [`MAX_TTL`], a larger value counts as that.
    pub ttl: Duration,
    /// The shortest time that keys are fresh, whatever the server says, but never longer than `ttl`.
    /// Defaults to 300 s, so that a tenant that answers `max-age=15` is not asked every 15 seconds.
    pub min_ttl: Duration,
    /// How long after their request keys may be served if newer ones cannot be had. Defaults to 3600 s;
    /// at most [`MAX_TTL`]. Zero serves fresh keys only; any other value below `ttl` counts as `ttl`.
    pub max_stale: Duration,
    /// The shortest time between two fetches of one issuer's keys that an unknown `kid` causes.
    /// Defaults to 30 s.
    pub kid_cooldown: Duration,
    /// The number of issuers whose keys are kept. Beyond it the least recently used one is evicted.
    /// Defaults to 100.
    pub max_issuers: NonZeroUsize,
    /// Who fetches stale keys again. Defaults to the background.
    pub refresh: Refresh,
    /// The time limit of one exchange, which the HTTP client enforces. Defaults to 10 s. The cache needs
    /// it to tell a slow fetch from an abandoned one: a fetch is overdue 5 s after its exchanges, at
    /// most two, should have ended.
    pub timeout: Duration,
    /// The longest time that one call waits, in all, for fetches that other calls carry. Defaults to
    /// 10 s.
    pub max_wait: Duration,
}

/// Who fetches stale keys again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refresh {
    /// A background thread or task. The caller that finds the keys stale is served at once.
    #[default]
    Background,
    /// The caller that finds the keys stale. For programs that must not start a thread.
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
    /// The same policy within its bounds.
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
        elapsed(stamp.requested_at, now) < server.max(self.min_ttl).min(self.ttl)
    }

    pub(crate) fn are_fresh(&self, stamps: [Stamp; 2], now: NumericDate) -> bool {
        stamps.iter().all(|stamp| self.is_fresh(*stamp, now))
    }

    /// Whether keys of this age are served while newer ones are fetched in the background.
    pub(crate) fn is_young(&self, age: Duration) -> bool {
        age < self.ttl.saturating_mul(2) && age < self.max_stale
    }

    /// Whether stale keys of this age may be served at all.
    pub(crate) fn may_serve_stale(&self, age: Duration) -> bool {
        age < self.max_stale
    }

    /// The longest time for which a document may be served.
    pub(crate) fn longest(&self) -> Duration {
        self.max_stale.max(self.ttl)
    }
}
