//! The page that compares this with the Python package: each row names what shows it.

use std::collections::BTreeSet;

use super::conformance::{function, is_tested};
use super::markdown::Document;
use super::{Finding, Project};

const PAGE: &str = "docs/parity.md";

/// The last column of a table whose rows are checked.
const SHOWN_BY: &[&str] = &["test", "shown by"];

/// A test that is named without its crate is one of these.
const CRATE: &str = "auth0-api";

/// In place of a test: the compiler shows it, or `cargo xtask parity` does.
const WITHOUT_A_TEST: &[&str] = &["by type", "the case of its row"];

/// That a path or an anchor exists is for the rules on links.
pub(super) fn parity(project: &Project) -> Vec<Finding> {
    let Some(page) = project.tree.text(PAGE) else {
        return Vec::new();
    };
    let tests = tests(project);
    let mut findings = Vec::new();
    for (line, cell) in last_cells(page) {
        let document = Document::read(cell);
        let mut named = 0;
        for (_, span) in &document.code {
            let (of, name) = span.split_once(": ").unwrap_or((CRATE, span));
            if !is_name(name) {
                continue;
            }
            named += 1;
            if !tests.contains(&(of, name)) {
                findings.push(
                    Finding::new(
                        PAGE,
                        format!("{of} has no test `{name}`"),
                        "name the test as it is called now, in the data of the page",
                    )
                    .at(line),
                );
            }
        }
        if named + document.links.len() == 0 && !WITHOUT_A_TEST.contains(&cell) {
            findings.push(
                Finding::new(
                    PAGE,
                    "nothing shows this row",
                    "name a test, an example or a section in the data of the page",
                )
                .at(line),
            );
        }
    }
    findings
}

/// The last cell of each row of the tables that say what shows a row, with its line.
fn last_cells(page: &str) -> Vec<(usize, &str)> {
    let mut cells = Vec::new();
    let mut wanted = None;
    for (index, line) in page.lines().enumerate() {
        let Some(row) = line.strip_prefix('|') else {
            wanted = None;
            continue;
        };
        let row = row.trim_end().trim_end_matches('|');
        let last = row.rsplit('|').next().unwrap_or_default().trim();
        match wanted {
            None => wanted = Some(SHOWN_BY.contains(&last)),
            Some(true) if !last.starts_with("---") => cells.push((index + 1, last)),
            Some(_) => {}
        }
    }
    cells
}

/// Crate and name of each function that runs as a test: by its attribute, or as a scenario, which
/// runs for each kind of client. A scenario in no list is dead code, which does not pass clippy.
fn tests<'a>(project: &'a Project<'_>) -> BTreeSet<(&'a str, &'a str)> {
    let mut found = BTreeSet::new();
    for (path, source) in project
        .tree
        .texts(".rs")
        .filter(|(path, _)| is_tested(path))
    {
        let of = path.split('/').nth(1).unwrap_or_default();
        let mut is_test = false;
        for line in source.lines() {
            let line = line.trim_start();
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = function(line) {
                if is_test || line.contains("<D: Driver>()") {
                    found.insert((of, name));
                }
                is_test = false;
            }
        }
    }
    found
}

fn is_name(text: &str) -> bool {
    let mut octets = text.bytes();
    octets
        .next()
        .is_some_and(|first| first.is_ascii_lowercase())
        && octets.all(|octet| matches!(octet, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over_files};
    use super::*;

    const FILES: [(&str, &str); 3] = [
        (
            "crates/auth0-api/tests/scenarios/x.rs",
            "pub fn one<D: Driver>() {\n",
        ),
        (
            "crates/a0-jose/src/x.rs",
            "    #[test]\n    #[cfg(unix)]\n    fn two() {\n",
        ),
        ("crates/a0-jose/src/y.rs", "fn helper() {\n"),
    ];

    fn found_for(table: &str) -> Vec<String> {
        let page = format!("# Page\n\n{table}");
        let files: Vec<(&str, &str)> = FILES.into_iter().chain([(PAGE, page.as_str())]).collect();
        let found = over_files(parity, &files);
        found.iter().map(|finding| finding.to_string()).collect()
    }

    fn row(last: &str) -> Vec<String> {
        found_for(&format!("| a | test |\n|---|---|\n| `x` | {last} |\n"))
    }

    #[test]
    fn each_row_names_a_test_or_a_section() {
        for last in [
            "`one`",
            "`a0-jose: two`",
            "`one`, `a0-jose: two` in `crates/a0-jose/src/x.rs`",
            "[there](there.md#here)",
            "by type",
            "the case of its row",
        ] {
            assert_eq!(row(last), [""; 0], "{last}");
        }
        for last in ["", "yes", "by types", "`crates/a0-jose/src/x.rs`"] {
            assert!(
                row(last)[0].starts_with("docs/parity.md:5: nothing shows"),
                "{last}"
            );
        }
        for last in [
            "`gone`",
            "`two`",
            "`a0-jose: one`",
            "`a0-jose: helper`",
            "`one`, `gone`",
        ] {
            assert!(row(last)[0].contains(" has no test `"), "{last}");
        }
    }

    #[test]
    fn other_tables_and_pages_say_nothing_of_tests() {
        assert_eq!(found_for("| a | b |\n|---|---|\n| x | `gone` |\n"), [""; 0]);
        let two = "| a | shown by |\n|---|---|\n| x | `one` |\n\n| a | b |\n|---|---|\n| x | y |\n";
        assert_eq!(found_for(two), [""; 0]);
        assert_found(&over_files(parity, &FILES), &[]);
    }

    #[test]
    fn a_bar_in_a_cell_is_no_end_of_it() {
        assert_eq!(
            found_for("| a | test |\n|---|---|\n| `\\|` | `one` |\n"),
            [""; 0]
        );
    }
}
