//! Peers that need a process of their own: other languages, and BoringSSL, whose symbols clash with
//! those of OpenSSL.
//!
//! A child reads one line of JSON, warms up, and prints `ready`. For each further line it verifies all
//! tokens once more and prints the seconds of one call.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::fixture::{AUDIENCE, Failure, Fixture, METHOD, URL};

/// The children are measured once in so many rounds.
pub(crate) const EVERY: usize = 5;

/// The names of the peers that an option stands for, and their command lines. `path` is the program, or
/// for Node.js the script.
pub(crate) fn commands<'a>(option: &str, path: &'a str) -> Vec<(&'static str, Vec<&'a str>)> {
    let python = "crates/bench-peers/peers/python/peer.py";
    match option {
        "--jwt-simple" => vec![("jwt-simple (boring)", vec![path])],
        "--node" => vec![
            ("jose, Node.js", vec!["node", path, "jose"]),
            ("fast-jwt, Node.js", vec!["node", path, "fast-jwt"]),
            (
                "fast-jwt with its cache, seen before",
                vec!["node", path, "fast-jwt-cache"],
            ),
        ],
        "--python" => vec![
            ("auth0-api-python, Bearer", vec![path, python, "bearer"]),
            ("auth0-api-python, DPoP", vec![path, python, "dpop"]),
        ],
        _ => Vec::new(),
    }
}

pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Whether it verifies requests with a proof.
    pub(crate) dpop: bool,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub(crate) times: Vec<f64>,
}

impl Peer {
    pub(crate) fn start(
        name: &'static str,
        command: &[&str],
        fixture: &Fixture,
    ) -> Result<Self, Failure> {
        let (program, arguments) = command.split_first().ok_or("no command")?;
        let mut child = Command::new(program)
            .args(arguments)
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
            other => Err(format!("{} is not ready: {other}", peer.name).into()),
        }
    }

    pub(crate) fn measure(&mut self) -> Result<(), Failure> {
        let answer = self.ask("go")?;
        let seconds = answer.trim().parse::<f64>();
        let seconds = seconds.map_err(|_| format!("{} printed no time: {answer}", self.name))?;
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
        // An error leaves nothing to do: the child may have ended by itself.
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
