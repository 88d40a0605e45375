//! The workspace as `cargo metadata` describes it.

use std::path::PathBuf;

use cargo_metadata::{Metadata, MetadataCommand, Package};

pub(crate) struct Workspace(Metadata);

impl Workspace {
    /// Reads the workspace and makes its root the current directory, so that all other code can
    /// use paths relative to the root. Compiles nothing and needs no network.
    pub(crate) fn enter() -> Result<Self, String> {
        let metadata = MetadataCommand::new().no_deps().exec();
        let metadata = metadata.map_err(|error| format!("`cargo metadata` failed: {error}"))?;
        std::env::set_current_dir(&metadata.workspace_root)
            .map_err(|error| format!("{}: {error}", metadata.workspace_root))?;
        Ok(Self(metadata))
    }

    pub(crate) fn target(&self) -> PathBuf {
        self.0.target_directory.clone().into()
    }

    pub(crate) fn packages(&self) -> &[Package] {
        &self.0.packages
    }

    /// The packages that are published: not `publish = false`.
    pub(crate) fn libraries(&self) -> impl Iterator<Item = &Package> {
        self.packages()
            .iter()
            .filter(|package| package.publish.is_none())
    }

    /// The names of the integration tests of a package.
    pub(crate) fn tests_of(&self, name: &str) -> Vec<String> {
        let package = self.packages().iter().filter(|it| it.name == name);
        let tests = package.flat_map(|it| &it.targets).filter(|it| it.is_test());
        tests.map(|it| it.name.clone()).collect()
    }

    /// A file of the package, relative to the workspace, with `/` between the parts.
    pub(crate) fn file(&self, package: &Package, name: &str) -> String {
        let folder = package.manifest_path.parent();
        let folder = folder.and_then(|it| it.strip_prefix(&self.0.workspace_root).ok());
        let parts = folder.into_iter().flat_map(|it| it.iter()).chain([name]);
        parts.collect::<Vec<_>>().join("/")
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use serde_json::{Value, json};

    use super::*;

    impl Workspace {
        pub(crate) fn of(packages: &[Package]) -> Self {
            let metadata = json!({
                "packages": packages, "workspace_members": [], "resolve": null,
                "workspace_root": "/w", "target_directory": "/w/target", "version": 1,
            });
            Self(serde_json::from_value(metadata).unwrap())
        }
    }

    /// A library without dependencies, with some members of its metadata replaced.
    pub(crate) fn package(name: &str, changes: Value) -> Package {
        let mut package = json!({
            "name": name, "version": "0.1.0", "id": name,
            "manifest_path": format!("/w/crates/{name}/Cargo.toml"),
            "dependencies": [], "targets": [], "features": {}, "publish": null,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            package[name] = value.clone();
        }
        serde_json::from_value(package).unwrap()
    }
}
