//! Connections that are lost, statements that take too long, a server that is gone for a while.

use std::time::Instant;

use fiftyten_server::store::{SecretHash, Session, Store, StoreError};
use tokio::time::{Duration, timeout};

use crate::cluster::{Cluster, OWNER};
use crate::store_suite::{T0, add_user, ended_at, open_session};

/// Has every write to a session wait, until the transaction ends.
const HOLD_SESSIONS: &str = "BEGIN; SELECT 1 FROM sessions FOR UPDATE";

/// A session of the only user.
async fn one_session(store: &dyn Store) -> (Session, SecretHash) {
    let user = add_user(store, "ada@example.test").await;
    open_session(store, &user, T0).await
}

#[tokio::test]
async fn a_connection_that_was_cut_off_is_replaced_and_the_next_call_succeeds() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let user = add_user(&*store, "ada@example.test").await;
    let admin = cluster.superuser(&url).await;
    let name = url.rsplit('/').next().unwrap().to_owned();
    let mut cut_off = 0;
    for round in 0..10 {
        // Every connection is in use, and then gone.
        let (session, secret) = open_session(&*store, &user, T0).await;
        for _ in 0..8 {
            assert_eq!(ended_at(&*store, &secret).await, None);
        }
        let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE datname = $1 AND usename = $2";
        cut_off += admin.query_one(cut, &[&name, &OWNER]).await.unwrap().get::<_, i64>(0);
        // Once a read comes first, and once a write.
        if round % 2 == 0 {
            assert_eq!(ended_at(&*store, &secret).await, None);
        }
        assert!(store.end_session(&session.id, None, T0 + 1).await.unwrap());
        assert_eq!(ended_at(&*store, &secret).await, Some(T0 + 1));
    }
    assert!(cut_off >= 20, "{cut_off} connections were cut off");
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_nothing_was_done() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let (session, secret) = one_session(&*store).await;
    let admin = cluster.superuser(&url).await;
    admin.batch_execute(HOLD_SESSIONS).await.unwrap();
    let began = Instant::now();
    let ended = store.end_session(&session.id, None, T0 + 1).await;
    assert!(matches!(ended, Err(StoreError::Busy)), "{ended:?}");
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    admin.batch_execute("COMMIT").await.unwrap();
    assert_eq!(ended_at(&*store, &secret).await, None);
    assert!(store.end_session(&session.id, None, T0 + 2).await.unwrap());
    assert_eq!(ended_at(&*store, &secret).await, Some(T0 + 2));
}

#[tokio::test]
async fn writes_that_find_no_free_connection_are_told_to_come_back_and_reads_go_on() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let (session, secret) = one_session(&*store).await;
    let admin = cluster.superuser(&url).await;
    admin.batch_execute(HOLD_SESSIONS).await.unwrap();
    let mut writes = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (store, session) = (std::sync::Arc::clone(&store), session.id.clone());
        writes.spawn(async move { store.end_session(&session, None, T0 + 1).await });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let read = timeout(Duration::from_secs(1), ended_at(&*store, &secret)).await;
    assert_eq!(read.expect("reads do not wait for writes"), None);
    for written in writes.join_all().await {
        assert!(matches!(written, Err(StoreError::Busy)), "{written:?}");
    }
    admin.batch_execute("COMMIT").await.unwrap();
    assert!(store.end_session(&session.id, None, T0 + 2).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_stopped_is_unavailable_until_it_is_back() {
    let cluster = Cluster::start(&[]);
    let store = super::open(&cluster.database().await).await;
    let (session, secret) = one_session(&*store).await;
    for round in 1..3 {
        cluster.stop();
        for _ in 0..3 {
            assert!(matches!(store.find_session(&secret).await, Err(StoreError::Unavailable(_))));
            assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
            let ended = store.end_session(&session.id, None, T0 + round).await;
            assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
        }
        cluster.go_on();
        assert_eq!(ended_at(&*store, &secret).await, None);
        store.ping().await.unwrap();
    }
    assert!(store.end_session(&session.id, None, T0 + 9).await.unwrap());
}

/// A process that stands still is as silent as a network that swallows everything.
#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_in_time_and_replaced() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let (session, secret) = one_session(&*store).await;
    for _ in 0..8 {
        assert_eq!(ended_at(&*store, &secret).await, None);
    }
    let admin = cluster.superuser(&url).await;
    let name = url.rsplit('/').next().unwrap();
    let backends = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND usename = $2";
    let backends = admin.query(backends, &[&name, &OWNER]).await.unwrap();
    let pids: Vec<_> = backends.iter().map(|row| row.get::<_, i32>(0).to_string()).collect();
    assert!(pids.len() >= 5, "{pids:?}");
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").arg(name).args(&pids).status().unwrap().success());
    };
    signal("-STOP");
    let began = Instant::now();
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = std::sync::Arc::clone(&store);
        reads.spawn(async move { store.find_session(&secret).await });
    }
    let written = store.end_session(&session.id, None, T0 + 1).await;
    for read in reads.join_all().await {
        assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(9), "{:?}", began.elapsed());
    // The connection for writes was found out before anything was written to it.
    assert!(written.unwrap());
    for _ in 0..4 {
        assert_eq!(ended_at(&*store, &secret).await, Some(T0 + 1));
    }
    signal("-CONT");
}
