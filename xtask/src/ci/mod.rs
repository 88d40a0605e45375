//! `cargo xtask ci`: every check of the project, in order, up to the first that fails.

mod deny;
mod steps;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use lexopt::{Arg::Long, Parser, ValueExt};

use crate::process::{Aside, Tally};
use crate::workspace::Workspace;
use crate::{Command, Failure, expect_no_arguments};
use steps::{STEPS, Step};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    about: "Runs every check: format, tidy, lints, tests, documentation, packages, dependencies",
    usage: "[--list | --only STEP | --from STEP]",
    help: "  --list       lists the steps
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
    usage: "",
    help: "Runs the tests of the crates that use OpenSSL themselves, with the feature `vendored-openssl`.
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
    /// What runs already for later steps, by their names.
    ahead: BTreeMap<&'static str, Aside>,
}

impl Ci {
    fn leave_out(&mut self, what: &str) -> Result<(), String> {
        self.remark = format!("LEFT OUT: {what}");
        Ok(())
    }

    /// Starts builds of later steps. They take the time in which the steps before them leave a core idle.
    /// What is not finished or failed is built by its step, which reports the error.
    fn start_ahead(&mut self, steps: &[Step]) -> Result<(), String> {
        for step in steps.iter().skip(1) {
            if let Some(line) = (step.ahead)(&self.workspace) {
                println!("\n==> {}: built ahead, while a core is idle", step.name);
                self.ahead.insert(step.name, line.start_aside()?);
            }
        }
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
    let mut ci = Ci {
        workspace: Workspace::enter()?,
        tally: Tally::default(),
        remark: String::new(),
        ahead: BTreeMap::new(),
    };
    let result = ci.start_ahead(steps);
    let result = result.and_then(|()| run_steps(steps, &mut ci));
    if let Err(message) = &result {
        eprintln!("\nerror: {message}");
    }
    if steps.len() > 1 || ci.tally != Tally::default() {
        println!("\n{}", ci.tally);
    }
    result.map_err(|_| Failure::Reported)
}

fn run_steps(steps: &[Step], ci: &mut Ci) -> Result<(), String> {
    let mut summary = Vec::new();
    let mut result = Ok(());
    for (index, step) in steps.iter().enumerate() {
        let Step { name, about, .. } = step;
        println!("\n==> [{}/{}] {name}: {about}", index + 1, steps.len());
        let start = Instant::now();
        // If the build has not ended, the step goes on with it, and with all cores.
        ci.ahead.remove(name);
        let outcome = (step.run)(ci);
        let time = start.elapsed();
        let remark = match outcome {
            Ok(()) => std::mem::take(&mut ci.remark),
            Err(_) => "FAILED".to_owned(),
        };
        println!("    {name} took {} {remark}", seconds(time));
        summary.push((*name, time, remark));
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
    println!("\n==> summary");
    let total = summary.iter().map(|(_, time, _)| *time).sum();
    for (name, time, remark) in summary.into_iter().chain([("total", total, String::new())]) {
        println!(
            "{}",
            format!("    {name:<12} {:>9}   {remark}", seconds(time)).trim_end()
        );
    }
    result
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Line;
    use steps::step;

    #[test]
    fn steps_are_chosen_by_name() {
        for (line, first, count) in [
            ("", "fmt", STEPS.len()),
            ("--only doctest", "doctest", 1),
            ("--from instructions", "instructions", 2),
        ] {
            let steps = parse(Parser::from_args(line.split_whitespace()))
                .unwrap()
                .unwrap();
            assert_eq!((steps[0].name, steps.len()), (first, count), "{line}");
        }
        assert!(parse(Parser::from_args(["--list"])).unwrap().is_none());
        for (index, step) in STEPS.iter().enumerate() {
            assert_eq!(position(step.name), Ok(index));
            assert!(
                step.name.len() <= 12,
                "{} is too long for the summary",
                step.name
            );
        }
    }

    fn ci() -> Ci {
        Ci {
            workspace: Workspace::of(&[]),
            tally: Tally::default(),
            remark: String::new(),
            ahead: BTreeMap::new(),
        }
    }

    #[test]
    fn a_failing_step_ends_the_run_and_says_how_to_repeat_it() {
        let steps = [
            step("good", "", |_| Ok(())),
            step("partly", "", |ci| ci.leave_out("advisories")),
            step("deny", "", |_| Err("broken".to_owned())),
            step("never", "", |_| Err("reached".to_owned())),
        ];
        let message = run_steps(&steps, &mut ci()).unwrap_err();
        assert!(
            message.starts_with("step `deny` failed: broken"),
            "{message}"
        );
        assert!(message.contains("--only deny"), "{message}");
    }

    #[test]
    fn the_build_ahead_of_a_step_ends_before_it_and_does_not_decide() {
        let failing = |_: &Workspace| Some(Line::cargo_when_idle("--no-such-option"));
        let ended = |ci: &mut Ci| match ci.ahead.len() {
            0 => Ok(()),
            _ => Err("the build still runs".to_owned()),
        };
        let steps = [
            step("first", "", |_| Ok(())).built_ahead_by(failing),
            step("without", "", |_| Ok(())),
            step("second", "", ended).built_ahead_by(failing),
        ];
        let mut ci = ci();
        ci.start_ahead(&steps).unwrap();
        assert_eq!(ci.ahead.keys().collect::<Vec<_>>(), [&"second"]);
        assert_eq!(run_steps(&steps, &mut ci), Ok(()));
    }
}
