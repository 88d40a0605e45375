//! Who leads, since when, and whether their result still counts.

use std::time::{Duration, Instant};

/// One attempt to do the work. Rounds are counted from 1.
pub type Round = u64;

/// How far apart the wall clocks of two callers may be at the same moment: each reads its clock before
/// it waits for another.
const CLOCK_TOLERANCE: f64 = 60.0;

/// A point in time by two clocks, in one process.
///
/// The monotonic clock cannot be set, but it may stand still while a machine sleeps. The wall clock
/// goes on meanwhile, but it can be set. A round is overdue by whichever says so first; the wall clock
/// is given 60 seconds more, because callers read it at different times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    monotonic: Instant,
    wall: f64,
    process: u32,
}

impl Moment {
    /// This moment. `wall` is the time of the wall clock, in seconds since 1970.
    pub fn now(wall: f64) -> Self {
        Moment {
            monotonic: Instant::now(),
            wall,
            process: std::process::id(),
        }
    }

    /// The monotonic clock's reading.
    pub fn monotonic(&self) -> Instant {
        self.monotonic
    }

    /// Whether more than `limit` has passed since then, by the monotonic clock, or 60 seconds more by the
    /// wall clock; or whether it was in another process: after a fork, the thread that leads a round
    /// exists only in the parent.
    ///
    /// A wall clock that was set back says nothing.
    pub fn is_over(&self, limit: Duration, now: &Moment) -> bool {
        let monotonic = now.monotonic.saturating_duration_since(self.monotonic);
        monotonic > limit
            || now.wall - self.wall > limit.as_secs_f64() + CLOCK_TOLERANCE
            || now.process != self.process
    }
}

/// The books of one piece of work that is done again and again: which round is under way, and how the
/// last ones ended.
#[derive(Debug, Default)]
pub struct Rounds {
    begun: Round,
    running: Option<Running>,
    /// Rounds that were abandoned since the last one that ended.
    abandoned: u32,
}

/// A round that is under way.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    round: Round,
    began: Moment,
    limit: Duration,
}

impl Running {
    /// The number of the round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// When it began.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// When the monotonic clock says that it is overdue; `None` if that is beyond all time.
    pub fn overdue_at(&self) -> Option<Instant> {
        self.began.monotonic.checked_add(self.limit)
    }
}

/// What the end of a round means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// Its result counts.
    Counts,
    /// It brought nothing and its leader is not to blame: nobody is told of a failure. The number is
    /// how many rounds in a row ended so, this one included.
    Abandoned(u32),
    /// A later round began: whatever it brought is dropped.
    Superseded,
}

impl Rounds {
    /// The rounds that have begun so far.
    pub fn begun(&self) -> Round {
        self.begun
    }

    /// The round that a caller may join: one that is under way and not overdue.
    pub fn running(&self, now: &Moment) -> Option<Running> {
        self.running
            .filter(|running| !running.began.is_over(running.limit, now))
    }

    /// Whether `round` is under way, overdue or not.
    pub fn is_running(&self, round: Round) -> bool {
        self.running.is_some_and(|running| running.round == round)
    }

    /// Begins a round, in place of one that is overdue. `limit` is the time that its own limits allow
    /// it: after that it is nobody's to join.
    pub fn begin(&mut self, now: Moment, limit: Duration) -> Round {
        self.begun = self.begun.saturating_add(1);
        self.running = Some(Running {
            round: self.begun,
            began: now,
            limit,
        });
        self.begun
    }

    /// Ends a round. A failure that comes after the round's limit is no verdict: the process was
    /// frozen, or its runtime stood still, and the exchange timed out meanwhile.
    pub fn end(&mut self, round: Round, succeeded: bool, now: &Moment) -> Ending {
        let Some(running) = self.take(round) else {
            return Ending::Superseded;
        };
        if !succeeded && running.began.is_over(running.limit, now) {
            return self.count_abandoned();
        }
        self.abandoned = 0;
        Ending::Counts
    }

    /// Ends a round whose leader is gone without a result: it panicked, or its runtime was dropped.
    pub fn abandon(&mut self, round: Round) -> Ending {
        match self.take(round) {
            Some(_) => self.count_abandoned(),
            None => Ending::Superseded,
        }
    }

    /// Ends a round whose leader went away by choice, as when a caller drops its future. Returns whether
    /// it was under way.
    pub fn cancel(&mut self, round: Round) -> bool {
        self.take(round).is_some()
    }

    fn count_abandoned(&mut self) -> Ending {
        self.abandoned = self.abandoned.saturating_add(1);
        Ending::Abandoned(self.abandoned)
    }

    fn take(&mut self, round: Round) -> Option<Running> {
        self.running.take_if(|running| running.round == round)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a fork the child finds the rounds of its parent, and no thread that leads them.
    #[test]
    fn a_round_of_another_process_is_nobodys_to_join() {
        let here = Moment::now(0.0);
        let parent = Moment {
            process: here.process.wrapping_add(1),
            ..here
        };
        let mut rounds = Rounds::default();
        let round = rounds.begin(parent, Duration::MAX);
        assert!(rounds.running(&parent).is_some());
        assert!(rounds.running(&here).is_none());
        assert_eq!(rounds.end(round, false, &here), Ending::Abandoned(1));
    }
}
