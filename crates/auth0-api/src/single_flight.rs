//! One call at a time for each key, and a bounded memory of what good calls brought.
//!
//! The first caller of a key leads: it makes the call. Callers that come meanwhile wait for its outcome.
//! [`a0_single_flight`] says how long they do, and what becomes of them when the leader brings nothing.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use a0_jose::NumericDate;
#[cfg(feature = "async")]
use a0_single_flight::Timer;
use a0_single_flight::{Ending, Moment, Monitor, Round, Rounds};
use lru::LruCache;

/// Why a caller that waited has no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranded {
    #[error("another call makes the same exchange, and it took longer than max_wait")]
    WaitedTooLong,
    #[error("two other calls in a row began the same exchange, and neither brought a result")]
    Abandoned,
}

/// How long anybody may depend on one call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest time that one caller waits, in all.
    pub(crate) max_wait: Duration,
    /// The longest time that a call takes by its own time limits. One that began longer ago is nobody's
    /// to join.
    pub(crate) call: Duration,
}

pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

pub(crate) struct SingleFlight<T, E> {
    /// Locked before the state of a flight, never the other way round.
    memory: Mutex<Memory<T, E>>,
    max_entries: NonZeroUsize,
    limits: Limits,
    clock: Clock,
}

struct Memory<T, E> {
    /// Good values; the least recently used is dropped at the limit.
    kept: LruCache<String, T>,
    /// The keys that somebody asks for now.
    flights: HashMap<String, Shared<T, E>>,
}

/// A flight, and how many callers it has.
struct Shared<T, E> {
    flight: Arc<Flight<T, E>>,
    callers: usize,
}

type Flight<T, E> = Monitor<State<T, E>>;

struct State<T, E> {
    rounds: Rounds,
    /// What the last round with an outcome brought.
    last: Option<(Round, Result<T, E>)>,
}

enum Entry<'f, T, E> {
    Kept(T),
    Joined(Caller<'f, T, E>, Turn<T, E>),
}

/// What a caller does next.
enum Turn<T, E> {
    End(Result<T, E>),
    Lead(Round),
    /// Until that round has ended, or until that time.
    Wait(Round, Instant),
}

impl<T: Clone, E: Clone + From<Stranded>> SingleFlight<T, E> {
    pub(crate) fn new(max_entries: NonZeroUsize, limits: Limits, clock: Clock) -> Self {
        let memory = Mutex::new(Memory {
            // Bounded by hand: a bounded map takes the room for all its entries at once.
            kept: LruCache::unbounded(),
            flights: HashMap::new(),
        });
        SingleFlight {
            memory,
            max_entries,
            limits,
            clock,
        }
    }

    /// The value that is kept for `key`, if it `is_good` still; or the outcome of the call under way; or
    /// that of `call`.
    pub(crate) fn get(
        &self,
        key: &str,
        is_good: impl Fn(&T) -> bool,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let (mut caller, mut turn) = match self.enter(key, &is_good) {
            Entry::Kept(value) => return Ok(value),
            Entry::Joined(caller, turn) => (caller, turn),
        };
        loop {
            match turn {
                Turn::End(outcome) => return outcome,
                Turn::Lead(round) => {
                    let mut duty = Duty::new(&caller, round);
                    let outcome = duty.watch(call);
                    duty.end(&outcome, is_good);
                    return outcome;
                }
                Turn::Wait(round, until) => {
                    caller.flight.wait(until, has_ended(round));
                    turn = caller.turn();
                }
            }
        }
    }

    /// The same in a task. The future may be dropped at any time, on whatever runtime.
    #[cfg(feature = "async")]
    pub(crate) async fn get_async(
        &self,
        key: &str,
        timer: &Timer,
        is_good: impl Fn(&T) -> bool,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (mut caller, mut turn) = match self.enter(key, &is_good) {
            Entry::Kept(value) => return Ok(value),
            Entry::Joined(caller, turn) => (caller, turn),
        };
        loop {
            match turn {
                Turn::End(outcome) => return outcome,
                Turn::Lead(round) => {
                    let mut duty = Duty::new(&caller, round);
                    let mut call = std::pin::pin!(call);
                    let poll = |context: &mut std::task::Context<'_>| {
                        duty.watch(|| call.as_mut().poll(context))
                    };
                    let outcome = std::future::poll_fn(poll).await;
                    duty.end(&outcome, is_good);
                    return outcome;
                }
                Turn::Wait(round, until) => {
                    let sleep = |duration| timer.sleep(duration);
                    let ended = has_ended(round);
                    caller.flight.wait_async(until, Some(&sleep), ended).await;
                    turn = caller.turn();
                }
            }
        }
    }

    fn enter<'f>(&'f self, key: &'f str, is_good: impl Fn(&T) -> bool) -> Entry<'f, T, E> {
        let now = self.moment();
        let mut memory = lock(&self.memory);
        match memory.kept.get(key) {
            Some(value) if is_good(value) => return Entry::Kept(value.clone()),
            Some(_) => drop(memory.kept.pop(key)),
            None => {}
        }
        let shared = memory.flights.entry(key.to_owned());
        let shared = shared.or_insert_with(|| Shared {
            flight: Arc::new(Monitor::new(State {
                rounds: Rounds::default(),
                last: None,
            })),
            callers: 0,
        });
        shared.callers += 1;
        let mut caller = Caller {
            flights: self,
            key,
            flight: Arc::clone(&shared.flight),
            waits_for: None,
            deadline: None,
        };
        // Still under the lock: a call that ends now is either kept already or can be joined.
        let turn = caller.turn_at(now);
        drop(memory);
        Entry::Joined(caller, turn)
    }

    fn moment(&self) -> Moment {
        Moment::now(NumericDate::from((self.clock)()).as_seconds())
    }
}

/// One caller of a flight, from its first turn to its last.
struct Caller<'f, T, E> {
    flights: &'f SingleFlight<T, E>,
    key: &'f str,
    flight: Arc<Flight<T, E>>,
    /// The first round that it waited for. The outcome of that one and of each later one is its own.
    waits_for: Option<Round>,
    /// When it has waited for long enough.
    deadline: Option<Instant>,
}

impl<T: Clone, E: Clone + From<Stranded>> Caller<'_, T, E> {
    fn turn(&mut self) -> Turn<T, E> {
        self.turn_at(self.flights.moment())
    }

    fn turn_at(&mut self, now: Moment) -> Turn<T, E> {
        let limits = self.flights.limits;
        let mut state = self.flight.lock();
        if let (Some(first), Some((round, outcome))) = (self.waits_for, &state.last)
            && *round >= first
        {
            return Turn::End(outcome.clone());
        }
        let running = state.rounds.running(&now);
        if running.is_some() {
            self.deadline
                .get_or_insert_with(|| later(now.monotonic(), limits.max_wait));
        }
        match (self.deadline, running) {
            (Some(deadline), _) if now.monotonic() >= deadline => {
                Turn::End(Err(Stranded::WaitedTooLong.into()))
            }
            (Some(deadline), Some(running)) => {
                self.waits_for.get_or_insert(running.round());
                let overdue_at = running.overdue_at().unwrap_or(deadline);
                Turn::Wait(running.round(), deadline.min(overdue_at))
            }
            _ => Turn::Lead(state.rounds.begin(now, limits.call)),
        }
    }
}

impl<T, E> Drop for Caller<'_, T, E> {
    fn drop(&mut self) {
        let mut memory = lock(&self.flights.memory);
        if let Some(shared) = memory.flights.get_mut(self.key) {
            shared.callers -= 1;
            if shared.callers == 0 {
                memory.flights.remove(self.key);
            }
        }
    }
}

/// A leader's duty to end its round, whatever becomes of the call.
struct Duty<'c, 'f, T: Clone, E: Clone + From<Stranded>> {
    caller: &'c Caller<'f, T, E>,
    round: Round,
    /// A panic comes out of the call itself. Everything else that cuts it off is the caller's choice.
    is_at_work: bool,
    has_ended: bool,
}

impl<'c, 'f, T: Clone, E: Clone + From<Stranded>> Duty<'c, 'f, T, E> {
    fn new(caller: &'c Caller<'f, T, E>, round: Round) -> Self {
        Duty {
            caller,
            round,
            is_at_work: false,
            has_ended: false,
        }
    }

    fn watch<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.is_at_work = true;
        let result = work();
        self.is_at_work = false;
        result
    }

    fn end(mut self, outcome: &Result<T, E>, is_good: impl Fn(&T) -> bool) {
        let Caller { flights, key, .. } = self.caller;
        let good = outcome.as_ref().ok().filter(|value| is_good(value));
        let now = flights.moment();
        let mut memory = lock(&flights.memory);
        let mut state = self.caller.flight.lock();
        let ending = state.rounds.end(self.round, outcome.is_ok(), &now);
        if ending == Ending::Counts {
            state.last = Some((self.round, outcome.clone()));
            if let Some(value) = good {
                memory.keep(key, value.clone(), flights.max_entries);
            }
        }
        state.strand(self.round, ending);
        self.has_ended = true;
    }
}

impl<T: Clone, E: Clone + From<Stranded>> Drop for Duty<'_, '_, T, E> {
    fn drop(&mut self) {
        let flight = &self.caller.flight;
        if !self.has_ended {
            let mut state = flight.lock();
            if self.is_at_work {
                let ending = state.rounds.abandon(self.round);
                state.strand(self.round, ending);
            } else {
                state.rounds.cancel(self.round);
            }
        }
        flight.notify_all();
    }
}

impl<T, E: From<Stranded>> State<T, E> {
    /// After one abandoned round the waiters try again. After the second in a row they do not: what
    /// ended two calls would end a third.
    fn strand(&mut self, round: Round, ending: Ending) {
        if matches!(ending, Ending::Abandoned(2..)) {
            self.last = Some((round, Err(Stranded::Abandoned.into())));
        }
    }
}

impl<T, E> Memory<T, E> {
    fn keep(&mut self, key: &str, value: T, max_entries: NonZeroUsize) {
        self.kept.put(key.to_owned(), value);
        while self.kept.len() > max_entries.get() {
            self.kept.pop_lru();
        }
    }
}

fn has_ended<T, E>(round: Round) -> impl FnMut(&mut State<T, E>) -> Option<()> {
    move |state| (!state.rounds.is_running(round)).then_some(())
}

/// A time so far ahead that no clock has it is as good as a day.
fn later(now: Instant, duration: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    now.checked_add(duration.min(DAY)).unwrap_or(now)
}

/// A thread that panicked while it held the lock left a value that is whole all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
