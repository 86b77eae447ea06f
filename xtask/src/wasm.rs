//! `build`: completes the npm package in `js/` with the WebAssembly module and its glue.
//!
//! The glue is the one that wasm-bindgen makes for bundlers. Its entry point, which imports the
//! module as if it were JavaScript, is left out: the package instantiates the module itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

use crate::failure::{Failure, Result};
use crate::stamp::{self, Fingerprint};
use crate::{lock, need, place, process, size, snip};

const TARGET: &str = "wasm32-unknown-unknown";
const STAMP: &str = "wasm";

/// What the module may use: what every browser of the last years has. Naming them all at once
/// (`--all-features`) makes encodings that browsers refuse.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-multivalue",
    "--enable-reference-types",
];

const OPTIMISE: [&str; 4] = ["-Oz", "--strip-producers", "--strip-target-features", "--converge"];

const SHIPPED: [&str; 2] = ["fiftyten_bg.js", "fiftyten_bg.wasm"];

/// Builds what is out of date and prints the sizes; fails over the budget.
pub(crate) fn build(force: bool) -> Result {
    complete(force)?;
    size::report()
}

/// The same for a task that needs the package, without the sizes.
pub(crate) fn ensure() -> Result {
    complete(false)?;
    size::enforce()
}

fn complete(force: bool) -> Result {
    lock::check()?;
    need::node()?;
    need::npm_packages(&place::js())?;
    copy_licences()?;
    let inputs = inputs()?;
    let current = outputs(&inputs);
    if !force && stamp::recall(STAMP, &current).is_some() {
        println!("js/wasm is up to date");
    } else {
        compile_and_shrink()?;
        stamp::keep(STAMP, &outputs(&inputs), "")?;
    }
    Ok(())
}

/// The package carries its own copies.
fn copy_licences() -> Result {
    for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
        let to = place::js().join(name);
        fs::copy(place::root().join(name), &to).map_err(|cause| Failure::file("write", &to, &cause))?;
    }
    Ok(())
}

fn compile_and_shrink() -> Result {
    let start = Instant::now();
    need::wasm_target(TARGET)?;
    compile()?;
    let scratch = place::target().join("xtask");
    fs::create_dir_all(&scratch).map_err(|cause| Failure::file("create", &scratch, &cause))?;
    let folder = scratch.join("bindgen");
    let compiled = place::target().join(TARGET).join("wasm").join("fiftyten.wasm");
    let snipped = scratch.join("fiftyten.wasm");
    snip::snip(&compiled, &snipped)?;
    bind(&snipped, &folder, Names::Removed)?;
    shrink(&folder, Names::Removed)?;
    publish(&folder)?;
    println!("built js/wasm in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// The module of the last build made once more, with the names of its functions: where it is.
pub(crate) fn with_names() -> Result<PathBuf> {
    let scratch = place::target().join("xtask");
    let folder = scratch.join("named");
    bind(&scratch.join("fiftyten.wasm"), &folder, Names::Kept)?;
    shrink(&folder, Names::Kept)?;
    Ok(folder.join(SHIPPED[1]))
}

/// Whether the module's functions keep their names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Removed,
    Kept,
}

fn compile() -> Result {
    println!("compiling the SDK to WebAssembly");
    let mut cargo = need::cargo();
    cargo.args(["build", "--package", "fiftyten", "--lib", "--profile", "wasm", "--target", TARGET]);
    cargo.arg("--config").arg(format!("target.{TARGET}.rustflags={:?}", remapped_paths()));
    process::must(&mut cargo, "compiling the SDK", Duration::from_secs(900))
}

/// Panics name the file they happened in: not by its place on this machine, which is nobody's
/// business, makes builds differ and costs bytes.
fn remapped_paths() -> Vec<String> {
    let registry = place::cargo_home().join("registry").join("src");
    let registries = fs::read_dir(registry).into_iter().flatten().flatten().map(|entry| entry.path());
    registries
        .chain([place::root()])
        .map(|folder| format!("--remap-path-prefix={}=", folder.display()))
        .collect()
}

/// Makes the glue, in this process: the library's version is the lock's.
fn bind(module: &Path, folder: &Path, names: Names) -> Result {
    println!("making the glue");
    // What an earlier version left must not be mistaken for this one's.
    let _ = fs::remove_dir_all(folder);
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(module)
        .out_name("fiftyten")
        .typescript(false)
        .encode_into(EncodeInto::Always)
        .remove_name_section(names == Names::Removed)
        .remove_producers_section(true);
    bindgen
        .bundler(true)
        .and_then(|bindgen| bindgen.generate(folder))
        .map_err(|cause| Failure::new(format!("wasm-bindgen failed: {cause:#}")))?;
    if folder.join("snippets").exists() {
        return Err(Failure::new(
            "the module brings JavaScript snippets of its own, which js/wasm does not ship: \
             import them from js/ instead",
        ));
    }
    Ok(())
}

fn shrink(folder: &Path, names: Names) -> Result {
    println!("optimising the module");
    let module = folder.join(SHIPPED[1]);
    let tool = place::js().join("node_modules").join("binaryen").join("bin").join("wasm-opt");
    let mut wasm_opt = need::script(&tool)?;
    let strip = if names == Names::Removed { "--strip-debug" } else { "--debuginfo" };
    wasm_opt.args(OPTIMISE).arg(strip).args(FEATURES).arg(&module).arg("-o").arg(&module);
    process::must(&mut wasm_opt, "wasm-opt", Duration::from_secs(600))
}

fn publish(folder: &Path) -> Result {
    let wasm = place::wasm();
    // The folder holds nothing but what is shipped.
    let _ = fs::remove_dir_all(&wasm);
    fs::create_dir_all(&wasm).map_err(|cause| Failure::file("create", &wasm, &cause))?;
    for name in SHIPPED {
        let to = wasm.join(name);
        fs::copy(folder.join(name), &to).map_err(|cause| Failure::file("write", &to, &cause))?;
    }
    Ok(())
}

/// Everything that the module depends on.
fn inputs() -> Result<String> {
    let compiler = process::answer(Command::new(need::rustc()).arg("--version"))
        .ok_or_else(|| Failure::new("`rustc` is missing: install Rust with rustup"))?;
    let root = place::root();
    let files: [PathBuf; 5] = [
        root.join("Cargo.toml"),
        root.join("Cargo.lock"),
        root.join(".cargo"),
        root.join("src"),
        root.join("js").join("package-lock.json"),
    ];
    let print = Fingerprint::new()
        .text(&compiler)
        .text(&std::env::var("RUSTFLAGS").unwrap_or_default())
        .text(include_str!("wasm.rs"))
        .text(include_str!("snip.rs"));
    Ok(files.iter().fold(print, |print, file| print.path(file)).finish())
}

/// The inputs together with what was made of them: a file that was touched or lost is made again.
fn outputs(inputs: &str) -> String {
    Fingerprint::new().text(inputs).path(&place::wasm()).finish()
}
