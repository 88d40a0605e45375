//! `cargo xtask parity`: compares this SDK with the Python package that it follows.
//!
//! The crate `a0-parity` compares. This file prepares the two sides.

use std::path::{Path, PathBuf};

use lexopt::{Arg::Long, Parser, ValueExt};

use crate::process::Line;
use crate::workspace::Workspace;
use crate::{Command, Failure};

pub(crate) const COMMAND: Command = Command {
    name: "parity",
    about: "Compares this SDK with the Python package that it follows, case by case",
    usage: "[--seed N] [--cases N]",
    help: "  --seed N   the seed of the random cases, 1 by default
  --cases N  the number of cases, 2000 by default

Makes a virtual environment below the target directory and installs the packages of
crates/a0-parity/requirements.txt there, again whenever the versions differ.

Each difference must match a row of crates/a0-parity/ledger.json, and the cases of each row must
show it. Each row, and each option, method, error, helper and header of the package, must be in
docs/parity.md. A0_PARITY_SHOWN=N shows up to N unexplained differences, 25 by default.",
    run,
};

/// `name==version` of the package and of all that it needs.
const PINS: &str = "crates/a0-parity/requirements.txt";

/// The seed and the number of cases.
pub(crate) const DEFAULTS: (u64, u64) = (1, 2000);

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let (mut seed, mut cases) = DEFAULTS;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("seed") => seed = arguments.value()?.parse()?,
            Long("cases") => cases = arguments.value()?.parse()?,
            _ => return Err(argument.unexpected().into()),
        }
    }
    let workspace = Workspace::enter()?;
    let python = reference(&workspace)?;
    let program = Line::cargo("run --quiet -p a0-parity --");
    Ok(compare(program, &python, (seed, cases))?)
}

pub(crate) fn compare(
    program: Line,
    python: &Path,
    (seed, cases): (u64, u64),
) -> Result<(), String> {
    program.arg(python).args(&format!("{seed} {cases}")).run()
}

/// The Python interpreter that has the package, or the reason why there is none.
pub(crate) fn reference(workspace: &Workspace) -> Result<PathBuf, String> {
    environment(&workspace.target().join("parity"), PINS)
}

/// The Python interpreter of a virtual environment in this folder that has the packages of these
/// pins: one `name==version` in each line.
pub(crate) fn environment(folder: &Path, pins: &str) -> Result<PathBuf, String> {
    let environment = folder.join("venv");
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    if has_packages(&python, pins) {
        return Ok(python);
    }
    println!("    installing the packages of {pins} below the target directory");
    let mut makers = ["python3", "python"].into_iter();
    if !makers.any(|maker| {
        Line::program(maker)
            .args("-m venv --clear")
            .arg(&environment)
            .succeeds()
    }) {
        return Err(
            "no Python can make a virtual environment: install python3 and python3-venv".to_owned(),
        );
    }
    Line::program(&python)
        .args("-m pip install --quiet --disable-pip-version-check --cache-dir")
        .arg(folder.join("pip"))
        .arg("-r")
        .arg(pins)
        .run()
        .map_err(|error| format!("the packages of {pins} could not be installed: {error}"))?;
    if !has_packages(&python, pins) {
        return Err(format!("pip did not install the versions of {pins}"));
    }
    Ok(python)
}

/// Whether each package is installed in the version that its line names.
fn has_packages(python: &Path, pins: &str) -> bool {
    const CHECK: &str = "import importlib.metadata, sys
for line in open(sys.argv[1]):
    name, _, version = line.partition('#')[0].strip().partition('==')
    if name and importlib.metadata.version(name) != version: sys.exit(1)";
    Line::program(python)
        .arg("-c")
        .arg(CHECK)
        .arg(pins)
        .succeeds()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_without_the_packages_is_not_taken() {
        assert!(!has_packages(Path::new("no/such/python"), "no/such/pins"));
        assert!(!has_packages(Path::new("python3"), "no/such/pins"));
    }
}
