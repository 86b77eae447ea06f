//! `size`: what the package costs to download, and the budget it is held to.
//!
//! The JavaScript is counted twice: as it is published, and as an application's bundler ships it
//! (bundled and minified). The budget holds for the module together with the latter.

use std::fmt::Write;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::process::{self, Stdout};
use crate::stamp::{self, Fingerprint};
use crate::{need, place};

/// The budget in bytes, with brotli (quality 11): the module and the bundled JavaScript.
const BUDGET: u64 = 40_000;

const STAMP: &str = "size";

/// Bytes as they are, with gzip (9) and with brotli (11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Size {
    raw: u64,
    gzip: u64,
    brotli: u64,
}

#[derive(Debug, PartialEq, Eq)]
struct Sizes {
    wasm: Size,
    published: Size,
    bundled: Size,
}

/// Fails where the budget is exceeded, and otherwise says nothing.
pub(crate) fn enforce() -> Result {
    check(&current()?)
}

/// Prints the table; fails where the budget is exceeded.
pub(crate) fn report() -> Result {
    let sizes = current()?;
    print!("{}", table(&sizes));
    check(&sizes)
}

fn current() -> Result<Sizes> {
    if !place::wasm().join("fiftyten_bg.wasm").exists() {
        return Err(Failure::new("js/wasm is not built yet: run `cargo xtask build`"));
    }
    parse(&measure()?)
}

/// Asks esbuild and zlib, unless nothing has changed.
fn measure() -> Result<String> {
    let js = place::js();
    let fingerprint = fingerprint()?;
    if let Some(text) = stamp::recall(STAMP, &fingerprint) {
        return Ok(text);
    }
    need::node()?;
    need::npm_packages(&js)?;
    let mut node = need::script(&place::root().join("xtask").join("measure.mjs"))?;
    node.current_dir(&js);
    let ended = process::run(&mut node, Stdout::Kept, Duration::from_secs(120))?;
    if !ended.success {
        return Err(Failure::new("measuring the package failed: js/index.js does not bundle"));
    }
    stamp::keep(STAMP, &fingerprint, &ended.stdout)?;
    Ok(ended.stdout)
}

/// The package's own JavaScript (not its tests or tools), the module, and the measuring itself.
fn fingerprint() -> Result<String> {
    let js = place::js();
    let mut scripts: Vec<_> = std::fs::read_dir(&js)
        .map_err(|cause| Failure::file("read", &js, &cause))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    scripts.sort();
    let print = Fingerprint::new().text(include_str!("../measure.mjs")).path(&place::wasm());
    Ok(scripts.iter().fold(print, |print, path| print.path(path)).finish())
}

/// Lines of `name raw gzip brotli`.
fn parse(text: &str) -> Result<Sizes> {
    let find = |name: &str| -> Option<Size> {
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        let numbers: Vec<u64> = line.split_whitespace().skip(1).map_while(|word| word.parse().ok()).collect();
        let [raw, gzip, brotli] = numbers.try_into().ok()?;
        Some(Size { raw, gzip, brotli })
    };
    let size = |name| {
        find(name)
            .ok_or_else(|| Failure::new(format!("xtask/measure.mjs did not print the size of `{name}`")))
    };
    Ok(Sizes { wasm: size("wasm")?, published: size("published")?, bundled: size("bundled")? })
}

fn add(one: Size, other: Size) -> Size {
    Size { raw: one.raw + other.raw, gzip: one.gzip + other.gzip, brotli: one.brotli + other.brotli }
}

fn total(sizes: &Sizes) -> u64 {
    sizes.wasm.brotli + sizes.bundled.brotli
}

fn table(sizes: &Sizes) -> String {
    let rows = [
        ("WebAssembly", sizes.wasm),
        ("JavaScript, as published", sizes.published),
        ("JavaScript, as bundled", sizes.bundled),
        ("all, as published", add(sizes.wasm, sizes.published)),
        ("all, as bundled", add(sizes.wasm, sizes.bundled)),
    ];
    let mut text = format!("{:<26}{:>10}{:>10}{:>10}\n", "bytes", "raw", "gzip", "brotli");
    for (name, size) in rows {
        let [raw, gzip, brotli] = [size.raw, size.gzip, size.brotli].map(grouped);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:<26}{raw:>10}{gzip:>10}{brotli:>10}");
    }
    let share = total(sizes) * 100 / BUDGET;
    let _ = writeln!(text, "{:<26}{:>30}  ({share} % used)", "budget", grouped(BUDGET));
    text
}

fn check(sizes: &Sizes) -> Result {
    match total(sizes).checked_sub(BUDGET) {
        None | Some(0) => Ok(()),
        Some(over) => Err(Failure::new(format!(
            "the package is {} bytes over its budget of {} with brotli",
            grouped(over),
            grouped(BUDGET)
        ))),
    }
}

/// `12345` as `12,345`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(wasm: u64, bundled: u64) -> Sizes {
        let size = |brotli| Size { raw: brotli * 3, gzip: brotli + 100, brotli };
        Sizes { wasm: size(wasm), published: size(bundled * 2), bundled: size(bundled) }
    }

    #[test]
    fn reads_what_was_measured() {
        let text = "wasm\t3 2 1\nsomething else\npublished 30 20 10\nbundled 12 11 10\n";
        let expected = Sizes {
            wasm: Size { raw: 3, gzip: 2, brotli: 1 },
            published: Size { raw: 30, gzip: 20, brotli: 10 },
            bundled: Size { raw: 12, gzip: 11, brotli: 10 },
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn names_what_was_not_measured() {
        let failure = parse("wasm 3 2 1\npublished 1 2\n").unwrap_err().to_string();
        assert_eq!(failure, "xtask/measure.mjs did not print the size of `published`");
    }

    #[test]
    fn the_table_has_both_totals_and_the_budget() {
        let table = table(&sizes(15_000, 5_000));
        let row = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(row("all, as published").ends_with("25,000"), "{table}");
        assert!(row("all, as bundled").ends_with("20,000"), "{table}");
        assert!(row("budget").ends_with("40,000  (50 % used)"), "{table}");
        let edge = |line: &str| line.find("  (").unwrap_or(line.len());
        assert!(table.lines().all(|line| edge(line) == 56), "columns do not line up:\n{table}");
    }

    #[test]
    fn the_budget_is_inclusive() {
        assert_eq!(check(&sizes(35_000, 5_000)), Ok(()));
        let failure = check(&sizes(35_000, 6_234)).unwrap_err().to_string();
        assert_eq!(failure, "the package is 1,234 bytes over its budget of 40,000 with brotli");
    }

    #[test]
    fn groups_digits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
