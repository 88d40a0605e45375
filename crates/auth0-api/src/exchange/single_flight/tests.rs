//! Each schedule is forced: a test goes on when as many callers have joined as it wants.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests, which stand here because they look at what is private"
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

const LONG: Duration = Duration::MAX;

/// The time limit of a call, where a test does not say another.
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

    /// Every value is good. `call` is told how many calls there were before it.
    fn get(&self, call: impl FnOnce(usize) -> Outcome) -> Outcome {
        let call = || call(self.calls.fetch_add(1, Ordering::SeqCst));
        self.flights.get("key", |_| true, call)
    }

    /// The same on so many threads; `None` where the call panicked. The first call goes on when all have
    /// joined.
    fn get_on_threads(
        &self,
        count: usize,
        call: impl Fn(usize) -> Outcome + Sync,
    ) -> Vec<Option<Outcome>> {
        let one = || {
            let call = |before| {
                if before == 0 {
                    self.wait_for_callers(count);
                }
                call(before)
            };
            catch_unwind(AssertUnwindSafe(|| self.get(call))).ok()
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
            let threads = threads.into_iter();
            threads.map(|thread| thread.join().unwrap()).collect()
        })
    }

    /// Leads a call on another thread, and runs `meanwhile` before it ends. Returns what the leader got.
    fn lead(&self, outcome: Outcome, meanwhile: impl FnOnce()) -> Outcome {
        let (begun, end) = (Barrier::new(2), Barrier::new(2));
        let call = |_| {
            begun.wait();
            end.wait();
            outcome
        };
        thread::scope(|scope| {
            let leader = scope.spawn(|| self.get(call));
            begun.wait();
            meanwhile();
            end.wait();
            leader.join().unwrap()
        })
    }

    fn enter_as_leader(&self) -> (Caller<'_, u32, Failure>, Round) {
        match self.flights.enter("key", |_| true) {
            Lookup::Joined(caller, Turn::Lead(round)) => (caller, round),
            _ => panic!("a value is kept, or somebody leads already"),
        }
    }

    fn assert_forgotten(&self) {
        assert!(lock(&self.flights.entries).flights.is_empty());
    }
}

fn count(outcomes: &[Option<Outcome>], wanted: Option<Outcome>) -> usize {
    outcomes.iter().filter(|it| **it == wanted).count()
}

fn no_call(_: usize) -> Outcome {
    panic!("there is an outcome to share, or none to be had")
}

#[test]
fn all_who_ask_meanwhile_share_one_outcome() {
    for outcome in [Ok(7), Err(Failure::Refused)] {
        let world = World::new(LONG);
        let outcomes = world.get_on_threads(8, |_| outcome);
        assert_eq!(count(&outcomes, Some(outcome)), 8);
        assert_eq!(world.calls.load(Ordering::SeqCst), 1);
        world.assert_forgotten();
        // A failure is not kept.
        assert_eq!(world.get(|_| Ok(8)), outcome.or(Ok(8)));
    }
}

/// A caller that finds nothing in entries has joined before the call under way can end: else it would
/// make another one.
#[test]
fn a_caller_joins_under_the_lock_that_the_end_of_a_call_needs() {
    let world = World::new(LONG);
    let (leader, round) = world.enter_as_leader();
    let duty = Duty::new(&leader, round);
    // The caller stops where it joins.
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
fn a_value_that_is_no_longer_good_is_dropped() {
    let world = World::new(LONG);
    assert_eq!(world.get(|_| Ok(1)), Ok(1));
    let refused = || Err(Failure::Refused);
    assert_eq!(world.flights.get("key", |_| false, refused), refused());
    assert!(lock(&world.flights.entries).cached.is_empty());
    // Nor is one kept that is not good.
    assert_eq!(world.flights.get("key", |_| false, || Ok(2)), Ok(2));
    assert!(lock(&world.flights.entries).cached.is_empty());
}

#[test]
fn after_an_abandoned_call_one_of_its_waiters_makes_another() {
    let world = World::new(LONG);
    let outcomes = world.get_on_threads(8, |before| match before {
        0 => panic!("the first call"),
        _ => Ok(7),
    });
    assert_eq!(count(&outcomes, None), 1);
    assert_eq!(count(&outcomes, Some(Ok(7))), 7);
    assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    world.assert_forgotten();
}

#[test]
fn a_second_abandoned_call_in_a_row_ends_the_waiters() {
    let world = World::new(LONG);
    let outcomes = world.get_on_threads(8, |_| panic!("every call"));
    assert_eq!(count(&outcomes, None), 2);
    assert_eq!(count(&outcomes, Some(Err(ABANDONED))), 6);
    assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    world.assert_forgotten();
    assert_eq!(world.get(|_| Ok(7)), Ok(7));
}

#[test]
fn a_waiter_leaves_after_max_wait_and_that_is_no_failure() {
    for max_wait in [Duration::ZERO, Duration::from_millis(5)] {
        let world = World::new(max_wait);
        let outcome = world.lead(Ok(7), || {
            let asked = Instant::now();
            assert_eq!(world.get(no_call), Err(WAITED_TOO_LONG));
            assert!(asked.elapsed() >= max_wait);
        });
        assert_eq!(outcome, Ok(7));
        assert_eq!(world.get(no_call), Ok(7));
        world.assert_forgotten();
    }
}

#[test]
fn what_a_caller_waits_in_all_is_bounded() {
    let world = World::new(LONG);
    let (leader, first) = world.enter_as_leader();
    let Lookup::Joined(mut waiter, Turn::Wait(..)) = world.flights.enter("key", |_| true) else {
        panic!("there is a call to wait for");
    };
    let deadline = waiter.deadline;
    // The first leader goes, and another one comes.
    drop(Duty::new(&leader, first));
    let (other, second) = world.enter_as_leader();
    assert!(matches!(waiter.turn(), Turn::Wait(round, _) if round == second));
    assert_eq!(waiter.deadline, deadline);

    waiter.deadline = Some(Instant::now());
    let is_over = |turn| matches!(turn, Turn::End(Err(WAITED_TOO_LONG)));
    assert!(is_over(waiter.turn()));
    // Nor does it lead then.
    drop(Duty::new(&other, second));
    assert!(is_over(waiter.turn()));
}

#[test]
fn an_overdue_call_is_nobodys_to_join_and_its_late_value_is_not_kept() {
    let world = World::new(Duration::ZERO);
    let late = world.lead(Ok(1), || {
        world.advance(95);
        assert_eq!(world.get(no_call), Err(WAITED_TOO_LONG));
        world.advance(1);
        assert_eq!(world.get(|_| Ok(2)), Ok(2));
    });
    assert_eq!(late, Ok(1));
    assert_eq!(world.get(no_call), Ok(2));
    world.assert_forgotten();

    // If no later one began, it is.
    let world = World::new(Duration::ZERO);
    assert_eq!(world.lead(Ok(1), || world.advance(3600)), Ok(1));
    assert_eq!(world.get(no_call), Ok(1));
}

#[test]
fn a_late_failure_is_no_verdict_for_its_waiters() {
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
    world.assert_forgotten();
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
fn a_waiter_leads_once_the_call_that_it_waits_for_is_overdue() {
    let world = World::with(LONG, Duration::from_millis(5));
    let late = world.lead(Ok(1), || assert_eq!(world.get(|_| Ok(2)), Ok(2)));
    assert_eq!(late, Ok(1));
    assert_eq!(world.get(no_call), Ok(2));
}
