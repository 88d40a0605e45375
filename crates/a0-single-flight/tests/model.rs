//! Models of `Monitor` and `Rounds` that `loom` runs under every schedule of their threads.
//!
//! With two threads, `loom` explores every order in which they can take the locks. With three
//! threads, it explores every order with at most four preemptions. A lost wake-up is a deadlock
//! here, on which `loom` fails, because its `wait_timeout` never times out.
//!
//! The sources are compiled with the locks of `loom` as `crate::sync`, so this is a program of its own.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

mod sync {
    pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};
}

#[path = "../src/monitor.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of the crate's sources")]
mod monitor;

#[path = "../src/rounds.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of the crate's sources")]
mod rounds;

use monitor::Monitor;
use rounds::{Ending, Moment, Round, Rounds};

const LIMIT: Duration = Duration::from_secs(3600);

/// The bound for three threads. It keeps a model to a few seconds.
const PREEMPTIONS: Option<usize> = Some(4);

/// No bound, for two threads.
const ALL: Option<usize> = None;

fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// A single flight as `a0-discovery` and `auth0-api` build it.
#[derive(Default)]
struct Flight {
    shared: Monitor<Shared>,
    leaders: AtomicUsize,
    checks: AtomicUsize,
}

#[derive(Default)]
struct Shared {
    rounds: Rounds,
    result: Option<Round>,
}

/// The next action of a caller.
enum Turn {
    Take(Round),
    Lead(Round),
    Wait(Round),
}

impl Flight {
    fn turn(&self, now: Moment) -> Turn {
        let mut shared = self.shared.lock();
        if let Some(result) = shared.result {
            return Turn::Take(result);
        }
        match shared.rounds.running(&now) {
            Some(running) => Turn::Wait(running.round()),
            None => Turn::Lead(shared.rounds.begin(now, LIMIT)),
        }
    }

    /// Does the work of a round. The result is the round's number.
    fn lead(&self, round: Round, now: Moment) -> Ending {
        assert_eq!(
            self.leaders.fetch_add(1, Ordering::SeqCst),
            0,
            "two leaders"
        );
        self.leaders.fetch_sub(1, Ordering::SeqCst);
        self.finish(round, now)
    }

    fn finish(&self, round: Round, now: Moment) -> Ending {
        let mut shared = self.shared.lock();
        let ending = shared.rounds.end(round, true, &now);
        if ending == Ending::Counts {
            shared.result = Some(round);
        }
        drop(shared);
        self.shared.notify_all();
        ending
    }

    fn abandon(&self, round: Round) {
        self.shared.lock().rounds.abandon(round);
        self.shared.notify_all();
    }

    /// Returns a waiter's check whether the round is over.
    fn is_over(&self, round: Round) -> impl FnMut(&mut Shared) -> Option<()> + '_ {
        move |shared| {
            self.checks.fetch_add(1, Ordering::SeqCst);
            (!shared.rounds.is_running(round)).then_some(())
        }
    }

    /// Runs a caller on a thread.
    fn call(&self, now: Moment) -> Round {
        loop {
            match self.turn(now) {
                Turn::Take(result) => return result,
                Turn::Lead(round) => {
                    self.lead(round, now);
                }
                Turn::Wait(round) => {
                    let ended = self.shared.wait(far(), self.is_over(round));
                    assert_eq!(ended, Some(()));
                }
            }
        }
    }

    /// Runs a caller in a task.
    async fn call_async(&self, now: Moment) -> Round {
        loop {
            match self.turn(now) {
                Turn::Take(result) => return result,
                Turn::Lead(round) => {
                    self.lead(round, now);
                }
                Turn::Wait(round) => {
                    let wait = self.shared.wait_async(far(), None, self.is_over(round));
                    assert_eq!(wait.await, Some(()));
                }
            }
        }
    }
}

fn far() -> Instant {
    Instant::now() + LIMIT
}

struct Unpark(thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

/// A flight whose first round is led by the test.
fn led() -> (Arc<Flight>, Round, Moment) {
    let now = Moment::now(0.0);
    let flight = Arc::new(Flight::default());
    let Turn::Lead(round) = flight.turn(now) else {
        unreachable!("nobody leads yet");
    };
    (flight, round, now)
}

/// Whether a caller is a thread or a task.
#[derive(Clone, Copy)]
enum Caller {
    Thread,
    Task,
}

fn spawn(flight: &Arc<Flight>, caller: Caller, now: Moment) -> thread::JoinHandle<Round> {
    let flight = Arc::clone(flight);
    thread::spawn(move || match caller {
        Caller::Thread => flight.call(now),
        Caller::Task => block_on(flight.call_async(now)),
    })
}

#[test]
fn no_wake_up_is_lost_and_no_caller_spins() {
    for caller in [Caller::Thread, Caller::Task] {
        explore(ALL, move || {
            let (flight, round, now) = led();
            let waiter = spawn(&flight, caller, now);
            assert_eq!(flight.lead(round, now), Ending::Counts);
            assert_eq!(waiter.join().unwrap(), round);
            // One check before the wait, one after the notification.
            assert!(flight.checks.load(Ordering::SeqCst) <= 2);
        });
    }
}

#[test]
fn an_abandoned_round_elects_one_leader_among_its_waiters() {
    for callers in [
        [Caller::Thread, Caller::Thread],
        [Caller::Thread, Caller::Task],
        [Caller::Task, Caller::Task],
    ] {
        explore(PREEMPTIONS, move || {
            let (flight, round, now) = led();
            let waiters = callers.map(|caller| spawn(&flight, caller, now));
            flight.abandon(round);
            for waiter in waiters {
                assert_eq!(waiter.join().unwrap(), round + 1);
            }
            assert_eq!(flight.shared.lock().rounds.begun(), round + 1);
            // With two rounds, a waiter checks once before each wait and at most once after the end
            // of a round.
            assert!(flight.checks.load(Ordering::SeqCst) <= 8);
        });
    }
}

#[test]
fn callers_without_a_round_elect_one_leader() {
    explore(PREEMPTIONS, || {
        let flight = Arc::new(Flight::default());
        let now = Moment::now(0.0);
        let others = [Caller::Thread, Caller::Task].map(|caller| spawn(&flight, caller, now));
        assert_eq!(flight.call(now), 1);
        for other in others {
            assert_eq!(other.join().unwrap(), 1);
        }
        assert_eq!(flight.shared.lock().rounds.begun(), 1);
    });
}

#[test]
fn an_overdue_leader_never_replaces_a_later_result() {
    explore(ALL, || {
        let (flight, first, _) = led();
        let later = Moment::now(2.0 * LIMIT.as_secs_f64());
        let other = spawn(&flight, Caller::Thread, later);
        // The overdue round is still running but cannot be joined. The other caller leads, unless
        // it ends first.
        let ending = flight.finish(first, later);
        let result = other.join().unwrap();
        let shared = flight.shared.lock();
        // Once a later round has begun, only its result counts.
        assert_eq!(result, shared.rounds.begun());
        assert_eq!(shared.result, Some(result));
        assert_eq!(ending == Ending::Counts, result == first);
    });
}

#[test]
fn a_task_that_gives_up_takes_no_wake_up_from_others() {
    explore(PREEMPTIONS, || {
        let (flight, round, now) = led();
        let stays = spawn(&flight, Caller::Task, now);
        let leaves = {
            let flight = Arc::clone(&flight);
            thread::spawn(move || {
                let mut future = pin!(flight.call_async(now));
                let mut context = Context::from_waker(Waker::noop());
                let _ = future.as_mut().poll(&mut context);
            })
        };
        flight.lead(round, now);
        assert_eq!(stays.join().unwrap(), round);
        leaves.join().unwrap();
    });
}
