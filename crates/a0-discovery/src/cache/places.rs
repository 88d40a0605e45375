//! How many rounds may be under way at once.

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

/// The kind of a round, by which its place is counted.
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
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.places.taken)
            .by
            .retain(|holder| holder.id != self.id);
    }
}
