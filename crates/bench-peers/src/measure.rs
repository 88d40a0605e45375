//! Times of many candidates. They are interleaved, so that a disturbance hits all of them.

use std::sync::{Arc, Barrier};
use std::time::Instant;

use crate::fixture::{Failure, TOKENS};

/// One batch of calls. It is prepared before its time is taken, and dropped after.
pub(crate) type Batch<'f> = Box<dyn FnMut() + Send + 'f>;

pub(crate) struct Candidate<'f> {
    pub(crate) name: String,
    /// Calls in a batch.
    pub(crate) calls: usize,
    /// Prepares a batch for the thread with this number.
    pub(crate) prepare: Box<dyn Fn(usize) -> Batch<'f> + 'f>,
}

impl Candidate<'static> {
    /// A candidate whose calls need no preparation. `call` is given the number of the call.
    pub(crate) fn repeated(
        name: &str,
        calls: usize,
        call: impl Fn(usize) + Send + Sync + 'static,
    ) -> Self {
        let call = Arc::new(call);
        Candidate {
            name: name.to_owned(),
            calls,
            prepare: Box::new(move |thread| {
                let call = Arc::clone(&call);
                Box::new(move || (0..calls).for_each(|n| call(n + thread * TOKENS / 2)))
            }),
        }
    }

    /// A candidate whose calls each need a new input. A proof, for example, is accepted only once, and
    /// no other candidate may have read it either.
    pub(crate) fn with_new_inputs<T: Send + 'static>(
        name: &str,
        calls: usize,
        make: impl Fn(usize) -> Result<T, Failure> + 'static,
        call: impl Fn(usize, &T) + Send + Sync + 'static,
    ) -> Self {
        let call = Arc::new(call);
        Candidate {
            name: name.to_owned(),
            calls,
            prepare: Box::new(move |thread| -> Batch<'static> {
                let first = thread * TOKENS / 2;
                let made = (first..first + calls).map(|n| Ok((n, make(n)?)));
                let made: Result<Vec<_>, Failure> = made.collect();
                let (made, call) = (made.expect("the inputs"), Arc::clone(&call));
                Box::new(move || made.iter().for_each(|(n, made)| call(*n, made)))
            }),
        }
    }
}

/// Medians of one candidate.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Seconds of one call on one thread.
    pub(crate) one: f64,
    /// The ratio of these seconds to those of the base in the same round.
    pub(crate) ratio: f64,
    /// The throughput of two threads divided by that of one.
    pub(crate) scaling: f64,
    /// The scaling divided by that of the base in the same round.
    pub(crate) gain: f64,
}

/// Measures each candidate together with its base. `between` is called after each round.
pub(crate) fn measure<'c>(
    candidates: &[(&Candidate<'c>, &Candidate<'c>)],
    rounds: usize,
    mut between: impl FnMut(usize),
) -> Vec<Times> {
    let mut samples = vec![[const { Vec::new() }; 4]; candidates.len()];
    for round in 0..rounds {
        for ((candidate, base), samples) in candidates.iter().zip(&mut samples) {
            let [base_one, one] = together(base, candidate, 1);
            let [base_two, two] = together(base, candidate, 2);
            let (scaling, base_scaling) = (2.0 * one / two, 2.0 * base_one / base_two);
            let sample = [one, one / base_one, scaling, scaling / base_scaling];
            for (samples, value) in samples.iter_mut().zip(sample) {
                samples.push(value);
            }
        }
        between(round);
    }
    let medians = samples.into_iter().map(|samples| samples.map(median));
    medians
        .map(|[one, ratio, scaling, gain]| Times {
            one,
            ratio,
            scaling,
            gain,
        })
        .collect()
}

/// Returns the seconds of one call of the base and of the candidate. The base runs first and last, and
/// the candidate twice in between, so that neither gains by its place. All batches are prepared before
/// any is timed, and one more of each runs first: neither is to meet cold caches.
fn together<'c>(base: &Candidate<'c>, candidate: &Candidate<'c>, threads: usize) -> [f64; 2] {
    let order = [candidate, base, base, candidate, candidate, base];
    let ready = |it: &Candidate<'c>| (0..threads).map(&it.prepare).collect::<Vec<_>>();
    let [_, _, first, second, third, last] = order.map(ready).map(time);
    [
        (first + last) / 2.0 / base.calls as f64,
        (second + third) / 2.0 / candidate.calls as f64,
    ]
}

/// Runs each batch on a thread of its own and returns the mean of their seconds.
fn time(mut batches: Vec<Batch<'_>>) -> f64 {
    let threads = batches.len();
    let barrier = Barrier::new(threads);
    let time = |mut batch: Batch<'_>| {
        barrier.wait();
        let start = Instant::now();
        batch();
        start.elapsed().as_secs_f64()
    };
    let own = batches.pop().expect("a thread");
    let total = std::thread::scope(|scope| {
        let others: Vec<_> = batches
            .into_iter()
            .map(|batch| scope.spawn(|| time(batch)))
            .collect();
        let own = time(own);
        let others = others
            .into_iter()
            .map(|other| other.join().expect("a time"));
        own + others.sum::<f64>()
    });
    total / threads as f64
}

pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
