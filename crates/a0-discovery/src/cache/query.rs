//! One caller's way to what an issuer publishes: what to do next, until there is an answer. It does no
//! input or output.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use a0_jose::{Algorithm, NumericDate};
use a0_single_flight::{Round, Running};

use super::cached::Cached;
use super::decision::Decision;
use super::flight::{Flight, Slot, limit};
use super::good::Good;
use super::places::{Class, Places};
use super::record::{Record, Work, moment};
use crate::error::{Document, FetchError, FetchFailure, Unavailable};
use crate::policy::{CachePolicy, Refresh};

/// During a search's first second everybody may wait for it, so that a rotation refuses nobody.
const OPEN_SEARCH: Duration = Duration::from_secs(1);

/// Callers in the blocking client that wait for a search beyond that second: each one holds a thread of
/// the API, and strangers can send as many as they like.
const PATIENT: usize = 8;

/// How soon a caller that ran out of time or found no place may ask again.
const RETRY: Duration = Duration::from_secs(1);

/// How a task sleeps until a deadline.
#[cfg(feature = "async")]
pub(super) type SleepFn = dyn Fn(Duration) -> a0_single_flight::Sleep + Send + Sync;

/// The goal of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<'q> {
    /// Fresh keys, or stale ones that may be served in their place.
    Fresh,
    /// The same, with a key of this `kid` for this algorithm.
    Key(&'q str, Algorithm),
    /// Keys from the issuer itself, requested after the call.
    Newest,
}

/// The next need of a query. Each kind resumes the query.
pub(crate) enum Next<'q, T: Cached> {
    Done(Result<Arc<T>, Unavailable>),
    /// The answer; and a background refresh is in the queue.
    DoneAndRefresh(Arc<T>),
    /// Wait for the round of another caller.
    Wait(Waiting<'q, T>),
    /// Carry out this round, then go on with [`Waiting::ended`].
    Lead(Flight<T>, Waiting<'q, T>),
}

/// A caller's query.
pub(crate) struct Query<'q, T> {
    pub(crate) slot: &'q Arc<Slot<T>>,
    pub(crate) policy: &'q CachePolicy,
    pub(crate) places: &'q Arc<Places>,
    pub(crate) has_second_level: bool,
    pub(crate) goal: Goal<'q>,
    pub(crate) now: NumericDate,
}

/// A query that has begun.
struct Begun<'q, T> {
    query: Query<'q, T>,
    /// The rounds that had begun when the call came.
    before: Round,
    /// Whether there are keys, and the wanted one is not among them.
    searching: bool,
    /// When the caller first waited for another, by the monotonic clock.
    waiting_since: Option<Instant>,
}

/// A query that waits for a round.
pub(crate) struct Waiting<'q, T> {
    begun: Begun<'q, T>,
    round: Round,
    /// When the caller leaves.
    leave_at: Instant,
    /// When the round is overdue, and another may begin in its place.
    overdue_at: Option<Instant>,
    /// Until when anybody may wait for a search.
    open_until: Option<Instant>,
}

impl<'q, T: Cached> Query<'q, T> {
    pub(crate) fn begin(self) -> Next<'q, T> {
        let mut record = self.slot.lock();
        record.see_clock(self.now);
        let begun = Begun {
            before: record.rounds.begun(),
            query: self,
            searching: false,
            waiting_since: None,
        };
        begun.decide(record)
    }
}

impl<'q, T: Cached> Begun<'q, T> {
    fn decide(mut self, mut record: MutexGuard<'q, Record<T>>) -> Next<'q, T> {
        let Query { policy, goal, .. } = self.query;
        loop {
            let now = self.query.now;
            let decision = match goal {
                Goal::Newest => record.decide_reload(now),
                _ if self.searching => record.decide_search(self.before, policy, now),
                _ => record.decide(policy, self.query.has_second_level, now),
            };
            match decision {
                Decision::Refuse(error) => return Next::Done(Err(error)),
                Decision::Join(running) => return self.wait_for(running),
                Decision::Refresh(good) if policy.refresh == Refresh::Inline => {
                    return self.lead(record, Work::Refresh, Some(good));
                }
                Decision::Lead(work, instead) => return self.lead(record, work, instead),
                // A search brings newer keys than a refresh that has not begun.
                Decision::Serve(good) | Decision::Refresh(good) if !self.is_enough(&good) => {
                    self.searching = true;
                }
                Decision::Serve(good) => return Next::Done(Ok(good.value)),
                Decision::Refresh(good) => return Next::DoneAndRefresh(good.value),
            }
        }
    }

    fn lead(
        self,
        mut record: MutexGuard<'q, Record<T>>,
        work: Work,
        instead: Option<Good<T>>,
    ) -> Next<'q, T> {
        let Query {
            slot,
            policy,
            places,
            ..
        } = self.query;
        let now = self.query.now;
        let limit = limit(work, policy);
        let class = match record.good().is_some() && !record.is_failing() {
            true => Class::Proven,
            false => Class::Unproven,
        };
        let Some(place) = places.take(class, moment(now), limit) else {
            return match instead {
                Some(good) if self.is_enough(&good) => Next::Done(Ok(good.value)),
                _ => self.refuse(&record, FetchFailure::Overloaded),
            };
        };
        let round = record.begin(work, now, limit);
        drop(record);
        let flight = Flight::new(slot, round, work, now, place);
        let leave_at = after(Instant::now(), limit);
        let waiting = Waiting {
            begun: self,
            round,
            leave_at,
            overdue_at: None,
            open_until: None,
        };
        Next::Lead(flight, waiting)
    }

    fn wait_for(mut self, running: Running) -> Next<'q, T> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let began = running.began().monotonic();
        Next::Wait(Waiting {
            leave_at: after(since, self.query.policy.max_wait),
            round: running.round(),
            overdue_at: running.overdue_at(),
            open_until: self.searching.then(|| after(began, OPEN_SEARCH)),
            begun: self,
        })
    }

    /// Refuses a caller that ran out of time or found no place.
    fn refuse(&self, record: &Record<T>, failure: FetchFailure) -> Next<'q, T> {
        let document = match record.good() {
            Some(_) => Document::Jwks,
            None => Document::Metadata,
        };
        let error = FetchError::new(document, failure);
        Next::Done(Err(Unavailable {
            error,
            retry_in: RETRY,
        }))
    }

    /// Whether this is the answer. A caller that searched takes what the search brought.
    fn is_enough(&self, good: &Good<T>) -> bool {
        self.searching || self.has_what_is_wanted(good)
    }

    fn has_what_is_wanted(&self, good: &Good<T>) -> bool {
        match self.query.goal {
            Goal::Key(key_id, algorithm) => good.value.has_key(key_id, algorithm),
            Goal::Fresh | Goal::Newest => true,
        }
    }

    /// The meaning of a finished round for this caller; `None` if it has to decide anew.
    fn settle(&self, record: &mut Record<T>, round: Round) -> Option<Result<Good<T>, Unavailable>> {
        let (policy, now) = (self.query.policy, self.query.now);
        match self.query.goal {
            // A round that began before the call may have missed what is new, and so may have another
            // process.
            Goal::Newest => {
                let newer = |good: &&Good<T>| good.of_issuer && good.round > self.before;
                match record.good().filter(newer) {
                    Some(good) => Some(Ok(good.clone())),
                    None => record
                        .failed_since(self.before.saturating_add(1), policy, now)
                        .map(Err),
                }
            }
            // If the round failed, nobody knows whether the issuer has the key.
            Goal::Key(..) if self.searching => {
                match record.good().filter(|good| self.has_what_is_wanted(good)) {
                    Some(good) => Some(Ok(good.clone())),
                    None => record
                        .failed_since(round, policy, now)
                        .map(|error| Err(error.not_before(record.cool_down(policy, now)))),
                }
            }
            Goal::Fresh | Goal::Key(..) => record.outcome(round, policy, now),
        }
    }
}

impl<'q, T: Cached> Waiting<'q, T> {
    /// Blocks until the round is over or the caller has to leave.
    pub(crate) fn block(self) -> Next<'q, T> {
        let slot = self.begun.query.slot;
        let ended = |until: Instant| slot.wait(until, self.is_over()).is_some();
        let until = self.until();
        let open_until = self.open_until.filter(|open_until| *open_until < until);
        let ended = match open_until {
            None => ended(until),
            Some(open_until) if ended(open_until) => true,
            Some(_) if slot.lock().be_patient(self.round, PATIENT) => ended(until),
            Some(_) => return self.begun.refuse(&slot.lock(), FetchFailure::Overloaded),
        };
        self.woken(ended)
    }

    /// Waits in a task until the round is over or the caller has to leave.
    #[cfg(feature = "async")]
    pub(crate) async fn wait(self, sleep: Option<&SleepFn>) -> Next<'q, T> {
        let slot = self.begun.query.slot;
        let ended = slot.wait_async(self.until(), sleep, self.is_over()).await;
        self.woken(ended.is_some())
    }

    /// Goes on after the round has ended.
    pub(crate) fn ended(self) -> Next<'q, T> {
        let Begun { ref query, .. } = self.begun;
        let mut record = query.slot.lock();
        match self.begun.settle(&mut record, self.round) {
            Some(Ok(good)) if self.begun.is_enough(&good) => Next::Done(Ok(good.value)),
            Some(Err(error)) => Next::Done(Err(error)),
            Some(Ok(_)) => {
                let searching = Begun {
                    searching: true,
                    ..self.begun
                };
                searching.decide(record)
            }
            None => self.begun.decide(record),
        }
    }

    fn woken(self, ended: bool) -> Next<'q, T> {
        if ended {
            return self.ended();
        }
        let now = Instant::now();
        let is_overdue = self.overdue_at.is_some_and(|at| at <= now);
        let record = self.begun.query.slot.lock();
        match is_overdue && now < self.leave_at {
            true => self.begun.decide(record),
            false => self.begun.leave(record),
        }
    }

    fn until(&self) -> Instant {
        self.overdue_at
            .map_or(self.leave_at, |at| at.min(self.leave_at))
    }

    fn is_over(&self) -> impl Fn(&mut Record<T>) -> Option<()> + use<T> {
        let round = self.round;
        move |record| (!record.rounds.is_running(round)).then_some(())
    }
}

impl<'q, T: Cached> Begun<'q, T> {
    /// Leaves a round that takes too long, with what may be served. That is no failure.
    fn leave(self, record: MutexGuard<'q, Record<T>>) -> Next<'q, T> {
        let servable = match self.query.goal {
            Goal::Newest => None,
            Goal::Fresh | Goal::Key(..) => record.servable(self.query.policy, self.query.now),
        };
        match servable.filter(|good| self.has_what_is_wanted(good)) {
            Some(good) => Next::Done(Ok(good.value)),
            None => self.refuse(&record, FetchFailure::NotInTime),
        }
    }
}

fn after(since: Instant, by: Duration) -> Instant {
    since.checked_add(by).unwrap_or(since)
}
