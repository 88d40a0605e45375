//! `cargo xtask ci`: every check of the project, in order, up to the first that fails.

mod deny;
pub(crate) mod process;
mod steps;
mod tally;

use std::time::{Duration, Instant};

use crate::workspace::Workspace;
use crate::{Command, Failure, unknown_argument};
use steps::{STEPS, Step};
use tally::Tally;

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    about: "Runs every check: format, tidy, lints, tests, documentation, packages, dependencies",
    usage: "[--list | --only STEP | --from STEP]",
    help: "  --list       lists the steps
  --only STEP  runs one step
  --from STEP  runs this step and those after it

Stops at the first step that fails. With tests among the steps, the last line of the output
is the sum over all of them: `N passed, N failed`.",
    run,
};

/// What the steps share.
struct Ci {
    workspace: Workspace,
    tally: Tally,
}

enum Outcome {
    Done,
    /// Done but for something that cannot be had here; the text says what.
    DoneBut(String),
    LeftOut(String),
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let steps = match parse(arguments)? {
        Request::Run(steps) => steps,
        Request::List => {
            for step in STEPS {
                println!("{:<12} {}", step.name, step.about);
            }
            return Ok(());
        }
    };
    let mut ci = Ci {
        workspace: Workspace::load()?,
        tally: Tally::default(),
    };
    let with_tests = steps.iter().any(|step| step.runs_tests);
    let result = run_steps(steps, &mut ci).and_then(|()| {
        if with_tests && ci.tally.executed() == 0 {
            return Err("no test was run: look above for what the test commands found".to_owned());
        }
        Ok(())
    });
    if let Err(message) = &result {
        eprintln!("\nerror: {message}");
    }
    if with_tests {
        println!("\n{}", ci.tally);
    }
    result.map_err(|_| Failure::Told)
}

enum Request {
    List,
    Run(&'static [Step]),
}

fn parse(arguments: &[String]) -> Result<Request, Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => Ok(Request::Run(STEPS)),
        ["--list"] => Ok(Request::List),
        ["--only", name] => {
            let at = position(name)?;
            Ok(Request::Run(STEPS.get(at..=at).unwrap_or_default()))
        }
        ["--from", name] => {
            let at = position(name)?;
            Ok(Request::Run(STEPS.get(at..).unwrap_or_default()))
        }
        ["--only" | "--from"] => Err(Failure::Usage(
            "the name of a step is missing: see `cargo xtask ci --list`".to_owned(),
        )),
        ["--list", surplus, ..] | ["--only" | "--from", _, surplus, ..] | [surplus, ..] => {
            Err(unknown_argument("ci", surplus))
        }
    }
}

fn position(name: &str) -> Result<usize, Failure> {
    STEPS
        .iter()
        .position(|step| step.name == name)
        .ok_or_else(|| {
            Failure::Usage(format!(
                "there is no step `{name}`: see `cargo xtask ci --list`"
            ))
        })
}

fn run_steps(steps: &[Step], ci: &mut Ci) -> Result<(), String> {
    let mut report = Vec::new();
    let mut result = Ok(());
    for (index, step) in steps.iter().enumerate() {
        println!(
            "\n==> [{}/{}] {}: {}",
            index + 1,
            steps.len(),
            step.name,
            step.about
        );
        let start = Instant::now();
        let outcome = (step.run)(ci);
        let took = start.elapsed();
        let remark = match &outcome {
            Ok(Outcome::Done) => String::new(),
            Ok(Outcome::DoneBut(what) | Outcome::LeftOut(what)) => what.clone(),
            Err(_) => "FAILED".to_owned(),
        };
        match &outcome {
            Ok(Outcome::LeftOut(why)) => println!("    {why}"),
            _ => println!("    {} took {}", step.name, seconds(took)),
        }
        report.push((step.name, took, remark));
        if let Err(message) = outcome {
            result = Err(format!(
                "step `{0}` failed: {message}\n       \
                 `cargo xtask ci --only {0}` runs it alone, \
                 `cargo xtask ci --from {0}` goes on from there",
                step.name
            ));
            break;
        }
    }
    print_summary(&report);
    result
}

fn print_summary(report: &[(&str, Duration, String)]) {
    println!("\n==> summary");
    for (name, took, remark) in report {
        println!(
            "{}",
            format!("    {name:<12} {:>9}   {remark}", seconds(*took)).trim_end()
        );
    }
    let total = report.iter().map(|(_, took, _)| *took).sum();
    println!("    {:<12} {:>9}", "total", seconds(total));
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        let arguments: Vec<String> = arguments.iter().map(|text| text.to_string()).collect();
        match parse(&arguments) {
            Ok(Request::Run(steps)) => steps.iter().map(|step| step.name).collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn steps_are_chosen_by_name() {
        assert_eq!(names(&[]).len(), STEPS.len());
        assert_eq!(names(&["--only", "doctest"]), ["doctest"]);
        assert_eq!(names(&["--from", "package"]), ["package", "deny"]);
        assert!(names(&["--only", "Doctest"]).is_empty());
    }

    #[test]
    fn the_names_of_steps_are_unique_and_fit_the_summary() {
        for (index, step) in STEPS.iter().enumerate() {
            assert_eq!(position(step.name), Ok(index));
            assert!(step.name.len() <= 12, "{}", step.name);
        }
    }

    #[test]
    fn a_failing_step_ends_the_run_and_says_how_to_repeat_it() {
        let step = |name, run| Step {
            name,
            about: "",
            runs_tests: false,
            run,
        };
        let steps = [
            step("good", |_| Ok(Outcome::Done)),
            step("bad", |_| Err("broken".to_owned())),
            step("never", |_| Err("reached".to_owned())),
        ];
        let mut ci = Ci {
            workspace: Workspace::default(),
            tally: Tally::default(),
        };
        let message = run_steps(&steps, &mut ci).unwrap_err();
        assert!(message.contains("`bad` failed: broken"), "{message}");
        assert!(message.contains("--only bad"), "{message}");
    }
}
