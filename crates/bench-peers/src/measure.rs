//! Times of many candidates, interleaved, so that what disturbs one disturbs all.

use std::sync::Barrier;
use std::time::Instant;

/// One batch of calls, made ready before its time is taken.
pub(crate) type Batch<'f> = Box<dyn FnOnce() + Send + 'f>;

pub(crate) struct Candidate<'f> {
    pub(crate) name: String,
    /// Calls in a batch.
    pub(crate) calls: usize,
    /// Makes a batch for the thread of this number.
    pub(crate) prepare: Box<dyn Fn(usize) -> Batch<'f> + 'f>,
}

/// Seconds of one call, with one thread at it and with two.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    pub(crate) one: f64,
    pub(crate) two: f64,
}

impl Times {
    /// How many times as much two threads do as one.
    pub(crate) fn scaling(&self) -> f64 {
        2.0 * self.one / self.two
    }
}

/// Medians of so many rounds. `between` is called after each round.
pub(crate) fn measure(
    candidates: &[&Candidate<'_>],
    rounds: usize,
    mut between: impl FnMut(usize),
) -> Vec<Times> {
    let mut one = vec![Vec::with_capacity(rounds); candidates.len()];
    let mut two = one.clone();
    for round in 0..rounds {
        for (number, candidate) in candidates.iter().enumerate() {
            one[number].push(batch(candidate, 1));
            two[number].push(batch(candidate, 2));
        }
        between(round);
    }
    let times = one.into_iter().zip(two);
    times
        .map(|(one, two)| Times {
            one: median(one),
            two: median(two),
        })
        .collect()
}

/// Seconds of one call: the mean of the threads.
fn batch(candidate: &Candidate<'_>, threads: usize) -> f64 {
    let mut batches: Vec<_> = (0..threads).map(&candidate.prepare).collect();
    let barrier = Barrier::new(threads);
    let time = |batch: Batch<'_>| {
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
    total / threads as f64 / candidate.calls as f64
}

pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
