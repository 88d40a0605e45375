//! A fleet: many caches, blocking or async, over one tenant, one store and one clock.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::asynchronous::{AdapterFuture, AsyncCacheAdapter};
use a0_discovery::{
    CacheAdapter, CacheAdapterError, CachePolicy, EntryAuthentication, EntryKeys, FetchRules,
    InMemoryCache, Issuer, IssuerKeys, KeyCache, RefreshEnd, RefreshObserver, RefreshSpan,
    RefusedEntry, Unavailable, asynchronous, normalize_domain,
};
use a0_jose::{Algorithm, NumericDate};
use a0_testkit::LocalTenant;

use crate::common::{START, at, rules};

pub type Keys = Result<Arc<IssuerKeys>, Unavailable>;

/// Which of the two caches a process has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Driver {
    Blocking,
    Async,
}

pub const DRIVERS: [Driver; 2] = [Driver::Blocking, Driver::Async];

type WaitsUntil = Arc<Mutex<Option<Arc<dyn Fn() -> bool + Send + Sync>>>>;

type SwapHook = Arc<dyn Fn(&str) + Send + Sync>;

type Hook = Mutex<Option<Box<dyn FnOnce() + Send>>>;

/// A store that processes share. A test can break it, and act before a call.
pub struct Store {
    pub values: InMemoryCache,
    pub is_away: Mutex<bool>,
    /// Called before the next `set_if_equal`.
    pub before_swap: Hook,
    /// Called before the next `set_if_absent`.
    pub before_claim: Hook,
    /// Called before the next `get`.
    pub before_read: Hook,
    pub calls: AtomicU64,
    /// Called before each `set_if_equal`, with the expected value.
    pub before_each_swap: Mutex<Option<SwapHook>>,
    /// Writes to names that contain this text fail.
    pub takes_no: Mutex<Option<&'static str>>,
}

impl Store {
    fn check_write(&self, key: &str) -> Result<(), CacheAdapterError> {
        match *self.takes_no.lock().unwrap() {
            Some(kind) if key.contains(kind) => {
                Err(CacheAdapterError::new("it takes no such value"))
            }
            _ => Ok(()),
        }
    }

    fn act<T>(
        &self,
        act: impl FnOnce(&InMemoryCache) -> Result<T, CacheAdapterError>,
    ) -> Result<T, CacheAdapterError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        match *self.is_away.lock().unwrap() {
            true => Err(CacheAdapterError::new("away")),
            false => act(&self.values),
        }
    }

    pub fn value(&self, name: &str) -> Option<String> {
        CacheAdapter::get(&self.values, name).unwrap()
    }

    pub fn plant(&self, name: &str, value: &str) {
        let week = Duration::from_secs(7 * 86_400);
        CacheAdapter::set(&self.values, name, value, week).unwrap();
    }
}

/// Calls a hook once, on a thread of its own, because an async process may run on this one.
fn call(hook: &Hook) {
    let hook = hook.lock().unwrap().take();
    if let Some(hook) = hook {
        std::thread::spawn(hook).join().unwrap();
    }
}

impl CacheAdapter for Store {
    fn get(&self, key: &str) -> Result<Option<String>, CacheAdapterError> {
        call(&self.before_read);
        self.act(|values| CacheAdapter::get(values, key))
    }

    fn set(&self, key: &str, value: &str, ttl: Duration) -> Result<(), CacheAdapterError> {
        self.act(|values| CacheAdapter::set(values, key, value, ttl))
    }

    fn set_if_absent(
        &self,
        key: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        call(&self.before_claim);
        self.check_write(key)?;
        self.act(|values| CacheAdapter::set_if_absent(values, key, value, ttl))
    }

    fn delete(&self, key: &str) -> Result<(), CacheAdapterError> {
        self.act(|values| CacheAdapter::delete(values, key))
    }

    fn clear(&self) -> Result<(), CacheAdapterError> {
        self.act(CacheAdapter::clear)
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn set_if_equal(
        &self,
        key: &str,
        expected: &str,
        value: &str,
        ttl: Duration,
    ) -> Result<bool, CacheAdapterError> {
        call(&self.before_swap);
        let before = self.before_each_swap.lock().unwrap().clone();
        if let Some(before) = before {
            before(expected);
        }
        self.check_write(key)?;
        self.act(|values| CacheAdapter::set_if_equal(values, key, expected, value, ttl))
    }

    fn delete_if_equal(&self, key: &str, value: &str) -> Result<bool, CacheAdapterError> {
        self.act(|values| CacheAdapter::delete_if_equal(values, key, value))
    }
}

impl AsyncCacheAdapter for Store {
    fn get<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, Option<String>> {
        Box::pin(async move { CacheAdapter::get(self, key) })
    }

    fn set<'a>(&'a self, key: &'a str, value: &'a str, ttl: Duration) -> AdapterFuture<'a, ()> {
        Box::pin(async move { CacheAdapter::set(self, key, value, ttl) })
    }

    fn set_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        Box::pin(async move { CacheAdapter::set_if_absent(self, key, value, ttl) })
    }

    fn delete<'a>(&'a self, key: &'a str) -> AdapterFuture<'a, ()> {
        Box::pin(async move { CacheAdapter::delete(self, key) })
    }

    fn clear(&self) -> AdapterFuture<'_, ()> {
        Box::pin(async move { CacheAdapter::clear(self) })
    }

    fn has_leases(&self) -> bool {
        true
    }

    fn set_if_equal<'a>(
        &'a self,
        key: &'a str,
        expected: &'a str,
        value: &'a str,
        ttl: Duration,
    ) -> AdapterFuture<'a, bool> {
        Box::pin(async move { CacheAdapter::set_if_equal(self, key, expected, value, ttl) })
    }

    fn delete_if_equal<'a>(&'a self, key: &'a str, value: &'a str) -> AdapterFuture<'a, bool> {
        Box::pin(async move { CacheAdapter::delete_if_equal(self, key, value) })
    }
}

pub struct Fleet {
    pub driver: Driver,
    pub tenant: LocalTenant,
    pub store: Arc<Store>,
    pub policy: CachePolicy,
    pub rules: FetchRules,
    pub authentication: EntryAuthentication,
    /// Seconds since the start. The store and the caches use it.
    pub second: Arc<AtomicU64>,
    /// The milliseconds for which processes have waited for others.
    pub waited: Arc<AtomicU64>,
    /// The milliseconds of the longest single wait.
    pub longest_wait: Arc<AtomicU64>,
    /// A wait lasts until this is so.
    pub waits_until: WaitsUntil,
    pub refused: Arc<Mutex<Vec<RefusedEntry>>>,
}

impl Fleet {
    pub fn new(driver: Driver) -> Self {
        let second = Arc::<AtomicU64>::default();
        let clock = Arc::clone(&second);
        let values = InMemoryCache::new(1000).clock(move || time(&clock));
        Fleet {
            driver,
            tenant: LocalTenant::new("a.example").unwrap(),
            store: Arc::new(Store {
                values,
                is_away: Mutex::default(),
                before_swap: Mutex::default(),
                before_claim: Mutex::default(),
                before_read: Mutex::default(),
                calls: AtomicU64::new(0),
                takes_no: Mutex::default(),
                before_each_swap: Mutex::default(),
            }),
            policy: crate::common::policy(),
            rules: rules(),
            authentication: EntryKeys::new([7; 32]).unwrap().into(),
            second,
            waited: Arc::default(),
            longest_wait: Arc::default(),
            waits_until: Arc::default(),
            refused: Arc::default(),
        }
    }

    pub fn go_to(&self, second: i64) {
        self.second
            .store(u64::try_from(second).unwrap(), Ordering::SeqCst);
    }

    /// A process that sends its requests to the tenant.
    pub fn process(&self) -> Process {
        let tenant = self.tenant.clone();
        self.process_with(move |request| tenant.handle(request))
    }

    /// A process with this HTTP client. It waits for others only by the clock of the fleet.
    pub fn process_with(
        &self,
        client: impl Fn(http::Request<Vec<u8>>) -> std::io::Result<http::Response<Vec<u8>>>
        + Send
        + Sync
        + 'static,
    ) -> Process {
        let clock = Arc::clone(&self.second);
        let clock = move || time(&clock);
        let waited = Arc::clone(&self.waited);
        let longest = Arc::clone(&self.longest_wait);
        let until = Arc::clone(&self.waits_until);
        let pause = move |by: Duration| {
            let by = u64::try_from(by.as_millis()).unwrap();
            waited.fetch_add(by, Ordering::SeqCst);
            longest.fetch_max(by, Ordering::SeqCst);
            std::thread::yield_now();
            let until = until.lock().unwrap().clone();
            while until.as_ref().is_some_and(|until| !until()) {
                std::thread::yield_now();
            }
        };
        let observer = Observer(Arc::clone(&self.refused));
        let issuer = normalize_domain(self.tenant.domain()).unwrap();
        let (store, entries) = (Arc::clone(&self.store), self.authentication.clone());
        match self.driver {
            Driver::Blocking => {
                let cache = KeyCache::builder(self.rules.clone(), Arc::new(client))
                    .policy(self.policy)
                    .clock(clock)
                    .observer(observer)
                    .adapter(store, entries)
                    .pause(pause)
                    .build();
                Process::Blocking(cache, issuer)
            }
            Driver::Async => {
                let client = move |request| std::future::ready(client(request));
                let cache = asynchronous::KeyCache::builder(self.rules.clone(), Arc::new(client))
                    .policy(self.policy)
                    .clock(clock)
                    .observer(observer)
                    .async_adapter(store, entries)
                    .sleep(move |by| {
                        pause(by);
                        Box::pin(std::future::ready(()))
                    })
                    .build_async(Some);
                Process::Async(cache, issuer)
            }
        }
    }

    pub fn processes(&self, count: usize) -> Vec<Process> {
        (0..count).map(|_| self.process()).collect()
    }

    /// The name of a value in the store.
    pub fn name(&self, kind: &str) -> String {
        format!("a0-discovery:2:{kind}:https://{}/", self.tenant.domain())
    }

    pub fn waited(&self) -> Duration {
        Duration::from_millis(self.waited.swap(0, Ordering::SeqCst))
    }

    pub fn take_refused(&self) -> Vec<&'static str> {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap());
        refused.iter().map(|entry| entry.reason.as_str()).collect()
    }
}

fn time(second: &AtomicU64) -> std::time::SystemTime {
    let second = START.unsigned_abs() + second.load(Ordering::SeqCst);
    UNIX_EPOCH + Duration::from_secs(second)
}

/// One process of the fleet.
#[derive(Clone)]
pub enum Process {
    Blocking(KeyCache, Issuer),
    Async(asynchronous::KeyCache, Issuer),
}

impl Process {
    pub fn keys(&self, second: i64) -> Keys {
        self.keys_at(at(second))
    }

    pub fn keys_at(&self, now: NumericDate) -> Keys {
        match self {
            Process::Blocking(cache, issuer) => cache.keys(issuer, now),
            Process::Async(cache, issuer) => run(cache.keys(issuer, now)),
        }
    }

    pub fn keys_with(&self, kid: &str, second: i64) -> Keys {
        self.keys_with_at(kid, at(second))
    }

    pub fn keys_with_at(&self, kid: &str, now: NumericDate) -> Keys {
        let algorithm = Algorithm::Rs256;
        match self {
            Process::Blocking(cache, issuer) => cache.keys_with(issuer, kid, algorithm, now),
            Process::Async(cache, issuer) => run(cache.keys_with(issuer, kid, algorithm, now)),
        }
    }

    pub fn reload(&self, second: i64) -> Keys {
        self.reload_at(at(second))
    }

    pub fn reload_at(&self, now: NumericDate) -> Keys {
        match self {
            Process::Blocking(cache, issuer) => cache.reload(issuer, now),
            Process::Async(cache, issuer) => run(cache.reload(issuer, now)),
        }
    }

    /// Whether a token with this `kid` finds its key.
    pub fn has(&self, kid: &str, second: i64) -> bool {
        let keys = self.keys_with(kid, second).unwrap();
        keys.keys().contains(kid, Algorithm::Rs256)
    }

    pub fn failures(&self) -> u64 {
        match self {
            Process::Blocking(cache, _) => cache.adapter_failures(),
            Process::Async(cache, _) => cache.adapter_failures(),
        }
    }

    pub fn is_fetching(&self, second: i64) -> bool {
        let status = match self {
            Process::Blocking(cache, _) => cache.status(at(second)),
            Process::Async(cache, _) => cache.status(at(second)),
        };
        status.iter().any(|status| status.fetching)
    }
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

struct Observer(Arc<Mutex<Vec<RefusedEntry>>>);

impl RefreshObserver for Observer {
    fn begin(&self, _: &Issuer) -> Box<dyn RefreshSpan> {
        Box::new(Observer(Arc::clone(&self.0)))
    }
}

impl RefreshSpan for Observer {
    fn end(self: Box<Self>, end: &RefreshEnd) {
        self.0.lock().unwrap().extend(&end.refused_entries);
    }
}
