//! Where things live and how long they get.

use std::collections::BTreeSet;

use super::{Finding, Project};

const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "crates",
    "xtask",
    "docs",
    "README.md",
    "LICENSE",
    "deny.toml",
];

/// Packages with dependencies that must not reach the lock file of the workspace.
const OUTSIDE: &[&str] = &["crates/bench-peers", "crates/fuzz"];

const MAX_LINES: usize = 400;

pub(super) fn top_level(project: &Project) -> Vec<Finding> {
    let entries: BTreeSet<&str> = project
        .tree
        .files
        .iter()
        .filter_map(|file| file.path.split('/').next())
        .collect();
    entries
        .into_iter()
        .filter(|entry| !entry.starts_with('.') && !TOP_LEVEL.contains(entry))
        .map(|entry| {
            Finding::new(
                entry,
                "does not belong at the top level",
                format!(
                    "move it below one of crates, xtask, docs; here are only {}",
                    TOP_LEVEL.join(", ")
                ),
            )
        })
        .collect()
}

pub(super) fn members(project: &Project) -> Vec<Finding> {
    let folders: BTreeSet<String> = project
        .tree
        .files
        .iter()
        .filter_map(|file| {
            let (folder, _) = file.path.strip_prefix("crates/")?.split_once('/')?;
            Some(format!("crates/{folder}"))
        })
        .collect();
    let is_member = |folder: &str| {
        let packages = &project.workspace.packages;
        packages.iter().any(|package| package.directory == folder)
    };
    folders
        .into_iter()
        .filter(|folder| !OUTSIDE.contains(&folder.as_str()) && !is_member(folder))
        .map(|folder| {
            Finding::new(
                &folder,
                "is not a member of the workspace",
                "give it a Cargo.toml, or take it out of crates",
            )
        })
        .collect()
}

pub(super) fn file_length(project: &Project) -> Vec<Finding> {
    let is_test = |path: &str| {
        let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
        folders
            .split('/')
            .any(|part| matches!(part, "tests" | "benches"))
    };
    project
        .tree
        .texts(".rs")
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MAX_LINES)
        .map(|(path, lines)| {
            Finding::new(
                path,
                format!("has {lines} lines, more than {MAX_LINES}"),
                "split it by concern; tests of the public surface go below tests/",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over, over_files};
    use super::*;
    use crate::workspace::Package;

    #[test]
    fn the_top_level_is_closed() {
        let good = [
            ("Cargo.toml", ""),
            ("README.md", ""),
            (".ci/run", ""),
            (".gitignore", ""),
            ("docs/deep/x.md", ""),
        ];
        assert_found(&over_files(top_level, &good), &[]);

        let bad = [("notes.md", ""), ("scripts/a.sh", ""), ("scripts/b.sh", "")];
        assert_found(&over_files(top_level, &bad), &["notes.md: ", "scripts: "]);
    }

    #[test]
    fn every_folder_below_crates_is_a_member() {
        let member = || {
            vec![Package {
                directory: "crates/a0-act".to_owned(),
                ..Package::default()
            }]
        };
        let good = [
            ("crates/a0-act/Cargo.toml", ""),
            ("crates/fuzz/Cargo.toml", ""),
        ];
        assert_found(&over(members, member(), &good), &[]);

        let bad = [
            ("crates/a0-act/Cargo.toml", ""),
            ("crates/lost/README.md", ""),
        ];
        assert_found(&over(members, member(), &bad), &["crates/lost: "]);
    }

    #[test]
    fn files_end_at_four_hundred_lines() {
        let long = "//\n".repeat(MAX_LINES + 1);
        let good = "//\n".repeat(MAX_LINES);
        let findings = over_files(
            file_length,
            &[
                ("crates/a/src/good.rs", &good),
                ("crates/a/src/long.rs", &long),
                ("crates/a/src/tests.rs", &long),
                ("crates/a/tests/it/long.rs", &long),
                ("crates/a/benches/long.rs", &long),
                ("docs/long.md", &long),
            ],
        );
        assert_found(
            &findings,
            &[
                "crates/a/src/long.rs: has 401 lines",
                "crates/a/src/tests.rs: has 401 lines",
            ],
        );
    }
}
