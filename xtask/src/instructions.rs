//! How many instructions a verification takes beside the cryptography: a figure that does not depend on
//! what else a machine does, so that it can stand in CI.
//!
//! Counted by callgrind of valgrind, which knows neither SHA nor ADX instructions. So what it counts of
//! OpenSSL and of SHA-256 says nothing of a real machine, and is taken away.

use std::path::Path;

use crate::ci::process::Line;
use crate::workspace::Workspace;

/// Verifications that are counted in one run.
const CALLS: u64 = 16;

/// A kind of request, and the most instructions that one may take: about a seventh above what was
/// measured with Rust 1.95 and OpenSSL 3.0, on x86-64 with AVX2.
const BOUNDS: [(&str, u64); 4] = [
    ("bearer", 22_200),
    ("bearer-known", 5_900),
    ("dpop", 81_500),
    ("dpop-known", 23_500),
];

/// Where what is counted begins, and the cryptography in it.
const MEASURED: &str = "instructions::measured";
const CRYPTOGRAPHY: [&str; 3] = [
    "EVP_PKEY_verify",
    "ECDSA_do_verify",
    "sha2::sha256::compress256",
];

pub(crate) fn is_there(workspace: &Workspace) -> bool {
    Line::program(Path::new("valgrind"))
        .arg("--version")
        .succeeds_quietly(&workspace.root)
}

pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let root = &workspace.root;
    let program = built(workspace)?;
    let counts = workspace.target_directory.join("callgrind.out");
    let mut missed = Vec::new();
    for (kind, bound) in BOUNDS {
        Line::program(Path::new("valgrind"))
            .args("--quiet --tool=callgrind --toggle-collect=*instructions*measured*")
            .arg(format!("--callgrind-out-file={}", counts.display()))
            .arg(&program)
            .arg(kind)
            .arg(CALLS.to_string())
            .run(root)?;
        let report = Line::program(Path::new("callgrind_annotate"))
            .args("--inclusive=yes --threshold=100 --show-percs=no")
            .arg(counts.display().to_string())
            .output(root)?;
        let own = own(&report).ok_or("callgrind_annotate printed no counts")? / CALLS;
        println!("    {kind}: {own} instructions beside the cryptography, at most {bound}");
        if own > bound {
            missed.push(format!("{kind}: {own} is over {bound}"));
        }
    }
    match missed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{}: see docs/performance.md for where they go",
            missed.join("; ")
        )),
    }
}

/// The bench's program, built.
fn built(workspace: &Workspace) -> Result<String, String> {
    let line =
        "bench -p auth0-api --bench instructions --no-run --message-format json-render-diagnostics";
    let messages = Line::cargo(line).output(&workspace.root)?;
    let program = messages.lines().rev().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_bench = message["target"]["name"] == "instructions";
        let program = message["executable"].as_str()?.to_owned();
        is_bench.then_some(program)
    });
    program.ok_or_else(|| "cargo names no program for the bench `instructions`".to_owned())
}

/// What is left of a report when the cryptography is taken away.
fn own(report: &str) -> Option<u64> {
    let cost = |name: &str| {
        report.lines().find_map(|line| {
            let (cost, function) = line.trim_start().split_once(' ')?;
            let function = function.trim_start().strip_prefix("???:")?;
            let is_it = function.strip_prefix(name)?.starts_with([' ', '\'']);
            let cost = cost.replace(',', "").parse::<u64>().ok()?;
            is_it.then_some(cost)
        })
    };
    let cryptography = CRYPTOGRAPHY.iter().filter_map(|name| cost(name));
    Some(cost(MEASURED)?.saturating_sub(cryptography.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cryptography_is_taken_away() {
        let report = "\
--------
5,724,295  PROGRAM TOTALS
5,724,295  ???:instructions::measured [/target/release/deps/instructions-0495]
4,689,296  ???:EVP_PKEY_verify [/usr/lib/libcrypto.so.3]
    9,000  ???:EVP_PKEY_verify_init [/usr/lib/libcrypto.so.3]
  481,280  ???:sha2::sha256::compress256 [/target/release/deps/instructions-0495]
  101,376  ???:base64 [/target/release/deps/instructions-0495]
";
        assert_eq!(own(report), Some(5_724_295 - 4_689_296 - 481_280));
        assert_eq!(own("no such thing"), None);
    }
}
