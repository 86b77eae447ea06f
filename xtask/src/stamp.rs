//! Whether a result is still that of its inputs.
//!
//! A stamp is a file beside nothing else in `target/xtask/`: a fingerprint of the inputs and outputs,
//! and a text to keep with it. Contents count, not times, so a fresh checkout or a branch switched to
//! and fro costs nothing.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, Result};
use crate::place;

/// A fingerprint in the making.
pub(crate) struct Fingerprint(DefaultHasher);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(DefaultHasher::new())
    }

    /// A setting that the result depends on.
    pub(crate) fn text(mut self, text: &str) -> Self {
        text.hash(&mut self.0);
        self
    }

    /// A file, or a folder with all in it. What isn't there counts as absent.
    pub(crate) fn path(mut self, path: &Path) -> Self {
        self.add(path);
        self
    }

    pub(crate) fn finish(self) -> String {
        format!("{:016x}", self.0.finish())
    }

    fn add(&mut self, path: &Path) {
        path.hash(&mut self.0);
        if path.is_dir() {
            let mut entries: Vec<PathBuf> =
                fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
            entries.sort();
            entries.iter().for_each(|entry| self.add(entry));
        } else {
            fs::read(path).ok().hash(&mut self.0);
        }
    }
}

/// The text that was kept under this name, if the fingerprint is still the same.
pub(crate) fn recall(name: &str, fingerprint: &str) -> Option<String> {
    let kept = fs::read_to_string(path(name)).ok()?;
    kept.strip_prefix(fingerprint)?.strip_prefix('\n').map(str::to_owned)
}

/// Keeps a text under this name for as long as the fingerprint stays the same.
pub(crate) fn keep(name: &str, fingerprint: &str, text: &str) -> Result {
    let path = path(name);
    let folder = path.parent().unwrap_or(&path);
    fs::create_dir_all(folder).map_err(|cause| Failure::file("create", folder, &cause))?;
    fs::write(&path, format!("{fingerprint}\n{text}")).map_err(|cause| Failure::file("write", &path, &cause))
}

fn path(name: &str) -> PathBuf {
    place::target().join("xtask").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(folder: &Path) -> String {
        Fingerprint::new().text("same").path(folder).finish()
    }

    #[test]
    fn it_follows_contents_names_and_absence() {
        let folder = std::env::temp_dir().join(format!("fiftyten-stamp-{}", std::process::id()));
        let absent = of(&folder);
        fs::create_dir_all(folder.join("inner")).unwrap();
        fs::write(folder.join("inner/file"), "one").unwrap();
        let one = of(&folder);
        assert_ne!(absent, one);

        fs::write(folder.join("inner/file"), "two").unwrap();
        assert_ne!(of(&folder), one);

        fs::write(folder.join("inner/file"), "one").unwrap();
        assert_eq!(of(&folder), one);

        fs::rename(folder.join("inner/file"), folder.join("inner/elif")).unwrap();
        assert_ne!(of(&folder), one);
        fs::remove_dir_all(&folder).unwrap();
    }
}
