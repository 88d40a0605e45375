//! `cargo xtask api`: lists the public items of every published library in `docs/api.md`.
//!
//! It reads the sources and not rustdoc's JSON. The JSON needs an unstable option, and its format
//! changes every few releases of Rust, so the check would run with one toolchain only. Sources say
//! enough here: `unreachable_pub` keeps private items from being `pub`, so whatever is `pub` is public.

mod library;

use std::collections::BTreeSet;
use std::path::Path;

use crate::workspace::Workspace;

const PAGE: &str = "docs/api.md";

const INTRODUCTION: &str = "# Public API

The public items of every library, so that a change of the public API shows in a review.
`cargo xtask api` writes this page and `cargo xtask ci` checks it. Items are as written in the source,
sorted by name, without documentation. `{}` stands for a body and `_private` for private fields. The
items of a private module stand where the module would; `pub use` says under which path a user finds
them.
";

pub(crate) fn write(workspace: &Workspace) -> Result<(), String> {
    let page = page(workspace)?;
    std::fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))
}

pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let old = std::fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let new = page(workspace)?;
    if old == new {
        return Ok(());
    }
    for (mark, text, other) in [("-", &old, &new), ("+", &new, &old)] {
        let other: BTreeSet<&str> = other.lines().collect();
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
        let root = Path::new(&root);
        let items = library::public_items(root)?;
        page += &format!("\n## {}\n\n```text\n{items}```\n", package.name);
    }
    Ok(page)
}
