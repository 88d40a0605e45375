//! The rules for the shape of the tree and for its texts: links, anchors, named paths, code.

use std::collections::BTreeSet;

use super::Project;
use super::document::Document;

const TOP_LEVEL: &str = "Cargo.toml Cargo.lock crates xtask docs README.md LICENSE deny.toml";

const MAX_LINES: usize = 400;

/// A code span that begins so names a path from the root of the repository.
const FROM_ROOT: &[&str] = &["crates/", "docs/", "xtask/", ".ci/", ".cargo/"];

pub(super) fn top_level(project: &Project) -> Vec<String> {
    let paths = project.tree.paths();
    let entries: BTreeSet<&str> = paths.filter_map(|path| path.split('/').next()).collect();
    let known: Vec<&str> = TOP_LEVEL.split(' ').collect();
    let unknown = |entry: &&str| !entry.starts_with('.') && !known.contains(entry);
    let remedy = "move it into one of crates, docs and xtask";
    let finding = |entry| format!("{entry}: does not belong at the top level: {remedy}");
    entries.into_iter().filter(unknown).map(finding).collect()
}

pub(super) fn length(project: &Project) -> Vec<String> {
    let is_test = |path: &str| path.contains("/tests/") || path.contains("/benches/");
    let sources = project.tree.texts(".rs").filter(|(path, _)| !is_test(path));
    let lengths = sources.map(|(path, text)| (path, text.lines().count()));
    let remedy = "split it by concern; tests of the public surface go below tests/";
    lengths
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| format!("{path}: has {lines} lines, over {MAX_LINES}: {remedy}"))
        .collect()
}

/// Paths and headings in links, and paths in code spans of pages and of comments.
pub(super) fn links(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for (file, document) in &project.documents {
        let links = document.links.iter().filter(|(_, link)| !is_url(link));
        let links = links.map(|(line, link)| (line, *file, link));
        let spans = document.code.iter().filter_map(|(line, span)| {
            let is_relative = span.starts_with("../") && file.ends_with(".md");
            let from = if is_relative { *file } else { "" };
            (is_relative || is_path(span)).then_some((line, from, span))
        });
        for (line, from, target) in links.chain(spans) {
            // The end of `path.rs:12`, `path.rs::item` and `path.md#anchor` is no part of the path.
            let path = target.split([':', '#']).next().unwrap_or_default();
            let anchor = target.split_once('#').map_or("", |(_, anchor)| anchor);
            let found = resolve(from, path).filter(|found| project.tree.exists(found));
            // An anchor into a source is a line.
            let page = found.as_deref().filter(|found| found.ends_with(".md"));
            let page = page.and_then(|page| project.documents.get(page));
            let lacks = |page: &Document| !page.anchors.iter().any(|it| it == anchor);
            let (wrong, remedy) = if found.is_none() {
                let remedy = "name the path it has now, or remove the sentence";
                (format!("`{path}` does not exist"), remedy)
            } else if !anchor.is_empty() && page.is_some_and(lacks) {
                let remedy = "name the heading it has now";
                (format!("`{target}` leads to no heading"), remedy)
            } else {
                continue;
            };
            findings.push(format!("{file}:{line}: {wrong}: {remedy}"));
        }
    }
    findings
}

/// The READMEs of the libraries and all pages with Rust code, so that the code keeps compiling.
pub(super) fn doc_tests(project: &Project) -> Vec<String> {
    let mut included = BTreeSet::new();
    let sources = project.tree.texts(".rs");
    for (path, source) in sources.filter(|(_, source)| source.contains("(doctest")) {
        for page in source.split("include_str!(\"").skip(1) {
            included.extend(page.split('"').next().and_then(|page| resolve(path, page)));
        }
    }
    let readme = |it| project.workspace.file(it, "README.md");
    let readmes: Vec<_> = project.workspace.libraries().map(readme).collect();
    let pages = project.documents.iter().filter(|(path, document)| {
        let is_page = **path == "README.md" || path.starts_with("docs/");
        readmes.iter().any(|it| it == *path) || is_page && !document.rust.is_empty()
    });
    let remedy = "include it in a lib.rs, with `#[cfg(doctest)]`, as the other pages are";
    pages
        .filter(|(path, _)| !included.contains(**path))
        .map(|(path, _)| format!("{path}: is not among the doc tests of a crate: {remedy}"))
        .collect()
}

/// rustdoc leaves out functions with a test attribute, unless the block is a test harness.
pub(super) fn tests_in_examples(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, document) in &project.documents {
        for (line, words, code) in &document.rust {
            let is_test = code.contains("#[test]") || code.contains("#[tokio::test");
            if is_test && !words.contains("test_harness") {
                let remedy = "begin the block with ```rust,test_harness";
                findings.push(format!("{path}:{line}: a test is not compiled: {remedy}"));
            }
        }
    }
    findings
}

/// Files below `tests` are modules of a test program, which must name them. The compiler does not see a
/// file that nobody names, and its tests would not run.
pub(super) fn test_modules(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for (path, _) in project.tree.texts(".rs") {
        let Some((krate, file)) = path.split_once("/tests/") else {
            continue;
        };
        let name = file.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        let Some((_, name)) = name.rsplit_once('/').filter(|(_, name)| *name != "main") else {
            continue;
        };
        let declared = format!("mod {name};");
        let sources = project.tree.texts(".rs");
        let mut siblings = sources.filter(|(it, _)| it.starts_with(krate));
        if !siblings.any(|(_, text)| text.lines().any(|line| line.ends_with(&declared))) {
            let remedy = format!("write `{declared}` in the main.rs of its folder");
            findings.push(format!("{path}: belongs to no test program: {remedy}"));
        }
    }
    findings
}

fn is_url(link: &str) -> bool {
    let scheme = link.split_once(':').map_or("", |(scheme, _)| scheme);
    link.starts_with("//") || !scheme.is_empty() && !scheme.contains(['/', '#'])
}

fn is_path(span: &str) -> bool {
    let is_pattern = span.contains(|it: char| "<>{}$…".contains(it) || it.is_whitespace());
    FROM_ROOT.iter().any(|start| span.starts_with(start)) && !is_pattern && !span.contains("...")
}

/// The path from the root, or `None` if it leads out of the repository. An empty path is the file.
fn resolve(file: &str, path: &str) -> Option<String> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    let start = match path {
        "" => file,
        path if path.starts_with('/') => "",
        _ => folder,
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in start.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Rule;
    use super::super::testing::assert_finds;
    use super::*;
    use crate::workspace::testing::package;

    #[test]
    #[rustfmt::skip]
    fn the_shape_of_the_tree_is_kept() {
        let long = "//\n".repeat(MAX_LINES + 1);
        let fitting = &long[3..];
        let main = ("crates/a/tests/it/main.rs", "//! A.\n\n#[cfg(x)]\nmod x;\npub mod common;\n");
        for (rule, path, text, expected) in [
            (top_level as Rule, "Cargo.toml", "", ""),
            (top_level, ".ci/run", "", ""),
            (top_level, "docs/deep/x.md", "", ""),
            (top_level, "notes.md", "", "notes.md: does not belong"),
            (top_level, "scripts/a.sh", "", "scripts: does not belong"),
            (length, "crates/a/src/x.rs", fitting, ""),
            (length, "crates/a/tests/it/long.rs", &long, ""),
            (length, "crates/a/benches/long.rs", &long, ""),
            (length, "docs/long.md", &long, ""),
            (length, "crates/a/src/x.rs", &long, "crates/a/src/x.rs: has 401 lines"),
            (length, "crates/a/src/tests.rs", &long, "crates/a/src/tests.rs: has 401 lines"),
            (test_modules, "crates/a/tests/it/x.rs", "", ""),
            (test_modules, "crates/a/tests/it/common/mod.rs", "", ""),
            (test_modules, "crates/a/tests/y.rs", "", ""),
            (test_modules, "crates/a/src/y.rs", "", ""),
            (test_modules, "crates/a/tests/it/y.rs", "", "crates/a/tests/it/y.rs: belongs"),
            (test_modules, "crates/b/tests/it/x.rs", "", "crates/b/tests/it/x.rs: belongs"),
            (tests_in_examples, "a.md", "\n```rust,test_harness\n#[test]\n```", ""),
            (tests_in_examples, "a.md", "\n```rust\nfn f() {}\n```\n\n#[test]\n", ""),
            (tests_in_examples, "a.md", "\n```text\n#[test]\n```", ""),
            (tests_in_examples, "a.md", "\n```rust\n    #[test]\n```", "a.md:2: a test"),
            (tests_in_examples, "a.md", "\n```rust,ignore\n#[tokio::test]", "a.md:2: a test"),
        ] {
            assert_finds(rule, &[], &[main, (path, text)], expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn links_and_paths_lead_somewhere() {
        let check = |text: &str, expected: &str| {
            let source = "//! See `xtask/src/main.rs`.\nfn f() {} // `docs/gone`\n";
            let files = [
                ("docs/page.md", text),
                ("README.md", "# A title\n\n## Use\n"),
                ("crates/a0-act/src/lib.rs", ""),
                ("xtask/src/main.rs", source),
            ];
            assert_finds(links, &[], &files, expected);
        };
        for good in [
            "[a](../README.md) [b](page.md) [c](/README.md) [d](./page.md) [e](../crates)",
            "[a](https://example.com/x#y) [b](mailto:a@b.c) [c](//example.com) [`C`](crate::C)",
            "[a](../crates/a0-act/src/lib.rs#L3) [b](../README.md#use)",
            "`crates/a0-act/src/lib.rs` `crates/a0-act/` `../README.md#use` `xtask/src/main.rs:7`",
            "`../README.md` `crates/*/src` `crates/a0-*/src/*.rs` `xtask/src/main.rs::main`",
            "`crates/<name>/src` `docs/{a,b}.md` `crates/a b` `src/gone.rs` `a/b` `docs/...`",
            "```\n[a](gone.md)\n```\n``[a](gone.md)``",
            "# Here\n[a](#here) [b](page.md#here) [c](../README.md#use)",
            "# Hello, World!\n# Hello, World!\n[a](#hello-world) [b](#hello-world-1)",
            "## The `act` claim\n### A [link](page.md) & more ##\n[](#the-act-claim) [](#a-link--more)",
            "## snake_case – Ä\n[a](#snake_case--ä)",
        ] {
            check(good, "");
        }
        for (bad, expected) in [
            ("[a](gone.md)", "1: `gone.md` does not exist"),
            ("![a [b] `c`](gone.png \"title\")", "1: `gone.png` does not exist"),
            ("[a](../docs)[b](gone/)", "1: `gone/` does not exist"),
            ("[a]: gone.md", "1: `gone.md` does not exist"),
            ("[a]: gone.md\n\n[a]", "3: `gone.md` does not exist"),
            ("[a](README.md)", "1: `README.md` does not exist"),
            ("[a](gone.md#use)", "1: `gone.md` does not exist"),
            ("[a](../../README.md)", "1: `../../README.md` does not exist"),
            ("|a|\n|-|\n|`crates/gone`|", "3: `crates/gone` does not exist"),
            ("`crates/a0-act/src/li`", "1: `crates/a0-act/src/li` does not exist"),
            ("`../gone.md`", "1: `../gone.md` does not exist"),
            ("`crates/*/benches`", "1: `crates/*/benches` does not exist"),
            ("`.ci/gone:1`", "1: `.ci/gone` does not exist"),
            ("# Here\n[a](#there)", "2: `#there` leads to no heading"),
            ("[a](../README.md#Use)", "1: `../README.md#Use` leads to no heading"),
            ("`docs/page.md#gone`", "1: `docs/page.md#gone` leads to no heading"),
            ("```\n# No\n```\n[a](#no)", "4: `#no` leads to no heading"),
        ] {
            check(bad, &format!("docs/page.md:{expected}"));
        }
        for (source, expected) in [
            ("//! See `docs/a.md`,\n//! and `../gone`.\n", ""),
            ("fn f() {\n    // See `docs/gone.md`.\n}\n", "a.rs:2: `docs/gone.md` does not exist"),
            ("/// # E\n///\n/// `crates/gone`\n", "a.rs:3: `crates/gone` does not exist"),
        ] {
            assert_finds(links, &[], &[("a.rs", source), ("docs/a.md", "")], expected);
        }
    }

    #[test]
    #[rustfmt::skip]
    fn code_in_texts_is_compiled() {
        let include = |path: &str| format!("#[cfg(doctest)]\n#[doc = include_str!(\"{path}\")]\nstruct A;\n");
        let code = "# A\n\n```rust,no_run\nf()\n```\n";
        let shell = "# A\n\n```sh\nf\n```\n";
        let readme = include("../README.md");
        for (page, text, source, expected) in [
            ("crates/a/README.md", "# A\n", readme.as_str(), ""),
            ("crates/a/README.md", "# A\n", &readme.replace("(doctest)", "(all(doctest, unix))"), ""),
            ("crates/a/README.md", "# A\n", &readme.replace("doctest", "test"), "crates/a/README.md: is not"),
            ("crates/a/README.md", "# A\n", "", "crates/a/README.md: is not among"),
            ("README.md", code, &include("../../../README.md"), ""),
            ("README.md", code, &readme, "README.md: is not among"),
            ("docs/a.md", code, &include("../../../docs/a.md"), ""),
            ("docs/a.md", code, &readme, "docs/a.md: is not among"),
            ("docs/a.md", shell, "", ""),
        ] {
            let files = [(page, text), ("crates/a/src/lib.rs", source)];
            assert_finds(doc_tests, &[package("a", json!({}))], &files, expected);
        }
    }
}
