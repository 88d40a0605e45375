//! The same for async callers. The tests poll the tasks by hand.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};

use super::*;

/// How a call reacts to a poll.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Hang,
    Panic,
    End(u32),
}

/// Callers of one key. A call follows the current `step`.
struct Tasks {
    world: World,
    step: Mutex<Step>,
    timer: Timer,
}

type Task<'t> = Pin<Box<dyn Future<Output = Outcome> + Send + 't>>;

impl Tasks {
    fn new(max_wait: Duration) -> Self {
        Tasks {
            world: World::new(max_wait),
            step: Mutex::new(Step::Hang),
            timer: Timer::default(),
        }
    }

    fn step(&self, step: Step) {
        *lock(&self.step) = step;
    }

    fn task(&self) -> Task<'_> {
        let call = std::future::poll_fn(|_| {
            let step = *lock(&self.step);
            match step {
                Step::Hang => Poll::Pending,
                Step::Panic => panic!("this call panics"),
                Step::End(value) => Poll::Ready(Ok(value)),
            }
        });
        let flights = &self.world.flights;
        Box::pin(flights.get_async("key", &self.timer, |_| true, call))
    }

    /// Starts `count` tasks. The first one leads a call that hangs.
    fn tasks(&self, count: usize) -> Vec<Task<'_>> {
        self.step(Step::Hang);
        let mut tasks: Vec<_> = (0..count).map(|_| self.task()).collect();
        for task in &mut tasks {
            assert_eq!(poll(task), Poll::Pending);
        }
        assert_eq!(self.world.callers(), count);
        tasks
    }
}

fn poll(task: &mut Task<'_>) -> Poll<Outcome> {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

fn panics(task: &mut Task<'_>) -> bool {
    catch_unwind(AssertUnwindSafe(|| poll(task))).is_err()
}

#[test]
fn a_dropped_call_is_not_a_failure() {
    let tasks = Tasks::new(LONG);
    let mut waiting = tasks.tasks(5).into_iter();
    for _ in 0..3 {
        drop(waiting.next());
        assert_eq!(poll(&mut waiting.as_mut_slice()[0]), Poll::Pending);
    }
    tasks.step(Step::End(7));
    for mut task in waiting {
        assert_eq!(poll(&mut task), Poll::Ready(Ok(7)));
    }
    tasks.world.assert_no_flight();
}

#[test]
fn panics_are_counted_across_dropped_calls() {
    let tasks = Tasks::new(LONG);
    let mut waiting = tasks.tasks(5);
    tasks.step(Step::Panic);
    assert!(panics(&mut waiting[0]));
    tasks.step(Step::Hang);
    assert_eq!(poll(&mut waiting[1]), Poll::Pending);
    drop(waiting.remove(1));
    tasks.step(Step::Panic);
    assert!(panics(&mut waiting[1]));
    for task in &mut waiting[2..] {
        assert_eq!(poll(task), Poll::Ready(Err(ABANDONED)));
    }
}

/// A panic outside the call drops its future too.
#[test]
fn a_future_dropped_by_an_unrelated_panic_is_not_a_failure() {
    let tasks = Tasks::new(LONG);
    let mut waiting = tasks.tasks(3);
    let leader = waiting.remove(0);
    let unrelated = move || {
        let _leader = leader;
        panic!("the handler panics");
    };
    assert!(catch_unwind(AssertUnwindSafe(unrelated)).is_err());
    tasks.step(Step::Panic);
    assert!(panics(&mut waiting[0]));
    tasks.step(Step::End(7));
    assert_eq!(poll(&mut waiting[1]), Poll::Ready(Ok(7)));
}

#[test]
fn a_leader_that_is_not_polled_does_not_block_other_tasks() {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let tasks = Tasks::new(Duration::from_millis(5));
    let mut leader = tasks.tasks(1);
    // There is no runtime, so the timer of the SDK wakes the task.
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut waiter = pin!(tasks.task());
    let outcome = loop {
        match waiter.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => break outcome,
            Poll::Pending => thread::park(),
        }
    };
    assert_eq!(outcome, Err(WAITED_TOO_LONG));

    tasks.world.advance(96);
    tasks.step(Step::End(2));
    assert_eq!(poll(&mut tasks.task()), Poll::Ready(Ok(2)));
    tasks.step(Step::End(1));
    assert_eq!(poll(&mut leader[0]), Poll::Ready(Ok(1)));
    assert_eq!(poll(&mut tasks.task()), Poll::Ready(Ok(2)));
}
