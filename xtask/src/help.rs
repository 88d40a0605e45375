//! `cargo xtask help`: the list of commands, or one of them in full.

use crate::{COMMANDS, Command, Failure, find, unknown_argument};

pub(crate) const COMMAND: Command = Command {
    name: "help",
    about: "Lists the commands, or explains one of them",
    usage: "[COMMAND]",
    help: "Without a command: the list of all. With one: the same as `cargo xtask COMMAND --help`.",
    run,
};

fn run(arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => overview(),
        [name] => details(find(name)?),
        [_, surplus, ..] => Err(unknown_argument("help", surplus)),
    }
}

pub(crate) fn overview() -> Result<(), Failure> {
    println!("The project's own commands.\n\nUsage: cargo xtask COMMAND [OPTIONS]\n");
    for command in COMMANDS {
        println!("  {:<8} {}", command.name, command.about);
    }
    println!("\n`cargo xtask COMMAND --help` explains a command.");
    Ok(())
}

pub(crate) fn details(command: &Command) -> Result<(), Failure> {
    println!("{}\n", command.about);
    println!("Usage: cargo xtask {} {}", command.name, command.usage);
    println!("\n{}", command.help);
    Ok(())
}
