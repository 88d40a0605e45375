//! The dependencies, checked by cargo-deny with `deny.toml`.

use std::path::PathBuf;

use super::Ci;
use crate::process::Line;
use crate::workspace::Workspace;

const VERSION: &str = "0.20.2";

pub(super) fn deny(ci: &mut Ci) -> Result<(), String> {
    let own = own(&ci.workspace);
    let installed = is_installed();
    let deny = || {
        if installed {
            Line::cargo("deny")
        } else {
            Line::program(&own)
        }
    };
    if !deny().arg("--version").succeeds() {
        println!("    building cargo-deny {VERSION} once, which takes about a minute");
        install(Line::cargo("install"), &ci.workspace).run()?;
    }
    // The trees of dependants are long, and `cargo tree --invert` shows them too.
    deny()
        .args("check --hide-inclusion-graph bans licenses sources")
        .run()?;
    // `check advisories` does not tell a database out of reach from an advisory.
    if deny().args("fetch db").run().is_err() {
        return ci.leave_out("advisories, because the database could not be fetched");
    }
    deny().args("check advisories").run()
}

pub(super) fn install_when_idle(workspace: &Workspace) -> Option<Line> {
    let exists = is_installed() || own(workspace).exists();
    (!exists).then(|| install(Line::cargo_when_idle("install"), workspace))
}

/// Whether there is a cargo-deny besides the one that `install` builds.
fn is_installed() -> bool {
    Line::cargo("deny --version").succeeds()
}

/// The cargo-deny that `install` builds.
fn own(workspace: &Workspace) -> PathBuf {
    let name = format!("tools/bin/cargo-deny{}", std::env::consts::EXE_SUFFIX);
    workspace.target().join(name)
}

/// Without optimization and debug information: both take longer than all checks.
fn install(line: Line, workspace: &Workspace) -> Line {
    let tools = workspace.target().join("tools");
    line.args("cargo-deny --debug --locked --version")
        .arg(VERSION)
        .arg("--root")
        .arg(&tools)
        // A build in the target directory of the workspace would wait for the other builds there.
        .arg("--target-dir")
        .arg(tools.join("build"))
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
}
