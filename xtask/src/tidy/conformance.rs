//! The page that says which line of a standard is shown by which test, and the tests.

use std::collections::BTreeMap;

use super::{Finding, Project};

const PAGE: &str = "docs/conformance.md";

/// Both ways: a test without a row, and a row without a test.
pub(super) fn conformance(project: &Project) -> Vec<Finding> {
    let tests = tests(project);
    let Some(page) = project.tree.text(PAGE) else {
        let remedy = "write it, with a row for each test whose name begins with `rfc`";
        return match tests.is_empty() {
            true => Vec::new(),
            false => vec![Finding::new(PAGE, "is missing", remedy)],
        };
    };
    let rows = rows(page);
    let without_row = tests
        .iter()
        .filter(|(name, _)| !rows.contains_key(*name))
        .map(|(name, place)| {
            Finding::new(
                place.path,
                format!("`{name}` has no row in {PAGE}"),
                "add one: the section, what it requires, and the test",
            )
            .at(place.line)
        });
    let without_test = rows
        .iter()
        .filter(|(name, _)| !tests.contains_key(*name))
        .map(|(name, line)| {
            Finding::new(
                PAGE,
                format!("there is no test `{name}`"),
                "name the test as it is called now, or take the row out",
            )
            .at(*line)
        });
    without_row.chain(without_test).collect()
}

struct Place<'a> {
    path: &'a str,
    line: usize,
}

/// The functions so named in the tests and sources of the crates. One that lost its `#[test]` is
/// dead code, which the compiler reports.
fn tests<'a>(project: &'a Project<'_>) -> BTreeMap<&'a str, Place<'a>> {
    let mut found = BTreeMap::new();
    for (path, source) in project
        .tree
        .texts(".rs")
        .filter(|(path, _)| is_tested(path))
    {
        for (index, line) in source.lines().enumerate() {
            if let Some(name) = function(line).filter(|name| names_a_standard(name)) {
                found.entry(name).or_insert(Place {
                    path,
                    line: index + 1,
                });
            }
        }
    }
    found
}

/// The names on the page, each with the line on which it stands first.
fn rows(page: &str) -> BTreeMap<&str, usize> {
    let mut found = BTreeMap::new();
    for (index, line) in page.lines().enumerate() {
        for name in words(line).filter(|word| names_a_standard(word)) {
            found.entry(name).or_insert(index + 1);
        }
    }
    found
}

pub(super) fn is_tested(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some("crates")
        && parts.next().is_some()
        && matches!(parts.next(), Some("src" | "tests"))
}

/// The name of the function that begins on this line, whatever stands before `fn`.
pub(super) fn function(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let before = before.trim();
    let is_code = before.is_empty() || before.split(' ').all(is_qualifier);
    words(after).next().filter(|_| is_code)
}

fn is_qualifier(word: &str) -> bool {
    word.starts_with("pub") || matches!(word, "async" | "const")
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !(character.is_ascii_alphanumeric() || character == '_'))
        .filter(|word| !word.is_empty())
}

/// `rfc`, a number, and `_` before all that follows.
fn names_a_standard(name: &str) -> bool {
    let number_and_rest = name
        .strip_prefix("rfc")
        .and_then(|rest| rest.split_once('_'));
    number_and_rest.is_some_and(|(number, rest)| {
        let is_number = !number.is_empty() && number.bytes().all(|octet| octet.is_ascii_digit());
        is_number && !rest.is_empty()
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over_files};
    use super::*;

    const TEST: (&str, &str) = (
        "crates/a/tests/x.rs",
        "#[test]\nfn rfc1_2_a() {\n    helper();\n}\n\nfn helper() {}\n",
    );

    #[test]
    fn each_test_has_its_row_and_each_row_its_test() {
        let page = "| RFC 1 section 2 | a | `a: rfc1_2_a` |\n";
        assert_found(
            &over_files(conformance, &[TEST, ("docs/conformance.md", page)]),
            &[],
        );
        assert_found(
            &over_files(conformance, &[TEST, ("docs/conformance.md", "none\n")]),
            &["crates/a/tests/x.rs:2: `rfc1_2_a` has no row in docs/conformance.md: add one"],
        );
        let two = "| `a: rfc1_2_a` |\n| `a: rfc1_2_gone` |\n| `rfc1_2_gone` again |\n";
        assert_found(
            &over_files(conformance, &[TEST, ("docs/conformance.md", two)]),
            &["docs/conformance.md:2: there is no test `rfc1_2_gone`: name the test"],
        );
    }

    #[test]
    fn a_longer_name_is_another_name() {
        let page = "`rfc1_2_a_b` `my_rfc1_2_a` `rfc1_2_A`\n";
        assert_found(
            &over_files(conformance, &[TEST, ("docs/conformance.md", page)]),
            &[
                "crates/a/tests/x.rs:2: `rfc1_2_a` has no row",
                "docs/conformance.md:1: there is no test `rfc1_2_A`",
                "docs/conformance.md:1: there is no test `rfc1_2_a_b`",
            ],
        );
    }

    #[test]
    fn without_a_page_there_must_be_no_such_test() {
        assert_found(
            &over_files(conformance, &[TEST]),
            &["docs/conformance.md: is missing: write it"],
        );
        assert_found(&over_files(conformance, &[("crates/a/src/x.rs", "")]), &[]);
    }

    #[test]
    fn tests_are_looked_for_where_tests_are() {
        let source = "fn rfc1_2_a() {}\n";
        for (path, counts) in [
            ("crates/a/src/lib.rs", true),
            ("crates/a/src/x/tests.rs", true),
            ("crates/a/tests/deep/x.rs", true),
            ("crates/a/examples/x.rs", false),
            ("crates/a/benches/x.rs", false),
            ("xtask/src/main.rs", false),
            ("crates/a/tests/x.md", false),
        ] {
            let found = over_files(conformance, &[(path, source), ("docs/conformance.md", "")]);
            assert_eq!(found.len(), usize::from(counts), "{path}: {found:?}");
        }
    }

    #[test]
    fn functions_and_names_are_told_from_what_looks_like_them() {
        for (line, name) in [
            ("fn rfc1_2_a() {", Some("rfc1_2_a")),
            ("    fn rfc1_2_a(x: u8) {", Some("rfc1_2_a")),
            ("async fn rfc1_2_a() {", Some("rfc1_2_a")),
            ("pub(crate) async fn rfc1_2_a<T>() {", Some("rfc1_2_a")),
            ("// fn rfc1_2_a() {", None),
            ("/// fn rfc1_2_a", None),
            ("    rfc1_2_a();", None),
            ("let x = \"fn rfc1_2_a\";", None),
        ] {
            assert_eq!(function(line), name, "{line}");
        }
        for (name, counts) in [
            ("rfc7515_2_a", true),
            ("rfc1_a", true),
            ("rfc_2_a", false),
            ("rfc7515", false),
            ("rfc7515_", false),
            ("rfc75x_2", false),
            ("an_rfc7515_2_a", false),
            ("rfcs7515_2_a", false),
        ] {
            assert_eq!(names_a_standard(name), counts, "{name}");
        }
    }
}
