//! `test`: every step, one after the other, and the summary.

use std::process::ExitCode;
use std::time::Instant;

use crate::arguments::{Step, Test};
use crate::steps;
use crate::summary::{self, Report};

/// Runs the steps that were asked for; a step that fails does not keep the others from running.
pub(crate) fn run(options: &Test) -> ExitCode {
    let reports: Vec<Report> = chosen(options).map(|step| report(step, options)).collect();
    let none_matched = reports.iter().all(|report| report.totals.ran() == 0 && report.problem.is_none());
    if let (Some(filter), true) = (&options.filter, none_matched) {
        eprintln!("error: no test has a name that contains `{filter}`");
    }
    print!("\n{}", summary::summary(&reports));
    let late = reports.iter().any(|report| !report.totals.twice.is_empty());
    if options.long && late {
        eprintln!("error: what was late at first is not to be excused in the long forms");
    }
    let success = summary::success(&reports) && !none_matched && !(options.long && late);
    if success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All steps, those that were named, or those that a filter can choose from.
fn chosen(options: &Test) -> impl Iterator<Item = Step> {
    Step::ALL.into_iter().filter(|step| match (options.only.as_slice(), &options.filter) {
        ([], None) => true,
        ([], Some(_)) => step.has_tests(),
        (only, _) => only.contains(step),
    })
}

fn report(step: Step, options: &Test) -> Report {
    println!("\n=== {} ===", step.name());
    let start = Instant::now();
    let steps::Found { totals, problem } = steps::run(step, options);
    if let Some(problem) = &problem {
        eprintln!("error: {problem}");
    }
    Report { step, totals, took: start.elapsed(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &Test) -> Vec<&'static str> {
        chosen(options).map(Step::name).collect()
    }

    #[test]
    fn everything_runs_unless_something_else_is_asked_for() {
        assert_eq!(names(&Test::default()), ["fmt", "clippy", "native", "package", "recipes", "browser"]);
        let only = Test { only: vec![Step::Browser, Step::Fmt], ..Test::default() };
        assert_eq!(names(&only), ["fmt", "browser"]);
        let filter = Test { filter: Some("sleep".to_owned()), ..Test::default() };
        assert_eq!(names(&filter), ["native", "package", "recipes", "browser"]);
    }
}
