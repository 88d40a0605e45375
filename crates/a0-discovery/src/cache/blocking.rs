//! The cache for blocking callers, and the driver of its queries and rounds.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use a0_http::{HttpClient, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;

use super::adapter::{CacheAdapter, CacheAdapterError};
use super::builder::KeyCacheBuilder;
use super::entry_keys::EntryAuthentication;
use super::flight::{Flight, Slot};
use super::observer::RefreshEnd;
use super::query::{Goal, Next, Query};
use super::refreshes::{BegunRefresh, Refreshable};
use super::round::Fetchable;
use super::shared;
use super::status::IssuerStatus;
use super::step::{Change, Found, Step};
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchRules, IssuerKeys};
use crate::issuer::Issuer;

/// Fetches and caches the keys of issuers. Each issuer's keys are separate. Cloning is cheap, and
/// all clones share one cache.
///
/// The [`CachePolicy`](crate::CachePolicy) says when keys are fetched and how long they are served.
///
/// Each issuer has one fetch at a time. Other calls that need its result wait for it and share it,
/// even if it is a failure. A call waits for others for at most
/// [`max_wait`](crate::CachePolicy::max_wait). A call that fetches takes as long as its HTTP client
/// and its adapter: at most two exchanges and a few calls of the adapter. If another process is
/// fetching, it waits for that process first, for at most half of `max_wait` and 1 s.
///
/// At most 64 calls fetch at the same time, at most 32 of them for issuers that have not answered
/// yet or are failing. A call beyond these limits gets keys that may be served, or an error.
/// Background refreshes run on at most 4 threads, which exist only while there are refreshes.
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

type Shared = shared::Shared<dyn HttpClient, dyn CacheAdapter>;

type Fetcher = shared::Fetcher<dyn HttpClient, dyn CacheAdapter>;

impl KeyCacheBuilder {
    /// Sets a second level behind the memory: a store that several processes share. The cache reads
    /// it before a fetch and writes to it after a fetch. If the store [has
    /// leases](CacheAdapter::has_leases), one process fetches for all.
    ///
    /// `entries` says how the cache recognises the entries of its own fleet: [`EntryKeys`], or
    /// [`EntryAuthentication::unauthenticated_entries`].
    ///
    /// ```
    /// use std::sync::Arc;
    /// use a0_discovery::{EntryKeys, FetchRules, InMemoryCache, KeyCache};
    ///
    /// # let client = |_: http::Request<Vec<u8>>| -> std::io::Result<_> { Ok(http::Response::new(Vec::new())) };
    /// # let secret = [7; 32];
    /// let rules = FetchRules::new([a0_jose::Algorithm::Rs256]);
    /// let cache = KeyCache::builder(rules, Arc::new(client))
    ///     .adapter(InMemoryCache::new(100), EntryKeys::new(secret)?)
    ///     .build();
    /// # let _ = cache;
    /// # Ok::<(), a0_discovery::EntryKeyTooShort>(())
    /// ```
    ///
    /// [`EntryKeys`]: crate::EntryKeys
    pub fn adapter(
        self,
        adapter: impl CacheAdapter + 'static,
        entries: impl Into<EntryAuthentication>,
    ) -> Self {
        let has_leases = adapter.has_leases();
        self.with_adapter(Arc::new(adapter), entries.into(), has_leases)
    }

    /// Overrides [`std::thread::sleep`], with which a thread waits for another process that fetches.
    /// The function returns after the given time, or earlier.
    pub fn pause(mut self, pause: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.pause = Arc::new(pause);
        self
    }

    /// Builds an empty cache.
    pub fn build(self) -> KeyCache {
        KeyCache(Arc::new(self.shared()))
    }
}

impl KeyCache {
    /// Returns a builder for a cache that fetches with `client`.
    pub fn builder(rules: FetchRules, client: Arc<dyn HttpClient>) -> KeyCacheBuilder {
        KeyCacheBuilder::new(rules, client)
    }

    /// Returns the keys of `issuer`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the keys cannot be fetched and none in memory may be served.
    pub fn keys(&self, issuer: &Issuer, now: NumericDate) -> Result<Arc<IssuerKeys>, Unavailable> {
        if let Some(keys) = self.0.static_keys(issuer) {
            return Ok(keys);
        }
        let slot = self.0.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Fresh, now)
    }

    /// Returns the keys of `issuer`. If none of them has this `kid` and algorithm, the cache
    /// fetches the keys again, within the policy's limits. The result may still lack the key.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] as for [`keys`](KeyCache::keys). It is also returned if the second fetch
    /// fails, or if a back-off forbids it, because it is then unknown whether the issuer has the
    /// key.
    pub fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        if let Some(keys) = self.0.static_keys(issuer) {
            return Ok(keys);
        }
        let slot = self.0.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Key(key_id, algorithm), now)
    }

    /// Returns the token endpoint of `issuer` (RFC 8414 section 2). It comes from the metadata of
    /// fresh keys in memory; if there are none, the metadata alone is fetched.
    ///
    /// # Errors
    ///
    /// [`TokenEndpointError`] if the metadata is unavailable or has no token endpoint, or if the
    /// endpoint is not on the issuer's own origin or a trusted one.
    pub fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        if let Some(endpoint) = self.0.fresh_token_endpoint(issuer, now) {
            return endpoint;
        }
        let slot = self.0.metadata_slot(issuer, now);
        let fetched = self.look_up(&slot, issuer, Goal::Fresh, now);
        self.0.token_endpoint(fetched, issuer, now)
    }

    /// Fetches the keys of `issuer` from the issuer itself and replaces those in memory and in the
    /// second level.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if the fetch fails. The cache then serves the keys in memory as before.
    pub fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        if let Some(keys) = self.0.static_keys(issuer) {
            return Ok(keys);
        }
        let slot = self.0.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Newest, now)
    }

    /// Returns the status of every issuer in memory.
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        self.0.status(now)
    }

    /// Returns how often the adapter failed or an entry in it was unusable.
    pub fn adapter_failures(&self) -> u64 {
        self.0.adapter_failures().count()
    }

    /// Returns the last error of the adapter.
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.0.adapter_failures().last_error()
    }

    fn look_up<'q, T: Refreshable>(
        &'q self,
        slot: &'q Arc<Slot<T>>,
        issuer: &Issuer,
        goal: Goal<'q>,
        now: NumericDate,
    ) -> Result<Arc<T>, Unavailable> {
        let fetcher = &self.0.fetcher;
        let mut next = Query::begin(slot, &fetcher.rules, goal, now);
        loop {
            next = match next {
                Next::Done(answer) => return answer,
                Next::DoneAndRefresh(served) => {
                    self.0.queue_refresh(issuer, T::target(slot), now);
                    self.start_refreshes();
                    return Ok(served);
                }
                Next::Wait(waiting) => waiting.wait_blocking(),
                Next::Lead(flight, waiting) => {
                    fetcher.carry_out(flight, &*fetcher.client, issuer);
                    waiting.ended()
                }
            };
        }
    }

    /// Starts a thread for each background refresh that gets a permit. If a thread cannot be
    /// started, its refresh is cancelled and will be due again. The others stay in the queue until
    /// the next caller.
    fn start_refreshes(&self) {
        while let Some(first) = self.0.next_refresh() {
            let (cache, fetcher) = (Arc::downgrade(&self.0), Arc::clone(&self.0.fetcher));
            let thread = std::thread::Builder::new().name("a0-discovery".into());
            first.by_caller().store(true, Ordering::Release);
            if thread
                .spawn(move || run_refreshes(first, &cache, &fetcher))
                .is_err()
            {
                return;
            }
        }
    }
}

/// Carries out background refreshes until the queue is empty. It sends no further requests once the
/// last clone of the cache is dropped.
fn run_refreshes(first: BegunRefresh, cache: &Weak<Shared>, fetcher: &Fetcher) {
    first.by_caller().store(false, Ordering::Release);
    let client = |request: Request<Vec<u8>>| match cache.strong_count() {
        0 => Err(TransportError::from(TransportErrorKind::Other)),
        _ => fetcher.client.exchange(request),
    };
    let mut next = Some(first);
    while let Some(begun) = next {
        match begun {
            BegunRefresh::Keys(flight, issuer) => {
                fetcher.carry_out(flight, &client, &issuer);
            }
            BegunRefresh::Metadata(flight, issuer) => {
                fetcher.carry_out(flight, &client, &issuer);
            }
        }
        next = cache.upgrade().and_then(|cache| cache.next_refresh());
    }
}

impl Fetcher {
    fn carry_out<T: Fetchable>(&self, flight: Flight<T>, client: &dyn HttpClient, issuer: &Issuer) {
        let mut watched = self.watch::<T>(issuer);
        let (since, began) = (self.clock.now(), flight.began());
        let step = T::begin(flight.plan(&self.rules, issuer));
        let round = watched.scoped(|| self.run(step, client, began));
        let at = self.clock.now();
        let end = RefreshEnd::new(&round, at);
        let is_newest = flight.finish(round.outcome, since, at);
        watched.end(&end);
        if let Some(aftermath) = round.aftermath {
            self.run(aftermath.begin(is_newest, at), client, began);
        }
    }

    /// Carries out steps to the last. They belong to a round that began at `began`.
    fn run<D>(&self, mut step: Step<'_, D>, client: &dyn HttpClient, began: Instant) -> D {
        loop {
            step = match step {
                Step::Read(name, then) => then(self.read(&name)),
                Step::Change(change, then) => then(self.change(&change)),
                Step::Exchange(request, then) => then(client.exchange(request)),
                Step::Wait(duration, then) => {
                    (self.pause)(duration);
                    then(Some(began.elapsed()))
                }
                Step::Done(result) => return result,
            };
        }
    }

    fn read(&self, name: &str) -> Found {
        match &self.adapter {
            Some(adapter) => self.rules.found(adapter.get(name)),
            None => Found::Nothing,
        }
    }

    fn change(&self, change: &Change) -> Option<bool> {
        let adapter = self.adapter.as_ref()?;
        let changed = match change {
            Change::SetIfAbsent { name, value, ttl } => adapter.set_if_absent(name, value, *ttl),
            Change::SetIfEqual {
                name,
                expected,
                value,
                ttl,
            } => adapter.set_if_equal(name, expected, value, *ttl),
            Change::DeleteIfEqual { name, expected } => adapter.delete_if_equal(name, expected),
        };
        self.rules.adapter_failures.take_response(changed)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
