//! Command lines: shown as they are run, run with the terminal or log of the caller.

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use super::tally::Tally;
use crate::workspace::cargo;

pub(crate) struct Line {
    program: OsString,
    shown_as: String,
    arguments: Vec<String>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Line {
    /// `arguments` are separated by spaces, none holds one.
    pub(crate) fn cargo(arguments: &str) -> Self {
        Self {
            program: cargo(),
            shown_as: "cargo".to_owned(),
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn program(path: &Path) -> Self {
        Self {
            program: path.into(),
            shown_as: path.display().to_string(),
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    pub(crate) fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn args(mut self, arguments: &str) -> Self {
        self.arguments
            .extend(arguments.split_whitespace().map(str::to_owned));
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Fails unless the program ends with success.
    pub(crate) fn run(&self, directory: &Path) -> Result<(), String> {
        let status = self.run_for_status(directory)?;
        self.judge(status)
    }

    pub(crate) fn run_for_status(&self, directory: &Path) -> Result<ExitStatus, String> {
        println!("    $ {}", self.shown());
        self.command(directory)
            .status()
            .map_err(|error| self.not_started(&error))
    }

    /// As `run`; what the program prints is also read for the closing lines of tests.
    pub(crate) fn run_counting(&self, directory: &Path, tally: &mut Tally) -> Result<(), String> {
        println!("    $ {}", self.shown());
        let mut child = self
            .command(directory)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.not_started(&error))?;
        let copied = match child.stdout.take() {
            Some(mut output) => copy(&mut output, &mut std::io::stdout(), tally),
            None => Ok(()),
        };
        let status = child
            .wait()
            .map_err(|error| format!("`{}` was lost: {error}", self.shown()))?;
        copied.map_err(|error| format!("the output could not be passed on: {error}"))?;
        self.judge(status)
    }

    /// What the program prints to its output; what it prints of errors is shown.
    pub(crate) fn output(&self, directory: &Path) -> Result<String, String> {
        println!("    $ {}", self.shown());
        let output = self
            .command(directory)
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| self.not_started(&error))?;
        self.judge(output.status)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Whether the program can be started and succeeds; nothing of it is shown.
    pub(crate) fn succeeds_quietly(&self, directory: &Path) -> bool {
        self.command(directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }

    fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.program);
        // Nothing here may wait for somebody at a keyboard.
        command.current_dir(directory).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if describes_this_package(&name) {
                command.env_remove(name);
            }
        }
        command
            .args(&self.arguments)
            .envs(self.environment.iter().copied());
        command
    }

    fn shown(&self) -> String {
        let environment = self
            .environment
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""));
        environment
            .chain([self.shown_as.clone()])
            .chain(self.arguments.iter().cloned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn judge(&self, status: ExitStatus) -> Result<(), String> {
        match status.success() {
            true => Ok(()),
            false => Err(format!("`{}` ended with {status}", self.shown())),
        }
    }

    fn not_started(&self, error: &std::io::Error) -> String {
        format!("`{}` could not be started: {error}", self.shown())
    }
}

/// What `cargo run` tells this program about itself. Handed down, it would make the build
/// scripts that watch these variables run again, and their crates compile again.
fn describes_this_package(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

fn copy(from: &mut dyn Read, to: &mut dyn Write, tally: &mut Tally) -> std::io::Result<()> {
    let mut buffer = [0; 8192];
    let mut written = Ok(());
    loop {
        let piece = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => buffer.get(..length).unwrap_or_default(),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        tally.read(piece);
        // Read on after a failed write: a full pipe would stop the program for ever.
        if written.is_ok() {
            written = to.write_all(piece).and_then(|()| to.flush());
        }
    }
    tally.finish();
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_shown_as_it_could_be_typed() {
        let line = Line::cargo("doc --workspace")
            .env("RUSTDOCFLAGS", "-D warnings")
            .args("--no-deps -p")
            .arg("a0-act");
        assert_eq!(
            line.shown(),
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace --no-deps -p a0-act"
        );
    }

    #[test]
    fn the_result_of_the_program_is_the_result_of_the_line() {
        let here = Path::new(".");
        let bad = Line::cargo("--no-such-option");
        let quiet = bad.command(here).stderr(Stdio::null()).status().unwrap();
        let message = bad.judge(quiet).unwrap_err();
        assert!(
            message.starts_with("`cargo --no-such-option` ended with "),
            "{message}"
        );
        assert_eq!(Line::cargo("--version").run(here), Ok(()));
        assert!(
            Line::program(Path::new("no/such/program"))
                .run(here)
                .is_err()
        );
        assert!(Line::cargo("--version").succeeds_quietly(here));
        let version = Line::cargo("--version").output(here).unwrap();
        assert!(version.starts_with("cargo "), "{version}");
        assert!(bad.output(here).is_err());
        assert!(!Line::cargo("--no-such-option").succeeds_quietly(here));
    }

    #[test]
    fn output_is_passed_on_and_counted() {
        let output = b"test result: ok. 2 passed; 0 failed; 0 ignored\n";
        let mut passed_on = Vec::new();
        let mut tally = Tally::default();
        copy(&mut &output[..], &mut passed_on, &mut tally).unwrap();
        assert_eq!(passed_on, output);
        assert_eq!(tally.to_string(), "2 passed, 0 failed");
    }

    #[test]
    fn only_the_description_of_this_package_is_kept_back() {
        assert!(describes_this_package(OsStr::new("CARGO_PKG_NAME")));
        assert!(describes_this_package(OsStr::new("CARGO_MANIFEST_DIR")));
        assert!(!describes_this_package(OsStr::new("CARGO_TARGET_DIR")));
        assert!(!describes_this_package(OsStr::new("CARGO_HOME")));
    }
}
