//! The cases that every [`CacheAdapter`] must pass. An adapter's own tests run them.
//!
//! The cases use fixed keys and clear the adapter, so give it a store of its own, or a new prefix
//! on a shared server.
//!
//! ```
//! use a0_discovery::InMemoryCache;
//! use a0_discovery::contract_tests::check;
//!
//! check(&InMemoryCache::new(100), None)?;
//! # Ok::<(), a0_discovery::contract_tests::Violation>(())
//! ```

use std::error::Error;
use std::fmt;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use crate::cache::{CacheAdapter, CacheAdapterError};
use crate::policy::MAX_TTL;

const MINUTE: Duration = Duration::from_secs(60);

/// The callers of the cases that race.
const THREADS: usize = 8;

/// The keys that they race for.
const RACES: usize = 50;

/// Lets time pass in the store. Values whose time to live has passed must then be gone.
pub type Advance<'a> = &'a (dyn Fn(Duration) + Sync);

/// A case of the contract.
pub struct Case<A: ?Sized> {
    name: &'static str,
    needs: Needs,
    run: Run<A>,
}

type Run<A> = fn(&A, Option<Advance<'_>>) -> Result<(), String>;

#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Advance,
    Leases,
}

/// An adapter broke its contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    case: &'static str,
    found: String,
}

/// Runs every case. Without `advance`, those in which time passes are left out. Without
/// [leases](CacheAdapter::has_leases), those about leases are left out.
///
/// # Errors
///
/// The first [`Violation`].
pub fn check<A: CacheAdapter + ?Sized>(
    adapter: &A,
    advance: Option<Advance<'_>>,
) -> Result<(), Violation> {
    cases(adapter, advance)
        .iter()
        .try_for_each(|case| case.run(adapter, advance))
}

/// The cases that fit this adapter, in the order in which [`check`] runs them.
pub fn cases<A: CacheAdapter + ?Sized>(adapter: &A, advance: Option<Advance<'_>>) -> Vec<Case<A>> {
    let all: [(_, _, Run<A>); 11] = [
        ("a_value_is_replaced", Needs::Nothing, replaced),
        ("keys_and_values_are_exact", Needs::Nothing, exact),
        ("a_deleted_value_is_gone", Needs::Nothing, deleted),
        ("a_cleared_adapter_is_empty", Needs::Nothing, cleared),
        ("a_present_value_is_not_set", Needs::Nothing, if_absent),
        (
            "one_of_many_callers_sets_an_absent_value",
            Needs::Nothing,
            race,
        ),
        ("only_an_equal_value_is_replaced", Needs::Nothing, swapped),
        ("a_value_expires", Needs::Advance, expires),
        (
            "one_of_many_callers_replaces_a_value",
            Needs::Leases,
            race_to_replace,
        ),
        ("only_an_equal_value_is_deleted", Needs::Leases, if_equal),
        (
            "one_of_many_callers_deletes_a_value",
            Needs::Leases,
            race_to_delete,
        ),
    ];
    let is_fit = |needs: Needs| match needs {
        Needs::Nothing => true,
        Needs::Advance => advance.is_some(),
        Needs::Leases => adapter.has_leases(),
    };
    all.into_iter()
        .filter(|(_, needs, _)| is_fit(*needs))
        .map(|(name, needs, run)| Case { name, needs, run })
        .collect()
}

impl<A: CacheAdapter + ?Sized> Case<A> {
    /// The name of the case: what an adapter must do.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case.
    ///
    /// # Errors
    ///
    /// [`Violation`] if the adapter answers otherwise, or fails.
    pub fn run(&self, adapter: &A, advance: Option<Advance<'_>>) -> Result<(), Violation> {
        let violation = |found| Violation {
            case: self.name,
            found,
        };
        if self.needs == Needs::Advance && advance.is_none() {
            return Err(violation("the case needs time to pass".to_owned()));
        }
        adapter.clear().map_err(text).map_err(violation)?;
        (self.run)(adapter, advance).map_err(violation)
    }
}

impl<A: ?Sized> fmt::Debug for Case<A> {
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

fn text(error: CacheAdapterError) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// Compares the value of a key.
fn expect<A: CacheAdapter + ?Sized>(
    adapter: &A,
    key: &str,
    expected: Option<&str>,
) -> Result<(), String> {
    let found = adapter.get(key).map_err(text)?;
    if found.as_deref() == expected {
        return Ok(());
    }
    let length = |value: Option<&str>| value.map(str::len);
    let (found, expected) = (length(found.as_deref()), length(expected));
    Err(format!(
        "{key:?} has a value of length {found:?} and not {expected:?}"
    ))
}

fn expect_answer(what: &str, found: bool, expected: bool) -> Result<(), String> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: {found} and not {expected}"))
    }
}

fn replaced<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    expect(adapter, "a", None)?;
    for value in ["1", "2", "", "3"] {
        adapter.set("a", value, MINUTE).map_err(text)?;
        expect(adapter, "a", Some(value))?;
    }
    // The longest time to live that a key cache uses.
    adapter.set("a", "long", MAX_TTL).map_err(text)?;
    expect(adapter, "a", Some("long"))
}

/// Keys hold names of issuers, and values hold documents.
fn exact<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    let large = "\u{1f511}\0\r\n\"".repeat(100_000);
    let keys = [
        "a0:1:jwks:https://a.example/",
        "a0:1:jwks:https://a.example",
        "a0:1:jwks:https://A.example/",
        "a b\r\nDEL a\r\n",
        "*",
        "{a}b",
        "\0",
        "\u{e9}",
        "e\u{301}",
    ];
    for key in keys {
        expect(adapter, key, None)?;
        adapter
            .set(key, &format!("{key} {large}"), MINUTE)
            .map_err(text)?;
    }
    for key in keys {
        expect(adapter, key, Some(&format!("{key} {large}")))?;
    }
    Ok(())
}

fn deleted<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    adapter.set("a", "1", MINUTE).map_err(text)?;
    adapter.set("b", "1", MINUTE).map_err(text)?;
    for _ in 0..2 {
        adapter.delete("a").map_err(text)?;
        expect(adapter, "a", None)?;
    }
    expect(adapter, "b", Some("1"))
}

fn cleared<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    let keys = ["a", "*", "a:b", "[a]"];
    for key in keys {
        adapter.set(key, "1", MINUTE).map_err(text)?;
    }
    adapter.clear().map_err(text)?;
    keys.iter().try_for_each(|key| expect(adapter, key, None))
}

fn if_absent<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    for (value, expected) in [("1", true), ("2", false), ("1", false)] {
        let is_set = adapter.set_if_absent("a", value, MINUTE).map_err(text)?;
        expect_answer("was it set", is_set, expected)?;
        expect(adapter, "a", Some("1"))?;
    }
    adapter.delete("a").map_err(text)?;
    let is_set = adapter.set_if_absent("a", "2", MINUTE).map_err(text)?;
    expect_answer("was it set after it was deleted", is_set, true)
}

/// Runs `call` with each key on eight threads, and counts the callers that got `true`.
fn winners(call: impl Fn(&str) -> Result<bool, CacheAdapterError> + Sync) -> Result<(), String> {
    let start = Barrier::new(THREADS);
    let run = || {
        start.wait();
        let calls = (0..RACES).map(|number| call(&number.to_string()));
        calls.collect::<Result<Vec<bool>, _>>().map_err(text)
    };
    let answers = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
            Ok(answers) => answers,
            Err(_) => Err("the adapter panicked".to_owned()),
        };
        threads.into_iter().map(join).collect::<Result<Vec<_>, _>>()
    })?;
    for number in 0..RACES {
        let won = |answers: &&Vec<bool>| answers.get(number) == Some(&true);
        let count = answers.iter().filter(won).count();
        if count != 1 {
            return Err(format!("{count} of {THREADS} callers won key {number}"));
        }
    }
    Ok(())
}

fn race<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    winners(|key| adapter.set_if_absent(key, "1", MINUTE))
}

fn expires<A: CacheAdapter + ?Sized>(
    adapter: &A,
    advance: Option<Advance<'_>>,
) -> Result<(), String> {
    let advance = |seconds| {
        if let Some(advance) = advance {
            advance(Duration::from_secs(seconds));
        }
    };
    adapter.set("a", "1", MINUTE).map_err(text)?;
    adapter.set_if_absent("b", "1", MINUTE).map_err(text)?;
    adapter.set("c", "1", MAX_TTL).map_err(text)?;
    adapter.set("d", "1", MINUTE).map_err(text)?;
    adapter.set("e", "1", MINUTE).map_err(text)?;
    advance(58);
    expect(adapter, "a", Some("1"))?;
    expect(adapter, "b", Some("1"))?;
    // A value that is set again lives for its new time.
    adapter.set("b", "2", MINUTE).map_err(text)?;
    let replace = |key| {
        let replaced = adapter.set_if_equal(key, "1", "2", MINUTE);
        replaced.map_err(text)
    };
    expect_answer("was it replaced", replace("d")?, true)?;
    advance(2);
    expect(adapter, "d", Some("2"))?;
    expect_answer("was it replaced after it expired", replace("e")?, false)?;
    expect(adapter, "e", None)?;
    expect(adapter, "a", None)?;
    expect(adapter, "b", Some("2"))?;
    expect(adapter, "c", Some("1"))?;
    let is_set = adapter.set_if_absent("a", "2", MINUTE).map_err(text)?;
    expect_answer("was it set after it expired", is_set, true)?;
    advance(60);
    expect(adapter, "d", None)?;
    expect(adapter, "b", None)
}

/// A process that compared its document with a stored one must not replace another one.
fn swapped<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    let swap = |expected: &str, value: &str| {
        let swapped = adapter.set_if_equal("a", expected, value, MINUTE);
        swapped.map_err(text)
    };
    for expected in ["", "1"] {
        expect_answer("was an absent value replaced", swap(expected, "2")?, false)?;
        expect(adapter, "a", None)?;
    }
    let large = "\u{1f511}\0\r\n\"".repeat(100_000);
    let mut stored = String::new();
    adapter.set("a", &stored, MINUTE).map_err(text)?;
    for value in ["1", &large, "", "2"] {
        for other in [format!("{stored} "), format!("3{stored}"), "4".to_owned()] {
            expect_answer("was another value replaced", swap(&other, value)?, false)?;
            expect(adapter, "a", Some(&stored))?;
        }
        expect_answer("was the value replaced", swap(&stored, value)?, true)?;
        value.clone_into(&mut stored);
        expect(adapter, "a", Some(&stored))?;
    }
    expect_answer("was a value replaced by itself", swap("2", "2")?, true)
}

/// A process whose lease has expired must not remove the lease of the next one.
fn if_equal<A: CacheAdapter + ?Sized>(adapter: &A, _: Option<Advance<'_>>) -> Result<(), String> {
    let delete = |value| adapter.delete_if_equal("a", value).map_err(text);
    expect_answer("was an absent value removed", delete("1")?, false)?;
    adapter.set_if_absent("a", "1", MINUTE).map_err(text)?;
    for other in ["2", "", "11", "1 "] {
        expect_answer("was another value removed", delete(other)?, false)?;
        expect(adapter, "a", Some("1"))?;
    }
    expect_answer("was the value removed", delete("1")?, true)?;
    expect(adapter, "a", None)?;
    let is_set = adapter.set_if_absent("a", "2", MINUTE).map_err(text)?;
    expect_answer("was the lease taken again", is_set, true)
}

fn race_to_replace<A: CacheAdapter + ?Sized>(
    adapter: &A,
    _: Option<Advance<'_>>,
) -> Result<(), String> {
    for number in 0..RACES {
        adapter
            .set(&number.to_string(), "1", MINUTE)
            .map_err(text)?;
    }
    winners(|key| adapter.set_if_equal(key, "1", "2", MINUTE))
}

fn race_to_delete<A: CacheAdapter + ?Sized>(
    adapter: &A,
    _: Option<Advance<'_>>,
) -> Result<(), String> {
    for number in 0..RACES {
        adapter
            .set(&number.to_string(), "1", MINUTE)
            .map_err(text)?;
    }
    winners(|key| adapter.delete_if_equal(key, "1"))
}
