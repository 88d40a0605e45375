//! The reference, which runs in a process of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::generate::Case;
use crate::own;
use crate::tenant::Failure;

pub(crate) struct Reference {
    // The process ends with its input.
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// The names of what the reference offers, by kind.
    pub(crate) offered: BTreeMap<String, BTreeSet<String>>,
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
        let pipes = child.stdin.take().zip(child.stdout.take());
        let (input, output) = pipes.ok_or("the reference has no input or output")?;
        let mut output = BufReader::new(output);
        let offered = line(&mut output, "its names")?;
        Ok(Reference {
            input,
            output,
            offered,
        })
    }

    /// Returns the outcomes of the reference, then of this SDK, which works at the same time.
    pub(crate) fn outcomes(&mut self, cases: &[Case]) -> Result<Vec<(Value, Value)>, Failure> {
        let lines: String = cases.iter().map(|it| format!("{}\n", it.input)).collect();
        std::thread::scope(|scope| {
            // The cases may be larger than the buffer of a pipe, and so may the outcomes.
            let (mut input, output) = (&self.input, &mut self.output);
            scope.spawn(move || input.write_all(lines.as_bytes()));
            let owns: Vec<Value> = cases.iter().map(|case| own::outcome(&case.input)).collect();
            let outcomes = owns.into_iter().zip(cases);
            let outcomes = outcomes.map(|(own, case)| Ok((line(output, &case.name)?, own)));
            outcomes.collect()
        })
    }
}

/// Reads one line of the reference.
fn line<T: DeserializeOwned>(output: &mut impl BufRead, of: &str) -> Result<T, Failure> {
    let mut line = String::new();
    if !matches!(output.read_line(&mut line), Ok(1..)) {
        return Err("the reference ended early: its own message stands above".into());
    }
    let value = serde_json::from_str(&line);
    value.map_err(|error| format!("the reference says nothing of {of}: {error}").into())
}
