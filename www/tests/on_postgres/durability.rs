//! What is acknowledged is durable.

use fiftyten_server::Secret;
use fiftyten_server::store::{Store, StoreError};

use crate::cluster::Cluster;
use crate::store_suite::{T0, add_user, ended_at, open_session};

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
        let watch = "CREATE TABLE seen (setting TEXT);
             CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
                 INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$;
             CREATE TRIGGER watch AFTER INSERT ON users FOR EACH ROW EXECUTE FUNCTION watch()";
        admin.batch_execute(watch).await.unwrap();
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
