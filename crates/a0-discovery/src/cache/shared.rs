//! The state that all clones of a cache share, for blocking and async callers: the records of all
//! issuers, the queue of refreshes, and what a round needs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use a0_jose::NumericDate;
use lru::LruCache;

use super::flight::Slot;
use super::observer::{RefreshObserver, Watched};
use super::record::{Good, Record};
use super::refreshes::{BegunRefresh, Refreshes, Target};
use super::round::{Cached, Fetchable, Rules};
use super::second_level::AdapterFailures;
use super::status::IssuerStatus;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{IssuerKeys, ServerMetadata};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

pub(crate) struct Shared<C: ?Sized, A: ?Sized> {
    keys: Issuers<IssuerKeys>,
    /// Keys that are never fetched, and never evicted.
    static_keys: HashMap<Issuer, Arc<IssuerKeys>>,
    /// Metadata without keys, for the token endpoint of issuers whose keys are not in memory.
    metadata: Issuers<ServerMetadata>,
    refreshes: Refreshes,
    pub(super) fetcher: Arc<Fetcher<C, A>>,
}

/// Everything that rounds need. Background threads and tasks hold this instead of the cache, so
/// that they do not keep the cache alive.
pub(crate) struct Fetcher<C: ?Sized, A: ?Sized> {
    pub(super) rules: Rules,
    pub(super) client: Arc<C>,
    pub(super) adapter: Option<Arc<A>>,
    pub(super) clock: Clock,
    pub(super) observer: Option<Arc<dyn RefreshObserver>>,
    /// Holds the thread of a blocking caller that waits for another process.
    pub(super) pause: Arc<dyn Fn(Duration) + Send + Sync>,
    #[cfg(feature = "async")]
    pub(super) sleep: Option<Arc<super::waiting::SleepFn>>,
}

impl<C: ?Sized, A: ?Sized> Fetcher<C, A> {
    /// The observer's span of a round. There is none for metadata alone.
    pub(super) fn watch<T: Fetchable>(&self, issuer: &Issuer) -> Watched {
        let observer = self.observer.as_ref().filter(|_| T::HAS_KEYS);
        Watched(observer.map(|observer| observer.begin(issuer)))
    }
}

impl<C: ?Sized, A: ?Sized> Shared<C, A> {
    pub(super) fn new(
        fetcher: Fetcher<C, A>,
        initial: Vec<(Issuer, IssuerKeys)>,
        static_keys: HashMap<Issuer, Arc<IssuerKeys>>,
    ) -> Self {
        let shared = Shared {
            keys: Issuers::new(),
            static_keys,
            metadata: Issuers::new(),
            refreshes: Refreshes::default(),
            fetcher: Arc::new(fetcher),
        };
        let now = shared.fetcher.clock.now();
        let is_fetched = |(issuer, _): &_| !shared.static_keys.contains_key::<Issuer>(issuer);
        for (issuer, keys) in initial.into_iter().filter(is_fetched) {
            let mut good = Good::new(Arc::new(keys), 0, false);
            // Keys from the future have no age: later they would seem to be older than a set-back of
            // the clock.
            if good.may_be_served(shared.policy(), now) {
                // Otherwise nobody notices a set-back before the first call.
                good.observe_clock(now);
                shared.keys_slot(&issuer, now).lock().good = Some(good);
            }
        }
        shared
    }

    /// The keys of an issuer whose keys are never fetched.
    pub(super) fn static_keys(&self, issuer: &Issuer) -> Option<Arc<IssuerKeys>> {
        self.static_keys.get(issuer).map(Arc::clone)
    }

    pub(super) fn keys_slot(&self, issuer: &Issuer, now: NumericDate) -> Arc<Slot<IssuerKeys>> {
        self.keys.slot(issuer, self.policy(), now)
    }

    pub(super) fn metadata_slot(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Arc<Slot<ServerMetadata>> {
        self.metadata.slot(issuer, self.policy(), now)
    }

    /// Queues a background refresh.
    pub(super) fn queue_refresh(&self, issuer: &Issuer, target: Target, now: NumericDate) {
        self.refreshes
            .push(issuer, target, now, self.fetcher.clock.now());
    }

    /// Begins the next background refresh, if there is a permit for one.
    pub(super) fn next_refresh(&self) -> Option<BegunRefresh> {
        let rules = &self.fetcher.rules;
        self.refreshes.begin_next(rules, self.fetcher.clock.now())
    }

    /// The token endpoint in the metadata of the keys in memory, if they are fresh.
    pub(super) fn fresh_token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Option<Result<String, TokenEndpointError>> {
        let keys = self.keys.peek(issuer)?.value;
        let fetch = &self.fetcher.rules.fetch;
        let is_fresh = self.policy().are_fresh(keys.stamps(), now);
        let metadata = keys.metadata().filter(|_| is_fresh)?;
        Some(fetch.token_endpoint(metadata, issuer))
    }

    /// The token endpoint in metadata that was fetched alone. If that metadata is unavailable, this
    /// falls back to the metadata of keys that may still be served.
    pub(super) fn token_endpoint(
        &self,
        fetched: Result<Arc<ServerMetadata>, Unavailable>,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        let fetch = &self.fetcher.rules.fetch;
        let is_servable = |keys: &Good<IssuerKeys>| keys.may_be_served(self.policy(), now);
        match fetched {
            Ok(fetched) => fetch.token_endpoint(&fetched.metadata, issuer),
            Err(error) => {
                let keys = self.keys.peek(issuer).filter(is_servable);
                match keys.as_ref().and_then(|keys| keys.value.metadata()) {
                    Some(metadata) => fetch.token_endpoint(metadata, issuer),
                    None => Err(error.into()),
                }
            }
        }
    }

    pub(super) fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let status = |(issuer, slot): (Issuer, Arc<Slot<_>>)| {
            let mut record = slot.lock();
            record.observe_clock(now);
            IssuerStatus::new(issuer, &record, self.policy(), now)
        };
        let static_keys = self.static_keys.iter();
        let static_keys = static_keys.map(|(issuer, keys)| IssuerStatus::of_static(issuer, keys));
        let fetched = self.keys.all().into_iter().map(status);
        static_keys.chain(fetched).collect()
    }

    pub(super) fn adapter_failures(&self) -> &AdapterFailures {
        &self.fetcher.rules.adapter_failures
    }

    fn policy(&self) -> &CachePolicy {
        &self.fetcher.rules.policy
    }
}

impl<C: ?Sized, A: ?Sized> fmt::Debug for Shared<C, A> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCache")
            .field("issuers", &self.keys.all().len())
            .field("refreshes_queued", &self.refreshes.len())
            .field("policy", self.policy())
            .finish_non_exhaustive()
    }
}

/// How many issuers with recently used leases are spared in one eviction. The next one is evicted
/// even if its lease was used.
const SPARED: usize = 8;

/// How many evicted issuers are remembered for each cached one. Their keys are dropped; their
/// back-off and cool-down must outlive the eviction.
const REMEMBERED: usize = 8;

/// The records of all issuers. At the limit the least recently used one is evicted.
pub(crate) struct Issuers<T: Cached>(Mutex<Records<T>>);

struct Records<T: Cached> {
    // `make_room` enforces the limits: a bounded `LruCache` allocates all its entries at once.
    kept: LruCache<Issuer, Arc<Slot<T>>>,
    evicted: LruCache<Issuer, Arc<Slot<T>>>,
}

impl<T: Cached> Issuers<T> {
    pub(crate) fn new() -> Self {
        Issuers(Mutex::new(Records {
            kept: LruCache::unbounded(),
            evicted: LruCache::unbounded(),
        }))
    }

    /// Returns the record of an issuer, and makes one if there is none.
    pub(crate) fn slot(
        &self,
        issuer: &Issuer,
        policy: &CachePolicy,
        now: NumericDate,
    ) -> Arc<Slot<T>> {
        let mut records = lock(&self.0);
        if let Some(slot) = records.kept.get(issuer) {
            return Arc::clone(slot);
        }
        let slot = match records.evicted.pop(issuer) {
            Some(slot) => {
                slot.lock().readmit();
                slot
            }
            None => Arc::default(),
        };
        records.make_room(policy, now);
        records.kept.put(issuer.clone(), Arc::clone(&slot));
        slot
    }

    /// The last good value of an issuer, however old. This does not count as a use of the record.
    pub(crate) fn peek(&self, issuer: &Issuer) -> Option<Good<T>> {
        let slot = lock(&self.0).kept.peek(issuer).map(Arc::clone)?;
        let record = slot.lock();
        record.good.clone()
    }

    /// All records with their issuers, without the evicted ones.
    pub(crate) fn all(&self) -> Vec<(Issuer, Arc<Slot<T>>)> {
        let records = lock(&self.0);
        let kept = records.kept.iter();
        kept.map(|(issuer, slot)| (issuer.clone(), Arc::clone(slot)))
            .collect()
    }
}

impl<T: Cached> Records<T> {
    fn make_room(&mut self, policy: &CachePolicy, now: NumericDate) {
        let mut spared = 0;
        while self.kept.len() >= policy.max_issuers.get()
            && let Some((issuer, slot)) = self.kept.pop_lru()
        {
            let mut record = slot.lock();
            // Callers that cache verified tokens check the lease and do not look the record up.
            if spared < SPARED && record.take_used() {
                spared += 1;
                drop(record);
                self.kept.put(issuer, slot);
                continue;
            }
            record.evict();
            let is_worth_keeping = record.is_worth_keeping(policy, now);
            drop(record);
            if is_worth_keeping {
                self.evicted.put(issuer, slot);
            }
        }
        while self.evicted.len() > policy.max_issuers.get().saturating_mul(REMEMBERED) {
            self.evicted.pop_lru();
        }
    }
}

impl<T: Cached> Record<T> {
    /// Drops the value of an evicted issuer. Its failures and its cool-down stay.
    fn evict(&mut self) {
        self.evicted = true;
        if let Some(good) = self.good.take() {
            good.value.end_lease();
        }
    }

    /// Takes an evicted issuer back, without a value.
    fn readmit(&mut self) {
        self.evicted = false;
        self.good = None;
    }

    /// Whether the record of an evicted issuer has a failure, a running round or a cool-down to
    /// remember.
    fn is_worth_keeping(&self, policy: &CachePolicy, now: NumericDate) -> bool {
        self.failures > 0
            || self.rounds.is_running(self.rounds.begun())
            || !self.cool_down(policy, now).is_zero()
    }

    /// Whether the lease of its keys was used since the last call of this function.
    fn take_used(&self) -> bool {
        let good = self.good.as_ref();
        good.is_some_and(|good| good.value.take_used())
    }
}

/// Tells the time. The default is the system clock.
#[derive(Clone)]
pub(crate) struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Clock(Arc::new(now))
    }

    pub(crate) fn now(&self) -> NumericDate {
        (self.0)().into()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new(SystemTime::now)
    }
}

/// Locks a mutex, poisoned or not. No user code runs under the locks of this crate, so a panic
/// elsewhere leaves the guarded value consistent.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
