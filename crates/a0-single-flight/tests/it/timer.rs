//! Timers without a runtime.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use a0_single_flight::{Sleep, Timer};

const FAR: Duration = Duration::from_secs(3600);

/// A time limit that even a slow machine meets.
const PATIENCE: Duration = Duration::from_secs(60);

/// A waker that calls a function.
struct OnWake<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for OnWake<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(on_wake: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(OnWake(on_wake)))
}

fn is_ready(sleep: &mut Sleep, waker: &Waker) -> bool {
    sleep
        .as_mut()
        .poll(&mut Context::from_waker(waker))
        .is_ready()
}

/// Runs a future on this thread, without a runtime.
fn block_on(future: impl Future<Output = ()>) {
    let thread = std::thread::current();
    let waker = waker(move || thread.unpark());
    let mut future = pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Pending {
        std::thread::park();
    }
}

#[test]
fn a_timer_needs_no_runtime() {
    let timer = Timer::default();
    for _ in 0..3 {
        let duration = Duration::from_millis(3);
        let due = Instant::now() + duration;
        block_on(timer.sleep(duration));
        assert!(Instant::now() >= due);
    }
    block_on(timer.sleep(Duration::ZERO));
}

#[test]
fn a_timer_beyond_the_clocks_range_never_ends() {
    let mut sleep = Timer::default().sleep(Duration::MAX);
    assert!(!is_ready(&mut sleep, Waker::noop()));
}

/// Registers sleepers in the opposite order of their deadlines, and returns the order in which they
/// are woken. Returns `None` if the machine was too slow to register all of them before the first
/// was due.
fn order_of_wakes(count: usize, duration: Duration) -> Option<Vec<usize>> {
    let timer = Timer::default();
    let (sent, woken) = mpsc::channel();
    let begin = Instant::now();
    let mut last = begin;
    let mut sleeps: Vec<Sleep> = Vec::new();
    for _ in 0..count {
        // No two sleepers are due at the same time.
        while Instant::now() == last {}
        sleeps.push(timer.sleep(duration));
        last = Instant::now();
    }
    let mut is_in_time = true;
    for (index, sleep) in sleeps.iter_mut().enumerate().rev() {
        let sent = sent.clone();
        is_in_time &= !is_ready(sleep, &waker(move || sent.send(index).unwrap()));
    }
    if !is_in_time || Instant::now() >= begin + duration {
        return None;
    }
    Some(
        (0..count)
            .map(|_| woken.recv_timeout(PATIENCE).unwrap())
            .collect(),
    )
}

#[test]
fn many_sleepers_are_woken_in_the_order_of_their_deadlines() {
    let durations = (0..).map(|doublings| Duration::from_millis(20 << doublings));
    let woken = durations
        .take(10)
        .find_map(|duration| order_of_wakes(300, duration));
    assert_eq!(woken, Some((0..300).collect()));
}

thread_local! {
    static HELD: RefCell<Vec<mpsc::Sender<()>>> = const { RefCell::new(Vec::new()) };
}

/// Sleeps for a moment. Returns the timer's thread and a channel that disconnects when that thread
/// ends.
fn thread_of(timer: &Timer) -> (ThreadId, mpsc::Receiver<()>) {
    let (sent, woken) = mpsc::channel();
    let (held, end) = mpsc::channel();
    let waker = waker(move || {
        HELD.with_borrow_mut(|all| all.push(held.clone()));
        sent.send(std::thread::current().id()).unwrap();
    });
    let mut sleep = timer.sleep(Duration::from_millis(20));
    while is_ready(&mut sleep, &waker) {
        sleep = timer.sleep(Duration::from_millis(20));
    }
    let thread = woken.recv_timeout(PATIENCE).unwrap();
    (thread, end)
}

fn has_ended(end: &mpsc::Receiver<()>) -> bool {
    end.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Disconnected)
}

#[test]
fn the_thread_ends_when_nothing_sleeps_and_starts_again() {
    let timer = Timer::default();
    let (first, end) = thread_of(&timer);
    assert!(has_ended(&end));
    let (second, end) = thread_of(&timer);
    assert_ne!(first, second);
    assert!(has_ended(&end));
}

#[test]
fn clones_share_one_thread_while_something_sleeps() {
    let timer = Timer::default();
    let mut long = timer.sleep(FAR);
    assert!(!is_ready(&mut long, Waker::noop()));
    let (first, end) = thread_of(&timer);
    let (second, _) = thread_of(&timer.clone());
    assert_eq!(first, second);
    assert_eq!(end.try_recv(), Err(mpsc::TryRecvError::Empty));
    // The thread ends with the last sleeper, however far away its deadline was.
    drop(long);
    assert!(has_ended(&end));
}

#[test]
fn a_panicking_waker_does_not_disturb_other_sleepers() {
    let timer = Timer::default();
    let mut long = timer.sleep(FAR);
    assert!(!is_ready(&mut long, Waker::noop()));
    let (before, _) = thread_of(&timer);
    let (sent, woken) = mpsc::channel();
    let panics = waker(move || {
        sent.send(()).unwrap();
        panic!("a waker that panics");
    });
    let mut sleep = timer.sleep(Duration::from_millis(20));
    while is_ready(&mut sleep, &panics) {
        sleep = timer.sleep(Duration::from_millis(20));
    }
    woken.recv_timeout(PATIENCE).unwrap();
    assert_eq!(thread_of(&timer).0, before);
}
