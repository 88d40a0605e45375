//! The rules for the manifest and the files of each crate.

use syn::Meta;

use super::Project;

/// The lints that the header of each library raises. Most do not belong in the workspace's table,
/// where they would also apply to tests and examples.
const LINTS: &[&str] = &[
    "unsafe_code",
    "missing_docs",
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::indexing_slicing",
    "clippy::panic",
    "clippy::print_stdout",
];

/// `cargo package` and cargo-deny check that the README exists and that there is a licence.
pub(super) fn manifests(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for package in project.workspace.packages() {
        let path = project.workspace.file(package, "Cargo.toml");
        // The metadata does not say whether a package inherits the lints of the workspace.
        let text = project.tree.text(&path).unwrap_or_default();
        let is_tool = package.publish.is_some();
        let wanted = [
            (
                text.contains("\n[lints]\nworkspace = true\n"),
                "[lints] workspace = true",
            ),
            (
                package.rust_version.is_some(),
                "rust-version.workspace = true",
            ),
            (
                is_tool || package.description.is_some(),
                "description = \"...\"",
            ),
            (
                is_tool || package.readme.is_some(),
                "readme = \"README.md\"",
            ),
            (
                is_tool || (1..=5).contains(&package.keywords.len()),
                "keywords = [\"...\"]",
            ),
            (
                is_tool || !package.categories.is_empty(),
                "categories = [\"...\"]",
            ),
            (
                is_tool || package.metadata.pointer("/docs/rs").is_some(),
                "[package.metadata.docs.rs]",
            ),
        ];
        let lacking = wanted.iter().filter(|(is_there, _)| !is_there);
        findings.extend(lacking.map(|(_, line)| format!("{path}: is incomplete: add `{line}`")));
    }
    findings
}

pub(super) fn licences(project: &Project) -> Vec<String> {
    let licence = project.tree.text("LICENSE");
    let libraries = project.workspace.libraries();
    let files = libraries.map(|package| project.workspace.file(package, "LICENSE"));
    let other = files.filter(|file| licence.is_none() || project.tree.text(file) != licence);
    let remedy = "make it a link: `ln -s ../../LICENSE`";
    other
        .map(|file| format!("{file}: is not the licence of the project: {remedy}"))
        .collect()
}

pub(super) fn lints(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for package in project.workspace.libraries() {
        let path = project.workspace.file(package, "src/lib.rs");
        let source = syn::parse_file(project.tree.text(&path).unwrap_or_default());
        let mut raised = String::new();
        for attribute in source.map_or(Vec::new(), |file| file.attrs) {
            let Meta::List(list) = attribute.meta else {
                continue;
            };
            let lints = list.tokens.to_string().replace([' ', '\n'], "");
            if list.path.is_ident("deny") || list.path.is_ident("forbid") {
                raised += &format!("{lints},");
            } else if let Some(lints) = lints.strip_prefix("not(test),deny(") {
                raised += &lints.replace(')', ",");
            }
        }
        let raised: Vec<&str> = raised.split(',').collect();
        for lint in LINTS.iter().filter(|lint| !raised.contains(lint)) {
            findings.push(format!(
                "{path}: the header lacks `#![deny({lint})]`: write it"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{assert_finds, package};
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn a_manifest_is_complete() {
        let good = "[package]\n\n[lints]\nworkspace = true\n";
        for (change, text, lacks) in [
            (json!({}), good, ""),
            (json!({"description": null, "keywords": [], "publish": []}), good, ""),
            (json!({"description": null}), good, "description"),
            (json!({"readme": null}), good, "readme"),
            (json!({"rust_version": null, "publish": []}), good, "rust-version"),
            (json!({"keywords": []}), good, "keywords"),
            (json!({"keywords": ["a", "b", "c", "d", "e", "f"]}), good, "keywords"),
            (json!({"categories": []}), good, "categories"),
            (json!({"metadata": null}), good, "[package.metadata.docs.rs]"),
            (json!({}), "[package]\nworkspace = true\n[lints]\n", "[lints]"),
        ] {
            let expected = format!("crates/a/Cargo.toml: is incomplete: add `{lacks}");
            let expected = if lacks.is_empty() { "" } else { &expected };
            assert_finds(manifests, &[package("a", change)], &[("crates/a/Cargo.toml", text)], expected);
        }
    }

    #[test]
    fn every_library_has_the_same_licence() {
        let packages = [
            package("a", json!({})),
            package("tool", json!({ "publish": [] })),
        ];
        let other = "crates/a/LICENSE: is not the licence";
        for (own, expected) in [("MIT", ""), ("Apache", other)] {
            let files = [("LICENSE", "MIT"), ("crates/a/LICENSE", own)];
            assert_finds(licences, &packages, &files, expected);
        }
        assert_finds(licences, &packages, &[("LICENSE", "MIT")], other);
        assert_finds(licences, &packages, &[], other);
    }

    #[test]
    fn every_library_denies_what_it_must_not_do() {
        let header = format!(
            "//! A.\n#![forbid(unsafe_code)]\n#![deny({})]\n",
            LINTS[1..].join(", ")
        );
        let path = "crates/a/src/lib.rs";
        let start = format!("{path}: the header lacks `#![deny(");
        let packages = [
            package("a", json!({})),
            package("tool", json!({ "publish": [] })),
        ];
        let outside_tests = header.replace("#![deny(", "#![cfg_attr(not(test), deny(");
        let outside_tests = outside_tests.replace("out)]", "out))]");
        assert_finds(lints, &packages, &[(path, &header)], "");
        assert_finds(lints, &packages, &[(path, &outside_tests)], "");
        for lint in LINTS {
            let lacking = header.replace(lint, "x");
            assert_finds(
                lints,
                &packages,
                &[(path, &lacking)],
                &format!("{start}{lint})"),
            );
        }
        let weak = header.replace("deny", "warn");
        let expected: Vec<String> = LINTS[1..]
            .iter()
            .map(|lint| format!("{start}{lint})"))
            .collect();
        assert_finds(lints, &packages, &[(path, &weak)], &expected.join("\n"));
    }
}
