//! The async cache on runtimes that are dropped, are no longer driven, or have no timer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::common::{at, policy, rules};
use a0_discovery::asynchronous::{KeyCache, Task};
use a0_discovery::{FetchFailure, normalize_domain};
use a0_http::{AsyncHttpClient, ResponseFuture};
use a0_single_flight::Timer;
use http::Request;
use tokio::runtime::{Builder, Handle, Runtime};

/// A client that never responds.
struct Stalled(AtomicUsize);

impl AsyncHttpClient for Stalled {
    fn exchange(&self, _: Request<Vec<u8>>) -> ResponseFuture<'_> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

/// Spawns a task as `auth0-api` does.
fn spawn(task: Task) -> Option<Task> {
    match Handle::try_current() {
        Ok(runtime) => {
            runtime.spawn(task);
            None
        }
        Err(_) => Some(task),
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap()
}

fn cache(client: &Arc<Stalled>, max_wait: Duration) -> KeyCache {
    let mut policy = policy();
    policy.max_wait = max_wait;
    let timer = Timer::default();
    KeyCache::builder(rules(), Arc::clone(client) as Arc<dyn AsyncHttpClient>)
        .policy(policy)
        .sleep(move |duration| timer.sleep(duration))
        .build_async(spawn)
}

/// Two thousand runtimes are dropped at random moments, each with a hundred callers of a stalled
/// tenant. No drop hangs, and fetches are not begun again without end.
#[test]
fn dropping_a_runtime_never_hangs() {
    const DROPS: usize = 2000;
    const WAITERS: usize = 100;
    let client = Arc::new(Stalled(AtomicUsize::new(0)));
    let cache = cache(&client, Duration::from_secs(3600));
    let mut random = 1_usize;
    for number in 0..DROPS {
        let runtime = runtime();
        let issuer = normalize_domain(&format!("t{number}.example")).unwrap();
        let begun = Arc::new(AtomicUsize::new(0));
        for _ in 0..WAITERS {
            let (cache, begun, issuer) = (cache.clone(), Arc::clone(&begun), issuer.clone());
            runtime.spawn(async move {
                begun.fetch_add(1, Ordering::SeqCst);
                cache.keys(&issuer, at(0)).await.is_ok()
            });
        }
        // Drop the runtime at a moment between the first and the last call.
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        while begun.load(Ordering::SeqCst) < (random >> 33) % (WAITERS + 1) {
            std::thread::yield_now();
        }
        drop(runtime);
    }
    // Each runtime allows one round, and one that begins while it shuts down.
    let calls = client.0.load(Ordering::SeqCst);
    assert!(calls <= 2 * DROPS, "{calls}");
}

/// The task that fetches is on a runtime that is no longer driven. The caller on another runtime
/// stops waiting in time, although neither runtime has a timer.
#[test]
fn a_caller_on_another_runtime_stops_waiting_in_time() {
    let client = Arc::new(Stalled(AtomicUsize::new(0)));
    let cache = cache(&client, Duration::from_millis(20));
    let issuer = normalize_domain("a.example").unwrap();
    let parked = Builder::new_current_thread().build().unwrap();
    // Drive the runtime only until the task is spawned.
    parked.block_on(async {
        let mut call = Box::pin(cache.keys(&issuer, at(0)));
        std::future::poll_fn(|context| {
            assert!(call.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
    });
    let outcome = runtime().block_on(async { cache.keys(&issuer, at(0)).await });
    assert_eq!(
        *outcome.unwrap_err().error.failure(),
        FetchFailure::NotInTime
    );
    drop(parked);
}
