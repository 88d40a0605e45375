//! One call's query: a state machine that decides from the record of the issuer what to do next, until there is a
//! result. It does no input or output.

use std::sync::{Arc, MutexGuard};
use std::time::{Duration, Instant};

use a0_jose::{Algorithm, NumericDate};
use a0_single_flight::{Round, Running};

use super::flight::{Class, Flight, Slot, WantedKey, limit};
use super::record::{Good, Purpose, Record, moment};
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
        loop {
            let decision = match self.goal {
                Goal::Newest => self.decide_reload(&record),
                _ if self.searching => self.decide_search(&record),
                _ => self.decide_fresh(&record),
            };
            match decision {
                Decision::Refuse(error) => return Next::Done(Err(error)),
                Decision::Join(running) => return self.wait_for(running),
                Decision::Refresh(good) if self.rules.policy.refresh == Refresh::Inline => {
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

/// The next action that the record of an issuer allows a caller.
#[derive(Debug)]
enum Decision<T> {
    Serve(Good<T>),
    /// Serve stale keys and refresh them.
    Refresh(Good<T>),
    /// Wait for a running round.
    Join(Running),
    /// Lead a round. If no permit is left for it, serve the value, if there is one.
    Lead(Purpose, Option<Good<T>>),
    Refuse(Unavailable),
}

/// The decisions change nothing. Whether a round is overdue also depends on the monotonic clock.
impl<T: Cached> Query<'_, T> {
    /// Decides for a caller that needs keys.
    fn decide_fresh(&self, record: &Record<T>) -> Decision<T> {
        let (policy, now) = (&self.rules.policy, self.now);
        let good = record.good.as_ref();
        if let Some(good) = good.filter(|good| good.is_fresh(policy, now)) {
            return Decision::Serve(good.clone());
        }
        let running = record.rounds.running(&moment(now));
        let servable = record.servable(policy, now);
        if let Some(good) = servable.clone() {
            let is_young = policy.is_young(good.age(now));
            let is_refreshing = running.is_some_and(|it| it.round() == record.background);
            // No caller waits for a failing issuer or a background refresh if it can be served.
            if is_young || is_refreshing || record.is_likely_to_fail(policy, now) {
                let is_due = running.is_none() && record.may_refresh(policy, now);
                return if is_due {
                    Decision::Refresh(good)
                } else {
                    Decision::Serve(good)
                };
            }
        }
        let unavailable = |failure| record.unavailable(failure, policy, now);
        match (running, record.ongoing_failure().map(unavailable)) {
            (Some(running), _) => Decision::Join(running),
            (None, Some(error)) if record.is_left_alone(policy, now) => {
                // Another process may have stored what this one cannot fetch.
                if self.has_second_level() && record.may_reread(now) {
                    Decision::Lead(Purpose::Reread, servable)
                } else {
                    Decision::Refuse(error)
                }
            }
            (None, _) => Decision::Lead(Purpose::Refresh, servable),
        }
    }

    /// Decides for a caller whose `kid` is not among the keys in memory.
    fn decide_search(&self, record: &Record<T>) -> Decision<T> {
        let (policy, now) = (&self.rules.policy, self.now);
        let is_newer = |good: &&Good<T>| good.from_issuer && good.round > self.rounds_before;
        if let Some(good) = record.good.as_ref().filter(is_newer) {
            return Decision::Serve(good.clone());
        }
        if let Some(running) = record.rounds.running(&moment(now)) {
            return Decision::Join(running);
        }
        let cooling = record.cool_down(policy, now);
        let unavailable = |failure| record.unavailable(failure, policy, now);
        match (record.ongoing_failure().map(unavailable), &record.good) {
            _ if cooling.is_zero() => Decision::Lead(Purpose::Search, None),
            // Another process may have stored the key since.
            (failure, good) if self.has_second_level() && record.may_reread(now) => {
                let fallback = good.clone().filter(|_| failure.is_none());
                Decision::Lead(Purpose::Reread, fallback)
            }
            // The issuer may have published the key since; only a fetch can tell.
            (Some(error), _) => Decision::Refuse(error.not_before(cooling)),
            (None, Some(good)) => Decision::Serve(good.clone()),
            (None, None) => Decision::Lead(Purpose::Search, None),
        }
    }

    /// Decides for a caller that wants newer keys than those in memory, regardless of any back-off.
    fn decide_reload(&self, record: &Record<T>) -> Decision<T> {
        match record.rounds.running(&moment(self.now)) {
            Some(running) => Decision::Join(running),
            None => Decision::Lead(Purpose::Reload, None),
        }
    }

    fn has_second_level(&self) -> bool {
        self.rules.sharing::<T>() != Sharing::Nothing
    }
}

pub(super) fn after(since: Instant, by: Duration) -> Instant {
    since.checked_add(by).unwrap_or(since)
}
