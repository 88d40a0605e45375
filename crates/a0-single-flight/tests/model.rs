//! `Monitor` and `Rounds` under every schedule of a few threads, by `loom`.
//!
//! `loom` explores each order in which two threads can take the locks; with three threads, each order
//! that needs at most four preemptions. It fails on a deadlock, which is what a lost wake-up is here: its
//! `wait_timeout` never times out.

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

/// Keeps a model of three threads to some seconds.
const PREEMPTIONS: Option<usize> = Some(4);

/// For a model of two threads.
const ALL: Option<usize> = None;

fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// A single flight as the crates above build it.
#[derive(Default)]
struct Flight {
    shared: Monitor<Shared>,
    leaders: AtomicUsize,
    looks: AtomicUsize,
}

#[derive(Default)]
struct Shared {
    rounds: Rounds,
    answer: Option<Round>,
}

/// What a caller does next.
enum Turn {
    Take(Round),
    Lead(Round),
    Wait(Round),
}

impl Flight {
    fn turn(&self, now: Moment) -> Turn {
        let mut shared = self.shared.lock();
        if let Some(answer) = shared.answer {
            return Turn::Take(answer);
        }
        match shared.rounds.running(&now) {
            Some(running) => Turn::Wait(running.round()),
            None => Turn::Lead(shared.rounds.begin(now, LIMIT)),
        }
    }

    /// Does the work of a round: its number is the result.
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
            shared.answer = Some(round);
        }
        drop(shared);
        self.shared.notify_all();
        ending
    }

    fn abandon(&self, round: Round) {
        self.shared.lock().rounds.abandon(round);
        self.shared.notify_all();
    }

    /// For a waiter to look whether a round is over.
    fn is_over(&self, round: Round) -> impl FnMut(&mut Shared) -> Option<()> + '_ {
        move |shared| {
            self.looks.fetch_add(1, Ordering::SeqCst);
            (!shared.rounds.is_running(round)).then_some(())
        }
    }

    /// A caller on a thread.
    fn call(&self, now: Moment) -> Round {
        loop {
            match self.turn(now) {
                Turn::Take(answer) => return answer,
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

    /// The same in a task.
    async fn call_async(&self, now: Moment) -> Round {
        loop {
            match self.turn(now) {
                Turn::Take(answer) => return answer,
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
fn no_wake_up_is_lost_and_nobody_spins() {
    for caller in [Caller::Thread, Caller::Task] {
        explore(ALL, move || {
            let (flight, round, now) = led();
            let waiter = spawn(&flight, caller, now);
            assert_eq!(flight.lead(round, now), Ending::Counts);
            assert_eq!(waiter.join().unwrap(), round);
            // One look before the wait, one after the notification.
            assert!(flight.looks.load(Ordering::SeqCst) <= 2);
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
            // Of two rounds each waiter looks at one end at most, and once before.
            assert!(flight.looks.load(Ordering::SeqCst) <= 8);
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
        // It has not ended and cannot be joined: the other caller leads, unless it ends first.
        let ending = flight.finish(first, later);
        let answer = other.join().unwrap();
        let shared = flight.shared.lock();
        // Once a later round began, only its result counts.
        assert_eq!(answer, shared.rounds.begun());
        assert_eq!(shared.answer, Some(answer));
        assert_eq!(ending == Ending::Counts, answer == first);
    });
}

#[test]
fn a_task_that_gives_up_leaves_the_others_their_wake_up() {
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
