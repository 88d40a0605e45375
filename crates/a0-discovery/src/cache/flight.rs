//! A running round: its permit, and its leader's duty to end it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use a0_jose::{Algorithm, NumericDate};
use a0_single_flight::{Moment, Monitor, Round};

use super::record::Good;
use super::record::{Outcome, Purpose, Record, moment};
use super::round::{Cached, Plan, Rules};
use super::shared::lock;
use crate::error::{Document, FetchError, FetchFailure};
use crate::issuer::Issuer;
use crate::policy::CachePolicy;

/// The `kid` and the algorithm of the key that a caller wants.
pub(crate) type WantedKey = (String, Algorithm);

/// The record of one issuer. Its lock is held briefly, never during a fetch.
pub(crate) type Slot<T> = Monitor<Record<T>>;

/// The time that a round may take in addition to its exchanges: for the second level, name
/// resolution, or a busy machine.
const OVERTIME: Duration = Duration::from_secs(5);

/// The time after which a round is overdue that may wait this long for other processes.
pub(crate) fn limit(purpose: Purpose, policy: &CachePolicy, longest_wait: Duration) -> Duration {
    policy
        .timeout
        .saturating_mul(purpose.exchanges())
        .saturating_add(longest_wait)
        .saturating_add(OVERTIME)
}

/// The current time for a caller whose clock read `now` at `since`. Only whole seconds are added,
/// so that times in tests stay whole.
fn later(now: NumericDate, since: Instant) -> NumericDate {
    now.plus(Duration::from_secs(since.elapsed().as_secs()))
}

/// The duty to carry out a round. If it is dropped without [`finish`](Flight::finish), because its
/// thread panicked or its runtime was dropped, it abandons the round and wakes the waiters.
pub(crate) struct Flight<T: Cached> {
    slot: Arc<Slot<T>>,
    round: Round,
    purpose: Purpose,
    wanted: Option<WantedKey>,
    now: NumericDate,
    began: Instant,
    is_background: bool,
    permit: Option<Permit>,
    by_caller: Arc<AtomicBool>,
}

impl<T: Cached> Flight<T> {
    pub(crate) fn new(
        slot: &Arc<Slot<T>>,
        round: Round,
        purpose: Purpose,
        wanted: Option<WantedKey>,
        now: NumericDate,
        permit: Permit,
    ) -> Self {
        Flight {
            slot: Arc::clone(slot),
            round,
            purpose,
            wanted,
            now,
            began: Instant::now(),
            is_background: false,
            permit: Some(permit),
            by_caller: Arc::default(),
        }
    }

    /// Makes this a background refresh.
    pub(super) fn in_background(mut self) -> Self {
        self.is_background = true;
        self
    }

    /// The inputs of the round.
    pub(crate) fn plan<'r>(&self, rules: &'r Rules, issuer: &'r Issuer) -> Plan<'r, T> {
        let record = self.slot.lock();
        let good = record.good.as_ref();
        Plan {
            rules,
            issuer,
            purpose: self.purpose,
            wanted: self.wanted.clone(),
            now: self.now,
            current: good.map(|good| Arc::clone(&good.value)),
            has_known_age: good.is_some_and(Good::has_known_age),
            seen: record.seen(),
            is_background: self.is_background,
        }
    }

    /// When the round began, by the monotonic clock.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Whether dropping this flight cancels the round instead of abandoning it. This is so if a
    /// caller carries it out in its own future, or if no thread could be started: neither is a
    /// failure.
    pub(crate) fn by_caller(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.by_caller)
    }

    /// Ends the round, which ran from `since` to `at` by the cache's clock. Returns whether its
    /// result counts.
    pub(crate) fn finish(self, outcome: Outcome<T>, since: NumericDate, at: NumericDate) -> bool {
        // Both times come from the cache's clock. `self.now` is the caller's and may be of another
        // one.
        let took = (at.as_seconds() - since.as_seconds()).max(0.0);
        let took = Duration::try_from_secs_f64(took).unwrap_or(Duration::MAX);
        let end = moment(self.now.plus(took));
        self.slot.lock().finish(self.round, outcome, at, &end)
    }
}

impl<T: Cached> Drop for Flight<T> {
    fn drop(&mut self) {
        // The cache's clock may be user code, which must not run while a thread unwinds.
        let at = later(self.now, self.began);
        let is_cancelled = self.by_caller.load(Ordering::Acquire) && !std::thread::panicking();
        let mut record = self.slot.lock();
        if is_cancelled {
            record.cancel(self.round);
        } else if record.rounds.is_running(self.round) {
            let document = match self.purpose {
                Purpose::Search => Document::Jwks,
                Purpose::Refresh | Purpose::Reload | Purpose::Reread => Document::Metadata,
            };
            let error = FetchError::new(document, FetchFailure::Abandoned);
            record.abandon(self.round, error, at);
        }
        drop(record);
        // The permit is returned before the waiters wake, because the next leader needs one.
        self.permit = None;
        self.slot.notify_all();
    }
}

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
