//! What went wrong, as the one line that the user reads.

use std::fmt;
use std::path::Path;

/// A task's result.
pub(crate) type Result<T = ()> = std::result::Result<T, Failure>;

/// One line that says what went wrong and, where there is something to do about it, what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// An operation on a file or folder that failed.
    pub(crate) fn file(what: &str, path: &Path, cause: &std::io::Error) -> Self {
        Self(format!("cannot {what} {}: {cause}", path.display()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
