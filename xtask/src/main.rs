//! The project's own commands. `cargo xtask` lists them.

#![forbid(unsafe_code)]

mod api;
mod bench;
mod ci;
mod clients;
mod instructions;
mod packages;
mod parity;
mod process;
mod recipes;
mod tidy;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use workspace::Workspace;

/// The project's own commands
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Command {
    Ci(ci::Options),
    /// Builds OpenSSL from source and tests with it
    ///
    /// Runs the tests of the crates that use OpenSSL themselves, with the feature
    /// `vendored-openssl`. Needs a C compiler, perl and make. Not a part of `cargo xtask ci`,
    /// because the build takes minutes.
    Vendored,
    /// Checks the rules of this project: arrows between crates, shape, texts, links
    ///
    /// Reads the manifests and every file outside target folders. Compiles nothing. Prints each
    /// finding as `path:line: what is wrong: what to do`.
    Tidy,
    /// Lists the public items of every library in docs/api.md
    ///
    /// Reads the sources and compiles nothing. `cargo xtask ci --only api` writes nothing and fails
    /// when the page is out of date.
    Api,
    Parity(parity::Options),
    /// Tests the recipes for tonic, actix-web, hyper, Lambda, tiny_http and SQL
    ///
    /// The crate of the recipes is outside the workspace. It is built below the target directory,
    /// which takes minutes the first time. If its Cargo.lock does not fit the crates of the workspace
    /// any more, `cargo update --workspace --manifest-path crates/recipes/Cargo.toml` repairs that.
    Recipes,
    Clients(clients::Options),
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let command = Command::parse();
    let result = Workspace::enter().and_then(|workspace| match command {
        Command::Ci(options) => ci::run(workspace, &options),
        Command::Vendored => ci::vendored(workspace),
        Command::Tidy => tidy::check(&workspace),
        Command::Api => api::write(&workspace),
        Command::Parity(options) => parity::run(&workspace, &options),
        Command::Recipes => recipes::run(&workspace),
        Command::Clients(options) => clients::run(&workspace, options.only),
        Command::Bench(options) => bench::run(&workspace, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            // `ci` prints its message itself, above the sum of the tests.
            if !message.is_empty() {
                eprintln!("error: {message}");
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    #[test]
    fn a_command_takes_its_own_arguments_alone() {
        Command::command().debug_assert();
        for (line, refused) in [
            ("ci", None),
            ("ci --only fmt", None),
            ("bench --check --rounds 7 --only Bearer", None),
            ("clients --only node", None),
            ("ci --only nothing", Some(ErrorKind::ValueValidation)),
            (
                "ci --only fmt --from doc",
                Some(ErrorKind::ArgumentConflict),
            ),
            ("clients --only curl", Some(ErrorKind::ValueValidation)),
            ("bench --rounds many", Some(ErrorKind::ValueValidation)),
            ("parity --seed x", Some(ErrorKind::ValueValidation)),
            ("tidy --fix", Some(ErrorKind::UnknownArgument)),
            ("cli", Some(ErrorKind::InvalidSubcommand)),
        ] {
            let words = ["xtask"].into_iter().chain(line.split(' '));
            let result = Command::try_parse_from(words);
            assert_eq!(result.err().map(|error| error.kind()), refused, "{line}");
        }
    }
}
