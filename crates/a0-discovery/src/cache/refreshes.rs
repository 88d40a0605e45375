//! The queue of background refreshes.

use std::collections::VecDeque;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use a0_jose::NumericDate;
use a0_single_flight::Round;

use super::flight::{Class, Flight, Permit, Slot, limit};
use super::record::{Good, Purpose, Record, moment};
use super::round::{Cached, Fetchable, Rules};
use super::shared::lock;
use crate::fetch::{IssuerKeys, ServerMetadata, elapsed};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// A background refresh waits for no other process: it would hold its permit and its thread.
const NO_WAIT: Duration = Duration::ZERO;

/// The queue of background refreshes. Each record is in it at most once.
#[derive(Default)]
pub(crate) struct Refreshes(Mutex<VecDeque<Queued>>);

pub(crate) struct Queued {
    issuer: Issuer,
    target: Target,
    /// The time of the caller that found the refresh due.
    now: NumericDate,
    /// The cache's clock at that moment.
    queued_at: NumericDate,
}

/// The record to refresh.
pub(crate) enum Target {
    Keys(Arc<Slot<IssuerKeys>>),
    Metadata(Arc<Slot<ServerMetadata>>),
}

/// A value that can be refreshed in the background.
pub(crate) trait Refreshable: Fetchable {
    fn target(slot: &Arc<Slot<Self>>) -> Target;
}

impl Refreshable for IssuerKeys {
    fn target(slot: &Arc<Slot<Self>>) -> Target {
        Target::Keys(Arc::clone(slot))
    }
}

impl Refreshable for ServerMetadata {
    fn target(slot: &Arc<Slot<Self>>) -> Target {
        Target::Metadata(Arc::clone(slot))
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

    /// Adds a record to the queue, unless it is queued already.
    pub(crate) fn push(
        &self,
        issuer: &Issuer,
        target: Target,
        now: NumericDate,
        clock_time: NumericDate,
    ) {
        let is_queued = match &target {
            Target::Keys(slot) => std::mem::replace(&mut slot.lock().refresh_is_queued, true),
            Target::Metadata(slot) => std::mem::replace(&mut slot.lock().refresh_is_queued, true),
        };
        if !is_queued {
            lock(&self.0).push_back(Queued {
                issuer: issuer.clone(),
                target,
                now,
                queued_at: clock_time,
            });
        }
    }

    /// Begins the next refresh that is still due, if there is one and a permit for it.
    pub(crate) fn begin_next(
        &self,
        rules: &Rules,
        clock_time: NumericDate,
    ) -> Option<BegunRefresh> {
        let longest = limit(Purpose::Refresh, &rules.policy, NO_WAIT);
        while !lock(&self.0).is_empty() {
            // The permit is taken first, so that a refresh leaves the queue only if it can begin.
            let now = moment(lock(&self.0).front()?.now(clock_time));
            let permit = rules.permits.take(Class::Background, now, longest)?;
            let Some(next) = lock(&self.0).pop_front() else {
                continue;
            };
            let now = next.now(clock_time);
            let begun = match next.target {
                Target::Keys(slot) => {
                    let flight = begin(&slot, rules, now, permit);
                    flight.map(|flight| BegunRefresh::Keys(flight, next.issuer))
                }
                Target::Metadata(slot) => {
                    let flight = begin(&slot, rules, now, permit);
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
    /// The caller's time, moved on by the whole seconds that the cache's clock has counted since.
    /// The two clocks may differ.
    fn now(&self, clock_time: NumericDate) -> NumericDate {
        match elapsed(self.queued_at, clock_time) {
            // The clock was set back.
            Duration::MAX => self.now,
            waited => self.now.plus(Duration::from_secs(waited.as_secs())),
        }
    }
}

/// Begins a refresh if it is still due.
fn begin<T: Cached>(
    slot: &Arc<Slot<T>>,
    rules: &Rules,
    now: NumericDate,
    permit: Permit,
) -> Option<Flight<T>> {
    let mut record = slot.lock();
    if !record.leave_queue(&rules.policy, now) {
        return None;
    }
    let limit = limit(Purpose::Refresh, &rules.policy, NO_WAIT);
    let round = record.begin_in_background(now, limit);
    drop(record);
    let flight = Flight::new(slot, round, Purpose::Refresh, None, now, permit);
    Some(flight.in_background())
}

impl<T: Cached> Record<T> {
    /// Begins a refresh in the background.
    fn begin_in_background(&mut self, now: NumericDate, limit: Duration) -> Round {
        self.background = self.begin(Purpose::Refresh, now, limit);
        self.background
    }

    /// Takes a refresh out of the queue. Returns whether it is still due.
    fn leave_queue(&mut self, policy: &CachePolicy, now: NumericDate) -> bool {
        self.refresh_is_queued = false;
        let is_fresh = |good: &Good<T>| good.is_fresh(policy, now);
        !self.evicted
            && !self.good.as_ref().is_some_and(is_fresh)
            && self.rounds.running(&moment(now)).is_none()
            && self.may_refresh(policy, now)
    }
}
