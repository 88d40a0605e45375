//! The cases that every [`ReplayStore`] must pass. A store's own tests run them.
//!
//! The cases use fixed keys, so each run needs a store that holds none of them: a new one, or a
//! new prefix on a shared server.
//!
//! ```
//! use a0_dpop::InMemoryReplayStore;
//! use a0_dpop::contract_tests::{Time, check};
//!
//! check(&InMemoryReplayStore::default(), Time::Argument)?;
//! # Ok::<(), a0_dpop::contract_tests::Violation>(())
//! ```

use std::error::Error;
use std::fmt;
use std::sync::Barrier;
use std::thread;

use a0_jose::{NumericDate, Thumbprint, base64url_encode};

use crate::htu::Htu;
use crate::replay::{ReplayStore, Seen};
use crate::signature::ReplayKey;

/// The threads of the case that races.
const THREADS: usize = 8;

/// The keys that the threads race for.
const RACES: usize = 200;

/// The keys of the case that fills the store a little.
const KEYS: usize = 1000;

/// A window's length, in seconds.
const WINDOW: f64 = 300.0;

/// Where the store takes the time from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Time {
    /// From the `now` of its callers alone. Every case runs.
    Argument,
    /// From a clock of its own, which currently reads this time. The cases that pass other times
    /// are left out. Those that run must end within the second for which a store holds every key.
    Own(NumericDate),
}

/// A case of the contract.
pub struct Case<S: ?Sized> {
    name: &'static str,
    needs_argument: bool,
    run: fn(&Caller<'_, S>) -> Result<(), String>,
}

/// A store broke its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    case: &'static str,
    found: String,
}

/// Runs every case that fits the store's [`Time`].
///
/// # Errors
///
/// The first [`Violation`].
pub fn check<S: ReplayStore + ?Sized>(store: &S, time: Time) -> Result<(), Violation> {
    cases(time)
        .iter()
        .try_for_each(|case| case.run(store, time))
}

/// Runs every case on a store for async callers. `block_on` runs a future to its end, and is called
/// on several threads at once.
///
/// # Errors
///
/// The first [`Violation`].
#[cfg(feature = "async")]
pub fn check_async<S, B>(store: &S, time: Time, block_on: B) -> Result<(), Violation>
where
    S: crate::asynchronous::AsyncReplayStore + ?Sized,
    B: Fn(crate::asynchronous::ReplayFuture<'_>) -> Result<Seen, crate::ReplayStoreError>
        + Sync
        + Send,
{
    struct Blocking<'s, S: ?Sized, B>(&'s S, B);

    impl<S, B> ReplayStore for Blocking<'_, S, B>
    where
        S: crate::asynchronous::AsyncReplayStore + ?Sized,
        B: Fn(crate::asynchronous::ReplayFuture<'_>) -> Result<Seen, crate::ReplayStoreError>
            + Sync
            + Send,
    {
        fn check_and_insert(
            &self,
            key: &ReplayKey,
            expires_at: NumericDate,
            now: NumericDate,
        ) -> Result<Seen, crate::ReplayStoreError> {
            (self.1)(self.0.check_and_insert(key, expires_at, now))
        }
    }

    check(&Blocking(store, block_on), time)
}

/// The cases that fit a store's [`Time`], in the order in which [`check`] runs them.
pub fn cases<S: ReplayStore + ?Sized>(time: Time) -> Vec<Case<S>> {
    let all = [
        Case::new("a_key_is_new_once", once),
        Case::new("another_key_url_or_jti_is_another_proof", others),
        Case::new("the_second_of_two_copies_at_the_edge_is_seen", edge),
        Case::new("every_time_has_an_answer", extremes),
        Case::new("one_of_many_callers_is_first", race),
        Case::new("a_thousand_keys_are_held", many),
        Case::over_time("a_key_is_held_until_its_window_ends", until_the_end),
        Case::over_time("a_clock_that_is_set_back_forgets_nothing", set_back),
        Case::over_time("a_late_call_finds_its_key", late),
    ];
    let is_fit = |case: &Case<S>| !case.needs_argument || time == Time::Argument;
    all.into_iter().filter(is_fit).collect()
}

impl<S: ReplayStore + ?Sized> Case<S> {
    fn new(name: &'static str, run: fn(&Caller<'_, S>) -> Result<(), String>) -> Self {
        Case {
            name,
            needs_argument: false,
            run,
        }
    }

    fn over_time(name: &'static str, run: fn(&Caller<'_, S>) -> Result<(), String>) -> Self {
        Case {
            needs_argument: true,
            ..Case::new(name, run)
        }
    }

    /// The name of the case: what a store must do.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case.
    ///
    /// # Errors
    ///
    /// [`Violation`] if the store answers otherwise, or fails.
    pub fn run(&self, store: &S, time: Time) -> Result<(), Violation> {
        let now = match time {
            Time::Own(now) => now.as_seconds(),
            Time::Argument => 1_900_000_000.4,
        };
        let caller = Caller {
            store,
            name: self.name,
            now,
        };
        (self.run)(&caller).map_err(|found| Violation {
            case: self.name,
            found,
        })
    }
}

impl<S: ?Sized> fmt::Debug for Case<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Case").field(&self.name).finish()
    }
}

impl Violation {
    /// The name of the case.
    pub fn case(&self) -> &'static str {
        self.case
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.case, self.found)
    }
}

impl Error for Violation {}

/// Calls the store with keys of one case.
struct Caller<'s, S: ?Sized> {
    store: &'s S,
    name: &'static str,
    now: f64,
}

impl<S: ReplayStore + ?Sized> Caller<'_, S> {
    /// The key of the proof that this key signed, for this URL, with this `jti`.
    fn key(&self, octet: u8, url: &str, jti: &str) -> Result<ReplayKey, String> {
        let thumbprint: Thumbprint = base64url_encode([octet; 32])
            .parse()
            .map_err(|_| "the case has no thumbprint".to_owned())?;
        let htu = Htu::parse(url).map_err(|_| "the case has no URL".to_owned())?;
        Ok(ReplayKey::new(
            &thumbprint,
            &htu,
            &format!("{} {jti}", self.name),
        ))
    }

    fn ask(&self, key: &ReplayKey, expires_at: f64, now: f64) -> Result<Seen, String> {
        let date = |seconds: f64| NumericDate::from_json(&seconds.into());
        let (Some(expires_at), Some(now)) = (date(expires_at), date(now)) else {
            return Err("the case has no time".to_owned());
        };
        self.store
            .check_and_insert(key, expires_at, now)
            .map_err(|error| match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            })
    }

    /// Asks for the `jti`, and compares the answer.
    fn expect(
        &self,
        jti: &str,
        (expires_at, now): (f64, f64),
        expected: Seen,
    ) -> Result<(), String> {
        let key = self.key(1, URL, jti)?;
        self.expect_key(&key, (expires_at, now), expected, jti)
    }

    fn expect_key(
        &self,
        key: &ReplayKey,
        (expires_at, now): (f64, f64),
        expected: Seen,
        what: &str,
    ) -> Result<(), String> {
        match self.ask(key, expires_at, now)? {
            found if found == expected => Ok(()),
            found => Err(format!(
                "`{what}` with expires_at {expires_at} at {now}: {found:?} and not {expected:?}"
            )),
        }
    }
}

const URL: &str = "https://api.example.com/orders";

/// Whatever `expires_at` later calls have.
fn once<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let now = caller.now;
    caller.expect("a", (now + WINDOW, now), Seen::First)?;
    for later in [WINDOW, WINDOW, 1.0, 0.0, -9.0, 999.0] {
        caller.expect("a", (now + later, now), Seen::Before)?;
    }
    caller.expect("a", (now + WINDOW, now + 0.5), Seen::Before)
}

fn others<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let times = (caller.now + WINDOW, caller.now);
    let proofs = [
        (1, URL, "a", "the proof"),
        (2, URL, "a", "another key"),
        (1, "https://api.example.com/order", "a", "another URL"),
        (1, URL, "A", "another jti"),
        (1, URL, "", "an empty jti"),
    ];
    for (octet, url, jti, what) in proofs {
        let key = caller.key(octet, url, jti)?;
        caller.expect_key(&key, times, Seen::First, what)?;
        caller.expect_key(&key, times, Seen::Before, what)?;
    }
    Ok(())
}

/// A time to live of zero would accept both copies.
fn edge<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let now = caller.now;
    for (jti, left) in [("a fraction", 0.001), ("the edge", 0.0), ("the past", -1.0)] {
        caller.expect(jti, (now + left, now), Seen::First)?;
        caller.expect(jti, (now + left, now), Seen::Before)?;
    }
    Ok(())
}

fn extremes<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let times = [
        ("before 1970", -1.0),
        ("the lowest", f64::MIN),
        ("the highest", f64::MAX),
        ("after 2106", 5e9),
        ("beyond i64", 1e19),
    ];
    for (jti, expires_at) in times {
        caller.expect(jti, (expires_at, caller.now), Seen::First)?;
        caller.expect(jti, (expires_at, caller.now), Seen::Before)?;
    }
    Ok(())
}

fn race<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let keys: Vec<ReplayKey> = (0..RACES)
        .map(|number| caller.key(1, URL, &number.to_string()))
        .collect::<Result<_, _>>()?;
    let start = Barrier::new(THREADS);
    let ask_all = || {
        start.wait();
        let ask = |key| caller.ask(key, caller.now + WINDOW, caller.now);
        keys.iter().map(ask).collect::<Result<Vec<Seen>, String>>()
    };
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask_all)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(answers) => answers,
            Err(_) => Err("the store panicked".to_owned()),
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    for number in 0..RACES {
        let first = |answers: &&Vec<Seen>| answers.get(number) == Some(&Seen::First);
        let firsts = answers.iter().filter(first).count();
        if firsts != 1 {
            return Err(format!(
                "{firsts} of {THREADS} callers were first for key {number}"
            ));
        }
    }
    Ok(())
}

fn many<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    for expected in [Seen::First, Seen::Before] {
        for number in 0..KEYS {
            let times = (caller.now + WINDOW, caller.now);
            caller.expect(&number.to_string(), times, expected)?;
        }
    }
    Ok(())
}

fn until_the_end<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let start = caller.now;
    for (jti, end) in [("whole", start + 300.0), ("fraction", start + 300.25)] {
        caller.expect(jti, (end, start), Seen::First)?;
        for now in [start + 0.001, end - 1.0, end - 0.001, end] {
            // Other calls give the store the occasion to remove what has expired.
            caller.expect(&format!("{jti} {now}"), (now + WINDOW, now), Seen::First)?;
            caller.expect(jti, (end, now), Seen::Before)?;
        }
    }
    Ok(())
}

/// The clock runs ahead, other calls remove entries, and the clock is corrected.
fn set_back<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    let start = caller.now;
    let end = start + WINDOW;
    caller.expect("a", (end, start), Seen::First)?;
    for number in 0..100 {
        let ahead = start + 7000.0;
        caller.expect(
            &format!("ahead {number}"),
            (ahead + WINDOW, ahead),
            Seen::First,
        )?;
    }
    for now in [start, start - 1000.0, end] {
        caller.expect("a", (end, now), Seen::Before)?;
    }
    Ok(())
}

/// A proof is validated in time, but its call comes after others with a later `now`.
fn late<S: ReplayStore + ?Sized>(caller: &Caller<'_, S>) -> Result<(), String> {
    for (jti, start, delay) in [("late", 1e5, WINDOW - 1.0), ("at the end", 2e5, WINDOW)] {
        let start = caller.now + start;
        let end = start + WINDOW;
        caller.expect(jti, (end, start), Seen::First)?;
        for number in 0..200 {
            let other = format!("{jti} {number}");
            caller.expect(&other, (end + 320.0, end + 20.0), Seen::First)?;
        }
        caller.expect(jti, (end, start + delay), Seen::Before)?;
    }
    Ok(())
}
