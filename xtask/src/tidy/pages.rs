//! The rules for the pages whose rows name tests.

use std::collections::{BTreeMap, BTreeSet};

use super::Project;
use super::document::Document;

const CONFORMANCE: &str = "docs/conformance.md";
const PARITY: &str = "docs/parity.md";

/// The pages that name tests in their text.
const PROSE: &[&str] = &[
    "docs/architecture.md",
    "docs/decisions.md",
    "docs/threat-model.md",
];

/// The heading of the last column in the tables of the parity page that are checked.
const SHOWN_BY: &[&str] = &["test", "shown by"];

/// A test without a crate before its name belongs to this one.
const CRATE: &str = "auth0-api";

/// What a row may say in place of a test: the compiler or `cargo xtask parity` checks it.
const WITHOUT_A_TEST: &[&str] = &["by type", "the case of its row"];

/// Each test that is named after a standard has a row, and each row has its test.
pub(super) fn conformance(project: &Project) -> Vec<String> {
    let tests = tests(project);
    let page = project.documents.get(CONFORMANCE);
    let rows = page.map_or(Vec::new(), named).into_iter().rev();
    let rows: BTreeMap<String, usize> = rows.filter(|(test, _)| names_a_standard(test)).collect();
    let mut findings = Vec::new();
    for (test, (path, line)) in &tests {
        if names_a_standard(test) && !rows.contains_key(test) {
            let wrong = format!("`{test}` has no row in {CONFORMANCE}");
            findings.push(format!("{path}:{line}: {wrong}: add one"));
        }
    }
    for (test, line) in rows.iter().filter(|(test, _)| !tests.contains_key(*test)) {
        let remedy = "use the name that the test has now, or remove the row";
        findings.push(format!("{CONFORMANCE}:{line}: no test `{test}`: {remedy}"));
    }
    findings
}

/// Each row names existing tests, or links to a section. The rules on links check the links.
pub(super) fn parity(project: &Project) -> Vec<String> {
    let tests = tests(project);
    let mut findings = Vec::new();
    let cells = project.documents.get(PARITY).into_iter();
    let cells = cells.flat_map(|page| &page.last_cells);
    for (line, _, cell) in cells.filter(|(_, head, _)| SHOWN_BY.contains(&head.as_str())) {
        let document = Document::read(cell);
        let named = named(&document);
        for (test, _) in named.iter().filter(|(test, _)| !tests.contains_key(test)) {
            let remedy = "use the name that the test has now";
            findings.push(format!("{PARITY}:{line}: no test `{test}`: {remedy}"));
        }
        if named.len() + document.links.len() == 0 && !WITHOUT_A_TEST.contains(&cell.as_str()) {
            let remedy = "name a test, an example or a section";
            findings.push(format!("{PARITY}:{line}: nothing shows this row: {remedy}"));
        }
    }
    findings
}

/// A table whose second line lacks a cell is a paragraph, whose rows no rule reads.
pub(super) fn tables(project: &Project) -> Vec<String> {
    let pages = project.documents.iter();
    let pages = pages.filter(|(path, _)| path.ends_with(".md"));
    let lines = pages.flat_map(|(path, page)| page.broken_tables.iter().map(move |it| (path, it)));
    let remedy = "give its second line a cell for each column";
    let findings = lines.map(|(path, line)| format!("{path}:{line}: no table: {remedy}"));
    findings.collect()
}

/// Each name of five or more words in the text of a page is a function's. Nearly all of them are tests.
pub(super) fn prose(project: &Project) -> Vec<String> {
    let sources = project.tree.texts(".rs");
    let functions = sources.flat_map(|(_, source)| source.lines().filter_map(function));
    let functions: BTreeSet<&str> = functions.collect();
    let mut findings = Vec::new();
    for path in PROSE {
        let spans = project.documents.get(path).into_iter();
        for (line, name) in spans.flat_map(|page| &page.code) {
            let is_long = is_name(name) && name.matches('_').count() > 3;
            if is_long && !functions.contains(name.as_str()) {
                let remedy = "use the name that it has now";
                findings.push(format!("{path}:{line}: no function `{name}`: {remedy}"));
            }
        }
    }
    findings
}

/// Each function that runs as a test, as `crate: name`, with its place: a function with a test
/// attribute, or a scenario, which runs with each driver. An unused scenario is dead code, which
/// the compiler reports; so is a function named after a standard that lost its attribute.
fn tests<'a>(project: &'a Project<'_>) -> BTreeMap<String, (&'a str, usize)> {
    let mut found = BTreeMap::new();
    for (path, source) in project.tree.texts(".rs") {
        let parts: Vec<&str> = path.split('/').collect();
        let ["crates", krate, "src" | "tests", ..] = parts[..] else {
            continue;
        };
        let mut is_test = false;
        for (index, line) in source.lines().map(str::trim_start).enumerate() {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let Some(name) = function(line) else {
                continue;
            };
            let test = format!("{krate}: {name}");
            if is_test || line.contains("<D: Driver>()") || names_a_standard(&test) {
                found.entry(test).or_insert((path, index + 1));
            }
            is_test = false;
        }
    }
    found
}

/// The name of the function that begins on this line.
fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let (name, _) = after.split_once(['(', '<'])?;
    (is_name(name) && !before.contains(['/', '"'])).then_some(name)
}

/// Each test that a document names by `crate: name` or `name`, as `crate: name`, with its line.
fn named(document: &Document) -> Vec<(String, usize)> {
    let spans = document.code.iter().filter_map(|(line, span)| {
        let (krate, name) = span.split_once(": ").unwrap_or((CRATE, span));
        is_name(name).then(|| (format!("{krate}: {name}"), *line))
    });
    spans.collect()
}

/// `rfc`, a number, `_`, and more.
fn names_a_standard(test: &str) -> bool {
    let after = test
        .split_once(": rfc")
        .and_then(|(_, it)| it.split_once('_'));
    after.is_some_and(|(number, rest)| number.parse::<u32>().is_ok() && !rest.is_empty())
}

fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.starts_with(|it: char| it.is_ascii_lowercase())
        && bytes.all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_finds, at};
    use super::*;

    #[rustfmt::skip]
    const FILES: &[(&str, &str)] = &[
        ("crates/a0-jose/examples/x.rs", "#[test]\nfn rfc9_9_x() {\n"),
        ("crates/a0-jose/src/x.rs", "    #[test]\n    #[cfg(unix)]\n    fn two() {\n"),
        ("crates/a0-jose/src/y.rs", "fn helper() {\n// fn rfc1_2_c() {\n    rfc1_2_c();\n"),
        ("crates/a0-jose/tests/z/z.rs", "#[test]\nfn rfc1_2_a() {\n"),
        ("crates/auth0-api/tests/scenarios/x.rs", "pub(crate) async fn one<D: Driver>() {\n"),
    ];

    #[test]
    #[rustfmt::skip]
    fn each_test_of_a_standard_has_its_row_and_each_row_its_test() {
        let missing = &*at("crates/a0-jose/tests/z/z.rs:2", "`a0-jose: rfc1_2_a` has no row");
        for (page, no_row, no_test) in [
            ("| RFC 1 section 2 | a | `a0-jose: rfc1_2_a` |\n", "", ""),
            ("`a0-jose: rfc1_2_a` `rfc_2_a` `rfc7515` `rfc7515_` `rfc75x_2` `my_rfc1_2_a`\n", "", ""),
            ("none\n", missing, ""),
            ("`rfc1_2_a`\n", missing, "no test `auth0-api: rfc1_2_a`"),
            ("`a0-jose: rfc1_2_ab`\n", missing, "no test `a0-jose: rfc1_2_ab`"),
            ("`rfc1_2_z` `a0-jose: rfc1_2_a`\n\n`rfc1_2_z`\n", "", "no test `auth0-api: rfc1_2_z`"),
            ("`a0-jose: rfc1_2_a` `a0-jose: rfc1_2_c`\n", "", "no test `a0-jose: rfc1_2_c`"),
            ("`a0-jose: rfc1_2_a` `a0-jose: rfc9_9_x`\n", "", "no test `a0-jose: rfc9_9_x`"),
        ] {
            let expected = no_row.to_owned() + &at("docs/conformance.md:1", no_test);
            assert_finds(conformance, &[], &[FILES, &[(CONFORMANCE, page)]].concat(), &expected);
        }
        assert_finds(conformance, &[], FILES, missing);
        assert_finds(conformance, &[], &[], "");
    }

    #[test]
    fn a_broken_table_is_found() {
        let whole = "| a | b |\n|---|---|\n| c | d |\n";
        assert_finds(tables, &[], &[("docs/x.md", whole)], "");
        let broken = whole.replace("|---|---|", "|---|");
        let expected = at("docs/x.md:1", "no table");
        assert_finds(tables, &[], &[("docs/x.md", &broken)], &expected);
    }

    #[test]
    fn each_long_name_in_a_text_is_a_functions() {
        let page = "`a_b_c_d_e` `a_b_c_f` `A_b_c_d_f`\n\n| a |\n|---|\n| `a_b_c_d_f` |\n";
        let source = "    async fn a_b_c_d_e<T>() {}\n// fn a_b_c_d_f() {}\n";
        let files = [("docs/decisions.md", page), ("crates/a/src/x.rs", source)];
        let expected = at("docs/decisions.md:5", "no function `a_b_c_d_f`");
        assert_finds(prose, &[], &files, &expected);
        assert_finds(prose, &[], &[("docs/other.md", page)], "");
    }

    #[test]
    #[rustfmt::skip]
    fn each_row_of_the_parity_page_names_a_test_or_a_section() {
        for (last, expected) in [
            ("`one`", ""),
            ("`a0-jose: two`", ""),
            ("`one`, `a0-jose: two` in `crates/a0-jose/src/x.rs`", ""),
            ("[there](there.md#here)", ""),
            ("by type", ""),
            ("the case of its row", ""),
            ("", "nothing shows"),
            ("by types", "nothing shows"),
            ("`crates/a0-jose/src/x.rs`", "nothing shows"),
            ("`gone`", "no test `auth0-api: gone`"),
            ("`two`", "no test `auth0-api: two`"),
            ("`a0-jose: one`", "no test `a0-jose: one`"),
            ("`a0-jose: helper`", "no test `a0-jose: helper`"),
            ("`one`, `gone`", "no test `auth0-api: gone`"),
        ] {
            for head in ["test", "shown by"] {
                let page = format!("# P\n\n| a | {head} |\n|---|---|\n| `\\|` | {last} |\n");
                let files = [FILES, &[(PARITY, &page)]].concat();
                assert_finds(parity, &[], &files, &at("docs/parity.md:5", expected));
            }
        }
        let two = "| a | test |\n|---|---|\n| x | `one` |\n\n| a | b |\n|---|---|\n| x | `gone` |\n";
        assert_finds(parity, &[], &[FILES, &[(PARITY, two)]].concat(), "");
    }
}
