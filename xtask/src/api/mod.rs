//! `cargo xtask api`: lists the public items of every published library in `docs/api.md`.
//!
//! It reads the sources and not rustdoc's JSON. The JSON needs an unstable option, and its format
//! changes every few releases of Rust, so the check would run with one toolchain only. Sources say
//! enough here: `unreachable_pub` keeps private items from being `pub`, and a macro that makes public
//! items is an error.

mod library;
mod signature;
mod surface;

use std::path::Path;

use lexopt::{Arg::Long, Parser};

use crate::workspace::Workspace;
use crate::{Command, Failure};
use library::Library;

pub(crate) const COMMAND: Command = Command {
    name: "api",
    about: "Lists the public items of every library in docs/api.md",
    usage: "[--check]",
    help: "  --check  writes nothing and fails when the page is out of date

Reads the sources and compiles nothing.",
    run,
};

const PAGE: &str = "docs/api.md";

const INTRODUCTION: &str = "# Public API

The public items of every library, one line each, so that a change of the public API shows in a
review. `cargo xtask api` writes this page and `cargo xtask ci` checks it. Paths are relative to the
crate. Types are as written in the source.
";

fn run(mut arguments: Parser) -> Result<(), Failure> {
    let mut check_only = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("check") => check_only = true,
            _ => return Err(argument.unexpected().into()),
        }
    }
    let workspace = Workspace::enter()?;
    if check_only {
        return Ok(check(&workspace)?);
    }
    let page = page(&workspace)?;
    Ok(std::fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))?)
}

pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let old = std::fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let new = page(workspace)?;
    if old == new {
        return Ok(());
    }
    for (mark, text, other) in [("-", &old, &new), ("+", &new, &old)] {
        let other: Vec<&str> = other.lines().collect();
        for line in text.lines().filter(|line| !other.contains(line)) {
            println!("    {mark} {line}");
        }
    }
    Err(format!(
        "{PAGE} is out of date: run `cargo xtask api` and review the difference"
    ))
}

fn page(workspace: &Workspace) -> Result<String, String> {
    let mut page = INTRODUCTION.to_owned();
    for package in workspace.libraries() {
        let root = workspace.file(package, "src/lib.rs");
        let lines = surface::public_lines(&Library::read(Path::new(&root))?);
        page += &format!(
            "\n## {}\n\n```text\n{}\n```\n",
            package.name,
            lines.join("\n")
        );
    }
    Ok(page)
}
