//! Command lines. Each is printed before it runs, in the root of the workspace.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::workspace::cargo;

pub(crate) struct Line {
    command: Command,
    shown: String,
}

impl Line {
    /// `cargo` with arguments that are separated by spaces.
    pub(crate) fn cargo(arguments: &str) -> Self {
        Self::new(cargo().as_os_str(), "cargo").args(arguments)
    }

    /// `cargo` with arguments that are separated by spaces. Where `nice` exists, it has only the time in
    /// which a core is idle.
    pub(crate) fn cargo_when_idle(arguments: &str) -> Self {
        if !Self::program("nice").arg("true").succeeds() {
            return Self::cargo(arguments);
        }
        let mut line = Self::new("nice".as_ref(), "nice -n 19 cargo");
        line.command.args(["-n", "19"]).arg(cargo());
        line.args(arguments)
    }

    pub(crate) fn program(path: impl AsRef<OsStr>) -> Self {
        let path = path.as_ref();
        Self::new(path, &path.to_string_lossy())
    }

    fn new(program: &OsStr, shown: &str) -> Self {
        let mut command = Command::new(program);
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
        let shown = shown.to_owned();
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
    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self.shown = format!("{name}=... {}", self.shown);
        self
    }

    pub(crate) fn dir(mut self, directory: &std::path::Path) -> Self {
        self.command.current_dir(directory);
        self
    }

    /// Fails unless the program ends with success.
    pub(crate) fn run(mut self) -> Result<(), String> {
        let mut child = self.spawn()?;
        self.finish(child.wait())
    }

    /// The program's output. Its errors go to the terminal.
    pub(crate) fn output(mut self) -> Result<String, String> {
        self.command.stdout(Stdio::piped());
        let output = self.spawn()?.wait_with_output();
        let text = output
            .as_ref()
            .map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        let text = text.unwrap_or_default();
        self.finish(output.map(|it| it.status))?;
        Ok(text)
    }

    /// As `run`, and adds up the closing lines of test programs. Fails if no test ran.
    pub(crate) fn run_tests(mut self, tally: &mut Tally) -> Result<(), String> {
        let before = tally.passed + tally.failed;
        self.command.stdout(Stdio::piped());
        let mut child = self.spawn()?;
        let output = child.stdout.take().into_iter();
        for line in output.flat_map(|output| BufReader::new(output).split(b'\n')) {
            let line = line.map_err(|error| format!("the output was lost: {error}"))?;
            tally.read(&String::from_utf8_lossy(&line));
            // Reading goes on after a failed write: a full pipe would stop the tests for ever.
            let _ = std::io::stdout().write_all(&[&line[..], b"\n"].concat());
        }
        self.finish(child.wait())?;
        if tally.passed + tally.failed == before {
            return Err(format!("`{}` ran no test", self.shown));
        }
        Ok(())
    }

    /// Starts the program, and gives its output line by line. Its errors are not shown.
    pub(crate) fn start(mut self) -> Result<Running, String> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::null());
        Ok(Running(self.spawn()?))
    }

    /// Starts the program with a process group of its own. Nothing that it prints is shown.
    pub(crate) fn start_aside(mut self) -> Result<Aside, String> {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        Ok(Aside(self.spawn()?))
    }

    /// Whether the program starts and succeeds. Prints nothing.
    pub(crate) fn succeeds(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    fn spawn(&mut self) -> Result<Child, String> {
        println!("    $ {}", self.shown);
        let child = self.command.spawn();
        child.map_err(|error| format!("`{}` could not be started: {error}", self.shown))
    }

    fn finish(&self, status: std::io::Result<ExitStatus>) -> Result<(), String> {
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("`{}` ended with {status}", self.shown)),
            Err(error) => Err(format!("`{}` was lost: {error}", self.shown)),
        }
    }
}

/// A program that runs until this is dropped.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn lines(&mut self) -> impl Iterator<Item = String> {
        let output = self.0.stdout.take().into_iter();
        output
            .flat_map(|output| BufReader::new(output).lines())
            .map_while(Result::ok)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The program may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A build that runs beside others until this is dropped.
pub(crate) struct Aside(Child);

impl Drop for Aside {
    /// Ends cargo and the compilers that it started, so that none of them still writes while another
    /// cargo goes on with the build.
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.0.try_wait() {
            return;
        }
        let group = format!("kill -s TERM -- -{}", self.0.id());
        if !cfg!(unix) || !Line::program("sh").arg("-c").arg(group).succeeds() {
            let _ = self.0.kill();
        }
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
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = counts.split([' ', ';']).collect();
        for (number, name) in words.iter().zip(words.iter().skip(1)) {
            let count = number.parse::<u64>().unwrap_or_default();
            match *name {
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
        let line = Line::cargo("doc --workspace")
            .env("RUSTDOCFLAGS", "-D warnings")
            .arg("-p");
        assert_eq!(
            line.shown,
            "RUSTDOCFLAGS=\"-D warnings\" cargo doc --workspace -p"
        );
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
        let message = bad().run().unwrap_err();
        assert!(
            message.contains("cargo --no-such-option --quiet` ended with "),
            "{message}"
        );
        assert!(bad().output().is_err());
        assert!(Line::program("no/such/program").run().is_err());
        let message = version().run_tests(&mut Tally::default()).unwrap_err();
        assert_eq!(message, "`cargo --version` ran no test");
    }

    /// The child of the shell has the writing end of the pipe too, so the pipe ends when both have ended.
    #[cfg(unix)]
    #[test]
    fn a_build_aside_ends_with_all_that_it_started() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut line = Line::program("sh");
        line.command.stdin(writer);
        let line = line
            .arg("-c")
            .arg("exec 3>&0; sh -c 'echo started >&3; sleep 3600' & wait");
        let aside = line.start_aside().unwrap();
        let mut started = [0; 8];
        std::io::Read::read_exact(&mut reader, &mut started).unwrap();
        drop(aside);
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut reader, &mut rest).unwrap();
        assert_eq!((started, rest), (*b"started\n", Vec::new()));
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
