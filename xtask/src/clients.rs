//! `cargo xtask clients`: real MCP clients log in to an example of `a0-mcp`.
//!
//! The scripts in `crates/a0-mcp/clients` check each step. This file installs what they need, starts
//! an example for each, and adds up their checks.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::packages;
use crate::process::{Line, Running, Tally};
use crate::workspace::Workspace;

/// Lets real MCP clients log in to an example of a0-mcp, over sockets
///
///   node         @modelcontextprotocol/client: login, calls, step-up, refresh, DPoP
///   python       the package mcp: login, calls, step-up, refresh
///   conformance  @modelcontextprotocol/conformance: its scenarios for servers
///   inspector    @modelcontextprotocol/inspector in a headless Chromium, with a screenshot
///
/// Needs Node.js with npm (a newer Node comes with the packages), python3 with venv, and for the
/// Inspector chromium and certutil (Debian: chromium, libnss3-tools). What is missing is named, and
/// fails. npm and pip install the versions that crates/a0-mcp/clients pins, below the target directory,
/// at the first run. After that, all traffic is on loopback. CHROMIUM names another program than
/// `chromium`.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Options {
    /// One of node, python, conformance, inspector
    #[arg(long, value_name = "NAME", value_parser = part)]
    pub(crate) only: Option<&'static Part>,
}

fn part(name: &str) -> Result<&'static Part, String> {
    let part = PARTS.iter().find(|part| part.name == name);
    part.ok_or_else(|| format!("there is no client {name:?}"))
}

const SCRIPTS: &str = "crates/a0-mcp/clients";

pub(crate) struct Part {
    name: &'static str,
    package: &'static str,
    /// The versions of MCP that it speaks.
    speaks: &'static str,
    /// The example that it speaks to, with its arguments.
    example: &'static str,
    run: fn(&Place, &Example, &mut Tally) -> Result<(), String>,
}

const PARTS: &[Part] = &[
    Part {
        name: "node",
        package: "@modelcontextprotocol/client",
        speaks: "2025-11-25, 2026-07-28",
        example: "mcp_server --port 0 --tenant-port 0 --auto-approve",
        run: |place, example, tally| {
            let line = place.node("client.mjs", example)?;
            line.secret("MCP_TOKEN", &example.token).run_tests(tally)
        },
    },
    Part {
        name: "python",
        package: "mcp",
        speaks: "2025-11-25, 2026-07-28",
        example: "mcp_server --port 0 --tenant-port 0 --auto-approve",
        run: |place, example, tally| {
            let pins = format!("{SCRIPTS}/requirements.txt");
            let python = packages::python(&place.folder, &pins)?;
            on_loopback(Line::program(python))
                .arg(format!("{SCRIPTS}/client.py"))
                .arg(&example.url)
                .env("SSL_CERT_FILE", &place.certificate())
                .secret("MCP_TOKEN", &example.token)
                .run_tests(tally)
        },
    },
    Part {
        name: "conformance",
        package: "@modelcontextprotocol/conformance",
        speaks: "2025-06-18, 2025-11-25",
        example: "conformance_server",
        run: |place, example, tally| {
            let line = place.node("conformance.mjs", example)?;
            line.arg(place.folder.join("conformance"))
                .secret("MCP_TOKEN", &example.token)
                .run_tests(tally)
        },
    },
    Part {
        name: "inspector",
        package: "@modelcontextprotocol/inspector",
        speaks: "2026-07-28",
        example: "mcp_server --port 0 --tenant-port 0",
        run: |place, example, tally| {
            let chromium = std::env::var_os("CHROMIUM").unwrap_or_else(|| "chromium".into());
            needs(Line::program(chromium).arg("--version"), "chromium")?;
            needs(
                Line::program("certutil").arg("--build-flags"),
                "certutil (Debian: libnss3-tools)",
            )?;
            let line = place.node("inspector.mjs", example)?;
            line.arg(&place.folder).run_tests(tally)
        },
    },
];

pub(crate) fn run(workspace: &Workspace, only: Option<&'static Part>) -> Result<(), String> {
    let parts = PARTS.iter();
    let parts = parts.filter(|part| only.is_none_or(|only| only.name == part.name));
    let place = Place {
        folder: workspace.target().join("clients"),
    };
    Line::cargo("build --quiet -p a0-mcp --examples").run()?;
    let examples = workspace.target().join("debug/examples");
    let mut rows = Vec::new();
    for part in parts {
        println!("\n{}", part.name);
        let mut tally = Tally::default();
        let outcome = Example::start(&examples, part.example, &place)
            .and_then(|example| (part.run)(&place, &example, &mut tally));
        if let Err(error) = &outcome {
            println!("    {error}");
        }
        rows.push((part, tally, outcome.is_ok()));
    }
    report(&place, &rows)
}

fn report(place: &Place, rows: &[(&Part, Tally, bool)]) -> Result<(), String> {
    println!("\n{:<42} {:<24} checks", "client", "versions of MCP");
    for (part, tally, is_ok) in rows {
        let client = format!("{} {}", part.package, version(part.package)?);
        let verdict = if *is_ok { "" } else { "  FAILED" };
        println!("{client:<42} {:<24} {tally}{verdict}", part.speaks);
    }
    if let Some((part, ..)) = rows.iter().find(|(_, _, is_ok)| !is_ok) {
        return Err(format!(
            "the lines marked FAILED above say what did not happen: \
             `cargo xtask clients --only {}` runs that client again",
            part.name
        ));
    }
    println!("\nNext: compare the figures with docs/mcp.md.");
    if rows.iter().any(|(part, ..)| part.name == "inspector") {
        let folder = place.folder.display();
        println!("The screenshot is {folder}/inspector.png; that page shows one like it.");
    }
    Ok(())
}

/// The pinned version of a package.
fn version(package: &str) -> Result<String, String> {
    let read = |name: &str| {
        let path = format!("{SCRIPTS}/{name}");
        std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))
    };
    let manifest: Value = serde_json::from_str(&read("package.json")?).unwrap_or_default();
    if let Some(version) = manifest["dependencies"][package].as_str() {
        return Ok(version.to_owned());
    }
    let pins = read("requirements.txt")?;
    let mut pins = pins.lines().filter_map(|line| line.split_once("=="));
    let pin = pins.find(|(name, _)| *name == package);
    pin.map(|(_, version)| version.to_owned())
        .ok_or_else(|| format!("no file of {SCRIPTS} pins {package}"))
}

fn needs(line: Line, name: &str) -> Result<(), String> {
    match line.succeeds() {
        true => Ok(()),
        false => Err(format!("missing: {name}")),
    }
}

/// Keeps requests to loopback away from a proxy that the environment names.
fn on_loopback(line: Line) -> Line {
    let hosts = "127.0.0.1,localhost";
    line.env("NO_PROXY", hosts).env("no_proxy", hosts)
}

/// The folder below the target directory in which everything is installed.
struct Place {
    folder: PathBuf,
}

impl Place {
    fn certificate(&self) -> String {
        self.folder.join("ca.pem").display().to_string()
    }

    /// A script, with the packages that it needs.
    fn node(&self, script: &str, example: &Example) -> Result<Line, String> {
        let packages = self.folder.join("npm");
        packages::node(SCRIPTS.as_ref(), &packages)?;
        Ok(
            on_loopback(Line::program(packages.join("node_modules/.bin/node")))
                .arg(script)
                .arg(&example.url)
                .env("NODE_EXTRA_CA_CERTS", &self.certificate())
                .dir(&packages),
        )
    }
}

/// An example while it runs, on free ports.
struct Example {
    url: String,
    /// The first that it printed.
    token: String,
    _running: Running,
}

impl Example {
    fn start(examples: &Path, line: &str, place: &Place) -> Result<Self, String> {
        let folder = &place.folder;
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let (name, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let line = on_loopback(Line::program(examples.join(name))).args(arguments);
        let mut running = line.arg("--ca").arg(place.certificate()).start()?;
        let mut lines = running.lines();
        let mut value = |label: &str| {
            let found = lines.find_map(|line| {
                let (name, rest) = line.split_once(' ')?;
                let word = rest.split_whitespace().next();
                word.filter(|_| name == label).map(str::to_owned)
            });
            found.ok_or_else(|| format!("the example did not say its {label}"))
        };
        let (url, token) = (value("server")?, value("token")?);
        drop(lines);
        Ok(Self {
            url,
            token,
            _running: running,
        })
    }
}
