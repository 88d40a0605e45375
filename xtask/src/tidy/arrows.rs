//! Who may depend on whom. The picture of it is in `docs/architecture.md`; this is the law.

use super::{Finding, Project};
use crate::workspace::{Dependency, Kind, Package};

struct Row {
    name: &'static str,
    may_need: &'static [&'static str],
    /// Only behind a feature.
    may_need_optionally: &'static [&'static str],
}

const TABLE: &[Row] = &[
    row("a0-act", &[]),
    row("a0-jose", &[]),
    row("a0-http", &[]),
    row("a0-single-flight", &[]),
    row("a0-discovery", &["a0-jose", "a0-http", "a0-single-flight"]),
    row("a0-dpop", &["a0-jose"]),
    Row {
        may_need_optionally: &["a0-jose"],
        ..row("a0-token-exchange", &["a0-http"])
    },
    row(
        "auth0-api",
        &[
            "a0-act",
            "a0-discovery",
            "a0-dpop",
            "a0-http",
            "a0-jose",
            "a0-single-flight",
            "a0-token-exchange",
        ],
    ),
    row(
        "a0-tower",
        &[
            "a0-act",
            "a0-discovery",
            "a0-dpop",
            "a0-http",
            "a0-jose",
            "a0-token-exchange",
            "auth0-api",
        ],
    ),
    row("a0-redis", &["a0-discovery", "a0-dpop", "auth0-api"]),
    row("a0-testkit", &[]),
    row("a0-parity", &["a0-testkit", "auth0-api"]),
    row("xtask", &[]),
];

/// The local tenant judges all others, and an exchange with it goes through the HTTP core.
const FOR_ALL_TESTS: &[&str] = &["a0-testkit", "a0-http"];

const TENANT: &str = "a0-testkit";

const fn row(name: &'static str, may_need: &'static [&'static str]) -> Row {
    Row {
        name,
        may_need,
        may_need_optionally: &[],
    }
}

pub(super) fn arrows(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &project.workspace.packages {
        let manifest = package.file("Cargo.toml");
        let Some(row) = find(&package.name) else {
            findings.push(Finding::new(
                &manifest,
                format!("unknown crate `{}`", package.name),
                "give it a row in the table of xtask/src/tidy/arrows.rs",
            ));
            continue;
        };
        for dependency in inner(project, package).filter(|it| it.kind != Kind::Dev) {
            let needed = dependency.name.as_str();
            if row.may_need.contains(&needed) {
                continue;
            }
            if !row.may_need_optionally.contains(&needed) {
                findings.push(Finding::new(
                    &manifest,
                    format!("{} must not depend on {needed}", package.name),
                    allowed(row),
                ));
            } else if !dependency.optional {
                findings.push(Finding::new(
                    &manifest,
                    format!("{} may depend on {needed} only optionally", package.name),
                    "set `optional = true` and switch it on by a feature",
                ));
            }
        }
    }
    findings
}

pub(super) fn dev_arrows(project: &Project) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &project.workspace.packages {
        let manifest = package.file("Cargo.toml");
        for dependency in inner(project, package).filter(|it| it.kind == Kind::Dev) {
            let needed = dependency.name.as_str();
            if needed == TENANT && (!dependency.has_path || dependency.requirement != "*") {
                findings.push(Finding::new(
                    &manifest,
                    format!("the dev-dependency on {TENANT} has a version"),
                    format!(
                        "name it by path alone, `{TENANT} = {{ path = \"../{TENANT}\" }}`, \
                         so that publication strips it"
                    ),
                ));
            }
            let below = below(&package.name);
            if !below.contains(&needed) && !FOR_ALL_TESTS.contains(&needed) {
                findings.push(Finding::new(
                    &manifest,
                    format!("the tests of {} must not need {needed}", package.name),
                    format!(
                        "test with {} and what is below the crate, \
                         or move the test up into a crate above {needed}",
                        FOR_ALL_TESTS.join(", ")
                    ),
                ));
            }
        }
    }
    findings
}

/// What makes the lowest crates cheap to take alone.
pub(super) fn foundations(project: &Project) -> Vec<Finding> {
    const ACT_NEEDS: &[&str] = &["serde_json", "thiserror"];
    const HTTP_CRATES: &[&str] = &["ureq", "reqwest", "hyper", "http"];

    let mut findings = Vec::new();
    if let Some(act) = project.workspace.package("a0-act") {
        let mut needs: Vec<&str> = needed_in_use(act).collect();
        needs.sort_unstable();
        if needs != ACT_NEEDS {
            findings.push(Finding::new(
                &act.file("Cargo.toml"),
                format!("a0-act depends on {}", list(&needs)),
                format!("it takes exactly {}", list(ACT_NEEDS)),
            ));
        }
    }
    if let Some(jose) = project.workspace.package("a0-jose") {
        for needed in needed_in_use(jose).filter(|name| HTTP_CRATES.contains(name)) {
            findings.push(Finding::new(
                &jose.file("Cargo.toml"),
                format!("a0-jose depends on {needed}"),
                "it knows no HTTP: take bytes and strings, and leave the exchange to a0-http",
            ));
        }
    }
    findings
}

fn find(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

/// The dependencies on crates of this workspace.
fn inner<'a>(project: &'a Project, package: &'a Package) -> impl Iterator<Item = &'a Dependency> {
    package.dependencies.iter().filter(|dependency| {
        find(&dependency.name).is_some() || project.workspace.package(&dependency.name).is_some()
    })
}

fn needed_in_use(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != Kind::Dev)
        .map(|dependency| dependency.name.as_str())
}

/// All that can be reached from a crate along the allowed arrows.
fn below(name: &str) -> Vec<&'static str> {
    let mut reached = Vec::new();
    let mut open: Vec<&str> = vec![name];
    while let Some(row) = open.pop().and_then(find) {
        for next in row.may_need.iter().chain(row.may_need_optionally) {
            if !reached.contains(next) {
                reached.push(*next);
                open.push(next);
            }
        }
    }
    reached
}

fn allowed(row: &Row) -> String {
    let optionally = row
        .may_need_optionally
        .iter()
        .map(|name| format!("{name} (optional)"));
    let allowed: Vec<String> = row
        .may_need
        .iter()
        .map(|name| name.to_string())
        .chain(optionally)
        .collect();
    format!(
        "its arrows go to {}; move the code down or pass the value in from above",
        list(&allowed)
    )
}

fn list<T: AsRef<str>>(names: &[T]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_found, over};
    use super::*;

    fn package(name: &str, dependencies: Vec<Dependency>) -> Package {
        Package {
            name: name.to_owned(),
            directory: format!("crates/{name}"),
            dependencies,
            ..Package::default()
        }
    }

    fn normal(name: &str) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind: Kind::Normal,
            optional: false,
            requirement: "^0.1.0".to_owned(),
            has_path: name.starts_with("a0-"),
        }
    }

    fn optional(name: &str) -> Dependency {
        Dependency {
            optional: true,
            ..normal(name)
        }
    }

    fn build(name: &str) -> Dependency {
        Dependency {
            kind: Kind::Build,
            ..normal(name)
        }
    }

    fn dev(name: &str, requirement: &str) -> Dependency {
        Dependency {
            kind: Kind::Dev,
            requirement: requirement.to_owned(),
            ..normal(name)
        }
    }

    #[test]
    fn arrows_follow_the_table() {
        for (name, dependency, expected) in [
            ("a0-discovery", normal("a0-jose"), None),
            ("a0-discovery", normal("serde"), None),
            ("a0-discovery", normal("a0-single-flight"), None),
            (
                "a0-single-flight",
                normal("a0-http"),
                Some("a0-single-flight must not depend on a0-http"),
            ),
            ("auth0-api", normal("a0-act"), None),
            ("a0-tower", normal("auth0-api"), None),
            ("a0-redis", normal("a0-dpop"), None),
            ("a0-token-exchange", optional("a0-jose"), None),
            ("a0-token-exchange", normal("a0-http"), None),
            ("a0-jose", dev("a0-testkit", "*"), None),
            (
                "a0-token-exchange",
                normal("a0-jose"),
                Some("only optionally"),
            ),
            (
                "a0-jose",
                normal("a0-http"),
                Some("a0-jose must not depend on a0-http"),
            ),
            ("a0-jose", optional("a0-act"), Some("must not depend")),
            ("a0-http", build("a0-act"), Some("must not depend")),
            ("a0-dpop", normal("auth0-api"), Some("must not depend")),
            ("a0-testkit", normal("a0-jose"), Some("must not depend")),
            ("xtask", normal("a0-testkit"), Some("must not depend")),
            ("a0-new", normal("serde"), Some("unknown crate `a0-new`")),
        ] {
            let findings = over(arrows, vec![package(name, vec![dependency])], &[]);
            assert_eq!(
                findings.len(),
                usize::from(expected.is_some()),
                "{name}: {findings:?}"
            );
            for finding in findings {
                assert!(finding.starts_with(&format!("crates/{name}/Cargo.toml: ")));
                assert!(finding.contains(expected.unwrap()), "{finding}");
            }
        }
    }

    #[test]
    fn tests_need_the_tenant_by_path_and_nothing_from_above() {
        for (name, dependency, expected) in [
            ("auth0-api", dev("a0-testkit", "*"), None),
            ("a0-jose", dev("a0-http", "^0.1.0"), None),
            ("a0-redis", dev("a0-jose", "^0.1.0"), None),
            ("a0-act", dev("proptest", "^1"), None),
            (
                "auth0-api",
                dev("a0-testkit", "^0.1.0"),
                Some("has a version"),
            ),
            (
                "a0-jose",
                dev("a0-discovery", "^0.1.0"),
                Some("must not need a0-discovery"),
            ),
            ("a0-dpop", dev("a0-act", "*"), Some("must not need a0-act")),
        ] {
            let findings = over(dev_arrows, vec![package(name, vec![dependency])], &[]);
            assert_eq!(
                findings.len(),
                usize::from(expected.is_some()),
                "{name}: {findings:?}"
            );
            for finding in findings {
                assert!(finding.contains(expected.unwrap()), "{finding}");
            }
        }
    }

    #[test]
    fn the_lowest_crates_stay_small() {
        let act = |names: &[&str]| package("a0-act", names.iter().map(|n| normal(n)).collect());
        let jose = |name: &str| package("a0-jose", vec![normal(name)]);
        let with_dev = package(
            "a0-act",
            vec![
                normal("thiserror"),
                normal("serde_json"),
                dev("proptest", "^1"),
            ],
        );
        let good = vec![with_dev, jose("sha2")];
        assert_found(&over(foundations, good, &[]), &[]);

        let bad = vec![act(&["serde_json", "thiserror", "url"]), jose("http")];
        assert_found(
            &over(foundations, bad, &[]),
            &[
                "crates/a0-act/Cargo.toml: a0-act depends on serde_json, thiserror, url: it takes exactly",
                "crates/a0-jose/Cargo.toml: a0-jose depends on http: it knows no HTTP",
            ],
        );
        assert_eq!(over(foundations, vec![act(&["serde_json"])], &[]).len(), 1);
    }

    #[test]
    fn the_table_has_no_circle_and_names_only_its_own_rows() {
        for row in TABLE {
            assert!(!below(row.name).contains(&row.name), "{}", row.name);
            for needed in below(row.name) {
                assert!(find(needed).is_some(), "{needed}");
            }
        }
    }
}
