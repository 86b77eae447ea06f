//! The command line.

use std::path::PathBuf;

use fiftyten_world::sim::{HOUR, Outage, Plan};

use crate::failure::{Failure, Result};
use crate::place;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Print a text.
    Help(&'static str),
    Build {
        /// Build even what is up to date.
        force: bool,
    },
    Size,
    Pack,
    Demo(Demo),
    Test(Test),
    Bench(Bench),
    Sim(Plan),
}

/// Options of `demo`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Demo {
    pub(crate) port: u16,
    pub(crate) data: PathBuf,
    /// Passed on to the server.
    pub(crate) rest: Vec<String>,
}

/// Options of `test`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) long: bool,
    /// Empty: all of them.
    pub(crate) only: Vec<Step>,
    /// Runs only tests whose name contains this.
    pub(crate) filter: Option<String>,
}

/// Options of `bench`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bench {
    /// None: all of them.
    pub(crate) area: Option<Area>,
    pub(crate) quick: bool,
}

/// What there is to measure; each is `tests/browser/NAME.bench.mjs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Idle,
}

impl Area {
    pub(crate) const ALL: [Self; 1] = [Self::Idle];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
        }
    }
}

/// A step of `test`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Fmt,
    Clippy,
    Native,
    Package,
    Recipes,
    Browser,
}

impl Step {
    /// All, in the order in which they run: what fails soonest comes first.
    pub(crate) const ALL: [Self; 6] =
        [Self::Fmt, Self::Clippy, Self::Native, Self::Package, Self::Recipes, Self::Browser];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Fmt => "fmt",
            Self::Clippy => "clippy",
            Self::Native => "native",
            Self::Package => "package",
            Self::Recipes => "recipes",
            Self::Browser => "browser",
        }
    }

    /// Whether it is made of tests that have names to choose by.
    pub(crate) const fn has_tests(self) -> bool {
        matches!(self, Self::Native | Self::Package | Self::Recipes | Self::Browser)
    }
}

/// A parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
}

const DEMO_PORT: u16 = 5010;

const HELP: &str = "\
Tasks of this repository. Each installs what it needs where it can, and says what to install where it can't.

    cargo xtask demo     build everything and start a server with a demo account; Ctrl-C stops it
    cargo xtask test     run every check and test, and count them
    cargo xtask bench    measure what a session costs
    cargo xtask sim      run the session core as a fleet of browsers, hours in seconds
    cargo xtask build    complete the npm package in js/ and print its sizes
    cargo xtask size     print the sizes of the package as it was built last
    cargo xtask pack     build the package and pack it into target/

`cargo xtask TASK --help` has the options.
";

const BUILD_HELP: &str = "\
cargo xtask build [--force]

Compiles the SDK to WebAssembly, makes its glue, optimises it, puts both into js/wasm and prints the sizes.
Fails where the package is over its budget.

    --force    build even where nothing has changed
";

const SIZE_HELP: &str = "\
cargo xtask size

Prints the sizes of the package as it was built last, and what weighs what in its module, by crate and by
function. Fails where it is over its budget.
";

const PACK_HELP: &str = "\
cargo xtask pack

Builds the package and packs it into target/: the tarball that would be published.
";

const DEMO_HELP: &str = "\
cargo xtask demo [--port PORT] [--data FOLDER] [SERVER OPTIONS]

Builds the SDK and the server, starts the server on this machine alone, and prints the URL of the demo page,
an e-mail address and a password to sign in with. Ctrl-C stops it; the next start finds the same data.

    --port PORT      the port to listen on (default: 5010)
    --data FOLDER    where the database and the keys are kept (default: target/demo)

Any other option is passed on to the server, for instance `--token-lifetime 12s --refresh-in 8s`.
";

const TEST_HELP: &str = "\
cargo xtask test [--long] [--only STEP,…] [--filter TEXT]

Runs every step, goes on after one that fails, and ends with a summary. The last line counts all.

    fmt        formatting
    clippy     lints, natively and for WebAssembly; warnings are errors
    native     tests and doc tests of every crate
    package    tests and type tests of the npm package
    recipes    the verifier's recipes for other languages, as they stand in the document
    browser    tests in real browsers, of the packed package against the real server

    --long           the long forms of the tests, too: about half an hour more
    --only STEP,…    only these steps
    --filter TEXT    only tests whose name contains TEXT (of the last four steps)
";

const BENCH_HELP: &str = "\
cargo xtask bench [AREA] [--quick]

Measures, and prints a table. Without an area it measures everything there is.

    idle       what an idle session costs the main thread of a page in ten minutes, in front and hidden

    --quick    for a shorter time, and less exactly
";

const SIM_HELP: &str = "\
cargo xtask sim [--long] [--users N] [--tabs N] [--hours N] [--outage WHEN+LENGTH]… [--seed N]

Runs the real session core as browsers of several tabs in virtual time: requests, hidden and frozen tabs, sleep,
crashes, clocks that are set, lost networks, revocations, changes of account. Prints what must not happen, as counted,
and the load on the server. Fails where a count is not 0. Without options it takes a few seconds.

    --users N               browsers (default: 300; with --long 50000)
    --tabs N                tabs in each, up to 20 (default: 3)
    --hours N               hours of virtual time (default: 4)
    --outage WHEN+LENGTH    nobody is served from then on for so long: `2h+10m`, `90m+30s`; once for each outage,
                            or `none` (default: 2h+10m)
    --seed N                another seed makes other histories (default: 1)
    --long                  ten million refreshes
";

impl Arguments {
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self> {
        let mut words = arguments.into_iter();
        let task = words.next().unwrap_or_default();
        let rest: Vec<String> = words.collect();
        // What follows `--` is the server's.
        let asks_help = rest.iter().take_while(|word| *word != "--").any(|word| is_help(word));
        let task = match task.as_str() {
            "" | "help" | "--help" | "-h" => Task::Help(HELP),
            "build" if asks_help => Task::Help(BUILD_HELP),
            "size" if asks_help => Task::Help(SIZE_HELP),
            "pack" if asks_help => Task::Help(PACK_HELP),
            "demo" if asks_help => Task::Help(DEMO_HELP),
            "test" if asks_help => Task::Help(TEST_HELP),
            "bench" if asks_help => Task::Help(BENCH_HELP),
            "sim" if asks_help => Task::Help(SIM_HELP),
            "build" => build(rest)?,
            "size" => nothing_more("size", rest, Task::Size)?,
            "pack" => nothing_more("pack", rest, Task::Pack)?,
            "demo" => demo(rest)?,
            "test" => test(rest)?,
            "bench" => bench(rest)?,
            "sim" => sim(rest)?,
            other => {
                return Err(Failure::new(format!("there is no task `{other}`: see `cargo xtask help`")));
            }
        };
        Ok(Self { task })
    }
}

fn build(words: Vec<String>) -> Result<Task> {
    let mut force = false;
    for word in words {
        match word.as_str() {
            "--force" => force = true,
            other => return Err(unknown("build", other)),
        }
    }
    Ok(Task::Build { force })
}

fn demo(words: Vec<String>) -> Result<Task> {
    let mut options = Demo { port: DEMO_PORT, data: place::target().join("demo"), rest: Vec::new() };
    let mut words = words.into_iter().flat_map(split);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--port" => options.port = port(&value("--port", words.next())?)?,
            "--data" => options.data = value("--data", words.next())?.into(),
            "--listen" => {
                return Err(Failure::new(
                    "the demo listens on this machine only: choose its port with `--port`",
                ));
            }
            "--" => options.rest.extend(words.by_ref()),
            _ => options.rest.push(word),
        }
    }
    Ok(Task::Demo(options))
}

fn test(words: Vec<String>) -> Result<Task> {
    let mut options = Test::default();
    let mut words = words.into_iter().flat_map(split);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--long" => options.long = true,
            "--only" => options.only.extend(steps(&value("--only", words.next())?)?),
            "--filter" => options.filter = Some(value("--filter", words.next())?),
            other => return Err(unknown("test", other)),
        }
    }
    Ok(Task::Test(options))
}

fn bench(words: Vec<String>) -> Result<Task> {
    let mut options = Bench::default();
    for word in words {
        match Area::ALL.into_iter().find(|area| area.name() == word) {
            Some(area) if options.area.is_none() => options.area = Some(area),
            None if word == "--quick" => options.quick = true,
            _ => return Err(unknown("bench", &word)),
        }
    }
    Ok(Task::Bench(options))
}

/// So many browsers make ten million refreshes in the usual time.
const LONG_USERS: u64 = 50_000;

fn sim(words: Vec<String>) -> Result<Task> {
    let mut plan = Plan::default();
    let mut outages = None;
    if words.iter().any(|word| word == "--long") {
        plan.users = LONG_USERS;
    }
    let mut words = words.into_iter().flat_map(split);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--long" => {}
            "--users" => plan.users = number("--users", words.next(), 1, 100_000_000)?,
            "--tabs" => plan.tabs = number("--tabs", words.next(), 1, 20)? as usize,
            "--hours" => plan.length = number("--hours", words.next(), 1, 8_760)? * HOUR,
            "--seed" => plan.seed = number("--seed", words.next(), 0, u64::MAX)?,
            "--outage" => {
                let word = value("--outage", words.next())?;
                let list = outages.get_or_insert_with(Vec::new);
                if word != "none" {
                    list.push(outage(&word)?);
                }
            }
            other => return Err(unknown("sim", other)),
        }
    }
    if let Some(outages) = outages {
        plan.outages = outages;
    }
    Ok(Task::Sim(plan))
}

fn number(option: &str, word: Option<String>, least: u64, most: u64) -> Result<u64> {
    let word = value(option, word)?;
    word.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| Failure::new(format!("`{option} {word}`: a number from {least} to {most} is wanted")))
}

fn outage(word: &str) -> Result<Outage> {
    word.split_once('+')
        .and_then(|(from, length)| Some(Outage { from: duration(from)?, length: duration(length)? }))
        .ok_or_else(|| Failure::new(format!("`--outage {word}`: say when and for how long, as in `2h+10m`")))
}

/// A duration in ms. A year is the most.
fn duration(word: &str) -> Option<u64> {
    let (digits, unit) = word.split_at_checked(word.len().checked_sub(1)?)?;
    let unit = match unit {
        "h" => HOUR,
        "m" => HOUR / 60,
        "s" => HOUR / 3_600,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|ms| *ms <= 8_760 * HOUR)
}

fn nothing_more(task: &str, rest: Vec<String>, parsed: Task) -> Result<Task> {
    match rest.first() {
        Some(word) => Err(unknown(task, word)),
        None => Ok(parsed),
    }
}

fn is_help(word: &str) -> bool {
    word == "--help" || word == "-h"
}

/// `--name=value` as two words.
fn split(word: String) -> Vec<String> {
    match word.split_once('=') {
        Some((name, value)) if name.starts_with("--") => vec![name.to_owned(), value.to_owned()],
        _ => vec![word],
    }
}

fn value(option: &str, word: Option<String>) -> Result<String> {
    word.filter(|word| !word.is_empty() && !word.starts_with("--"))
        .ok_or_else(|| Failure::new(format!("`{option}` needs a value")))
}

fn port(word: &str) -> Result<u16> {
    word.parse().map_err(|_| Failure::new(format!("`--port {word}`: a port is a number from 0 to 65535")))
}

fn steps(words: &str) -> Result<Vec<Step>> {
    let one = |word: &str| {
        Step::ALL.into_iter().find(|step| step.name() == word).ok_or_else(|| {
            let names = Step::ALL.map(Step::name).join(", ");
            Failure::new(format!("`--only {word}`: the steps are {names}"))
        })
    };
    words.split(',').map(one).collect()
}

fn unknown(task: &str, word: &str) -> Failure {
    Failure::new(format!("`{task}` has no option `{word}`: see `cargo xtask {task} --help`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Task> {
        Arguments::parse(line.split_whitespace().map(str::to_owned)).map(|arguments| arguments.task)
    }

    fn failure(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn nothing_asks_for_help() {
        assert_eq!(parse(""), Ok(Task::Help(HELP)));
        assert_eq!(parse("test --long --help"), Ok(Task::Help(TEST_HELP)));
    }

    #[test]
    fn demo_passes_on_what_it_does_not_know() {
        let demo = Demo {
            port: 81,
            data: "here".into(),
            rest: ["--token-lifetime", "12s"].map(str::to_owned).into(),
        };
        assert_eq!(parse("demo --token-lifetime 12s --port=81 --data here"), Ok(Task::Demo(demo)));

        let Ok(Task::Demo(demo)) = parse("demo -- --port 82 --help") else { panic!("not a demo") };
        assert_eq!(demo.port, DEMO_PORT);
        assert_eq!(demo.rest, ["--port", "82", "--help"]);
    }

    #[test]
    fn test_takes_steps_and_a_filter() {
        let test =
            Test { long: true, only: vec![Step::Native, Step::Browser], filter: Some("sleep".to_owned()) };
        assert_eq!(parse("test --only native,browser --long --filter sleep"), Ok(Task::Test(test)));
        let test = Test { only: vec![Step::Fmt, Step::Native, Step::Browser], ..Test::default() };
        assert_eq!(parse("test --only fmt --only native,browser"), Ok(Task::Test(test)));
    }

    #[test]
    fn bench_takes_an_area() {
        assert_eq!(parse("bench"), Ok(Task::Bench(Bench::default())));
        assert_eq!(
            parse("bench --quick idle"),
            Ok(Task::Bench(Bench { area: Some(Area::Idle), quick: true }))
        );
        assert_eq!(failure("bench idel"), "`bench` has no option `idel`: see `cargo xtask bench --help`");
    }

    #[test]
    fn sim_takes_a_plan() {
        let plan = Plan {
            users: 7,
            tabs: 2,
            length: 24 * HOUR,
            outages: vec![
                Outage { from: 2 * HOUR, length: 600_000 },
                Outage { from: 5_400_000, length: 30_000 },
            ],
            seed: 9,
        };
        let line = "sim --users 7 --tabs=2 --hours 24 --outage 2h+10m --outage 90m+30s --seed 9";
        assert_eq!(parse(line), Ok(Task::Sim(plan)));
        assert_eq!(parse("sim"), Ok(Task::Sim(Plan::default())));
        let Ok(Task::Sim(long)) = parse("sim --long --outage none") else { panic!("not a plan") };
        assert_eq!((long.users, long.outages), (LONG_USERS, vec![]));
    }

    #[test]
    fn errors_say_what_would_be_right() {
        assert_eq!(failure("sim --tabs 0"), "`--tabs 0`: a number from 1 to 20 is wanted");
        assert_eq!(failure("sim --hours x"), "`--hours x`: a number from 1 to 8760 is wanted");
        for plan in ["2h", "2h+", "+10m", "2h+10", "2d+1h", "2h+10é", "99999999999999999999h+1s"] {
            let expected = format!("`--outage {plan}`: say when and for how long, as in `2h+10m`");
            assert_eq!(failure(&format!("sim --outage {plan}")), expected);
        }
        assert_eq!(failure("bild"), "there is no task `bild`: see `cargo xtask help`");
        assert_eq!(
            failure("build --release"),
            "`build` has no option `--release`: see `cargo xtask build --help`"
        );
        assert_eq!(failure("demo --port"), "`--port` needs a value");
        let listen = failure("demo --listen 0.0.0.0:80");
        assert_eq!(listen, "the demo listens on this machine only: choose its port with `--port`");
        assert_eq!(failure("demo --port 99999"), "`--port 99999`: a port is a number from 0 to 65535");
        assert_eq!(
            failure("test --only natve"),
            "`--only natve`: the steps are fmt, clippy, native, package, recipes, browser"
        );
    }
}
