//! The steps, in the order in which they run: the quick ones first.
//!
//! Cargo compiles a dependency again for each set of features. Hence the steps that build the whole
//! workspace all turn on the same features, and xtask is built alone, as `cargo xtask` builds it.

use std::collections::BTreeSet;

use cargo_metadata::Package;

use super::{Ci, deny};
use crate::process::Line;
use crate::{api, instructions, parity, recipes, tidy, workspace::Workspace};

pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) run: fn(&mut Ci) -> Result<(), String>,
    /// A build that can run beside the steps before this one, because it has a target directory or a
    /// profile of its own.
    pub(super) ahead: fn(&Workspace) -> Option<Line>,
}

impl Step {
    pub(super) const fn built_ahead_by(mut self, ahead: fn(&Workspace) -> Option<Line>) -> Self {
        self.ahead = ahead;
        self
    }
}

#[rustfmt::skip]
pub(super) const STEPS: &[Step] = &[
    step("fmt", "the format of the sources", |_| Line::cargo("fmt --all --check").run()),
    step("tidy", "the rules of this project", |ci| tidy::check(&ci.workspace)),
    step("api", "docs/api.md lists the public items", |ci| api::check(&ci.workspace)),
    step("clippy", "lints, with all features and with few", clippy),
    step("test", "unit tests, integration tests, examples built", test),
    step("precision", "a0-jose if another crate turns on arbitrary_precision in serde_json", precision),
    step("codings", "a0-http if another crate turns on gzip and brotli in its clients", codings),
    step("doctest", "the examples in the documentation", doctest),
    step("parity", "the same cases through the Python package", parity),
    step("doc", "the documentation and its links", doc),
    step("package", "the contents of the packages", package),
    step("recipes", "the recipes for other frameworks", |ci| recipes::test(&ci.workspace, &mut ci.tally))
        .built_ahead_by(|workspace| Some(recipes::build_when_idle(workspace))),
    step("quickstart", "the first example of the README, run with the default features", quickstart)
        .built_ahead_by(|_| Some(instructions::build_when_idle())),
    step("instructions", "the instructions of a verification without its cryptography", instructions),
    step("deny", "licences, sources and advisories of all dependencies", deny::deny)
        .built_ahead_by(deny::install_when_idle),
];

pub(super) const VENDORED: &[Step] = &[step(
    "vendored",
    "tests with OpenSSL built from source",
    vendored,
)];

pub(super) const fn step(
    name: &'static str,
    about: &'static str,
    run: fn(&mut Ci) -> Result<(), String>,
) -> Step {
    let ahead = |_: &Workspace| None;
    Step {
        name,
        about,
        run,
        ahead,
    }
}

/// The workspace with all features; then each library as it is for a user who depends on it alone,
/// because a build of the workspace unifies features.
fn clippy(ci: &mut Ci) -> Result<(), String> {
    let mut lines = vec![
        everything("clippy", ci).args("--all-targets"),
        Line::cargo("clippy -p xtask --all-targets"),
    ];
    for package in ci.workspace.libraries() {
        for features in feature_sets(package) {
            let line = Line::cargo("clippy --no-default-features -p").arg(package.name.as_str());
            lines.push(line.arg("--features").arg(features));
        }
    }
    for line in lines {
        line.args("-- -D warnings").run()?;
    }
    Ok(())
}

/// Tests start some examples as programs. Not `--all-targets`, which would run the benches.
fn test(ci: &mut Ci) -> Result<(), String> {
    build_programs(ci)?;
    let line = everything("test", ci).args("--lib --bins --tests --no-fail-fast");
    line.run_tests(&mut ci.tally)?;
    Line::cargo("test -p xtask").run_tests(&mut ci.tally)
}

/// The unit tests of `a0-jose` read no numbers in JSON.
fn precision(ci: &mut Ci) -> Result<(), String> {
    with_features("serde_json/arbitrary_precision", "a0-jose", ci).run_tests(&mut ci.tally)
}

/// `--lib` for the unit tests of `a0-http`. Cargo runs those of the other crates too.
fn codings(ci: &mut Ci) -> Result<(), String> {
    let line = with_features("ureq/gzip,ureq/brotli,reqwest/gzip", "a0-http", ci).arg("--lib");
    line.run_tests(&mut ci.tally)
}

/// The integration tests of a package with features of its dependencies, as if another crate in a user's
/// program turned them on. Names the whole workspace, so that the other dependencies have the features
/// that they have in the step `test` and are not compiled again.
fn with_features(features: &str, package: &str, ci: &Ci) -> Line {
    let line = everything("test", ci)
        .args("--no-fail-fast --features")
        .arg(features);
    let tests = ci.workspace.tests_of(package).into_iter();
    tests.fold(line, |line, name| line.arg("--test").arg(name))
}

fn doctest(ci: &mut Ci) -> Result<(), String> {
    let line = everything("test", ci).args("--doc --no-fail-fast");
    line.run_tests(&mut ci.tally)
}

/// In the profile of the step `instructions`, which has the same features.
fn quickstart(_: &mut Ci) -> Result<(), String> {
    Line::cargo("run --profile instructions -p auth0-api --example quickstart").run()
}

fn parity(ci: &mut Ci) -> Result<(), String> {
    let python = match parity::reference(&ci.workspace) {
        Ok(python) => python,
        Err(message) => return ci.leave_out(&message),
    };
    build_programs(ci)?;
    let program = format!("debug/a0-parity{}", std::env::consts::EXE_SUFFIX);
    let program = Line::program(ci.workspace.target().join(program));
    parity::compare(program, &python, &parity::DEFAULTS)
}

fn instructions(ci: &mut Ci) -> Result<(), String> {
    if !Line::program("valgrind").arg("--version").succeeds() {
        return ci.leave_out("valgrind is not installed");
    }
    instructions::check(&ci.workspace)
}

/// A link to an item that a feature adds breaks only without the feature. Examples bring in the
/// dependencies of tests, so that all have the features that they have in the step `clippy`.
fn doc(ci: &mut Ci) -> Result<(), String> {
    let mut lines = vec![
        everything("doc", ci).args("--lib --bins --examples"),
        Line::cargo("doc -p xtask"),
    ];
    for package in ci.workspace.libraries() {
        lines.push(Line::cargo("doc -p").arg(package.name.as_str()));
    }
    for line in lines {
        line.args("--no-deps")
            .env("RUSTDOCFLAGS", "-D warnings")
            .run()?;
    }
    Ok(())
}

fn package(_: &mut Ci) -> Result<(), String> {
    // `--no-verify`: the steps before this one have compiled the sources.
    let line = Line::cargo("package --workspace --exclude xtask --exclude a0-parity");
    line.args("--no-verify --allow-dirty").run()
}

fn vendored(ci: &mut Ci) -> Result<(), String> {
    let line = Line::cargo("test -p a0-jose -p a0-testkit --lib --tests --no-fail-fast");
    let line = line.args("--features a0-jose/vendored-openssl,a0-testkit/vendored-openssl");
    line.run_tests(&mut ci.tally)
}

/// The examples and the binaries. Cargo unifies features over what one command builds, so a binary alone would
/// compile its dependencies again.
fn build_programs(ci: &Ci) -> Result<(), String> {
    everything("build", ci).args("--examples --bins").run()
}

/// A command for the whole workspace but xtask, with the features that it always has here.
fn everything(command: &str, ci: &Ci) -> Line {
    let line = Line::cargo(command).args("--workspace --exclude xtask --features");
    line.arg(features(&ci.workspace).join(","))
}

fn features(workspace: &Workspace) -> Vec<String> {
    let of = |package: &Package| -> Vec<String> {
        let names = package.features.keys().filter(|name| is_checked(name));
        let names = names.map(|name| format!("{}/{name}", package.name));
        names.collect()
    };
    workspace.libraries().flat_map(of).collect()
}

/// The default features, none, and each alone.
fn feature_sets(package: &Package) -> BTreeSet<String> {
    let default = package.features.get("default");
    let default = default.map_or(String::new(), |names| names.join(","));
    let alone = package.features.keys().filter(|name| is_checked(name));
    let sets = [String::new(), default].into_iter().chain(alone.cloned());
    sets.collect()
}

/// A vendored OpenSSL adds nothing but minutes: see `cargo xtask vendored`.
fn is_checked(feature: &str) -> bool {
    feature != "default" && !feature.starts_with("vendored")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::workspace::testing::package;

    #[test]
    fn all_features_are_checked_but_vendored_ones() {
        let http = json!({"default": ["ureq"], "ureq": [], "async": []});
        let jose = json!({"vendored-openssl": [], "aws-lc-rs": []});
        let workspace = Workspace::of(&[
            package("a0-http", json!({ "features": http })),
            package("a0-jose", json!({ "features": jose })),
            package("tool", json!({"features": {"x": []}, "publish": []})),
        ]);
        let expected = ["a0-http/async", "a0-http/ureq", "a0-jose/aws-lc-rs"];
        assert_eq!(features(&workspace), expected);
    }
}
