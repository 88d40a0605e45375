//! Background refreshes that wait for their turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use a0_jose::NumericDate;

use super::decision::Work;
use super::flight::{Flight, Slot, later, limit};
use super::places::{Class, Place, Places};
use super::record::{Cached, moment};
use crate::fetch::{IssuerKeys, ServerMetadata};
use crate::issuer::Issuer;
use crate::lock::lock;
use crate::policy::CachePolicy;

/// The queue of background refreshes. Each issuer stands in it once.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<VecDeque<Queued>>);

pub(crate) struct Queued {
    issuer: Issuer,
    what: What,
    /// The time of the caller that found the refresh due, and when that was.
    now: NumericDate,
    since: Instant,
}

/// What is to be refreshed.
pub(crate) enum What {
    Keys(Arc<Slot<IssuerKeys>>),
    Metadata(Arc<Slot<ServerMetadata>>),
}

/// A background refresh that has begun.
pub(crate) enum Begun {
    Keys(Flight<IssuerKeys>, Issuer),
    Metadata(Flight<ServerMetadata>, Issuer),
}

impl Refreshes {
    /// Puts an issuer into the queue, unless it is there.
    pub(crate) fn push(&self, issuer: &Issuer, what: What, now: NumericDate) {
        let is_queued = match &what {
            What::Keys(slot) => std::mem::replace(&mut slot.lock().refresh_is_queued, true),
            What::Metadata(slot) => std::mem::replace(&mut slot.lock().refresh_is_queued, true),
        };
        if !is_queued {
            lock(&self.0).push_back(Queued {
                issuer: issuer.clone(),
                what,
                now,
                since: Instant::now(),
            });
        }
    }

    /// Begins the next refresh, if there is one and there is a place for it.
    pub(crate) fn begin_next(&self, policy: &CachePolicy, places: &Arc<Places>) -> Option<Begun> {
        while !lock(&self.0).is_empty() {
            // The queue may grow between the two: then the next turn of the loop sees it.
            let now = moment(lock(&self.0).front()?.now());
            let place = places.take(Class::Background, now, limit(Work::Refresh, policy))?;
            let Some(next) = lock(&self.0).pop_front() else {
                continue;
            };
            let now = next.now();
            let begun = match next.what {
                What::Keys(slot) => {
                    let flight = begin(&slot, policy, now, place);
                    flight.map(|flight| Begun::Keys(flight, next.issuer))
                }
                What::Metadata(slot) => {
                    let flight = begin(&slot, policy, now, place);
                    flight.map(|flight| Begun::Metadata(flight, next.issuer))
                }
            };
            if begun.is_some() {
                return begun;
            }
        }
        None
    }
}

impl Queued {
    fn now(&self) -> NumericDate {
        later(self.now, self.since)
    }
}

/// Begins a refresh, if it is still due.
fn begin<T: Cached>(
    slot: &Arc<Slot<T>>,
    policy: &CachePolicy,
    now: NumericDate,
    place: Place,
) -> Option<Flight<T>> {
    let mut record = slot.lock();
    if !record.leave_queue(policy, now) {
        return None;
    }
    let replaces_another = record.rounds.is_running(record.rounds.begun());
    let round = record.begin_in_background(now, limit(Work::Refresh, policy));
    drop(record);
    if replaces_another {
        slot.notify_all();
    }
    Some(Flight::new(slot, round, Work::Refresh, now, place))
}
