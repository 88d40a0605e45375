//! `cargo xtask bench`: compares a verification with the bare signature check and with other
//! libraries.
//!
//! The crate `bench-peers` measures. This file builds it and prepares the other programs.

use lexopt::{Arg::Long, Parser, ValueExt};

use crate::process::Line;
use crate::workspace::Workspace;
use crate::{Command, Failure, packages, parity};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "Compares verifications with the bare signature check and with other libraries",
    help: "Usage: cargo xtask bench [--check] [--rounds N] [--only TEXT] [--without-peers] [--web] [--redis]

  --check          fails when a bar is missed
  --rounds N       rounds of all candidates, 200 by default
  --only TEXT      only candidates whose name contains TEXT, and no other programs
  --without-peers  no other programs: no jwt-simple, Node.js, Python or web server
  --web            only the web server: what the layer costs, and requests per second by wrk
  --redis          only the replay store in Redis: checks per second against redis-benchmark, latency, memory

Prints one table. The candidates of this process are interleaved, and the other programs take turns.
Times are medians. A ratio is to the bare signature check of the same run. Run it on an idle machine.
A peer is left out if something it needs is missing (cmake, libclang, Node.js, Python, wrk, Redis). Everything is
built below the target directory, which takes minutes the first time.",
    run,
};

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let mut passed_on = Vec::new();
    let mut web_rounds = Vec::new();
    let (mut with_peers, mut web_alone, mut redis_alone) = (true, false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("check") => passed_on.push("--check".to_owned()),
            Long("without-peers") => with_peers = false,
            Long("web") => web_alone = true,
            Long("redis") => redis_alone = true,
            Long("rounds") => {
                let rounds: usize = arguments.value()?.parse()?;
                web_rounds = vec!["--rounds".to_owned(), rounds.to_string()];
                passed_on.extend(web_rounds.clone());
            }
            Long("only") => {
                with_peers = false;
                passed_on.extend(["--only".to_owned(), arguments.value()?.string()?]);
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    let workspace = Workspace::enter()?;
    if redis_alone {
        let program = cargo(&workspace, "run", "peers/redis/").arg("--");
        return Ok(passed_on.iter().fold(program, Line::arg).run()?);
    }
    if web_alone {
        return Ok(web(&workspace, &web_rounds)?);
    }
    let program = cargo(&workspace, "run", "").arg("--");
    let mut program = passed_on.iter().fold(program, Line::arg);
    if with_peers {
        for peer in peers(&workspace) {
            program = program.arg("--peer").arg(peer);
        }
    }
    program.run()?;
    if with_peers && let Err(error) = web(&workspace, &[]) {
        println!("    left out: the web server: {error}");
    }
    Ok(())
}

/// A command for `bench-peers`, or for one of its `peers`.
fn cargo(workspace: &Workspace, command: &str, folder: &str) -> Line {
    Line::cargo(command)
        .args("--release --quiet --locked --manifest-path")
        .arg(format!("crates/bench-peers/{folder}Cargo.toml"))
        .arg("--target-dir")
        .arg(workspace.target().join("bench-peers"))
}

/// What the layer costs by itself, and requests per second of protected routes.
fn web(workspace: &Workspace, rounds: &[String]) -> Result<(), String> {
    Line::cargo("bench --quiet -p a0-tower --bench layer").run()?;
    let program = cargo(workspace, "run", "peers/web/").arg("--");
    rounds.iter().fold(program, Line::arg).run()
}

/// The other programs: names and command lines, separated by bars.
fn peers(workspace: &Workspace) -> Vec<String> {
    let mut peers = Vec::new();
    for (what, lines) in [
        ("jwt-simple", jwt_simple(workspace)),
        ("Node.js", node(workspace)),
        ("Python", python(workspace)),
    ] {
        match lines {
            Ok(lines) => peers.extend(lines),
            Err(error) => println!("    left out: {what}: {error}"),
        }
    }
    peers
}

fn jwt_simple(workspace: &Workspace) -> Result<Vec<String>, String> {
    cargo(workspace, "build", "peers/jwt-simple/").run()?;
    let program = workspace
        .target()
        .join("bench-peers/release/peer-jwt-simple");
    Ok(vec![format!("jwt-simple (boring)|{}", program.display())])
}

/// The script, in a folder with the packages that it needs.
fn node(workspace: &Workspace) -> Result<Vec<String>, String> {
    let folder = workspace.target().join("bench-peers/node");
    packages::node("crates/bench-peers/peers/node".as_ref(), &folder)?;
    let script = folder.join("peer.mjs");
    let peers = [
        ("jose, Node.js", "jose"),
        ("fast-jwt, Node.js", "fast-jwt"),
        ("fast-jwt with its cache, seen before", "fast-jwt-cache"),
    ];
    let line = |(name, kind)| format!("{name}|node|{}|{kind}", script.display());
    Ok(peers.map(line).to_vec())
}

fn python(workspace: &Workspace) -> Result<Vec<String>, String> {
    let python = parity::reference(workspace)?;
    let script = "crates/bench-peers/peers/python/peer.py";
    let line = |(name, kind)| format!("{name}|{}|{script}|{kind}", python.display());
    let peers = [
        ("auth0-api-python, Bearer", "bearer"),
        ("auth0-api-python, DPoP", "dpop"),
    ];
    Ok(peers.map(line).to_vec())
}
