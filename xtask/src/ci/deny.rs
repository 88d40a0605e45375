//! The dependencies, checked by cargo-deny with `deny.toml`.

use super::Ci;
use crate::process::Line;

const VERSION: &str = "0.20.2";

pub(super) fn deny(ci: &mut Ci) -> Result<(), String> {
    let tools = ci.workspace.target().join("tools");
    let own = tools.join(format!("bin/cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let installed = Line::cargo("deny --version").succeeds();
    let deny = || {
        if installed {
            Line::cargo("deny")
        } else {
            Line::program(&own)
        }
    };
    if !deny().arg("--version").succeeds() {
        println!("    building cargo-deny {VERSION} once, which takes about two minutes");
        // Without optimization and debug information: both take longer than all checks.
        Line::cargo("install cargo-deny --debug --locked --version")
            .arg(VERSION)
            .arg("--root")
            .arg(&tools)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .run()?;
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
