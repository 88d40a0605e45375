//! The files of the project: those that git has or would take, else all there are.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::workspace::slashed;

#[derive(Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<File>,
}

#[derive(Debug)]
pub(super) struct File {
    /// Relative to the workspace, with `/` between the parts.
    pub(super) path: String,
    /// `None` where the file is not text.
    pub(super) text: Option<String>,
}

impl Tree {
    pub(super) fn load(root: &Path, target: &Path) -> Result<Self, String> {
        let mut paths = match git_files(root) {
            Some(paths) => paths,
            None => walk(root, target)?,
        };
        paths.sort();
        paths.dedup();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let on_disk = root.join(&path);
            // Git still lists what was deleted a moment ago.
            if on_disk.symlink_metadata().is_ok() {
                let text = read(&on_disk)?;
                files.push(File { path, text });
            }
        }
        Ok(Self { files })
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File {
            path: path.to_string(),
            text: Some(text.to_string()),
        };
        Self {
            files: files.iter().map(file).collect(),
        }
    }

    /// The text files whose name ends so, each with its text.
    pub(super) fn texts<'a>(&'a self, ending: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |file| file.path.ends_with(ending))
            .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let file = self.files.iter().find(|file| file.path == path)?;
        file.text.as_deref()
    }

    /// Whether there is a file or a folder at this path; the empty path is the root.
    pub(super) fn exists(&self, path: &str) -> bool {
        path.is_empty()
            || self.files.iter().any(|file| {
                file.path
                    .strip_prefix(path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}

/// What is tracked and what would be: a file not yet added is judged as it will be.
fn git_files(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let listing = String::from_utf8_lossy(&output.stdout);
    let paths: Vec<String> = listing
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    // A copy inside somebody else's checkout may be ignored there as a whole.
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walk(root: &Path, target: &Path) -> Result<Vec<String>, String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error| format!("{} cannot be listed: {error}", folder.display());
        for entry in folder.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            let name = entry.file_name();
            // The excluded packages have target folders of their own.
            if path == target || name == "target" || name == ".git" {
                continue;
            }
            if entry.file_type().map_err(failed)?.is_dir() {
                folders.push(path);
            } else if let Ok(relative) = path.strip_prefix(root) {
                found.push(slashed(relative));
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read(path) {
        Ok(bytes) if bytes.contains(&0) => Ok(None),
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        Err(error) => Err(format!(
            "{} cannot be read ({error}): repair or remove it",
            path.display()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A folder of this test alone, gone after it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
            let root = std::env::temp_dir().join(format!("tidy-{name}-{}", std::process::id()));
            for (path, content) in files {
                let path = root.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self(root)
        }

        fn git(&self, arguments: &[&str]) -> bool {
            Command::new("git")
                .args(arguments)
                .current_dir(&self.0)
                .output()
                .is_ok_and(|output| output.status.success())
        }

        fn paths(&self) -> Vec<String> {
            let tree = Tree::load(&self.0, &self.0.join("out")).unwrap();
            tree.files.into_iter().map(|file| file.path).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn without_git_all_but_the_products_of_builds_is_taken() {
        let folder = Folder::new(
            "walk",
            &[
                ("a.md", b"text"),
                ("b/c.rs", b""),
                ("out/x.rs", b""),
                ("b/target/y.rs", b""),
                (".ci/run", b""),
            ],
        );
        // Somebody may have made the temporary folder a checkout.
        if !folder.git(&["rev-parse"]) {
            assert_eq!(folder.paths(), [".ci/run", "a.md", "b/c.rs"]);
        }
    }

    #[test]
    fn git_says_what_belongs_to_the_project() {
        let folder = Folder::new(
            "git",
            &[
                (".gitignore", b"/scratch\n"),
                ("new.rs", b""),
                ("old.rs", b""),
                ("scratch/z.rs", b""),
            ],
        );
        // Inside a hook git works on the repository of the hook, wherever it is started.
        let in_hook = std::env::var_os("GIT_DIR").is_some();
        if !in_hook && folder.git(&["init"]) {
            assert!(folder.git(&["add", "old.rs", ".gitignore"]));
            assert_eq!(folder.paths(), [".gitignore", "new.rs", "old.rs"]);
            fs::remove_file(folder.0.join("old.rs")).unwrap();
            assert_eq!(folder.paths(), [".gitignore", "new.rs"]);
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_not_read_as_text() {
        let folder = Folder::new("bytes", &[("a", b"a\0b"), ("b", b"\xff"), ("c", b"text")]);
        assert_eq!(read(&folder.0.join("a")), Ok(None));
        assert_eq!(read(&folder.0.join("b")), Ok(None));
        assert_eq!(read(&folder.0.join("c")), Ok(Some("text".to_owned())));
        assert!(read(&folder.0.join("d")).is_err());
    }

    #[test]
    fn folders_exist_where_files_are_in_them() {
        let tree = Tree::of(&[("crates/a/README.md", "")]);
        for (path, exists) in [
            ("crates", true),
            ("crates/a", true),
            ("crates/a/README.md", true),
            ("crates/a/README", false),
            ("crate", false),
            ("", true),
        ] {
            assert_eq!(tree.exists(path), exists, "{path}");
        }
    }
}
