//! `cargo xtask bench`: compares a verification with the bare signature check and with other
//! libraries.
//!
//! The crate `bench-peers` measures. This file builds it and prepares the other programs.

use std::path::Path;

use lexopt::{Arg::Long, Parser, ValueExt};

use crate::process::Line;
use crate::workspace::Workspace;
use crate::{Command, Failure, parity};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "Compares verifications with the bare signature check and with other libraries",
    usage: "[--check] [--rounds N] [--only TEXT] [--without-peers] [--web] [--redis]",
    help: "  --check          fails when a bar is missed
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
    let mut with_peers = true;
    let mut web_rounds = None;
    let (mut web_alone, mut redis_alone) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("check") => passed_on.push("--check".to_owned()),
            Long("without-peers") => with_peers = false,
            Long("web") => web_alone = true,
            Long("redis") => redis_alone = true,
            Long("rounds") => {
                let rounds: usize = arguments.value()?.parse()?;
                web_rounds = Some(rounds.to_string());
                passed_on.extend(["--rounds".to_owned(), rounds.to_string()]);
            }
            Long("only") => {
                with_peers = false;
                passed_on.extend(["--only".to_owned(), arguments.value()?.string()?]);
            }
            _ => return Err(argument.unexpected().into()),
        }
    }
    let workspace = Workspace::enter()?;
    let target = workspace.target().join("bench-peers");
    let build = |manifest: &str| {
        Line::cargo("build --release --quiet --locked --manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .run()
    };
    if redis_alone {
        build("crates/bench-peers/peers/redis/Cargo.toml")?;
        let line = Line::program(target.join("release/peer-redis"));
        return Ok(passed_on.iter().fold(line, Line::arg).run()?);
    }
    if web_alone {
        return Ok(web(&target, build, web_rounds)?);
    }
    build("crates/bench-peers/Cargo.toml")?;
    let mut line = Line::program(target.join("release/bench-peers"));
    line = passed_on.iter().fold(line, Line::arg);
    if with_peers {
        let jwt_simple = build("crates/bench-peers/peers/jwt-simple/Cargo.toml");
        for peer in peers(&workspace, &target, jwt_simple) {
            line = line.arg("--peer").arg(peer);
        }
    }
    line.run()?;
    if with_peers && let Err(error) = web(&target, build, None) {
        println!("    left out: the web server: {error}");
    }
    Ok(())
}

/// What the layer costs by itself, and requests per second of protected routes.
fn web(
    target: &Path,
    build: impl Fn(&str) -> Result<(), String>,
    rounds: Option<String>,
) -> Result<(), String> {
    Line::cargo("bench --quiet -p a0-tower --bench layer").run()?;
    build("crates/bench-peers/peers/web/Cargo.toml")?;
    let line = Line::program(target.join("release/peer-web"));
    match rounds {
        Some(rounds) => line.arg("--rounds").arg(rounds).run(),
        None => line.run(),
    }
}

/// The other programs: names and command lines, separated by bars.
fn peers(workspace: &Workspace, target: &Path, jwt_simple: Result<(), String>) -> Vec<String> {
    let mut peers = Vec::new();
    match jwt_simple {
        Ok(()) => {
            let program = target.join("release/peer-jwt-simple");
            peers.push(format!("jwt-simple (boring)|{}", program.display()));
        }
        Err(error) => println!("    left out: jwt-simple: {error}"),
    }
    match node(target) {
        Ok(script) => peers.extend(
            [
                ("jose, Node.js", "jose"),
                ("fast-jwt, Node.js", "fast-jwt"),
                ("fast-jwt with its cache, seen before", "fast-jwt-cache"),
            ]
            .map(|(name, kind)| format!("{name}|node|{script}|{kind}")),
        ),
        Err(error) => println!("    left out: Node.js: {error}"),
    }
    match parity::reference(workspace) {
        Ok(python) => {
            let command = format!(
                "{}|crates/bench-peers/peers/python/peer.py",
                python.display()
            );
            peers.push(format!("auth0-api-python, Bearer|{command}|bearer"));
            peers.push(format!("auth0-api-python, DPoP|{command}|dpop"));
        }
        Err(error) => println!("    left out: Python: {error}"),
    }
    peers
}

/// The script, in a folder with the packages that it needs.
fn node(target: &Path) -> Result<String, String> {
    let from = Path::new("crates/bench-peers/peers/node");
    let to = target.join("node");
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir_all(&to)?;
        for name in ["package.json", "package-lock.json", "peer.mjs"] {
            std::fs::copy(from.join(name), to.join(name))?;
        }
        Ok(())
    };
    copy().map_err(|error| format!("{}: {error}", to.display()))?;
    Line::program("npm")
        .args("ci --silent --no-audit --no-fund")
        .dir(&to)
        .run()?;
    Ok(to.join("peer.mjs").display().to_string())
}
