//! `cargo xtask recipes`: tests the recipes for other frameworks.

use crate::process::{Line, Tally};
use crate::workspace::Workspace;

const MANIFEST: &str = "crates/recipes/Cargo.toml";

pub(crate) fn run(workspace: &Workspace) -> Result<(), String> {
    let mut tally = Tally::default();
    test(workspace, &mut tally)?;
    println!("\n{tally}");
    Ok(())
}

pub(crate) fn test(workspace: &Workspace, tally: &mut Tally) -> Result<(), String> {
    Line::cargo("fmt --check --manifest-path")
        .arg(MANIFEST)
        .run()?;
    of_recipes(Line::cargo("test"), workspace).run_tests(tally)
}

pub(crate) fn build_when_idle(workspace: &Workspace) -> Line {
    of_recipes(Line::cargo_when_idle("test --no-run"), workspace)
}

fn of_recipes(line: Line, workspace: &Workspace) -> Line {
    line.args("--locked --manifest-path")
        .arg(MANIFEST)
        .arg("--target-dir")
        .arg(workspace.target().join("recipes"))
}
