//! The cache for async callers on any runtime, and the driver of its queries and rounds. Its
//! decisions are those of the blocking cache; only the waiting differs.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use a0_http::{AsyncHttpClient, ResponseFuture, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use a0_single_flight::Sleep;
use http::Request;

pub use super::async_adapter::{AdapterFuture, AsyncCacheAdapter};

use super::adapter::CacheAdapterError;
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

/// A task that fetches. The function that is passed to
/// [`build_async`](crate::KeyCacheBuilder::build_async) spawns it on a runtime.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Fetches and caches the keys of issuers, for async callers. See [`crate::KeyCache`] for its
/// behaviour.
///
/// A future may be dropped at any time. A spawned task makes the fetch and continues if its caller
/// is gone. If no task can be spawned, the caller fetches in its own future; if that future is
/// dropped, one of the waiting callers fetches instead.
///
/// The runtime of a task may be dropped or stop being driven. If it is dropped, a waiting caller
/// fetches instead. If it is no longer driven, callers stop waiting after
/// [`max_wait`](crate::CachePolicy::max_wait), and once the fetch is overdue another caller
/// fetches.
#[derive(Clone)]
pub struct KeyCache {
    shared: Arc<Shared>,
    spawn: Arc<dyn Fn(Task) -> Option<Task> + Send + Sync>,
}

type Shared = shared::Shared<dyn AsyncHttpClient, dyn AsyncCacheAdapter>;

type Fetcher = shared::Fetcher<dyn AsyncHttpClient, dyn AsyncCacheAdapter>;

impl KeyCacheBuilder<dyn AsyncHttpClient, dyn AsyncCacheAdapter> {
    /// See [`crate::KeyCacheBuilder::adapter`]. A call waits for another process that fetches only
    /// if the cache has [timers](Self::sleep).
    pub fn async_adapter(
        self,
        adapter: impl AsyncCacheAdapter + 'static,
        entries: impl Into<EntryAuthentication>,
    ) -> Self {
        let has_leases = adapter.has_leases();
        self.with_adapter(Arc::new(adapter), entries.into(), has_leases)
    }

    /// Sets the function that makes timers: a runtime's own, or
    /// [`Timer::sleep`](a0_single_flight::Timer::sleep), which needs no runtime. Without it, a
    /// waiting call notices that its time is up only when something else wakes its task.
    pub fn sleep(mut self, sleep: impl Fn(Duration) -> Sleep + Send + Sync + 'static) -> Self {
        self.sleep = Some(Arc::new(sleep));
        self
    }

    /// Builds an empty cache. `spawn` starts a task on a runtime and returns `None`. If it returns
    /// the task instead, the caller runs the task in its own future. `build_async(Some)` therefore
    /// makes a cache that spawns no tasks.
    pub fn build_async(
        self,
        spawn: impl Fn(Task) -> Option<Task> + Send + Sync + 'static,
    ) -> KeyCache {
        KeyCache {
            shared: Arc::new(self.shared()),
            spawn: Arc::new(spawn),
        }
    }
}

impl KeyCache {
    /// Returns a builder for a cache that fetches with `client`.
    pub fn builder(
        rules: FetchRules,
        client: Arc<dyn AsyncHttpClient>,
    ) -> KeyCacheBuilder<dyn AsyncHttpClient, dyn AsyncCacheAdapter> {
        KeyCacheBuilder::new(rules, client)
    }

    /// See [`crate::KeyCache::keys`]. It returns the same errors.
    pub async fn keys(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        if let Some(keys) = self.shared.static_keys(issuer) {
            return Ok(keys);
        }
        let slot = self.shared.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Fresh, now).await
    }

    /// See [`crate::KeyCache::keys_with`]. It returns the same errors.
    pub async fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        if let Some(keys) = self.shared.static_keys(issuer) {
            return Ok(keys);
        }
        let slot = self.shared.keys_slot(issuer, now);
        let goal = Goal::Key(key_id, algorithm);
        self.look_up(&slot, issuer, goal, now).await
    }

    /// See [`crate::KeyCache::token_endpoint`]. It returns the same errors.
    pub async fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        if let Some(endpoint) = self.shared.fresh_token_endpoint(issuer, now) {
            return endpoint;
        }
        let slot = self.shared.metadata_slot(issuer, now);
        let fetched = self.look_up(&slot, issuer, Goal::Fresh, now).await;
        self.shared.token_endpoint(fetched, issuer, now)
    }

    /// See [`crate::KeyCache::reload`]. It returns the same errors.
    pub async fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        if let Some(keys) = self.shared.static_keys(issuer) {
            return Ok(keys);
        }
        let slot = self.shared.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Newest, now).await
    }

    /// See [`crate::KeyCache::status`].
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        self.shared.status(now)
    }

    /// See [`crate::KeyCache::adapter_failures`].
    pub fn adapter_failures(&self) -> u64 {
        self.shared.adapter_failures().count()
    }

    /// See [`crate::KeyCache::last_adapter_error`].
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.shared.adapter_failures().last_error()
    }

    async fn look_up<'q, T: Refreshable>(
        &'q self,
        slot: &'q Arc<Slot<T>>,
        issuer: &Issuer,
        goal: Goal<'q>,
        now: NumericDate,
    ) -> Result<Arc<T>, Unavailable> {
        let Fetcher { rules, sleep, .. } = &*self.shared.fetcher;
        let sleep = sleep.as_deref();
        let mut next = Query::begin(slot, rules, goal, now);
        loop {
            next = match next {
                Next::Done(answer) => return answer,
                Next::DoneAndRefresh(served) => {
                    self.shared.queue_refresh(issuer, T::target(slot), now);
                    self.start_refreshes().await;
                    return Ok(served);
                }
                Next::Wait(waiting) => waiting.wait_async(sleep).await,
                Next::Lead(flight, waiting) => {
                    self.fetch(flight, issuer).await;
                    // The task may still be running, or its runtime may be gone.
                    waiting.wait_async(sleep).await
                }
            };
        }
    }

    /// Spawns a task that carries out a round. If it cannot be spawned, the caller carries out the
    /// round.
    async fn fetch<T: Fetchable>(&self, flight: Flight<T>, issuer: &Issuer) {
        let by_caller = flight.by_caller();
        let (fetcher, client, issuer) = (self.fetcher(), self.client(), issuer.clone());
        let task: Task = Box::pin(async move {
            fetcher.carry_out(flight, &client, &issuer).await;
        });
        if let Some(task) = (self.spawn)(task) {
            by_caller.store(true, Ordering::Release);
            task.await;
        }
    }

    /// Spawns a task for each background refresh that gets a permit. Each task then continues with
    /// the queue. If a task cannot be spawned, the caller carries out one refresh.
    async fn start_refreshes(&self) {
        while let Some(first) = self.shared.next_refresh() {
            let by_caller = first.by_caller();
            let (fetcher, client) = (self.fetcher(), self.client());
            let (cache, is_by_caller) = (Arc::downgrade(&self.shared), Arc::clone(&by_caller));
            let task: Task = Box::pin(async move {
                let mut next = Some(first);
                while let Some(begun) = next.take() {
                    fetcher.carry_out_refresh(begun, &client).await;
                    if !is_by_caller.load(Ordering::Acquire) {
                        next = cache.upgrade().and_then(|cache| cache.next_refresh());
                    }
                }
            });
            if let Some(task) = (self.spawn)(task) {
                by_caller.store(true, Ordering::Release);
                return task.await;
            }
        }
    }

    fn fetcher(&self) -> Arc<Fetcher> {
        Arc::clone(&self.shared.fetcher)
    }

    fn client(&self) -> ClientOfLiveCache {
        ClientOfLiveCache {
            client: Arc::clone(&self.shared.fetcher.client),
            cache: Arc::downgrade(&self.shared),
        }
    }
}

/// A client that sends no further requests once the last clone of its cache is dropped.
struct ClientOfLiveCache {
    client: Arc<dyn AsyncHttpClient>,
    cache: Weak<Shared>,
}

impl ClientOfLiveCache {
    fn is_of_live_cache(&self) -> bool {
        self.cache.strong_count() > 0
    }
}

impl AsyncHttpClient for ClientOfLiveCache {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        match self.is_of_live_cache() {
            false => Box::pin(async { Err(TransportError::from(TransportErrorKind::Other)) }),
            true => self.client.exchange(request),
        }
    }
}

impl Fetcher {
    async fn carry_out_refresh(&self, begun: BegunRefresh, client: &ClientOfLiveCache) {
        match begun {
            BegunRefresh::Keys(flight, issuer) => {
                self.carry_out(flight, client, &issuer).await;
            }
            BegunRefresh::Metadata(flight, issuer) => {
                self.carry_out(flight, client, &issuer).await;
            }
        }
    }

    async fn carry_out<T: Fetchable>(
        &self,
        flight: Flight<T>,
        client: &ClientOfLiveCache,
        issuer: &Issuer,
    ) {
        let mut watched = self.watch::<T>(issuer);
        let (since, began) = (self.clock.now(), flight.began());
        let step = T::begin(flight.plan(&self.rules, issuer));
        let round = pin!(self.run(step, client, began));
        let round = watched.scoped_async(round).await;
        let at = self.clock.now();
        let end = RefreshEnd::new(&round, at);
        let is_newest = flight.finish(round.outcome, since, at);
        watched.end(&end);
        if let Some(aftermath) = round.aftermath {
            self.run(aftermath.begin(is_newest, at), client, began)
                .await;
        }
    }

    /// Carries out steps to the last. They belong to a round that began at `began`.
    async fn run<D>(&self, mut step: Step<'_, D>, client: &ClientOfLiveCache, began: Instant) -> D {
        loop {
            step = match step {
                Step::Read(name, then) => then(self.read(&name).await),
                Step::Change(change, then) => then(self.change(&change).await),
                Step::Exchange(request, then) => then(client.exchange(request).await),
                Step::Wait(duration, then) => match &self.sleep {
                    Some(sleep) if client.is_of_live_cache() => {
                        sleep(duration).await;
                        then(Some(began.elapsed()))
                    }
                    // Without a cache there is nobody to wait for.
                    Some(_) | None => then(None),
                },
                Step::Done(result) => return result,
            };
        }
    }

    async fn read(&self, name: &str) -> Found {
        match &self.adapter {
            Some(adapter) => self.rules.found(adapter.get(name).await),
            None => Found::Nothing,
        }
    }

    async fn change(&self, change: &Change) -> Option<bool> {
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
        self.rules.adapter_failures.take_response(changed.await)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(formatter)
    }
}
