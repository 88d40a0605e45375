//! The instructions of a verification without its cryptography. Unlike a time, a count does not
//! depend on the load of the machine, so CI can hold it below a bound.
//!
//! Valgrind's callgrind counts. It offers neither SHA nor ADX instructions, so its counts of OpenSSL
//! and SHA-256 say nothing about a real machine and are subtracted.

use crate::process::Line;
use crate::workspace::Workspace;

/// Verifications of each kind.
const CALLS: u64 = 16;

/// Kinds of requests with the largest count allowed for each: about a twentieth above the counts with
/// Rust 1.95 and OpenSSL 3.0, on x86-64 with AVX2.
const BOUNDS: [(&str, u64); 4] = [
    ("bearer", 17_470),
    ("bearer-known", 4_160),
    ("dpop", 73_300),
    ("dpop-known", 20_530),
];

/// The function that is counted, and the cryptography it calls.
const MEASURED: &str = "instructions::measured";
const CRYPTOGRAPHY: [&str; 3] = [
    "EVP_PKEY_verify",
    "ECDSA_do_verify",
    "sha2::sha256::compress256",
];

pub(crate) fn check(workspace: &Workspace) -> Result<(), String> {
    let counts = workspace.target().join("callgrind.out");
    // Callgrind numbers its files. Those of another run must not count.
    let files = (1..=BOUNDS.len()).map(|number| format!("{}.{number}", counts.display()));
    let files: Vec<String> = files.collect();
    for file in &files {
        let _ = std::fs::remove_file(file);
    }
    let runner = [
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--toggle-collect=*instructions*measured*",
        "--dump-after=instructions::all_of_kind",
        &format!("--callgrind-out-file={}", counts.display()),
    ];
    Line::cargo("bench --quiet --profile instructions -p auth0-api --bench instructions --config")
        .arg(format!("target.'cfg(all())'.runner={runner:?}"))
        .arg("--")
        .arg(BOUNDS.map(|(kind, _)| kind).join(","))
        .arg(CALLS.to_string())
        .run()?;
    let mut missed = Vec::new();
    for ((kind, bound), file) in BOUNDS.into_iter().zip(files) {
        let report = Line::program("callgrind_annotate")
            .args("--inclusive=yes --threshold=100 --show-percs=no")
            .arg(file)
            .output()?;
        let own = own(&report).ok_or("callgrind_annotate printed no counts")? / CALLS;
        let what = "instructions without the cryptography";
        println!("    {kind}: {own} {what}, at most {bound} allowed");
        if own > bound {
            missed.push(format!("{kind}: {own} is over {bound}"));
        }
    }
    if !missed.is_empty() {
        let missed = missed.join("; ");
        return Err(format!("{missed}: docs/performance.md says where they go"));
    }
    Ok(())
}

/// Builds the bench, and the example of the step `quickstart`, which has the same dependencies.
pub(crate) fn build_when_idle() -> Line {
    Line::cargo_when_idle("build --profile instructions -p auth0-api")
        .args("--example quickstart --bench instructions")
}

/// The count of a report without the cryptography.
fn own(report: &str) -> Option<u64> {
    let cost = |name: &str| {
        let mut costs = report.lines().filter_map(|line| {
            let (cost, function) = line.split_once("???:")?;
            let is_it = function.strip_prefix(name)?.starts_with([' ', '\'']);
            is_it.then(|| cost.trim().replace(',', "").parse::<u64>().ok())?
        });
        costs.next()
    };
    let cryptography = CRYPTOGRAPHY.iter().filter_map(|name| cost(name));
    Some(cost(MEASURED)?.saturating_sub(cryptography.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cryptography_is_subtracted() {
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
