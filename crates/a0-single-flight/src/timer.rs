//! Deadlines for tasks, on any runtime.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use crate::monitor::Sleep;

/// Makes futures that sleep, on any async runtime or none.
///
/// A runtime's own timer needs that runtime to be driven and its clock to be switched on. This one
/// needs neither: a thread wakes the tasks. The thread exists only while something sleeps. Clones
/// share it.
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
    /// The process whose thread serves them: a fork does not copy threads.
    thread_of: Option<u32>,
}

impl Timer {
    /// A future that is ready after `duration`.
    ///
    /// If no thread can be had, it is ready only when its task is polled after that time for another
    /// reason.
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
        let before = sleepers.wakers.insert((self.due, ticket), waker);
        if sleepers.thread_of != Some(std::process::id()) {
            let shared = Arc::clone(&self.shared);
            let serve = move || shared.serve();
            let thread = thread::Builder::new().name("a0-timer".into()).spawn(serve);
            sleepers.thread_of = thread.is_ok().then(std::process::id);
        }
        drop(sleepers);
        drop(before);
        self.ticket = Some(ticket);
        self.shared.changed.notify_one();
        Poll::Pending
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut sleepers = self.shared.lock();
            let gone = sleepers.wakers.remove(&(self.due, ticket));
            let is_idle = sleepers.wakers.is_empty();
            drop(sleepers);
            drop(gone);
            if is_idle {
                // The thread ends now, and not at a deadline that concerns nobody any more.
                self.shared.changed.notify_one();
            }
        }
    }
}

impl Shared {
    /// Wakes sleepers until none is left.
    fn serve(&self) {
        let mut sleepers = self.lock();
        while let Some(first) = sleepers.wakers.first_entry() {
            let (due, _) = *first.key();
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let waker = first.remove();
                drop(sleepers);
                // A waker is not this crate's code; the other sleepers must not pay for its panic.
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
