//! Takes the making of messages out of the module: a third of it, for texts that nobody sees.
//!
//! A panic in WebAssembly ends as a trap and its message is shown nowhere: there is no standard
//! error stream. So the functions in which every panic ends are replaced by the trap itself. It is
//! what `-Zbuild-std-features=panic_immediate_abort` does at the source, which needs a nightly
//! compiler.
//!
//! Whatever else is formatted are the errors of serde, which the SDK drops unread: an answer that
//! can't be read is unreadable, whatever the reason. So formatting is replaced by doing nothing,
//! successfully. The SDK itself formats nothing; a test below holds it to that.

use std::path::Path;

use walrus::{FunctionBuilder, FunctionId, FunctionKind, Module, ValType};

use crate::failure::{Failure, Result};

/// Functions that never return and only report, by the path they have in the standard library.
const ENDS: [&str; 12] = [
    "core::panicking::",
    "std::panicking::",
    "core::option::unwrap_failed",
    "core::option::expect_failed",
    "core::result::unwrap_failed",
    "core::str::slice_error_fail",
    "core::slice::index::slice_index_fail",
    "core::cell::panic_already_",
    "alloc::raw_vec::handle_error",
    "alloc::raw_vec::capacity_overflow",
    "alloc::alloc::handle_alloc_error",
    "std::alloc::",
];

/// Implementations of the formatting traits, wherever they are.
const FORMATS: [&str; 4] = [
    " as core::fmt::Display>::fmt",
    " as core::fmt::Debug>::fmt",
    " as core::fmt::LowerHex>::fmt",
    " as core::fmt::LowerExp>::fmt",
];

/// What they are made of.
const FORMAT: [&str; 2] = ["core::fmt::", "<core::fmt::Formatter"];

/// What a function is replaced by.
#[derive(Clone, Copy)]
enum Instead {
    Trap,
    /// Zero: of a `fmt::Result`, success.
    Zero,
}

/// Reads the module at `input`, with its names, and writes the snipped one to `output`. Returns how
/// many functions were replaced.
pub(crate) fn snip(input: &Path, output: &Path) -> Result<usize> {
    let explain = |what: &str, cause: &dyn std::fmt::Display| {
        Failure::new(format!("{what} {} failed: {cause:#}", input.display()))
    };
    let mut module = Module::from_file(input).map_err(|cause| explain("reading", &cause))?;
    let snips: Vec<(FunctionId, Instead)> =
        module.funcs.iter_local().filter_map(|(id, _)| Some((id, instead(&module, id)?))).collect();
    for &(id, instead) in &snips {
        let kind = replacement(&mut module, id, instead);
        module.funcs.get_mut(id).kind = kind;
    }
    module.emit_wasm_file(output).map_err(|cause| explain("snipping", &cause))?;
    Ok(snips.len())
}

fn instead(module: &Module, id: FunctionId) -> Option<Instead> {
    let function = module.funcs.get(id);
    let name = format!("{:#}", rustc_demangle::demangle(function.name.as_ref()?));
    // Symbols carry the hash of their crate: core[c5930c85a12de822]::fmt.
    let name = without_hashes(&name);
    if ENDS.iter().any(|end| name.starts_with(end)) {
        return Some(Instead::Trap);
    }
    let formats =
        FORMATS.iter().any(|end| name.contains(end)) || FORMAT.iter().any(|start| name.starts_with(start));
    let tells_success = module.types.get(function.ty()).results() == [ValType::I32];
    (formats && tells_success).then_some(Instead::Zero)
}

pub(crate) fn without_hashes(name: &str) -> String {
    let mut depth = 0;
    let keep = |&letter: &char| {
        match letter {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    name.chars().filter(keep).collect()
}

/// A function of the same type that does nothing.
fn replacement(module: &mut Module, id: FunctionId, instead: Instead) -> FunctionKind {
    let ty = module.types.get(module.funcs.get(id).ty());
    let (params, results) = (ty.params().to_vec(), ty.results().to_vec());
    let args = params.iter().map(|&param| module.locals.add(param)).collect();
    let mut builder = FunctionBuilder::new(&mut module.types, &params, &results);
    match instead {
        Instead::Trap => builder.func_body().unreachable(),
        Instead::Zero => builder.func_body().i32_const(0),
    };
    FunctionKind::Local(builder.local_func(args))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use crate::place;

    fn sources(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
    }

    /// What would silently come out empty in the module.
    #[test]
    fn the_sdk_formats_nothing() {
        let files = sources(&place::root().join("src"));
        assert!(files.len() > 20, "these are the sources");
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap_or_default();
            let code = shipped.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in code {
                let formats = ["format!", "write!(", "writeln!(", ".to_string()", "println!"];
                assert!(!formats.iter().any(|word| line.contains(word)), "{}: {line}", file.display());
            }
        }
    }
}
