//! Puts the same cases through this SDK and the reference, and explains each difference by a row
//! of the ledger. `cargo xtask parity` starts it.

#![forbid(unsafe_code)]

mod compare;
mod draft;
mod generate;
mod ledger;
mod mutations;
mod own;
mod page;
mod plain;
mod reference;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use compare::{Difference, differences};
use generate::{Case, Generator, Random};
use ledger::Ledger;
use reference::Reference;

/// How many unexplained cases are shown.
const SHOWN: usize = 25;

/// So many cases are with the reference at a time.
const BATCH: usize = 500;

struct Arguments {
    python: PathBuf,
    seed: u64,
    cases: usize,
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1).as_deref() {
        Some("--page") => page::write().map(|()| true),
        Some(own::ALONE) => own::alone_in_its_process().map(|()| true),
        _ => arguments().and_then(|arguments| run(&arguments)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, String> {
    const USAGE: &str = "use `a0-parity PYTHON SEED CASES`, or `cargo xtask parity`";
    let mut given = std::env::args_os().skip(1);
    let python = given.next().ok_or(USAGE)?.into();
    let mut number = || given.next()?.to_str()?.parse::<u64>().ok();
    let (seed, cases) = (number().ok_or(USAGE)?, number().ok_or(USAGE)?);
    let cases = usize::try_from(cases).map_err(|_| USAGE)?;
    Ok(Arguments {
        python,
        seed,
        cases,
    })
}

#[derive(Default)]
struct Tally {
    cases: usize,
    agreeing: usize,
    explained: BTreeMap<String, usize>,
    /// A case for each pair of verdicts, texts and so on that no row explains, and how many more.
    unexplained: BTreeMap<(&'static str, String, String), (String, usize)>,
    unexplained_cases: usize,
}

fn run(arguments: &Arguments) -> Result<bool, String> {
    let ledger = Ledger::load()?;
    let generator = Generator::new().map_err(|error| error.to_string())?;
    let mut reference = Reference::start(&arguments.python)?;

    let mut stale = stale_pins(&ledger, &generator, &mut reference)?;
    stale.extend(page::unnamed(
        &page::tables()?,
        &reference::offered(&arguments.python)?,
    ));

    let mut tally = Tally::default();
    let fixed = generator.fixed().map_err(|error| error.to_string())?;
    judge(&fixed, &ledger, &mut reference, &mut tally)?;
    let mut random = Random(arguments.seed);
    let mut next = generator.single().map_err(|error| error.to_string())?;
    if next.len() > arguments.cases / 2 {
        // A part of them, another one for each seed.
        random.shuffle(&mut next);
        next.truncate(arguments.cases / 2);
    }
    while !next.is_empty() {
        let rest = next.split_off(next.len().min(BATCH));
        judge(&next, &ledger, &mut reference, &mut tally)?;
        if tally.cases % 5000 < BATCH && tally.cases >= 5000 {
            eprintln!("    {} of {} cases", tally.cases, arguments.cases);
        }
        next = rest;
        while next.len() < BATCH && tally.cases + next.len() < arguments.cases {
            next.push(
                generator
                    .random(&mut random)
                    .map_err(|error| error.to_string())?,
            );
        }
    }
    report(arguments, &tally, &stale);
    Ok(stale.is_empty() && tally.unexplained_cases == 0)
}

/// Pins whose case does not show their row any more.
fn stale_pins(
    ledger: &Ledger,
    generator: &Generator,
    reference: &mut Reference,
) -> Result<Vec<String>, String> {
    let mut stale = Vec::new();
    for row in &ledger.rows {
        for pin in &row.pins {
            let case = generator
                .named(pin)
                .map_err(|error| format!("{}: {error}", row.id))?;
            let cases = [case];
            let found = found(&cases, reference)?.pop().unwrap_or_default();
            if !found
                .iter()
                .any(|difference| row.explains(&cases[0], difference))
            {
                stale.push(format!(
                    "stale: {} is not shown by `{pin}`: {found:?}",
                    row.id
                ));
            }
        }
    }
    Ok(stale)
}

fn found(cases: &[Case], reference: &mut Reference) -> Result<Vec<Vec<Difference>>, String> {
    let outcomes = reference.outcomes(cases, || {
        cases
            .iter()
            .map(|case| own::outcome(&case.input))
            .collect::<Vec<_>>()
    })?;
    let differences = outcomes.iter().zip(cases).map(|((reference, own), case)| {
        let mut found = differences(reference, own);
        if own::accepts_a_mixture(&case.input, own) {
            found.push(Difference::mixture());
        }
        if let Some(plain) = &case.plain
            && !own::is_acceptance(reference)
            && own::accepts_beyond_its_options(plain, own)
        {
            found.push(Difference::beyond_options());
        }
        found
    });
    Ok(differences.collect())
}

fn judge(
    cases: &[Case],
    ledger: &Ledger,
    reference: &mut Reference,
    tally: &mut Tally,
) -> Result<(), String> {
    for (case, differences) in cases.iter().zip(found(cases, reference)?) {
        tally.cases += 1;
        tally.agreeing += usize::from(differences.is_empty());
        let mut unexplained = false;
        for difference in differences {
            match ledger.explanation(case, &difference) {
                Some(row) => *tally.explained.entry(row.id.clone()).or_default() += 1,
                None => {
                    unexplained = true;
                    let Difference {
                        field,
                        reference,
                        own,
                    } = difference;
                    let entry = tally.unexplained.entry((field, reference, own));
                    let (shortest, count) = entry.or_insert_with(|| (case.name.clone(), 0));
                    *count += 1;
                    if case.name.len() < shortest.len() {
                        *shortest = case.name.clone();
                    }
                }
            }
        }
        tally.unexplained_cases += usize::from(unexplained);
    }
    Ok(())
}

fn report(arguments: &Arguments, tally: &Tally, stale: &[String]) {
    println!(
        "{} cases, seed {}: {} agree",
        tally.cases, arguments.seed, tally.agreeing
    );
    let rows = tally
        .explained
        .iter()
        .map(|(id, count)| format!("{id} {count}"));
    println!(
        "differences explained: {}",
        rows.collect::<Vec<_>>().join(", ")
    );
    println!(
        "cases with a difference that no row explains: {}",
        tally.unexplained_cases
    );
    let shown = std::env::var("A0_PARITY_SHOWN")
        .ok()
        .and_then(|it| it.parse().ok());
    for ((field, reference, own), (case, count)) in
        tally.unexplained.iter().take(shown.unwrap_or(SHOWN))
    {
        println!("  {count} x {field}, for one `{case}`");
        println!("      reference: {}", shortened(reference));
        println!("      own:       {}", shortened(own));
    }
    for pin in stale {
        println!("  {}", shortened(pin));
    }
    if tally.unexplained_cases > 0 {
        println!("next: correct what is wrong, or give the difference a row in ledger.json");
    }
}

/// Tokens and forms are long, and not what matters.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(300).collect();
    if short.len() < text.len() {
        short.push_str("..");
    }
    short
}
