//! A sign-in and a change of the password at the same time, at every isolation level.

use std::sync::Arc;

use fiftyten_server::Secret;
use fiftyten_server::store::{NewSession, Redemption, Store};
use tokio::time::{Duration, sleep};

use crate::cluster::Cluster;
use crate::store_suite::{
    T0, add_ticket, add_user, of_many_that_swap_at_once_one_does, of_many_that_use_a_ticket_at_once_one_does,
    session, session_of,
};

#[tokio::test(flavor = "multi_thread")]
async fn no_session_of_the_old_password_outlives_its_change() {
    let cluster = Cluster::shared();
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let url = cluster.database().await;
        let admin = cluster.superuser(&url).await;
        let set = format!(
            "ALTER DATABASE {} SET default_transaction_isolation = '{isolation}'",
            url.rsplit('/').next().unwrap()
        );
        admin.batch_execute(&set).await.unwrap();
        let (one, other) = (super::open(&url).await, super::open(&url).await);
        let user = add_user(&*one, "ada@example.test").await;
        let (mut opened, mut refused) = (0, 0);
        for round in 0..24 {
            let (session, secret) = session(&user, T0);
            let new = NewSession { session, secret, credentials: round, replaces: None };
            // Both have begun and wait for the user's row when it is let go: in the one order or the other.
            let hold = format!("BEGIN; SELECT 1 FROM users WHERE id = '{}' FOR UPDATE", user.id);
            admin.batch_execute(&hold).await.unwrap();
            let ms = Duration::from_millis;
            let sign_in = async {
                sleep(ms(if round % 2 == 0 { 0 } else { 30 })).await;
                one.open_session(new).await.unwrap()
            };
            let change = async {
                sleep(ms(if round % 2 == 0 { 30 } else { 0 })).await;
                other.set_password(&user.id, Secret::new("$new".to_owned()), T0 + 1).await.unwrap()
            };
            let release = async {
                sleep(ms(80)).await;
                admin.batch_execute("COMMIT").await.unwrap();
            };
            let (was_opened, changed, ()) = tokio::join!(sign_in, change, release);
            assert!(changed);
            let found = one.find_session(&secret).await.unwrap();
            assert_eq!(found.is_some(), was_opened);
            if let Some(found) = found {
                assert_eq!(found.session.ended_at, Some(T0 + 1), "{isolation}, round {round}");
            }
            *(if was_opened { &mut opened } else { &mut refused }) += 1;
        }
        assert!(opened > 0 && refused > 0, "{isolation}: {opened} opened, {refused} refused");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_ended_twice_keep_one_time_and_are_counted_once() {
    let cluster = Cluster::shared();
    let url = cluster.database().await;
    let (one, other) = (super::open(&url).await, super::open(&url).await);
    let user = add_user(&*one, "ada@example.test").await;
    for _ in 0..20 {
        for _ in 0..5 {
            crate::store_suite::open_session(&*one, &user, T0).await;
        }
        let ended = tokio::join!(
            one.end_sessions(&user.id, None, T0 + 1),
            other.end_sessions(&user.id, None, T0 + 2),
        );
        assert_eq!(ended.0.unwrap() + ended.1.unwrap(), 5);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_change_the_keys_at_once_one_does_at_every_isolation_level() {
    let cluster = Cluster::shared();
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let url = cluster.database().await;
        let name = url.rsplit('/').next().unwrap();
        let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'");
        cluster.superuser(&url).await.batch_execute(&set).await.unwrap();
        of_many_that_swap_at_once_one_does(&async || super::open(&url).await as Arc<dyn Store>).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_that_use_a_ticket_at_once_one_does_at_every_isolation_level() {
    let cluster = Cluster::shared();
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let url = cluster.database().await;
        let name = url.rsplit('/').next().unwrap();
        let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'");
        cluster.superuser(&url).await.batch_execute(&set).await.unwrap();
        of_many_that_use_a_ticket_at_once_one_does(&async || super::open(&url).await as Arc<dyn Store>).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_that_a_ticket_is_just_opening_outlives_the_end_of_the_users_sessions() {
    let cluster = Cluster::shared();
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let url = cluster.database().await;
        let admin = cluster.superuser(&url).await;
        let name = url.rsplit('/').next().unwrap();
        let set = format!("ALTER DATABASE {name} SET default_transaction_isolation = '{isolation}'");
        admin.batch_execute(&set).await.unwrap();
        let (one, other) = (super::open(&url).await, super::open(&url).await);
        let (mut opened, mut refused) = (0, 0);
        for round in 0..16 {
            let (ticket, hash) = add_ticket(&*one, "ada", T0 + 60_000).await;
            let (session, secret) = session_of(&ticket.user, T0);
            let new = Redemption { ticket: hash, session, secret, replaces: None };
            // Both have begun and wait for the ticket's row when it is let go: in the one order or the other.
            admin.batch_execute("BEGIN; SELECT 1 FROM tickets FOR UPDATE").await.unwrap();
            let ms = Duration::from_millis;
            let redeem = async {
                sleep(ms(if round % 2 == 0 { 0 } else { 30 })).await;
                one.redeem_ticket(new).await.unwrap()
            };
            let end = async {
                sleep(ms(if round % 2 == 0 { 30 } else { 0 })).await;
                other.end_sessions(&ticket.user, None, T0 + 1).await.unwrap()
            };
            let release = async {
                sleep(ms(80)).await;
                admin.batch_execute("COMMIT").await.unwrap();
            };
            let (was_opened, _, ()) = tokio::join!(redeem, end, release);
            let found = one.find_session(&secret).await.unwrap();
            assert_eq!(found.is_some(), was_opened);
            if let Some(found) = found {
                assert_eq!(found.session.ended_at, Some(T0 + 1), "{isolation}, round {round}");
            }
            *(if was_opened { &mut opened } else { &mut refused }) += 1;
        }
        assert!(opened > 0 && refused > 0, "{isolation}: {opened} opened, {refused} refused");
    }
}
