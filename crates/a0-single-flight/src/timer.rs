//! Timers for tasks on any runtime.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::monitor::Sleep;

/// Makes timers that work on any async runtime, or on none.
///
/// A runtime's own timer works only if the timer is enabled and the runtime is driven. This timer
/// needs neither, because a thread wakes the tasks. The thread exists only while a task sleeps, and
/// all clones share it.
///
/// ```
/// use std::time::Duration;
///
/// let timer = a0_single_flight::Timer::default();
/// # tokio_free(async move {
/// timer.sleep(Duration::from_millis(1)).await;
/// # });
/// # fn tokio_free(future: impl Future<Output = ()>) {
/// #     struct Unpark(std::thread::Thread);
/// #     impl std::task::Wake for Unpark { fn wake(self: std::sync::Arc<Self>) { self.0.unpark() } }
/// #     let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
/// #     let mut context = std::task::Context::from_waker(&waker);
/// #     let mut future = std::pin::pin!(future);
/// #     while future.as_mut().poll(&mut context).is_pending() { std::thread::park() }
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct Timer(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    sleepers: Mutex<Sleepers>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Sleepers {
    tickets: u64,
    wakers: BTreeMap<(Instant, u64), Waker>,
    /// The process that the timer's thread runs in. A fork does not copy threads.
    thread_of: Option<u32>,
}

impl Timer {
    /// Returns a future that is ready after `duration`.
    ///
    /// If the timer's thread cannot be started, nothing wakes the task. The future is then ready
    /// when it is next polled after that time.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        match Instant::now().checked_add(duration) {
            Some(due) => Box::pin(Sleeper {
                shared: Arc::clone(&self.0),
                due,
                ticket: None,
            }),
            None => Box::pin(std::future::pending()),
        }
    }
}

struct Sleeper {
    shared: Arc<Shared>,
    due: Instant,
    ticket: Option<u64>,
}

impl Future for Sleeper {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if Instant::now() >= self.due {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        let mut sleepers = self.shared.lock();
        let ticket = self.ticket.unwrap_or_else(|| {
            sleepers.tickets = sleepers.tickets.wrapping_add(1);
            sleepers.tickets
        });
        let previous = sleepers.wakers.insert((self.due, ticket), waker);
        if sleepers.thread_of != Some(std::process::id()) {
            let shared = Arc::clone(&self.shared);
            let serve = move || shared.serve();
            let thread = thread::Builder::new().name("a0-timer".into()).spawn(serve);
            sleepers.thread_of = thread.is_ok().then(std::process::id);
        }
        drop(sleepers);
        drop(previous);
        self.ticket = Some(ticket);
        self.shared.changed.notify_one();
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut sleepers = self.shared.lock();
            let removed = sleepers.wakers.remove(&(self.due, ticket));
            let is_idle = sleepers.wakers.is_empty();
            drop(sleepers);
            drop(removed);
            if is_idle {
                // The thread wakes and ends now, not at the deadline of a sleeper that is gone.
                self.shared.changed.notify_one();
            }
        }
    }
}

impl Shared {
    /// Wakes sleepers when they are due, until none is left.
    fn serve(&self) {
        let mut sleepers = self.lock();
        while let Some(first) = sleepers.wakers.first_entry() {
            let (due, _) = *first.key();
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let waker = first.remove();
                drop(sleepers);
                // A waker is foreign code. If it panics, the thread must still wake the other
                // sleepers.
                let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                sleepers = self.lock();
            } else {
                let woken = self.changed.wait_timeout(sleepers, left);
                (sleepers, _) = woken.unwrap_or_else(PoisonError::into_inner);
            }
        }
        sleepers.thread_of = None;
    }

    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
