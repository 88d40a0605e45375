//! Measures the replay store: memory for a million entries, and time per call.
//!
//! ```sh
//! cargo run --release -p a0-dpop --example replay_memory [ENTRIES]
//! ```
//!
//! Memory is the growth of the process's resident memory, as Linux reports it.

use std::error::Error;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use a0_dpop::{Htu, InMemoryReplayStore, ReplayKey, ReplayStore};
use a0_jose::{NumericDate, Thumbprint};

/// The time for which a proof is accepted, in seconds.
const WINDOW: usize = 330;

/// Several threads fill the store, as in a server, because allocators keep memory for each thread.
const THREADS: usize = 4;

fn main() -> Result<(), Box<dyn Error>> {
    let entries: usize = match std::env::args().nth(1) {
        Some(entries) => entries.parse()?,
        None => InMemoryReplayStore::DEFAULT_CAPACITY.get(),
    };
    let proofs = Proofs {
        in_a_window: entries,
        thumbprint: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse::<Thumbprint>()?,
        htu: Htu::parse("https://api.example.com/orders")?,
    };
    let hashing = time_per_call(0..entries, |number| {
        black_box(proofs.key(number));
    });
    println!("making keys    {hashing:>7.0?} a call");

    // A little more capacity, so that nothing is evicted: shards fill unevenly, and an entry is
    // held for up to two seconds longer than required.
    let capacity = NonZeroUsize::MIN.saturating_add(entries + entries / 40);
    let resident_before = resident_bytes()?;
    let store = InMemoryReplayStore::with_capacity(capacity);
    thread::scope(|scope| {
        for first in 0..THREADS {
            let numbers = (first..entries).step_by(THREADS);
            scope.spawn(|| numbers.for_each(|number| proofs.present(&store, number)));
        }
    });
    println!("after filling  {}", memory(&store, resident_before)?);

    // From now on, one entry expires for each new proof.
    let end = entries * 6;
    let turning = time_per_call(entries..end, |number| proofs.present(&store, number));
    println!("turning over   {turning:>7.0?} a call, key included");
    let replaying = time_per_call(0..entries, |_| proofs.present(&store, end - 1));
    println!("replaying      {replaying:>7.0?} a call, key included");
    println!("after that     {}", memory(&store, resident_before)?);
    Ok(())
}

/// A steady stream of proofs, numbered from zero.
struct Proofs {
    in_a_window: usize,
    thumbprint: Thumbprint,
    htu: Htu,
}

impl Proofs {
    fn key(&self, number: usize) -> ReplayKey {
        ReplayKey::new(&self.thumbprint, &self.htu, &format!("{number:022}"))
    }

    fn present(&self, store: &InMemoryReplayStore, number: usize) {
        let second = number * WINDOW / self.in_a_window;
        let now = NumericDate::from_unix_seconds(1_900_000_000 + second as i64);
        let expires_at = now.plus(Duration::from_secs(WINDOW as u64));
        let _ = black_box(store.check_and_insert(&self.key(number), expires_at, now));
    }
}

fn memory(store: &InMemoryReplayStore, resident_before: usize) -> Result<String, Box<dyn Error>> {
    let bytes = resident_bytes()?.saturating_sub(resident_before);
    Ok(format!(
        "{} entries, {} evicted, {bytes} bytes, {} an entry",
        store.len(),
        store.evicted(),
        bytes / store.len().max(1),
    ))
}

fn time_per_call(numbers: Range<usize>, call: impl FnMut(usize)) -> Duration {
    let calls = numbers.len().max(1);
    let start = Instant::now();
    numbers.for_each(call);
    start.elapsed().div_f64(calls as f64)
}

fn resident_bytes() -> Result<usize, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    Ok(kilobytes
        .ok_or("no RssAnon in /proc/self/status")?
        .parse::<usize>()?
        * 1024)
}
