//! `cargo xtask tidy`: the rules of this project that neither the compiler nor clippy knows.
//!
//! A rule is a function from the [`Project`] to what it found wrong. It reads nothing by
//! itself, so that its tests give it a project of a few lines.

mod arrows;
mod conformance;
mod crates;
mod library;
mod links;
mod markdown;
mod parity;
mod shape;
mod source;
mod text;
mod tree;

use std::fmt;

use crate::workspace::Workspace;
use crate::{Command, Failure, expect_no_arguments};
use tree::Tree;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    about: "Checks the rules of this project: arrows between crates, shape, texts, links",
    usage: "",
    help:
        "Reads the manifests and every file that git has or would take; compiles nothing. Prints all
that is wrong as `path:line: what is wrong: what to do`.",
    run,
};

struct Rule {
    name: &'static str,
    check: fn(&Project) -> Vec<Finding>,
}

const RULES: &[Rule] = &[
    rule("arrows between crates", arrows::arrows),
    rule("dev-dependencies between crates", arrows::dev_arrows),
    rule("what the lowest crates need", arrows::foundations),
    rule("top-level entries", shape::top_level),
    rule("members of the workspace", shape::members),
    rule("length of files", shape::file_length),
    rule("manifests", crates::manifest),
    rule("files of each crate", crates::files),
    rule("lints of each crate", library::lints),
    rule("README of each crate as doc tests", library::readme_tests),
    rule(
        "README of the project as doc tests",
        library::root_readme_tests,
    ),
    rule("guides as doc tests", library::guide_tests),
    rule("paths in texts", links::paths),
    rule("anchors in texts", links::anchors),
    rule(
        "tests of standards and their page",
        conformance::conformance,
    ),
    rule("what shows the rows of the parity page", parity::parity),
    rule("whitespace", text::whitespace),
    rule("unfinished work", text::unfinished),
    rule("reasons for exceptions", source::reasons),
];

const fn rule(name: &'static str, check: fn(&Project) -> Vec<Finding>) -> Rule {
    Rule { name, check }
}

/// All that the rules may look at.
struct Project<'a> {
    workspace: &'a Workspace,
    tree: &'a Tree,
}

#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    line: Option<usize>,
    wrong: String,
    remedy: String,
}

impl Finding {
    fn new(path: &str, wrong: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line: None,
            wrong: wrong.into(),
            remedy: remedy.into(),
        }
    }

    fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}: {}", self.wrong, self.remedy)
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    expect_no_arguments("tidy", arguments)?;
    check(&Workspace::load()?).map_err(Failure::Failed)
}

pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let tree = Tree::load(&workspace.root, &workspace.target_directory)?;
    let project = Project {
        workspace,
        tree: &tree,
    };
    let mut found = 0;
    let mut broken = 0;
    for rule in RULES {
        let findings = (rule.check)(&project);
        if findings.is_empty() {
            continue;
        }
        println!("{}:", rule.name);
        for finding in &findings {
            println!("  {finding}");
        }
        found += findings.len();
        broken += 1;
    }
    match found {
        0 => {
            println!(
                "tidy: {} rules over {} files and {} crates, nothing to complain about",
                RULES.len(),
                tree.files.len(),
                workspace.packages.len()
            );
            Ok(())
        }
        _ => Err(format!(
            "tidy found {found} things that break {broken} of {} rules: each line above says what to do",
            RULES.len()
        )),
    }
}

#[cfg(test)]
mod testing {
    use super::*;
    use crate::workspace::Package;

    /// Runs one rule over a tree without crates.
    pub(super) fn over_files(
        check: fn(&Project) -> Vec<Finding>,
        files: &[(&str, &str)],
    ) -> Vec<String> {
        over(check, Vec::new(), files)
    }

    pub(super) fn over(
        check: fn(&Project) -> Vec<Finding>,
        packages: Vec<Package>,
        files: &[(&str, &str)],
    ) -> Vec<String> {
        let workspace = Workspace {
            packages,
            ..Workspace::default()
        };
        let project = Project {
            workspace: &workspace,
            tree: &Tree::of(files),
        };
        check(&project).iter().map(Finding::to_string).collect()
    }

    /// A crate that has all that it must have.
    pub(super) fn package(name: &str) -> Package {
        let some = || Some("x".to_owned());
        Package {
            name: name.to_owned(),
            directory: format!("crates/{name}"),
            description: some(),
            license: some(),
            readme: some(),
            rust_version: some(),
            keywords: vec!["jwt".to_owned()],
            categories: vec!["authentication".to_owned()],
            has_docs_rs_metadata: true,
            ..Package::default()
        }
    }

    /// One finding for each expected beginning, and no other.
    #[track_caller]
    pub(super) fn assert_found(findings: &[String], expected: &[&str]) {
        let same = findings.len() == expected.len()
            && findings
                .iter()
                .zip(expected)
                .all(|(finding, start)| finding.starts_with(start));
        assert!(same, "found {findings:#?}\nexpected {expected:#?}");
    }

    #[test]
    fn a_finding_reads_path_line_wrong_remedy() {
        let finding = Finding::new("a/b.rs", "is wrong", "do it right");
        assert_eq!(finding.to_string(), "a/b.rs: is wrong: do it right");
        assert_eq!(finding.at(7).to_string(), "a/b.rs:7: is wrong: do it right");
    }
}
