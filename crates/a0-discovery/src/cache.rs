//! Keys in memory: who fetches them, who waits, and who is served meanwhile.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use a0_http::{HttpClient, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;
use lru::LruCache;

use crate::adapter::{CacheAdapter, CacheAdapterError};
use crate::errand::{KeysErrand, Rules, Want};
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchMetadata, FetchRules, IssuerKeys, ServerMetadata};
use crate::flight::{Flight, Slot};
use crate::issuer::Issuer;
use crate::lock::lock;
use crate::lookup::{Goal, Lookup, Todo};
use crate::policy::CachePolicy;
use crate::second_level::{Entry, Misses};
use crate::stamp::Kept;
use crate::status::IssuerStatus;

type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The keys of issuers, each issuer's apart from all others'. Cheap to clone; clones share the keys.
///
/// For each issuer there is one fetch at a time, whoever wants its keys: the others wait for that
/// fetch and share what it gives, a failure too. Callers of other issuers never wait for it. What is
/// served when is the [`CachePolicy`]'s.
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

struct Shared {
    keys: Slots<IssuerKeys>,
    /// Of issuers whose keys nobody asked for.
    metadata: Slots<ServerMetadata>,
    fetcher: Arc<Fetcher>,
}

/// Everything that a round needs.
struct Fetcher {
    rules: Rules,
    client: Arc<dyn HttpClient>,
    adapter: Option<Arc<dyn CacheAdapter>>,
    clock: Clock,
}

/// The options of a [`KeyCache`].
#[must_use]
pub struct KeyCacheBuilder {
    rules: FetchRules,
    client: Arc<dyn HttpClient>,
    policy: CachePolicy,
    adapter: Option<Arc<dyn CacheAdapter>>,
    clock: Clock,
}

impl KeyCacheBuilder {
    /// What is served when.
    pub fn policy(mut self, policy: CachePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// A second level behind the memory: it is read before a fetch, and written after one.
    pub fn adapter(mut self, adapter: impl CacheAdapter + 'static) -> Self {
        self.adapter = Some(Arc::new(adapter));
        self
    }

    /// Where the time of a failure comes from, in place of the system's clock. All other times are
    /// arguments.
    pub fn clock(mut self, now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Arc::new(now);
        self
    }

    /// An empty cache.
    pub fn build(self) -> KeyCache {
        KeyCache(Arc::new(Shared {
            keys: Slots::new(),
            metadata: Slots::new(),
            fetcher: Arc::new(Fetcher {
                rules: Rules {
                    fetch: Arc::new(self.rules),
                    policy: self.policy,
                    has_adapter: self.adapter.is_some(),
                    misses: Misses::default(),
                },
                client: self.client,
                adapter: self.adapter,
                clock: self.clock,
            }),
        }))
    }
}

impl KeyCache {
    /// A cache that fetches with `client`.
    pub fn builder(rules: FetchRules, client: Arc<dyn HttpClient>) -> KeyCacheBuilder {
        KeyCacheBuilder {
            rules,
            client,
            policy: CachePolicy::default(),
            adapter: None,
            clock: Arc::new(SystemTime::now),
        }
    }

    /// The keys of `issuer`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where none could be fetched and none may be served.
    pub fn keys(&self, issuer: &Issuer, now: NumericDate) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Fresh, now)
    }

    /// The keys of `issuer`, fetched once more, within the policy's limits, if there is none among
    /// them for this `kid` and algorithm. Whether there is one then is for the caller to see.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], also where that fetch fails, or the last one did and it is too early for
    /// another: then nobody knows whether the issuer has such a key.
    pub fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Key(key_id, algorithm), now)
    }

    /// Where the token endpoint of `issuer` is (RFC 8414 section 2): of the issuer's own origin, or of
    /// a trusted one. The metadata is that of its keys, or is fetched alone.
    ///
    /// # Errors
    ///
    /// [`TokenEndpointError`].
    pub fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        let Rules { fetch, policy, .. } = &self.0.fetcher.rules;
        if let Some(keys) = self
            .0
            .keys
            .peek(issuer)
            .filter(|keys| policy.are_fresh(&**keys, now))
        {
            return fetch.token_endpoint(keys.metadata(), issuer);
        }
        let slot = self.0.metadata.slot(issuer, policy.max_issuers);
        let mut lookup = Lookup::new(&slot, policy, false, Goal::Fresh, now);
        let fetcher = &self.0.fetcher;
        let found = loop {
            match lookup.next() {
                Todo::Return(found) => break found?,
                Todo::Wait(round) => slot.wait(round),
                Todo::Fetch(flight, _) | Todo::Behind(flight) => {
                    fetcher.metadata(flight, issuer, now)
                }
            }
        };
        fetch.token_endpoint(&found.metadata, issuer)
    }

    /// Fetches the keys of `issuer` from the issuer itself, whatever is in memory or behind it, and
    /// replaces what was there.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]; what is in memory is then served as before.
    pub fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Newest, now)
    }

    /// What is known of every issuer that this cache was asked about, as far as it is in memory.
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let slots = self.0.keys.lock();
        let slots = slots.iter();
        let slots: Vec<_> = slots
            .map(|(name, slot)| (name.clone(), Arc::clone(slot)))
            .collect();
        let policy = &self.0.fetcher.rules.policy;
        let status = |(issuer, slot): (Issuer, Arc<Slot<IssuerKeys>>)| {
            slot.lock().status(issuer, policy, now)
        };
        slots.into_iter().map(status).collect()
    }

    /// How often the adapter failed, or held something that could not be used.
    pub fn adapter_misses(&self) -> u64 {
        self.0.fetcher.rules.misses.count()
    }

    /// The last error of the adapter.
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.0.fetcher.rules.misses.last_error()
    }

    fn look_up(
        &self,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let fetcher = &self.0.fetcher;
        let slot = self.0.keys.slot(issuer, fetcher.rules.policy.max_issuers);
        let Rules {
            policy,
            has_adapter,
            ..
        } = &fetcher.rules;
        let mut lookup = Lookup::new(&slot, policy, *has_adapter, goal, now);
        loop {
            match lookup.next() {
                Todo::Return(answer) => return answer,
                Todo::Wait(round) => slot.wait(round),
                Todo::Fetch(flight, goal) => {
                    fetcher.keys(flight, &*fetcher.client, issuer, goal, now);
                }
                Todo::Behind(flight) => self.refresh(flight, issuer.clone(), now),
            }
        }
    }

    /// Carries out a round on a thread of its own, which asks for nothing more once the last clone of
    /// this cache is gone.
    fn refresh(&self, flight: Flight<IssuerKeys>, issuer: Issuer, now: NumericDate) {
        let cache = Arc::downgrade(&self.0);
        let fetcher = Arc::clone(&self.0.fetcher);
        let work = move || {
            let client = |request: Request<Vec<u8>>| match cache.strong_count() {
                0 => Err(TransportError::from(TransportErrorKind::Other)),
                _ => fetcher.client.exchange(request),
            };
            fetcher.keys(flight, &client, &issuer, Goal::Fresh, now);
        };
        // Where no thread can be had, the round is dropped with its work, and the next one is tried
        // when another may start.
        let _ = std::thread::Builder::new()
            .name("a0-discovery".into())
            .spawn(work);
    }
}

impl Fetcher {
    /// Carries out a round with `client`, which is this one's own but for refreshes that may have to
    /// end early.
    fn keys<C: HttpClient + ?Sized>(
        &self,
        flight: Flight<IssuerKeys>,
        client: &C,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) {
        let in_memory = flight.in_hand();
        let mut want = KeysErrand::begin(&self.rules, issuer, goal, in_memory, now);
        loop {
            want = match want {
                Want::Read(key, errand) => errand.read(self.read(&key)),
                Want::Ask(request, errand) => errand.answered(client.exchange(request)),
                Want::Done(outcome, entries) => {
                    flight.finish(outcome, self.now());
                    return entries.iter().for_each(|entry| self.write(entry));
                }
            };
        }
    }

    fn metadata(&self, flight: Flight<ServerMetadata>, issuer: &Issuer, now: NumericDate) {
        let fetched = FetchMetadata::start(issuer.clone(), now)
            .and_then(|step| a0_http::drive(&*self.client, step));
        flight.finish(fetched.into(), self.now());
    }

    fn read(&self, key: &str) -> Option<String> {
        let entry = self.adapter.as_ref()?.get(key);
        self.rules.misses.answered(entry)?
    }

    fn write(&self, entry: &Entry) {
        if let Some(adapter) = &self.adapter {
            let written = adapter.set(&entry.key, &entry.value, entry.ttl);
            self.rules.misses.answered(written);
        }
    }

    fn now(&self) -> NumericDate {
        (self.clock)().into()
    }
}

/// Slots by issuer, the least recently used of which is dropped at the limit.
struct Slots<T: Kept>(Mutex<LruCache<Issuer, Arc<Slot<T>>>>);

impl<T: Kept> Slots<T> {
    /// Bounded by hand: a bounded map takes the room for all its entries at once.
    fn new() -> Self {
        Slots(Mutex::new(LruCache::unbounded()))
    }

    fn slot(&self, issuer: &Issuer, limit: NonZeroUsize) -> Arc<Slot<T>> {
        let mut slots = self.lock();
        if let Some(slot) = slots.get(issuer) {
            return Arc::clone(slot);
        }
        let slot = Arc::default();
        slots.put(issuer.clone(), Arc::clone(&slot));
        if slots.len() > limit.get() {
            slots.pop_lru();
        }
        slot
    }

    /// The last good value of an issuer, as it is.
    fn peek(&self, issuer: &Issuer) -> Option<Arc<T>> {
        let slot = self.lock().peek(issuer).map(Arc::clone)?;
        let good = slot.lock().good();
        good.map(|good| good.value)
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Issuer, Arc<Slot<T>>>> {
        lock(&self.0)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCache")
            .field("issuers", &self.0.keys.lock().len())
            .field("policy", &self.0.fetcher.rules.policy)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for KeyCacheBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCacheBuilder")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
