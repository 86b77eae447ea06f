//! The stores, each through the one suite, and what is particular to each.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use fiftyten_server::store::{SecretHash, SqliteStore, Store};
use rusqlite::Connection;
use tempfile::TempDir;

mod cluster;
mod on_postgres;
mod store_suite;

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_does_what_every_store_has_to_do() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("suite.db");
    store_suite::run(|| async { Arc::new(SqliteStore::open(&file).unwrap()) as Arc<dyn Store> }).await;
}

fn refusal(file: &Path) -> String {
    let error = SqliteStore::open(file).err().expect("the file is refused").to_string();
    assert!(error.contains(&*file.to_string_lossy()) && !error.contains('\n'), "{error}");
    error
}

#[test]
fn only_its_owner_may_read_the_file_and_those_beside_it() {
    let folder = TempDir::new().unwrap();
    let _store = SqliteStore::open(&folder.path().join("private.db")).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log and its index");
}

#[test]
fn a_database_of_a_newer_version_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("newer.db");
    drop(SqliteStore::open(&file).unwrap());
    let connection = Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    assert!(refusal(&file).contains("newer fiftyten-server (schema 99"));
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn sessions_of_an_earlier_version_are_kept() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("earlier.db");
    let old = format!(
        "{}{}
         INSERT INTO users VALUES ('u', 'ada@example.test', '$hash', 0, '[\"clerk\"]', '[]', '{{}}', 1);
         INSERT INTO sessions VALUES (x'{}', '{}', 'u', 1, 2, 3, NULL, 'Browser/1.0');
         PRAGMA application_id = {};
         PRAGMA user_version = 2",
        include_str!("../migrations/0001_start.sql"),
        include_str!("../migrations/0002_keys.sql"),
        "07".repeat(32),
        "a".repeat(32),
        0x4654_656e,
    );
    Connection::open(&file).unwrap().execute_batch(&old).unwrap();
    let store = SqliteStore::open(&file).unwrap();
    let found = store.find_session(&SecretHash([7; 32])).await.unwrap().unwrap();
    assert_eq!((found.session.user.as_str(), found.session.expires_at), ("u", 3));
    assert_eq!(found.session.user_agent.as_deref(), Some("Browser/1.0"));
    assert_eq!(found.claims.roles, ["clerk"], "as in the account");
    assert!(store.end_session(&found.session.id, None, 2).await.unwrap());
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("other.db");
    Connection::open(&file).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(refusal(&file).contains("another program"));
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("letter.txt");
    fs::write(&file, "Dear reader, ".repeat(100)).unwrap();
    assert!(refusal(&file).contains("not an SQLite database"));
    assert!(fs::read_to_string(&file).unwrap().starts_with("Dear reader"));
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    assert!(refusal(Path::new("/dev/null/fiftyten.db")).contains("cannot be opened for writing"));
    assert!(refusal(&TempDir::new().unwrap().path().join("no/such.db")).contains("cannot be opened"));
}

#[tokio::test]
async fn neither_passwords_nor_cookies_nor_tokens_stand_in_the_file() {
    use fiftyten_server::account::{self, NewAccount};

    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(&folder.path().join("canary.db")).unwrap();
    let new = NewAccount {
        email: "ada@example.test".to_owned(),
        password: "canary-password".to_owned().into(),
        roles: Vec::new(),
        permissions: Vec::new(),
        claims: serde_json::Map::new(),
    };
    account::add(&store, new, 1).await.unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        seen += bytes.windows(16).filter(|window| *window == b"ada@example.test").count();
        assert!(!bytes.windows(15).any(|window| window == b"canary-password"));
    }
    assert!(seen > 0, "the search finds what is there");
}
