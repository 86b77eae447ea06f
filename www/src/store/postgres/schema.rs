//! Migrations. Many servers may start at once on one database: one of them migrates it, the others wait.
//!
//! PostgreSQL does it in one transaction under an advisory lock. Of the engines that speak its protocol, many
//! versions have no such lock (CockroachDB before 2026: unknown, or one that locks nothing; YugabyteDB before
//! 2025.1: refused), and not all undo a table when the transaction fails. There, every statement may be
//! run again (`IF NOT EXISTS`), and who meets another at the same table begins anew.

use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, GenericClient, IsolationLevel};

use super::failure::explain;
use crate::random;

/// In order; the position of the last is the schema's version. A migration that has been released is
/// never edited: a change is a new one.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../migrations/postgres/0001_start.sql"),
    include_str!("../../../migrations/postgres/0002_keys.sql"),
    include_str!("../../../migrations/postgres/0003_admin.sql"),
];

/// The advisory lock's key: the letters "FiftyTen". Such a lock belongs to one database.
const LOCK: i64 = 0x4669_6674_7954_656e;

/// How long to wait for another server that migrates.
const WAIT: Duration = Duration::from_secs(60);

/// How often to begin anew after meeting another server where there is no lock, and the ms in between.
const ATTEMPTS: u32 = 20;
const PAUSE_MS: u64 = 250;

/// How long a statement waits for a table that others use, `pg_dump` perhaps. Whoever comes after it waits too, the
/// servers that run among them, and they give up after 3 s: so it stands back, and tries again after a while.
const TABLE_WAIT: &str = "SET LOCAL lock_timeout = '1s'";
const STAND_BACK: Duration = Duration::from_secs(2);

/// Brings the database up to date. One line if it cannot be used.
pub(super) async fn migrate(client: &mut Client) -> Result<(), String> {
    let migrated = tokio::time::timeout(WAIT, migrate_or_wait(client)).await;
    migrated.unwrap_or_else(|_| {
        Err(format!(
            "could not be migrated within {} s, because another server migrates it or its tables are in use (by \
             pg_dump?): see what holds it up",
            WAIT.as_secs()
        ))
    })
}

async fn migrate_or_wait(client: &mut Client) -> Result<(), String> {
    // Another server's migration may take longer than the database allows a statement. No longer than this one
    // waits: the statement would go on when nobody is there any more.
    let limit = format!("SET statement_timeout = {}", WAIT.as_millis());
    client.batch_execute(&limit).await.map_err(|error| explain(&error))?;
    let (mut has_lock, mut attempt) = (true, 0);
    loop {
        match attempt_to_migrate(client, has_lock).await {
            Ok(()) => return Ok(()),
            Err(Refusal::Unusable(why)) => return Err(why),
            Err(Refusal::Failed(error)) if has_lock && lacks_lock(&error) => has_lock = false,
            Err(Refusal::Failed(error)) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                tokio::time::sleep(STAND_BACK).await;
            }
            Err(Refusal::Failed(error)) if met_another(&error) && attempt < ATTEMPTS => {
                attempt += 1;
                tokio::time::sleep(Duration::from_millis(random::up_to(PAUSE_MS))).await;
            }
            Err(Refusal::Failed(error)) => return Err(explain(&error)),
        }
    }
}

enum Refusal {
    Failed(Error),
    /// One line that says why, and what to do.
    Unusable(String),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

async fn attempt_to_migrate(client: &mut Client, has_lock: bool) -> Result<(), Refusal> {
    // Most starts find nothing to do. They need neither the lock nor the right to make tables.
    if version(client).await? == MIGRATIONS.len() {
        return Ok(());
    }
    let mut transaction = client.build_transaction();
    if has_lock {
        // Each statement sees what was committed before it, and so what was done during the wait for the
        // lock. CockroachDB refuses to make tables at this level: it is then tried without the lock.
        transaction = transaction.isolation_level(IsolationLevel::ReadCommitted);
    }
    let transaction = transaction.start().await?;
    if has_lock {
        transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
        transaction.batch_execute(TABLE_WAIT).await?;
    }
    let done = version(&transaction).await?;
    for (number, migration) in (1_i64..).zip(MIGRATIONS).skip(done) {
        transaction.batch_execute(migration).await?;
        let record = "INSERT INTO fiftyten_schema (version) VALUES ($1) ON CONFLICT DO NOTHING";
        transaction.execute(record, &[&number]).await?;
    }
    Ok(transaction.commit().await?)
}

/// How many migrations have been done.
async fn version(client: &impl GenericClient) -> Result<usize, Refusal> {
    let look = "SELECT current_schema()::text,
         EXISTS (SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema()),
         EXISTS (SELECT 1 FROM pg_catalog.pg_tables
             WHERE schemaname = current_schema() AND tablename = 'fiftyten_schema')";
    let row = client.query_one(look, &[]).await?;
    let (schema, any, ours) = (row.try_get::<_, Option<String>>(0)?, row.try_get(1)?, row.try_get(2)?);
    let Some(schema) = schema else {
        let why = "has no schema to keep tables in: make the one that search_path names (CREATE SCHEMA)";
        return Err(Refusal::Unusable(why.to_owned()));
    };
    match (any, ours) {
        (_, true) => {}
        (false, false) => return Ok(0),
        (true, false) => {
            return Err(Refusal::Unusable(format!(
                "holds the tables of another program in its schema {schema}: make a database for this one \
                 (CREATE DATABASE), or a schema, and name it with ?options=-csearch_path%3DNAME"
            )));
        }
    }
    let row = client.query_one("SELECT coalesce(max(version), 0) FROM fiftyten_schema", &[]).await?;
    let (version, known) = (row.try_get::<_, i64>(0)?, MIGRATIONS.len());
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(Refusal::Unusable(format!(
            "was written by a newer fiftyten-server (schema {version}; this one knows up to {known}): \
             run that version"
        ))),
    }
}

/// There is no advisory lock, or no table can be made under it.
fn lacks_lock(error: &Error) -> bool {
    matches!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED | &SqlState::UNDEFINED_FUNCTION))
}

/// Another server made the same table at the same time, and there was no lock to keep it from it.
fn met_another(error: &Error) -> bool {
    let Some(code) = error.code() else { return false };
    [
        SqlState::T_R_SERIALIZATION_FAILURE,
        SqlState::T_R_DEADLOCK_DETECTED,
        SqlState::UNIQUE_VIOLATION,
        SqlState::DUPLICATE_TABLE,
        SqlState::DUPLICATE_OBJECT,
        SqlState::UNDEFINED_TABLE,
        SqlState::INTERNAL_ERROR, // YugabyteDB: "Catalog Version Mismatch"
    ]
    .contains(code)
}
