//! Peers that cannot be in this process: other languages, and BoringSSL, whose names are OpenSSL's.
//!
//! A child reads one line of JSON, gets warm, and says `ready`. For each further line it verifies once
//! more and prints the seconds of one call.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::fixture::{AUDIENCE, Failure, Fixture, METHOD, URL};

/// So many rounds of all others lie between two of these.
pub(crate) const EVERY: usize = 5;

pub(crate) struct Peer {
    pub(crate) name: String,
    /// Whether it does what `verify_request` does with a proof.
    pub(crate) dpop: bool,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) times: Vec<f64>,
}

impl Peer {
    /// `line` is a name, and a command with its arguments, separated by `|`.
    pub(crate) fn start(line: &str, fixture: &Fixture) -> Result<Self, Failure> {
        let mut parts = line.split('|');
        let name = parts.next().ok_or("no name")?.to_owned();
        let mut child = Command::new(parts.next().ok_or("no command")?)
            .args(parts)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{name}: {error}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (input, output) = (input.ok_or("no input")?, output.ok_or("no output")?);
        let mut peer = Peer {
            dpop: name.contains("DPoP"),
            name,
            child,
            input,
            output: BufReader::new(output),
            times: Vec::new(),
        };
        let answer = peer.ask(&work(fixture)?.to_string())?;
        match answer.trim() {
            "ready" => Ok(peer),
            other => Err(format!("{}: not ready: {other}", peer.name).into()),
        }
    }

    pub(crate) fn measure(&mut self) -> Result<(), Failure> {
        let answer = self.ask("go")?;
        let seconds = answer.trim().parse::<f64>();
        let seconds = seconds.map_err(|_| format!("{}: no time: {answer}", self.name))?;
        self.times.push(seconds);
        Ok(())
    }

    fn ask(&mut self, line: &str) -> Result<String, Failure> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        let mut answer = String::new();
        self.output.read_line(&mut answer)?;
        Ok(answer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It is of no more use, whether or not it could be stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn work(fixture: &Fixture) -> Result<Value, Failure> {
    let proofs = fixture.bound.iter().map(|bound| -> Result<Value, Failure> {
        let proof = bound.key.proof(METHOD, URL).for_token(&bound.token);
        let proof = proof.at(fixture.tenant.now()).mint()?;
        Ok(json!({"token": bound.token, "proof": proof}))
    });
    Ok(json!({
        "domain": fixture.tenant.domain(),
        "issuer": fixture.tenant.issuer(),
        "audience": AUDIENCE,
        "method": METHOD,
        "url": URL,
        "jwks": fixture.tenant.jwks(),
        "tokens": fixture.bearer,
        "bound": proofs.collect::<Result<Vec<_>, _>>()?,
    }))
}
