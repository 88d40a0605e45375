//! A bounded cache with at most one running call for each key.
//!
//! The first caller for a key becomes the leader and makes the call. Other callers wait for its result.
//! [`a0_single_flight`] decides how long they wait and what they do if the leader is abandoned.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

#[cfg(feature = "async")]
use a0_single_flight::Timer;
use a0_single_flight::{Ending, Moment, Monitor, Round, Rounds};
use lru::LruCache;

use crate::clock::Clock;

/// Why a caller that waited has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranded {
    #[error("another call is making the same exchange, and it took longer than max_wait")]
    WaitedTooLong,
    #[error("two other calls in a row began the same exchange and were abandoned")]
    Abandoned,
}

/// The time limits of callers and calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The longest total time that one caller waits.
    pub(crate) max_wait: Duration,
    /// The longest time that a call takes by its own limits. Callers do not join an older call.
    pub(crate) call: Duration,
}

pub(crate) struct SingleFlight<T, E> {
    /// Lock order: this lock first, then the state of a flight.
    entries: Mutex<Entries<T, E>>,
    max_entries: NonZeroUsize,
    limits: Limits,
    clock: Clock,
}

struct Entries<T, E> {
    /// The cached values. At the limit the least recently used one is evicted.
    cached: LruCache<String, T>,
    /// The flights of the keys that have callers now.
    flights: HashMap<String, Shared<T, E>>,
}

/// A flight and the number of its callers.
struct Shared<T, E> {
    flight: Arc<Flight<T, E>>,
    callers: usize,
}

type Flight<T, E> = Monitor<State<T, E>>;

struct State<T, E> {
    rounds: Rounds,
    /// The result of the last round that had one.
    last: Option<(Round, Result<T, E>)>,
}

enum Lookup<'f, T, E> {
    Cached(T),
    Joined(Caller<'f, T, E>, Turn<T, E>),
}

/// What a caller does next.
enum Turn<T, E> {
    End(Result<T, E>),
    Lead(Round),
    /// Wait until that round has ended, or until that time.
    Wait(Round, Instant),
}

impl<T: Clone, E: Clone + From<Stranded>> SingleFlight<T, E> {
    pub(crate) fn new(max_entries: NonZeroUsize, limits: Limits, clock: Clock) -> Self {
        let entries = Mutex::new(Entries {
            // Bounded in `Entries::insert`: a bounded map would allocate all its entries at once.
            cached: LruCache::unbounded(),
            flights: HashMap::new(),
        });
        SingleFlight {
            entries,
            max_entries,
            limits,
            clock,
        }
    }

    /// Returns the cached value of `key` if it `is_usable`, else the result of the running call, else the
    /// result of `call`.
    pub(crate) fn get(
        &self,
        key: &str,
        is_usable: impl Fn(&T) -> bool,
        call: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let (mut caller, mut turn) = match self.enter(key, &is_usable) {
            Lookup::Cached(value) => return Ok(value),
            Lookup::Joined(caller, turn) => (caller, turn),
        };
        loop {
            match turn {
                Turn::End(result) => return result,
                Turn::Lead(round) => {
                    let mut duty = Duty::new(&caller, round);
                    let result = duty.run(call);
                    duty.end(&result, is_usable);
                    return result;
                }
                Turn::Wait(round, until) => {
                    caller.flight.wait(until, has_ended(round));
                    turn = caller.turn();
                }
            }
        }
    }

    /// The async counterpart of `get`. The future may be dropped at any time, on any runtime.
    #[cfg(feature = "async")]
    pub(crate) async fn get_async(
        &self,
        key: &str,
        timer: &Timer,
        is_usable: impl Fn(&T) -> bool,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let (mut caller, mut turn) = match self.enter(key, &is_usable) {
            Lookup::Cached(value) => return Ok(value),
            Lookup::Joined(caller, turn) => (caller, turn),
        };
        loop {
            match turn {
                Turn::End(result) => return result,
                Turn::Lead(round) => {
                    let mut duty = Duty::new(&caller, round);
                    let mut call = std::pin::pin!(call);
                    let poll = |context: &mut std::task::Context<'_>| {
                        duty.run(|| call.as_mut().poll(context))
                    };
                    let result = std::future::poll_fn(poll).await;
                    duty.end(&result, is_usable);
                    return result;
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

    fn enter<'f>(&'f self, key: &'f str, is_usable: impl Fn(&T) -> bool) -> Lookup<'f, T, E> {
        let now = self.moment();
        let mut entries = lock(&self.entries);
        match entries.cached.get(key) {
            Some(value) if is_usable(value) => return Lookup::Cached(value.clone()),
            Some(_) => drop(entries.cached.pop(key)),
            None => {}
        }
        let shared = entries.flights.entry(key.to_owned());
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
        // The lock is still held, so a call that ends now is either cached already or can be joined.
        let turn = caller.turn_at(now);
        drop(entries);
        Lookup::Joined(caller, turn)
    }

    fn moment(&self) -> Moment {
        Moment::now(self.clock.now().as_seconds())
    }
}

/// One caller of a flight, from its first turn to its last.
struct Caller<'f, T, E> {
    flights: &'f SingleFlight<T, E>,
    key: &'f str,
    flight: Arc<Flight<T, E>>,
    /// The first round it waited for. It takes the result of this round or of any later one.
    waits_for: Option<Round>,
    /// When its `max_wait` is over.
    deadline: Option<Instant>,
}

impl<T: Clone, E: Clone + From<Stranded>> Caller<'_, T, E> {
    fn turn(&mut self) -> Turn<T, E> {
        self.turn_at(self.flights.moment())
    }

    fn turn_at(&mut self, now: Moment) -> Turn<T, E> {
        let limits = self.flights.limits;
        let mut state = self.flight.lock();
        if let (Some(first), Some((round, result))) = (self.waits_for, &state.last)
            && *round >= first
        {
            return Turn::End(result.clone());
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
        let mut entries = lock(&self.flights.entries);
        if let Some(shared) = entries.flights.get_mut(self.key) {
            shared.callers -= 1;
            if shared.callers == 0 {
                entries.flights.remove(self.key);
            }
        }
    }
}

/// Ends the leader's round, also if the call panics or its future is dropped.
struct Duty<'c, 'f, T: Clone, E: Clone + From<Stranded>> {
    caller: &'c Caller<'f, T, E>,
    round: Round,
    /// Whether the call itself is running: then an unwind is a panic of the call. Otherwise the caller
    /// dropped the future.
    is_running: bool,
    has_ended: bool,
}

impl<'c, 'f, T: Clone, E: Clone + From<Stranded>> Duty<'c, 'f, T, E> {
    fn new(caller: &'c Caller<'f, T, E>, round: Round) -> Self {
        Duty {
            caller,
            round,
            is_running: false,
            has_ended: false,
        }
    }

    fn run<R>(&mut self, work: impl FnOnce() -> R) -> R {
        self.is_running = true;
        let result = work();
        self.is_running = false;
        result
    }

    fn end(mut self, result: &Result<T, E>, is_usable: impl Fn(&T) -> bool) {
        let Caller { flights, key, .. } = self.caller;
        let usable = result.as_ref().ok().filter(|value| is_usable(value));
        let now = flights.moment();
        let mut entries = lock(&flights.entries);
        let mut state = self.caller.flight.lock();
        let ending = state.rounds.end(self.round, result.is_ok(), &now);
        if ending == Ending::Counts {
            state.last = Some((self.round, result.clone()));
            if let Some(value) = usable {
                entries.insert(key, value.clone(), flights.max_entries);
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
            if self.is_running {
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
    /// After one abandoned round the waiters try again. After two in a row they give up, because a third
    /// would probably be abandoned too.
    fn strand(&mut self, round: Round, ending: Ending) {
        if matches!(ending, Ending::Abandoned(2..)) {
            self.last = Some((round, Err(Stranded::Abandoned.into())));
        }
    }
}

impl<T, E> Entries<T, E> {
    fn insert(&mut self, key: &str, value: T, max_entries: NonZeroUsize) {
        self.cached.put(key.to_owned(), value);
        while self.cached.len() > max_entries.get() {
            self.cached.pop_lru();
        }
    }
}

fn has_ended<T, E>(round: Round) -> impl FnMut(&mut State<T, E>) -> Option<()> {
    move |state| (!state.rounds.is_running(round)).then_some(())
}

/// Adds at most a day, because a clock cannot represent every sum.
fn later(now: Instant, duration: Duration) -> Instant {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    now.checked_add(duration.min(DAY)).unwrap_or(now)
}

/// A panic while the lock is held leaves the value consistent, so poisoning is ignored.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
