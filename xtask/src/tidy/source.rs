//! Attributes in Rust sources, and what an exception from a lint or a test owes its reader.

use super::{Finding, Project};

/// One line's attributes, up to the line on which their last bracket closes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Attribute {
    pub(super) line: usize,
    /// Without comments and without whitespace outside strings.
    pub(super) text: String,
    has_comment: bool,
}

/// The attributes that begin a line. Sources are taken line by line: what looks like an
/// attribute inside a raw string is taken for one.
pub(super) fn attributes(source: &str) -> Vec<Attribute> {
    let mut found = Vec::new();
    let mut lines = source.lines().enumerate();
    while let Some((index, first)) = lines.next() {
        let starts_one = |text: &str| text.starts_with("#[") || text.starts_with("#![");
        if !starts_one(first.trim_start()) {
            continue;
        }
        let mut attribute = Attribute {
            line: index + 1,
            ..Attribute::default()
        };
        let mut scan = Scan::default();
        scan.line(first, &mut attribute);
        while scan.depth > 0 {
            match lines.next() {
                Some((_, line)) => scan.line(line, &mut attribute),
                None => break,
            }
        }
        found.push(attribute);
    }
    found
}

#[derive(Default)]
struct Scan {
    depth: usize,
    in_string: bool,
}

impl Scan {
    fn line(&mut self, line: &str, into: &mut Attribute) {
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            if self.in_string {
                into.text.push(character);
                match character {
                    '\\' => into.text.extend(characters.next()),
                    '"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match character {
                '/' if characters.peek() == Some(&'/') => {
                    into.has_comment = true;
                    return;
                }
                '"' => self.in_string = true,
                '[' => self.depth += 1,
                ']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if !character.is_whitespace() {
                into.text.push(character);
            }
        }
    }
}

pub(super) fn reasons(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, source) in project.tree.texts(".rs") {
        let lines: Vec<&str> = source.lines().collect();
        for attribute in attributes(source) {
            let Some(exception) = exception(&attribute.text) else {
                continue;
            };
            let before = attribute.line.checked_sub(2).and_then(|at| lines.get(at));
            if attribute.has_comment || before.is_some_and(|line| is_comment(line)) {
                continue;
            }
            findings.push(
                Finding::new(
                    path,
                    format!("`{exception}` without a reason"),
                    "add `reason = \"...\"` (`ignore = \"...\"`), or a comment that says why",
                )
                .at(attribute.line),
            );
        }
    }
    findings
}

/// The exception among the attributes of a line that does not give its reason itself.
fn exception(attributes: &str) -> Option<&'static str> {
    let conditional = attributes.contains("cfg_attr(");
    ["allow", "expect", "ignore"].into_iter().find(|name| {
        let starts = [format!("[{name}"), format!(",{name}")];
        let [plain, after_condition] = &starts;
        let rest = attributes.split_once(plain).or_else(|| {
            conditional
                .then(|| attributes.split_once(after_condition))
                .flatten()
        });
        match rest {
            None => false,
            Some((_, rest)) if *name == "ignore" => rest.starts_with([']', ')', ',']),
            Some((_, rest)) => rest.starts_with('(') && !gives_reason(rest),
        }
    })
}

fn gives_reason(text: &str) -> bool {
    text.split_once("reason=\"")
        .is_some_and(|(_, reason)| !reason.starts_with('"'))
}

/// A comment about the code; documentation speaks to somebody else.
fn is_comment(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("//") && !line.starts_with("///") && !line.starts_with("//!")
}

#[cfg(test)]
mod tests {
    use super::super::testing::over_files;
    use super::*;

    #[test]
    fn attributes_are_read_over_several_lines_without_comments() {
        let source = "//! Text.\n#![deny( // why ]\n    a,\n    b,\n)]\n\nfn f() {\n    #[x = \"]// [\"] #[y]\n}\n";
        let attribute = |line, text: &str, has_comment| Attribute {
            line,
            text: text.to_owned(),
            has_comment,
        };
        assert_eq!(
            attributes(source),
            [
                attribute(2, "#![deny(a,b,)]", true),
                attribute(8, "#[x=\"]// [\"]#[y]", false),
            ]
        );
    }

    #[test]
    fn exceptions_give_a_reason() {
        for good in [
            "#[allow(dead_code, reason = \"used on Windows\")]\n",
            "#[expect(\n    dead_code,\n    reason = \"later\",\n)]\n",
            "#[ignore = \"needs the network\"]\n",
            "// The table is easier to read so.\n#[allow(clippy::x)]\n",
            "#![allow(clippy::x)] // Generated.\n",
            "#[derive(Debug)]\n#[serde(default, ignore)]\n",
            "// See `#[ignore]`.\nfn allow() {}\n",
            "/// #[allow(dead_code)]\n",
            "#[allowed]\n#[ignored]\n",
        ] {
            assert_eq!(over_files(reasons, &[("a.rs", good)]), [""; 0], "{good}");
        }
        for (bad, line, name) in [
            ("#[allow(dead_code)]\n", 1, "allow"),
            ("\n\n#![allow(dead_code)]\n", 3, "allow"),
            ("    #[expect(\n        dead_code,\n    )]\n", 1, "expect"),
            ("#[test]\n#[ignore]\nfn f() {}\n", 2, "ignore"),
            ("#[test] #[ignore]\n", 1, "ignore"),
            ("/// Documentation.\n#[allow(dead_code)]\n", 2, "allow"),
            ("#[allow(dead_code, reason = \"\")]\n", 1, "allow"),
            ("#![cfg_attr(test, allow(clippy::x))]\n", 1, "allow"),
            ("#[cfg_attr(miri, ignore)]\n", 1, "ignore"),
        ] {
            let findings = over_files(reasons, &[("a.rs", bad)]);
            let expected = format!("a.rs:{line}: `{name}` without a reason: ");
            assert_eq!(findings.len(), 1, "{bad}");
            assert!(findings[0].starts_with(&expected), "{findings:?}");
        }
    }
}
