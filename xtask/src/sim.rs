//! `sim`: the session core as a fleet of browsers, in virtual time.

use std::fmt::Write;
use std::fs;
use std::process::ExitCode;
use std::time::Instant;

use fiftyten_world::sim::{self, HOUR, Plan, Totals, chart};

use crate::failure::{Failure, Result};
use crate::place;

/// Runs the plan; fails where anything was wrong.
pub(crate) fn run(plan: &Plan) -> Result<ExitCode> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{}", title(plan));
    let start = Instant::now();
    let totals = sim::run(plan, threads);
    let took = start.elapsed();

    let folder = place::target().join("sim");
    let picture = folder.join("load.svg");
    fs::create_dir_all(&folder).map_err(|cause| Failure::file("create", &folder, &cause))?;
    fs::write(&picture, chart::svg(&totals, &plan.outages))
        .map_err(|cause| Failure::file("write", &picture, &cause))?;

    print!("{}", report(&totals));
    println!("run time              {:.1} s on {threads} threads\n", took.as_secs_f64());
    println!("refreshes at the server, over time:\n{}", chart::text(&totals));
    println!("the same as a picture: {}", picture.display());
    Ok(if totals.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn title(plan: &Plan) -> String {
    let Plan { users, tabs, length, outages, seed } = plan;
    let hours = *length as f64 / HOUR as f64;
    let mut title = format!("{users} browsers of {tabs} tabs for {hours} h, seed {seed}");
    for outage in outages {
        let minutes = |ms: u64| ms as f64 / 60_000.0;
        // Infallible: it is written into a String.
        let _ = write!(
            title,
            ", nobody served from {} min for {} min",
            minutes(outage.from),
            minutes(outage.length)
        );
    }
    title
}

fn report(totals: &Totals) -> String {
    let mut report = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(report, "{name:21} {value}");
    };
    let awake = (totals.awake as f64 / HOUR as f64).max(f64::MIN_POSITIVE);
    line("stale", totals.stale.to_string());
    line("false sign-outs", totals.false_sign_outs.to_string());
    line("unsettled", totals.unsettled.to_string());
    if totals.other > 0 {
        line("other violations", totals.other.to_string());
    }
    if let Some(first) = &totals.first {
        line("the first of them", first.to_string());
    }
    line("requests", totals.requests.to_string());
    line("held back", format!("{} ({:.2} %)", totals.held, percent(totals.held, totals.requests)));
    line(
        "waits",
        format!(
            "p50 {} ms, p99 {} ms, p99.9 {} ms, max {} ms",
            totals.wait(500),
            totals.wait(990),
            totals.wait(999),
            totals.wait(1_000)
        ),
    );
    line("refreshes", format!("{}, {} of them reached the server", totals.attempts, totals.refreshes));
    line("per browser-hour", format!("{:.1}, of {awake:.0} hours awake", totals.attempts as f64 / awake));
    line("true sign-outs", totals.sign_outs.to_string());
    report
}

fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_counts_what_must_not_happen_first() {
        let report = report(&Totals { requests: 200, held: 1, ..Totals::default() });
        let lines: Vec<&str> = report.lines().collect();
        assert!(lines[0].starts_with("stale") && lines[0].ends_with(" 0"), "{report}");
        assert!(lines[1].starts_with("false sign-outs") && lines[1].ends_with(" 0"));
        assert!(lines[2].starts_with("unsettled") && lines[2].ends_with(" 0"));
        assert!(report.contains("1 (0.50 %)"));
    }
}
