//! What stands in the source of every library crate.

use std::collections::BTreeSet;

use super::crates::libraries;
use super::source::attributes;
use super::{Finding, Project};
use crate::workspace::Package;

/// In the header of each library and not in the workspace, where they would hit tests and
/// examples.
const DENIED: &[&str] = &[
    "unsafe_code",
    "missing_docs",
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::indexing_slicing",
    "clippy::panic",
    "clippy::todo",
    "clippy::dbg_macro",
    "clippy::print_stdout",
];

pub(super) fn lints(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in libraries(project) {
        let path = package.file("src/lib.rs");
        let source = project.tree.text(&path).unwrap_or_default();
        let header: Vec<String> = attributes(source)
            .into_iter()
            .map(|attribute| attribute.text)
            .collect();
        let forbidden = raised(&header, &["forbid"]);
        let denied = raised(&header, &["forbid", "deny"]);
        if !forbidden.contains("unsafe_code") {
            findings.push(Finding::new(
                &path,
                "the header does not forbid unsafe code",
                "write `#![forbid(unsafe_code)]`",
            ));
        }
        let missing: Vec<&str> = DENIED
            .iter()
            .copied()
            .filter(|lint| *lint != "unsafe_code" && !denied.contains(*lint))
            .collect();
        if !missing.is_empty() {
            findings.push(Finding::new(
                &path,
                format!("the header does not deny {}", missing.join(", ")),
                "write `#![deny(...)]`, or `#![cfg_attr(not(test), deny(...))]` for what unit tests may do",
            ));
        }
    }
    findings
}

pub(super) fn readme_tests(project: &Project) -> Vec<Finding> {
    libraries(project)
        .filter(|package| !includes(project, package, "../README.md"))
        .map(|package| {
            Finding::new(
                &package.file("src/lib.rs"),
                "the README of the crate is not among the doc tests",
                "write `#[cfg(doctest)] #[doc = include_str!(\"../README.md\")] struct ReadmeTests;`",
            )
        })
        .collect()
}

pub(super) fn root_readme_tests(project: &Project) -> Vec<Finding> {
    if project.tree.text("README.md").is_none() {
        let remedy = "say what the project is for, with a first example";
        return vec![Finding::new("README.md", "is missing", remedy)];
    }
    let included =
        libraries(project).any(|package| includes(project, package, "../../../README.md"));
    match included {
        true => Vec::new(),
        false => vec![Finding::new(
            "README.md",
            "is not among the doc tests of any crate",
            "include `../../../README.md` in one, as its own README is",
        )],
    }
}

/// Code in a guide that nobody compiles is wrong some day.
pub(super) fn guide_tests(project: &Project) -> Vec<Finding> {
    let guides = project.tree.texts(".md").filter(|(path, text)| {
        path.starts_with("docs/") && text.lines().any(|line| line.starts_with("```rust"))
    });
    let not_included = guides.filter(|(path, _)| {
        let include = format!("../../../{path}");
        !libraries(project).any(|package| includes(project, package, &include))
    });
    not_included
        .map(|(path, _)| {
            Finding::new(
                path,
                "has code and is not among the doc tests of any crate",
                format!("include `../../../{path}` in one, as the other guides are"),
            )
        })
        .collect()
}

/// Whether the crate has this text among its doc tests, and only there.
fn includes(project: &Project, package: &Package, text: &str) -> bool {
    let sources = package.file("src/");
    let include = format!("include_str!(\"{text}\")");
    project
        .tree
        .texts(".rs")
        .filter(|(path, _)| path.starts_with(&sources))
        .map(|(_, source)| source.split_whitespace().collect::<String>())
        .any(|source| {
            let conditions = ["cfg(doctest)", "cfg(all(doctest,", "cfg_attr(doctest,"];
            source.contains(&include) && conditions.iter().any(|it| source.contains(it))
        })
}

/// The lints that inner attributes raise to one of the levels, at least outside unit tests.
fn raised(header: &[String], levels: &[&str]) -> BTreeSet<String> {
    let mut lints = BTreeSet::new();
    for attribute in header {
        let Some(attribute) = attribute.strip_prefix("#![") else {
            continue;
        };
        if attribute.starts_with("cfg_attr(") && !attribute.starts_with("cfg_attr(not(test),") {
            continue;
        }
        // Every list is what stands between a level's bracket and the next closing one.
        for part in attribute.split(')') {
            let Some((before, list)) = part.rsplit_once('(') else {
                continue;
            };
            let level = before.trim_start_matches(',');
            if levels.contains(&level) {
                lints.extend(list.split(',').map(str::to_owned));
            }
        }
    }
    lints
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over, package};
    use super::*;

    const HEADER: &str = "#![forbid(unsafe_code)]\n#![deny(missing_docs)]\n\
        #![cfg_attr(\n    not(test),\n    deny(\n        clippy::unwrap_used, // Never.\n        \
        clippy::expect_used,\n        clippy::indexing_slicing,\n        clippy::panic,\n        \
        clippy::todo,\n        clippy::dbg_macro,\n        clippy::print_stdout\n    )\n)]\n";

    fn found(rule: fn(&Project) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
        assert_found(
            &over(rule, vec![package("a"), package("xtask")], files),
            expected,
        );
    }

    #[test]
    fn every_library_denies_what_it_must_not_do() {
        let path = "crates/a/src/lib.rs";
        found(lints, &[(path, HEADER)], &[]);
        found(
            lints,
            &[(path, &HEADER.replace("forbid", "deny"))],
            &["crates/a/src/lib.rs: the header does not forbid"],
        );
        for lint in DENIED.iter().filter(|lint| **lint != "unsafe_code") {
            let without = HEADER.replace(lint, "other");
            let expected = format!("{path}: the header does not deny {lint}: ");
            found(lints, &[(path, &without)], &[&expected]);
        }
        for softer in ["allow(", "warn("] {
            let text = HEADER.replace("deny(missing_docs", &format!("{softer}missing_docs"));
            found(
                lints,
                &[(path, &text)],
                &["crates/a/src/lib.rs: the header does not deny missing_docs"],
            );
        }
        let elsewhere = HEADER.replace("not(test)", "windows");
        found(
            lints,
            &[(path, &elsewhere)],
            &["crates/a/src/lib.rs: the header does not deny clippy::unwrap_used, "],
        );
        found(
            lints,
            &[],
            &["crates/a/src/lib.rs: ", "crates/a/src/lib.rs: "],
        );
    }

    #[test]
    fn readmes_are_doc_tests() {
        let own = "#[cfg(doctest)]\n#[doc = include_str!(\"../README.md\")]\nstruct ReadmeTests;\n";
        let root = "#[cfg(doctest)]\n#[doc = include_str!(\"../../../README.md\")]\nstruct Root;\n";
        let always = "#![doc = include_str!(\"../README.md\")]\n";
        let readme = ("README.md", "# Project\n");
        let lib = |text| ("crates/a/src/lib.rs", text);

        found(readme_tests, &[lib(own)], &[]);
        let with_feature = own.replace("(doctest)", "(all(doctest, feature = \"ureq\"))");
        found(readme_tests, &[lib(&with_feature)], &[]);
        for bad in [root, always, ""] {
            found(
                readme_tests,
                &[lib(bad)],
                &["crates/a/src/lib.rs: the README"],
            );
        }
        found(root_readme_tests, &[readme, lib(root)], &[]);
        found(
            root_readme_tests,
            &[readme, lib(own)],
            &["README.md: is not among"],
        );
        found(root_readme_tests, &[lib(root)], &["README.md: is missing"]);
        let guide = "#[cfg(doctest)]\n#[doc = include_str!(\"../../../docs/a.md\")]\nstruct A;\n";
        let code = ("docs/a.md", "# A\n\n```rust,no_run\nf()\n```\n");
        found(guide_tests, &[code, lib(guide)], &[]);
        found(guide_tests, &[code, lib(root)], &["docs/a.md: has code"]);
        let no_code = ("docs/a.md", "# A\n\n```sh\nf\n```\n");
        found(guide_tests, &[no_code, lib(root)], &[]);
    }
}
