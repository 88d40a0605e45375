//! Keys in memory, fetched again when their time is over.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a0_http::HttpClient;
use a0_jose::NumericDate;
use lru::LruCache;

use crate::error::FetchError;
use crate::fetch::{FetchKeys, FetchRules, IssuerKeys};
use crate::issuer::Issuer;

/// How long keys are kept, and of how many issuers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheLimits {
    /// The longest time to keep keys; zero fetches them for every call. 600 s by default.
    pub ttl: Duration,
    /// The shortest time, whatever the server says. 300 s by default: a tenant that answers
    /// `max-age=15` is not asked every 15 seconds.
    pub min_ttl: Duration,
    /// Issuers whose keys are kept; beyond that the least recently used is dropped. 100 by default.
    pub max_issuers: NonZeroUsize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        CacheLimits {
            ttl: Duration::from_secs(600),
            min_ttl: Duration::from_secs(300),
            max_issuers: NonZeroUsize::MIN.saturating_add(99),
        }
    }
}

impl CacheLimits {
    /// How long keys with this `max-age` are kept.
    fn time_to_live(&self, max_age: Option<Duration>) -> Duration {
        max_age.unwrap_or(self.ttl).max(self.min_ttl).min(self.ttl)
    }
}

/// How far back a clock may go before the age of keys counts as unknown.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// The keys of issuers, each issuer's apart from all others'.
///
/// Callers of one issuer wait for each other while its keys are fetched; callers of other issuers
/// do not.
#[derive(Debug)]
pub struct KeyCache {
    rules: Arc<FetchRules>,
    limits: CacheLimits,
    slots: Mutex<LruCache<Issuer, Arc<Mutex<Option<Kept>>>>>,
}

#[derive(Debug)]
struct Kept {
    keys: Arc<IssuerKeys>,
    fetched_at: NumericDate,
}

impl KeyCache {
    /// An empty cache with the default limits.
    pub fn new(rules: FetchRules) -> Self {
        KeyCache::with_limits(rules, CacheLimits::default())
    }

    /// An empty cache.
    pub fn with_limits(rules: FetchRules, limits: CacheLimits) -> Self {
        KeyCache {
            rules: Arc::new(rules),
            limits,
            // Bounded by hand: a bounded one takes the room for all its entries at once.
            slots: Mutex::new(LruCache::unbounded()),
        }
    }

    /// The keys of `issuer`: those in memory, or, where there are none of an age within the limits,
    /// those that `client` brings. What was in memory is replaced, not merged.
    ///
    /// # Errors
    ///
    /// [`FetchError`]; a failure is not kept.
    pub fn keys<C: HttpClient + ?Sized>(
        &self,
        issuer: &Issuer,
        client: &C,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, FetchError> {
        let slot = self.slot(issuer);
        let mut slot = lock(&slot);
        if let Some(kept) = slot.as_ref().filter(|kept| self.is_fresh(kept, now)) {
            return Ok(Arc::clone(&kept.keys));
        }
        let step = FetchKeys::start(issuer.clone(), Arc::clone(&self.rules))?;
        let keys = Arc::new(a0_http::drive(client, step)?);
        *slot = Some(Kept {
            keys: Arc::clone(&keys),
            fetched_at: now,
        });
        Ok(keys)
    }

    fn slot(&self, issuer: &Issuer) -> Arc<Mutex<Option<Kept>>> {
        let mut slots = lock(&self.slots);
        if let Some(slot) = slots.get(issuer) {
            return Arc::clone(slot);
        }
        let slot = Arc::default();
        slots.put(issuer.clone(), Arc::clone(&slot));
        if slots.len() > self.limits.max_issuers.get() {
            slots.pop_lru();
        }
        slot
    }

    /// A clock that went back makes keys of an unknown age, and those are fetched again; but a
    /// caller who read the clock and then waited for another's fetch is not such a case.
    fn is_fresh(&self, kept: &Kept, now: NumericDate) -> bool {
        let end = kept
            .fetched_at
            .plus(self.limits.time_to_live(kept.keys.max_age()));
        kept.fetched_at.minus(CLOCK_TOLERANCE) <= now && now < end
    }
}

/// A thread that panicked while it held the lock left a value that is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
