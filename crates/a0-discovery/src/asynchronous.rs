//! The same for async callers: the policy and the protocol are those of the blocking cache, and only
//! the waiting differs. No runtime is named.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use a0_http::{AsyncHttpClient, Exchange, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use http::Request;

use crate::adapter::{CacheAdapter, CacheAdapterError};
use crate::errand::{KeysErrand, Want};
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchMetadata, FetchRules, IssuerKeys, ServerMetadata};
use crate::flight::Flight;
use crate::in_memory::InMemoryCache;
use crate::issuer::Issuer;
use crate::lookup::{Goal, Todo};
use crate::memory::{Fetcher, KeyCacheBuilder, Memory};
use crate::second_level::Entry;
use crate::status::IssuerStatus;

/// What an [`AsyncCacheAdapter`] gives: a future that borrows it and its arguments.
pub type AdapterAnswer<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, CacheAdapterError>> + Send + 'a>>;

/// A [`CacheAdapter`] for async callers, which does not block. It owes the same, and its futures end by
/// themselves: nothing here gives up on one.
pub trait AsyncCacheAdapter: Send + Sync {
    /// As [`CacheAdapter::get`].
    fn get<'a>(&'a self, key: &'a str) -> AdapterAnswer<'a, Option<String>>;

    /// As [`CacheAdapter::set`].
    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterAnswer<'a, ()>;

    /// As [`CacheAdapter::set_if_absent`].
    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterAnswer<'a, bool>;

    /// As [`CacheAdapter::delete`].
    fn delete<'a>(&'a self, key: &'a str) -> AdapterAnswer<'a, ()>;

    /// As [`CacheAdapter::clear`].
    fn clear(&self) -> AdapterAnswer<'_, ()>;
}

impl<T: AsyncCacheAdapter + ?Sized> AsyncCacheAdapter for Arc<T> {
    fn get<'a>(&'a self, key: &'a str) -> AdapterAnswer<'a, Option<String>> {
        (**self).get(key)
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterAnswer<'a, ()> {
        (**self).set(key, value, ttl)
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterAnswer<'a, bool> {
        (**self).set_if_absent(key, value, ttl)
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterAnswer<'a, ()> {
        (**self).delete(key)
    }

    fn clear(&self) -> AdapterAnswer<'_, ()> {
        (**self).clear()
    }
}

/// Memory alone: it has nothing to wait for.
impl AsyncCacheAdapter for InMemoryCache {
    fn get<'a>(&'a self, key: &'a str) -> AdapterAnswer<'a, Option<String>> {
        Box::pin(async move { CacheAdapter::get(self, key) })
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterAnswer<'a, ()> {
        Box::pin(async move { CacheAdapter::set(self, key, value, ttl) })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterAnswer<'a, bool> {
        Box::pin(async move { CacheAdapter::set_if_absent(self, key, value, ttl) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterAnswer<'a, ()> {
        Box::pin(async move { CacheAdapter::delete(self, key) })
    }

    fn clear(&self) -> AdapterAnswer<'_, ()> {
        Box::pin(async move { CacheAdapter::clear(self) })
    }
}

/// A task that fetches, for a runtime.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The keys of issuers, for async callers: [`crate::KeyCache`] with futures.
///
/// A future may be dropped at any time. What is fetched is fetched by a task, which goes on. Where no
/// task can be had, the caller fetches; if its future is dropped, one of those who wait for it fetches
/// in its place, and while it is kept and not polled, they wait.
#[derive(Clone)]
pub struct KeyCache {
    memory: Arc<Async>,
    spawn: Arc<dyn Fn(Task) -> Option<Task> + Send + Sync>,
}

type Async = Memory<dyn AsyncHttpClient, dyn AsyncCacheAdapter>;

impl KeyCacheBuilder<dyn AsyncHttpClient, dyn AsyncCacheAdapter> {
    /// A second level behind the memory: it is read before a fetch, and written after one.
    pub fn async_adapter(self, adapter: impl AsyncCacheAdapter + 'static) -> Self {
        self.with_adapter(Arc::new(adapter))
    }

    /// How tasks sleep until a deadline. Without it, a call that waits for the fetch of another one looks
    /// at the clock only when something else wakes its task.
    pub fn sleep(
        self,
        _sleep: impl Fn(Duration) -> a0_single_flight::Sleep + Send + Sync + 'static,
    ) -> Self {
        self
    }

    /// An empty cache, which has everything fetched by `spawn`, such as a runtime's function of that
    /// name. A task that it gives back is carried out by the caller itself: with `Some` for `spawn`
    /// there are no tasks.
    pub fn build_async(
        self,
        spawn: impl Fn(Task) -> Option<Task> + Send + Sync + 'static,
    ) -> KeyCache {
        KeyCache {
            memory: Arc::new(self.memory()),
            spawn: Arc::new(spawn),
        }
    }
}

impl KeyCache {
    /// A cache that fetches with `client`.
    pub fn builder(
        rules: FetchRules,
        client: Arc<dyn AsyncHttpClient>,
    ) -> KeyCacheBuilder<dyn AsyncHttpClient, dyn AsyncCacheAdapter> {
        KeyCacheBuilder::new(rules, client)
    }

    /// As [`crate::KeyCache::keys`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn keys(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Fresh, now).await
    }

    /// As [`crate::KeyCache::keys_with`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let goal = Goal::Key(key_id, algorithm);
        self.look_up(issuer, goal, now).await
    }

    /// As [`crate::KeyCache::token_endpoint`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        if let Some(known) = self.memory.known_token_endpoint(issuer, now) {
            return known;
        }
        let slot = self.memory.metadata_slot(issuer);
        let mut lookup = self.memory.metadata_lookup(&slot, now);
        let found = loop {
            match lookup.next() {
                Todo::Return(found) => break found,
                Todo::Wait(round) => slot.ended(round).await,
                Todo::Fetch(flight, _) => {
                    let round = flight.round();
                    self.metadata(flight, issuer, now).await;
                    slot.ended(round).await;
                }
                Todo::Behind(flight) => self.metadata(flight, issuer, now).await,
            }
        };
        self.memory.token_endpoint(found, issuer, now)
    }

    /// As [`crate::KeyCache::reload`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        self.look_up(issuer, Goal::Newest, now).await
    }

    /// As [`crate::KeyCache::status`].
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        self.memory.status(now)
    }

    /// As [`crate::KeyCache::adapter_misses`].
    pub fn adapter_misses(&self) -> u64 {
        self.memory.misses().count()
    }

    /// As [`crate::KeyCache::last_adapter_error`].
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.memory.misses().last_error()
    }

    async fn look_up(
        &self,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.memory.keys_slot(issuer);
        let mut lookup = self.memory.keys_lookup(&slot, goal, now);
        loop {
            match lookup.next() {
                Todo::Return(answer) => return answer,
                Todo::Wait(round) => slot.ended(round).await,
                Todo::Fetch(flight, goal) => {
                    let round = flight.round();
                    self.fetch(flight, issuer, goal, now).await;
                    slot.ended(round).await;
                }
                Todo::Behind(flight) => self.fetch(flight, issuer, Goal::Fresh, now).await,
            }
        }
    }

    /// Has a round carried out, by a task that may go on behind the caller.
    async fn fetch(
        &self,
        flight: Flight<IssuerKeys>,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) {
        let (fetcher, client) = self.hands();
        let issuer = issuer.clone();
        // A task outlives the caller's texts.
        let key = match goal {
            Goal::Key(key_id, algorithm) => Some((key_id.to_owned(), algorithm)),
            _ => None,
        };
        let unnamed = goal.without_key();
        self.carry_out(Box::pin(async move {
            let goal = match &key {
                Some((key_id, algorithm)) => Goal::Key(key_id, *algorithm),
                None => unnamed,
            };
            fetcher.keys(flight, &client, &issuer, goal, now).await;
        }))
        .await;
    }

    async fn metadata(&self, flight: Flight<ServerMetadata>, issuer: &Issuer, now: NumericDate) {
        let (fetcher, client) = self.hands();
        let issuer = issuer.clone();
        self.carry_out(Box::pin(async move {
            fetcher.metadata(flight, &client, &issuer, now).await;
        }))
        .await;
    }

    /// By a task, or, where none can be had, by the caller.
    async fn carry_out(&self, round: Task) {
        if let Some(round) = (self.spawn)(round) {
            round.await;
        }
    }

    /// What a task needs to carry out a round: with this client it asks for nothing more once the last
    /// clone of this cache is gone.
    fn hands(&self) -> (Arc<AsyncFetcher>, Leash) {
        let fetcher = Arc::clone(&self.memory.fetcher);
        let client = Leash {
            client: Arc::clone(&fetcher.client),
            cache: Arc::downgrade(&self.memory),
        };
        (fetcher, client)
    }
}

type AsyncFetcher = Fetcher<dyn AsyncHttpClient, dyn AsyncCacheAdapter>;

/// A client that goes no further than its cache lives.
struct Leash {
    client: Arc<dyn AsyncHttpClient>,
    cache: Weak<Async>,
}

impl AsyncHttpClient for Leash {
    fn exchange(&self, request: Request<Vec<u8>>) -> Exchange<'_> {
        match self.cache.strong_count() {
            0 => Box::pin(async { Err(TransportError::from(TransportErrorKind::Other)) }),
            _ => self.client.exchange(request),
        }
    }
}

impl AsyncFetcher {
    async fn keys(
        &self,
        flight: Flight<IssuerKeys>,
        client: &dyn AsyncHttpClient,
        issuer: &Issuer,
        goal: Goal<'_>,
        now: NumericDate,
    ) {
        let in_memory = flight.in_hand();
        let mut want = KeysErrand::begin(&self.rules, issuer, goal, in_memory, now);
        let (outcome, entries) = loop {
            want = match want {
                Want::Read(key, errand) => errand.read(self.read(&key).await),
                Want::Ask(request, errand) => errand.answered(client.exchange(request).await),
                Want::Done(outcome, entries) => break (outcome, entries),
            };
        };
        flight.finish(outcome, self.now());
        for entry in &entries {
            self.write(entry).await;
        }
    }

    async fn metadata(
        &self,
        flight: Flight<ServerMetadata>,
        client: &dyn AsyncHttpClient,
        issuer: &Issuer,
        now: NumericDate,
    ) {
        let fetched = match FetchMetadata::start(issuer.clone(), now) {
            Ok(step) => a0_http::drive_async(client, step).await,
            Err(error) => Err(error),
        };
        flight.finish(fetched.into(), self.now());
    }

    async fn read(&self, key: &str) -> Option<String> {
        let entry = self.adapter.as_ref()?.get(key).await;
        self.rules.misses.answered(entry)?
    }

    async fn write(&self, entry: &Entry) {
        if let Some(adapter) = &self.adapter {
            let written = adapter.set(&entry.key, &entry.value, entry.ttl).await;
            self.rules.misses.answered(written);
        }
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.memory.fmt(formatter)
    }
}
