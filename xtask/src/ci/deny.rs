//! The dependencies, judged by cargo-deny after `deny.toml`.

use std::path::Path;

use super::process::Line;
use super::{Ci, Outcome};

const VERSION: &str = "0.20.2";

const NO_ADVISORIES: &str = "advisories left out: the advisory database could not be fetched";

pub(crate) fn deny(ci: &mut Ci) -> Result<Outcome, String> {
    let root = &ci.workspace.root;
    let tools = ci.workspace.target_directory.join("tools");
    let deny = cargo_deny(root, &tools)?;
    // The trees of who needs whom are long, and `cargo tree --invert` has them too.
    deny()
        .args("check --hide-inclusion-graph bans licenses sources")
        .run(root)?;
    // Fetched by itself: a database out of reach and an advisory found look the same to the
    // check that does both.
    if !deny().args("fetch db").run_for_status(root)?.success() {
        println!("    {NO_ADVISORIES}");
        return Ok(Outcome::DoneBut(NO_ADVISORIES.to_owned()));
    }
    deny().args("check advisories").run(root)?;
    Ok(Outcome::Done)
}

/// The cargo-deny of this machine, else one of our own below the target directory.
fn cargo_deny(root: &Path, tools: &Path) -> Result<impl Fn() -> Line, String> {
    let own = tools
        .join("bin")
        .join(format!("cargo-deny{}", std::env::consts::EXE_SUFFIX));
    let installed = Line::cargo("deny --version").succeeds_quietly(root);
    if !installed && !Line::program(&own).arg("--version").succeeds_quietly(root) {
        println!(
            "    cargo-deny is not installed: building {VERSION}, once, for about two minutes"
        );
        // Not optimized: it runs for seconds, and optimizing it would take longer than all its checks.
        Line::cargo("install cargo-deny --debug --locked --version")
            .arg(VERSION)
            .arg("--root")
            .arg(tools.display().to_string())
            .run(root)?;
    }
    Ok(move || match installed {
        true => Line::cargo("deny"),
        false => Line::program(&own),
    })
}
