//! A mutex with a way to wait for a change.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::PoisonError;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use crate::sync::{Condvar, Mutex, MutexGuard};

/// A timer: a future that is ready after some time.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A mutex whose state threads and tasks can wait on.
///
/// A change alone wakes nobody. After a change, release the lock and call
/// [`notify_all`](Monitor::notify_all).
#[derive(Debug, Default)]
pub struct Monitor<S> {
    state: Mutex<S>,
    changed: Condvar,
    /// May be locked while `state` is locked, but not the other way round.
    tasks: Mutex<Tasks>,
}

/// The wakers of the waiting tasks, by ticket.
#[derive(Debug, Default)]
struct Tasks {
    tickets: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl<S> Monitor<S> {
    /// Creates a monitor around `state`.
    pub fn new(state: S) -> Self {
        Monitor {
            state: Mutex::new(state),
            changed: Condvar::new(),
            tasks: Mutex::new(Tasks::default()),
        }
    }

    /// Locks the state. The lock ignores poisoning, so the state must be consistent wherever the
    /// code that holds the lock may panic.
    pub fn lock(&self) -> MutexGuard<'_, S> {
        lock(&self.state)
    }

    /// Wakes all waiters, which then check the state again. If a waker panics, the others are still
    /// woken.
    pub fn notify_all(&self) {
        self.changed.notify_all();
        let wakers = std::mem::take(&mut lock(&self.tasks).wakers);
        for waker in wakers.into_values() {
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Blocks until `ready` returns a value. Returns `None` at the deadline.
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

    /// Waits in a task until `ready` returns a value. Returns `None` at the deadline.
    ///
    /// `sleep` makes the timer that wakes the task at the deadline. It is called only if the task
    /// has to wait. Without it, the task notices the deadline only when something else wakes it.
    /// The future may be dropped at any time.
    pub async fn wait_async<R>(
        &self,
        deadline: Instant,
        sleep: Option<&(dyn Fn(Duration) -> Sleep + Send + Sync)>,
        mut ready: impl FnMut(&mut S) -> Option<R>,
    ) -> Option<R> {
        let ticket = self.ticket();
        let mut timer = None;
        std::future::poll_fn(|context| {
            // Cloning and dropping a waker runs foreign code, so both happen outside the locks.
            let waker = context.waker().clone();
            let mut state = self.lock();
            if let Some(value) = ready(&mut state) {
                return Poll::Ready(Some(value));
            }
            let previous = ticket.register(waker);
            drop(state);
            drop(previous);
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

/// The registration of a waiting task. Dropping it removes the task's waker.
struct Ticket<'m> {
    tasks: &'m Mutex<Tasks>,
    number: u64,
}

impl Ticket<'_> {
    /// Stores the task's waker. Returns the previous one, which must be dropped outside the locks.
    fn register(&self, waker: Waker) -> Option<Waker> {
        lock(self.tasks).wakers.insert(self.number, waker)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        let removed = lock(self.tasks).wakers.remove(&self.number);
        drop(removed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
