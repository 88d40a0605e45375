//! The reference, in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::draft::Failure;
use crate::generate::Case;

pub(crate) struct Reference {
    child: Child,
    /// `None` once it has been told that no more cases come.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Reference {
    pub(crate) fn start(python: &str) -> Result<Self, Failure> {
        let runner = concat!(env!("CARGO_MANIFEST_DIR"), "/reference.py");
        let mut child = Command::new(python)
            .args(["-B", "-u", runner])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{python} could not be started: {error}"))?;
        let input = child.stdin.take();
        let output = child.stdout.take().ok_or("the reference has no output")?;
        Ok(Reference {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// The outcomes of both sides. `own` runs while the reference works.
    pub(crate) fn outcomes(
        &mut self,
        cases: &[Case],
        own: impl FnOnce() -> Vec<Value>,
    ) -> Result<Vec<(Value, Value)>, Failure> {
        let ended = || "the reference ended early: its own message stands above".to_owned();
        let input = self.input.as_mut().ok_or_else(ended)?;
        let lines: String = cases
            .iter()
            .map(|case| format!("{}\n", case.input))
            .collect();
        let output = &mut self.output;
        let (own, reference) = std::thread::scope(|scope| {
            // What is written and what is read may both be more than a pipe holds.
            let writing = scope.spawn(move || input.write_all(lines.as_bytes()));
            let reading = scope.spawn(move || {
                let mut lines = Vec::new();
                for _ in cases {
                    let mut line = String::new();
                    if !matches!(output.read_line(&mut line), Ok(1..)) {
                        break;
                    }
                    lines.push(line);
                }
                lines
            });
            let own = own();
            let _ = writing.join();
            (own, reading.join().unwrap_or_default())
        });
        if reference.len() < cases.len() {
            return Err(ended().into());
        }
        let mut outcomes = Vec::new();
        for ((line, own), case) in reference.iter().zip(own).zip(cases) {
            let outcome = serde_json::from_str(line).map_err(|error| {
                format!("no outcome of the reference for {}: {error}", case.name)
            })?;
            outcomes.push((outcome, own));
        }
        Ok(outcomes)
    }
}

/// The names of what it offers, by kind.
pub(crate) fn offered(python: &str) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/surface.py");
    let output = Command::new(python)
        .arg(script)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{python} could not be started: {error}"))?;
    let named = serde_json::from_slice(&output.stdout);
    named.map_err(|error| format!("the reference does not say what it offers: {error}").into())
}

impl Drop for Reference {
    fn drop(&mut self) {
        // The end of its input ends it.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
