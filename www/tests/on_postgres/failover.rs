//! Another machine becomes the primary.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fiftyten_server::store::{SecretHash, Session, Store, StoreError};

use crate::cluster::Cluster;
use crate::cluster::pair::{Pair, Replication};
use crate::store_suite::{T0, add_user, ended_at, open_session};

async fn sessions(store: &dyn Store, count: usize) -> Vec<(Session, SecretHash)> {
    let user = add_user(store, "ada@example.test").await;
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(open_session(store, &user, T0).await);
    }
    sessions
}

fn blocking<T>(job: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(job)
}

/// The network takes a connection to a machine that has frozen, and nothing is ever answered.
#[tokio::test]
async fn a_host_that_is_silent_does_not_keep_from_the_next() {
    let cluster = Cluster::shared();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = cluster.database().await;
    let first = format!("@{},{},127.0.0.1:", silent.local_addr().unwrap(), refusing);
    let began = Instant::now();
    let store = super::open(&url.replace("@127.0.0.1:", &first)).await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let (session, secret) = sessions(&*store, 1).await.remove(0);
    assert!(store.end_session(&session.id, None, T0 + 1).await.unwrap());
    assert_eq!(ended_at(&*store, &secret).await, Some(T0 + 1));
    // Whoever was found is asked first from now on. The listener is asked for nothing but the first
    // connection.
    silent.set_nonblocking(true).unwrap();
    assert!(silent.accept().is_ok());
    assert!(silent.accept().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_host_can_be_written_to_each_says_why() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cluster = Cluster::start(&[]);
    blocking(|| cluster.configure("default_transaction_read_only", "on"));
    let url = cluster.url("postgres").replace('@', &format!("@{refusing},"));
    let url = fiftyten_server::store::PostgresUrl::parse(&url).unwrap();
    let refused = fiftyten_server::store::PostgresStore::open(&url).await;
    let why = refused.err().unwrap().to_string();
    assert!(why.contains(&format!("{refusing}: nothing listens there")), "{why}");
    assert!(
        why.contains(&format!(
            "127.0.0.1:{}: database does not allow writes: name the primary",
            cluster.port
        ))
    );
    assert!(!why.contains("canary") && !why.contains('\n'), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_new_primary_is_found_and_has_every_acknowledged_revocation() {
    let pair = Arc::new(blocking(|| Pair::start(Replication::Synchronous)));
    let store = super::open(&blocking(|| pair.database())).await;
    let sessions = sessions(&*store, 300).await;
    let (mut acknowledged, mut failed, mut failing_over) = (Vec::new(), 0, None);
    for (session, secret) in &sessions {
        match store.end_session(&session.id, None, T0 + 1).await {
            Ok(ended) => {
                assert!(ended);
                acknowledged.push(*secret);
            }
            Err(StoreError::Unavailable(_)) => {
                failed += 1;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => panic!("{error}"),
        }
        if acknowledged.len() == 50 && failing_over.is_none() {
            let pair = Arc::clone(&pair);
            failing_over = Some(tokio::task::spawn_blocking(move || pair.fail_over()));
        }
    }
    failing_over.unwrap().await.unwrap();
    assert!(failed > 0 && acknowledged.len() > 60, "{} acknowledged, {failed} failed", acknowledged.len());
    for secret in &acknowledged {
        assert_eq!(ended_at(&*store, secret).await, Some(T0 + 1));
    }
}

/// Which nobody should let happen, and somebody will.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_primary_that_comes_back_is_not_believed() {
    let pair = blocking(|| Pair::start(Replication::Synchronous));
    let store = super::open(&blocking(|| pair.database())).await;
    let sessions = sessions(&*store, 4).await;
    blocking(|| pair.fail_over());
    let (revoked, secret) = &sessions[0];
    assert!(store.end_session(&revoked.id, None, T0 + 1).await.unwrap());
    // It starts as what it was. There is nobody else whom the server could ask.
    blocking(|| {
        pair.primary.go_on();
        pair.standby.kill();
    });
    for _ in 0..6 {
        let found = store.find_session(secret).await;
        let Err(StoreError::Unavailable(why)) = &found else { panic!("{found:?}") };
        assert!(why.contains("is an old primary, which another has replaced"), "{why}");
    }
    let ended = store.end_session(&sessions[1].0.id, None, T0 + 2).await;
    assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    blocking(|| pair.standby.go_on());
    assert_eq!(ended_at(&*store, secret).await, Some(T0 + 1));
    assert_eq!(ended_at(&*store, &sessions[1].1).await, None);
}

/// The standby was promoted though the old primary was only frozen: that is what fencing is there to prevent.
/// Connections to it that stood all the while are dropped once the new primary has been met.
#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_primary_that_was_replaced_are_dropped_when_the_new_one_is_met() {
    let pair = blocking(|| Pair::start(Replication::Synchronous));
    let store = super::open(&blocking(|| pair.database())).await;
    let sessions = sessions(&*store, 2).await;
    // All connections are made: those that reads share, and those for writes.
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (store, id) = (Arc::clone(&store), sessions[1].0.id.clone());
        all.spawn(async move { store.end_session(&id, None, T0 + 1).await });
    }
    all.join_all().await;
    let (session, secret) = &sessions[0];
    for _ in 0..8 {
        assert_eq!(ended_at(&*store, secret).await, None);
    }
    blocking(|| {
        pair.primary.freeze();
        pair.standby.promote();
    });
    // The connections for writes are looked at before they are used, and so a new one is made.
    assert!(store.end_session(&session.id, None, T0 + 2).await.unwrap());
    blocking(|| pair.primary.thaw());
    for _ in 0..50 {
        assert_eq!(ended_at(&*store, secret).await, Some(T0 + 2));
    }
}
