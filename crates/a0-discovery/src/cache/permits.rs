//! The limits on rounds that run at the same time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_single_flight::Moment;

use crate::lock::lock;

/// The limit on background refreshes. Further ones wait in a queue.
const MAX_BACKGROUND: usize = 4;

/// The limit on foreground rounds. Callers do not queue for a permit.
const MAX_FOREGROUND: usize = 64;

/// The limit on foreground rounds for issuers that have not answered yet or are failing. It is half
/// of all foreground rounds, so that hosts that hang leave room for issuers that answer.
const MAX_UNPROVEN: usize = MAX_FOREGROUND / 2;

/// The class of a round, which decides the limits it counts towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Background,
    /// In the foreground, for an issuer that has answered and is not failing.
    Proven,
    /// In the foreground, for any other issuer.
    Unproven,
}

/// The permits for running rounds. An overdue round no longer counts.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
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

/// The permit of one round. Dropping it returns it.
#[derive(Debug)]
pub(crate) struct Permit {
    permits: Arc<Permits>,
    id: u64,
}

impl Permits {
    /// Takes a permit for a round that begins now and is overdue after `limit`. Returns `None` if
    /// the class has none left.
    pub(crate) fn take(
        self: &Arc<Self>,
        class: Class,
        now: Moment,
        limit: Duration,
    ) -> Option<Permit> {
        let mut held = lock(&self.held);
        let count = |is_counted: fn(Class) -> bool| {
            let holders = held.by.iter().filter(|holder| is_counted(holder.class));
            let in_time = holders.filter(|holder| !holder.since.is_over(holder.limit, &now));
            in_time.count()
        };
        let is_free = match class {
            Class::Background => count(|class| class == Class::Background) < MAX_BACKGROUND,
            Class::Proven | Class::Unproven => {
                count(|class| class != Class::Background) < MAX_FOREGROUND
                    && (class == Class::Proven
                        || count(|class| class == Class::Unproven) < MAX_UNPROVEN)
            }
        };
        if !is_free {
            return None;
        }
        held.last_id = held.last_id.wrapping_add(1);
        let id = held.last_id;
        held.by.push(Holder {
            id,
            class,
            since: now,
            limit,
        });
        let permits = Arc::clone(self);
        Some(Permit { permits, id })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        lock(&self.permits.held)
            .by
            .retain(|holder| holder.id != self.id);
    }
}
