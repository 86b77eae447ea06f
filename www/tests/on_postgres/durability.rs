//! What is acknowledged is durable.

use fiftyten_server::Secret;
use fiftyten_server::store::{Store, StoreError};

use crate::cluster::{Cluster, OWNER};
use crate::store_suite::{T0, add_user, ended_at, open_session};

/// Notes how each account's transaction is committed.
const WATCH: &str = "CREATE TABLE seen (setting TEXT);
     CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
         INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
     CREATE TRIGGER watch AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION watch()";

#[tokio::test]
async fn a_database_that_acknowledges_too_early_is_overruled() {
    let cluster = Cluster::shared();
    for (setting, expected) in [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ] {
        let url = cluster.database().await;
        let name = url.rsplit('/').next().unwrap();
        let admin = cluster.superuser(&url).await;
        let set = format!("ALTER DATABASE {name} SET synchronous_commit = {setting}");
        admin.batch_execute(&set).await.unwrap();
        let store = super::open(&url).await;
        admin.batch_execute(WATCH).await.unwrap();
        add_user(&*store, "ada@example.test").await;
        let seen = admin.query_one("SELECT setting FROM seen", &[]).await.unwrap();
        assert_eq!(seen.get::<_, &str>(0), expected, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_revocation_is_lost_when_postgres_crashes() {
    let cluster = Cluster::start(&[]);
    let store = super::open(&cluster.database().await).await;
    let user = add_user(&*store, "ada@example.test").await;
    let mut sessions = Vec::new();
    for _ in 0..200 {
        sessions.push(open_session(&*store, &user, T0).await);
    }
    let mut revoked = Vec::new();
    for round in 0..3 {
        let crash = async {
            tokio::time::sleep(std::time::Duration::from_millis(40)).await;
            tokio::task::block_in_place(|| cluster.crash());
        };
        let revoke = async {
            let from = round * 60;
            for (number, (session, secret)) in sessions.iter().enumerate().skip(from) {
                match store.end_session(&session.id, None, T0 + number as u64).await {
                    Ok(ended) => assert!(ended),
                    Err(_) => return,
                }
                revoked.push((*secret, T0 + number as u64));
            }
        };
        tokio::join!(crash, revoke);
        cluster.go_on();
        assert!(!revoked.is_empty());
        for (secret, at) in &revoked {
            assert!(ended_at(&*store, secret).await.is_some_and(|ended| ended <= *at));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_synchronous_standby_does_not_have_is_not_acknowledged() {
    let cluster = Cluster::start(&[]);
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let user = add_user(&*store, "ada@example.test").await;
    let (session, secret) = open_session(&*store, &user, T0).await;
    let admin = cluster.superuser(&url).await;
    let standby = async |names: &str| {
        let set = format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'");
        admin.batch_execute("SET synchronous_commit = local").await.unwrap();
        admin.batch_execute(&set).await.unwrap();
        admin.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    };
    standby("nobody").await;
    // One statement, and two in a transaction. The server's own limit for statements is shorter than the wait.
    let (ended, changed) = tokio::join!(
        store.end_session(&session.id, None, T0 + 1),
        store.set_password(&user.id, Secret::new("$new".to_owned()), T0 + 1),
    );
    assert!(matches!(ended, Err(StoreError::Unavailable(_) | StoreError::Busy)), "{ended:?}");
    assert!(matches!(changed, Err(StoreError::Unavailable(_) | StoreError::Busy)), "{changed:?}");
    assert_eq!(ended_at(&*store, &secret).await, None, "nor is it seen");
    standby("").await;
    assert!(store.end_session(&session.id, None, T0 + 2).await.unwrap());
    assert!(ended_at(&*store, &secret).await.is_some());
}

#[tokio::test]
async fn neither_the_role_nor_the_url_can_have_it_acknowledge_earlier() {
    let cluster = Cluster::shared();
    for by_role in [true, false] {
        let mut url = cluster.database().await;
        let name = url.rsplit('/').next().unwrap().to_owned();
        let admin = cluster.superuser(&url).await;
        if by_role {
            let set = format!("ALTER ROLE {OWNER} IN DATABASE {name} SET synchronous_commit = off");
            admin.batch_execute(&set).await.unwrap();
        } else {
            url.push_str("?options=-csynchronous_commit%3Doff");
        }
        let store = super::open(&url).await;
        admin.batch_execute(WATCH).await.unwrap();
        add_user(&*store, "ada@example.test").await;
        let seen = admin.query_one("SELECT setting FROM seen", &[]).await.unwrap();
        assert_eq!(seen.get::<_, &str>(0), "on");
    }
}

#[tokio::test]
async fn a_configuration_that_is_changed_while_the_server_runs_changes_nothing() {
    let cluster = Cluster::start(&[]);
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let admin = cluster.superuser(&url).await;
    admin.batch_execute(WATCH).await.unwrap();
    add_user(&*store, "ada@example.test").await;
    for change in ["ALTER SYSTEM SET synchronous_commit = off", "SELECT pg_reload_conf()"] {
        admin.batch_execute(change).await.unwrap();
    }
    while admin.query_one("SHOW synchronous_commit", &[]).await.unwrap().get::<_, &str>(0) != "off" {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    add_user(&*store, "bob@example.test").await;
    let seen = admin.query("SELECT setting FROM seen", &[]).await.unwrap();
    let seen: Vec<&str> = seen.iter().map(|row| row.get(0)).collect();
    assert_eq!(seen, ["on", "on"]);
}

/// PostgreSQL acknowledges a commit whose wait was cancelled, with a warning.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_keeps_from_waiting_for_the_standby_is_not_acknowledged() {
    let cluster = Cluster::start(&[]);
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let user = add_user(&*store, "ada@example.test").await;
    let (session, _) = open_session(&*store, &user, T0).await;
    open_session(&*store, &user, T0).await;
    tokio::task::block_in_place(|| cluster.configure("synchronous_standby_names", "nobody"));
    let (ended, ()) =
        tokio::join!(store.end_session(&session.id, None, T0 + 1), cancel_the_wait(&cluster, &url));
    let Err(StoreError::Unavailable(why)) = ended else { panic!("{ended:?}") };
    assert!(why.contains("without waiting for its synchronous standby"), "{why}");
    // Repeated, it finds all ended, and is no more acknowledged than before.
    for at in [T0 + 1, T0 + 1, T0 + 2] {
        let end = store.end_sessions(&user.id, None, at);
        let (ended, ()) = tokio::join!(end, cancel_the_wait(&cluster, &url));
        assert!(matches!(ended, Err(StoreError::Unavailable(_))), "{ended:?}");
    }
    let change = store.set_password(&user.id, Secret::new("$new".to_owned()), T0 + 1);
    let (changed, ()) = tokio::join!(change, cancel_the_wait(&cluster, &url));
    assert!(matches!(changed, Err(StoreError::Unavailable(_))), "{changed:?}");
}

/// Ends the wait of whoever waits for a standby.
async fn cancel_the_wait(cluster: &Cluster, url: &str) {
    let admin = cluster.superuser(url).await;
    let cancel = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
    let began = std::time::Instant::now();
    while admin.query_one(cancel, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(began.elapsed().as_secs() < 20, "nobody waits for the standby");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// A commit goes on waiting for the standby when nobody waits for the commit any more.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_are_in_vain_do_not_pile_up_in_postgres_while_the_standby_is_gone() {
    let cluster = Cluster::start(&[]);
    let url = cluster.database().await;
    let store = super::open(&url).await;
    let user = add_user(&*store, "ada@example.test").await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(open_session(&*store, &user, T0).await);
    }
    tokio::task::block_in_place(|| cluster.configure("synchronous_standby_names", "nobody"));
    let admin = cluster.superuser(&url).await;
    for (number, round) in sessions.chunks(10).enumerate() {
        // Clients give up before the server does, or after it.
        let patience = std::time::Duration::from_secs(if number % 2 == 0 { 1 } else { 20 });
        let mut attempts = tokio::task::JoinSet::new();
        for (session, _) in round {
            let (store, id) = (std::sync::Arc::clone(&store), session.id.clone());
            let attempt = async move { store.end_session(&id, None, T0 + 1).await };
            attempts.spawn(tokio::time::timeout(patience, attempt));
        }
        for attempt in attempts.join_all().await {
            assert!(
                matches!(attempt, Ok(Err(StoreError::Unavailable(_) | StoreError::Busy)) | Err(_)),
                "{attempt:?}"
            );
        }
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        let waiting: i64 = admin.query_one(waiting, &[]).await.unwrap().get(0);
        assert!((1..=6).contains(&waiting), "{waiting} wait");
        // Reads go on meanwhile.
        assert_eq!(ended_at(&*store, &round[0].1).await, None);
    }
    tokio::task::block_in_place(|| cluster.configure("synchronous_standby_names", ""));
    for (session, secret) in &sessions {
        assert!(store.end_session(&session.id, None, T0 + 2).await.unwrap());
        assert!(ended_at(&*store, secret).await.is_some());
    }
}
