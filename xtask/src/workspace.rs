//! What `cargo metadata` says about the workspace, reduced to what the commands need.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Failure;

#[derive(Debug, Default)]
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target_directory: PathBuf,
    pub(crate) packages: Vec<Package>,
}

#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Relative to the workspace, with `/` between the parts.
    pub(crate) directory: String,
    pub(crate) description: Option<String>,
    pub(crate) license: Option<String>,
    pub(crate) readme: Option<String>,
    pub(crate) rust_version: Option<String>,
    pub(crate) keywords: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) has_docs_rs_metadata: bool,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) has_library: bool,
    pub(crate) examples: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    pub(crate) requirement: String,
    pub(crate) has_path: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl Workspace {
    /// Reads the workspace of the current directory; compiles nothing and needs no network.
    pub(crate) fn load() -> Result<Self, Failure> {
        let output = Command::new(cargo())
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| {
                Failure::Failed(format!(
                    "`cargo metadata` could not be started ({error}): install cargo, see https://rustup.rs"
                ))
            })?;
        if !output.status.success() {
            return Err(Failure::Failed(
                "`cargo metadata` failed: repair the manifest it names above".to_owned(),
            ));
        }
        let metadata = serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::Failed(format!("`cargo metadata` is not JSON: {error}")))?;
        Self::from_metadata(&metadata).ok_or_else(|| {
            Failure::Failed(
                "`cargo metadata` has an unknown shape: adapt xtask/src/workspace.rs".to_owned(),
            )
        })
    }

    fn from_metadata(metadata: &Value) -> Option<Self> {
        let root = PathBuf::from(text(metadata, "workspace_root")?);
        let packages = metadata
            .get("packages")?
            .as_array()?
            .iter()
            .map(|package| Package::from_metadata(package, &root))
            .collect::<Option<_>>()?;
        Some(Self {
            target_directory: PathBuf::from(text(metadata, "target_directory")?),
            packages,
            root,
        })
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.name == name)
    }

    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| package.has_library)
    }
}

impl Package {
    fn from_metadata(package: &Value, root: &Path) -> Option<Self> {
        let manifest = PathBuf::from(text(package, "manifest_path")?);
        let features = package.get("features")?;
        let targets: Vec<(Vec<String>, String)> = package
            .get("targets")?
            .as_array()?
            .iter()
            .map(|target| Some((texts(target, "kind"), text(target, "name")?)))
            .collect::<Option<_>>()?;
        let with_kind = |wanted: &str| {
            targets
                .iter()
                .filter(move |(kinds, _)| kinds.iter().any(|kind| kind == wanted))
                .map(|(_, name)| name.clone())
                .collect::<Vec<_>>()
        };
        Some(Self {
            name: text(package, "name")?,
            directory: slashed(manifest.parent()?.strip_prefix(root).ok()?),
            description: text(package, "description"),
            license: text(package, "license"),
            readme: text(package, "readme"),
            rust_version: text(package, "rust_version"),
            keywords: texts(package, "keywords"),
            categories: texts(package, "categories"),
            has_docs_rs_metadata: package.pointer("/metadata/docs/rs").is_some(),
            dependencies: package
                .get("dependencies")?
                .as_array()?
                .iter()
                .map(Dependency::from_metadata)
                .collect::<Option<_>>()?,
            features: features
                .as_object()?
                .keys()
                .map(|name| (name.clone(), texts(features, name)))
                .collect(),
            has_library: !with_kind("lib").is_empty() || !with_kind("proc-macro").is_empty(),
            examples: with_kind("example"),
        })
    }

    /// A path inside the package, relative to the workspace.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.directory)
    }
}

impl Dependency {
    fn from_metadata(dependency: &Value) -> Option<Self> {
        Some(Self {
            name: text(dependency, "name")?,
            kind: match dependency.get("kind")?.as_str() {
                None => Kind::Normal,
                Some("build") => Kind::Build,
                Some("dev") => Kind::Dev,
                Some(_) => return None,
            },
            optional: dependency.get("optional")?.as_bool()?,
            requirement: text(dependency, "req")?,
            has_path: dependency.get("path").is_some_and(Value::is_string),
        })
    }
}

/// The cargo that started this program, else the first one on the path.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

pub(crate) fn slashed(path: &Path) -> String {
    let parts: Vec<_> = path
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    parts.join("/")
}

fn text(value: &Value, key: &str) -> Option<String> {
    Some(value.get(key)?.as_str()?.to_owned())
}

fn texts(value: &Value, key: &str) -> Vec<String> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|item| Some(item.as_str()?.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn metadata_is_reduced_to_what_is_needed() {
        let metadata = json!({
            "workspace_root": "/w",
            "target_directory": "/w/target",
            "packages": [{
                "name": "a0-act",
                "manifest_path": "/w/crates/a0-act/Cargo.toml",
                "description": "The claim",
                "license": null,
                "keywords": ["jwt"],
                "metadata": { "docs": { "rs": {} } },
                "features": { "default": ["x"], "x": [] },
                "dependencies": [
                    { "name": "serde_json", "kind": null, "optional": false, "req": "^1" },
                    { "name": "a0-testkit", "kind": "dev", "optional": false, "req": "*", "path": "/w/crates/a0-testkit" },
                ],
                "targets": [
                    { "name": "a0_act", "kind": ["lib"] },
                    { "name": "chain", "kind": ["example"] },
                ],
            }],
        });
        let workspace = Workspace::from_metadata(&metadata).unwrap();
        let package = workspace.package("a0-act").unwrap();
        assert_eq!(package.file("README.md"), "crates/a0-act/README.md");
        assert_eq!(package.description.as_deref(), Some("The claim"));
        assert_eq!(package.license, None);
        assert!(package.has_library && package.has_docs_rs_metadata);
        assert_eq!(package.examples, ["chain"]);
        assert_eq!(package.features["default"], ["x"]);
        let kinds: Vec<_> = package
            .dependencies
            .iter()
            .map(|d| (d.kind, d.has_path))
            .collect();
        assert_eq!(kinds, [(Kind::Normal, false), (Kind::Dev, true)]);
    }

    #[test]
    fn an_unknown_shape_is_not_taken_for_an_empty_workspace() {
        assert!(Workspace::from_metadata(&json!({ "workspace_root": "/w" })).is_none());
    }
}
