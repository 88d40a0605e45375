//! `cargo xtask parity`: compares this SDK with the Python package that it follows.
//!
//! The crate `a0-parity` compares. This file prepares the two sides.

use std::path::{Path, PathBuf};

use lexopt::{Arg::Long, Parser, ValueExt};

use crate::process::Line;
use crate::workspace::Workspace;
use crate::{Command, Failure, packages};

pub(crate) const COMMAND: Command = Command {
    name: "parity",
    about: "Compares this SDK with the Python package that it follows, case by case",
    help: "Usage: cargo xtask parity [--seed N] [--cases N]

  --seed N   the seed of the random cases, 1 by default
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
    packages::python(&workspace.target().join("parity"), PINS)
}
