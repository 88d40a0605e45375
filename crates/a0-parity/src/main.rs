//! Puts the same cases through this SDK and the reference. A row of the ledger has to explain each
//! difference. `cargo xtask parity` starts it.

#![forbid(unsafe_code)]

mod broken;
mod compare;
mod draft;
mod edits;
mod generate;
mod ledger;
mod mutations;
mod own;
mod page;
mod plain;
mod reference;
mod tenant;

use std::collections::BTreeMap;
use std::process::ExitCode;

use compare::{ACCEPTED, Difference, differences};
use generate::{Case, Generator};
use ledger::Ledger;
use page::Page;
use reference::Reference;
use tenant::Failure;

/// How many unexplained cases are shown.
const SHOWN: usize = 25;

/// How many cases the reference is given at a time.
const BATCH: usize = 500;

const USAGE: &str = "use `a0-parity PYTHON SEED CASES`, or `cargo xtask parity`";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        [own::ALONE] => own::alone_in_its_process().map(|()| true),
        [python, seed, cases] => match (seed.parse(), cases.parse()) {
            (Ok(seed), Ok(cases)) => run(python, seed, cases),
            _ => Err(USAGE.into()),
        },
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(python: &str, seed: u64, count: usize) -> Result<bool, Failure> {
    let page = Page::load()?;
    let ledger = Ledger::load(&page.deviations()?)?;
    let generator = Generator::new()?;
    let mut reference = Reference::start(python)?;

    let mut stale = stale_pins(&ledger, &generator, &mut reference)?;
    stale.extend(page.unnamed(&reference.offered));

    let mut tally = Tally::default();
    let fixed = generator.fixed()?;
    tally.add(&fixed, found(&fixed, &mut reference)?, &ledger);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut next = generator.single()?;
    if next.len() > count / 2 {
        // A part of them, another one for each seed.
        random.shuffle(&mut next);
        next.truncate(count / 2);
    }
    while !next.is_empty() {
        let rest = next.split_off(next.len().min(BATCH));
        tally.add(&next, found(&next, &mut reference)?, &ledger);
        if tally.cases % 5000 < BATCH && tally.cases >= 5000 {
            eprintln!("    {} of {count} cases", tally.cases);
        }
        next = rest;
        while next.len() < BATCH && tally.cases + next.len() < count {
            next.push(generator.random(&mut random)?);
        }
    }
    tally.report(seed);
    for fault in &stale {
        println!("  {}", shortened(fault));
    }
    if tally.unexplained_cases > 0 {
        println!("next: correct what is wrong, or give the difference a row in ledger.json");
    }
    Ok(stale.is_empty() && tally.unexplained_cases == 0)
}

/// Returns the pins whose case does not show their row any more.
fn stale_pins(
    ledger: &Ledger,
    generator: &Generator,
    reference: &mut Reference,
) -> Result<Vec<String>, Failure> {
    let mut stale = Vec::new();
    for row in &ledger.rows {
        for pin in &row.pins {
            let case = generator.named(pin);
            let case = [case.map_err(|error| format!("{}: {error}", row.id))?];
            let found = found(&case, reference)?.concat();
            let mut explained = found.iter().filter_map(|it| row.explains(&case[0], it));
            if explained.next().is_none() {
                let id = &row.id;
                stale.push(format!("stale: {id} is not shown by `{pin}`: {found:?}"));
            }
        }
    }
    Ok(stale)
}

/// Returns what differs about each case.
fn found(cases: &[Case], reference: &mut Reference) -> Result<Vec<Vec<Difference>>, Failure> {
    let outcomes = reference.outcomes(cases)?;
    let differences = outcomes.iter().zip(cases).map(|((reference, own), case)| {
        let mut found = differences(reference, own);
        if own::accepts_a_mixture(&case.input, own) {
            let reference = "refused by a new client with the documents of each call";
            found.push(Difference::new("sequence", reference, ACCEPTED));
        }
        if let Some(plain) = &case.plain
            && !own::is_acceptance(reference)
            && own::accepts_beyond_its_options(plain, own)
        {
            let reference = "refused by this SDK without its own options";
            found.push(Difference::new("option", reference, ACCEPTED));
        }
        found
    });
    Ok(differences.collect())
}

#[derive(Default)]
struct Tally {
    cases: usize,
    agreeing: usize,
    /// Differences by the row that explains them.
    explained: BTreeMap<String, usize>,
    /// The shortest case for each difference that no row explains, and how many there are.
    unexplained: BTreeMap<Difference, (String, usize)>,
    unexplained_cases: usize,
}

impl Tally {
    fn add(&mut self, cases: &[Case], found: Vec<Vec<Difference>>, ledger: &Ledger) {
        for (case, differences) in cases.iter().zip(found) {
            self.cases += 1;
            self.agreeing += usize::from(differences.is_empty());
            let mut is_unexplained = false;
            for difference in differences {
                if let Some(row) = ledger.explanation(case, &difference) {
                    *self.explained.entry(row.id.clone()).or_default() += 1;
                    continue;
                }
                is_unexplained = true;
                let entry = self.unexplained.entry(difference);
                let (shortest, count) = entry.or_insert_with(|| (case.name.clone(), 0));
                *count += 1;
                if case.name.len() < shortest.len() {
                    *shortest = case.name.clone();
                }
            }
            self.unexplained_cases += usize::from(is_unexplained);
        }
    }

    fn report(&self, seed: u64) {
        let (cases, agreeing, unexplained) = (self.cases, self.agreeing, self.unexplained_cases);
        println!("{cases} cases, seed {seed}: {agreeing} agree");
        let rows = self.explained.iter();
        let rows: Vec<String> = rows.map(|(id, count)| format!("{id} {count}")).collect();
        println!("differences explained: {}", rows.join(", "));
        println!("cases with a difference that no row explains: {unexplained}");
        let shown = std::env::var("A0_PARITY_SHOWN").ok();
        let shown = shown.and_then(|it| it.parse().ok()).unwrap_or(SHOWN);
        for (difference, (case, count)) in self.unexplained.iter().take(shown) {
            println!("  {count} x {}, for one `{case}`", difference.field);
            println!("      reference: {}", shortened(&difference.reference));
            println!("      own:       {}", shortened(&difference.own));
        }
    }
}

/// Cuts a long text: tokens and forms say little.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short.push_str("..");
    }
    short
}
