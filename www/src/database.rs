//! Which database keeps the sessions: a SQLite file, or PostgreSQL.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::{self, PostgresStore, PostgresUrl, SqliteStore, Store};

/// Where a server keeps what it keeps.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file on a local disk: for one machine.
    File(PathBuf),
    /// PostgreSQL, which many servers may share.
    Postgres(PostgresUrl),
}

impl Database {
    /// Reads a `postgres://` or `postgresql://` URL; anything else is a file's path.
    ///
    /// # Errors
    ///
    /// What is wrong with the URL, without repeating any of it: it may hold a password.
    pub fn parse(text: &str) -> Result<Self, String> {
        if PostgresUrl::is_meant(text) {
            return PostgresUrl::parse(text).map(Self::Postgres);
        }
        if text.contains("://") {
            let why = "is the URL of no database that can be used: write postgres://user@host/database, or \
                       the path of a file";
            return Err(why.to_owned());
        }
        Ok(Self::File(text.into()))
    }

    /// Opens the store, and makes it where it is missing. Blocking for a moment, where it is a file.
    ///
    /// # Errors
    ///
    /// One line that names the database and says why it cannot be used.
    pub async fn open(&self) -> store::Result<Arc<dyn Store>> {
        Ok(match self {
            Self::File(path) => Arc::new(SqliteStore::open(path)?),
            Self::Postgres(url) => Arc::new(PostgresStore::open(url).await?),
        })
    }
}

/// Without the password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(url) => url.fmt(f),
        }
    }
}
