//! Compares a verification with the bare signature and with other libraries. `cargo xtask bench`
//! starts it.

mod candidates;
mod children;
mod fixture;
mod measure;
mod peers;
mod raw;
mod scale;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use candidates::Row;
use children::{EVERY, Peer};
use fixture::{Failure, Fixture};
use measure::{measure, median};
use table::{Line, Table};

/// The default number of rounds.
const ROUNDS: usize = 200;

const USAGE: &str = "use `bench-peers [--check] [--rounds N] [--only TEXT] [--jwt-simple PROGRAM] [--node SCRIPT] \
                     [--python PROGRAM]`, or `cargo xtask bench`";

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    check: bool,
    rounds: usize,
    only: Option<String>,
    /// What the peers with a process of their own need: options and paths, see [`children::commands`].
    programs: Vec<(String, String)>,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments {
        check: false,
        rounds: ROUNDS,
        only: None,
        programs: Vec::new(),
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--check" => arguments.check = true,
            "--rounds" => arguments.rounds = given.next().ok_or(USAGE)?.parse()?,
            "--only" => arguments.only = Some(given.next().ok_or(USAGE)?),
            "--jwt-simple" | "--node" | "--python" => {
                let path = given.next().ok_or(USAGE)?;
                arguments.programs.push((name, path));
            }
            _ => return Err(USAGE.into()),
        }
    }
    Ok(arguments)
}

fn run() -> Result<bool, Failure> {
    let arguments = arguments()?;
    println!("making keys, tokens and 10 000 issuers");
    let fixture = Arc::new(Fixture::new()?);
    let mut rows = candidates::rows(&fixture)?;
    if let Some(only) = &arguments.only {
        keep(&mut rows, only);
    }
    let mut children = Vec::new();
    for (option, path) in &arguments.programs {
        for (name, command) in children::commands(option, path) {
            match Peer::start(name, &command, &fixture) {
                Ok(peer) => children.push(peer),
                Err(error) => println!("left out: {error}"),
            }
        }
    }
    let all = rows.iter();
    let all = all.map(|row| (&row.candidate, &rows[row.base].candidate));
    let all: Vec<_> = all.collect();
    println!(
        "{} rounds of {} candidates; a token has {} bytes",
        arguments.rounds,
        all.len() + children.len(),
        fixture.bearer[0].len()
    );
    let mut failed = None;
    let times = measure(&all, arguments.rounds, |round| {
        if round % EVERY == 0 {
            for child in &mut children {
                failed = failed.take().or(child.measure().err());
            }
        }
        if (round + 1) % 50 == 0 {
            eprintln!("    {} of {} rounds", round + 1, arguments.rounds);
        }
    });
    if let Some(error) = failed {
        return Err(error);
    }
    let children = children.into_iter().map(|mut child| {
        let times = std::mem::take(&mut child.times);
        (child.name.to_owned(), child.dpop, median(times))
    });
    let table = Table::new(&rows, &times, &children.collect::<Vec<_>>());
    table.print();
    cold(&fixture)?;
    let missed = table.lines.iter().flat_map(Line::missed);
    let missed: Vec<String> = missed.collect();
    for line in &missed {
        println!("missed: {line}");
    }
    if arguments.check && missed.is_empty() {
        println!("no bar was missed");
    }
    Ok(!arguments.check || missed.is_empty())
}

/// Keeps the rows whose name contains a text, and their bases.
fn keep(rows: &mut Vec<Row>, only: &str) {
    let wanted: Vec<usize> = (0..rows.len())
        .filter(|number| rows[*number].candidate.name.contains(only))
        .flat_map(|number| [rows[number].base, number])
        .collect();
    let mut place = vec![usize::MAX; rows.len()];
    let mut kept = Vec::new();
    for (number, row) in rows.drain(..).enumerate() {
        if wanted.contains(&number) {
            place[number] = kept.len();
            kept.push(row);
        }
    }
    for row in &mut kept {
        row.base = place[row.base];
    }
    *rows = kept;
}

/// Checks that the first verification of a client without keys makes two exchanges.
fn cold(fixture: &Fixture) -> Result<(), Failure> {
    let before = fixture.tenant.requests().len();
    let client = auth0_api::ApiClient::builder()
        .domain(fixture.tenant.domain())
        .audience(fixture::AUDIENCE)
        .http_client(fixture.tenant.client())
        .build()?;
    client.verify_access_token(&fixture.bearer[0])?;
    let exchanges = fixture.tenant.requests().len() - before;
    println!("a cold client's first verification: {exchanges} HTTP exchanges");
    match exchanges {
        2 => Ok(()),
        _ => Err("a cold client has to make 2 exchanges".into()),
    }
}
