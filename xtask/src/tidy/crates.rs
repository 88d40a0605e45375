//! What every library crate brings with it. What serves the project alone is no library.

use super::{Finding, Project};
use crate::workspace::Package;

/// Never published.
const OWN: &[&str] = &["xtask", "a0-parity"];

const MAX_KEYWORDS: usize = 5;

pub(super) fn manifest(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &project.workspace.packages {
        let path = package.file("Cargo.toml");
        let takes_lints = project.tree.text(&path).is_some_and(inherits_lints);
        let for_all = [
            (
                package.license.is_some(),
                "license",
                "license.workspace = true",
            ),
            (
                package.rust_version.is_some(),
                "rust-version",
                "rust-version.workspace = true",
            ),
            (
                takes_lints,
                "the lints of the workspace",
                "[lints] workspace = true",
            ),
        ];
        let for_libraries = [
            (
                package.description.is_some(),
                "description",
                "description = \"...\"",
            ),
            (package.readme.is_some(), "readme", "readme = \"README.md\""),
            (
                (1..=MAX_KEYWORDS).contains(&package.keywords.len()),
                "one to five keywords",
                "keywords = [\"auth0\", ...]",
            ),
            (
                !package.categories.is_empty(),
                "categories",
                "categories = [\"authentication\", ...]",
            ),
            (
                package.has_docs_rs_metadata,
                "settings for docs.rs",
                "[package.metadata.docs.rs]",
            ),
        ];
        let for_libraries = for_libraries
            .into_iter()
            .filter(|_| !OWN.contains(&package.name.as_str()));
        for (present, what, line) in for_all.into_iter().chain(for_libraries) {
            if !present {
                findings.push(Finding::new(
                    &path,
                    format!("has not {what}"),
                    format!("write `{line}`"),
                ));
            }
        }
    }
    findings
}

pub(super) fn files(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    let license = project.tree.text("LICENSE");
    if license.is_none() {
        findings.push(Finding::new("LICENSE", "is missing", "restore the licence"));
    }
    for package in libraries(project) {
        let readme = package.file("README.md");
        if project.tree.text(&readme).is_none() {
            findings.push(Finding::new(
                &readme,
                "is missing",
                "say what the crate is for, how to use it and what is never in it",
            ));
        }
        let own_license = package.file("LICENSE");
        if project.tree.text(&own_license) != license {
            findings.push(Finding::new(
                &own_license,
                "is not the licence of the project",
                format!("make it a link: `ln -s ../../LICENSE {own_license}`"),
            ));
        }
    }
    findings
}

pub(super) fn libraries<'a>(project: &'a Project) -> impl Iterator<Item = &'a Package> {
    let packages = project.workspace.packages.iter();
    packages.filter(|package| !OWN.contains(&package.name.as_str()))
}

/// `[lints]` is not in the metadata, so the text has to do.
fn inherits_lints(manifest: &str) -> bool {
    let mut section = "";
    for line in manifest.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.starts_with('[') {
            section = line;
        }
        let squeezed: String = line.split_whitespace().collect();
        if section == "[lints]" && squeezed == "workspace=true" {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over, package};
    use super::*;

    fn found(rule: fn(&Project) -> Vec<Finding>, files: &[(&str, &str)], expected: &[&str]) {
        assert_found(
            &over(rule, vec![package("a"), package("xtask")], files),
            expected,
        );
    }

    #[test]
    fn a_whole_manifest_is_wanted() {
        let lints = "[lints] # All.\nworkspace = true\n";
        let files = [("crates/a/Cargo.toml", lints)];
        assert_found(&over(manifest, vec![package("a")], &files), &[]);

        let six = vec!["k".to_owned(); MAX_KEYWORDS + 1];
        for (change, what) in [
            (
                Package {
                    description: None,
                    ..package("a")
                },
                "description",
            ),
            (
                Package {
                    license: None,
                    ..package("a")
                },
                "license",
            ),
            (
                Package {
                    readme: None,
                    ..package("a")
                },
                "readme",
            ),
            (
                Package {
                    rust_version: None,
                    ..package("a")
                },
                "rust-version",
            ),
            (
                Package {
                    keywords: vec![],
                    ..package("a")
                },
                "one to five keywords",
            ),
            (
                Package {
                    keywords: six,
                    ..package("a")
                },
                "one to five keywords",
            ),
            (
                Package {
                    categories: vec![],
                    ..package("a")
                },
                "categories",
            ),
            (
                Package {
                    has_docs_rs_metadata: false,
                    ..package("a")
                },
                "settings for docs.rs",
            ),
        ] {
            let expected = format!("crates/a/Cargo.toml: has not {what}: write");
            assert_found(&over(manifest, vec![change], &files), &[&expected]);
        }

        let without = [(
            "crates/a/Cargo.toml",
            "[package]\nworkspace = true\n[lints]\n",
        )];
        let expected = "crates/a/Cargo.toml: has not the lints of the workspace";
        assert_found(&over(manifest, vec![package("a")], &without), &[expected]);
    }

    #[test]
    fn the_own_commands_need_no_description() {
        let own = Package {
            description: None,
            keywords: vec![],
            ..package("xtask")
        };
        let files = [("crates/xtask/Cargo.toml", "[lints]\nworkspace = true\n")];
        assert_found(&over(manifest, vec![own], &files), &[]);
    }

    #[test]
    fn every_library_has_a_readme_and_the_same_licence() {
        let readme = ("crates/a/README.md", "# a\n");
        found(
            files,
            &[("LICENSE", "MIT"), ("crates/a/LICENSE", "MIT"), readme],
            &[],
        );
        found(
            files,
            &[("LICENSE", "MIT"), ("crates/a/LICENSE", "Apache")],
            &[
                "crates/a/README.md: is missing",
                "crates/a/LICENSE: is not the licence",
            ],
        );
        found(files, &[readme], &["LICENSE: is missing"]);
        found(
            files,
            &[readme, ("LICENSE", "MIT")],
            &["crates/a/LICENSE: "],
        );
    }
}
