//! One caller's way to what an issuer publishes: what to do next, until there is an answer. It waits
//! for nothing and asks nobody; whoever carries it out does.

use std::sync::Arc;

use a0_jose::{Algorithm, NumericDate};

use crate::error::Unavailable;
use crate::flight::{Flight, Slot};
use crate::policy::{CachePolicy, Refresh};
use crate::record::{Decision, Good, Record, Round};
use crate::stamp::Kept;

/// What a caller is after, and what a round is carried out for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal<'g> {
    /// What is fresh, or may be served in place of it.
    Fresh,
    /// The same, with a key of this `kid` for this algorithm.
    Key(&'g str, Algorithm),
    /// What the issuer says now.
    Newest,
    /// What the second level has: for rounds alone.
    Stored,
}

#[cfg(feature = "async")]
impl Goal<'_> {
    /// The same, apart from the key that is wanted.
    pub(crate) fn without_key(&self) -> Goal<'static> {
        match self {
            Goal::Fresh | Goal::Key(..) => Goal::Fresh,
            Goal::Newest => Goal::Newest,
            Goal::Stored => Goal::Stored,
        }
    }
}

/// What to do next.
pub(crate) enum Todo<'g, T: Kept> {
    /// The answer.
    Return(Result<Arc<T>, Unavailable>),
    /// Wait until this round is over.
    Wait(Round),
    /// Carry out this round.
    Fetch(Flight<T>, Goal<'g>),
    /// Have this round carried out, without waiting for its end.
    Behind(Flight<T>),
}

/// Where a caller stands.
pub(crate) struct Lookup<'l, T> {
    slot: &'l Arc<Slot<T>>,
    policy: &'l CachePolicy,
    has_second_level: bool,
    now: NumericDate,
    goal: Goal<'l>,
    /// Whether there are keys already, and the wanted one is not among them.
    seeking: bool,
    /// The rounds that had started when the call came.
    rounds_before: Option<Round>,
    /// The round that was carried out or waited for last.
    ended: Option<Round>,
    /// What is served although a round was started behind it.
    served: Option<Good<T>>,
}

impl<'l, T: Kept> Lookup<'l, T> {
    pub(crate) fn new(
        slot: &'l Arc<Slot<T>>,
        policy: &'l CachePolicy,
        has_second_level: bool,
        goal: Goal<'l>,
        now: NumericDate,
    ) -> Self {
        Lookup {
            slot,
            policy,
            has_second_level,
            now,
            goal,
            seeking: false,
            rounds_before: None,
            ended: None,
            served: None,
        }
    }

    /// To be called until it returns an answer, each time after the last one was done.
    pub(crate) fn next(&mut self) -> Todo<'l, T> {
        let slot = self.slot;
        let mut record = slot.lock();
        let rounds_before = *self.rounds_before.get_or_insert(record.rounds());
        loop {
            let settled = match (self.served.take(), self.ended.take()) {
                (Some(good), _) => Some(Ok(good)),
                (None, Some(round)) => self.settle(&record, round, rounds_before),
                (None, None) => None,
            };
            let decision = match settled {
                Some(Ok(good)) => Decision::Use(good),
                Some(Err(error)) => Decision::Fail(error),
                None => self.decide(&mut record, rounds_before),
            };
            match decision {
                Decision::Use(good) if self.is_enough(&good.value) => {
                    return Todo::Return(Ok(good.value));
                }
                Decision::Use(_) => self.seeking = true,
                Decision::Fail(error) => return Todo::Return(Err(error)),
                Decision::Join(round) => {
                    self.ended = Some(round);
                    return Todo::Wait(round);
                }
                Decision::UseAndRefresh(good, round)
                    if self.policy.refresh == Refresh::Background =>
                {
                    self.served = Some(good);
                    return Todo::Behind(Flight::of(slot, round));
                }
                Decision::Fetch(round) | Decision::UseAndRefresh(_, round) => {
                    self.ended = Some(round);
                    return Todo::Fetch(Flight::of(slot, round), self.errand());
                }
                Decision::Reread(round) => {
                    self.ended = Some(round);
                    return Todo::Fetch(Flight::of(slot, round), Goal::Stored);
                }
            }
        }
    }

    fn decide(&self, record: &mut Record<T>, rounds_before: Round) -> Decision<T> {
        match self.goal {
            Goal::Newest => record.decide_reload(self.now),
            _ if self.seeking => record.decide_unknown_kid(rounds_before, self.policy, self.now),
            _ => record.decide(self.policy, self.has_second_level, self.now),
        }
    }

    /// What a round gave that is over; `None` if that settles nothing, so that it is to be decided
    /// anew.
    fn settle(
        &self,
        record: &Record<T>,
        round: Round,
        rounds_before: Round,
    ) -> Option<Result<Good<T>, Unavailable>> {
        let error = |round| record.failed_since(round, self.now).map(Err);
        match self.goal {
            // A round that began before this call does not do: it may have missed what is new. Nor
            // does what another process was told.
            Goal::Newest => {
                let newer = |good: &Good<T>| good.of_issuer && good.round > rounds_before;
                match record.good().filter(newer) {
                    Some(good) => Some(Ok(good)),
                    None => error(rounds_before.saturating_add(1)),
                }
            }
            // The same for a key; but if the round failed, nobody knows.
            Goal::Key(key_id, algorithm) if self.seeking => {
                match record
                    .good()
                    .filter(|good| good.value.has_key(key_id, algorithm))
                {
                    Some(good) => Some(Ok(good)),
                    None => error(round).map(|error: Result<_, Unavailable>| {
                        let wait = record.cool_down(self.policy, self.now);
                        error.map_err(|error| error.not_before(wait))
                    }),
                }
            }
            Goal::Fresh | Goal::Key(..) | Goal::Stored => {
                record.outcome(round, self.policy, self.now)
            }
        }
    }

    /// Whether this is the answer, or there is a key still to be looked for.
    fn is_enough(&self, value: &T) -> bool {
        match self.goal {
            Goal::Key(key_id, algorithm) => self.seeking || value.has_key(key_id, algorithm),
            Goal::Fresh | Goal::Newest | Goal::Stored => true,
        }
    }

    /// What a round is carried out for at this point.
    fn errand(&self) -> Goal<'l> {
        match self.goal {
            Goal::Key(..) if !self.seeking => Goal::Fresh,
            goal => goal,
        }
    }
}
