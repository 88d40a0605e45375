//! Keys in memory: who fetches them, who waits, and who is served meanwhile.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use a0_http::{HttpClient, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;
use lru::LruCache;

use crate::adapter::CacheAdapter;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchRules, IssuerKeys, ServerMetadata};
use crate::fetcher::{Clock, Fetcher, Goal};
use crate::flight::{Acted, Flight, Found, Slot, Work};
use crate::issuer::Issuer;
use crate::policy::{CachePolicy, Refresh};
use crate::second_level::SecondLevel;
use crate::status::IssuerStatus;

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
                rules: Arc::new(self.rules),
                client: self.client,
                policy: self.policy,
                second_level: SecondLevel::new(self.adapter),
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
        let found = self.serve(&self.slot(issuer), issuer, now)?;
        Ok(found.good.value)
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
        let slot = self.slot(issuer);
        let Found { rounds, mut good } = self.serve(&slot, issuer, now)?;
        let policy = &self.0.fetcher.policy;
        let fetch = |flight| self.carry_out(flight, issuer, Goal::Key(key_id, algorithm), now);
        let work = Work::here(&fetch);
        while !good.value.keys().contains(key_id, algorithm) {
            let decision = slot.lock().decide_unknown_kid(rounds, policy, now);
            let round = match slot.act(decision, &work)? {
                Acted::Served(good) => return Ok(good.value),
                Acted::Ended(round) => round,
            };
            let record = slot.lock();
            match (record.good(), record.failed_since(round, now)) {
                (Some(newer), _) if newer.value.keys().contains(key_id, algorithm) => good = newer,
                (_, Some(error)) => return Err(error.not_before(record.cool_down(policy, now))),
                // Newer keys without it, which the next decision serves; or a round that began
                // before this call, or that was abandoned.
                (_, None) => {}
            }
        }
        Ok(good.value)
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
        let fetcher = &self.0.fetcher;
        let known = self.0.keys.lock().peek(issuer).map(Arc::clone);
        let known = known.and_then(|slot| slot.lock().good());
        if let Some(good) = known.filter(|good| fetcher.policy.are_fresh(&*good.value, now)) {
            return fetcher.rules.token_endpoint(good.value.metadata(), issuer);
        }
        let slot = self.0.metadata.slot(issuer, fetcher.policy.max_issuers);
        let fetch = |flight| {
            fetcher.carry_out(flight, |_| fetcher.metadata(&*fetcher.client, issuer, now));
        };
        let found = slot.serve(&fetcher.policy, now, &Work::here(&fetch))?;
        fetcher
            .rules
            .token_endpoint(&found.good.value.metadata, issuer)
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
        let slot = self.slot(issuer);
        let rounds = slot.lock().rounds();
        let fetch = |flight| self.carry_out(flight, issuer, Goal::Newest, now);
        loop {
            let decision = slot.lock().decide_reload(now);
            slot.act(decision, &Work::here(&fetch))?;
            let record = slot.lock();
            // A round that began before this call does not do: it may have missed what is new.
            match record.good().filter(|good| good.round > rounds) {
                Some(good) => return Ok(good.value),
                None => match record.failed_since(rounds.saturating_add(1), now) {
                    Some(error) => return Err(error),
                    None => continue,
                },
            }
        }
    }

    /// What is known of every issuer that this cache was asked about, as far as it is in memory.
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let slots = self.0.keys.lock();
        let slots = slots.iter();
        let slots: Vec<_> = slots
            .map(|(name, slot)| (name.clone(), Arc::clone(slot)))
            .collect();
        let policy = &self.0.fetcher.policy;
        let status = |(issuer, slot): (Issuer, Arc<Slot<IssuerKeys>>)| {
            slot.lock().status(issuer, policy, now)
        };
        slots.into_iter().map(status).collect()
    }

    fn slot(&self, issuer: &Issuer) -> Arc<Slot<IssuerKeys>> {
        self.0.keys.slot(issuer, self.0.fetcher.policy.max_issuers)
    }

    /// How often the adapter failed, or held something that could not be used.
    pub fn adapter_misses(&self) -> u64 {
        self.0.fetcher.second_level.misses()
    }

    fn serve(
        &self,
        slot: &Arc<Slot<IssuerKeys>>,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Found<IssuerKeys>, Unavailable> {
        let work = |flight| self.carry_out(flight, issuer, Goal::Fresh, now);
        let refresh = |flight| self.refresh(flight, issuer.clone(), now);
        let in_background = self.0.fetcher.policy.refresh == Refresh::Background;
        let work = Work {
            here: &work,
            behind: in_background.then_some(&refresh),
        };
        slot.serve(&self.0.fetcher.policy, now, &work)
    }

    fn carry_out(
        &self,
        flight: Flight<IssuerKeys>,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) {
        let fetcher = &self.0.fetcher;
        fetcher.carry_out(flight, |in_memory| {
            fetcher.keys(&*fetcher.client, issuer, goal, in_memory, now)
        });
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
            fetcher.carry_out(flight, |in_memory| {
                fetcher.keys(&client, &issuer, Goal::Fresh, in_memory, now)
            });
        };
        // Where no thread can be had, the round is dropped with its work, and the next one is tried
        // when another may start.
        let _ = std::thread::Builder::new()
            .name("a0-discovery".into())
            .spawn(work);
    }
}

/// Slots by issuer, the least recently used of which is dropped at the limit.
struct Slots<T>(Mutex<LruCache<Issuer, Arc<Slot<T>>>>);

impl<T> Slots<T> {
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

    /// A thread that panicked while it held the lock left a value that is whole all the same.
    fn lock(&self) -> MutexGuard<'_, LruCache<Issuer, Arc<Slot<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCache")
            .field("issuers", &self.0.keys.lock().len())
            .field("policy", &self.0.fetcher.policy)
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
