//! `size`: what weighs what in the module, by crate and by function.
//!
//! The shipped module has no names. So the same module is made once more with them, by the same steps, and
//! measured: before compression, which nothing can be divided by.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use wasmparser::{Name, NameSectionReader, Parser, Payload};

use crate::failure::{Failure, Result};
use crate::{snip, wasm};

/// How many functions are listed.
const HEAVIEST: usize = 30;

/// A function's name, and how many bytes its code has.
type Weight = (String, u64);

/// Prints both tables.
pub(crate) fn report() -> Result {
    let module = wasm::with_names()?;
    let bytes = fs::read(&module).map_err(|cause| Failure::file("read", &module, &cause))?;
    let (functions, data) = weigh(&bytes, &module)?;
    print!("{}", tables(&functions, data));
    Ok(())
}

/// Its functions, and how many bytes of data it has.
fn weigh(bytes: &[u8], module: &Path) -> Result<(Vec<Weight>, u64)> {
    let explain = |cause: wasmparser::BinaryReaderError| {
        Failure::new(format!("reading {} failed: {cause}", module.display()))
    };
    let (mut imports, mut data) = (0, 0);
    let mut bodies = Vec::new();
    let mut names = BTreeMap::new();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(explain)? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    imports += u32::from(matches!(import.map_err(explain)?.ty, wasmparser::TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => bodies.push(body.range().len() as u64),
            Payload::DataSection(section) => data = section.range().len() as u64,
            Payload::CustomSection(section) if section.name() == "name" => {
                let reader = wasmparser::BinaryReader::new(section.data(), section.data_offset());
                for part in NameSectionReader::new(reader) {
                    let Name::Function(map) = part.map_err(explain)? else { continue };
                    for name in map {
                        let name = name.map_err(explain)?;
                        let path = format!("{:#}", rustc_demangle::demangle(name.name));
                        names.insert(name.index, readable(&path));
                    }
                }
            }
            _ => {}
        }
    }
    let name = |place: usize| {
        let index = imports + place as u32;
        names.remove(&index).unwrap_or_else(|| format!("function {index}"))
    };
    let weights = (0..bodies.len()).map(name).zip(bodies.iter().copied()).collect();
    Ok((weights, data))
}

/// Without the hashes that tell crates and instances of a generic function apart.
fn readable(path: &str) -> String {
    let path = snip::without_hashes(path);
    match path.rsplit_once("::h") {
        Some((path, hash)) if hash.len() == 16 && hash.chars().all(|digit| digit.is_ascii_hexdigit()) => {
            path.to_owned()
        }
        _ => path,
    }
}

/// The crate that a function is of, by the first path in its name: that of a generic function is the
/// crate which wrote it, not the one that uses it.
fn crate_of(name: &str) -> &str {
    let is_in_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    let path = name.split("::").next().unwrap_or(name);
    let word = path.rsplit(|letter: char| !is_in_name(letter)).find(|word| !word.is_empty());
    match word {
        Some(word) if name.contains("::") => word,
        _ => "exports and glue",
    }
}

fn tables(functions: &[Weight], data: u64) -> String {
    let mut crates: BTreeMap<&str, u64> = BTreeMap::from([("data", data)]);
    for (name, bytes) in functions {
        *crates.entry(crate_of(name)).or_default() += bytes;
    }
    let mut crates: Vec<_> = crates.into_iter().collect();
    crates.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let mut functions: Vec<_> = functions.iter().collect();
    functions.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));

    let mut text = String::from("\nof the module, bytes before compression\n");
    // Writing to a String cannot fail.
    for (name, bytes) in crates {
        let _ = writeln!(text, "{bytes:>8}  {name}");
    }
    let _ = writeln!(text, "\nthe heaviest of its {} functions", functions.len());
    for (name, bytes) in functions.iter().take(HEAVIEST) {
        let _ = writeln!(text, "{bytes:>8}  {name}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_of_the_crate_that_wrote_it() {
        for (name, of) in [
            ("fiftyten::session::Session::pump", "fiftyten"),
            ("<fiftyten::web::record::Value as serde_core::ser::Serialize>::serialize", "fiftyten"),
            ("core::option::Option<T>::and_then", "core"),
            ("<&mut alloc::vec::Vec<T> as core::fmt::Debug>::fmt", "alloc"),
            ("core_new externref shim", "exports and glue"),
            ("function 7", "exports and glue"),
        ] {
            assert_eq!(crate_of(name), of, "{name}");
        }
    }

    #[test]
    fn names_are_told_without_hashes() {
        assert_eq!(
            readable("fiftyten::session::Session::pump::hbe611f00d5e97e54"),
            "fiftyten::session::Session::pump"
        );
        assert_eq!(
            readable("<alloc[3ca501edff3f0c7c]::string::String>::push"),
            "<alloc::string::String>::push"
        );
        assert_eq!(readable("talc::base::hash"), "talc::base::hash");
    }

    #[test]
    fn the_tables_are_sorted_and_whole() {
        let functions = [("a::one".to_owned(), 5), ("b::two".to_owned(), 50), ("a::three".to_owned(), 60)];
        let text = tables(&functions, 7);
        let places = ["      65  a", "      50  b", "       7  data", "3 functions", "      60  a::three"];
        let found: Vec<_> = places.iter().map(|line| text.find(line)).collect();
        assert!(found.iter().all(Option::is_some) && found.is_sorted(), "{text}");
    }

    #[test]
    fn a_module_is_weighed_by_its_code() {
        // One import, one function of two bytes besides its count of locals, named by the name section.
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01m\x01i\0\0\x03\x02\x01\0\x0a\x05\x01\x03\0\x01\x0b\
            \0\x0b\x04name\x01\x04\x01\x01\x01f";
        let (functions, data) = weigh(module, Path::new("m.wasm")).unwrap();
        assert_eq!((functions, data), (vec![("f".to_owned(), 3)], 0));
    }
}
