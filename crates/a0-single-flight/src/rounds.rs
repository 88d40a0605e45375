//! Rounds: which one is running, since when, and whether its result counts.

use std::time::{Duration, Instant};

/// The number of a round, which is one attempt at the work. The first round is number 1.
pub type Round = u64;

/// How far apart, in seconds, two callers' readings of the wall clock may be at one moment. A
/// caller reads the clock before it waits for others.
const CLOCK_TOLERANCE: f64 = 60.0;

/// A point in time by two clocks, in one process.
///
/// The monotonic clock cannot be set, but it may stop while a machine sleeps. The wall clock does
/// not stop, but it can be set. A time limit is over as soon as either clock says so. The wall
/// clock gets 60 seconds more, because callers read it at different times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    monotonic: Instant,
    wall: f64,
    process: u32,
}

impl Moment {
    /// The current moment. `wall` is the wall clock's time, in seconds since 1970.
    pub fn now(wall: f64) -> Self {
        Moment {
            monotonic: Instant::now(),
            wall,
            process: std::process::id(),
        }
    }

    /// Returns the reading of the monotonic clock.
    pub fn monotonic(&self) -> Instant {
        self.monotonic
    }

    /// Whether `now` is later than this moment by more than `limit` by the monotonic clock, or by
    /// more than `limit` and 60 seconds by the wall clock.
    ///
    /// A moment of another process is always over: after a fork, the thread that leads a round
    /// exists only in the parent. A wall clock that was set back is ignored.
    pub fn is_over(&self, limit: Duration, now: &Moment) -> bool {
        let monotonic = now.monotonic.saturating_duration_since(self.monotonic);
        monotonic > limit
            || now.wall - self.wall > limit.as_secs_f64() + CLOCK_TOLERANCE
            || now.process != self.process
    }
}

/// The rounds of one piece of work that is repeated: which one is running, and how many were
/// abandoned.
#[derive(Debug, Default)]
pub struct Rounds {
    begun: Round,
    running: Option<Running>,
    /// The number of rounds abandoned since the last one that counted.
    abandoned: u32,
}

/// A running round.
#[derive(Debug, Clone, Copy)]
pub struct Running {
    round: Round,
    began: Moment,
    limit: Duration,
}

impl Running {
    /// Returns the number of the round.
    pub fn round(&self) -> Round {
        self.round
    }

    /// Returns when the round began.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// Returns when the round is overdue by the monotonic clock, or `None` if an `Instant` cannot
    /// represent that time.
    pub fn overdue_at(&self) -> Option<Instant> {
        self.began.monotonic.checked_add(self.limit)
    }
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The result counts.
    Counts,
    /// The round has no result, which does not count as a failure. The number says how many rounds
    /// in a row were abandoned, including this one.
    Abandoned(u32),
    /// A later round has begun, so the result is ignored.
    Superseded,
}

impl Rounds {
    /// Returns how many rounds have begun so far. This is also the number of the last one.
    pub fn begun(&self) -> Round {
        self.begun
    }

    /// Returns the round that a caller may join: one that is running and not overdue.
    pub fn running(&self, now: &Moment) -> Option<Running> {
        self.running
            .filter(|running| !running.began.is_over(running.limit, now))
    }

    /// Whether `round` is running, overdue or not.
    pub fn is_running(&self, round: Round) -> bool {
        self.running.is_some_and(|running| running.round == round)
    }

    /// Begins a round. It replaces a running one, which should be overdue. After `limit` the new
    /// round is overdue itself and can no longer be joined.
    pub fn begin(&mut self, now: Moment, limit: Duration) -> Round {
        self.begun = self.begun.saturating_add(1);
        self.running = Some(Running {
            round: self.begun,
            began: now,
            limit,
        });
        self.begun
    }

    /// Ends a round. A failure after the round's limit counts as abandoned: the process was
    /// probably frozen, or the runtime was not driven, and the work timed out meanwhile.
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

    /// Ends a round whose leader is gone without a result, because it panicked or its runtime was
    /// dropped.
    pub fn abandon(&mut self, round: Round) -> Ending {
        match self.take(round) {
            Some(_) => self.count_abandoned(),
            None => Ending::Superseded,
        }
    }

    /// Ends a round whose leader left on purpose, as when a caller drops its future. Returns
    /// whether the round was running.
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

    /// After a fork the child has the parent's rounds but no thread that leads them.
    #[test]
    fn a_round_of_another_process_cannot_be_joined() {
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
