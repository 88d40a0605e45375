//! How many rounds may be under way at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_single_flight::Moment;

use crate::lock::lock;

/// Background refreshes under way at once. The others wait in a queue.
const BACKGROUND: usize = 4;

/// Foreground rounds under way at once. Nobody queues for a place.
const FOREGROUND: usize = 64;

/// Foreground rounds for issuers that have had no success yet or are failing: half, so that names that
/// hang leave room for issuers that answer.
const UNPROVEN: usize = FOREGROUND / 2;

/// Callers in the blocking client that wait for an unknown `kid` beyond the first second of the search:
/// each one holds a thread of the API, and strangers can send as many as they like.
const PATIENT: usize = 8;

/// What kind of round asks for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Background,
    /// The issuer has answered and is not failing.
    Proven,
    Unproven,
}

/// The places for rounds under way. Rounds that are overdue hold none.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: Mutex<Taken>,
    patient: AtomicUsize,
}

#[derive(Debug, Default)]
struct Taken {
    last_id: u64,
    by: Vec<Holder>,
}

#[derive(Debug)]
struct Holder {
    id: u64,
    class: Class,
    since: Moment,
    limit: Duration,
}

/// A place, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    id: u64,
}

impl Places {
    /// A place for a round that begins now and takes `limit` at most; `None` if all are taken.
    pub(crate) fn take(
        self: &Arc<Self>,
        class: Class,
        now: Moment,
        limit: Duration,
    ) -> Option<Place> {
        let mut taken = lock(&self.taken);
        let count = |is_one: fn(Class) -> bool| {
            let holders = taken.by.iter().filter(|holder| is_one(holder.class));
            let in_time = holders.filter(|holder| !holder.since.is_over(holder.limit, &now));
            in_time.count()
        };
        let is_free = match class {
            Class::Background => count(|class| class == Class::Background) < BACKGROUND,
            Class::Proven | Class::Unproven => {
                count(|class| class != Class::Background) < FOREGROUND
                    && (class == Class::Proven
                        || count(|class| class == Class::Unproven) < UNPROVEN)
            }
        };
        if !is_free {
            return None;
        }
        taken.last_id = taken.last_id.wrapping_add(1);
        let id = taken.last_id;
        taken.by.push(Holder {
            id,
            class,
            since: now,
            limit,
        });
        let places = Arc::clone(self);
        Some(Place { places, id })
    }

    /// A place among the callers that go on waiting for a search; `None` if there are enough.
    pub(crate) fn be_patient(&self) -> Option<Patience<'_>> {
        let more = |waiting| (waiting < PATIENT).then_some(waiting + 1);
        let taken = self
            .patient
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Patience(&self.patient))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken)
            .by
            .retain(|holder| holder.id != self.id);
    }
}

/// A place among those who wait, given back when it is dropped.
pub(crate) struct Patience<'p>(&'p AtomicUsize);

impl Drop for Patience<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
