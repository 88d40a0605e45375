//! The contract of a replay store: the stores of this crate keep it, and each case finds a store
//! that breaks it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Waker};

use a0_dpop::contract_tests::{Time, cases, check, check_async};
use a0_dpop::{InMemoryReplayStore, ReplayKey, ReplayStore, ReplayStoreError, Seen};
use a0_jose::NumericDate;

fn store() -> InMemoryReplayStore {
    InMemoryReplayStore::with_capacity(NonZeroUsize::new(10_000).unwrap())
}

#[test]
fn the_stores_in_memory_keep_the_contract() {
    check(&store(), Time::Argument).unwrap();
    let shared: Arc<dyn ReplayStore> = Arc::new(store());
    check(&shared, Time::Argument).unwrap();
    check(
        &store(),
        Time::Own(NumericDate::from_unix_seconds(1_900_003_000)),
    )
    .unwrap();
    check_async(
        &Arc::new(store()),
        Time::Argument,
        |mut future| match future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(seen) => seen,
            Poll::Pending => unreachable!("the future is ready at once"),
        },
    )
    .unwrap();
}

/// How a store breaks its contract.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Defect {
    Forgets,
    IgnoresTheThumbprint,
    HasNoTimeToLiveAtTheEdge,
    FailsBefore1970,
    ReadsThenWrites,
    HoldsFew,
    EndsEarly,
    ForgetsWhenTheClockIsSetBack,
    ForgetsForLateCalls,
}

struct Broken {
    defect: Defect,
    held: Mutex<HashMap<Vec<u8>, f64>>,
    /// The latest time that a caller had.
    latest: Mutex<f64>,
    /// Holds the eight threads of a race between reading and writing.
    all_have_read: Barrier,
}

impl ReplayStore for Broken {
    fn check_and_insert(
        &self,
        key: &ReplayKey,
        expires_at: NumericDate,
        now: NumericDate,
    ) -> Result<Seen, ReplayStoreError> {
        let (end, now) = (expires_at.as_seconds(), now.as_seconds());
        let id = match self.defect {
            Defect::IgnoresTheThumbprint => vec![u8::from(key.as_bytes().is_empty())],
            _ => key.as_bytes().to_vec(),
        };
        let latest = {
            let mut latest = self.latest.lock().unwrap();
            *latest = latest.max(now);
            *latest
        };
        match self.defect {
            Defect::Forgets => return Ok(Seen::First),
            Defect::FailsBefore1970 if end < 0.0 => return Err(ReplayStoreError::new("negative")),
            Defect::HasNoTimeToLiveAtTheEdge if end <= now => return Ok(Seen::First),
            Defect::ReadsThenWrites => {
                let is_held = self.held.lock().unwrap().contains_key(&id);
                self.all_have_read.wait();
                self.held.lock().unwrap().insert(id, end);
                return Ok(if is_held { Seen::Before } else { Seen::First });
            }
            _ => {}
        }
        let mut held = self.held.lock().unwrap();
        match self.defect {
            Defect::HoldsFew if held.len() > 900 => held.clear(),
            Defect::EndsEarly => held.retain(|_, end| *end > now || *end <= now - 0.5),
            Defect::ForgetsWhenTheClockIsSetBack => held.retain(|_, end| *end + 1000.0 >= latest),
            Defect::ForgetsForLateCalls => {
                held.retain(|_, end| *end >= latest || *end <= 1_900_010_000.0)
            }
            _ => {}
        }
        let is_new = held.insert(id, end).is_none();
        Ok(if is_new { Seen::First } else { Seen::Before })
    }
}

#[test]
fn each_case_finds_a_store_that_breaks_it() {
    let broken = [
        ("a_key_is_new_once", Defect::Forgets),
        (
            "another_key_url_or_jti_is_another_proof",
            Defect::IgnoresTheThumbprint,
        ),
        (
            "the_second_of_two_copies_at_the_edge_is_seen",
            Defect::HasNoTimeToLiveAtTheEdge,
        ),
        ("every_time_has_an_answer", Defect::FailsBefore1970),
        ("one_of_many_callers_is_first", Defect::ReadsThenWrites),
        ("a_thousand_keys_are_held", Defect::HoldsFew),
        ("a_key_is_held_until_its_window_ends", Defect::EndsEarly),
        (
            "a_clock_that_is_set_back_forgets_nothing",
            Defect::ForgetsWhenTheClockIsSetBack,
        ),
        ("a_late_call_finds_its_key", Defect::ForgetsForLateCalls),
    ];
    let all = cases::<Broken>(Time::Argument);
    let names: Vec<&str> = all.iter().map(|case| case.name()).collect();
    assert_eq!(names, broken.map(|(name, _)| name));
    for (case, (name, defect)) in all.iter().zip(broken) {
        let store = Broken {
            defect,
            held: Mutex::default(),
            latest: Mutex::new(f64::MIN),
            all_have_read: Barrier::new(8),
        };
        let violation = case.run(&store, Time::Argument).unwrap_err();
        assert_eq!(violation.case(), name);
        assert!(violation.to_string().starts_with(name), "{violation}");
    }
    // A store with a clock of its own gets no times but its own.
    let own = Time::Own(NumericDate::from_unix_seconds(1_900_000_000));
    assert_eq!(cases::<Broken>(own).len(), 6);
}
