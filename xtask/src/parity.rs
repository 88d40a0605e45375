//! `cargo xtask parity`: the same cases through this SDK and the Python package that it follows.
//!
//! The work is done by the crate `a0-parity`; here its two sides are made ready.

use std::path::{Path, PathBuf};

use crate::ci::process::Line;
use crate::workspace::Workspace;
use crate::{Command, Failure, unknown_argument};

pub(crate) const COMMAND: Command = Command {
    name: "parity",
    about: "Compares this SDK with the Python package that it follows, case by case",
    usage: "[--seed N] [--cases N]",
    help: "  --seed N   the seed of the random cases, 1 if it is not given
  --cases N  how many cases, 2000 if it is not given

Makes a virtual environment below the target directory, and installs there what
crates/a0-parity/requirements.txt says; again when what is there is not that.

Each difference has to match a row of crates/a0-parity/ledger.json, and each row has to be shown by
its own cases. Each row, and each option, method, error, helper and header of the package, has to be
in docs/parity.md. A0_PARITY_SHOWN=N shows up to N unexplained differences in place of 25.",
    run,
};

/// `name==version` of the package and of all that it needs.
const PINS: &str = "crates/a0-parity/requirements.txt";

pub(crate) const DEFAULTS: Cases = Cases {
    seed: 1,
    cases: 2000,
};

#[derive(Debug, PartialEq)]
pub(crate) struct Cases {
    seed: u64,
    cases: usize,
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let workspace = Workspace::load()?;
    let cases = parse(arguments)?;
    let python = reference(&workspace).map_err(Failure::Failed)?;
    compare(&workspace, &python, &cases).map_err(Failure::Failed)
}

fn parse(arguments: &[String]) -> Result<Cases, Failure> {
    let mut cases = DEFAULTS;
    let mut rest = arguments.iter();
    while let Some(name) = rest.next() {
        let value = rest.next();
        let read = match name.as_str() {
            "--seed" => number(value).map(|seed| cases.seed = seed),
            "--cases" => number(value).map(|count| cases.cases = count),
            _ => return Err(unknown_argument("parity", name)),
        };
        read.ok_or_else(|| {
            Failure::Usage(format!(
                "`{name}` needs a number: see `cargo xtask parity --help`"
            ))
        })?;
    }
    Ok(cases)
}

fn number<T: std::str::FromStr>(value: Option<&String>) -> Option<T> {
    value?.parse().ok()
}

/// The Python that has the package, or why there is none.
pub(crate) fn reference(workspace: &Workspace) -> Result<PathBuf, String> {
    let root = &workspace.root;
    let environment = workspace.target_directory.join("parity").join("venv");
    let python = match cfg!(windows) {
        true => environment.join("Scripts").join("python.exe"),
        false => environment.join("bin").join("python"),
    };
    let pins = root.join(PINS);
    if has_packages(&python, &pins) {
        return Ok(python);
    }
    println!("    what {PINS} says is installed below the target directory");
    let mut makers = ["python3", "python"].into_iter().map(Path::new);
    let made = makers.any(|maker| {
        let line = Line::program(maker).args("-m venv --clear");
        line.arg(environment.display().to_string())
            .succeeds_quietly(root)
    });
    if !made {
        return Err(format!(
            "no Python with venv makes {}: install python3 and python3-venv",
            environment.display()
        ));
    }
    Line::program(&python)
        .args("-m pip install --quiet --disable-pip-version-check -r")
        .arg(pins.display().to_string())
        .run(root)
        .map_err(|error| format!("what {PINS} says cannot be installed from the index: {error}"))?;
    match has_packages(&python, &pins) {
        true => Ok(python),
        false => Err(format!("what {PINS} says was installed and is not there")),
    }
}

/// Whether each package is there in the version that its line says.
fn has_packages(python: &Path, pins: &Path) -> bool {
    const CHECK: &str = "import importlib.metadata, sys
for line in open(sys.argv[1]):
    name, _, version = line.partition('#')[0].strip().partition('==')
    if name and importlib.metadata.version(name) != version: sys.exit(1)";
    Line::program(python)
        .arg("-c")
        .arg(CHECK)
        .arg(pins.display().to_string())
        .succeeds_quietly(Path::new("."))
}

pub(crate) fn compare(workspace: &Workspace, python: &Path, cases: &Cases) -> Result<(), String> {
    Line::cargo("run --quiet -p a0-parity --")
        .arg(python.display().to_string())
        .arg(cases.seed.to_string())
        .arg(cases.cases.to_string())
        .run(&workspace.root)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Cases, Failure> {
        let arguments: Vec<String> = arguments.iter().map(|text| text.to_string()).collect();
        parse(&arguments)
    }

    #[test]
    fn seed_and_number_of_cases_can_be_given() {
        assert_eq!(parsed(&[]), Ok(DEFAULTS));
        let given = Cases { seed: 5, cases: 20 };
        assert_eq!(parsed(&["--cases", "20", "--seed", "5"]), Ok(given));
        for arguments in [
            &["--seed"][..],
            &["--cases", "-1"],
            &["--seed", "x"],
            &["2000"],
        ] {
            assert!(
                matches!(parsed(arguments), Err(Failure::Usage(_))),
                "{arguments:?}"
            );
        }
    }

    #[test]
    fn what_has_no_packages_is_not_taken() {
        let pins = Path::new("no/such/pins");
        assert!(!has_packages(Path::new("no/such/python"), pins));
    }
}
