//! The project's own commands. `cargo xtask` lists them.

#![forbid(unsafe_code)]

mod api;
mod bench;
mod ci;
mod clients;
mod instructions;
mod parity;
mod process;
mod recipes;
mod tidy;
mod workspace;

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
    /// The arguments in the usage line.
    usage: &'static str,
    /// The text of `--help` below the usage line.
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
            eprintln!(
                "error: {message}\nsee `cargo xtask --help` and `cargo xtask COMMAND --help`"
            );
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Reported) => ExitCode::FAILURE,
    }
}

fn dispatch(mut arguments: Vec<std::ffi::OsString>) -> Result<(), Failure> {
    let count = arguments.len();
    arguments.retain(|it| it != "--help" && it != "-h");
    let mut wants_help = arguments.len() < count;
    if arguments.first().is_some_and(|it| it == "help") {
        arguments.remove(0);
        wants_help = true;
    }
    if arguments.is_empty() {
        return overview();
    }
    let command = find(&arguments.remove(0))?;
    if wants_help {
        return details(command);
    }
    (command.run)(Parser::from_args(arguments))
}

fn find(name: &std::ffi::OsStr) -> Result<&'static Command, Failure> {
    let found = COMMANDS.iter().find(|command| name == command.name);
    found.ok_or_else(|| Failure::Usage(format!("there is no command {name:?}")))
}

fn overview() -> Result<(), Failure> {
    println!("The project's own commands.\n\nUsage: cargo xtask COMMAND [OPTIONS]\n");
    for command in COMMANDS {
        println!("  {:<8} {}", command.name, command.about);
    }
    println!("\n`cargo xtask COMMAND --help` explains a command.");
    Ok(())
}

fn details(command: &Command) -> Result<(), Failure> {
    let Command {
        name,
        about,
        usage,
        help,
        ..
    } = command;
    println!("{about}\n\nUsage: cargo xtask {name} {usage}\n\n{help}");
    Ok(())
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
        for line in ["", "--help", "-h", "help", "help ci", "help --help"] {
            assert_eq!(run(line), Ok(()), "{line}");
        }
        for command in COMMANDS {
            for help in ["--help", "-h"] {
                let line = format!("{} {help}", command.name);
                assert_eq!(run(&line), Ok(()), "{line}");
            }
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
            assert!(
                matches!(result, Err(Failure::Usage(_))),
                "{line}: {result:?}"
            );
        }
    }
}
