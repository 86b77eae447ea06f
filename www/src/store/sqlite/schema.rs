//! Opening the file: permissions, pragmas, and migrations by `user_version`.

use std::fs::OpenOptions;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

/// In order; the position of the last is the schema's version. A migration that has been released is
/// never edited: a change is a new one.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../migrations/0001_start.sql"),
    include_str!("../../../migrations/0002_keys.sql"),
    include_str!("../../../migrations/0003_admin.sql"),
];

/// Marks the file as this program's (`PRAGMA application_id`): the letters "FTen".
pub(super) const APPLICATION_ID: i32 = 0x4654_656e;

/// How long to wait for another process (the command line, say) that writes.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The writing connection to an up-to-date file.
pub(super) fn open(path: &Path) -> Result<Connection, String> {
    make_private(path)?;
    let mut connection = Connection::open(path).map_err(|error| explain(&error))?;
    prepare(&connection).and_then(|()| migrate(&mut connection))?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, String> {
    let connection = Connection::open(path).map_err(|error| explain(&error))?;
    prepare(&connection)?;
    connection.pragma_update(None, "query_only", true).map_err(|error| explain(&error))?;
    Ok(connection)
}

/// SQLite gives the files it makes beside this one (`-wal`, `-shm`) the same permissions.
fn make_private(path: &Path) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop).map_err(|error| format!("cannot be opened for writing: {error}"))
}

fn prepare(connection: &Connection) -> Result<(), String> {
    (|| {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "fullfsync", true)?; // macOS: fsync alone does not reach the disk
        connection.pragma_update(None, "secure_delete", true)?; // a key that was sealed must not lie on
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "trusted_schema", false)
    })()
    .map_err(|error| explain(&error))
}

fn migrate(connection: &mut Connection) -> Result<(), String> {
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|error| explain(&error))?;
    let number = |pragma: &str| {
        transaction.query_row(pragma, [], |row| row.get::<_, i64>(0)).map_err(|error| explain(&error))
    };
    let application = number("SELECT application_id FROM pragma_application_id")?;
    let version = number("SELECT user_version FROM pragma_user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    if application != i64::from(APPLICATION_ID) && (application != 0 || tables != 0) {
        return Err("is a database of another program".to_owned());
    }
    let known = MIGRATIONS.len();
    let done = match usize::try_from(version) {
        Ok(done) if done <= known => done,
        _ => {
            return Err(format!(
                "was written by a newer fiftyten-server (schema {version}; this one knows up to {known}): \
                 run that version"
            ));
        }
    };
    if done == known {
        return Ok(());
    }
    (|| {
        for migration in &MIGRATIONS[done..] {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", known as i64)?;
        transaction.commit()
    })()
    .map_err(|error| explain(&error))
}

pub(super) fn explain(error: &rusqlite::Error) -> String {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "is not an SQLite database".to_owned(),
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            format!("cannot be written, nor files beside it: {error}")
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            format!("is locked by another program: {error}")
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_is_on_the_disk() {
        let folder = tempfile::TempDir::new().unwrap();
        let connection = open(&folder.path().join("durable.db")).unwrap();
        let text = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, String>(0));
        let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        assert_eq!(text("journal_mode").unwrap(), "wal");
        assert_eq!(number("synchronous").unwrap(), 2, "FULL: NORMAL may lose a revocation with the power");
        assert_eq!(number("fullfsync").unwrap(), 1);
        assert_eq!(number("foreign_keys").unwrap(), 1);
        assert_eq!(number("secure_delete").unwrap(), 1, "what was deleted is overwritten");
    }

    #[test]
    fn a_reader_cannot_write() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("reader.db");
        let _writer = open(&file).unwrap();
        let reader = connect_reader(&file).unwrap();
        assert!(reader.execute("DELETE FROM users", []).is_err());
    }

    #[test]
    fn opening_again_changes_nothing() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("again.db");
        let version = |connection: &Connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap()
        };
        for _ in 0..3 {
            assert_eq!(version(&open(&file).unwrap()), MIGRATIONS.len() as i64);
        }
    }
}
