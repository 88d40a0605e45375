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

use std::ffi::OsString;
use std::process::ExitCode;

use lexopt::Parser;

const COMMANDS: &[Command] = &[
    ci::COMMAND,
    ci::VENDORED,
    tidy::COMMAND,
    api::COMMAND,
    parity::COMMAND,
    recipes::COMMAND,
    clients::COMMAND,
    bench::COMMAND,
];

struct Command {
    name: &'static str,
    /// One line for the list of commands.
    about: &'static str,
    /// The usage line and all else that `--help` prints.
    help: &'static str,
    run: fn(Parser) -> Result<(), Failure>,
}

#[derive(Debug, PartialEq)]
enum Failure {
    /// The command line is wrong: exit code 2.
    Usage(String),
    /// The command failed: exit code 1.
    Failed(String),
    /// As `Failed`, but the command has already printed its error.
    Reported,
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

fn main() -> ExitCode {
    match dispatch(std::env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            let next = "see `cargo xtask --help` and `cargo xtask COMMAND --help`";
            eprintln!("error: {message}\n{next}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
    }
}

fn dispatch(mut arguments: Vec<OsString>) -> Result<(), Failure> {
    let count = arguments.len();
    arguments.retain(|it| !["--help", "-h", "help"].iter().any(|help| it == help));
    let wants_help = arguments.len() < count;
    if arguments.is_empty() {
        println!("The project's own commands.\n\nUsage: cargo xtask COMMAND [OPTIONS]\n");
        for Command { name, about, .. } in COMMANDS {
            println!("  {name:<8} {about}");
        }
        println!("\n`cargo xtask COMMAND --help` explains a command.");
        return Ok(());
    }
    let given = arguments.remove(0);
    let Some(command) = COMMANDS.iter().find(|it| given == it.name) else {
        return Err(Failure::Usage(format!("there is no command {given:?}")));
    };
    if wants_help {
        println!("{}\n\n{}", command.about, command.help);
        return Ok(());
    }
    (command.run)(Parser::from_args(arguments))
}

/// For commands without arguments.
fn expect_no_arguments(mut arguments: Parser) -> Result<(), Failure> {
    match arguments.next()? {
        Some(argument) => Err(argument.unexpected().into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Result<(), Failure> {
        dispatch(line.split_whitespace().map(Into::into).collect())
    }

    #[test]
    fn every_command_explains_itself() {
        let of_commands = COMMANDS.iter().map(|command| command.name);
        for name in of_commands.chain([""]) {
            for line in ["--help", "-h", "help"].map(|help| format!("{name} {help}")) {
                assert_eq!(run(&line), Ok(()), "{line}");
            }
        }
        for line in ["", "help ci", "help --help"] {
            assert_eq!(run(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn an_unknown_argument_is_a_usage_error() {
        for line in [
            "cli",
            "--version",
            "help nothing",
            "tidy --fix",
            "vendored now",
            "api --fast",
            "ci --fast",
            "ci --only",
            "ci --only nothing",
            "ci --only fmt --from doc",
            "ci --list surplus",
            "bench --fast",
            "bench --rounds",
            "bench --rounds many",
            "parity --seed",
            "parity --seed x",
            "parity --cases -1",
            "parity --page",
            "parity 2000",
            "recipes tonic",
            "clients --only",
            "clients --only curl",
        ] {
            let result = run(line);
            let is_usage = matches!(result, Err(Failure::Usage(_)));
            assert!(is_usage, "{line}: {result:?}");
        }
    }
}
