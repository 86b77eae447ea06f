//! `backup`.

use std::path::{Path, PathBuf};

use fiftyten_server::Database;
use fiftyten_server::store::sqlite;

use super::{Line, print};

pub(super) fn run(database: &Database, copy: PathBuf) -> Result<(), Line> {
    match database {
        Database::File(file) => {
            sqlite::back_up(file, &copy)?;
            print(format_args!("{} is a copy of {}", shown(&copy), shown(file)))
        }
        Database::Postgres(_) => {
            Err("PostgreSQL is backed up with its own tools: pg_dump, or pg_basebackup and its log"
                .to_owned())
        }
    }
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}
