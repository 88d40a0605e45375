//! Waiting for a change on threads and in tasks.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use a0_single_flight::{Monitor, Sleep, Timer};

const FAR: Duration = Duration::from_secs(3600);

/// Counts how often a task is woken.
#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Counter {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn counter() -> (Arc<Counter>, Waker) {
    let counter = Arc::new(Counter::default());
    (Arc::clone(&counter), Waker::from(counter))
}

/// The number of wakers of `counter` apart from the one that the test holds.
fn others(counter: &Arc<Counter>) -> usize {
    Arc::strong_count(counter) - 2
}

fn flag(value: &mut bool) -> Option<&'static str> {
    value.then_some("set")
}

#[test]
fn a_ready_value_is_returned_even_after_the_deadline() {
    let monitor = Monitor::new(true);
    let past = Instant::now();
    assert_eq!(monitor.wait(past, flag), Some("set"));
    let future = pin!(monitor.wait_async(past, None, flag));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(future.poll(&mut context), Poll::Ready(Some("set")));
}

#[test]
fn a_wait_ends_at_its_deadline() {
    let monitor = Monitor::new(false);
    let deadline = Instant::now() + Duration::from_millis(5);
    assert_eq!(monitor.wait(deadline, flag), None);
    assert!(Instant::now() >= deadline);

    // Notifications without a change do not extend the deadline.
    std::thread::scope(|scope| {
        let (ended, is_over) = mpsc::channel::<()>();
        let monitor = &monitor;
        scope.spawn(move || {
            while is_over.try_recv() == Err(mpsc::TryRecvError::Empty) {
                monitor.notify_all();
            }
        });
        let deadline = Instant::now() + Duration::from_millis(5);
        assert_eq!(monitor.wait(deadline, flag), None);
        drop(ended);
    });

    let (counter, waker) = counter();
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(monitor.wait_async(Instant::now(), None, flag));
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(None));
    assert_eq!((counter.count(), others(&counter)), (0, 0));
}

#[test]
fn a_task_is_woken_at_its_deadline_by_the_timer() {
    let monitor = Monitor::new(false);
    let timer = Timer::default();
    let sleep = |duration| -> Sleep { timer.sleep(duration) };
    let (sent, woken) = mpsc::channel();
    struct Send(mpsc::Sender<()>);
    impl Wake for Send {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(());
        }
    }
    let waker = Waker::from(Arc::new(Send(sent)));
    let mut context = Context::from_waker(&waker);
    let deadline = Instant::now() + Duration::from_millis(5);
    let mut future = pin!(monitor.wait_async(deadline, Some(&sleep), flag));
    while future.as_mut().poll(&mut context) == Poll::Pending {
        woken.recv_timeout(FAR).unwrap();
    }
    assert!(Instant::now() >= deadline);
}

/// The task notices its deadline when it is polled for another reason.
#[test]
fn without_a_timer_a_task_sees_its_deadline_at_the_next_poll() {
    let monitor = Monitor::new(false);
    let (counter, waker) = counter();
    let mut context = Context::from_waker(&waker);
    let deadline = Instant::now() + Duration::from_millis(20);
    let mut future = pin!(monitor.wait_async(deadline, None, flag));
    let first = future.as_mut().poll(&mut context);
    while Instant::now() < deadline {}
    assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(None));
    assert!(first.is_pending() || Instant::now() >= deadline);
    assert_eq!(counter.count(), 0);
}

#[test]
fn a_thread_is_woken_by_a_change() {
    let monitor = Monitor::new(false);
    let (looking, looks) = mpsc::channel();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            monitor.wait(Instant::now() + FAR, |value| {
                looking.send(()).unwrap();
                flag(value)
            })
        });
        looks.recv().unwrap();
        *monitor.lock() = true;
        monitor.notify_all();
        assert_eq!(waiter.join().unwrap(), Some("set"));
    });
}

#[test]
fn every_task_is_woken_once_by_a_change() {
    let monitor = Monitor::new(false);
    let counters: Vec<_> = (0..3).map(|_| counter()).collect();
    let mut futures: Vec<_> = counters
        .iter()
        .map(|_| Box::pin(monitor.wait_async(Instant::now() + FAR, None, flag)))
        .collect();
    for (future, (_, waker)) in futures.iter_mut().zip(&counters) {
        let mut context = Context::from_waker(waker);
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    *monitor.lock() = true;
    assert!(counters.iter().all(|(counter, _)| counter.count() == 0));
    monitor.notify_all();
    monitor.notify_all();
    assert!(counters.iter().all(|(counter, _)| counter.count() == 1));
    for (future, (counter, waker)) in futures.iter_mut().zip(&counters) {
        let mut context = Context::from_waker(waker);
        assert_eq!(future.as_mut().poll(&mut context), Poll::Ready(Some("set")));
        assert_eq!(others(counter), 0);
    }
}

#[test]
fn a_dropped_waiter_leaves_nothing_behind() {
    let monitor = Monitor::new(false);
    let timer = Timer::default();
    let sleep = |duration| -> Sleep { timer.sleep(duration) };
    let (counter, waker) = counter();
    {
        let mut context = Context::from_waker(&waker);
        let deadline = Instant::now() + FAR;
        let mut future = pin!(monitor.wait_async(deadline, Some(&sleep), flag));
        assert!(future.as_mut().poll(&mut context).is_pending());
        // One wake-up is for the change, one for the deadline.
        assert_eq!(others(&counter), 2);
    }
    assert_eq!(others(&counter), 0);
    monitor.notify_all();
    assert_eq!(counter.count(), 0);
}

#[test]
fn a_task_is_woken_through_its_latest_waker() {
    let monitor = Monitor::new(false);
    let (first, first_waker) = counter();
    let (second, second_waker) = counter();
    let mut future = pin!(monitor.wait_async(Instant::now() + FAR, None, flag));
    for waker in [&first_waker, &second_waker] {
        let mut context = Context::from_waker(waker);
        assert!(future.as_mut().poll(&mut context).is_pending());
    }
    assert_eq!((others(&first), others(&second)), (0, 1));
    monitor.notify_all();
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn a_panic_under_the_lock_does_not_poison_it() {
    let monitor = Monitor::new(false);
    let outcome = std::thread::scope(|scope| {
        let panics = || monitor.wait(Instant::now() + FAR, |_| -> Option<()> { panic!("a look") });
        scope.spawn(panics).join()
    });
    assert!(outcome.is_err());
    *monitor.lock() = true;
    assert_eq!(monitor.wait(Instant::now(), flag), Some("set"));
}
