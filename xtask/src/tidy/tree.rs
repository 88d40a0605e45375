//! The files of the project.

use std::collections::BTreeMap;
use std::path::Path;

use wildmatch::WildMatch;

/// Folders with files that do not belong to the project.
const SKIPPED: &[&str] = &[".git", "target"];

/// Files by their paths, relative to the workspace, with `/` between the parts. The value is `None`
/// if the file is not text, or a link to a folder.
#[derive(Debug, Default)]
pub(super) struct Tree(BTreeMap<String, Option<String>>);

impl Tree {
    /// Reads all files below the folder.
    pub(super) fn load(root: &Path) -> std::io::Result<Self> {
        let mut tree = Self::default();
        tree.add_folder(root, "")?;
        Ok(tree)
    }

    fn add_folder(&mut self, root: &Path, folder: &str) -> std::io::Result<()> {
        for entry in root.join(folder).read_dir()? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = [folder, &name].join(if folder.is_empty() { "" } else { "/" });
            if !entry.file_type()?.is_dir() {
                self.0
                    .insert(path, std::fs::read_to_string(entry.path()).ok());
            } else if !SKIPPED.contains(&name.as_str()) {
                self.add_folder(root, &path)?;
            }
        }
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let files = files
            .iter()
            .map(|(path, text)| (path.to_string(), Some(text.to_string())));
        Self(files.collect())
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The path and the text of each text file whose name ends with `ending`.
    pub(super) fn texts<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let files = self.0.iter();
        let files = files.filter(move |(path, _)| path.ends_with(ending));
        files.filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.0.get(path)?.as_deref()
    }

    /// Whether a file or a folder matches this path, in which `*` stands for any part of a name.
    /// The empty path is the root.
    pub(super) fn exists(&self, path: &str) -> bool {
        let wanted: Vec<WildMatch> = path.split('/').map(WildMatch::new).collect();
        let matches = |path: &str| {
            let parts: Vec<&str> = path.split('/').collect();
            let mut pairs = wanted.iter().zip(&parts);
            parts.len() >= wanted.len() && pairs.all(|(wanted, part)| wanted.matches(part))
        };
        path.is_empty() || self.paths().any(matches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn builds_do_not_belong_to_the_project() {
        let root = std::env::temp_dir().join(format!("tidy-{}", std::process::id()));
        for (path, content) in [
            ("a/target/y.rs", &b"text"[..]),
            (".ci/run", b"text"),
            (".git/z.rs", b"text"),
            ("a/x.rs", b"text"),
            ("latin", b"\xff"),
        ] {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), content).unwrap();
        }
        let tree = Tree::load(&root).unwrap();
        let _ = fs::remove_dir_all(&root);
        assert!(tree.paths().eq([".ci/run", "a/x.rs", "latin"]), "{tree:?}");
        assert_eq!(
            (tree.text("a/x.rs"), tree.text("latin")),
            (Some("text"), None)
        );
        assert!(Tree::load(&root).is_err());
    }

    #[test]
    fn folders_exist_if_they_contain_files() {
        let tree = Tree::of(&[("crates/a0-x/README.md", "")]);
        for (path, exists) in [
            ("", true),
            ("crates", true),
            ("crates/a0-x/README.md", true),
            ("crates/a0-x/README", false),
            ("crate", false),
            ("crates/*/README.md", true),
            ("crates/a0-*/*.md", true),
            ("crates/*/src", false),
            ("*/README.md", false),
        ] {
            assert_eq!(tree.exists(path), exists, "{path}");
        }
    }
}
