//! `Cargo.lock`, as far as it concerns wasm-bindgen.
//!
//! The module that the compiler emits is read by a library that understands exactly one version of
//! wasm-bindgen: both must be the same.

use std::fs;

use crate::failure::{Failure, Result};
use crate::place;

const CRATE: &str = "wasm-bindgen";
const LIBRARY: &str = "wasm-bindgen-cli-support";

/// Refuses to go on where the two versions differ.
pub(crate) fn check() -> Result {
    let path = place::root().join("Cargo.lock");
    let text = fs::read_to_string(&path).map_err(|cause| Failure::file("read", &path, &cause))?;
    compare(&text)
}

fn compare(lock: &str) -> Result {
    match (versions(lock, CRATE).as_slice(), versions(lock, LIBRARY).as_slice()) {
        ([one], [other]) if one == other => Ok(()),
        ([one], [other]) => Err(Failure::new(format!(
            "Cargo.lock has {CRATE} {one} but {LIBRARY} {other}: \
             set the same version in Cargo.toml and in xtask/Cargo.toml"
        ))),
        ([], _) => Err(Failure::new(format!("Cargo.lock has no {CRATE}: run `cargo fetch`"))),
        (_, []) => Err(Failure::new(format!("Cargo.lock has no {LIBRARY}: run `cargo fetch`"))),
        (ones, others) => Err(Failure::new(format!(
            "Cargo.lock must have one {CRATE} and one {LIBRARY}, and has {} and {}",
            ones.join(", "),
            others.join(", ")
        ))),
    }
}

/// Every version of a package that the lock holds.
fn versions<'a>(lock: &'a str, package: &str) -> Vec<&'a str> {
    let value = |line: &'a str, key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
    lock.split("[[package]]")
        .filter(|entry| entry.lines().any(|line| value(line, "name") == Some(package)))
        .filter_map(|entry| entry.lines().find_map(|line| value(line, "version")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &[(&str, &str)]) -> String {
        let entry = |(name, version): &(&str, &str)| {
            format!(
                "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\ndependencies = [\n \"{CRATE}\",\n]\n\n"
            )
        };
        format!("version = 4\n\n{}", packages.iter().map(entry).collect::<String>())
    }

    #[test]
    fn equal_versions_pass() {
        let lock = lock(&[("wasm-bindgen-shared", "0.2.9"), (CRATE, "0.2.130"), (LIBRARY, "0.2.130")]);
        assert_eq!(compare(&lock), Ok(()));
    }

    #[test]
    fn different_versions_are_both_named() {
        let failure = compare(&lock(&[(CRATE, "0.2.131"), (LIBRARY, "0.2.130")])).unwrap_err().to_string();
        assert!(failure.contains("wasm-bindgen 0.2.131"), "{failure}");
        assert!(failure.contains("wasm-bindgen-cli-support 0.2.130"), "{failure}");
    }

    #[test]
    fn two_versions_of_one_crate_are_refused() {
        let failure = compare(&lock(&[(CRATE, "0.2.1"), (CRATE, "0.2.2"), (LIBRARY, "0.2.2")])).unwrap_err();
        assert!(failure.to_string().contains("0.2.1, 0.2.2"), "{failure}");
    }

    #[test]
    fn a_missing_package_is_named() {
        let failure = compare(&lock(&[(CRATE, "0.2.1")])).unwrap_err().to_string();
        assert_eq!(failure, "Cargo.lock has no wasm-bindgen-cli-support: run `cargo fetch`");
    }

    #[test]
    fn the_repository_s_own_lock_passes() {
        assert_eq!(check(), Ok(()));
    }
}
