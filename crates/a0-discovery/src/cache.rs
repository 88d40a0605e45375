//! Keys in memory: who fetches them, who waits, and who is served meanwhile.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use a0_http::{HttpClient, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;
use lru::LruCache;

use crate::adapter::CacheAdapter;
use crate::error::KeysUnavailable;
use crate::fetch::{FetchRules, IssuerKeys};
use crate::fetcher::{Clock, Fetcher, Goal};
use crate::flight::{Flight, Slot};
use crate::issuer::Issuer;
use crate::policy::{CachePolicy, Decision, Good, Refresh, Round};
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
    slots: Mutex<LruCache<Issuer, Arc<Slot>>>,
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
            // Bounded by hand: a bounded one takes the room for all its entries at once.
            slots: Mutex::new(LruCache::unbounded()),
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
    /// [`KeysUnavailable`] where none could be fetched and none may be served.
    pub fn keys(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, KeysUnavailable> {
        let found = self.serve(&self.slot(issuer), issuer, now)?;
        Ok(found.good.keys)
    }

    /// The keys of `issuer`, fetched once more, within the policy's limits, if there is none among
    /// them for this `kid` and algorithm. Whether there is one then is for the caller to see.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`], also where that fetch fails, or the last one did and it is too early for
    /// another: then nobody knows whether the issuer has such a key.
    pub fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, KeysUnavailable> {
        let slot = self.slot(issuer);
        let Found { rounds, mut good } = self.serve(&slot, issuer, now)?;
        let policy = &self.0.fetcher.policy;
        while !good.keys.keys().contains(key_id, algorithm) {
            let decision = slot.lock().decide_unknown_kid(rounds, policy, now);
            let goal = Goal::Key(key_id, algorithm);
            let round = match self.act(decision, &slot, issuer, goal, now)? {
                Acted::Served(good) => return Ok(good.keys),
                Acted::Ended(round) => round,
            };
            let record = slot.lock();
            match (record.good(), record.failed_since(round, now)) {
                (Some(newer), _) if newer.keys.keys().contains(key_id, algorithm) => good = newer,
                (_, Some(error)) => return Err(error.not_before(record.cool_down(policy, now))),
                // Newer keys without it, which the next decision serves; or a round that began
                // before this call, or that was abandoned.
                (_, None) => {}
            }
        }
        Ok(good.keys)
    }

    /// Fetches the keys of `issuer` from the issuer itself, whatever is in memory or behind it, and
    /// replaces what was there.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`]; what is in memory is then served as before.
    pub fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, KeysUnavailable> {
        let slot = self.slot(issuer);
        let rounds = slot.lock().rounds();
        loop {
            let decision = slot.lock().decide_reload(now);
            self.act(decision, &slot, issuer, Goal::Newest, now)?;
            let record = slot.lock();
            // A round that began before this call does not do: it may have missed what is new.
            match record.good().filter(|good| good.round > rounds) {
                Some(good) => return Ok(good.keys),
                None => match record.failed_since(rounds.saturating_add(1), now) {
                    Some(error) => return Err(error),
                    None => continue,
                },
            }
        }
    }

    /// What is known of every issuer that this cache was asked about, as far as it is in memory.
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        let slots: Vec<(Issuer, Arc<Slot>)> = lock(&self.0.slots)
            .iter()
            .map(|(issuer, slot)| (issuer.clone(), Arc::clone(slot)))
            .collect();
        let policy = &self.0.fetcher.policy;
        let status = |(issuer, slot): (Issuer, Arc<Slot>)| slot.lock().status(issuer, policy, now);
        slots.into_iter().map(status).collect()
    }

    /// How often the adapter failed, or held something that could not be used.
    pub fn adapter_misses(&self) -> u64 {
        self.0.fetcher.second_level.misses()
    }

    fn slot(&self, issuer: &Issuer) -> Arc<Slot> {
        let mut slots = lock(&self.0.slots);
        if let Some(slot) = slots.get(issuer) {
            return Arc::clone(slot);
        }
        let slot = Arc::default();
        slots.put(issuer.clone(), Arc::clone(&slot));
        if slots.len() > self.0.fetcher.policy.max_issuers.get() {
            slots.pop_lru();
        }
        slot
    }

    fn serve(
        &self,
        slot: &Arc<Slot>,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Found, KeysUnavailable> {
        let policy = &self.0.fetcher.policy;
        let mut came_at = None;
        loop {
            let mut record = slot.lock();
            let rounds = *came_at.get_or_insert(record.rounds());
            let decision = record.decide(policy, now);
            drop(record);
            let round = match self.act(decision, slot, issuer, Goal::Fresh, now)? {
                Acted::Served(good) => return Ok(Found { rounds, good }),
                Acted::Ended(round) => round,
            };
            if let Some(outcome) = slot.lock().outcome(round, policy, now) {
                return outcome.map(|good| Found { rounds, good });
            }
        }
    }

    /// Does what was decided.
    fn act(
        &self,
        decision: Decision,
        slot: &Arc<Slot>,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) -> Result<Acted, KeysUnavailable> {
        let fetcher = &self.0.fetcher;
        match decision {
            Decision::Use(good) => Ok(Acted::Served(good)),
            Decision::Fail(error) => Err(error),
            Decision::Join(round) => {
                slot.wait(round);
                Ok(Acted::Ended(round))
            }
            Decision::UseAndRefresh(good, round)
                if fetcher.policy.refresh == Refresh::Background =>
            {
                self.refresh(Flight::of(slot, round), issuer.clone(), now);
                Ok(Acted::Served(good))
            }
            Decision::Fetch(round) | Decision::UseAndRefresh(_, round) => {
                fetcher.carry_out(Flight::of(slot, round), &*fetcher.client, issuer, goal, now);
                Ok(Acted::Ended(round))
            }
        }
    }

    /// Carries out a round on a thread of its own, which asks for nothing more once the last clone of
    /// this cache is gone.
    fn refresh(&self, flight: Flight, issuer: Issuer, now: NumericDate) {
        let cache = Arc::downgrade(&self.0);
        let fetcher = Arc::clone(&self.0.fetcher);
        let work = move || {
            let client = |request: Request<Vec<u8>>| match cache.strong_count() {
                0 => Err(TransportError::from(TransportErrorKind::Other)),
                _ => fetcher.client.exchange(request),
            };
            fetcher.carry_out(flight, &client, &issuer, Goal::Fresh, now);
        };
        // Where no thread can be had, the round is dropped with its work, and the next one is tried
        // when another may start.
        let _ = std::thread::Builder::new()
            .name("a0-discovery".into())
            .spawn(work);
    }
}

/// Keys to serve, and the rounds that had started when the call came.
struct Found {
    rounds: Round,
    good: Good,
}

/// What became of a decision.
enum Acted {
    Served(Good),
    /// This round is over.
    Ended(Round),
}

/// A thread that panicked while it held the lock left a value that is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("KeyCache")
            .field("issuers", &lock(&self.0.slots).len())
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
