//! What holds for the text of every file.

use super::{Finding, Project};

const WITHOUT_TABS: &[&str] = &[".rs", ".toml", ".md"];

/// In two pieces each, so that this file does not find itself.
const UNFINISHED: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("db", "g!"),
];

pub(super) fn whitespace(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in project.tree.texts("") {
        if text.is_empty() {
            continue;
        }
        let no_tabs = WITHOUT_TABS.iter().any(|ending| path.ends_with(ending));
        for (index, line) in text.split('\n').enumerate() {
            let number = index + 1;
            if line.contains('\r') {
                let wrong = "carriage return";
                findings.push(Finding::new(path, wrong, "end lines with LF alone").at(number));
                // The other lines are most likely the same.
                break;
            }
            if line.ends_with(char::is_whitespace) {
                let wrong = "trailing whitespace";
                findings.push(Finding::new(path, wrong, "remove it").at(number));
            }
            if no_tabs && line.contains('\t') {
                findings.push(Finding::new(path, "tab", "indent with spaces").at(number));
            }
        }
        if !text.ends_with('\n') {
            let wrong = "does not end with a line break";
            findings.push(Finding::new(path, wrong, "add one"));
        } else if text.ends_with("\n\n") || text == "\n" {
            let wrong = "ends with empty lines";
            findings.push(Finding::new(path, wrong, "remove them"));
        }
    }
    findings
}

pub(super) fn unfinished(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for ending in WITHOUT_TABS {
        for (path, text) in project.tree.texts(ending) {
            for (index, line) in text.lines().enumerate() {
                for mark in UNFINISHED.iter().filter(|mark| has_word(line, mark)) {
                    findings.push(
                        Finding::new(
                            path,
                            format!("unfinished: `{mark}`"),
                            "finish it, or write what is missing into an issue",
                        )
                        .at(index + 1),
                    );
                }
            }
        }
    }
    findings
}

/// Not inside a longer word or name.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        let after = line
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        let ends = word.ends_with('!') || !after.is_some_and(in_word);
        ends && !before.is_some_and(in_word)
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over_files};
    use super::*;

    #[test]
    fn text_has_a_plain_shape() {
        for (path, text) in [
            ("a.rs", "fn f() {\n    1\n}\n"),
            ("empty", ""),
            ("Makefile", "all:\n\ttrue\n"),
        ] {
            assert_found(&over_files(whitespace, &[(path, text)]), &[]);
        }
        for (path, text, expected) in [
            ("a.rs", "a\nb", "a.rs: does not end with a line break"),
            ("a.rs", "a\n\n", "a.rs: ends with empty lines"),
            ("a", "\n", "a: ends with empty lines"),
            ("a.md", "a\nb  \n", "a.md:2: trailing whitespace"),
            ("run", "a\t\nb\n", "run:1: trailing whitespace"),
            ("a.toml", "a\n\tb\n", "a.toml:2: tab"),
            ("a.json", "{\r\n}\r\n", "a.json:1: carriage return"),
        ] {
            assert_found(&over_files(whitespace, &[(path, text)]), &[expected]);
        }
    }

    #[test]
    fn nothing_is_left_unfinished() {
        for mark in UNFINISHED {
            for path in ["a.rs", "b.md", "c.toml"] {
                let text = format!("\n// {mark}(\"x\")\n");
                let expected = format!("{path}:2: unfinished: `{mark}`");
                assert_found(&over_files(unfinished, &[(path, &text)]), &[&expected]);
            }
            let inside = format!("// A{mark} my_{mark}\n");
            assert_found(&over_files(unfinished, &[("a.rs", &inside)]), &[]);
            assert_found(&over_files(unfinished, &[("a.txt", mark)]), &[]);
        }
        let lint_name = [("a.rs", "#![deny(clippy::todo)]\n")];
        assert_found(&over_files(unfinished, &lint_name), &[]);
    }
}
