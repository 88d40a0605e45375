//! The cache for callers that block.

use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use a0_http::{HttpClient, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;

use super::adapter::{CacheAdapter, CacheAdapterError};
use super::builder::KeyCacheBuilder;
use super::flight::{Flight, Slot};
use super::query::{Goal, Next};
use super::refreshes::{BegunRefresh, Refreshable};
use super::round::{Fetched, Step};
use super::second_level::Entry;
use super::shared;
use super::status::IssuerStatus;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchRules, IssuerKeys};
use crate::issuer::Issuer;

/// The keys of issuers, each issuer's apart from all others'. Cheap to clone; clones share the keys.
///
/// For each issuer there is one fetch at a time. Whoever else needs its result waits for it, at most
/// for [`max_wait`](crate::CachePolicy::max_wait), and shares it, a failure too. A call that fetches is
/// bounded by its client and its adapter: two exchanges, and a few calls of the adapter. When keys are
/// fetched and served is up to the [`CachePolicy`](crate::CachePolicy).
///
/// At most 64 calls fetch at once, half of them for issuers that have not answered yet or are failing.
/// Further calls are served what there is, or refused. Background refreshes run on at most 4 threads,
/// which exist only while there is work.
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

type Shared = shared::Shared<dyn HttpClient, dyn CacheAdapter>;

type Fetcher = shared::Fetcher<dyn HttpClient, dyn CacheAdapter>;

impl KeyCacheBuilder {
    /// Sets a second level behind the memory: a store that several processes share. It is read before a
    /// fetch and written after it.
    pub fn adapter(self, adapter: impl CacheAdapter + 'static) -> Self {
        self.with_adapter(Arc::new(adapter))
    }

    /// Builds an empty cache.
    pub fn build(self) -> KeyCache {
        KeyCache(Arc::new(self.shared()))
    }
}

impl KeyCache {
    /// Begins a cache that fetches with `client`.
    pub fn builder(rules: FetchRules, client: Arc<dyn HttpClient>) -> KeyCacheBuilder {
        KeyCacheBuilder::new(rules, client)
    }

    /// Returns the keys of `issuer`.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] if they cannot be fetched and none in memory may be served.
    pub fn keys(&self, issuer: &Issuer, now: NumericDate) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.0.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Fresh, now)
    }

    /// Returns the keys of `issuer`. If none of them has this `kid` and algorithm, they are fetched once
    /// more, within the policy's limits. The caller looks whether the key is there then.
    ///
    /// # Errors
    ///
    /// [`Unavailable`], also if that fetch fails, or if the last one did and it is too early for
    /// another: then nobody knows whether the issuer has such a key.
    pub fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.0.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Key(key_id, algorithm), now)
    }

    /// Returns the token endpoint of `issuer` (RFC 8414 section 2), which is on the issuer's own origin
    /// or a trusted one. It comes from the metadata of its keys, or from metadata that is fetched alone.
    ///
    /// # Errors
    ///
    /// [`TokenEndpointError`].
    pub fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        if let Some(known) = self.0.known_token_endpoint(issuer, now) {
            return known;
        }
        let slot = self.0.metadata_slot(issuer, now);
        let found = self.look_up(&slot, issuer, Goal::Fresh, now);
        self.0.token_endpoint(found, issuer, now)
    }

    /// Fetches the keys of `issuer` from the issuer itself, whatever is in memory or in the second
    /// level, and replaces what was there.
    ///
    /// # Errors
    ///
    /// [`Unavailable`]. Keys in memory are then served as before.
    pub fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.0.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Newest, now)
    }

    /// Returns what is known of every issuer in memory.
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        self.0.status(now)
    }

    /// Returns how often the adapter failed, or held something unusable.
    pub fn adapter_misses(&self) -> u64 {
        self.0.misses().count()
    }

    /// Returns the last error of the adapter.
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.0.misses().last_error()
    }

    fn look_up<'q, T: Refreshable>(
        &'q self,
        slot: &'q Arc<Slot<T>>,
        issuer: &Issuer,
        goal: Goal<'q>,
        now: NumericDate,
    ) -> Result<Arc<T>, Unavailable> {
        let fetcher = &self.0.fetcher;
        let mut next = self.0.query(slot, goal, now).begin();
        loop {
            next = match next {
                Next::Done(answer) => return answer,
                Next::DoneAndRefresh(served) => {
                    self.0.queue_refresh(issuer, T::what(slot), now);
                    self.refresh();
                    return Ok(served);
                }
                Next::Wait(waiting) => waiting.block(),
                Next::Lead(flight, waiting) => {
                    fetcher.carry_out(flight, &*fetcher.client, issuer, goal);
                    waiting.ended()
                }
            };
        }
    }

    /// Starts a thread for every background refresh that has a place. If none can be had, the refresh is
    /// cancelled and becomes due again, and the others stay in the queue until a caller comes.
    fn refresh(&self) {
        while let Some(first) = self.0.next_refresh() {
            let (cache, fetcher) = (Arc::downgrade(&self.0), Arc::clone(&self.0.fetcher));
            let thread = std::thread::Builder::new().name("a0-discovery".into());
            first.by_caller().store(true, Ordering::Release);
            if thread
                .spawn(move || refresh(first, &cache, &fetcher))
                .is_err()
            {
                return;
            }
        }
    }
}

/// Carries out background refreshes until none is due. The client stops sending requests once the last
/// clone of the cache is dropped.
fn refresh(first: BegunRefresh, cache: &Weak<Shared>, fetcher: &Fetcher) {
    first.by_caller().store(false, Ordering::Release);
    let client = |request: Request<Vec<u8>>| match cache.strong_count() {
        0 => Err(TransportError::from(TransportErrorKind::Other)),
        _ => fetcher.client.exchange(request),
    };
    let mut next = Some(first);
    while let Some(begun) = next {
        match begun {
            BegunRefresh::Keys(flight, issuer) => {
                fetcher.carry_out(flight, &client, &issuer, Goal::Fresh)
            }
            BegunRefresh::Metadata(flight, issuer) => {
                fetcher.carry_out(flight, &client, &issuer, Goal::Fresh);
            }
        }
        next = cache.upgrade().and_then(|cache| cache.next_refresh());
    }
}

impl Fetcher {
    fn carry_out<T: Fetched>(
        &self,
        flight: Flight<T>,
        client: &dyn HttpClient,
        issuer: &Issuer,
        goal: Goal<'_>,
    ) {
        let since = self.now();
        let mut step = self.begin(&flight, issuer, goal);
        loop {
            step = match step {
                Step::Read(key, then) => then(self.read(&key)),
                Step::Exchange(request, then) => then(client.exchange(request)),
                Step::Done(outcome, entries) => {
                    if flight.finish(outcome, since, self.now()) {
                        entries.iter().for_each(|entry| self.write(entry));
                    }
                    return;
                }
            };
        }
    }

    fn read(&self, key: &str) -> Option<String> {
        let entry = self.adapter.as_ref()?.get(key);
        self.rules.misses.answered(entry)?
    }

    fn write(&self, entry: &Entry) {
        let Some(adapter) = &self.adapter else {
            return;
        };
        let stored = adapter.get(&entry.key);
        let Some(stored) = self.rules.misses.answered(stored) else {
            // A newer document may stand there.
            return;
        };
        if stored.is_none_or(|stored| entry.may_replace(&stored, self.now())) {
            let written = adapter.set(&entry.key, &entry.value, entry.ttl);
            self.rules.misses.answered(written);
        }
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
