//! Command lines. Each is printed before it runs, in the root of the workspace.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

pub(crate) struct Line {
    command: Command,
    shown: String,
}

impl Line {
    /// `cargo` with arguments that are separated by spaces.
    pub(crate) fn cargo(arguments: &str) -> Self {
        let mut line = Self::program(cargo());
        line.shown = "cargo".to_owned();
        line.args(arguments)
    }

    /// `cargo` with arguments that are separated by spaces. Where `nice` exists, it has only the time in
    /// which a core is idle.
    pub(crate) fn cargo_when_idle(arguments: &str) -> Self {
        if !Self::program("nice").arg("true").succeeds() {
            return Self::cargo(arguments);
        }
        let mut line = Self::program("nice").args("-n 19");
        line.command.arg(cargo());
        line.shown += " cargo";
        line.args(arguments)
    }

    pub(crate) fn program(path: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(&path);
        // A program that waits for a keyboard would wait for ever in CI.
        command.stdin(Stdio::null());
        // `cargo run` describes xtask in these variables. Build scripts that watch them would run
        // again, and their crates would compile again.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        let shown = path.as_ref().to_string_lossy().into_owned();
        Self { command, shown }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(&argument);
        self.shown += &format!(" {}", argument.as_ref().to_string_lossy());
        self
    }

    /// Arguments that are separated by spaces.
    pub(crate) fn args(self, arguments: &str) -> Self {
        arguments.split_whitespace().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}=\"{value}\" {}", self.shown);
        self
    }

    /// As `env`, but the value is not printed.
    pub(crate) fn secret(self, name: &str, value: &str) -> Self {
        let shown = format!("{name}=... {}", self.shown);
        let command = self.env(name, value).command;
        Self { command, shown }
    }

    pub(crate) fn dir(mut self, directory: &Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Fails unless the program ends with success.
    pub(crate) fn run(mut self) -> Result<(), String> {
        println!("    $ {}", self.shown);
        let status = self.command.status();
        self.finish(status)
    }

    /// The program's output. Its errors go to the terminal.
    pub(crate) fn output(mut self) -> Result<String, String> {
        println!("    $ {}", self.shown);
        let output = self.command.stderr(Stdio::inherit()).output();
        let output = self.started(output)?;
        self.finish(Ok(output.status))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// As `run`, and adds up the closing lines of test programs. Fails if no test ran.
    pub(crate) fn run_tests(mut self, tally: &mut Tally) -> Result<(), String> {
        let before = tally.passed + tally.failed;
        let mut running = self.start_piped()?;
        for line in running.lines() {
            tally.read(&line);
            // Reading goes on after a failed write: a full pipe would stop the tests for ever.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        self.finish(running.0.wait())?;
        if tally.passed + tally.failed == before {
            return Err(format!("`{}` ran no test", self.shown));
        }
        Ok(())
    }

    /// Starts the program, and gives its output line by line. Its errors are not shown.
    pub(crate) fn start(mut self) -> Result<Running, String> {
        self.command.stderr(Stdio::null());
        self.start_piped()
    }

    /// Starts the program. Nothing that it prints is shown.
    pub(crate) fn start_aside(mut self) -> Result<Running, String> {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Running(self.spawn()?))
    }

    /// Whether the program starts and succeeds. Prints nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    fn start_piped(&mut self) -> Result<Running, String> {
        self.command.stdout(Stdio::piped());
        Ok(Running(self.spawn()?))
    }

    fn spawn(&mut self) -> Result<Child, String> {
        println!("    $ {}", self.shown);
        let child = self.command.spawn();
        self.started(child)
    }

    fn started<T>(&self, result: std::io::Result<T>) -> Result<T, String> {
        result.map_err(|error| format!("`{}` could not be run: {error}", self.shown))
    }

    fn finish(&self, status: std::io::Result<ExitStatus>) -> Result<(), String> {
        let status = self.started(status)?;
        if !status.success() {
            return Err(format!("`{}` ended with {status}", self.shown));
        }
        Ok(())
    }
}

/// The cargo that started this program, or else the one on the path.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// A program that runs until this is dropped.
pub(crate) struct Running(Child);

impl Running {
    /// Waits until the program ends, however it ends.
    pub(crate) fn wait(mut self) {
        let _ = self.0.wait();
    }

    pub(crate) fn lines(&mut self) -> impl Iterator<Item = String> {
        let output = self.0.stdout.take().into_iter();
        let lines = output.flat_map(|output| BufReader::new(output).split(b'\n'));
        let lines = lines.map_while(Result::ok);
        lines.map(|line| String::from_utf8_lossy(&line).into_owned())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The sum of the closing lines of test programs.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    fn read(&mut self, line: &str) {
        let counts = line.strip_prefix("test result: ").unwrap_or_default();
        for (number, name) in counts
            .split([';', '.'])
            .filter_map(|it| it.trim().split_once(' '))
        {
            let count = number.parse::<u64>().unwrap_or_default();
            match name {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printed_as_a_user_would_type_it() {
        let line = Line::cargo("doc --workspace").arg("-p");
        let line = line.env("RUSTDOCFLAGS", "-D warnings");
        let expected = "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace -p";
        assert_eq!(line.shown, expected);
    }

    #[test]
    fn a_line_fails_when_its_program_fails() {
        let version = || Line::cargo("--version");
        let bad = || Line::cargo("--no-such-option").args("--quiet");
        assert_eq!(version().run(), Ok(()));
        assert!(version().output().unwrap().starts_with("cargo "));
        assert!(version().succeeds() && !bad().succeeds());
        let first = version().start().unwrap().lines().next();
        assert!(first.unwrap().starts_with("cargo "));
        let tests = |line: Line| line.run_tests(&mut Tally::default());
        for (result, expected) in [
            (bad().run(), "cargo --no-such-option --quiet` ended with "),
            (bad().output().map(drop), "--quiet` ended with "),
            (tests(bad()), "--quiet` ended with "),
            (tests(version()), "`cargo --version` ran no test"),
            (
                Line::program("no/such").run(),
                "`no/such` could not be run: ",
            ),
        ] {
            let message = result.unwrap_err();
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn closing_lines_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "running 2 tests",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 4 filtered out; finished",
            "the test result: ok. 100 passed; 0 failed",
        ] {
            tally.read(line);
        }
        assert_eq!(tally.to_string(), "12 passed, 0 failed");
        tally.read("test result: FAILED. 3 passed; 2 failed; 1 ignored; 0 measured");
        assert_eq!(tally.to_string(), "15 passed, 2 failed, 1 skipped");
    }
}
