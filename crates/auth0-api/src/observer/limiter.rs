//! Limits how often one thing is logged.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The shortest time between two lines about the same thing.
const INTERVAL: Duration = Duration::from_secs(1);

/// The kind of an event and its reason. Both come from fixed sets, so the map below stays small.
pub(super) type Topic = (&'static str, &'static str);

pub(super) struct Limiter {
    clock: Box<dyn Fn() -> Instant + Send + Sync>,
    topics: Mutex<HashMap<Topic, Line>>,
    /// How many lines are left out and not told yet.
    untold: AtomicU64,
}

struct Line {
    at: Instant,
    left_out: u64,
}

impl Limiter {
    pub(super) fn new(clock: impl Fn() -> Instant + Send + Sync + 'static) -> Self {
        Limiter {
            clock: Box::new(clock),
            topics: Mutex::default(),
            untold: AtomicU64::new(0),
        }
    }

    /// Returns how many lines were left out since the last one, or `None` to leave out this one too.
    pub(super) fn admit(&self, topic: Topic) -> Option<u64> {
        let now = (self.clock)();
        let mut topics = self.lock();
        let Some(line) = topics.get_mut(&topic) else {
            let left_out = 0;
            topics.insert(topic, Line { at: now, left_out });
            return Some(0);
        };
        if now.saturating_duration_since(line.at) < INTERVAL {
            line.left_out = line.left_out.saturating_add(1);
            self.untold.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        line.at = now;
        let left_out = std::mem::take(&mut line.left_out);
        self.untold.fetch_sub(left_out, Ordering::Relaxed);
        Some(left_out)
    }

    /// Takes the numbers of lines that were left out and whose time is over. Nearly always there are none,
    /// and then no lock is taken.
    pub(super) fn overdue(&self) -> Vec<(Topic, u64)> {
        if self.untold.load(Ordering::Relaxed) == 0 {
            return Vec::new();
        }
        let now = (self.clock)();
        let mut overdue = Vec::new();
        for (topic, line) in self.lock().iter_mut() {
            if line.left_out > 0 && now.saturating_duration_since(line.at) >= INTERVAL {
                overdue.push((*topic, std::mem::take(&mut line.left_out)));
                line.at = now;
            }
        }
        let told = overdue
            .iter()
            .fold(0_u64, |sum, (_, left_out)| sum.saturating_add(*left_out));
        self.untold.fetch_sub(told, Ordering::Relaxed);
        overdue
    }

    /// A panic while the lock is held leaves the numbers usable, so poisoning is ignored.
    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, Line>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
