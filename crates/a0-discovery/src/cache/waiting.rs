//! A call that waits for the round of another caller: on a thread or in a task, and for how long.

use std::sync::MutexGuard;
use std::time::{Duration, Instant};

use a0_single_flight::Running;

use super::query::{Goal, Next, Query, Waiting, after};
use super::record::Record;
use super::round::Cached;
use crate::error::FetchFailure;

/// During the first second of a search any caller may wait for it, so that a key rotation refuses
/// none.
const OPEN_SEARCH: Duration = Duration::from_secs(1);

/// How many blocking callers may wait for a search after its first second. Each one holds a thread
/// of the API, and anybody can send tokens with unknown `kid`s.
const MAX_LATE_WAITERS: usize = 8;

/// The function that makes timers for tasks.
#[cfg(feature = "async")]
pub(super) type SleepFn = dyn Fn(Duration) -> a0_single_flight::Sleep + Send + Sync;

impl<'q, T: Cached> Query<'q, T> {
    pub(super) fn wait_for(mut self, running: Running) -> Next<'q, T> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let began = running.began().monotonic();
        Next::Wait(Waiting {
            leave_at: after(since, self.rules.policy.max_wait),
            round: running.round(),
            overdue_at: running.overdue_at(),
            open_until: self.searching.then(|| after(began, OPEN_SEARCH)),
            query: self,
        })
    }

    /// Stops waiting for a round that takes too long, and returns a value if one may be served.
    fn leave(self, record: MutexGuard<'q, Record<T>>) -> Next<'q, T> {
        let servable = match self.goal {
            Goal::Newest => None,
            Goal::Fresh | Goal::Key(..) => record.servable(&self.rules.policy, self.now),
        };
        match servable.filter(|good| self.has_wanted_key(good)) {
            Some(good) => Next::Done(Ok(good.value)),
            None => self.refuse(&record, FetchFailure::NotInTime),
        }
    }
}

impl<'q, T: Cached> Waiting<'q, T> {
    /// Blocks the thread until the round is over or the caller's time is up.
    pub(crate) fn wait_blocking(self) -> Next<'q, T> {
        let slot = self.query.slot;
        let ended = |until: Instant| slot.wait(until, self.is_over()).is_some();
        let until = self.until();
        let open_until = self.open_until.filter(|open_until| *open_until < until);
        let ended = match open_until {
            None => ended(until),
            Some(open_until) if ended(open_until) => true,
            Some(_) if slot.lock().join_late(self.round, MAX_LATE_WAITERS) => ended(until),
            Some(_) => return self.query.refuse(&slot.lock(), FetchFailure::Overloaded),
        };
        self.woken(ended)
    }

    /// Waits in a task until the round is over or the caller's time is up.
    #[cfg(feature = "async")]
    pub(crate) async fn wait_async(self, sleep: Option<&SleepFn>) -> Next<'q, T> {
        let slot = self.query.slot;
        let ended = slot.wait_async(self.until(), sleep, self.is_over()).await;
        self.woken(ended.is_some())
    }

    fn woken(self, ended: bool) -> Next<'q, T> {
        if ended {
            return self.ended();
        }
        let now = Instant::now();
        let is_overdue = self.overdue_at.is_some_and(|at| at <= now);
        let record = self.query.slot.lock();
        if is_overdue && now < self.leave_at {
            self.query.decide(record)
        } else {
            self.query.leave(record)
        }
    }

    fn until(&self) -> Instant {
        self.overdue_at
            .map_or(self.leave_at, |at| at.min(self.leave_at))
    }

    fn is_over(&self) -> impl Fn(&mut Record<T>) -> Option<()> + use<T> {
        let round = self.round;
        move |record| (!record.rounds.is_running(round)).then_some(())
    }
}
