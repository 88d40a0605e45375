//! The reference, which runs in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::draft::Failure;
use crate::generate::Case;

pub(crate) struct Reference {
    child: Child,
    /// `None` once it is closed, which ends the process.
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

    /// Returns the outcomes of both sides. `own` runs while the reference works.
    pub(crate) fn outcomes(
        &mut self,
        cases: &[Case],
        own: impl FnOnce() -> Vec<Value>,
    ) -> Result<Vec<(Value, Value)>, Failure> {
        let ended = || "the reference ended early: its own message stands above";
        let input = self.input.as_mut().ok_or_else(ended)?;
        let lines: String = cases.iter().map(|it| format!("{}\n", it.input)).collect();
        std::thread::scope(|scope| {
            // The cases may be larger than the buffer of a pipe, and so may the outcomes.
            scope.spawn(move || input.write_all(lines.as_bytes()));
            let outcomes = own().into_iter().zip(cases).map(|(own, case)| {
                let mut line = String::new();
                if !matches!(self.output.read_line(&mut line), Ok(1..)) {
                    return Err(ended().into());
                }
                let outcome = serde_json::from_str(&line).map_err(|error| {
                    format!("no outcome of the reference for {}: {error}", case.name)
                })?;
                Ok((outcome, own))
            });
            outcomes.collect()
        })
    }
}

/// Returns the names of what the reference offers, by kind.
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
        // The process ends with its input.
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
