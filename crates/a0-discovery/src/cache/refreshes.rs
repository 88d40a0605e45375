//! Background refreshes that wait for their turn.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_jose::NumericDate;

use super::cached::Cached;
use super::flight::{Flight, Slot, limit};
use super::places::{Class, Place, Places};
use super::record::{Work, moment};
use super::round::Fetched;
use crate::age::elapsed;
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
    /// The time of the caller that found the refresh due, and the cache's clock then.
    now: NumericDate,
    since: NumericDate,
}

/// The thing to be refreshed.
pub(crate) enum What {
    Keys(Arc<Slot<IssuerKeys>>),
    Metadata(Arc<Slot<ServerMetadata>>),
}

/// Keys and metadata, which the background can refresh.
pub(crate) trait Refreshable: Fetched {
    fn what(slot: &Arc<Slot<Self>>) -> What;
}

impl Refreshable for IssuerKeys {
    fn what(slot: &Arc<Slot<Self>>) -> What {
        What::Keys(Arc::clone(slot))
    }
}

impl Refreshable for ServerMetadata {
    fn what(slot: &Arc<Slot<Self>>) -> What {
        What::Metadata(Arc::clone(slot))
    }
}

/// A background refresh that has begun.
pub(crate) enum BegunRefresh {
    Keys(Flight<IssuerKeys>, Issuer),
    Metadata(Flight<ServerMetadata>, Issuer),
}

impl BegunRefresh {
    /// See [`Flight::by_caller`].
    pub(crate) fn by_caller(&self) -> Arc<AtomicBool> {
        match self {
            BegunRefresh::Keys(flight, _) => flight.by_caller(),
            BegunRefresh::Metadata(flight, _) => flight.by_caller(),
        }
    }
}

impl Refreshes {
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Puts an issuer into the queue, unless it is there.
    pub(crate) fn push(&self, issuer: &Issuer, what: What, now: NumericDate, clock: NumericDate) {
        let is_queued = match &what {
            What::Keys(slot) => std::mem::replace(&mut slot.lock().refresh_is_queued, true),
            What::Metadata(slot) => std::mem::replace(&mut slot.lock().refresh_is_queued, true),
        };
        if !is_queued {
            lock(&self.0).push_back(Queued {
                issuer: issuer.clone(),
                what,
                now,
                since: clock,
            });
        }
    }

    /// Begins the next refresh, if there is one and there is a place for it.
    pub(crate) fn begin_next(
        &self,
        policy: &CachePolicy,
        places: &Arc<Places>,
        clock: NumericDate,
    ) -> Option<BegunRefresh> {
        while !lock(&self.0).is_empty() {
            // The queue may grow between the two: then the next turn of the loop sees it.
            let now = moment(lock(&self.0).front()?.now(clock));
            let place = places.take(Class::Background, now, limit(Work::Refresh, policy))?;
            let Some(next) = lock(&self.0).pop_front() else {
                continue;
            };
            let now = next.now(clock);
            let begun = match next.what {
                What::Keys(slot) => {
                    let flight = begin(&slot, policy, now, place);
                    flight.map(|flight| BegunRefresh::Keys(flight, next.issuer))
                }
                What::Metadata(slot) => {
                    let flight = begin(&slot, policy, now, place);
                    flight.map(|flight| BegunRefresh::Metadata(flight, next.issuer))
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
    /// The caller's time by now, in whole seconds. The cache's clock may be another one, but it runs as
    /// fast.
    fn now(&self, clock: NumericDate) -> NumericDate {
        match elapsed(self.since, clock) {
            // The clock was set back.
            Duration::MAX => self.now,
            waited => self.now.plus(Duration::from_secs(waited.as_secs())),
        }
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
    let round = record.begin_in_background(now, limit(Work::Refresh, policy));
    drop(record);
    Some(Flight::new(slot, round, Work::Refresh, now, place))
}
