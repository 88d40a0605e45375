//! The cache for async callers. It decides as the blocking one does; only the waiting differs. It works
//! on any runtime.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use a0_http::{AsyncHttpClient, ResponseFuture, TransportError, TransportErrorKind};
use a0_jose::{Algorithm, NumericDate};
use a0_single_flight::Sleep;
use http::Request;

pub use super::async_adapter::{AdapterFuture, AsyncCacheAdapter};

use super::adapter::CacheAdapterError;
use super::builder::KeyCacheBuilder;
use super::flight::{Flight, Slot};
use super::query::{Goal, Next, SleepFn};
use super::refreshes::{BegunRefresh, Refreshable};
use super::round::{Fetched, Step};
use super::second_level::Entry;
use super::shared;
use super::status::IssuerStatus;
use crate::error::{TokenEndpointError, Unavailable};
use crate::fetch::{FetchRules, IssuerKeys};
use crate::issuer::Issuer;

/// A task that fetches, for a runtime.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The keys of issuers, for async callers: [`crate::KeyCache`] with futures.
///
/// A future may be dropped at any time. A task fetches, and goes on when its caller is gone. If no task
/// can be spawned, the caller fetches in its own future; if that is dropped, one of those who wait
/// fetches in its place.
///
/// A task may end up on a runtime that is dropped, or that nobody drives any more. Those who wait for it
/// leave after [`max_wait`](crate::CachePolicy::max_wait), and once it is overdue another one fetches.
#[derive(Clone)]
pub struct KeyCache {
    shared: Arc<Shared>,
    spawn: Arc<dyn Fn(Task) -> Option<Task> + Send + Sync>,
    sleep: Option<Arc<SleepFn>>,
}

type Shared = shared::Shared<dyn AsyncHttpClient, dyn AsyncCacheAdapter>;

type Fetcher = shared::Fetcher<dyn AsyncHttpClient, dyn AsyncCacheAdapter>;

impl KeyCacheBuilder<dyn AsyncHttpClient, dyn AsyncCacheAdapter> {
    /// Sets a second level behind the memory: a store that several processes share. It is read before a
    /// fetch and written after it.
    pub fn async_adapter(self, adapter: impl AsyncCacheAdapter + 'static) -> Self {
        self.with_adapter(Arc::new(adapter))
    }

    /// Sets how tasks sleep until a deadline: a runtime's own function, or
    /// [`Timer::sleep`](a0_single_flight::Timer::sleep), which needs no runtime. Without it, a call that
    /// waits for the fetch of another one looks at the clock only when something else wakes its task.
    pub fn sleep(mut self, sleep: impl Fn(Duration) -> Sleep + Send + Sync + 'static) -> Self {
        self.sleep = Some(Arc::new(sleep));
        self
    }

    /// Builds an empty cache whose tasks are started by `spawn`, such as a runtime's function of that
    /// name. If `spawn` returns the task, the caller carries it out itself: with `Some` for `spawn` there
    /// are no tasks.
    pub fn build_async(
        mut self,
        spawn: impl Fn(Task) -> Option<Task> + Send + Sync + 'static,
    ) -> KeyCache {
        KeyCache {
            sleep: self.sleep.take(),
            shared: Arc::new(self.shared()),
            spawn: Arc::new(spawn),
        }
    }
}

impl KeyCache {
    /// Begins a cache that fetches with `client`.
    pub fn builder(
        rules: FetchRules,
        client: Arc<dyn AsyncHttpClient>,
    ) -> KeyCacheBuilder<dyn AsyncHttpClient, dyn AsyncCacheAdapter> {
        KeyCacheBuilder::new(rules, client)
    }

    /// See [`crate::KeyCache::keys`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn keys(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.shared.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Fresh, now).await
    }

    /// See [`crate::KeyCache::keys_with`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn keys_with(
        &self,
        issuer: &Issuer,
        key_id: &str,
        algorithm: Algorithm,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.shared.keys_slot(issuer, now);
        let goal = Goal::Key(key_id, algorithm);
        self.look_up(&slot, issuer, goal, now).await
    }

    /// See [`crate::KeyCache::token_endpoint`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn token_endpoint(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<String, TokenEndpointError> {
        if let Some(known) = self.shared.known_token_endpoint(issuer, now) {
            return known;
        }
        let slot = self.shared.metadata_slot(issuer, now);
        let found = self.look_up(&slot, issuer, Goal::Fresh, now).await;
        self.shared.token_endpoint(found, issuer, now)
    }

    /// See [`crate::KeyCache::reload`].
    ///
    /// # Errors
    ///
    /// The same.
    pub async fn reload(
        &self,
        issuer: &Issuer,
        now: NumericDate,
    ) -> Result<Arc<IssuerKeys>, Unavailable> {
        let slot = self.shared.keys_slot(issuer, now);
        self.look_up(&slot, issuer, Goal::Newest, now).await
    }

    /// See [`crate::KeyCache::status`].
    pub fn status(&self, now: NumericDate) -> Vec<IssuerStatus> {
        self.shared.status(now)
    }

    /// See [`crate::KeyCache::adapter_misses`].
    pub fn adapter_misses(&self) -> u64 {
        self.shared.misses().count()
    }

    /// See [`crate::KeyCache::last_adapter_error`].
    pub fn last_adapter_error(&self) -> Option<CacheAdapterError> {
        self.shared.misses().last_error()
    }

    async fn look_up<'q, T: Refreshable>(
        &'q self,
        slot: &'q Arc<Slot<T>>,
        issuer: &Issuer,
        goal: Goal<'q>,
        now: NumericDate,
    ) -> Result<Arc<T>, Unavailable> {
        let mut next = self.shared.query(slot, goal, now).begin();
        loop {
            next = match next {
                Next::Done(answer) => return answer,
                Next::DoneAndRefresh(served) => {
                    self.shared.queue_refresh(issuer, T::what(slot), now);
                    self.refresh().await;
                    return Ok(served);
                }
                Next::Wait(waiting) => waiting.wait(self.sleep.as_deref()).await,
                Next::Lead(flight, waiting) => {
                    self.fetch(flight, issuer, goal).await;
                    // The task may still be at it, or its runtime may be gone.
                    waiting.wait(self.sleep.as_deref()).await
                }
            };
        }
    }

    /// Has a round carried out by a task. If there is none, the caller does it.
    async fn fetch<T: Fetched>(&self, flight: Flight<T>, issuer: &Issuer, goal: Goal<'_>) {
        let by_caller = flight.by_caller();
        let (fetcher, client, issuer) = (self.fetcher(), self.client(), issuer.clone());
        // A task outlives the caller's texts.
        let wanted = match goal {
            Goal::Key(key_id, algorithm) => Some((key_id.to_owned(), algorithm)),
            Goal::Fresh | Goal::Newest => None,
        };
        let task: Task = Box::pin(async move {
            let goal = match &wanted {
                Some((key_id, algorithm)) => Goal::Key(key_id, *algorithm),
                None => Goal::Fresh,
            };
            fetcher.carry_out(flight, &client, &issuer, goal).await;
        });
        if let Some(task) = (self.spawn)(task) {
            by_caller.store(true, Ordering::Release);
            task.await;
        }
    }

    /// Spawns a task for every background refresh that has a place. Each goes on with the queue when it
    /// has ended. If there are no tasks, the caller carries out one refresh itself.
    async fn refresh(&self) {
        while let Some(first) = self.shared.next_refresh() {
            let by_caller = first.by_caller();
            let (fetcher, client) = (self.fetcher(), self.client());
            let (cache, is_alone) = (Arc::downgrade(&self.shared), Arc::clone(&by_caller));
            let task: Task = Box::pin(async move {
                let mut next = Some(first);
                while let Some(begun) = next.take() {
                    fetcher.carry_out_refresh(begun, &client).await;
                    if !is_alone.load(Ordering::Acquire) {
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

    fn client(&self) -> Leashed {
        Leashed {
            client: Arc::clone(&self.shared.fetcher.client),
            cache: Arc::downgrade(&self.shared),
        }
    }
}

/// A client that stops sending requests once the last clone of its cache is dropped.
struct Leashed {
    client: Arc<dyn AsyncHttpClient>,
    cache: Weak<Shared>,
}

impl AsyncHttpClient for Leashed {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        match self.cache.strong_count() {
            0 => Box::pin(async { Err(TransportError::from(TransportErrorKind::Other)) }),
            _ => self.client.exchange(request),
        }
    }
}

impl Fetcher {
    async fn carry_out_refresh(&self, begun: BegunRefresh, client: &Leashed) {
        match begun {
            BegunRefresh::Keys(flight, issuer) => {
                self.carry_out(flight, client, &issuer, Goal::Fresh).await;
            }
            BegunRefresh::Metadata(flight, issuer) => {
                self.carry_out(flight, client, &issuer, Goal::Fresh).await;
            }
        }
    }

    async fn carry_out<T: Fetched>(
        &self,
        flight: Flight<T>,
        client: &Leashed,
        issuer: &Issuer,
        goal: Goal<'_>,
    ) {
        let since = self.now();
        let mut step = self.begin(&flight, issuer, goal);
        let (outcome, entries) = loop {
            step = match step {
                Step::Read(key, then) => then(self.read(&key).await),
                Step::Exchange(request, then) => then(client.exchange(request).await),
                Step::Done(outcome, entries) => break (outcome, entries),
            };
        };
        if flight.finish(outcome, since, self.now()) {
            for entry in &entries {
                self.write(entry).await;
            }
        }
    }

    async fn read(&self, key: &str) -> Option<String> {
        let entry = self.adapter.as_ref()?.get(key).await;
        self.rules.misses.answered(entry)?
    }

    async fn write(&self, entry: &Entry) {
        let Some(adapter) = &self.adapter else {
            return;
        };
        let stored = adapter.get(&entry.key).await;
        let Some(stored) = self.rules.misses.answered(stored) else {
            // A newer document may stand there.
            return;
        };
        if stored.is_none_or(|stored| entry.may_replace(&stored, self.now())) {
            let written = adapter.set(&entry.key, &entry.value, entry.ttl).await;
            self.rules.misses.answered(written);
        }
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(formatter)
    }
}
