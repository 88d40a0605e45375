//! Each test forces its schedule: it waits until the callers that it needs have joined.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "unit tests of private items"
)]

#[cfg(feature = "async")]
mod in_tasks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::UNIX_EPOCH;

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Failure {
    Refused,
    Stranded(Stranded),
}

impl From<Stranded> for Failure {
    fn from(stranded: Stranded) -> Self {
        Failure::Stranded(stranded)
    }
}

const ABANDONED: Failure = Failure::Stranded(Stranded::Abandoned);
const WAITED_TOO_LONG: Failure = Failure::Stranded(Stranded::WaitedTooLong);

type Outcome = Result<u32, Failure>;

/// No caller gives up.
const LONG: Duration = Duration::MAX;

/// The time limit of a call, unless a test sets another one.
const CALL: Duration = Duration::from_secs(35);

struct World {
    flights: SingleFlight<u32, Failure>,
    seconds: Arc<AtomicU64>,
    calls: AtomicUsize,
}

impl World {
    fn new(max_wait: Duration) -> Self {
        World::with(max_wait, CALL)
    }

    fn with(max_wait: Duration, call: Duration) -> Self {
        let seconds = Arc::new(AtomicU64::new(1_700_000_000));
        let clock = Arc::clone(&seconds);
        let clock = move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst));
        let limits = Limits { max_wait, call };
        World {
            flights: SingleFlight::new(NonZeroUsize::MIN, limits, Clock::new(clock)),
            seconds,
            calls: AtomicUsize::new(0),
        }
    }

    fn advance(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    fn callers(&self) -> usize {
        let entries = lock(&self.flights.entries);
        entries
            .flights
            .get("key")
            .map_or(0, |shared| shared.callers)
    }

    fn wait_for_callers(&self, count: usize) {
        while self.callers() < count {
            thread::yield_now();
        }
    }

    /// Every value is usable. `call` gets the number of calls before it.
    fn get(&self, call: impl FnOnce(usize) -> Outcome) -> Outcome {
        let call = || call(self.calls.fetch_add(1, Ordering::SeqCst));
        self.flights.get("key", |_| true, call)
    }

    /// Calls `get` on `count` threads. The first call goes on when all callers have joined. `None` means
    /// that the call panicked.
    fn get_on_threads(
        &self,
        count: usize,
        call: impl Fn(usize) -> Outcome + Sync,
    ) -> Vec<Option<Outcome>> {
        let get = || {
            let call = |before| {
                if before == 0 {
                    self.wait_for_callers(count);
                }
                call(before)
            };
            catch_unwind(AssertUnwindSafe(|| self.get(call))).ok()
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(get)).collect();
            let threads = threads.into_iter();
            threads.map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Leads a call on another thread and runs `meanwhile` before the call ends. Returns the outcome of the
    /// leader.
    fn lead(&self, outcome: Outcome, meanwhile: impl FnOnce()) -> Outcome {
        let (started, end) = (Barrier::new(2), Barrier::new(2));
        let call = |_| {
            started.wait();
            end.wait();
            outcome
        };
        thread::scope(|scope| {
            let leader = scope.spawn(|| self.get(call));
            started.wait();
            meanwhile();
            end.wait();
            leader.join().unwrap()
        })
    }

    fn enter_as_leader(&self) -> (Caller<'_, u32, Failure>, Round) {
        match self.flights.enter("key", |_| true) {
            Lookup::Joined(caller, Turn::Lead(round)) => (caller, round),
            _ => panic!("expected to become the leader"),
        }
    }

    fn assert_no_flight(&self) {
        assert!(lock(&self.flights.entries).flights.is_empty());
    }
}

fn count(outcomes: &[Option<Outcome>], expected: Option<Outcome>) -> usize {
    outcomes.iter().filter(|it| **it == expected).count()
}

fn no_call(_: usize) -> Outcome {
    panic!("expected no call")
}

#[test]
fn concurrent_callers_share_one_outcome() {
    for outcome in [Ok(7), Err(Failure::Refused)] {
        let world = World::new(LONG);
        let outcomes = world.get_on_threads(8, |_| outcome);
        assert_eq!(count(&outcomes, Some(outcome)), 8);
        assert_eq!(world.calls.load(Ordering::SeqCst), 1);
        world.assert_no_flight();
        // A failure is not cached.
        assert_eq!(world.get(|_| Ok(8)), outcome.or(Ok(8)));
    }
}

/// Otherwise a caller that finds no cached value could miss the end of the call and make another one.
#[test]
fn no_call_ends_between_the_lookup_and_the_join_of_a_caller() {
    let world = World::new(LONG);
    let (leader, round) = world.enter_as_leader();
    let duty = Duty::new(&leader, round);
    // While the state is locked, the caller blocks in the middle of its join.
    let state = leader.flight.lock();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| world.get(no_call));
        let mut times_locked = 0;
        while times_locked < 1000 {
            match world.flights.entries.try_lock() {
                Ok(entries) => assert_eq!(entries.flights["key"].callers, 1),
                Err(_) => times_locked += 1,
            }
            thread::yield_now();
        }
        drop(state);
        duty.end(&Ok(7), |_| true);
        assert_eq!(waiter.join().unwrap(), Ok(7));
    });
}

#[test]
fn an_unusable_value_is_not_cached() {
    let world = World::new(LONG);
    assert_eq!(world.get(|_| Ok(1)), Ok(1));
    let refused = || Err(Failure::Refused);
    assert_eq!(world.flights.get("key", |_| false, refused), refused());
    assert!(lock(&world.flights.entries).cached.is_empty());
    // An unusable result is not cached either.
    assert_eq!(world.flights.get("key", |_| false, || Ok(2)), Ok(2));
    assert!(lock(&world.flights.entries).cached.is_empty());
}

#[test]
fn a_waiter_takes_over_after_an_abandoned_call() {
    let world = World::new(LONG);
    let outcomes = world.get_on_threads(8, |before| match before {
        0 => panic!("the first call"),
        _ => Ok(7),
    });
    assert_eq!(count(&outcomes, None), 1);
    assert_eq!(count(&outcomes, Some(Ok(7))), 7);
    assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    world.assert_no_flight();
}

#[test]
fn waiters_give_up_after_two_abandoned_calls() {
    let world = World::new(LONG);
    let outcomes = world.get_on_threads(8, |_| panic!("every call"));
    assert_eq!(count(&outcomes, None), 2);
    assert_eq!(count(&outcomes, Some(Err(ABANDONED))), 6);
    assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    world.assert_no_flight();
    assert_eq!(world.get(|_| Ok(7)), Ok(7));
}

#[test]
fn a_waiter_gives_up_after_max_wait_and_the_call_goes_on() {
    for max_wait in [Duration::ZERO, Duration::from_millis(5)] {
        let world = World::new(max_wait);
        let outcome = world.lead(Ok(7), || {
            let start = Instant::now();
            assert_eq!(world.get(no_call), Err(WAITED_TOO_LONG));
            assert!(start.elapsed() >= max_wait);
        });
        assert_eq!(outcome, Ok(7));
        assert_eq!(world.get(no_call), Ok(7));
        world.assert_no_flight();
    }
}

#[test]
fn max_wait_limits_the_total_wait_of_a_caller() {
    let world = World::new(LONG);
    let (leader, first) = world.enter_as_leader();
    let Lookup::Joined(mut waiter, Turn::Wait(..)) = world.flights.enter("key", |_| true) else {
        panic!("expected to wait");
    };
    let deadline = waiter.deadline;
    // The first leader leaves, and another one takes over.
    drop(Duty::new(&leader, first));
    let (other, second) = world.enter_as_leader();
    assert!(matches!(waiter.turn(), Turn::Wait(round, _) if round == second));
    assert_eq!(waiter.deadline, deadline);

    waiter.deadline = Some(Instant::now());
    let is_over = |turn| matches!(turn, Turn::End(Err(WAITED_TOO_LONG)));
    assert!(is_over(waiter.turn()));
    // A caller whose time is over does not become the leader.
    drop(Duty::new(&other, second));
    assert!(is_over(waiter.turn()));
}

#[test]
fn an_overdue_call_is_not_joined_and_replaces_no_newer_value() {
    let world = World::new(Duration::ZERO);
    let late = world.lead(Ok(1), || {
        world.advance(95);
        assert_eq!(world.get(no_call), Err(WAITED_TOO_LONG));
        world.advance(1);
        assert_eq!(world.get(|_| Ok(2)), Ok(2));
    });
    assert_eq!(late, Ok(1));
    assert_eq!(world.get(no_call), Ok(2));
    world.assert_no_flight();

    // If no later call began, the late value is cached.
    let world = World::new(Duration::ZERO);
    assert_eq!(world.lead(Ok(1), || world.advance(3600)), Ok(1));
    assert_eq!(world.get(no_call), Ok(1));
}

#[test]
fn waiters_do_not_share_the_failure_of_an_overdue_call() {
    let world = World::new(LONG);
    thread::scope(|scope| {
        let mut waiter = None;
        let leader = world.lead(Err(Failure::Refused), || {
            waiter = Some(scope.spawn(|| world.get(|_| Ok(2))));
            world.wait_for_callers(2);
            world.advance(96);
        });
        assert_eq!(leader, Err(Failure::Refused));
        assert_eq!(waiter.unwrap().join().unwrap(), Ok(2));
    });
    world.assert_no_flight();
}

#[test]
fn a_waiter_shares_the_outcome_of_the_call_that_replaced_an_overdue_one() {
    let world = World::new(LONG);
    let late = world.lead(Ok(1), || {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| world.get(no_call));
            world.wait_for_callers(2);
            world.advance(96);
            assert_eq!(world.get(|_| Ok(2)), Ok(2));
            assert_eq!(waiter.join().unwrap(), Ok(2));
        });
    });
    assert_eq!(late, Ok(1));
}

#[test]
fn a_waiter_becomes_the_leader_when_the_call_is_overdue() {
    let world = World::with(LONG, Duration::from_millis(5));
    let late = world.lead(Ok(1), || assert_eq!(world.get(|_| Ok(2)), Ok(2)));
    assert_eq!(late, Ok(1));
    assert_eq!(world.get(no_call), Ok(2));
}
