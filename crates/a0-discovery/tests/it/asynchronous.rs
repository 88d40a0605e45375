//! The async cache: dropped futures, tasks and wakers. The tests of the blocking cache cover when
//! it fetches.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::common::{START, at, fetches, policy, rules, unauthenticated};
use a0_discovery::asynchronous::{AsyncCacheAdapter, KeyCache, Task};
use a0_discovery::{
    CacheAdapterError, InMemoryCache, IssuerKeys, Refresh, Unavailable, normalize_domain,
};
use a0_http::{AsyncHttpClient, ResponseFuture};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalNetwork, LocalTenant};
use http::Request;

/// A client that responds after it was polled a few times, as one on a network does.
struct Slow(LocalNetwork);

const POLLS: usize = 3;

impl AsyncHttpClient for Slow {
    fn exchange(&self, request: Request<Vec<u8>>) -> ResponseFuture<'_> {
        Box::pin(async move {
            for _ in 0..POLLS {
                yield_once().await;
            }
            Ok(self.0.handle(request)?)
        })
    }
}

/// Is pending once.
async fn yield_once() {
    let mut polled = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

struct World {
    network: LocalNetwork,
    tenant: LocalTenant,
    tasks: Arc<Mutex<Vec<Task>>>,
}

impl World {
    fn new() -> Self {
        let network = LocalNetwork::new();
        let tenant = network.tenant("a.example").unwrap();
        World {
            network,
            tenant,
            tasks: Arc::default(),
        }
    }

    /// Makes a cache whose fetches become tasks that the test polls.
    fn cache(&self) -> KeyCache {
        let tasks = Arc::clone(&self.tasks);
        self.build(move |task| {
            tasks.lock().unwrap().push(task);
            None
        })
    }

    /// Makes a cache whose callers fetch in their own futures.
    fn without_tasks(&self) -> KeyCache {
        self.build(Some)
    }

    fn build(&self, spawn: impl Fn(Task) -> Option<Task> + Send + Sync + 'static) -> KeyCache {
        let mut policy = policy();
        policy.refresh = Refresh::Background;
        KeyCache::builder(rules(), Arc::new(Slow(self.network.clone())))
            .policy(policy)
            .clock(|| std::time::UNIX_EPOCH + Duration::from_secs(START.unsigned_abs()))
            .build_async(spawn)
    }

    fn task(&self) -> Task {
        self.tasks.lock().unwrap().pop().expect("a task")
    }

    /// Runs a call to its end, with the tasks that it spawns.
    fn finish(&self, cache: &KeyCache, second: i64) -> Arc<IssuerKeys> {
        let woken = Arc::new(Woken::default());
        let mut call = call(cache, "a.example", second);
        let mut polled = woken.poll(call.as_mut());
        while polled.is_pending() {
            finish(&Arc::default(), self.task().as_mut());
            polled = woken.poll(call.as_mut());
        }
        match polled {
            Poll::Ready(keys) => keys.unwrap(),
            Poll::Pending => unreachable!(),
        }
    }
}

type Call<'c> = Pin<Box<dyn Future<Output = Result<Arc<IssuerKeys>, Unavailable>> + Send + 'c>>;

fn call(cache: &KeyCache, domain: &str, second: i64) -> Call<'static> {
    let (cache, issuer) = (cache.clone(), normalize_domain(domain).unwrap());
    Box::pin(async move { cache.keys(&issuer, at(second)).await })
}

/// Counts how often a task was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn poll<F: Future + ?Sized>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        future.poll(&mut Context::from_waker(&waker))
    }
}

/// Polls a task to its end, but only after it was woken. A task that nothing wakes would hang on a
/// real runtime.
fn finish<F: Future + ?Sized>(woken: &Arc<Woken>, mut future: Pin<&mut F>) -> F::Output {
    let mut seen = usize::MAX;
    loop {
        let count = woken.count();
        assert_ne!(count, seen, "nothing wakes this task");
        seen = count;
        if let Poll::Ready(output) = woken.poll(future.as_mut()) {
            return output;
        }
    }
}

#[test]
fn a_future_dropped_at_any_point_leaves_no_caller_waiting() {
    // A fetch makes two requests. Each of them is polled POLLS times and once more.
    for polls in 0..=2 * POLLS {
        let world = World::new();
        let cache = world.without_tasks();
        let [first, second, third] = [0, 1, 2].map(|_| Arc::new(Woken::default()));
        let mut leader = call(&cache, "a.example", 0);
        let mut waiters = [call(&cache, "a.example", 0), call(&cache, "a.example", 0)];
        for _ in 0..polls {
            assert!(first.poll(leader.as_mut()).is_pending());
        }
        let [one, other] = &mut waiters;
        assert!(second.poll(one.as_mut()).is_pending());
        assert!(third.poll(other.as_mut()).is_pending());
        drop(leader);
        if polls > 0 {
            assert_eq!((second.count(), third.count()), (1, 1), "{polls}");
        }
        // One waiter fetches instead. If it is dropped too, the next caller does.
        assert!(second.poll(one.as_mut()).is_pending());
        drop(waiters);
        let last = Arc::new(Woken::default());
        let mut call = call(&cache, "a.example", 0);
        assert!(finish(&last, call.as_mut()).is_ok());
        assert!(cache.status(at(0))[0].failures == 0);
    }
}

#[test]
fn a_dropped_waiter_does_not_affect_the_fetch() {
    let world = World::new();
    let cache = world.without_tasks();
    let [first, second, third] = [0, 1, 2].map(|_| Arc::new(Woken::default()));
    let mut leader = call(&cache, "a.example", 0);
    let mut gone = call(&cache, "a.example", 0);
    let mut stays = call(&cache, "a.example", 0);
    assert!(first.poll(leader.as_mut()).is_pending());
    assert!(second.poll(gone.as_mut()).is_pending());
    assert!(third.poll(stays.as_mut()).is_pending());
    drop(gone);
    let kept = finish(&first, leader.as_mut()).unwrap();
    assert_eq!((second.count(), third.count()), (0, 1));
    let Poll::Ready(Ok(shared)) = third.poll(stays.as_mut()) else {
        panic!("the waiter was woken for nothing");
    };
    assert!(Arc::ptr_eq(&kept, &shared));
    assert_eq!(fetches(&world.tenant), (1, 1));
}

#[test]
fn waiters_share_one_failure() {
    let world = World::new();
    world
        .tenant
        .misbehave(Endpoint::Discovery, Fault::status(500));
    let cache = world.without_tasks();
    let woken = Arc::new(Woken::default());
    let mut calls: Vec<_> = (0..64).map(|_| call(&cache, "a.example", 0)).collect();
    for call in &mut calls {
        assert!(woken.poll(call.as_mut()).is_pending());
    }
    for call in &mut calls {
        assert!(finish(&woken, call.as_mut()).is_err());
    }
    assert_eq!(fetches(&world.tenant), (1, 0));
}

/// All of this runs on one thread; the slow issuer's fetch is not polled meanwhile.
#[test]
fn a_hanging_issuer_delays_no_other() {
    let world = World::new();
    let quick = world.network.tenant("quick.example").unwrap();
    let cache = world.without_tasks();
    let woken = Arc::new(Woken::default());
    let mut slow = call(&cache, "a.example", 0);
    assert!(woken.poll(slow.as_mut()).is_pending());
    for second in 0..1000 {
        let own = Arc::new(Woken::default());
        let mut call = call(&cache, "quick.example", second);
        assert!(finish(&own, call.as_mut()).is_ok());
    }
    assert!(fetches(&quick).0 > 0);
    assert!(finish(&woken, slow.as_mut()).is_ok());
}

#[test]
fn a_task_continues_when_its_caller_is_dropped() {
    let world = World::new();
    let cache = world.cache();
    let woken = Arc::new(Woken::default());
    let mut gone = call(&cache, "a.example", 0);
    assert!(woken.poll(gone.as_mut()).is_pending());
    drop(gone);
    let waiting = Arc::new(Woken::default());
    let mut waits = call(&cache, "a.example", 0);
    assert!(waiting.poll(waits.as_mut()).is_pending());
    finish(&woken, world.task().as_mut());
    assert_eq!(waiting.count(), 1);
    let Poll::Ready(Ok(_)) = waiting.poll(waits.as_mut()) else {
        panic!("the task has ended");
    };
    assert_eq!(fetches(&world.tenant), (1, 1));
    assert!(world.tasks.lock().unwrap().is_empty());
}

/// A client with a forged `kid` disconnects during the search. Clients with a new key must not be
/// refused because of that.
#[test]
fn a_dropped_search_refuses_no_caller() {
    for with_tasks in [false, true] {
        let world = World::new();
        let cache = match with_tasks {
            true => world.cache(),
            false => world.without_tasks(),
        };
        let warm = match with_tasks {
            true => world.finish(&cache, 0),
            false => finish(&Arc::default(), call(&cache, "a.example", 0).as_mut()).unwrap(),
        };
        drop(warm);
        world.tenant.replace_keys().unwrap();
        let kid = world.tenant.kid();
        let issuer = normalize_domain("a.example").unwrap();
        let search = |kid: &str| {
            let (cache, issuer, kid) = (cache.clone(), issuer.clone(), kid.to_owned());
            Box::pin(async move {
                let keys = cache
                    .keys_with(&issuer, &kid, Algorithm::Rs256, at(1))
                    .await;
                keys.is_ok_and(|keys| keys.keys().contains(&kid, Algorithm::Rs256))
            })
        };
        let [forger, first] = [0, 1].map(|_| Arc::new(Woken::default()));
        let mut forged = search("nobody's");
        assert!(forger.poll(forged.as_mut()).is_pending());
        let mut waits = search(&kid);
        assert!(first.poll(waits.as_mut()).is_pending());
        drop(forged);
        if with_tasks {
            finish(&forger, world.task().as_mut());
        }
        assert!(finish(&first, waits.as_mut()), "{with_tasks}");
        assert!(
            finish(&Arc::default(), search(&kid).as_mut()),
            "{with_tasks}"
        );
        assert_eq!(world.tenant.request_count(Endpoint::Jwks), 2);
    }
}

/// This happens when a future is moved to another task.
#[test]
fn a_waiter_is_woken_through_its_latest_waker() {
    let world = World::new();
    let cache = world.cache();
    let [before, after] = [0, 1].map(|_| Arc::new(Woken::default()));
    let mut waits = call(&cache, "a.example", 0);
    assert!(before.poll(waits.as_mut()).is_pending());
    assert!(after.poll(waits.as_mut()).is_pending());
    finish(&Arc::default(), world.task().as_mut());
    assert_eq!((before.count(), after.count()), (0, 1));
}

#[test]
fn a_refresh_delays_no_caller_and_ends_with_the_last_clone() {
    for dropped in [false, true] {
        let world = World::new();
        let cache = world.cache();
        let woken = Arc::new(Woken::default());
        let old = world.finish(&cache, 0);
        let served = finish(&woken, call(&cache, "a.example", 300).as_mut()).unwrap();
        assert!(Arc::ptr_eq(&old, &served));
        let mut task = world.task();
        assert!(woken.poll(task.as_mut()).is_pending());
        match dropped {
            true => drop(cache),
            false => assert!(cache.status(at(300))[0].fetching),
        }
        finish(&woken, task.as_mut());
        let expected = match dropped {
            true => (2, 1),
            false => (2, 2),
        };
        assert_eq!(fetches(&world.tenant), expected);
    }
}

/// A runtime may drop a task before it is finished.
#[test]
fn a_dropped_refresh_is_tried_again() {
    let world = World::new();
    let cache = world.cache();
    let woken = Arc::new(Woken::default());
    world.finish(&cache, 0);
    for second in [300, 315] {
        finish(&woken, call(&cache, "a.example", second).as_mut()).unwrap();
        assert!(woken.poll(world.task().as_mut()).is_pending());
    }
    assert_eq!(world.finish(&cache, 1200).requested_at(), at(1200));
}

#[test]
fn async_processes_share_an_adapter() {
    let world = World::new();
    let store = Arc::new(InMemoryCache::new(100));
    let process = || {
        KeyCache::builder(rules(), Arc::new(Slow(world.network.clone())))
            .policy(policy())
            .async_adapter(Arc::clone(&store), unauthenticated())
            .build_async(Some)
    };
    for _ in 0..2 {
        let cache = process();
        let woken = Arc::new(Woken::default());
        assert!(finish(&woken, call(&cache, "a.example", 0).as_mut()).is_ok());
        assert_eq!(fetches(&world.tenant), (1, 1));
        assert_eq!(cache.adapter_failures(), 0);
    }
    let is_set: Result<bool, CacheAdapterError> = {
        let woken = Arc::new(Woken::default());
        let mut set = AsyncCacheAdapter::set_if_absent(&store, "a", "1", Duration::from_secs(1));
        finish(&woken, set.as_mut())
    };
    assert!(is_set.unwrap());
}
