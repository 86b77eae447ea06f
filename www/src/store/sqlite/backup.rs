//! A copy of the file, while it is in use.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::random;

use super::schema::{APPLICATION_ID, BUSY_TIMEOUT, explain};

/// Copies `database` as it is at one moment to the new file `copy`, which only its owner may read. Servers go on
/// reading and writing meanwhile. It is there whole or not at all.
///
/// Blocking: it reads and writes the whole database.
///
/// # Errors
///
/// One line that names the file: it cannot be read, it is not this program's, or the copy cannot be written or is
/// there already.
pub fn back_up(database: &Path, copy: &Path) -> Result<(), String> {
    let of = |path: &Path, why: String| format!("{}: {why}", path.display());
    let io = |error: std::io::Error| of(copy, error.to_string());
    let sql = |error: rusqlite::Error| of(database, explain(&error));

    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(database, flags).map_err(sql)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sql)?;
    let id: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(sql)?;
    if id != APPLICATION_ID {
        return Err(of(database, "is not a Fiftyten database".to_owned()));
    }

    if copy.exists() {
        return Err(of(
            copy,
            "is there already, and a backup never replaces one: name another file".to_owned(),
        ));
    }
    let mut name = copy.as_os_str().to_owned();
    // Of this backup alone: another one may be under way.
    name.push(format!(".{}.part", random::hex::<8>()));
    let part = Path::new(&name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(part).map_err(io)?;

    let text = part.to_str().ok_or_else(|| of(copy, "is no name in UTF-8".to_owned()))?;
    let written = connection
        .execute("VACUUM INTO ?1", [text])
        .map_err(|error| of(copy, explain(&error)))
        .and_then(|_| File::open(part).and_then(|file| file.sync_all()).map_err(io))
        .and_then(|()| fs::rename(part, copy).map_err(io));
    if written.is_err() {
        let _ = fs::remove_file(part);
    }
    written?;
    // The name is on the disk too. Not every system can do that to a folder.
    let folder = copy.parent().filter(|folder| !folder.as_os_str().is_empty());
    let _ = File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all());
    Ok(())
}
