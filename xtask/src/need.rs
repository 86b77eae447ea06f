//! What the tasks need of the machine: looked for, installed where the ordinary client can do it, and
//! otherwise named in one line.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::failure::{Failure, Result};
use crate::{place, process};

const DOWNLOAD: Duration = Duration::from_secs(900);

/// The oldest Node.js that the tooling is known to work with.
const NODE_MAJOR: u32 = 20;

/// A program from the system's package manager.
pub(crate) struct Program {
    /// Any of these will do: names on the PATH or among PostgreSQL's programs, or whole paths of files.
    pub(crate) names: &'static [&'static str],
    /// Debian's package.
    pub(crate) package: &'static str,
}

/// What the browser tests drive.
pub(crate) const BROWSERS: &[Program] = &[
    Program { names: &["chromium", "chromium-browser"], package: "chromium" },
    Program { names: &["firefox-esr", "firefox"], package: "firefox-esr" },
    // It brings the browser along, which is not on the PATH.
    Program { names: &["WebKitWebDriver"], package: "webkit2gtk-driver" },
    Program { names: &["Xvfb"], package: "xvfb" },
    Program { names: &["nginx"], package: "nginx" },
    Program { names: &["openssl"], package: "openssl" },
];

/// What the PostgreSQL store is tested on, and the servers that share it: the tests start them themselves.
pub(crate) const DATABASE: &[Program] = &[
    Program { names: &["initdb"], package: "postgresql" },
    Program { names: &["nginx", "/usr/sbin/nginx"], package: "nginx" },
    Program { names: &["openssl"], package: "openssl" },
];

/// Where Debian keeps the programs of each version of PostgreSQL's server, off the PATH.
const POSTGRES: &str = "/usr/lib/postgresql";

/// What the verifier's recipes are run with, besides Node.js.
pub(crate) const RECIPES: &[Program] = &[
    Program { names: &["nginx", "/usr/sbin/nginx"], package: "nginx" },
    Program { names: &["python3"], package: "python3-venv" },
    Program { names: &["javac"], package: "default-jdk-headless" },
    Program { names: &["/usr/share/java/jackson-databind.jar"], package: "libjackson2-databind-java" },
];

/// The Cargo that started this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(place::root());
    command
}

/// The compiler that Cargo uses.
pub(crate) fn rustc() -> OsString {
    env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// A tool that is a Node script.
pub(crate) fn script(path: &Path) -> Result<Command> {
    if !path.exists() {
        return Err(Failure::new(format!("{} is missing: run `npm ci` there", path.display())));
    }
    let mut command = Command::new("node");
    command.arg(path);
    Ok(command)
}

/// npm, in a folder that has a `package.json`.
pub(crate) fn npm(folder: &Path) -> Command {
    let mut command = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" });
    command.current_dir(folder);
    command
}

/// Node.js and npm, which can't be installed from here.
pub(crate) fn node() -> Result {
    let missing =
        |what| Failure::new(format!("{what} is missing: install Node.js {NODE_MAJOR} or newer, with npm"));
    let version = process::answer(Command::new("node").arg("--version")).ok_or_else(|| missing("`node`"))?;
    if major(&version).is_none_or(|major| major < NODE_MAJOR) {
        let version = version.trim();
        return Err(Failure::new(format!("Node.js is {version}: install version {NODE_MAJOR} or newer")));
    }
    process::answer(npm(&place::root()).arg("--version")).map(drop).ok_or_else(|| missing("`npm`"))
}

/// The packages of a folder, as its lock file has them.
pub(crate) fn npm_packages(folder: &Path) -> Result {
    let lock = folder.join("package-lock.json");
    let installed = modified(&folder.join("node_modules").join(".package-lock.json"));
    if installed.is_some() && installed >= modified(&lock) {
        return Ok(());
    }
    let shown = folder.strip_prefix(place::root()).unwrap_or(folder).display().to_string();
    println!("installing the npm packages of {shown}");
    let action = if lock.exists() { "ci" } else { "install" };
    let mut npm = npm(folder);
    // No package here needs to run a script of its own to work.
    npm.args([action, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    process::must(&mut npm, &format!("`npm {action}` in {shown}"), DOWNLOAD)
}

/// The packages of a folder's `requirements.txt`, in an environment under target/; returns its Python.
pub(crate) fn python_packages(folder: &Path) -> Result<PathBuf> {
    let requirements = folder.join("requirements.txt");
    let environment = place::target().join("python");
    let python = environment.join("bin").join("python");
    let stamp = environment.join("installed");
    let installed = modified(&stamp);
    if installed.is_some() && installed >= modified(&requirements) {
        return Ok(python);
    }
    let shown = requirements.strip_prefix(place::root()).unwrap_or(&requirements).display().to_string();
    println!("installing the Python packages of {shown}");
    let make = || {
        let mut venv = Command::new("python3");
        venv.args(["-m", "venv", "--clear"]).arg(&environment);
        process::must(&mut venv, "`python3 -m venv`", DOWNLOAD)
    };
    // Debian's Python has no `venv` that works without this package.
    make().or_else(|_| install(&["python3-venv"]).and_then(|()| make()))?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]);
    process::must(pip.arg("-r").arg(&requirements), &format!("`pip install -r {shown}`"), DOWNLOAD)?;
    fs::write(&stamp, "").map_err(|cause| Failure::file("write", &stamp, &cause))?;
    Ok(python)
}

/// The standard library for a target.
pub(crate) fn wasm_target(target: &str) -> Result {
    if has_standard_library(target) {
        return Ok(());
    }
    println!("adding the {target} target");
    rustup(&["target", "add", target], &format!("the {target} target of this Rust toolchain"))
}

/// A component of the toolchain: `rustfmt` or `clippy`.
pub(crate) fn component(name: &str, subcommand: &str) -> Result {
    if process::answer(cargo().args([subcommand, "--version"])).is_some() {
        return Ok(());
    }
    println!("adding {name}");
    rustup(&["component", "add", name], &format!("{name} for this Rust toolchain"))
}

/// Programs from the system's packages: installed on Debian as root.
pub(crate) fn programs(programs: &[Program]) -> Result {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|program| {
            !program.names.iter().any(|name| on_path(name).or_else(|| of_postgres(name)).is_some())
        })
        .map(|program| program.package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

/// Installs the system's packages, on Debian as root.
fn install(packages: &[&str]) -> Result {
    if on_path("apt-get").is_none() || !is_root() {
        let packages = packages.join(" ");
        return Err(Failure::new(format!("missing: apt-get install {packages} (or the like)")));
    }
    println!("installing {}", packages.join(", "));
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y"]).args(arguments);
        process::must(&mut command, &format!("`apt-get {}`", arguments.join(" ")), DOWNLOAD)
    };
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends"], packages].concat())
}

fn rustup(arguments: &[&str], what: &str) -> Result {
    if on_path("rustup").is_none() {
        return Err(Failure::new(format!("`rustup` is missing: install it, or {what}")));
    }
    let mut rustup = Command::new("rustup");
    rustup.args(arguments);
    process::must(&mut rustup, &format!("`rustup {}`", arguments.join(" ")), DOWNLOAD)
}

fn has_standard_library(target: &str) -> bool {
    process::answer(Command::new(rustc()).args(["--print", "target-libdir", "--target", target]))
        .is_some_and(|folder| fs::read_dir(folder.trim()).is_ok_and(|mut entries| entries.next().is_some()))
}

fn on_path(name: &str) -> Option<PathBuf> {
    let file = place::executable(name);
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(&file)).find(|path| path.is_file())
}

fn of_postgres(name: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(POSTGRES).ok()?.flatten();
    versions.map(|version| version.path().join("bin").join(name)).find(|path| path.is_file())
}

fn is_root() -> bool {
    process::answer(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|data| data.modified()).ok()
}

/// The major version in `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version_of_node() {
        assert_eq!(major("v20.20.2\n"), Some(20));
        assert_eq!(major("v8.0.0"), Some(8));
        assert_eq!(major("20"), None);
        assert_eq!(major(""), None);
    }
}
