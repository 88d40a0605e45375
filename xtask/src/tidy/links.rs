//! What texts say about where things are.

use super::markdown::Document;
use super::tree::Tree;
use super::{Finding, Project};

/// A code span that begins so means a path from the root of the repository.
const FROM_ROOT: &[&str] = &["crates/", "docs/", "xtask/", ".ci/", ".cargo/"];

const FROM_HERE: &str = "../";

pub(super) fn paths(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in project.tree.texts(".md") {
        let document = Document::read(text);
        let links = document.links.iter().filter_map(|(line, link)| {
            let path = link_path(link)?;
            Some((*line, path, resolve(file, path)))
        });
        let code = document.code.iter().filter_map(|(line, span)| {
            let path = code_path(span)?;
            let resolved = match path.starts_with(FROM_HERE) {
                true => resolve(file, path),
                false => resolve("", path),
            };
            Some((*line, path, resolved))
        });
        for (line, path, resolved) in links.chain(code) {
            let there = resolved.is_some_and(|resolved| matches_any(project.tree, &resolved));
            if !there {
                findings.push(
                    Finding::new(
                        file,
                        format!("`{path}` does not exist"),
                        "name the path it has now, or take the sentence out",
                    )
                    .at(line),
                );
            }
        }
    }
    findings
}

pub(super) fn anchors(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in project.tree.texts(".md") {
        for (line, link) in Document::read(text).links {
            let Some((path, anchor)) = link.split_once('#') else {
                continue;
            };
            let target = match path {
                "" => Some(file.to_owned()),
                path if has_scheme(path) => None,
                path => resolve(file, path),
            };
            // Into sources an anchor is a line, and what does not exist is found by `paths`.
            let Some(target) = target.filter(|path| path.ends_with(".md")) else {
                continue;
            };
            let Some(text) = project.tree.text(&target) else {
                continue;
            };
            if !Document::read(text).anchors.iter().any(|it| it == anchor) {
                findings.push(
                    Finding::new(
                        file,
                        format!("{target} has no heading for `#{anchor}`"),
                        "name the heading it has now",
                    )
                    .at(line),
                );
            }
        }
    }
    findings
}

/// The path of a link into the repository, without its anchor.
fn link_path(link: &str) -> Option<&str> {
    let path = link.split('#').next().unwrap_or_default();
    (!path.is_empty() && !has_scheme(path)).then_some(path)
}

/// The path that a code span means, if it means one at all.
fn code_path(span: &str) -> Option<&str> {
    let known = FROM_ROOT
        .iter()
        .chain([&FROM_HERE])
        .any(|start| span.starts_with(start));
    let is_pattern = span.contains(['<', '>', '{', '}', '$', '…']) || span.contains("...");
    if !known || is_pattern || span.contains(char::is_whitespace) {
        return None;
    }
    // Also `path.rs:12`, `path.rs::item` and `path.md#anchor`.
    span.split([':', '#']).next()
}

fn has_scheme(link: &str) -> bool {
    let scheme = link.split_once(':').map(|(scheme, _)| scheme);
    link.starts_with("//")
        || scheme.is_some_and(|scheme| {
            scheme.starts_with(|first: char| first.is_ascii_alphabetic())
                && scheme
                    .chars()
                    .all(|it| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.'))
        })
}

/// The path from the root; none where it leads out of the repository.
fn resolve(file: &str, path: &str) -> Option<String> {
    let folder = match path.starts_with('/') {
        true => "",
        false => file.rsplit_once('/').map_or("", |(folder, _)| folder),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// As `exists`, and `*` stands for any part of a name.
fn matches_any(tree: &Tree, path: &str) -> bool {
    if !path.contains('*') {
        return tree.exists(path);
    }
    let wanted: Vec<&str> = path.split('/').collect();
    tree.files.iter().any(|file| {
        let parts: Vec<&str> = file.path.split('/').collect();
        parts.len() >= wanted.len()
            && wanted
                .iter()
                .zip(parts)
                .all(|(pattern, name)| name_matches(pattern, name))
    })
}

fn name_matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len())
        .filter_map(|at| name.get(at..))
        .any(|tail| name_matches(rest, tail))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over_files};
    use super::*;

    const README: &str = "# A title\n\n## Use\n";

    fn check(rule: fn(&Project) -> Vec<Finding>, text: &str) -> Vec<String> {
        over_files(
            rule,
            &[
                ("docs/page.md", text),
                ("README.md", README),
                ("crates/a0-act/README.md", README),
                ("crates/a0-act/src/lib.rs", ""),
                ("xtask/src/main.rs", ""),
            ],
        )
    }

    #[test]
    fn paths_lead_to_something() {
        for good in [
            "[a](../README.md) [b](page.md) [c](/README.md) [d](./page.md) [e](../crates)",
            "[a](https://example.com/x) [b](mailto:a@b.c) [c](//example.com) [d](#here)",
            "[a](../crates/a0-act/src/lib.rs#L3) [b](../README.md#use)",
            "`crates/a0-act/src/lib.rs` `crates/a0-act/` `docs/page.md#x` `xtask/src/main.rs:7`",
            "`../README.md` `crates/*/src` `crates/a0-*/src/*.rs`",
            "`crates/<name>/src` `docs/{a,b}.md` `crates/a b` `src/gone.rs` `a/b` `docs/...`",
            "`xtask/src/main.rs::main`",
            "```\n[a](gone.md)\n```",
        ] {
            assert_found(&check(paths, good), &[]);
        }
        for (bad, path) in [
            ("[a](gone.md)", "gone.md"),
            ("[a](../docs)[b](gone/)", "gone/"),
            ("[a]: gone.md", "gone.md"),
            ("[a](README.md)", "README.md"),
            ("[a](gone.md#use)", "gone.md"),
            ("[a](../../README.md)", "../../README.md"),
            ("`crates/gone`", "crates/gone"),
            ("`crates/a0-act/src/li`", "crates/a0-act/src/li"),
            ("`../gone.md`", "../gone.md"),
            ("`crates/*/benches`", "crates/*/benches"),
            ("`.ci/gone:1`", ".ci/gone"),
        ] {
            let expected = format!("docs/page.md:1: `{path}` does not exist: ");
            assert_found(&check(paths, bad), &[&expected]);
        }
    }

    #[test]
    fn anchors_lead_to_headings() {
        for good in [
            "# Here\n[a](#here) [b](page.md#here) [c](../README.md#use)",
            "[a](https://example.com#gone) [b](../xtask/src/main.rs#L1) [c](gone.md#x)",
        ] {
            assert_found(&check(anchors, good), &[]);
        }
        for (bad, expected) in [
            (
                "# Here\n[a](#there)",
                "docs/page.md:2: docs/page.md has no heading for `#there`",
            ),
            (
                "[a](../README.md#Use)",
                "docs/page.md:1: README.md has no heading for `#Use`",
            ),
        ] {
            assert_found(&check(anchors, bad), &[expected]);
        }
    }
}
