//! Many servers that start at once on one empty database.

use std::sync::Arc;
use std::time::Duration;

use fiftyten_server::store::{KeySet, KeyState, PostgresStore, PostgresUrl, SecretHash, Store};
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::store_suite::key;

const SERVERS: usize = 8;

/// Opens the stores at once, and has each add keys of its own as every server does that finds none.
async fn start_all(url: &str) -> Vec<Arc<PostgresStore>> {
    let url = PostgresUrl::parse(url).unwrap();
    let mut servers = JoinSet::new();
    for number in 0..SERVERS {
        let url = url.clone();
        servers.spawn(async move {
            let store = PostgresStore::open(&url).await.unwrap();
            let keys = vec![
                key(&format!("c{number}"), KeyState::Current),
                key(&format!("n{number}"), KeyState::Next),
            ];
            let seen = store.read_keys().await.unwrap();
            if seen.keys.is_empty() {
                store.swap_keys(&seen.version, keys).await.unwrap();
            }
            Arc::new(store)
        });
    }
    servers.join_all().await
}

async fn all_have_the_same_keys(stores: &[Arc<PostgresStore>]) {
    for store in stores {
        let mut kids: Vec<_> = store.read_keys().await.unwrap().keys.into_iter().map(|key| key.kid).collect();
        kids.sort();
        let number = kids[0].strip_prefix('c').unwrap();
        assert_eq!(kids, [format!("c{number}"), format!("n{number}")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn one_migrates_and_makes_the_keys_and_all_start() {
    let cluster = Cluster::shared();
    for _ in 0..5 {
        let url = cluster.database().await;
        let stores = start_all(&url).await;
        assert_eq!(stores.len(), SERVERS);
        all_have_the_same_keys(&stores).await;
        let row = cluster.superuser(&url).await;
        let row = row.query_one("SELECT count(*), max(version) FROM fiftyten_schema", &[]).await.unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (3, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_waits_for_a_dump_keeps_no_server_waiting() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let running = super::open(&url).await;
    // As a database of the version before: its migration does over what was done.
    let mut dump = cluster.superuser(&url).await;
    dump.execute("DELETE FROM fiftyten_schema WHERE version = 3", &[]).await.unwrap();
    let reading = dump.transaction().await.unwrap();
    reading.batch_execute("LOCK TABLE sessions, signing_keys IN ACCESS SHARE MODE").await.unwrap();
    let upgrade = tokio::spawn({
        let url = url.clone();
        async move { PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.map(drop) }
    });
    // Each has 3 s.
    for _ in 0..8 {
        assert!(running.find_session(&SecretHash([1; 32])).await.unwrap().is_none());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(!upgrade.is_finished(), "it waits for the dump");
    reading.commit().await.unwrap();
    upgrade.await.unwrap().unwrap();
    let row = dump.query_one("SELECT max(version) FROM fiftyten_schema", &[]).await.unwrap();
    assert_eq!(row.get::<_, i64>(0), 3);
}

/// What CockroachDB (a lock that is none) and YugabyteDB (a refusal) make of the advisory lock.
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn all_start_where_there_is_no_advisory_lock() {
    let cluster = Cluster::shared();
    for body in ["BEGIN END", "BEGIN RAISE EXCEPTION 'not yet implemented' USING ERRCODE = '0A000'; END"] {
        for _ in 0..5 {
            let url = cluster.database().await;
            let shadow = format!(
                "CREATE SCHEMA tables AUTHORIZATION {};
                 CREATE FUNCTION public.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE plpgsql
                 AS $$ {body} $$",
                crate::cluster::OWNER
            );
            cluster.superuser(&url).await.batch_execute(&shadow).await.unwrap();
            let url = format!("{url}?options=-csearch_path%3Dtables,public,pg_catalog");
            all_have_the_same_keys(&start_all(&url).await).await;
        }
    }
}

#[tokio::test]
async fn a_user_without_the_right_to_make_tables_is_enough_once_they_are_there() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    drop(super::open(&url).await);
    let grant = "CREATE ROLE clerk LOGIN PASSWORD 'clerk';
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk";
    cluster.superuser(&url).await.batch_execute(grant).await.unwrap();
    let database = url.rsplit('/').next().unwrap();
    let url = format!("postgres://clerk:clerk@127.0.0.1:{}/{database}", cluster.port);
    let store = super::open(&url).await;
    let seen = store.read_keys().await.unwrap();
    assert!(store.swap_keys(&seen.version, vec![key("k", KeyState::Current)]).await.unwrap());
}

#[tokio::test]
async fn keys_of_an_earlier_version_are_kept() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let old = format!(
        "SET ROLE {};
         {}
         INSERT INTO fiftyten_schema (version) VALUES (1);
         INSERT INTO signing_keys VALUES ('c', 'EdDSA', '\\x07', '\\x08', 'current', 5)",
        crate::cluster::OWNER,
        include_str!("../../migrations/postgres/0001_start.sql")
    );
    cluster.superuser(&url).await.batch_execute(&old).await.unwrap();
    let KeySet { version, keys, .. } = super::open(&url).await.read_keys().await.unwrap();
    let [key] = &keys[..] else { panic!("{keys:?}") };
    assert_eq!((key.kid.as_str(), key.state, key.is_sealed), ("c", KeyState::Current, false));
    assert_eq!((key.private.expose(), &key.public), (&vec![7], &vec![8]));
    assert_eq!((key.created_at, key.changed_at), (5, 5), "its age counts from when it was made");
    assert!(super::open(&url).await.swap_keys(&version, keys).await.unwrap());
}

#[tokio::test]
async fn sessions_of_an_earlier_version_are_kept() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let old = format!(
        "SET ROLE {};
         {}
         {}
         INSERT INTO fiftyten_schema (version) VALUES (1), (2);
         INSERT INTO users VALUES ('u', 'ada@example.test', '$hash', 0, '[\"clerk\"]', '[]', '{{}}', 1);
         INSERT INTO sessions VALUES ('\\x{}', '{}', 'u', 1, 2, 3, NULL, 'Browser/1.0')",
        crate::cluster::OWNER,
        include_str!("../../migrations/postgres/0001_start.sql"),
        include_str!("../../migrations/postgres/0002_keys.sql"),
        "07".repeat(32),
        "a".repeat(32),
    );
    cluster.superuser(&url).await.batch_execute(&old).await.unwrap();
    let store = super::open(&url).await;
    let found = store.find_session(&SecretHash([7; 32])).await.unwrap().unwrap();
    assert_eq!((found.session.user.as_str(), found.session.expires_at), ("u", 3));
    assert_eq!(found.claims.roles, ["clerk"], "as in the account");
}
