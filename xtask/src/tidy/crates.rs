//! The rule for the files of each crate.

use super::Project;

/// Lines of every manifest. These tables have no spaces, as sources differ in them.
const MANIFEST: &[&str] = &["rust-version.workspace=true", "[lints]\nworkspace=true"];

/// Beginnings of lines in the manifest of a library. `cargo package` and cargo-deny check that the
/// README exists and that there is a licence.
const LIBRARY: &[&str] = &[
    "description=\"",
    "readme=\"",
    "keywords=[\"",
    "categories=[\"",
    "[package.metadata.docs.rs]",
];

/// The lints that the header of a library raises. Most do not belong in the workspace's table, where
/// they would also apply to tests and examples.
const HEADER: &[&str] = &[
    "#![forbid(unsafe_code)]",
    "#![deny(missing_docs)]",
    "#![deny(\nclippy::unwrap_used,\nclippy::expect_used,\nclippy::indexing_slicing,\n\
     clippy::panic,\nclippy::print_stdout",
];

pub(super) fn crates(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    let licence = project.tree.text("LICENSE");
    for package in project.workspace.packages() {
        let is_library = package.publish.is_none();
        let mut wanted = vec![("Cargo.toml", MANIFEST)];
        if is_library {
            wanted.extend([("Cargo.toml", LIBRARY), ("src/lib.rs", HEADER)]);
        }
        for (file, lines) in wanted {
            let path = project.workspace.file(package, file);
            let text = project.tree.text(&path).unwrap_or_default();
            // The lints of a file stand before its items, and not in a comment.
            let items = ["\n/*", "\nmod ", "\nuse ", "\npub "];
            let end = items.iter().filter_map(|it| text.find(it)).min();
            let text = text[..end.unwrap_or(text.len())].replace(' ', "");
            // Unit tests may do what their library must not.
            let text = text.replace("#![cfg_attr(\nnot(test),\ndeny(\n", "#![deny(\n");
            for line in lines {
                if !text.contains(&format!("\n{line}")) {
                    let wrong = format!("lacks `{}`", line.replace('\n', " "));
                    findings.push(format!("{path}: {wrong}: write it as in the other crates"));
                }
            }
        }
        if package.keywords.len() > 5 {
            let path = project.workspace.file(package, "Cargo.toml");
            let remedy = "keep five, as crates.io refuses more";
            findings.push(format!("{path}: has too many keywords: {remedy}"));
        }
        let path = project.workspace.file(package, "LICENSE");
        if is_library && (licence.is_none() || project.tree.text(&path) != licence) {
            let wrong = "is not the licence of the project";
            let remedy = "make it a link: `ln -s ../../LICENSE`";
            findings.push(format!("{path}: {wrong}: {remedy}"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::assert_finds;
    use super::*;
    use crate::workspace::testing::package;

    #[test]
    #[rustfmt::skip]
    fn a_crate_has_its_manifest_its_licence_and_its_lints() {
        let manifest = "[package]\nrust-version.workspace = true\ndescription = \"A\"\nreadme = \"R\"
keywords = [\"a\"]\ncategories = [\"a\"]\n[package.metadata.docs.rs]\n[lints]\nworkspace = true\n";
        let header = "//! A.\n#![forbid(unsafe_code)]\n#![deny(missing_docs)]\n#![deny(
            clippy::unwrap_used,\n clippy::expect_used,\n clippy::indexing_slicing,
            clippy::panic,\n clippy::print_stdout,\n clippy::exhaustive_enums\n)]";
        let check = |changes, from: &str, to: &str, expected: &str| {
            let own = "MIT".replace(from, to);
            let (manifest, header) = (manifest.replace(from, to), header.replace(from, to));
            let licences = [("LICENSE", "MIT"), ("crates/a/LICENSE", &own)];
            let files = [("crates/a/Cargo.toml", &*manifest), ("crates/a/src/lib.rs", &header)];
            let files = [licences, files].concat();
            assert_finds(crates, &[package("a", changes)], &files, expected);
        };
        for line in ["rust-version", "[lints]"] {
            let expected = format!("crates/a/Cargo.toml: lacks `{line}");
            check(json!({}), line, "#", &expected);
            check(json!({"publish": []}), line, "#", &expected);
        }
        let lints = "src/lib.rs: lacks `#![deny( clippy::";
        for (from, to, expected) in [
            ("description", "#", "Cargo.toml: lacks `description"),
            ("readme", "#", "Cargo.toml: lacks `readme"),
            ("keywords", "#", "Cargo.toml: lacks `keywords"),
            ("categories", "#", "Cargo.toml: lacks `categories"),
            ("[package.metadata", "#", "Cargo.toml: lacks `[package.metadata"),
            ("MIT", "Apache", "LICENSE: is not the licence"),
            ("forbid", "deny", "src/lib.rs: lacks `#![forbid(unsafe_code)]"),
            ("deny(missing", "warn(missing", "src/lib.rs: lacks `#![deny(missing_docs)]"),
            ("deny(\n", "warn(\n", lints),
            ("deny(\n", "cfg_attr(\n    unix,\n    deny(\n", lints),
            ("#![deny(\n", "/*\n#![deny(\n", lints),
            ("#![deny(\n", "mod m {\n    #![deny(\n", lints),
            ("clippy::unwrap_used", "", lints),
            ("clippy::expect_used", "", lints),
            ("clippy::indexing_slicing", "", lints),
            ("clippy::panic", "", lints),
            ("clippy::print_stdout", "", lints),
        ] {
            check(json!({}), from, to, &format!("crates/a/{expected}"));
            check(json!({"publish": []}), from, to, "");
        }
        let files = [("crates/a/Cargo.toml", manifest), ("crates/a/src/lib.rs", header)];
        let expected = "crates/a/LICENSE: is not the licence";
        assert_finds(crates, &[package("a", json!({}))], &files, expected);
        let keywords = |count: usize| json!({ "keywords": vec!["a"; count] });
        check(keywords(5), "deny(\n", "cfg_attr(\n    not(test),\n    deny(\n", "");
        check(keywords(6), "", "", "crates/a/Cargo.toml: has too many keywords");
    }
}
