//! `cargo xtask ci`: every check of the project, in order, up to the first that fails.

mod deny;
mod steps;

use std::collections::BTreeMap;
use std::time::Instant;

use crate::process::{Running, Tally};
use crate::workspace::Workspace;
use steps::{STEPS, Step};

/// Runs every check: format, tidy, lints, tests, documentation, packages, dependencies
///
/// Stops at the first step that fails. If the steps have tests, the last line of the output is the
/// sum over all of them: `N passed, N failed`.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct Options {
    /// Lists the steps
    #[arg(long)]
    list: bool,
    /// Runs one step
    #[arg(long, value_name = "STEP", value_parser = position)]
    only: Option<usize>,
    /// Runs this step and those after it
    #[arg(long, value_name = "STEP", value_parser = position)]
    from: Option<usize>,
}

fn position(name: &str) -> Result<usize, String> {
    let at = STEPS.iter().position(|step| step.name == name);
    at.ok_or_else(|| "no such step: see `cargo xtask ci --list`".to_owned())
}

pub(crate) fn run(workspace: Workspace, options: &Options) -> Result<(), String> {
    let steps = match (options.only, options.from) {
        (Some(at), _) => &STEPS[at..=at],
        (None, from) => &STEPS[from.unwrap_or(0)..],
    };
    if !options.list {
        return run_all(workspace, steps);
    }
    for step in steps {
        println!("{:<12} {}", step.name, step.about);
    }
    Ok(())
}

pub(crate) fn vendored(workspace: Workspace) -> Result<(), String> {
    run_all(workspace, steps::VENDORED)
}

/// What the steps share.
struct Ci {
    workspace: Workspace,
    tally: Tally,
    /// What the step left out, for the summary.
    remark: String,
    /// What runs already for later steps, by their names.
    ahead: BTreeMap<&'static str, Running>,
}

impl Ci {
    fn new(workspace: Workspace) -> Self {
        Self {
            workspace,
            tally: Tally::default(),
            remark: String::new(),
            ahead: BTreeMap::new(),
        }
    }

    fn leave_out(&mut self, what: &str) -> Result<(), String> {
        self.remark = format!("   LEFT OUT: {what}");
        Ok(())
    }

    /// Starts builds of later steps. They take the time in which the steps before them leave a core idle.
    /// The step of a build that failed builds it again and reports the error.
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

fn run_all(workspace: Workspace, steps: &[Step]) -> Result<(), String> {
    let mut ci = Ci::new(workspace);
    let result = ci.start_ahead(steps);
    let result = result.and_then(|()| run_steps(steps, &mut ci));
    if let Err(message) = &result {
        eprintln!("\nerror: {message}");
    }
    if steps.len() > 1 || ci.tally != Tally::default() {
        println!("\n{}", ci.tally);
    }
    // The message is printed above the sum.
    result.map_err(|_| String::new())
}

fn run_steps(steps: &[Step], ci: &mut Ci) -> Result<(), String> {
    let mut summary = String::new();
    let mut result = Ok(());
    let begin = Instant::now();
    for (index, step) in steps.iter().enumerate() {
        let Step {
            name, about, run, ..
        } = step;
        println!("\n==> [{}/{}] {name}: {about}", index + 1, steps.len());
        let start = Instant::now();
        // The step would wait for the lock of the same target directory, and report an error by itself.
        if let Some(build) = ci.ahead.remove(name) {
            build.wait();
        }
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
    println!("\n==> summary\n{summary}    total        {seconds:>7.1} s");
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Line;
    use steps::step;

    #[test]
    fn steps_are_found_by_name() {
        for (index, step) in STEPS.iter().enumerate() {
            assert_eq!(position(step.name), Ok(index));
            assert!(step.name.len() <= 12, "too long: {}", step.name);
        }
        assert!(position("").is_err());
    }

    #[test]
    fn a_failing_step_ends_the_run_and_says_how_to_repeat_it() {
        let steps = [
            step("partly", "", |ci| ci.leave_out("advisories")),
            step("deny", "", |_| Err("broken".to_owned())),
            step("never", "", |_| Err("reached".to_owned())),
        ];
        let message = run_steps(&steps, &mut Ci::new(Workspace::of(&[]))).unwrap_err();
        let start = "step `deny` failed: broken\n       `cargo xtask ci --only deny` repeats it";
        assert!(message.starts_with(start), "{message}");
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
        let mut ci = Ci::new(Workspace::of(&[]));
        ci.start_ahead(&steps).unwrap();
        assert_eq!(ci.ahead.keys().collect::<Vec<_>>(), [&"second"]);
        assert_eq!(run_steps(&steps, &mut ci), Ok(()));
    }
}
