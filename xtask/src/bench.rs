//! `cargo xtask bench`: a verification beside the bare signature, and beside other libraries.
//!
//! The work is done by the crate `bench-peers`; here it is built, and its peers are made ready.

use std::path::Path;

use crate::ci::process::Line;
use crate::workspace::Workspace;
use crate::{Command, Failure, parity, unknown_argument};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    about: "Measures verifications beside the bare signature and beside other libraries",
    usage: "[--check] [--rounds N] [--only TEXT] [--without-peers]",
    help: "  --check          fails when a bar is missed
  --rounds N       rounds of all candidates, 200 if it is not given
  --only TEXT      only candidates whose name holds TEXT, and no other programs
  --without-peers  no other programs: neither jwt-simple, nor Node.js, nor Python

Prints one table. All candidates of this process are interleaved, the other programs come in turn;
times are medians, and a ratio is to the bare signature check of the same run. Run it on a machine
that does nothing else. What a peer needs and is not there (cmake, libclang, Node.js, Python) leaves
that peer out. Builds below the target directory; the first time takes minutes.",
    run,
};

const MANIFEST: &str = "crates/bench-peers/Cargo.toml";
const JWT_SIMPLE: &str = "crates/bench-peers/peers/jwt-simple/Cargo.toml";

fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut passed_on = Vec::new();
    let mut with_peers = true;
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        match name.as_str() {
            "--check" => passed_on.push(name.clone()),
            "--without-peers" => with_peers = false,
            "--rounds" | "--only" => {
                let value = rest.next().ok_or_else(|| {
                    Failure::Usage(format!(
                        "`{name}` needs a value: see `cargo xtask bench --help`"
                    ))
                })?;
                with_peers &= name != "--only";
                passed_on.extend([name.clone(), value.clone()]);
            }
            _ => return Err(unknown_argument("bench", name)),
        }
    }
    let workspace = Workspace::load()?;
    measure(&workspace, &passed_on, with_peers).map_err(Failure::Failed)
}

fn measure(workspace: &Workspace, arguments: &[String], with_peers: bool) -> Result<(), String> {
    let target = workspace.target_directory.join("bench-peers");
    let build = |manifest| {
        Line::cargo("build --release --quiet --locked --manifest-path")
            .arg(manifest)
            .arg("--target-dir")
            .arg(target.display().to_string())
    };
    build(MANIFEST).run(&workspace.root)?;
    let mut line = Line::program(&target.join("release").join("bench-peers"));
    for argument in arguments {
        line = line.arg(argument);
    }
    let ready = match with_peers {
        true => peers(workspace, &target, &build(JWT_SIMPLE)),
        false => Vec::new(),
    };
    for peer in ready {
        line = line.arg("--peer").arg(peer);
    }
    line.run(&workspace.root)
}

/// Other programs, as names and commands with bars between them.
fn peers(workspace: &Workspace, target: &Path, jwt_simple: &Line) -> Vec<String> {
    let mut peers = Vec::new();
    match jwt_simple.run(&workspace.root) {
        Ok(()) => {
            let program = target.join("release").join("peer-jwt-simple");
            peers.push(format!("jwt-simple (boring)|{}", program.display()));
        }
        Err(error) => println!("    left out: jwt-simple: {error}"),
    }
    match node(workspace, target) {
        Ok(script) => {
            for (name, kind) in [
                ("jose, Node.js", "jose"),
                ("fast-jwt, Node.js", "fast-jwt"),
                ("fast-jwt with its cache, seen before", "fast-jwt-cache"),
            ] {
                peers.push(format!("{name}|node|{script}|{kind}"));
            }
        }
        Err(error) => println!("    left out: Node.js: {error}"),
    }
    match parity::reference(workspace) {
        Ok(python) => {
            let script = workspace
                .root
                .join("crates/bench-peers/peers/python/peer.py");
            let command = format!("{}|{}", python.display(), script.display());
            peers.push(format!("auth0-api-python, Bearer|{command}|bearer"));
            peers.push(format!("auth0-api-python, DPoP|{command}|dpop"));
        }
        Err(error) => println!("    left out: Python: {error}"),
    }
    peers
}

/// The script, beside the packages that it needs.
fn node(workspace: &Workspace, target: &Path) -> Result<String, String> {
    let from = workspace.root.join("crates/bench-peers/peers/node");
    let to = target.join("node");
    let copy = || -> std::io::Result<()> {
        std::fs::create_dir_all(&to)?;
        for name in ["package.json", "package-lock.json", "peer.mjs"] {
            std::fs::copy(from.join(name), to.join(name))?;
        }
        Ok(())
    };
    copy().map_err(|error| format!("{} cannot be written: {error}", to.display()))?;
    Line::program(Path::new("npm"))
        .args("ci --silent --no-audit --no-fund")
        .run(&to)?;
    Ok(to.join("peer.mjs").display().to_string())
}
