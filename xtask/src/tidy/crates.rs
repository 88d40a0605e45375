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

pub(super) fn manifests(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for package in project.workspace.packages() {
        let path = project.workspace.file(package, "Cargo.toml");
        let mut want = |present: bool, line: &str| {
            if !present {
                findings.push(format!("{path}: the manifest is incomplete: add `{line}`"));
            }
        };
        // The metadata does not say whether a package inherits the lints of the workspace.
        let text = project.tree.text(&path).unwrap_or_default();
        want(
            text.contains("\n[lints]\nworkspace = true\n"),
            "[lints] workspace = true",
        );
        want(package.license.is_some(), "license.workspace = true");
        want(
            package.rust_version.is_some(),
            "rust-version.workspace = true",
        );
        if package.publish.is_none() {
            let keywords = package.keywords.len();
            want(package.description.is_some(), "description = \"...\"");
            want(package.readme.is_some(), "readme = \"README.md\"");
            want(
                (1..=5).contains(&keywords),
                "keywords = [\"...\"]` with one to five of `...",
            );
            want(!package.categories.is_empty(), "categories = [\"...\"]");
            want(
                package.metadata.pointer("/docs/rs").is_some(),
                "[package.metadata.docs.rs]",
            );
        }
    }
    findings
}

pub(super) fn files(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    let license = project.tree.text("LICENSE");
    let mut readmes = vec!["README.md".to_owned()];
    for package in project.workspace.libraries() {
        readmes.push(project.workspace.file(package, "README.md"));
        let own = project.workspace.file(package, "LICENSE");
        if license.is_none() || project.tree.text(&own) != license {
            let remedy = format!("make it a link: `ln -s ../../LICENSE {own}`");
            findings.push(format!(
                "{own}: is not the licence of the project: {remedy}"
            ));
        }
    }
    readmes.retain(|path| project.tree.text(path).is_none());
    let remedy = "say what the crate does, how to use it, and what does not belong in it";
    findings.extend(
        readmes
            .iter()
            .map(|path| format!("{path}: is missing: {remedy}")),
    );
    findings
}

pub(super) fn lints(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for package in project.workspace.libraries() {
        let path = project.workspace.file(package, "src/lib.rs");
        let raised = raised_lints(project.tree.text(&path).unwrap_or_default());
        for lint in LINTS
            .iter()
            .filter(|lint| !raised.contains(&lint.to_string()))
        {
            let remedy = "write `#![deny(...)]`, or `#![cfg_attr(not(test), deny(...))]`";
            findings.push(format!("{path}: the header does not deny {lint}: {remedy}"));
        }
    }
    findings
}

/// The lints that the inner attributes deny or forbid, at least outside unit tests.
fn raised_lints(source: &str) -> Vec<String> {
    let mut raised = Vec::new();
    for attribute in syn::parse_file(source).map_or(Vec::new(), |file| file.attrs) {
        let Meta::List(list) = attribute.meta else {
            continue;
        };
        let tokens: String = list.tokens.to_string().split_whitespace().collect();
        let lints = match list.path.get_ident().map(ToString::to_string).as_deref() {
            Some("deny" | "forbid") => tokens.as_str(),
            Some("cfg_attr") => tokens.strip_prefix("not(test),deny(").unwrap_or_default(),
            _ => "",
        };
        raised.extend(lints.trim_end_matches(')').split(',').map(str::to_owned));
    }
    raised
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
            (json!({"license": null, "publish": []}), good, "license"),
            (json!({"readme": null}), good, "readme"),
            (json!({"rust_version": null}), good, "rust-version"),
            (json!({"keywords": []}), good, "keywords"),
            (json!({"keywords": ["a", "b", "c", "d", "e", "f"]}), good, "keywords"),
            (json!({"categories": []}), good, "categories"),
            (json!({"metadata": null}), good, "[package.metadata.docs.rs]"),
            (json!({}), "[package]\nworkspace = true\n[lints]\n", "[lints]"),
        ] {
            let expected = format!("crates/a/Cargo.toml: the manifest is incomplete: add `{lacks}");
            let expected = if lacks.is_empty() { "" } else { &expected };
            assert_finds(manifests, &[package("a", change)], &[("crates/a/Cargo.toml", text)], expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn every_library_has_a_readme_and_the_same_licence() {
        let root = [("README.md", "# p\n"), ("LICENSE", "MIT")];
        let packages = [package("a", json!({})), package("tool", json!({ "publish": [] }))];
        let readme = ("crates/a/README.md", "# a\n");
        for (more, expected) in [
            (&[("crates/a/LICENSE", "MIT"), readme][..], ""),
            (&[("crates/a/LICENSE", "MIT")], "crates/a/README.md: is missing"),
            (&[("crates/a/LICENSE", "Apache"), readme], "crates/a/LICENSE: is not the licence"),
            (&[readme], "crates/a/LICENSE: is not the licence"),
        ] {
            assert_finds(files, &packages, &[&root[..], more].concat(), expected);
        }
        assert_finds(files, &[], &[], "README.md: is missing");
    }

    #[test]
    #[rustfmt::skip]
    fn every_library_denies_what_it_must_not_do() {
        let header = "//! A.\n#![forbid(unsafe_code)]\n#![deny(missing_docs)]\n\
            #![cfg_attr(\n  not(test),\n  deny(\n  clippy::unwrap_used, // Never.\n\
            clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout\n)\n)]\n\
            mod a {}\n";
        let mut rows = vec![
            (header.to_owned(), &LINTS[..0]),
            (header.replace("not(test)", "windows"), &LINTS[2..]),
            (header.replace("not(test),", "").replace("cfg_attr", "warn"), &LINTS[2..]),
            (header.replace("deny(missing", "warn(missing"), &LINTS[1..2]),
            (String::new(), LINTS),
        ];
        rows.extend(LINTS.iter().map(|lint| (header.replace(lint, "x"), std::slice::from_ref(lint))));
        for (source, lacks) in rows {
            let packages = [package("a", json!({})), package("tool", json!({ "publish": [] }))];
            let start = "crates/a/src/lib.rs: the header does not deny ";
            let expected: Vec<String> = lacks.iter().map(|it| format!("{start}{it}: ")).collect();
            assert_finds(lints, &packages, &[("crates/a/src/lib.rs", &source)], &expected.join("\n"));
        }
    }
}
