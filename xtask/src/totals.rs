//! How many tests passed, failed and were skipped: read from what the test runners print.

use crate::engines::Outcome;

/// The counts of one or more runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// The skipped tests that have a name in the output: `name: why`.
    pub(crate) reasons: Vec<String>,
    /// The tests that were late at their first try, and run again: `name: what was late`.
    pub(crate) twice: Vec<String>,
    /// The tests of the suite that runs in several browser engines.
    pub(crate) engines: Vec<Outcome>,
}

impl Totals {
    /// One check that has no tests of its own.
    pub(crate) fn check(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed), ..Self::default() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.reasons.extend(other.reasons);
        self.twice.extend(other.twice);
        self.engines.extend(other.engines);
    }

    /// How many tests ran.
    pub(crate) fn ran(&self) -> u64 {
        self.passed + self.failed
    }
}

/// Reads the output of `cargo test`: the sum over its test programs.
pub(crate) fn of_cargo_test(output: &str) -> Totals {
    let mut totals = Totals::default();
    for line in plain(output).lines() {
        if let Some(result) = line.strip_prefix("test result: ") {
            // "ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s"
            let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
            let count = |word: &str| {
                counts
                    .split(';')
                    .filter_map(|part| part.trim().split_once(' '))
                    .find_map(|(number, name)| if name == word { number.parse::<u64>().ok() } else { None })
            };
            totals.passed += count("passed").unwrap_or(0);
            totals.failed += count("failed").unwrap_or(0);
            totals.skipped += count("ignored").unwrap_or(0);
        } else if let Some((name, why)) =
            line.strip_prefix("test ").and_then(|test| test.split_once(" ... ignored"))
        {
            let why = why.strip_prefix(", ").unwrap_or("ignored");
            totals.reasons.push(format!("{name}: {why}"));
        }
    }
    totals
}

/// The lines that end a report of Node's test runner, in their order.
const NODE: [&str; 8] = ["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo", "duration_ms"];

/// What Node says of a test that a name pattern left out.
const LEFT_OUT: &str = "test name does not match pattern";

/// What `tests/browser/scenario.mjs` says of a test that it runs once more.
const TWICE: &str = "ℹ ran twice: ";

/// Reads the output of Node's test runner, in its `spec` or `tap` form: the sum over its runs.
pub(crate) fn of_node_test(output: &str) -> Totals {
    let mut totals = Totals::default();
    let mut left_out = 0;
    let mut block: Vec<u64> = Vec::new();
    let output = plain(output);
    for line in output.lines() {
        if let Some((name, why)) = skipped_by_node(line) {
            if why == LEFT_OUT {
                left_out += 1;
            } else {
                totals.reasons.push(format!("{name}: {why}"));
                totals.engines.extend(Outcome::of_skipped(name));
            }
        } else {
            totals.engines.extend(Outcome::of_line(line));
            totals.twice.extend(line.trim_start().strip_prefix(TWICE).map(str::to_owned));
        }
        // A run ends with all of these lines, one after the other; anything less is a test's own output.
        match counted_by_node(line, NODE[block.len()]) {
            Some(number) => block.push(number),
            None => block.clear(),
        }
        if let &[_, _, pass, fail, cancelled, skipped, todo, _] = block.as_slice() {
            totals.passed += pass;
            totals.failed += fail + cancelled;
            totals.skipped += skipped + todo;
            block.clear();
        }
    }
    totals.skipped = totals.skipped.saturating_sub(left_out);
    totals
}

fn counted_by_node(line: &str, name: &str) -> Option<u64> {
    let rest = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# "))?;
    let number = rest.strip_prefix(name)?.strip_prefix(' ')?;
    number.split('.').next()?.parse().ok()
}

/// `﹣ name (0.1ms) # why` or `ok 5 - name # SKIP why`, at any depth.
fn skipped_by_node(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    let (name, why) = if let Some(rest) = line.strip_prefix("﹣ ") {
        let (name, why) = rest.rsplit_once(" # ")?;
        (name.rsplit_once(" (").map_or(name, |(name, _)| name), why)
    } else {
        let (_, rest) = line.strip_prefix("ok ")?.split_once(" - ")?;
        rest.rsplit_once(" # SKIP")?
    };
    let why = why.trim();
    Some((name, if why.is_empty() || why == "SKIP" { "skipped" } else { why }))
}

/// The text without the escape sequences that colour it.
fn plain(text: &str) -> String {
    let mut pieces = text.split("\u{1b}[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let end = piece.find(|c: char| c.is_ascii_alphabetic()).map_or(0, |index| index + 1);
        plain.push_str(&piece[end..]);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_test_programs_of_cargo() {
        let output = "\
running 3 tests
test a ... ok
test b ... ignored, needs an hour
test c ... ignored
test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s

running 5 tests
test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 12.30s
   Doc-tests fiftyten
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let reasons = ["b: needs an hour", "c: ignored"].map(str::to_owned).into();
        assert_eq!(
            of_cargo_test(output),
            Totals { passed: 7, failed: 1, skipped: 2, reasons, ..Totals::default() }
        );
    }

    #[test]
    fn colours_do_not_matter() {
        let output = "test result: \u{1b}[32mok\u{1b}[m. 2 passed; 0 failed; 0 ignored; 0 measured";
        assert_eq!(of_cargo_test(output).passed, 2);
        let coloured = SPEC.replace("ℹ ", "\u{1b}[34mℹ ").replace('\n', "\u{1b}[39m\n");
        assert_eq!(of_node_test(&coloured), of_node_test(SPEC));
    }

    const SPEC: &str = "\
✔ a (1.93ms)
﹣ b (0.28ms) # no firefox here
▶ outer
  ﹣ c (x) (0.12ms) # SKIP
✖ d (1.62ms)
ℹ tests 7
ℹ suites 1
ℹ pass 2
ℹ fail 1
ℹ cancelled 1
ℹ skipped 2
ℹ todo 1
ℹ duration_ms 137.488335

✖ failing tests:
";

    #[test]
    fn reads_the_spec_form_of_node() {
        let reasons = ["b: no firefox here", "c (x): skipped"].map(str::to_owned).into();
        assert_eq!(
            of_node_test(SPEC),
            Totals { passed: 2, failed: 2, skipped: 3, reasons, ..Totals::default() }
        );
    }

    #[test]
    fn reads_the_tap_form_of_node() {
        let output = "\
ok 1 - a
    ok 2 - b # SKIP no firefox here
# Subtest: c
ok 3 - c # SKIP
# tests 3
# suites 0
# pass 1
# fail 0
# cancelled 0
# skipped 2
# todo 0
# duration_ms 116.5
";
        let reasons = ["b: no firefox here", "c: skipped"].map(str::to_owned).into();
        assert_eq!(
            of_node_test(output),
            Totals { passed: 1, failed: 0, skipped: 2, reasons, ..Totals::default() }
        );
    }

    #[test]
    fn sums_the_runs_of_node() {
        let twice = of_node_test(&format!("{SPEC}{SPEC}"));
        assert_eq!((twice.passed, twice.failed, twice.skipped), (4, 4, 6));
    }

    #[test]
    fn a_test_that_ran_twice_is_told() {
        let output = SPEC.replace("✖ d", "  ℹ ran twice: d: no answer within 5 ms\n✖ d");
        let twice = ["d: no answer within 5 ms".to_owned()].into();
        assert_eq!(of_node_test(&output), Totals { twice, ..of_node_test(SPEC) });
    }

    #[test]
    fn what_a_test_prints_is_not_a_summary() {
        let output = format!("# pass 100\nℹ tests 5\nℹ pass 5\n{SPEC}");
        assert_eq!(of_node_test(&output), of_node_test(SPEC));
    }

    #[test]
    fn what_the_filter_left_out_was_not_skipped() {
        let output = SPEC.replace("no firefox here", LEFT_OUT);
        let totals = of_node_test(&output);
        assert_eq!(totals.skipped, 2);
        assert_eq!(totals.reasons, ["c (x): skipped"]);
    }

    #[test]
    fn keeps_what_the_engines_did() {
        let output = SPEC.replace("✔ a", "✔ webkit: wakes").replace("﹣ b", "﹣ firefox: sleeps");
        let told = crate::engines::table(&of_node_test(&output).engines);
        assert_eq!(told.lines().nth(1), Some("wakes    not run   not run   ok"));
        assert_eq!(told.lines().nth(2), Some("sleeps   not run   cannot    not run"));
        assert_eq!(
            of_node_test(&SPEC.replace("﹣ b", "﹣ firefox: b").replace("no firefox here", LEFT_OUT)).engines,
            []
        );
    }

    #[test]
    fn no_output_is_no_tests() {
        assert_eq!(of_cargo_test(""), Totals::default());
        assert_eq!(of_node_test("sh: tsc: not found"), Totals::default());
    }
}
