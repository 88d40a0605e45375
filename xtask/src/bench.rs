//! `cargo xtask bench`: compares a verification with the bare signature check and with other
//! libraries.
//!
//! The crate `bench-peers` measures. This file builds it and prepares the other programs.

use std::path::PathBuf;

use crate::process::Line;
use crate::workspace::Workspace;
use crate::{packages, parity};

/// Compares verifications with the bare signature check and with other libraries
///
/// Prints one table. The candidates of this process are interleaved, and the other programs take
/// turns. Times are medians. A ratio is to the bare signature check of the same run. Run it on an
/// idle machine. A peer is left out if something it needs is missing (cmake, libclang, Node.js,
/// Python, wrk, Redis). Everything is built below the target directory, which takes minutes the first
/// time.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Fails when a bar is missed
    #[arg(long)]
    check: bool,
    /// Rounds of all candidates, 200 by default
    #[arg(long, value_name = "N")]
    rounds: Option<usize>,
    /// Only candidates whose name contains TEXT, and no other programs
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// No other programs: no jwt-simple, Node.js, Python or web server
    #[arg(long)]
    without_peers: bool,
    /// Only the web server: what the layer costs, and requests per second by wrk
    #[arg(long)]
    web: bool,
    /// Only the replay store in Redis: checks per second against redis-benchmark, latency, memory
    #[arg(long)]
    redis: bool,
}

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let rounds = options.rounds.map(|rounds| format!("--rounds {rounds}"));
    let rounds = rounds.unwrap_or_default();
    let check = if options.check { "--check" } else { "" };
    if options.redis {
        let program = cargo(workspace, "run", "peers/redis/").arg("--");
        return program.args(check).args(&rounds).run();
    }
    if options.web {
        return web(workspace, &rounds);
    }
    let mut program = cargo(workspace, "run", "").arg("--");
    program = program.args(check).args(&rounds);
    if let Some(only) = &options.only {
        return program.arg("--only").arg(only).run();
    }
    if options.without_peers {
        return program.run();
    }
    for (peer, path) in [
        ("jwt-simple", jwt_simple(workspace)),
        ("node", node(workspace)),
        ("python", parity::reference(workspace)),
    ] {
        match path {
            Ok(path) => program = program.arg(format!("--{peer}")).arg(path),
            Err(error) => println!("    left out: {peer}: {error}"),
        }
    }
    program.run()?;
    if let Err(error) = web(workspace, "") {
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
fn web(workspace: &Workspace, rounds: &str) -> Result<(), String> {
    Line::cargo("bench --quiet -p a0-tower --bench layer").run()?;
    let program = cargo(workspace, "run", "peers/web/").arg("--");
    program.args(rounds).run()
}

fn jwt_simple(workspace: &Workspace) -> Result<PathBuf, String> {
    cargo(workspace, "build", "peers/jwt-simple/").run()?;
    let program = "bench-peers/release/peer-jwt-simple";
    Ok(workspace.target().join(program))
}

/// The script, in a folder with the packages that it needs.
fn node(workspace: &Workspace) -> Result<PathBuf, String> {
    let folder = workspace.target().join("bench-peers/node");
    packages::node("crates/bench-peers/peers/node".as_ref(), &folder)?;
    Ok(folder.join("peer.mjs"))
}
