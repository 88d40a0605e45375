//! The steps, in the order in which they run: the quick ones first.

use super::process::Line;
use super::{Ci, Outcome, deny};
use crate::workspace::{Package, Workspace};
use crate::{instructions, parity, tidy};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) runs_tests: bool,
    pub(crate) run: fn(&mut Ci) -> Result<Outcome, String>,
}

pub(crate) const STEPS: &[Step] = &[
    step("fmt", "the format of the sources", fmt),
    step("tidy", "the rules of this project", run_tidy),
    step("clippy", "lints, with all features and with few", clippy),
    test_step(
        "test",
        "unit tests, integration tests, examples built",
        test,
    ),
    test_step(
        "precision",
        "a0-jose when another crate switches on arbitrary precision in serde_json",
        precision,
    ),
    test_step("doctest", "the examples in the documentation", doctest),
    step(
        "quickstart",
        "the first example of the README, run",
        quickstart,
    ),
    step(
        "parity",
        "the same cases through the Python package that this follows",
        compare,
    ),
    step(
        "instructions",
        "what a verification costs beside its cryptography, counted",
        count,
    ),
    step("doc", "the documentation and its links", doc),
    step("package", "what would be published", package),
    step(
        "deny",
        "licences, sources and advisories of all dependencies",
        deny::deny,
    ),
];

type Run = fn(&mut Ci) -> Result<Outcome, String>;

const fn step(name: &'static str, about: &'static str, run: Run) -> Step {
    Step {
        name,
        about,
        runs_tests: false,
        run,
    }
}

const fn test_step(name: &'static str, about: &'static str, run: Run) -> Step {
    Step {
        runs_tests: true,
        ..step(name, about, run)
    }
}

fn fmt(ci: &mut Ci) -> Result<Outcome, String> {
    run_all(ci, [Line::cargo("fmt --all --check")])
}

fn run_tidy(ci: &mut Ci) -> Result<Outcome, String> {
    println!("    $ cargo xtask tidy");
    tidy::check(&ci.workspace)?;
    Ok(Outcome::Done)
}

/// All features once, which also builds OpenSSL from source; then each library as a user has
/// it who depends on it alone, because a workspace build unifies features; and each feature alone.
fn clippy(ci: &mut Ci) -> Result<Outcome, String> {
    let together = "clippy --workspace --all-targets --all-features -- -D warnings".to_owned();
    let alone = ci.workspace.libraries().flat_map(|package| {
        let name = &package.name;
        [
            format!("clippy -p {name} -- -D warnings"),
            format!("clippy -p {name} --no-default-features -- -D warnings"),
        ]
    });
    let optional = optional_features(&ci.workspace);
    let features = optional.iter().filter_map(|feature| {
        let (name, feature) = feature.split_once('/')?;
        let only = format!("--no-default-features --features {feature}");
        Some(format!("clippy -p {name} {only} -- -D warnings"))
    });
    let lines: Vec<Line> = [together]
        .into_iter()
        .chain(alone)
        .chain(features)
        .map(|arguments| Line::cargo(&arguments))
        .collect();
    run_all(ci, lines)
}

/// Not `--all-targets`, which would run the benchmarks.
fn test(ci: &mut Ci) -> Result<Outcome, String> {
    let line = with_optional_features(
        Line::cargo("test --workspace --lib --bins --tests --examples --no-fail-fast"),
        &ci.workspace,
    );
    run_tests(ci, &line)
}

fn precision(ci: &mut Ci) -> Result<Outcome, String> {
    let wanted = |package: &Package| {
        package
            .dependencies
            .iter()
            .any(|dependency| dependency.name == "serde_json")
    };
    if !ci.workspace.package("a0-jose").is_some_and(wanted) {
        return Ok(Outcome::LeftOut(
            "left out: a0-jose does not depend on serde_json".to_owned(),
        ));
    }
    let line = Line::cargo(
        "test -p a0-jose --features serde_json/arbitrary_precision --lib --tests --no-fail-fast",
    );
    run_tests(ci, &line)
}

fn doctest(ci: &mut Ci) -> Result<Outcome, String> {
    let line = with_optional_features(
        Line::cargo("test --workspace --doc --no-fail-fast"),
        &ci.workspace,
    );
    run_tests(ci, &line)
}

fn quickstart(ci: &mut Ci) -> Result<Outcome, String> {
    let wanted = |package: &Package| package.examples.iter().any(|name| name == "quickstart");
    if !ci.workspace.package("auth0-api").is_some_and(wanted) {
        return Ok(Outcome::LeftOut(
            "left out: auth0-api has no example `quickstart` yet".to_owned(),
        ));
    }
    run_all(ci, [Line::cargo("run -p auth0-api --example quickstart")])
}

/// Where there is no Python, or no way to the package index, there is nothing to compare with.
fn compare(ci: &mut Ci) -> Result<Outcome, String> {
    match parity::reference(&ci.workspace) {
        Ok(python) => {
            parity::compare(&ci.workspace, &python, &parity::DEFAULTS)?;
            Ok(Outcome::Done)
        }
        Err(message) => Ok(Outcome::LeftOut(format!("left out: {message}"))),
    }
}

/// Times would say more of the machine than of the code; a count is the same on each run.
fn count(ci: &mut Ci) -> Result<Outcome, String> {
    match instructions::is_there(&ci.workspace) {
        true => instructions::check(&ci.workspace).map(|()| Outcome::Done),
        false => Ok(Outcome::LeftOut(
            "left out: valgrind is not there: install it to count instructions".to_owned(),
        )),
    }
}

/// Twice where there are optional features: a link from what is always there to what is not
/// breaks only without them.
fn doc(ci: &mut Ci) -> Result<Outcome, String> {
    let line = || Line::cargo("doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings");
    let mut lines = vec![line()];
    if !optional_features(&ci.workspace).is_empty() {
        lines.push(with_optional_features(line(), &ci.workspace));
    }
    run_all(ci, lines)
}

/// Without compiling the packages again: their contents are what the steps before have built.
fn package(ci: &mut Ci) -> Result<Outcome, String> {
    run_all(
        ci,
        [Line::cargo(
            "package --workspace --exclude xtask --exclude a0-parity --no-verify --allow-dirty",
        )],
    )
}

fn run_all(ci: &Ci, lines: impl IntoIterator<Item = Line>) -> Result<Outcome, String> {
    for line in lines {
        line.run(&ci.workspace.root)?;
    }
    Ok(Outcome::Done)
}

fn run_tests(ci: &mut Ci, line: &Line) -> Result<Outcome, String> {
    line.run_counting(&ci.workspace.root, &mut ci.tally)?;
    Ok(Outcome::Done)
}

fn with_optional_features(line: Line, workspace: &Workspace) -> Line {
    match optional_features(workspace) {
        features if features.is_empty() => line,
        features => line.arg("--features").arg(features.join(",")),
    }
}

/// Every feature that is off by default, so that what it adds is tested and documented too.
/// But for those that only choose how OpenSSL is built: they add nothing to test and would
/// have the tests run on another OpenSSL than most users have.
fn optional_features(workspace: &Workspace) -> Vec<String> {
    let mut optional = Vec::new();
    for package in workspace.libraries() {
        let default = package.features.get("default");
        for name in package.features.keys() {
            let on_anyway = name == "default" || default.is_some_and(|on| on.contains(name));
            if !on_anyway && !name.starts_with("vendored") {
                optional.push(format!("{}/{name}", package.name));
            }
        }
    }
    optional
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_features_are_those_that_add_something() {
        let mut workspace = Workspace::default();
        for (name, features) in [
            (
                "a0-http",
                &[("default", &["ureq"][..]), ("ureq", &[]), ("async", &[])][..],
            ),
            ("a0-jose", &[("default", &[]), ("vendored-openssl", &[])]),
            ("a0-act", &[]),
        ] {
            workspace.packages.push(Package {
                name: name.to_owned(),
                has_library: true,
                features: features
                    .iter()
                    .map(|(name, on)| {
                        let on = on.iter().map(|name| name.to_string()).collect();
                        (name.to_string(), on)
                    })
                    .collect(),
                ..Package::default()
            });
        }
        assert_eq!(optional_features(&workspace), ["a0-http/async"]);
    }

    #[test]
    fn what_the_workspace_does_not_have_is_left_out() {
        let mut ci = Ci {
            workspace: Workspace::default(),
            tally: Default::default(),
        };
        for run in [precision, quickstart] {
            assert!(matches!(run(&mut ci), Ok(Outcome::LeftOut(_))));
        }
    }
}
