//! `cargo xtask tidy`: the rules of this project that the compiler, clippy and cargo-deny do not
//! know.
//!
//! A rule is a function from the [`Project`] to its findings, each as `path:line: what is wrong:
//! what to do`. It reads no files, so that a test can give it a project of a few lines.

mod arrows;
mod crates;
mod document;
mod pages;
mod texts;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use crate::workspace::Workspace;
use document::Document;
use tree::Tree;

type Rule = fn(&Project) -> Vec<String>;

const RULES: &[(&str, Rule)] = &[
    ("arrows between crates", arrows::arrows),
    ("manifest, licence and lints of each crate", crates::crates),
    ("top-level entries", texts::top_level),
    ("length of files", texts::length),
    ("links and paths in texts", texts::links),
    ("texts with code as doc tests", texts::doc_tests),
    ("tests in examples", texts::tests_in_examples),
    ("modules of tests", texts::test_modules),
    ("tables", pages::tables),
    ("tests of standards and their page", pages::conformance),
    ("tests in the parity page", pages::parity),
    ("tests in the text of pages", pages::prose),
];

/// Everything that the rules may look at.
struct Project<'a> {
    workspace: &'a Workspace,
    tree: &'a Tree,
    /// The Markdown files, and the comments of each Rust source.
    documents: BTreeMap<&'a str, Document>,
}

impl<'a> Project<'a> {
    fn new(workspace: &'a Workspace, tree: &'a Tree) -> Self {
        let pages = tree.texts(".md");
        let pages = pages.map(|(path, text)| (path, Document::read(text)));
        let sources = tree.texts(".rs");
        let comments = sources.map(|(path, text)| (path, Document::of_comments(text)));
        Self {
            workspace,
            tree,
            documents: pages.chain(comments).collect(),
        }
    }
}

pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let tree = Tree::load(Path::new(".")).map_err(|error| format!("the files: {error}"))?;
    let project = Project::new(workspace, &tree);
    let mut count = 0;
    for (name, rule) in RULES {
        let findings = rule(&project);
        if !findings.is_empty() {
            println!("{name}:\n  {}", findings.join("\n  "));
        }
        count += findings.len();
    }
    if count > 0 {
        let next = "each line above says what to do";
        return Err(format!("tidy has {count} findings: {next}"));
    }
    let (rules, files) = (RULES.len(), tree.paths().count());
    println!("    {rules} rules, {files} files: tidy");
    Ok(())
}

#[cfg(test)]
mod testing {
    use cargo_metadata::Package;

    use super::*;

    /// Runs one rule. Each finding must begin like a line of `expected`, in the same order.
    #[track_caller]
    pub(super) fn assert_finds(
        rule: Rule,
        packages: &[Package],
        files: &[(&str, &str)],
        expected: &str,
    ) {
        let workspace = Workspace::of(packages);
        let tree = Tree::of(files);
        let found = rule(&Project::new(&workspace, &tree));
        let expected: Vec<&str> = expected.lines().collect();
        let mut pairs = found.iter().zip(&expected);
        let same = found.len() == expected.len() && pairs.all(|(it, start)| it.starts_with(start));
        assert!(same, "{files:#?}\nfound {found:#?}\nexpected {expected:#?}");
    }

    /// Each finding with its place before it.
    pub(super) fn at(place: &str, findings: &str) -> String {
        let findings = findings.lines();
        findings.map(|it| format!("{place}: {it}\n")).collect()
    }
}
