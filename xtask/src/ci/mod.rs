//! `cargo xtask ci`: every check of the project, in order, up to the first that fails.

mod deny;
mod steps;

use std::time::Instant;

use lexopt::{Arg::Long, Parser, ValueExt};

use crate::process::Tally;
use crate::workspace::Workspace;
use crate::{Command, Failure, expect_no_arguments};
use steps::{STEPS, Step};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    about: "Runs every check: format, tidy, lints, tests, documentation, packages, dependencies",
    help: "Usage: cargo xtask ci [--list | --only STEP | --from STEP]

  --list       lists the steps
  --only STEP  runs one step
  --from STEP  runs this step and those after it

Stops at the first step that fails. If the steps have tests, the last line of the output is the sum
over all of them: `N passed, N failed`.",
    run: |arguments| match parse(arguments)? {
        Some(steps) => run(steps),
        None => {
            for step in STEPS {
                println!("{:<12} {}", step.name, step.about);
            }
            Ok(())
        }
    },
};

pub(crate) const VENDORED: Command = Command {
    name: "vendored",
    about: "Builds OpenSSL from source and tests with it",
    help:
        "Usage: cargo xtask vendored

Runs the tests of the crates that use OpenSSL themselves, with the feature `vendored-openssl`.
Needs a C compiler, perl and make. Not a part of `cargo xtask ci`, because the build takes minutes.",
    run: |arguments| {
        expect_no_arguments(arguments)?;
        run(steps::VENDORED)
    },
};

/// What the steps share.
struct Ci {
    workspace: Workspace,
    tally: Tally,
    /// What the step left out, for the summary.
    remark: String,
}

impl Ci {
    fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            tally: Tally::default(),
            remark: String::new(),
        }
    }

    fn leave_out(&mut self, what: &str) -> Result<(), String> {
        self.remark = format!("   LEFT OUT: {what}");
        Ok(())
    }
}

/// The chosen steps, or `None` to list them.
fn parse(mut arguments: Parser) -> Result<Option<&'static [Step]>, Failure> {
    let steps = match arguments.next()? {
        None => return Ok(Some(STEPS)),
        Some(Long("list")) => None,
        Some(Long("only")) => {
            let at = position(&arguments.value()?.string()?)?;
            Some(&STEPS[at..=at])
        }
        Some(Long("from")) => Some(&STEPS[position(&arguments.value()?.string()?)?..]),
        Some(argument) => return Err(argument.unexpected().into()),
    };
    expect_no_arguments(arguments)?;
    Ok(steps)
}

fn position(name: &str) -> Result<usize, Failure> {
    let at = STEPS.iter().position(|step| step.name == name);
    at.ok_or_else(|| Failure::Usage(format!("no step `{name}`: see `cargo xtask ci --list`")))
}

fn run(steps: &[Step]) -> Result<(), Failure> {
    let mut ci = Ci::new(Workspace::enter()?);
    let result = run_steps(steps, &mut ci);
    if let Err(message) = &result {
        eprintln!("\nerror: {message}");
    }
    if steps.len() > 1 || ci.tally != Tally::default() {
        println!("\n{}", ci.tally);
    }
    result.map_err(|_| Failure::Reported)
}

fn run_steps(steps: &[Step], ci: &mut Ci) -> Result<(), String> {
    let mut summary = String::new();
    let mut result = Ok(());
    let begin = Instant::now();
    for (index, Step { name, about, run }) in steps.iter().enumerate() {
        println!("\n==> [{}/{}] {name}: {about}", index + 1, steps.len());
        let start = Instant::now();
        let outcome = run(ci);
        let seconds = start.elapsed().as_secs_f64();
        let remark = match &outcome {
            Ok(()) => std::mem::take(&mut ci.remark),
            Err(_) => "   FAILED".to_owned(),
        };
        println!("    {name} took {seconds:.1} s{remark}");
        summary += &format!("    {name:<12} {seconds:>7.1} s{remark}\n");
        if let Err(message) = outcome {
            let repeat = format!(
                "\n       `cargo xtask ci --only {name}` repeats it, \
                 `cargo xtask ci --from {name}` continues with it"
            );
            let repeat = position(name).map_or(String::new(), |_| repeat);
            result = Err(format!("step `{name}` failed: {message}{repeat}"));
            break;
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!(
        "\n==> summary\n{summary}    {:<12} {seconds:>7.1} s",
        "total"
    );
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_chosen_by_name() {
        for (line, first, count) in [
            ("", "fmt", STEPS.len()),
            ("--only doctest", "doctest", 1),
            ("--from package", "package", 2),
        ] {
            let arguments = Parser::from_args(line.split_whitespace());
            let steps = parse(arguments).unwrap().unwrap();
            assert_eq!((steps[0].name, steps.len()), (first, count), "{line}");
        }
        assert!(parse(Parser::from_args(["--list"])).unwrap().is_none());
        for (index, step) in STEPS.iter().enumerate() {
            assert_eq!(position(step.name), Ok(index));
            assert!(step.name.len() <= 12, "too long: {}", step.name);
        }
    }

    #[test]
    fn a_failing_step_ends_the_run_and_says_how_to_repeat_it() {
        let step = |name, run| Step {
            name,
            about: "",
            run,
        };
        let steps = [
            step("partly", |ci| ci.leave_out("advisories")),
            step("deny", |_| Err("broken".to_owned())),
            step("never", |_| Err("reached".to_owned())),
        ];
        let message = run_steps(&steps, &mut Ci::new(Workspace::of(&[]))).unwrap_err();
        let start = "step `deny` failed: broken\n       `cargo xtask ci --only deny` repeats it";
        assert!(message.starts_with(start), "{message}");
    }
}
