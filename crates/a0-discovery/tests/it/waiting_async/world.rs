//! A tenant, a client, a timer and a runtime that do only what a test says.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, UNIX_EPOCH};

use a0_discovery::asynchronous::{KeyCache, Task};
use a0_discovery::{
    CachePolicy, FetchFailure, Issuer, Refresh, TokenEndpointError, normalize_domain,
};
use a0_http::{AsyncHttpClient, ResponseFuture};
use a0_jose::Algorithm;
use a0_testkit::LocalTenant;
use http::Request;

use crate::common::{START, at, policy, rules};

/// Answers when it is let, and counts.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) tenant: LocalTenant,
    pub(super) calls: Arc<AtomicUsize>,
    /// Exchanges wait while this is set.
    pub(super) holds: Arc<AtomicBool>,
    pub(super) panics: Arc<AtomicBool>,
}

impl AsyncHttpClient for Client {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            assert!(!self.panics.load(Ordering::SeqCst), "the client panics");
            let holds = &self.holds;
            std::future::poll_fn(|context| match holds.load(Ordering::SeqCst) {
                true => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                false => Poll::Ready(()),
            })
            .await;
            Ok(self.tenant.handle(request)?)
        })
    }
}

/// A timer that fires when the test says so.
#[derive(Clone, Default)]
pub(super) struct Alarm(Arc<AtomicBool>);

impl Alarm {
    pub(super) fn sleep(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let has_fired = Arc::clone(&self.0);
        Box::pin(std::future::poll_fn(move |context| {
            match has_fired.load(Ordering::SeqCst) {
                true => Poll::Ready(()),
                false => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            }
        }))
    }

    pub(super) fn fire(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub(super) fn reset(&self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// The tasks of a runtime that is driven only by [`World::drive`].
pub(super) type Parked = Arc<Mutex<Vec<Task>>>;

pub(super) struct World {
    pub(super) client: Client,
    pub(super) alarm: Alarm,
    pub(super) parked: Parked,
    pub(super) issuer: Issuer,
}

impl World {
    pub(super) fn new() -> Self {
        World {
            client: Client {
                tenant: LocalTenant::new("a.example").unwrap(),
                calls: Arc::default(),
                holds: Arc::default(),
                panics: Arc::default(),
            },
            alarm: Alarm::default(),
            parked: Arc::default(),
            issuer: normalize_domain("a.example").unwrap(),
        }
    }

    pub(super) fn cache(
        &self,
        spawn: impl Fn(Task) -> Option<Task> + Send + Sync + 'static,
    ) -> KeyCache {
        self.cache_with(spawn, |_| {})
    }

    pub(super) fn cache_with(
        &self,
        spawn: impl Fn(Task) -> Option<Task> + Send + Sync + 'static,
        options: impl FnOnce(&mut CachePolicy),
    ) -> KeyCache {
        let mut policy = policy();
        policy.refresh = Refresh::Background;
        policy.max_wait = Duration::from_secs(3600);
        options(&mut policy);
        let alarm = self.alarm.clone();
        KeyCache::builder(rules(), Arc::new(self.client.clone()))
            .policy(policy)
            .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()))
            .sleep(move |_| alarm.sleep())
            .build_async(spawn)
    }

    pub(super) fn park(&self) -> impl Fn(Task) -> Option<Task> + Send + Sync + 'static {
        let parked = Arc::clone(&self.parked);
        move |task| {
            parked.lock().unwrap().push(task);
            None
        }
    }

    pub(super) fn drive(&self) {
        loop {
            let Some(task) = self.parked.lock().unwrap().pop() else {
                return;
            };
            let _ = finish(task);
        }
    }

    pub(super) fn keys(&self, cache: &KeyCache, second: i64) -> Call {
        let (cache, issuer) = (cache.clone(), self.issuer.clone());
        Box::pin(async move {
            let keys = cache.keys(&issuer, at(second)).await;
            keys.map(|_| true)
                .map_err(|error| error.error.failure().clone())
        })
    }

    pub(super) fn endpoint(&self, cache: &KeyCache, second: i64) -> Call {
        let (cache, issuer) = (cache.clone(), self.issuer.clone());
        Box::pin(async move {
            match cache.token_endpoint(&issuer, at(second)).await {
                Err(TokenEndpointError::Unavailable(error)) => Err(error.error.failure().clone()),
                endpoint => Ok(endpoint.is_ok()),
            }
        })
    }

    pub(super) fn search(&self, cache: &KeyCache, key_id: &str, second: i64) -> Call {
        let (cache, issuer) = (cache.clone(), self.issuer.clone());
        let key_id = key_id.to_owned();
        Box::pin(async move {
            let keys = cache
                .keys_with(&issuer, &key_id, Algorithm::Rs256, at(second))
                .await;
            keys.map(|keys| keys.keys().contains(&key_id, Algorithm::Rs256))
                .map_err(|error| error.error.failure().clone())
        })
    }
}

pub(super) type Call = Pin<Box<dyn Future<Output = Result<bool, FetchFailure>> + Send>>;

pub(super) struct WakeCounter(AtomicUsize);

impl Wake for WakeCounter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls a future to its end. Returns `None` if nothing wakes it any more: on a runtime it would
/// hang.
pub(super) fn finish<T>(mut future: Pin<Box<dyn Future<Output = T> + Send>>) -> Option<T> {
    let wakes = Arc::new(WakeCounter(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    for _ in 0..10_000 {
        let seen = wakes.0.load(Ordering::SeqCst);
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        if wakes.0.load(Ordering::SeqCst) == seen {
            return None;
        }
    }
    None
}
