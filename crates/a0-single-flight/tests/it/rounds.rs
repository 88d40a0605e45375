//! Which round a caller may join, and how a round ends.

use std::time::Duration;

use a0_single_flight::{Ending, Moment, Round, Rounds};

const LIMIT: Duration = Duration::from_secs(10);

/// An event in the life of rounds.
#[derive(Debug, Clone, Copy)]
enum Event {
    Begin,
    Succeed(Round),
    Fail(Round),
    Abandon(Round),
    Cancel(Round),
}

use Event::{Abandon, Begin, Cancel, Fail, Succeed};

/// A second of the wall clock, the event at that time, and its outcome.
type Step = (f64, Event, Outcome);

/// The result of an event, and the round that can be joined after it.
type Outcome = (Option<Ending>, Option<Round>);

const NOTHING: Outcome = (None, None);
const COUNTS: Outcome = (Some(Ending::Counts), None);

const fn abandoned(in_a_row: u32) -> Outcome {
    (Some(Ending::Abandoned(in_a_row)), None)
}

const fn joinable(round: Round) -> Outcome {
    (None, Some(round))
}

const fn superseded(joinable: Option<Round>) -> Outcome {
    (Some(Ending::Superseded), joinable)
}

fn apply(rounds: &mut Rounds, event: Event, now: &Moment) -> Option<Ending> {
    match event {
        Begin => {
            rounds.begin(*now, LIMIT);
            None
        }
        Succeed(round) => Some(rounds.end(round, true, now)),
        Fail(round) => Some(rounds.end(round, false, now)),
        Abandon(round) => Some(rounds.abandon(round)),
        Cancel(round) => {
            rounds.cancel(round);
            None
        }
    }
}

#[test]
fn rounds_end_as_the_table_says() {
    let table: &[(&str, &[Step])] = &[
        (
            "a round is joined until it ends, and a failure in time counts",
            &[
                (0.0, Begin, joinable(1)),
                (1.0, Succeed(1), COUNTS),
                (2.0, Begin, joinable(2)),
                (12.0, Fail(2), COUNTS),
            ],
        ),
        (
            "a late failure does not count, a late success does",
            &[
                (0.0, Begin, joinable(1)),
                (70.1, Fail(1), abandoned(1)),
                (71.0, Begin, joinable(2)),
                (150.0, Succeed(2), COUNTS),
            ],
        ),
        (
            "a wall clock that was set back is ignored",
            &[
                (5000.0, Begin, joinable(1)),
                (0.0, Cancel(9), joinable(1)),
                (0.0, Fail(1), COUNTS),
            ],
        ),
        (
            "the end of a round that was superseded changes nothing",
            &[
                (0.0, Begin, joinable(1)),
                (71.0, Begin, joinable(2)),
                (71.0, Succeed(1), superseded(Some(2))),
                (71.0, Abandon(1), superseded(Some(2))),
                (71.0, Cancel(1), joinable(2)),
                (72.0, Succeed(2), COUNTS),
                (72.0, Succeed(2), superseded(None)),
            ],
        ),
        (
            "abandoned rounds are counted until one ends",
            &[
                (0.0, Begin, joinable(1)),
                (0.0, Abandon(1), abandoned(1)),
                (0.0, Begin, joinable(2)),
                (0.0, Abandon(2), abandoned(2)),
                (0.0, Begin, joinable(3)),
                (70.5, Fail(3), abandoned(3)),
                (71.0, Begin, joinable(4)),
                (71.0, Fail(4), COUNTS),
                (71.0, Begin, joinable(5)),
                (71.0, Abandon(5), abandoned(1)),
            ],
        ),
        (
            "a success starts the count again",
            &[
                (0.0, Begin, joinable(1)),
                (0.0, Abandon(1), abandoned(1)),
                (0.0, Begin, joinable(2)),
                (99.0, Succeed(2), COUNTS),
                (99.0, Begin, joinable(3)),
                (99.0, Abandon(3), abandoned(1)),
            ],
        ),
        (
            "a cancelled round neither adds to the count nor ends it",
            &[
                (0.0, Begin, joinable(1)),
                (0.0, Abandon(1), abandoned(1)),
                (0.0, Begin, joinable(2)),
                (0.0, Cancel(2), NOTHING),
                (0.0, Begin, joinable(3)),
                (0.0, Abandon(3), abandoned(2)),
            ],
        ),
    ];
    for (name, steps) in table {
        let mut rounds = Rounds::default();
        for (index, &(wall, event, expected)) in steps.iter().enumerate() {
            let now = Moment::now(wall);
            let ending = apply(&mut rounds, event, &now);
            let joinable = rounds.running(&now).map(|running| running.round());
            assert_eq!((ending, joinable), expected, "{name}: step {index}");
        }
    }
}

#[test]
fn a_round_is_overdue_by_either_clock() {
    let began = Moment::now(1000.0);
    for (wall, limit, is_over) in [
        (1000.0, 10, false),
        (1010.1, 10, false),
        (1070.0, 10, false),
        (1070.1, 10, true),
        (0.0, 10, false),
        (f64::NAN, 10, false),
        (2000.0, 1000, false),
    ] {
        let now = Moment::now(wall);
        let limit = Duration::from_secs(limit);
        assert_eq!(began.is_over(limit, &now), is_over, "{wall} {limit:?}");

        let mut rounds = Rounds::default();
        let round = rounds.begin(began, limit);
        assert_eq!(rounds.running(&now).is_none(), is_over, "{wall} {limit:?}");
        // Overdue or not, it holds its place until it ends or another one begins.
        assert!(rounds.is_running(round));
    }

    // The monotonic clock is enough, even if the wall clock stands still.
    let mut rounds = Rounds::default();
    let round = rounds.begin(began, Duration::ZERO);
    assert!(rounds.running(&began).is_some());
    let later = loop {
        let now = Moment::now(1000.0);
        if now.monotonic() > began.monotonic() {
            break now;
        }
    };
    assert!(rounds.running(&later).is_none());
    assert_eq!(rounds.end(round, false, &later), Ending::Abandoned(1));
}

#[test]
fn a_round_knows_when_it_began_and_when_it_is_overdue() {
    let now = Moment::now(7.0);
    let mut rounds = Rounds::default();
    assert_eq!(rounds.begun(), 0);
    rounds.begin(now, LIMIT);
    let running = rounds.running(&now).unwrap();
    assert_eq!((running.round(), rounds.begun()), (1, 1));
    assert_eq!(running.began(), now);
    assert_eq!(running.overdue_at(), Some(now.monotonic() + LIMIT));

    rounds.begin(now, Duration::MAX);
    assert_eq!(rounds.running(&now).unwrap().overdue_at(), None);
}
