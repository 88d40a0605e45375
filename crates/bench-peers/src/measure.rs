//! Times of many candidates, interleaved, so that what disturbs one disturbs all.

use std::sync::Barrier;
use std::time::Instant;

/// One batch of calls, made ready before its time is taken, and dropped after.
pub(crate) type Batch<'f> = Box<dyn FnMut() + Send + 'f>;

pub(crate) struct Candidate<'f> {
    pub(crate) name: String,
    /// Calls in a batch.
    pub(crate) calls: usize,
    /// Makes a batch for the thread of this number.
    pub(crate) prepare: Box<dyn Fn(usize) -> Batch<'f> + 'f>,
}

/// Medians of one candidate.
#[derive(Clone, Copy)]
pub(crate) struct Times {
    /// Seconds of one call, with one thread at it.
    pub(crate) one: f64,
    /// To the base, measured right before, in the same round.
    pub(crate) ratio: f64,
    /// How many times as much two threads do as one.
    pub(crate) scaling: f64,
    /// The scaling, in proportion to that of the base in the same round.
    pub(crate) gain: f64,
}

/// Measures each candidate together with its base, in so many rounds. `between` is called after each.
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

/// Seconds of one call of both. The base comes first and last, and the candidate twice in between, so
/// that neither gains by its place. All is made ready before any is timed, and one more batch of each
/// goes ahead of them: neither must find a machine that has just done other things.
fn together<'c>(base: &Candidate<'c>, candidate: &Candidate<'c>, threads: usize) -> [f64; 2] {
    let order = [candidate, base, base, candidate, candidate, base];
    let ready = |it: &Candidate<'c>| (0..threads).map(&it.prepare).collect::<Vec<_>>();
    let [_, _, first, second, third, last] = order.map(ready).map(time);
    [
        (first + last) / 2.0 / base.calls as f64,
        (second + third) / 2.0 / candidate.calls as f64,
    ]
}

/// Seconds of a batch on each of as many threads as there are batches: their mean.
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
