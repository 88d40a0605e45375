//! The rules for dependencies between the crates of the workspace.

use cargo_metadata::{Dependency, DependencyKind};

use super::Project;

/// The crates that each crate may depend on. `?` means only behind a feature. A crate that does not
/// exist yet may have a line. docs/architecture.md explains the order.
const ARROWS: &str = "
a0-act:
a0-jose:
a0-http:
a0-single-flight:
a0-discovery: a0-jose a0-http a0-single-flight
a0-dpop: a0-jose
a0-token-exchange: a0-http a0-jose?
auth0-api: a0-act a0-discovery a0-dpop a0-http a0-jose a0-single-flight a0-token-exchange
a0-tower: a0-act a0-discovery a0-dpop a0-http a0-jose a0-token-exchange auth0-api
a0-mcp: a0-tower auth0-api
a0-redis: a0-discovery a0-dpop a0-jose
a0-testkit:
a0-parity: a0-testkit auth0-api
xtask:
";

/// All tests may use the local tenant, and the HTTP client to reach it.
const FOR_ALL_TESTS: &[&str] = &[TENANT, "a0-http"];
const TENANT: &str = "a0-testkit";

/// Whether a crate stays cheap to use alone: `a0-act` needs two crates, and `a0-jose` knows no HTTP.
/// deny.toml keeps the HTTP clients in `a0-http`.
fn is_cheap(name: &str, needed: &str) -> bool {
    match name {
        "a0-act" => ["serde_json", "thiserror"].contains(&needed),
        "a0-jose" => !["http", "hyper"].contains(&needed),
        _ => true,
    }
}

pub(super) fn arrows(project: &Project) -> Vec<String> {
    let mut findings = Vec::new();
    for package in project.workspace.packages() {
        let manifest = project.workspace.file(package, "Cargo.toml");
        if allowed(&package.name).is_none() {
            let remedy = "add it to the table in xtask/src/tidy/arrows.rs";
            findings.push(format!("{manifest}: the crate has no arrows: {remedy}"));
            continue;
        }
        let wrong = package.dependencies.iter();
        let wrong = wrong.filter_map(|dependency| wrong_arrow(&package.name, dependency));
        findings.extend(wrong.map(|wrong| format!("{manifest}: {wrong}")));
    }
    findings
}

fn wrong_arrow(of: &str, dependency: &Dependency) -> Option<String> {
    let needed = dependency.name.as_str();
    let allowed_here = allowed(of).unwrap_or_default();
    let is_inner = dependency.path.is_some() || allowed(needed).is_some();
    let has_version = dependency.path.is_none() || dependency.req.to_string() != "*";
    let in_tests = dependency.kind == DependencyKind::Development;
    if in_tests && needed == TENANT && has_version {
        let remedy = "name it by its path alone, so that publication strips it";
        Some(format!(
            "the dev-dependency on {TENANT} has a version: {remedy}"
        ))
    } else if in_tests {
        let is_known = FOR_ALL_TESTS.contains(&needed) || below(of).contains(&needed);
        let remedy = format!("move the test into a crate above {needed}");
        (is_inner && !is_known).then(|| format!("tests must not use {needed}: {remedy}"))
    } else if allowed_here.contains(&format!("{needed}?").as_str()) {
        let remedy = "set `optional = true` and let a feature turn it on";
        (!dependency.optional).then(|| format!("{needed} must be optional: {remedy}"))
    } else {
        let is_wrong = is_inner && !allowed_here.contains(&needed) || !is_cheap(of, needed);
        let remedy = format!("it may use {allowed_here:?}: move the code or pass the value in");
        is_wrong.then(|| format!("must not depend on {needed}: {remedy}"))
    }
}

fn allowed(name: &str) -> Option<Vec<&'static str>> {
    let lines = ARROWS.lines().filter_map(|line| line.split_once(':'));
    let mut allowed = lines.filter(|(of, _)| *of == name);
    Some(allowed.next()?.1.split_whitespace().collect())
}

/// All crates that the arrows lead to from here.
fn below(name: &str) -> Vec<&'static str> {
    let mut reached = Vec::new();
    let mut open = allowed(name).unwrap_or_default();
    while let Some(name) = open.pop().map(|name| name.trim_end_matches('?')) {
        if !reached.contains(&name) {
            reached.push(name);
            open.extend(allowed(name).unwrap_or_default());
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{assert_finds, at};
    use super::*;
    use crate::workspace::testing::package;

    /// A dependency is its name, `?` if optional, its kind and its version.
    #[test]
    #[rustfmt::skip]
    fn dependencies_follow_the_arrows() {
        for (name, dependency, expected) in [
            ("a0-discovery", "a0-jose normal ^0.1.0", ""),
            ("a0-discovery", "serde normal ^1", ""),
            ("a0-tower", "a0-mcp normal ^0.1.0", "must not depend on a0-mcp"),
            ("a0-token-exchange", "a0-jose? normal ^0.1.0", ""),
            ("a0-token-exchange", "a0-jose normal ^0.1.0", "a0-jose must be optional"),
            ("a0-single-flight", "a0-http normal ^0.1.0", "must not depend on a0-http"),
            ("a0-jose", "a0-http normal ^0.1.0", "must not depend on a0-http"),
            ("a0-jose", "a0-act? normal ^0.1.0", "must not depend on a0-act"),
            ("a0-http", "a0-act build ^0.1.0", "must not depend on a0-act"),
            ("a0-dpop", "auth0-api normal ^0.1.0", "must not depend on auth0-api"),
            ("a0-testkit", "a0-jose normal ^0.1.0", "must not depend on a0-jose"),
            ("xtask", "a0-testkit normal ^0.1.0", "must not depend on a0-testkit"),
            ("a0-discovery", "a0-new normal ^0.1.0", "must not depend on a0-new"),
            ("a0-new", "serde normal ^1", "the crate has no arrows"),
            ("auth0-api", "a0-testkit dev *", ""),
            ("a0-jose", "a0-http dev ^0.1.0", ""),
            ("a0-token-exchange", "a0-jose dev ^0.1.0", ""),
            ("a0-act", "proptest dev ^1", ""),
            ("auth0-api", "a0-testkit dev ^0.1.0", "the dev-dependency on a0-testkit has a version"),
            ("a0-act", "thiserror normal ^2", ""),
            ("a0-act", "url normal ^2", "must not depend on url"),
            ("a0-jose", "sha2 normal ^1", ""),
            ("a0-jose", "http normal ^1", "must not depend on http"),
            ("a0-http", "http normal ^1", ""),
            ("a0-jose", "a0-discovery dev *", "tests must not use a0-discovery"),
            ("a0-dpop", "a0-act dev *", "tests must not use a0-act"),
        ] {
            let [needed, kind, version] = dependency.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{dependency}");
            };
            let needs = needed.trim_end_matches('?');
            let dependency = json!({
                "name": needs, "optional": needed.ends_with('?'), "req": version, "source": null,
                "kind": (kind != "normal").then_some(kind), "target": null, "rename": null,
                "uses_default_features": true, "features": [], "registry": null,
                "path": needs.starts_with("a0-").then(|| format!("/w/crates/{needs}")),
            });
            let package = package(name, json!({ "dependencies": [dependency] }));
            let expected = at(&format!("crates/{name}/Cargo.toml"), expected);
            assert_finds(arrows, &[package], &[], &expected);
        }
    }
}
