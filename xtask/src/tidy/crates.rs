//! The rules for the manifest and the files of each crate.

use super::Project;

/// Lines of every manifest.
const MANIFEST: &[&str] = &["rust-version.workspace = true", "[lints]\nworkspace = true"];

/// Beginnings of lines in the manifest of a library. `cargo package` and cargo-deny check that the
/// README exists and that there is a licence.
const LIBRARY: &[&str] = &[
    "description = ",
    "readme = ",
    "keywords = [\"",
    "categories = [\"",
    "[package.metadata.docs.rs]",
];

/// The lints that the header of each library raises, in this order. Most do not belong in the
/// workspace's table, where they would also apply to tests and examples.
const HEADER: &[&str] = &[
    "#![forbid(unsafe_code)]",
    "#![deny(missing_docs)]",
    "#![deny(clippy::unwrap_used,clippy::expect_used,clippy::indexing_slicing,clippy::panic,\
     clippy::print_stdout",
];

pub(super) fn manifests(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    let licence = project.tree.text("LICENSE");
    for package in project.workspace.packages() {
        let path = project.workspace.file(package, "Cargo.toml");
        let text = project.tree.text(&path).unwrap_or_default();
        let is_library = package.publish.is_none();
        let of_library = LIBRARY.iter().filter(|_| is_library);
        for line in MANIFEST.iter().chain(of_library) {
            if !text.contains(&format!("\n{line}")) {
                findings.push(format!("{path}: no line begins with {line:?}: add it"));
            }
        }
        if package.keywords.len() > 5 {
            let remedy = "keep five, as crates.io refuses more";
            findings.push(format!("{path}: has too many keywords: {remedy}"));
        }
        let file = project.workspace.file(package, "LICENSE");
        if is_library && (licence.is_none() || project.tree.text(&file) != licence) {
            let remedy = "make it a link: `ln -s ../../LICENSE`";
            findings.push(format!(
                "{file}: is not the licence of the project: {remedy}"
            ));
        }
    }
    findings
}

/// A header may raise lints for all builds but those of its unit tests.
pub(super) fn lints(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for package in project.workspace.libraries() {
        let path = project.workspace.file(package, "src/lib.rs");
        let source = project.tree.text(&path).unwrap_or_default();
        let source = source.replace([' ', '\n'], "");
        let source = source.replace("#![cfg_attr(not(test),deny(", "#![deny(");
        let lacking = HEADER.iter().filter(|lints| !source.contains(*lints));
        findings.extend(
            lacking.map(|lints| format!("{path}: the header lacks `{lints}`: write it so")),
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{assert_finds, at};
    use super::*;
    use crate::workspace::testing::package;

    #[test]
    #[rustfmt::skip]
    fn a_manifest_is_complete_and_a_library_has_the_licence() {
        let lines = [MANIFEST, LIBRARY].concat();
        let whole = format!("[package]\n{}\n", lines.join("\n"));
        let check = |change, manifest: &str, own: &str, expected: &str| {
            let files = [("LICENSE", "MIT"), ("crates/a/LICENSE", own), ("crates/a/Cargo.toml", manifest)];
            assert_finds(manifests, &[package("a", change)], &files, expected);
        };
        for line in lines {
            let lacking = whole.replace(&format!("\n{line}"), "\n#");
            let expected = format!("crates/a/Cargo.toml: no line begins with {line:?}");
            check(json!({}), &lacking, "MIT", &expected);
            let of_a_tool = if MANIFEST.contains(&line) { &expected } else { "" };
            check(json!({"publish": []}), &lacking, "", of_a_tool);
        }
        for (change, own, expected) in [
            (json!({}), "MIT", ""),
            (json!({}), "Apache", "crates/a/LICENSE: is not the licence"),
            (json!({"keywords": ["a", "b", "c", "d", "e"]}), "MIT", ""),
            (json!({"keywords": ["a", "b", "c", "d", "e", "f"]}), "MIT", "crates/a/Cargo.toml: has too many"),
        ] {
            check(change, &whole, own, expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn every_library_denies_what_it_must_not_do() {
        let header = "//! A.\n#![forbid(unsafe_code)]\n#![deny(missing_docs)]\n#![deny(
            clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing,
            clippy::panic, clippy::print_stdout, clippy::exhaustive_enums\n)]";
        let packages = [package("a", json!({})), package("tool", json!({"publish": []}))];
        for (line, other, expected) in [
            ("", "", ""),
            ("deny(\n", "cfg_attr(not(test), deny(\n", ""),
            ("deny(\n", "cfg_attr(unix, deny(\n", "the header lacks `#![deny(clippy"),
            ("deny(\n", "warn(\n", "the header lacks `#![deny(clippy"),
            ("clippy::unwrap_used,", "", "the header lacks `#![deny(clippy"),
            ("clippy::expect_used,", "", "the header lacks `#![deny(clippy"),
            ("clippy::indexing_slicing,", "", "the header lacks `#![deny(clippy"),
            ("clippy::panic,", "", "the header lacks `#![deny(clippy"),
            ("clippy::print_stdout,", "", "the header lacks `#![deny(clippy"),
            ("deny(missing", "warn(missing", "the header lacks `#![deny(missing_docs)]"),
            ("forbid", "deny", "the header lacks `#![forbid(unsafe_code)]"),
        ] {
            let path = "crates/a/src/lib.rs";
            let files = [(path, &*header.replace(line, other))];
            assert_finds(lints, &packages, &files, &at(path, expected));
        }
    }
}
