//! A local Auth0 tenant for development: `a0-tenant --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    a0_testkit::cli::main()
}
