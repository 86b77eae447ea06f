//! The browser engines side by side: which behaviour each has, read from the names of the tests.

use std::fmt::Write;

/// The engines that run one suite; its tests are named `engine: behaviour`.
const ENGINES: [&str; 3] = ["chromium", "firefox", "webkit"];

/// What stands above the behaviours.
const HEAD: &str = "engines";

/// How one behaviour fared in one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    engine: &'static str,
    behaviour: String,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Ok,
    Failed,
    Cannot,
}

impl Outcome {
    /// Reads a line that tells of a passed or failed test, in the `spec` form of Node's test runner:
    /// `✔ engine: behaviour (1.2ms)`.
    pub(crate) fn of_line(line: &str) -> Option<Self> {
        let line = line.trim_start();
        let (verdict, rest) = if let Some(rest) = line.strip_prefix("✔ ") {
            (Verdict::Ok, rest)
        } else {
            (Verdict::Failed, line.strip_prefix("✖ ")?)
        };
        let (name, _) = rest.rsplit_once(" (")?;
        Self::new(name, verdict)
    }

    /// A test that was skipped, by its name: the engine can't do it, and the reason is told elsewhere.
    pub(crate) fn of_skipped(name: &str) -> Option<Self> {
        Self::new(name, Verdict::Cannot)
    }

    fn new(name: &str, verdict: Verdict) -> Option<Self> {
        let (engine, behaviour) = name.split_once(": ")?;
        let engine = ENGINES.into_iter().find(|known| *known == engine)?;
        Some(Self { engine, behaviour: behaviour.to_owned(), verdict })
    }

    fn is_of(&self, engine: &str, behaviour: &str) -> bool {
        self.engine == engine && self.behaviour == behaviour
    }
}

/// The table: behaviours in the order in which they were first told, and a column for each engine.
/// Empty if no test was of any engine's.
pub(crate) fn table(outcomes: &[Outcome]) -> String {
    let mut behaviours: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !behaviours.contains(&outcome.behaviour.as_str()) {
            behaviours.push(&outcome.behaviour);
        }
    }
    if behaviours.is_empty() {
        return String::new();
    }
    let names = behaviours.iter().copied().chain([HEAD]);
    let width = names.map(|name| name.chars().count()).max().unwrap_or_default();
    let mut text = format!("{HEAD:<width$}");
    // Writing to a String cannot fail.
    for engine in ENGINES {
        let _ = write!(text, "  {engine:<8}");
    }
    for behaviour in behaviours {
        let _ = write!(text, "\n{behaviour:<width$}");
        for engine in ENGINES {
            let _ = write!(text, "  {:<8}", cell(outcomes, engine, behaviour));
        }
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// A test that failed is told twice, and one that ran twice failed if it did once.
fn cell(outcomes: &[Outcome], engine: &str, behaviour: &str) -> &'static str {
    let verdicts: Vec<Verdict> = outcomes
        .iter()
        .filter(|outcome| outcome.is_of(engine, behaviour))
        .map(|outcome| outcome.verdict)
        .collect();
    match verdicts.first() {
        _ if verdicts.contains(&Verdict::Failed) => "failed",
        Some(Verdict::Cannot) => "cannot",
        Some(_) => "ok",
        None => "not run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_passed_and_what_failed() {
        let passed = Outcome::of_line("✔ firefox: wakes (in time) (1.93ms)");
        assert_eq!(passed, Outcome::new("firefox: wakes (in time)", Verdict::Ok));
        let failed = Outcome::of_line("  ✖ webkit: wakes (2ms)");
        assert_eq!(failed, Outcome::new("webkit: wakes", Verdict::Failed));
        for other in ["✔ a name (1ms)", "✔ lynx: wakes (1ms)", "firefox: wakes (1ms)", "✖ failing tests:"]
        {
            assert_eq!(Outcome::of_line(other), None, "{other}");
        }
    }

    #[test]
    fn puts_the_engines_side_by_side() {
        let lines = ["✔ chromium: wakes (1ms)", "✔ chromium: sleeps (1ms)", "✖ webkit: wakes (1ms)"];
        let mut outcomes: Vec<Outcome> = lines.into_iter().filter_map(Outcome::of_line).collect();
        outcomes.extend(Outcome::of_skipped("firefox: sleeps"));
        // Told again at the end.
        outcomes.extend(Outcome::of_line("✖ webkit: wakes (1ms)"));
        let expected = "\
engines  chromium  firefox   webkit
wakes    ok        not run   failed
sleeps   ok        cannot    not run
";
        assert_eq!(table(&outcomes), expected);
    }

    #[test]
    fn there_is_no_table_without_engines() {
        assert_eq!(table(&[]), "");
    }
}
