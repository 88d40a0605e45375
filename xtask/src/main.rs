//! The project's own commands: `cargo xtask` lists them.
//!
//! One file or folder per command, each with a `COMMAND` that stands in [`COMMANDS`].

#![forbid(unsafe_code)]

mod bench;
mod ci;
mod help;
mod instructions;
mod parity;
mod tidy;
mod workspace;

use std::process::ExitCode;

const COMMANDS: &[Command] = &[
    ci::COMMAND,
    tidy::COMMAND,
    parity::COMMAND,
    bench::COMMAND,
    help::COMMAND,
];

pub(crate) struct Command {
    name: &'static str,
    /// One line for the list of commands.
    about: &'static str,
    /// What `--help` prints below the usage line.
    help: &'static str,
    /// The arguments as the usage line shows them.
    usage: &'static str,
    run: fn(&[String]) -> Result<(), Failure>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// The command line cannot be followed: exit code 2.
    Usage(String),
    /// The work was tried and did not succeed: exit code 1.
    Failed(String),
    /// As `Failed`, but the command itself has said so, because something had to follow.
    Told,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|argument| argument.to_string_lossy().into_owned())
        .collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Told) => ExitCode::FAILURE,
    }
}

fn dispatch(arguments: &[String]) -> Result<(), Failure> {
    let Some((first, rest)) = arguments.split_first() else {
        return help::overview();
    };
    if is_help(first) {
        return help::overview();
    }
    let command = find(first)?;
    if rest.iter().any(|argument| is_help(argument)) {
        return help::details(command);
    }
    (command.run)(rest)
}

pub(crate) fn find(name: &str) -> Result<&'static Command, Failure> {
    COMMANDS
        .iter()
        .find(|command| command.name == name)
        .ok_or_else(|| {
            let known: Vec<&str> = COMMANDS.iter().map(|command| command.name).collect();
            Failure::Usage(format!(
                "there is no command `{name}`: use one of {}, or `cargo xtask help`",
                known.join(", ")
            ))
        })
}

/// For commands that take no arguments at all.
pub(crate) fn expect_no_arguments(command: &str, arguments: &[String]) -> Result<(), Failure> {
    match arguments.first() {
        None => Ok(()),
        Some(argument) => Err(unknown_argument(command, argument)),
    }
}

pub(crate) fn unknown_argument(command: &str, argument: &str) -> Failure {
    Failure::Usage(format!(
        "`cargo xtask {command}` does not know the argument `{argument}`: \
         see `cargo xtask {command} --help`"
    ))
}

fn is_help(argument: &str) -> bool {
    matches!(argument, "--help" | "-h")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<(), Failure> {
        let arguments: Vec<String> = arguments.iter().map(|text| text.to_string()).collect();
        dispatch(&arguments)
    }

    #[test]
    fn help_is_found_everywhere() {
        for arguments in [
            &[][..],
            &["--help"],
            &["-h"],
            &["help"],
            &["help", "ci"],
            &["ci", "--help"],
            &["tidy", "-h"],
            &["help", "--help"],
        ] {
            assert_eq!(run(arguments), Ok(()), "{arguments:?}");
        }
    }

    #[test]
    fn what_is_unknown_is_a_usage_error_that_says_what_to_do() {
        for arguments in [
            &["cli"][..],
            &["--version"],
            &["tidy", "--fix"],
            &["ci", "--fast"],
            &["ci", "--only"],
            &["bench", "--fast"],
            &["bench", "--rounds"],
            &["ci", "--only", "nothing"],
            &["ci", "--only", "fmt", "--from", "doc"],
            &["help", "nothing"],
            &["help", "ci", "tidy"],
        ] {
            let result = run(arguments);
            assert!(
                matches!(&result, Err(Failure::Usage(text)) if text.contains("`cargo xtask")),
                "{arguments:?}: {result:?}"
            );
        }
    }
}
