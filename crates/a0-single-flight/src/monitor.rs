//! A lock whose holders can wait for a change.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A future that is ready once a time has passed.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A lock whose holders can wait for a change of what it guards: threads and tasks alike.
///
/// Nothing is woken by a change alone: whoever makes one calls [`notify_all`](Monitor::notify_all)
/// after it has let go of the lock.
#[derive(Debug, Default)]
pub struct Monitor<S> {
    state: Mutex<S>,
    changed: Condvar,
    /// Locked while `state` is, never the other way round.
    tasks: Mutex<Tasks>,
}

/// The wakers of tasks that wait, by ticket.
#[derive(Debug, Default)]
struct Tasks {
    tickets: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl<S> Monitor<S> {
    /// A lock around `state`.
    pub fn new(state: S) -> Self {
        Monitor {
            state: Mutex::new(state),
            changed: Condvar::new(),
            tasks: Mutex::new(Tasks::default()),
        }
    }

    /// Locks. A panic under the lock does not close it: the state must be whole between any two calls
    /// that may panic.
    pub fn lock(&self) -> MutexGuard<'_, S> {
        lock(&self.state)
    }

    /// Wakes everybody who waits, to look again. A waker that panics keeps nobody else asleep.
    pub fn notify_all(&self) {
        self.changed.notify_all();
        let wakers = std::mem::take(&mut lock(&self.tasks).wakers);
        for waker in wakers.into_values() {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Blocks until `ready` gives a value, or until `deadline`: then `None`.
    pub fn wait<R>(
        &self,
        deadline: Instant,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Option<R> {
        let mut state = self.lock();
        loop {
            if let Some(value) = ready(&mut state) {
                return Some(value);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let woken = self.changed.wait_timeout(state, left);
            (state, _) = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits in a task until `ready` gives a value, or until `deadline`: then `None`.
    ///
    /// `sleep` makes the timer that wakes the task at the deadline, when it first has to wait. Without
    /// one the task looks at the clock only when something else wakes it. The future may be dropped at
    /// any time.
    pub async fn wait_async<R>(
        &self,
        deadline: Instant,
        sleep: Option<&(dyn Fn(Duration) -> Sleep + Send + Sync)>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Option<R> {
        let ticket = self.ticket();
        let mut timer = None;
        std::future::poll_fn(|context| {
            // Outside of the locks: a waker's clone is not this crate's code.
            let waker = context.waker().clone();
            let mut state = self.lock();
            if let Some(value) = ready(&mut state) {
                return Poll::Ready(Some(value));
            }
            let before = ticket.register(waker);
            drop(state);
            drop(before);
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Poll::Ready(None);
            }
            let Some(sleep) = sleep else {
                return Poll::Pending;
            };
            let timer = timer.get_or_insert_with(|| sleep(left));
            timer.as_mut().poll(context).map(|()| None)
        })
        .await
    }

    fn ticket(&self) -> Ticket<'_> {
        let mut tasks = lock(&self.tasks);
        tasks.tickets = tasks.tickets.wrapping_add(1);
        Ticket {
            tasks: &self.tasks,
            number: tasks.tickets,
        }
    }
}

/// A task's place among those who wait, given back when it is dropped.
struct Ticket<'m> {
    tasks: &'m Mutex<Tasks>,
    number: u64,
}

impl Ticket<'_> {
    /// Returns the waker of before, to be dropped outside of the locks.
    fn register(&self, waker: Waker) -> Option<Waker> {
        lock(self.tasks).wakers.insert(self.number, waker)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let gone = lock(self.tasks).wakers.remove(&self.number);
        drop(gone);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
