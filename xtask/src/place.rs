//! Where things are in the repository.

use std::env;
use std::path::PathBuf;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    // Cargo sets it when it runs this program; the compiled-in value would be wrong after a move.
    let manifest = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let xtask = PathBuf::from(manifest);
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

/// Cargo's target folder: everything that can be made again.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The npm package.
pub(crate) fn js() -> PathBuf {
    root().join("js")
}

/// The browser tests.
pub(crate) fn browser_tests() -> PathBuf {
    root().join("tests").join("browser")
}

/// The tests of the verifier's recipes.
pub(crate) fn recipes() -> PathBuf {
    root().join("www").join("verify").join("recipes")
}

/// The folder of the npm package that the build fills.
pub(crate) fn wasm() -> PathBuf {
    js().join("wasm")
}

/// The name of an executable that Cargo builds.
pub(crate) fn executable(name: &str) -> String {
    format!("{name}{}", env::consts::EXE_SUFFIX)
}

/// Where Cargo keeps the sources of dependencies.
pub(crate) fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cargo"))
}
