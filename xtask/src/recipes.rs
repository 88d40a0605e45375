//! `cargo xtask recipes`: tests the recipes for other frameworks.

use crate::process::{Line, Tally};
use crate::workspace::Workspace;
use crate::{Command, expect_no_arguments};

const MANIFEST: &str = "crates/recipes/Cargo.toml";

pub(crate) const COMMAND: Command = Command {
    name: "recipes",
    about: "Tests the recipes for tonic, actix-web, hyper, Lambda, tiny_http and SQL",
    usage: "",
    help: "The crate of the recipes is outside the workspace. It is built below the target directory, which
takes minutes the first time. If its Cargo.lock does not fit the crates of the workspace any more,
`cargo update --workspace --manifest-path crates/recipes/Cargo.toml` repairs that.",
    run: |arguments| {
        expect_no_arguments(arguments)?;
        let workspace = Workspace::enter()?;
        let mut tally = Tally::default();
        test(&workspace, &mut tally)?;
        println!("\n{tally}");
        Ok(())
    },
};

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
