//! One call's query: a state machine that yields what to do next until there is a result. It does
//! no input or output.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use a0_jose::{Algorithm, NumericDate};
use a0_single_flight::Round;

use super::decision::{Decision, Good};
use super::flight::{Class, Flight, Slot, WantedKey, limit};
use super::record::{Purpose, Record, moment};
use super::round::{Cached, Rules, Sharing};
use crate::error::{Document, FetchError, FetchFailure, Unavailable};
use crate::policy::Refresh;

/// When a caller may try again after it ran out of time or got no permit.
const RETRY_IN: Duration = Duration::from_secs(1);

/// The goal of a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<'q> {
    /// Fresh keys, or stale ones that may be served.
    Fresh,
    /// The same, with a key of this `kid` and algorithm.
    Key(&'q str, Algorithm),
    /// Keys from the issuer itself, requested after the call began.
    Newest,
}

/// The next action of a query's driver.
pub(crate) enum Next<'q, T: Cached> {
    /// Return this result.
    Done(Result<Arc<T>, Unavailable>),
    /// Queue a background refresh, then return this value.
    DoneAndRefresh(Arc<T>),
    /// Wait for another caller's round.
    Wait(Waiting<'q, T>),
    /// Carry out this round, then continue with [`Waiting::ended`].
    Lead(Flight<T>, Waiting<'q, T>),
}

/// The query of one call.
pub(crate) struct Query<'q, T> {
    pub(super) slot: &'q Arc<Slot<T>>,
    pub(super) rules: &'q Rules,
    pub(super) goal: Goal<'q>,
    pub(super) now: NumericDate,
    /// The number of rounds that had begun before the call.
    rounds_before: Round,
    /// Whether the wanted key is missing from the keys in memory.
    pub(super) searching: bool,
    /// When the caller first began to wait for another one, by the monotonic clock.
    pub(super) waiting_since: Option<Instant>,
}

/// A query that waits for a round.
pub(crate) struct Waiting<'q, T> {
    pub(super) query: Query<'q, T>,
    pub(super) round: Round,
    /// When the caller stops waiting.
    pub(super) leave_at: Instant,
    /// When the round is overdue and another may replace it.
    pub(super) overdue_at: Option<Instant>,
    /// Until when any caller may wait for a search.
    pub(super) open_until: Option<Instant>,
}

impl Goal<'_> {
    fn wanted_key(self) -> Option<WantedKey> {
        match self {
            Goal::Key(key_id, algorithm) => Some((key_id.to_owned(), algorithm)),
            Goal::Fresh | Goal::Newest => None,
        }
    }
}

impl<'q, T: Cached> Query<'q, T> {
    /// Takes the first decision.
    pub(crate) fn begin(
        slot: &'q Arc<Slot<T>>,
        rules: &'q Rules,
        goal: Goal<'q>,
        now: NumericDate,
    ) -> Next<'q, T> {
        let mut record = slot.lock();
        record.observe_clock(now);
        let query = Query {
            slot,
            rules,
            goal,
            now,
            rounds_before: record.rounds.begun(),
            searching: false,
            waiting_since: None,
        };
        query.decide(record)
    }

    pub(super) fn decide(mut self, record: MutexGuard<'q, Record<T>>) -> Next<'q, T> {
        let Query { rules, now, .. } = self;
        let policy = &rules.policy;
        let has_second_level = rules.sharing::<T>() != Sharing::Nothing;
        loop {
            let decision = match self.goal {
                Goal::Newest => record.decide_reload(now),
                _ if self.searching => {
                    record.decide_search(self.rounds_before, policy, has_second_level, now)
                }
                _ => record.decide(policy, has_second_level, now),
            };
            match decision {
                Decision::Refuse(error) => return Next::Done(Err(error)),
                Decision::Join(running) => return self.wait_for(running),
                Decision::Refresh(good) if policy.refresh == Refresh::Inline => {
                    return self.lead(record, Purpose::Refresh, Some(good));
                }
                Decision::Lead(purpose, fallback) => return self.lead(record, purpose, fallback),
                // A search brings the newer keys sooner than a refresh that has not begun.
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
        purpose: Purpose,
        fallback: Option<Good<T>>,
    ) -> Next<'q, T> {
        let Query {
            slot, rules, now, ..
        } = self;
        let policy = &rules.policy;
        let longest_wait = rules.sharing::<T>().longest_wait(purpose, policy);
        let limit = limit(purpose, policy, longest_wait);
        let class = if record.good.is_some() && record.failures == 0 {
            Class::Proven
        } else {
            Class::Unproven
        };
        let Some(permit) = rules.permits.take(class, moment(now), limit) else {
            return match fallback {
                Some(good) if self.is_enough(&good) => Next::Done(Ok(good.value)),
                _ => self.refuse(&record, FetchFailure::Overloaded),
            };
        };
        let round = record.begin(purpose, now, limit);
        drop(record);
        let wanted = self.goal.wanted_key();
        let flight = Flight::new(slot, round, purpose, wanted, now, permit);
        let leave_at = after(Instant::now(), limit);
        let waiting = Waiting {
            query: self,
            round,
            leave_at,
            overdue_at: None,
            open_until: None,
        };
        Next::Lead(flight, waiting)
    }

    /// Refuses a caller that ran out of time or got no permit.
    pub(super) fn refuse(&self, record: &Record<T>, failure: FetchFailure) -> Next<'q, T> {
        let document = match record.good {
            Some(_) => Document::Jwks,
            None => Document::Metadata,
        };
        let error = FetchError::new(document, failure);
        Next::Done(Err(Unavailable {
            error,
            retry_in: RETRY_IN,
        }))
    }

    /// Whether this value is the result. After a search it is, with the wanted key or without.
    fn is_enough(&self, good: &Good<T>) -> bool {
        self.searching || self.has_wanted_key(good)
    }

    pub(super) fn has_wanted_key(&self, good: &Good<T>) -> bool {
        match self.goal {
            Goal::Key(key_id, algorithm) => good.value.has_key(key_id, algorithm),
            Goal::Fresh | Goal::Newest => true,
        }
    }

    /// The result of a finished round for this caller; `None` if the caller must decide again.
    fn settle(&self, record: &mut Record<T>, round: Round) -> Option<Result<Good<T>, Unavailable>> {
        let (policy, now) = (&self.rules.policy, self.now);
        match self.goal {
            // A round that began before the call may have missed the newest keys, and so may the
            // second level.
            Goal::Newest => {
                let is_newer =
                    |good: &&Good<T>| good.from_issuer && good.round > self.rounds_before;
                match record.good.as_ref().filter(is_newer) {
                    Some(good) => Some(Ok(good.clone())),
                    None => record
                        .failed_since(self.rounds_before.saturating_add(1), policy, now)
                        .map(Err),
                }
            }
            // If the round failed, it is unknown whether the issuer has the key.
            Goal::Key(..) if self.searching => {
                let good = record.good.as_ref();
                match good.filter(|good| self.has_wanted_key(good)) {
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
    /// Continues after the round has ended.
    pub(crate) fn ended(self) -> Next<'q, T> {
        let mut record = self.query.slot.lock();
        match self.query.settle(&mut record, self.round) {
            Some(Ok(good)) if self.query.is_enough(&good) => Next::Done(Ok(good.value)),
            Some(Err(error)) => Next::Done(Err(error)),
            Some(Ok(_)) => {
                let searching = Query {
                    searching: true,
                    ..self.query
                };
                searching.decide(record)
            }
            None => self.query.decide(record),
        }
    }
}

pub(super) fn after(since: Instant, by: Duration) -> Instant {
    since.checked_add(by).unwrap_or(since)
}
