//! `cargo xtask parity`: compares this SDK with the Python package that it follows.
//!
//! The crate `a0-parity` compares. This file prepares the two sides.

use std::path::{Path, PathBuf};

use crate::packages;
use crate::process::Line;
use crate::workspace::Workspace;

/// Compares this SDK with the Python package that it follows, case by case
///
/// Makes a virtual environment below the target directory and installs the packages of
/// crates/a0-parity/requirements.txt there, again whenever the versions differ.
///
/// Each difference must match a row of crates/a0-parity/ledger.json, and the cases of each row must
/// show it. Each row, and each option, method, error, helper and header of the package, must be in
/// docs/parity.md. A0_PARITY_SHOWN=N shows up to N unexplained differences, 25 by default.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The seed of the random cases
    #[arg(long, value_name = "N", default_value_t = DEFAULTS.seed)]
    seed: u64,
    /// The number of cases
    #[arg(long, value_name = "N", default_value_t = DEFAULTS.cases)]
    cases: u64,
}

pub(crate) const DEFAULTS: Options = Options {
    seed: 1,
    cases: 2000,
};

/// `name==version` of the package and of all that it needs.
const PINS: &str = "crates/a0-parity/requirements.txt";

pub(crate) fn run(workspace: &Workspace, options: &Options) -> Result<(), String> {
    let python = reference(workspace)?;
    let program = Line::cargo("run --quiet -p a0-parity --");
    compare(program, &python, options)
}

pub(crate) fn compare(program: Line, python: &Path, options: &Options) -> Result<(), String> {
    let Options { seed, cases } = options;
    program.arg(python).args(&format!("{seed} {cases}")).run()
}

/// The Python interpreter that has the package, or the reason why there is none.
pub(crate) fn reference(workspace: &Workspace) -> Result<PathBuf, String> {
    packages::python(&workspace.target().join("parity"), PINS)
}
