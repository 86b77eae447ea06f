//! The summary that `test` ends with.

use std::fmt::Write;
use std::time::Duration;

use crate::arguments::Step;
use crate::engines;
use crate::totals::Totals;

/// How a step ended.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) step: Step,
    pub(crate) totals: Totals,
    pub(crate) took: Duration,
    /// What went wrong other than a test that failed; it counts as one failure.
    pub(crate) problem: Option<String>,
}

/// The tables, the reasons, and as the last line the sum.
pub(crate) fn summary(reports: &[Report]) -> String {
    let mut text = format!("{:<10}{:>8}{:>8}{:>8}{:>10}\n", "step", "passed", "failed", "skipped", "time");
    let mut sum = Totals::default();
    // Writing to a String cannot fail.
    for report in reports {
        let totals = counted(report);
        let &Totals { passed, failed, skipped, .. } = &totals;
        let _ = writeln!(
            text,
            "{:<10}{passed:>8}{failed:>8}{skipped:>8}{:>10}",
            report.step.name(),
            time(report.took)
        );
        sum.add(totals);
    }
    let table = engines::table(&sum.engines);
    if !table.is_empty() {
        let _ = writeln!(text, "\n{table}");
    }
    for report in reports {
        for reason in &report.totals.reasons {
            let _ = writeln!(text, "skipped in {}: {reason}", report.step.name());
        }
        for late in &report.totals.twice {
            let _ = writeln!(text, "ran twice in {}, late at first: {late}", report.step.name());
        }
    }
    for report in reports {
        if let Some(problem) = &report.problem {
            let _ = writeln!(text, "failed in {}: {problem}", report.step.name());
        }
    }
    let not_run: Vec<_> = Step::ALL
        .into_iter()
        .filter(|step| reports.iter().all(|report| report.step != *step))
        .map(Step::name)
        .collect();
    if !not_run.is_empty() {
        let _ = writeln!(text, "not asked for: {}", not_run.join(", "));
    }
    let _ = writeln!(text, "{} passed, {} failed, {} skipped", sum.passed, sum.failed, sum.skipped);
    text
}

/// Whether all went well.
pub(crate) fn success(reports: &[Report]) -> bool {
    !reports.is_empty() && reports.iter().all(|report| counted(report).failed == 0)
}

fn counted(report: &Report) -> Totals {
    let mut totals = report.totals.clone();
    totals.failed += u64::from(report.problem.is_some());
    totals
}

fn time(took: Duration) -> String {
    match took.as_secs() {
        0..60 => format!("{:.1} s", took.as_secs_f64()),
        seconds => format!("{}:{:02} min", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(step: Step, passed: u64, failed: u64, skipped: u64) -> Report {
        let reasons = (0..skipped).map(|number| format!("test {number}: no time")).collect();
        let totals = Totals { passed, failed, skipped, reasons, ..Totals::default() };
        Report { step, totals, took: Duration::from_millis(1_234), problem: None }
    }

    #[test]
    fn the_last_line_is_the_sum() {
        let reports = [report(Step::Native, 10, 1, 0), report(Step::Browser, 5, 0, 2)];
        assert_eq!(summary(&reports).lines().next_back(), Some("15 passed, 1 failed, 2 skipped"));
        assert!(!success(&reports));
        assert!(success(&reports[1..]));
    }

    #[test]
    fn a_problem_is_a_failure_and_is_told() {
        let mut reports = [report(Step::Fmt, 0, 0, 0)];
        reports[0].problem = Some("`rustup` is missing".to_owned());
        let text = summary(&reports);
        assert!(text.contains("failed in fmt: `rustup` is missing\n"), "{text}");
        assert!(text.ends_with("\n0 passed, 1 failed, 0 skipped\n"), "{text}");
        assert!(!success(&reports));
    }

    #[test]
    fn says_what_was_skipped_and_what_was_not_asked_for() {
        let text = summary(&[report(Step::Native, 1, 0, 1)]);
        assert!(text.contains("skipped in native: test 0: no time\n"), "{text}");
        assert!(text.contains("not asked for: fmt, clippy, package, recipes, browser\n"), "{text}");
    }

    #[test]
    fn says_what_ran_twice() {
        let mut reports = [report(Step::Browser, 1, 0, 0)];
        reports[0].totals.twice.push("test 3: no answer within 5 ms".to_owned());
        let text = summary(&reports);
        assert!(
            text.contains("ran twice in browser, late at first: test 3: no answer within 5 ms\n"),
            "{text}"
        );
    }

    #[test]
    fn the_engines_have_a_table() {
        let mut reports = [report(Step::Browser, 1, 0, 0)];
        assert!(!summary(&reports).contains("engines"));
        reports[0].totals.engines.extend(engines::Outcome::of_line("✔ webkit: wakes (1ms)"));
        let text = summary(&reports);
        assert!(text.contains("\nwakes    not run   not run   ok\n"), "{text}");
    }

    #[test]
    fn no_step_is_no_success() {
        assert!(!success(&[]));
    }

    #[test]
    fn times_are_short() {
        assert_eq!(time(Duration::from_millis(59_940)), "59.9 s");
        assert_eq!(time(Duration::from_secs(125)), "2:05 min");
    }
}
