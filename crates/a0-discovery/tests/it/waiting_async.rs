//! Who fetches and how long others wait, for async callers. The tests provide the tasks, clocks and
//! timers.

mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, UNIX_EPOCH};

use crate::common::{START, at, fetches, policy, rules, unauthenticated};
use a0_discovery::asynchronous::{AdapterFuture, AsyncCacheAdapter, KeyCache, Task};
use a0_discovery::{CacheAdapter, FetchFailure, InMemoryCache, Refresh, normalize_domain};
use a0_jose::Algorithm;
use a0_testkit::{Endpoint, Fault, LocalNetwork};
use world::{Call, Parked, World, finish, poll};

/// A runtime that shuts down drops spawned tasks. The caller gets an error and does not retry
/// without end.
#[test]
fn a_runtime_that_drops_its_tasks_ends_the_call() {
    for of_endpoint in [false, true] {
        let world = World::new();
        let spawned = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&spawned);
        let cache = world.cache(move |task| {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(task);
            None
        });
        let call = |second| match of_endpoint {
            true => world.endpoint(&cache, second),
            false => world.keys(&cache, second),
        };
        let mut times = Vec::new();
        for second in 0..200 {
            let before = spawned.load(Ordering::SeqCst);
            assert_eq!(finish(call(second)), Some(Err(FetchFailure::Abandoned)));
            if spawned.load(Ordering::SeqCst) > before {
                times.push(second);
            }
        }
        // The first call spawns two tasks. Then the back-off begins.
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        assert_eq!(spawned.load(Ordering::SeqCst), 10);
        assert_eq!(world.client.calls.load(Ordering::SeqCst), 0);
    }
}

/// A client or an adapter that panics in its task is called only as often as the back-off allows.
#[test]
fn a_panicking_task_follows_the_back_off() {
    struct Panics(Arc<AtomicUsize>);
    impl AsyncCacheAdapter for Panics {
        fn get<'a>(&'a self, _: &'a str) -> AdapterFuture<'a, Option<String>> {
            self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { panic!("the adapter panics") })
        }
        fn set<'a>(&'a self, _: &'a str, _: &'a str, _: Duration) -> AdapterFuture<'a, ()> {
            unreachable!()
        }
        fn set_if_absent<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: Duration,
        ) -> AdapterFuture<'a, bool> {
            unreachable!()
        }
        fn delete<'a>(&'a self, _: &'a str) -> AdapterFuture<'a, ()> {
            unreachable!()
        }
        fn clear(&self) -> AdapterFuture<'_, ()> {
            unreachable!()
        }
    }
    /// Runs a task as a runtime does: if it panics, it is dropped and no caller panics.
    fn run(task: Task) -> Option<Task> {
        let _ = catch_unwind(AssertUnwindSafe(|| finish(task)));
        None
    }
    for with_adapter in [false, true] {
        let world = World::new();
        world.client.panics.store(true, Ordering::SeqCst);
        let of_adapter = Arc::new(AtomicUsize::new(0));
        let mut builder = KeyCache::builder(rules(), Arc::new(world.client.clone()))
            .policy(policy())
            .sleep(|_| Box::pin(std::future::pending()));
        if with_adapter {
            builder = builder.async_adapter(Panics(Arc::clone(&of_adapter)), unauthenticated());
        }
        let cache = builder.build_async(run);
        let calls =
            || world.client.calls.load(Ordering::SeqCst) + of_adapter.load(Ordering::SeqCst);
        let mut times = Vec::new();
        for second in 0..200 {
            let before = calls();
            let outcome = finish(world.keys(&cache, second));
            assert_eq!(outcome, Some(Err(FetchFailure::Abandoned)), "{second}");
            if calls() > before {
                times.push(second);
            }
        }
        assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
        assert_eq!(calls(), 10);
        // Keys are still served while background refreshes panic.
        world.client.panics.store(false, Ordering::SeqCst);
        if !with_adapter {
            assert_eq!(finish(world.keys(&cache, 300)), Some(Ok(true)));
            world.client.panics.store(true, Ordering::SeqCst);
            for second in [700, 715, 730] {
                assert_eq!(finish(world.keys(&cache, second)), Some(Ok(true)));
            }
        }
    }
}

/// A refresh is a task on its caller's runtime. Other callers do not depend on that runtime.
#[test]
fn callers_do_not_depend_on_a_runtime_that_is_not_driven() {
    let world = World::new();
    let cache = world.cache(world.park());
    let mut first = world.keys(&cache, 0);
    assert!(poll(first.as_mut()).is_pending());
    world.drive();
    assert_eq!(finish(first), Some(Ok(true)));
    // The refresh is spawned but not driven.
    assert_eq!(finish(world.keys(&cache, 700)), Some(Ok(true)));
    assert_eq!(world.parked.lock().unwrap().len(), 1);
    // Known keys are served meanwhile. A token with an unknown `kid` is refused after `max_wait`.
    assert_eq!(finish(world.keys(&cache, 720)), Some(Ok(true)));
    let mut search = world.search(&cache, "nobody's", 720);
    assert!(poll(search.as_mut()).is_pending());
    world.alarm.fire();
    assert_eq!(finish(search), Some(Err(FetchFailure::NotInTime)));
    // Once the refresh is overdue, other callers fetch: because the keys are old, or for an unknown
    // `kid`.
    for (second, unknown_kid) in [(1300, false), (1400, true)] {
        let mut call = match unknown_kid {
            true => world.search(&cache, "nobody's", second),
            false => world.keys(&cache, second),
        };
        let before = world.parked.lock().unwrap().len();
        world.alarm.reset();
        assert!(poll(call.as_mut()).is_pending());
        let task = world.parked.lock().unwrap().remove(before);
        assert!(finish(task).is_some());
        assert_eq!(finish(call), Some(Ok(!unknown_kid)), "{second}");
    }
    assert_eq!(fetches(&world.client.tenant), (2, 3));
}

/// A waiter without a timer leaves when it is next polled after `max_wait`.
#[test]
fn a_waiter_leaves_after_max_wait() {
    let world = World::new();
    world.client.holds.store(true, Ordering::SeqCst);
    let cache = world.cache_with(Some, |policy| policy.max_wait = Duration::ZERO);
    let mut leader = world.keys(&cache, 0);
    assert!(poll(leader.as_mut()).is_pending());
    for _ in 0..3 {
        let left = finish(world.keys(&cache, 0));
        assert_eq!(left, Some(Err(FetchFailure::NotInTime)));
    }
    world.client.holds.store(false, Ordering::SeqCst);
    assert_eq!(finish(leader), Some(Ok(true)));
    assert_eq!(fetches(&world.client.tenant), (1, 1));
    assert_eq!(cache.status(at(0)).remove(0).failures, 0);
}

/// The caller of a task that never ends leaves too, and spawns no second task.
#[test]
fn the_caller_of_a_stalled_task_leaves_after_max_wait() {
    let world = World::new();
    let cache = world.cache(world.park());
    let mut call = world.keys(&cache, 0);
    assert!(poll(call.as_mut()).is_pending());
    world.alarm.fire();
    assert_eq!(finish(call), Some(Err(FetchFailure::NotInTime)));
    assert_eq!(world.parked.lock().unwrap().len(), 1);
}

/// Any number of callers may drop their futures without causing a failure.
#[test]
fn cancelled_calls_are_no_failure() {
    let world = World::new();
    world.client.holds.store(true, Ordering::SeqCst);
    let cache = world.cache(Some);
    for _ in 0..20 {
        let mut call = world.keys(&cache, 0);
        assert!(poll(call.as_mut()).is_pending());
        drop(call);
    }
    world.client.holds.store(false, Ordering::SeqCst);
    assert_eq!(finish(world.keys(&cache, 0)), Some(Ok(true)));
    assert_eq!(cache.status(at(0)).remove(0).failures, 0);
    assert_eq!(world.client.calls.load(Ordering::SeqCst), 22);
}

/// The cool-down applies with tasks and without.
#[test]
fn unknown_key_ids_make_one_request_with_tasks_and_without() {
    for with_tasks in [false, true] {
        let world = World::new();
        let cache = match with_tasks {
            true => world.cache(|task| {
                finish(task);
                None
            }),
            false => world.cache(Some),
        };
        assert_eq!(finish(world.keys(&cache, 0)), Some(Ok(true)));
        for number in 0..1000 {
            let search = world.search(&cache, &format!("nobody's {number}"), 1);
            assert_eq!(finish(search), Some(Ok(false)));
        }
        assert_eq!(fetches(&world.client.tenant), (1, 2), "{with_tasks}");
    }
}

/// Each call has its own runtime, as in short scripts, and each background refresh is dropped with
/// it. This says nothing about the issuer. Keys are not served for longer because of it, and no
/// caller is refused.
#[test]
fn dropped_refreshes_neither_extend_old_keys_nor_refuse_callers() {
    let world = World::new();
    let foreground = Arc::new(AtomicBool::new(true));
    let runs = Arc::clone(&foreground);
    let cache = world.cache(move |task| {
        // A task runs while its caller waits. A background task is dropped.
        if runs.load(Ordering::SeqCst) {
            finish(task);
        }
        None
    });
    let removed = world.client.tenant.kid();
    assert_eq!(finish(world.keys(&cache, 0)), Some(Ok(true)));
    world.client.tenant.replace_keys().unwrap();
    let mut accepted = 0;
    for second in 1..4000 {
        // From twice the TTL on, callers wait.
        foreground.store(second % 1200 == 0, Ordering::SeqCst);
        let (cache, issuer) = (cache.clone(), world.issuer.clone());
        let keys = finish(Box::pin(
            async move { cache.keys(&issuer, at(second)).await },
        ));
        let keys = keys.unwrap().unwrap();
        if keys.keys().contains(&removed, Algorithm::Rs256) {
            accepted = second;
        }
    }
    assert_eq!(accepted, 1199);
}

/// A fetch of metadata alone follows the back-off and `Retry-After`, also with a second level.
#[test]
fn metadata_alone_follows_the_back_off() {
    let world = World::new();
    let fault = Fault::retry_after(429, 30);
    world.client.tenant.misbehave(Endpoint::Discovery, fault);
    let cache = KeyCache::builder(rules(), Arc::new(world.client.clone()))
        .policy(policy())
        .clock({
            let tenant = world.client.tenant.clone();
            move || tenant.now()
        })
        .async_adapter(InMemoryCache::new(10), unauthenticated())
        .build_async(Some);
    let mut times = Vec::new();
    for second in 0..100 {
        let now = u64::try_from(START + second).unwrap();
        world
            .client
            .tenant
            .set_now(UNIX_EPOCH + Duration::from_secs(now));
        let before = fetches(&world.client.tenant);
        assert!(finish(world.endpoint(&cache, second)).unwrap().is_err());
        if fetches(&world.client.tenant) > before {
            times.push(second);
        }
    }
    assert_eq!(times, [0, 30, 60, 90]);
}

/// A reload needs the issuer's own response. Another process may have stored an older one.
#[test]
fn a_reload_ignores_keys_that_were_stored_meanwhile() {
    let world = World::new();
    let store = Arc::new(InMemoryCache::new(10));
    let parked = world.park();
    let cache = KeyCache::builder(rules(), Arc::new(world.client.clone()))
        .policy(policy())
        .async_adapter(Arc::clone(&store), unauthenticated())
        .build_async(parked);
    let other = KeyCache::builder(rules(), Arc::new(world.client.clone()))
        .policy(policy())
        .async_adapter(Arc::clone(&store), unauthenticated())
        .build_async(Some);
    // The reload waits for a round that is then dropped.
    let mut first = world.keys(&cache, 0);
    assert!(poll(first.as_mut()).is_pending());
    let (reloading, issuer) = (cache.clone(), world.issuer.clone());
    let mut reload = Box::pin(async move { reloading.reload(&issuer, at(0)).await });
    assert!(poll(reload.as_mut()).is_pending());
    drop(world.parked.lock().unwrap().pop());
    // The next round finds keys in the store.
    assert_eq!(finish(world.keys(&other, 0)), Some(Ok(true)));
    assert!(poll(first.as_mut()).is_pending());
    world.drive();
    assert_eq!(finish(first), Some(Ok(true)));
    assert_eq!(fetches(&world.client.tenant), (1, 1));
    assert!(poll(reload.as_mut()).is_pending());
    world.drive();
    assert!(matches!(poll(reload.as_mut()), Poll::Ready(Ok(_))));
    assert_eq!(fetches(&world.client.tenant), (2, 2));
}

/// A caller waits for `max_wait` in total, not for each round.
#[test]
fn all_waits_of_a_caller_count_towards_max_wait() {
    let world = World::new();
    let durations = Arc::<Mutex<Vec<Duration>>>::default();
    let sleeps = Arc::clone(&durations);
    let cache = KeyCache::builder(rules(), Arc::new(world.client.clone()))
        .policy(policy())
        .sleep(move |duration| {
            sleeps.lock().unwrap().push(duration);
            Box::pin(std::future::pending())
        })
        .build_async(world.park());
    let mut leader = world.keys(&cache, 0);
    assert!(poll(leader.as_mut()).is_pending());
    durations.lock().unwrap().clear();
    let mut waiter = world.keys(&cache, 0);
    assert!(poll(waiter.as_mut()).is_pending());
    let pause = std::time::Instant::now();
    while pause.elapsed() < Duration::from_millis(20) {
        std::thread::yield_now();
    }
    // The leader leads the next round too, and the waiter waits again.
    drop(world.parked.lock().unwrap().pop());
    assert!(poll(leader.as_mut()).is_pending());
    assert!(poll(waiter.as_mut()).is_pending());
    let durations = durations.lock().unwrap();
    let [first, .., last] = durations[..] else {
        panic!("{durations:?}");
    };
    assert!(first - last >= Duration::from_millis(20), "{durations:?}");
}

/// One of the waiters of an abandoned round leads the next one.
#[test]
fn an_abandoned_round_has_one_successor() {
    let world = World::new();
    let cache = world.cache(world.park());
    let mut calls: Vec<Call> = (0..100).map(|_| world.keys(&cache, 0)).collect();
    for call in &mut calls {
        assert!(poll(call.as_mut()).is_pending());
    }
    for _ in 0..2 {
        let abandoned = world.parked.lock().unwrap().pop().unwrap();
        drop(abandoned);
        let is_pending = |call: &mut Call| poll(call.as_mut()).is_pending();
        let pending = calls
            .iter_mut()
            .map(is_pending)
            .filter(|pending| *pending)
            .count();
        // The back-off begins after the second abandoned round.
        let tasks = world.parked.lock().unwrap().len();
        assert!((pending, tasks) == (100, 1) || (pending, tasks) == (0, 0));
    }
    assert!(world.parked.lock().unwrap().is_empty());
    assert_eq!(cache.status(at(0)).remove(0).failures, 1);
    assert_eq!(
        finish(world.keys(&cache, 0)),
        Some(Err(FetchFailure::Abandoned))
    );
}

/// A call that is polled as soon as it is woken.
struct Eager {
    call: Mutex<Call>,
    /// The result of the poll.
    woken: Mutex<Option<Poll<Result<bool, FetchFailure>>>>,
}

impl Wake for Eager {
    fn wake(self: Arc<Self>) {
        let polled = poll(self.call.lock().unwrap().as_mut());
        *self.woken.lock().unwrap() = Some(polled);
    }
}

/// A waiter leads the next round, for which it needs the permit of the abandoned one.
#[test]
fn an_abandoned_round_returns_its_permit_before_it_wakes_anybody() {
    let world = World::new();
    // Without timers, only the end of the round wakes a waiter.
    let mut policy = policy();
    policy.max_wait = Duration::from_secs(3600);
    let cache = KeyCache::builder(rules(), Arc::new(world.client.clone()))
        .policy(policy)
        .build_async(world.park());
    let keys = |number: usize| -> Call {
        let issuer = normalize_domain(&format!("t{number}.example")).unwrap();
        let cache = cache.clone();
        Box::pin(async move {
            let keys = cache.keys(&issuer, at(0)).await;
            keys.map(|_| true)
                .map_err(|error| error.error.failure().clone())
        })
    };
    // Issuers that have not answered yet have 32 permits.
    let mut calls: Vec<Call> = (0..32).map(keys).collect();
    for call in &mut calls {
        assert!(poll(call.as_mut()).is_pending());
    }
    let refused = Some(Err(FetchFailure::Overloaded));
    assert_eq!(finish(keys(32)), refused);
    let waiter = Arc::new(Eager {
        call: Mutex::new(keys(0)),
        woken: Mutex::default(),
    });
    let waker = Waker::from(Arc::clone(&waiter));
    let mut context = Context::from_waker(&waker);
    let first = waiter.call.lock().unwrap().as_mut().poll(&mut context);
    assert!(first.is_pending());
    let abandoned = world.parked.lock().unwrap().remove(0);
    drop(abandoned);
    let woken = waiter.woken.lock().unwrap().take();
    assert_eq!(woken, Some(Poll::Pending), "it leads");
    assert_eq!(world.parked.lock().unwrap().len(), 32);
}

/// A task is frozen with its process. Its exchange times out hours later, which says nothing about
/// the issuer.
#[test]
fn a_frozen_task_is_no_failure_after_the_thaw() {
    for ends_first in [false, true] {
        let world = World::new();
        let clock = world.client.tenant.clone();
        let go_to = |second: i64| {
            let now = u64::try_from(START + second).unwrap();
            world
                .client
                .tenant
                .set_now(UNIX_EPOCH + Duration::from_secs(now));
        };
        let mut background = policy();
        background.refresh = Refresh::Background;
        let cache = KeyCache::builder(rules(), Arc::new(world.client.clone()))
            .policy(background)
            .clock(move || clock.now())
            .build_async(world.park());
        go_to(0);
        let mut first = world.keys(&cache, 0);
        assert!(poll(first.as_mut()).is_pending());
        world.drive();
        assert_eq!(finish(first), Some(Ok(true)));
        go_to(700);
        assert_eq!(finish(world.keys(&cache, 700)), Some(Ok(true)));
        let mut frozen = world.parked.lock().unwrap().pop().unwrap();
        world.client.holds.store(true, Ordering::SeqCst);
        assert!(poll(frozen.as_mut()).is_pending());
        let timed_out = Fault::transport(std::io::ErrorKind::TimedOut);
        world
            .client
            .tenant
            .misbehave_times(Endpoint::Discovery, 1, timed_out);
        let thawed = 700 + 3 * 3600;
        go_to(thawed);
        world.client.holds.store(false, Ordering::SeqCst);
        let mut call = world.keys(&cache, thawed);
        if !ends_first {
            assert!(poll(call.as_mut()).is_pending());
        }
        // The frozen task gets the time-out, whenever it ends.
        assert!(finish(frozen).is_some());
        if ends_first {
            assert!(poll(call.as_mut()).is_pending());
        }
        world.drive();
        assert_eq!(finish(call), Some(Ok(true)), "{ends_first}");
        assert_eq!(cache.status(at(thawed)).remove(0).failures, 0);
    }
}

/// A slow process writes its documents after another process has written newer ones.
#[test]
fn an_older_document_does_not_replace_a_newer_one() {
    let world = World::new();
    let store = Arc::new(InMemoryCache::new(10));
    let process = |spawn: Box<dyn Fn(Task) -> Option<Task> + Send + Sync>| {
        KeyCache::builder(rules(), Arc::new(world.client.clone()))
            .policy(policy())
            .async_adapter(Arc::clone(&store), unauthenticated())
            .clock(|| UNIX_EPOCH + Duration::from_secs(START.unsigned_abs() + 20))
            .build_async(spawn)
    };
    let (slow, quick) = (process(Box::new(world.park())), process(Box::new(Some)));
    let mut late = world.keys(&slow, 0);
    assert!(poll(late.as_mut()).is_pending());
    let mut task = world.parked.lock().unwrap().pop().unwrap();
    world.client.holds.store(true, Ordering::SeqCst);
    assert!(poll(task.as_mut()).is_pending());
    world.client.holds.store(false, Ordering::SeqCst);
    assert_eq!(finish(world.keys(&quick, 10)), Some(Ok(true)));
    assert!(finish(task).is_some());
    assert_eq!(finish(late), Some(Ok(true)));
    for key in ["metadata", "jwks"] {
        let key = format!("a0-discovery:1:{key}:https://a.example/");
        let entry = CacheAdapter::get(&store, &key).unwrap().unwrap();
        assert!(entry.contains(&format!("{}", START + 10)), "{entry}");
    }
}

/// A task waits for another process, which never finishes, and its caller is gone. The task waits on
/// as long as the cache is in use: the next caller will need its result.
#[test]
fn a_task_waits_for_no_other_process_once_its_cache_is_gone() {
    for is_in_use in [true, false] {
        let world = World::new();
        let store = Arc::new(InMemoryCache::new(10));
        let name = "a0-discovery:1:refresh:https://a.example/";
        let week = Duration::from_secs(7 * 86_400);
        CacheAdapter::set(&store, name, "held:somebody", week).unwrap();
        let sleeps = Arc::<AtomicUsize>::default();
        let cache = KeyCache::builder(rules(), Arc::new(world.client.clone()))
            .policy(policy())
            .async_adapter(store, unauthenticated())
            .sleep({
                let sleeps = Arc::clone(&sleeps);
                move |_| {
                    sleeps.fetch_add(1, Ordering::SeqCst);
                    let mut is_over = false;
                    Box::pin(std::future::poll_fn(move |context| {
                        context.waker().wake_by_ref();
                        match std::mem::replace(&mut is_over, true) {
                            true => Poll::Ready(()),
                            false => Poll::Pending,
                        }
                    }))
                }
            })
            .build_async(world.park());
        let mut call = world.keys(&cache, 0);
        assert!(poll(call.as_mut()).is_pending());
        let mut task = world.parked.lock().unwrap().pop().unwrap();
        let before = sleeps.load(Ordering::SeqCst);
        assert!(poll(task.as_mut()).is_pending());
        assert_eq!(sleeps.load(Ordering::SeqCst), before + 1, "the task waits");
        drop(call);
        let kept = is_in_use.then_some(cache);
        assert!(finish(task).is_some());
        let more = sleeps.load(Ordering::SeqCst) - (before + 1);
        assert_eq!(more > 0, is_in_use);
        let expected = if is_in_use { (1, 1) } else { (0, 0) };
        assert_eq!(fetches(&world.client.tenant), expected);
        drop(kept);
    }
}

/// Waiting tasks hold no threads, so all of them may wait for a search.
#[test]
fn any_number_of_tasks_may_wait_for_a_search() {
    let world = World::new();
    let cache = world.cache(Some);
    assert_eq!(finish(world.keys(&cache, 0)), Some(Ok(true)));
    world.client.holds.store(true, Ordering::SeqCst);
    let search = |number: usize| world.search(&cache, &format!("nobody's {number}"), 1);
    let mut searches: Vec<Call> = (0..200).map(search).collect();
    for search in &mut searches {
        assert!(poll(search.as_mut()).is_pending());
    }
    world.client.holds.store(false, Ordering::SeqCst);
    assert!(
        searches
            .into_iter()
            .all(|search| finish(search) == Some(Ok(false)))
    );
    assert_eq!(fetches(&world.client.tenant), (1, 2));
}

/// Four refreshes run at once. The others wait until one of them ends or is overdue.
#[test]
fn refreshes_of_many_issuers_take_turns() {
    for parked_for_good in [false, true] {
        let network = LocalNetwork::new();
        let names: Vec<String> = (0..6).map(|number| format!("t{number}.example")).collect();
        let tenants: Vec<_> = names
            .iter()
            .map(|name| network.tenant(name).unwrap())
            .collect();
        let (parked, clock) = (Parked::default(), tenants[0].clone());
        let tenant = clock.clone();
        let runs = Arc::new(AtomicBool::new(true));
        let (tasks, at_once) = (Arc::clone(&parked), Arc::clone(&runs));
        let client = move |request| {
            let network = network.clone();
            async move { network.handle(request) }
        };
        let mut background = policy();
        background.refresh = Refresh::Background;
        let cache = KeyCache::builder(rules(), Arc::new(client))
            .policy(background)
            .clock(move || tenant.now())
            .build_async(move |task| {
                match at_once.load(Ordering::SeqCst) {
                    true => drop(finish(task)),
                    false => tasks.lock().unwrap().push(task),
                }
                None
            });
        let keys = |name: &str, second: i64| {
            let now = u64::try_from(START + second).unwrap();
            clock.set_now(UNIX_EPOCH + Duration::from_secs(now));
            let (cache, issuer) = (cache.clone(), normalize_domain(name).unwrap());
            let call: Call = Box::pin(async move {
                let keys = cache.keys(&issuer, at(second)).await;
                keys.map(|_| true)
                    .map_err(|error| error.error.failure().clone())
            });
            assert_eq!(finish(call), Some(Ok(true)));
        };
        for name in &names {
            keys(name, 0);
        }
        runs.store(false, Ordering::SeqCst);
        for name in names.iter().chain(&names) {
            keys(name, 700);
        }
        assert_eq!(parked.lock().unwrap().len(), 4);
        if parked_for_good {
            // The four are overdue, so one more call starts the last two.
            keys(&names[5], 800);
            assert_eq!(parked.lock().unwrap().len(), 6);
        } else {
            // A finished task continues with the queue.
            let task = parked.lock().unwrap().pop().unwrap();
            assert!(finish(task).is_some());
            let refreshed = tenants.iter().filter(|tenant| fetches(tenant) == (2, 2));
            assert_eq!(refreshed.count(), 3);
        }
    }
}

/// An issuer has one refresh at a time, unless the running one is overdue.
#[test]
fn an_issuer_is_refreshed_once_at_a_time() {
    let world = World::new();
    let cache = world.cache_with(world.park(), |policy| policy.ttl = Duration::from_secs(600));
    let mut first = world.keys(&cache, 0);
    assert!(poll(first.as_mut()).is_pending());
    world.drive();
    assert_eq!(finish(first), Some(Ok(true)));
    for second in [700, 710, 720] {
        assert_eq!(finish(world.keys(&cache, second)), Some(Ok(true)));
        assert_eq!(
            world.parked.lock().unwrap().len(),
            1,
            "one at a time for each issuer"
        );
    }
    assert_eq!(finish(world.keys(&cache, 800)), Some(Ok(true)));
    assert_eq!(
        world.parked.lock().unwrap().len(),
        2,
        "the first one is overdue"
    );
    world.drive();
    assert_eq!(finish(world.keys(&cache, 810)), Some(Ok(true)));
    assert_eq!(fetches(&world.client.tenant), (3, 3));
}
