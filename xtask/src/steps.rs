//! The steps of `test`: what each needs, runs and counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::arguments::{Step, Test};
use crate::failure::{Failure, Result};
use crate::process::{self, Stdout};
use crate::stage::Stage;
use crate::totals::{self, Totals};
use crate::{demo, need, place, wasm};

const WASM: &str = "wasm32-unknown-unknown";

/// What no member of the workspace switches on by itself, and what has tests all the same.
const FEATURES: [&str; 2] = ["--features", "fiftyten-verify/feed"];

/// The model checker, apart from everything else: its features change the core, and Cargo would give
/// them to every crate that is built in the same run.
const MODEL: [&str; 4] = ["--package", "fiftyten-world", "--features", "mutants"];

/// The tests that need PostgreSQL's server, by the module that they stand in.
const ON_POSTGRES: &str = "on_postgres::";

/// How many files of browser tests run at once: most of their time is waiting.
const BROWSER_FILES: &str = "--test-concurrency=2";

/// The form in which Node's test runner reports, with the reasons of what was skipped.
const REPORT: &str = "--test-reporter=spec";

/// What a step found: the counts, and what went wrong other than a test that failed.
pub(crate) struct Found {
    pub(crate) totals: Totals,
    pub(crate) problem: Option<String>,
}

/// Runs one step to its end.
pub(crate) fn run(step: Step, options: &Test) -> Found {
    let mut found = Found { totals: Totals::default(), problem: None };
    let outcome = match step {
        Step::Fmt => fmt(&mut found),
        Step::Clippy => clippy(&mut found),
        Step::Native => native(options, &mut found),
        Step::Package => package(options, &mut found),
        Step::Recipes => recipes(options, &mut found),
        Step::Browser => browser(options, &mut found),
    };
    if let Err(failure) = outcome {
        found.blame(failure.to_string());
    }
    if found.totals.ran() == 0 && options.filter.is_none() {
        found.blame("no test ran");
    }
    found
}

impl Found {
    /// Keeps the first thing that went wrong: what follows is often its consequence.
    fn blame(&mut self, problem: impl Into<String>) {
        self.problem.get_or_insert(problem.into());
    }

    /// Counts a command that either succeeds or fails.
    fn check(&mut self, command: &mut Command, limit: Duration) -> Result {
        let ended = process::run(command, Stdout::Shown, limit)?;
        self.totals.add(Totals::check(ended.success));
        Ok(())
    }

    /// Counts the tests that a command runs and reports.
    fn tests(
        &mut self,
        command: &mut Command,
        what: &str,
        limit: Duration,
        count: fn(&str) -> Totals,
    ) -> Result {
        let ended = process::run(command, Stdout::ShownAndKept, limit)?;
        let totals = count(&ended.stdout);
        if !ended.success && totals.failed == 0 {
            self.blame(format!("{what} failed ({})", ended.status));
        }
        self.totals.add(totals);
        Ok(())
    }
}

fn minutes(number: u64) -> Duration {
    Duration::from_secs(number * 60)
}

fn fmt(found: &mut Found) -> Result {
    need::component("rustfmt", "fmt")?;
    found.check(need::cargo().args(["fmt", "--all", "--", "--check"]), minutes(5))
}

fn clippy(found: &mut Found) -> Result {
    need::component("clippy", "clippy")?;
    let warnings_are_errors = ["--", "-D", "warnings"];
    let mut natively = need::cargo();
    natively.args(["clippy", "--workspace", "--all-targets"]).args(FEATURES).args(warnings_are_errors);
    found.check(&mut natively, minutes(30))?;
    let mut model = need::cargo();
    model.args(["clippy", "--all-targets"]).args(MODEL).args(warnings_are_errors);
    found.check(&mut model, minutes(15))?;

    need::wasm_target(WASM)?;
    let mut for_wasm = need::cargo();
    for_wasm.args(["clippy", "--package", "fiftyten", "--target", WASM]).args(warnings_are_errors);
    found.check(&mut for_wasm, minutes(15))?;

    // The verifier runs where there is neither a network nor a thread.
    let mut verifier = need::cargo();
    verifier.args(["clippy", "--package", "fiftyten-verify", "--no-default-features", "--target", WASM]);
    found.check(verifier.args(warnings_are_errors), minutes(15))
}

fn native(options: &Test, found: &mut Found) -> Result {
    let mut cargo = need::cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]).args(FEATURES).args(options.filter.as_ref());
    // The fleet says how many refreshes it made.
    cargo.args(["--", "--show-output"]);
    if let Err(missing) = need::programs(need::DATABASE) {
        cargo.args(["--skip", ON_POSTGRES]);
        found.totals.add(without_postgres(options, &missing)?);
    }
    set_long(&mut cargo, options);
    let limit = minutes(if options.long { 240 } else { 45 });
    found.tests(&mut cargo, "`cargo test`", limit, totals::of_cargo_test)?;

    // It says how many states it visited.
    let mut model = need::cargo();
    model.arg("test").args(MODEL).args(["--test", "model", "--no-fail-fast"]).args(options.filter.as_ref());
    model.args(["--", "--show-output"]);
    set_long(&mut model, options);
    found.tests(&mut model, "the model checker", limit, totals::of_cargo_test)
}

/// The tests that are skipped where PostgreSQL is `missing`.
fn without_postgres(options: &Test, missing: &Failure) -> Result<Totals> {
    let mut list = need::cargo();
    list.args(["test", "--package", "fiftyten-server"]).args(options.filter.as_ref()).args(["--", "--list"]);
    let ended = process::run(&mut list, Stdout::Kept, minutes(45))?;
    let reasons = skipped(&ended.stdout, ON_POSTGRES, &missing.to_string());
    Ok(Totals { skipped: reasons.len() as u64, reasons, ..Totals::default() })
}

/// The tests of a `--list` that stand in `module`, each with the reason why it is skipped.
fn skipped(list: &str, module: &str, why: &str) -> Vec<String> {
    let names = list.lines().filter_map(|line| line.strip_suffix(": test"));
    names.filter(|name| name.contains(module)).map(|name| format!("{name}: {why}")).collect()
}

fn package(options: &Test, found: &mut Found) -> Result {
    wasm::ensure()?;
    let js = place::js();
    let limit = minutes(if options.long { 60 } else { 10 });
    let mut tests = match &options.filter {
        None => {
            let mut npm = need::npm(&js);
            npm.args(["run", "--silent", "test"]).env("NODE_OPTIONS", REPORT);
            npm
        }
        // A script's own arguments leave no place for a pattern: Node finds the same files by itself.
        Some(_) => node_test(&js, options),
    };
    set_long(&mut tests, options);
    found.tests(&mut tests, "`npm test` in js", limit, totals::of_node_test)?;
    if options.filter.is_none() {
        found.check(need::npm(&js).args(["run", "--silent", "test:types"]), minutes(5))?;
    }
    Ok(())
}

/// The recipes for other languages, each with its own language's tools.
fn recipes(options: &Test, found: &mut Found) -> Result {
    need::programs(need::RECIPES)?;
    need::node()?;
    let folder = place::recipes();
    need::npm_packages(&folder)?;
    let python = need::python_packages(&folder)?;
    let server = demo::build_program("fiftyten-server")?;
    let mut node = node_test(&folder, options);
    node.env("FIFTYTEN_PYTHON", python).env("FIFTYTEN_SERVER_BIN", server).args(test_files(&folder)?);
    found.tests(&mut node, "`node --test` in www/verify/recipes", minutes(10), totals::of_node_test)
}

fn browser(options: &Test, found: &mut Found) -> Result {
    let stage = Stage::set()?;
    let mut node = node_test(&stage.folder, options);
    stage.tell(&mut node).arg(BROWSER_FILES).args(test_files(&stage.folder)?);
    set_long(&mut node, options);
    let limit = minutes(if options.long { 240 } else { 40 });
    found.tests(&mut node, "`node --test` in tests/browser", limit, totals::of_node_test)
}

fn set_long(command: &mut Command, options: &Test) {
    if options.long {
        command.env("FIFTYTEN_LONG", "1");
    }
}

/// Node's test runner.
fn node_test(folder: &Path, options: &Test) -> Command {
    let mut node = Command::new("node");
    node.current_dir(folder).args(["--test", REPORT]);
    if let Some(filter) = &options.filter {
        node.arg(format!("--test-name-pattern={}", literal(filter)));
    }
    node
}

/// A pattern that matches just this text.
fn literal(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if r"\^$.|?*+()[]{}/".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

fn test_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|cause| Failure::file("read", folder, &cause))?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Failure::new(format!("{} has no *.test.mjs", folder.display())));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_taken_literally() {
        assert_eq!(literal("a.b (c) d"), r"a\.b \(c\) d");
    }

    #[test]
    fn what_is_skipped_is_named_with_the_reason() {
        let list = "a::b: test\non_postgres::c: test\non_postgres::d: benchmark\n3 tests, 0 benchmarks\n";
        assert_eq!(skipped(list, "on_postgres::", "missing: x"), ["on_postgres::c: missing: x"]);
    }

    #[test]
    fn the_first_problem_is_kept() {
        let mut found = Found { totals: Totals::default(), problem: None };
        found.blame("first");
        found.blame("second");
        assert_eq!(found.problem.as_deref(), Some("first"));
    }
}
