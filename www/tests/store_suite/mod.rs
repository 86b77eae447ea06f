//! What every store has to do, whatever it is made of.
//!
//! [`run`] is given a function that opens the same store anew: that is how it finds out what survives.

use std::future::Future;
use std::sync::Arc;

use fiftyten_server::claims::{Claims, ClaimsPatch};
use fiftyten_server::credential::{Credential, Scope};
use fiftyten_server::store::{
    Account, KeySet, KeySetVersion, KeyState, NewSession, Redemption, SecretHash, Session, Store, StoreError,
    StoredKey, Ticket, User,
};
use fiftyten_server::{CredentialId, Secret, SessionId, UserId};
use serde_json::json;

pub(crate) const T0: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

/// Runs everything. Each test has accounts of its own, so that they do not meet.
pub(crate) async fn run<F, O>(open: F)
where
    F: Fn() -> O,
    O: Future<Output = Arc<dyn Store>>,
{
    keys_are_swapped_by_who_has_seen_the_last_ones(&open).await;
    a_set_that_cannot_be_kept_changes_nothing(&open).await;
    of_many_that_swap_at_once_one_does(&open).await;
    accounts_are_kept_and_addresses_are_unique(&open).await;
    a_session_is_found_by_its_hash_with_its_user(&open).await;
    signing_in_ends_the_session_before(&open).await;
    no_session_opens_for_credentials_that_have_changed(&open).await;
    ending_is_for_good_and_keeps_its_first_time(&open).await;
    ending_is_limited_to_the_user_named(&open).await;
    ending_the_others_spares_one_and_other_users(&open).await;
    activity_only_moves_forward_and_only_for_the_living(&open).await;
    pruning_forgets_what_is_long_over_and_nothing_else(&open).await;
    writes_are_seen_by_every_opener_at_once(&open).await;
    many_at_once_all_succeed(&open).await;
    credentials_are_found_by_their_hash_until_they_are_removed(&open).await;
    a_ticket_opens_one_session_with_its_claims(&open).await;
    a_ticket_that_is_not_good_changes_nothing(&open).await;
    of_many_that_use_a_ticket_at_once_one_does(&open).await;
    ending_a_users_sessions_voids_the_users_tickets(&open).await;
    claims_of_a_session_come_before_those_of_the_account(&open).await;
    the_live_are_listed_whoever_they_are(&open).await;
    those_that_ended_are_found_by_when(&open).await;
}

async fn keys_are_swapped_by_who_has_seen_the_last_ones<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    store.ping().await.unwrap();
    let KeySet { version: empty, keys, .. } = store.read_keys().await.unwrap();
    assert!(keys.is_empty());
    let first = vec![key("c", KeyState::Current), key("n", KeyState::Next)];
    assert!(store.swap_keys(&empty, first).await.unwrap());
    assert!(!store.swap_keys(&empty, vec![key("x", KeyState::Current)]).await.unwrap());
    drop(store);

    let store = open().await;
    let KeySet { version, keys, .. } = store.read_keys().await.unwrap();
    assert_ne!(version, empty);
    assert_eq!(shape(&keys), [("c", KeyState::Current), ("n", KeyState::Next)]);
    let (current, next) = (&keys[0], &keys[1]);
    assert_eq!((current.private.expose(), current.is_sealed), (&vec![7; 32], false));
    assert_eq!((next.private.expose(), next.is_sealed), (&vec![7; 60], true));
    assert_eq!((current.public.as_slice(), current.algorithm.as_str()), (&[8; 32][..], "EdDSA"));
    assert_eq!((current.created_at, current.changed_at), (T0, T0 + 5));

    // The same keys in other states, and one more: the unique states never stand in the way.
    let rotated = vec![key("n", KeyState::Current), key("c", KeyState::Retired), key("n2", KeyState::Next)];
    assert!(store.swap_keys(&version, rotated).await.unwrap());
    for seen in [&version, &empty, &KeySetVersion("never".to_owned())] {
        assert!(!store.swap_keys(seen, vec![key("x", KeyState::Current)]).await.unwrap());
        assert!(!store.swap_keys(seen, Vec::new()).await.unwrap());
    }
    drop(store);
    let after = open().await.read_keys().await.unwrap().keys;
    let now = [("n", KeyState::Current), ("n2", KeyState::Next), ("c", KeyState::Retired)];
    assert_eq!(shape(&after), now, "a lost race changes nothing");
}

async fn a_set_that_cannot_be_kept_changes_nothing<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let before = store.read_keys().await.unwrap();
    let (current, next) = (KeyState::Current, KeyState::Next);
    for impossible in [
        vec![key("a", current), key("b", current)],
        vec![key("a", current), key("b", next), key("c", next)],
        vec![key("a", current), key("a", KeyState::Retired)],
        vec![key("a", current), StoredKey { created_at: u64::MAX, ..key("b", next) }],
    ] {
        assert!(store.swap_keys(&before.version, impossible).await.is_err());
    }
    drop(store);
    let store = open().await;
    let after = store.read_keys().await.unwrap();
    assert_eq!(after.version, before.version, "the version stands as well");
    assert_eq!(shape(&after.keys), shape(&before.keys));
    assert!(store.swap_keys(&before.version, before.keys).await.unwrap());
    assert_eq!(shape(&store.read_keys().await.unwrap().keys), shape(&after.keys));
}

pub(crate) async fn of_many_that_swap_at_once_one_does<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let stores = [open().await, open().await];
    for round in 0..10 {
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let store = Arc::clone(&stores[number % 2]);
                tokio::spawn(async move {
                    let KeySet { version, .. } = store.read_keys().await.unwrap();
                    let kid = format!("r{round}s{number}");
                    let keys = vec![key(&kid, KeyState::Current), key(&format!("{kid}n"), KeyState::Next)];
                    // Whoever has seen the set before another changed it loses.
                    (version.clone(), store.swap_keys(&version, keys).await.unwrap(), kid)
                })
            })
            .collect();
        let mut swaps = Vec::new();
        for task in tasks {
            swaps.push(task.await.unwrap());
        }
        let won: Vec<_> = swaps.iter().filter(|(_, won, _)| *won).collect();
        let mut seen: Vec<_> = won.iter().map(|(KeySetVersion(seen), ..)| seen).collect();
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), won.len(), "no version was followed by two: {swaps:?}");
        assert!(!won.is_empty());
        let KeySet { keys, .. } = stores[0].read_keys().await.unwrap();
        let current = keys.iter().find(|key| key.state == KeyState::Current).unwrap();
        assert!(won.iter().any(|(_, _, kid)| *kid == current.kid));
        assert_eq!(shape(&keys)[1].0, format!("{}n", current.kid), "the keys of one, and of no other");
        assert_eq!(keys.len(), 2);
    }
}

fn shape(keys: &[StoredKey]) -> Vec<(&str, KeyState)> {
    keys.iter().map(|key| (key.kid.as_str(), key.state)).collect()
}

async fn accounts_are_kept_and_addresses_are_unique<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "ada@example.test").await;
    let again = store.add_account(account("ada@example.test")).await;
    assert!(matches!(again, Err(StoreError::EmailTaken)));
    drop(store);
    let store = open().await;
    let found = store.find_account("ada@example.test").await.unwrap().unwrap();
    assert_eq!(found.user, user);
    assert_eq!(found.password_hash.expose(), "$hash");
    assert!(store.find_account("ADA@example.test").await.unwrap().is_none());
    assert!(store.find_account("'; DROP TABLE users; --").await.unwrap().is_none());
    assert!(store.list_users().await.unwrap().contains(&user));
}

async fn a_session_is_found_by_its_hash_with_its_user<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "found@example.test").await;
    let (session, secret) = open_session(&*store, &user, T0).await;
    drop(store);
    let store = open().await;
    let found = store.find_session(&secret).await.unwrap().unwrap();
    assert_eq!(found.session, session);
    assert_eq!(found.claims, Claims::from(user));
    assert!(store.find_session(&SecretHash([0; 32])).await.unwrap().is_none());
}

async fn signing_in_ends_the_session_before<O: Future<Output = Arc<dyn Store>>>(open: &impl Fn() -> O) {
    let store = open().await;
    let user = add_user(&*store, "replace@example.test").await;
    let (_, old) = open_session(&*store, &user, T0).await;
    let (session, secret) = session(&user, T0 + 5);
    let new = NewSession { session, secret, credentials: 0, replaces: Some(old) };
    assert!(store.open_session(new).await.unwrap());
    drop(store);
    let store = open().await;
    assert_eq!(ended_at(&*store, &old).await, Some(T0 + 5));
    assert_eq!(ended_at(&*store, &secret).await, None);
}

async fn no_session_opens_for_credentials_that_have_changed<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "passwd@example.test").await;
    let (_, old) = open_session(&*store, &user, T0).await;
    assert!(store.set_password(&user.id, Secret::new("$new".to_owned()), T0 + 9).await.unwrap());
    assert!(!store.set_password(&UserId::random(), Secret::new("$new".to_owned()), T0).await.unwrap());
    assert_eq!(ended_at(&*store, &old).await, Some(T0 + 9), "a new password ends the user's sessions");

    let (stale, secret) = session(&user, T0);
    let live = open_with(&*store, &user, 1).await;
    let new = NewSession { session: stale, secret, credentials: 0, replaces: Some(live) };
    assert!(!store.open_session(new).await.unwrap());
    assert!(store.find_session(&secret).await.unwrap().is_none());
    assert_eq!(ended_at(&*store, &live).await, None, "nothing is changed then");

    drop(store);
    let account = open().await.find_account("passwd@example.test").await.unwrap().unwrap();
    assert_eq!((account.password_hash.expose().as_str(), account.credentials), ("$new", 1));
}

async fn ending_is_for_good_and_keeps_its_first_time<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "end@example.test").await;
    let (session, secret) = open_session(&*store, &user, T0).await;
    assert!(store.end_session(&session.id, None, T0 + 1).await.unwrap());
    assert!(store.end_session(&session.id, None, T0 + 2).await.unwrap());
    assert!(!store.end_session(&SessionId::random(), None, T0).await.unwrap());
    drop(store);
    assert_eq!(ended_at(&*open().await, &secret).await, Some(T0 + 1));
}

async fn ending_is_limited_to_the_user_named<O: Future<Output = Arc<dyn Store>>>(open: &impl Fn() -> O) {
    let store = open().await;
    let user = add_user(&*store, "mine@example.test").await;
    let other = add_user(&*store, "theirs@example.test").await;
    let (session, secret) = open_session(&*store, &user, T0).await;
    assert!(!store.end_session(&session.id, Some(&other.id), T0).await.unwrap());
    assert_eq!(ended_at(&*store, &secret).await, None);
    assert!(store.end_session(&session.id, Some(&user.id), T0).await.unwrap());
    assert_eq!(ended_at(&*store, &secret).await, Some(T0));
}

async fn ending_the_others_spares_one_and_other_users<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "others@example.test").await;
    let other = add_user(&*store, "bystander@example.test").await;
    let (kept, kept_secret) = open_session(&*store, &user, T0).await;
    let (_, first) = open_session(&*store, &user, T0 + 1).await;
    let (_, second) = open_session(&*store, &user, T0 + 2).await;
    let (_, bystander) = open_session(&*store, &other, T0).await;
    assert_eq!(store.end_sessions(&user.id, Some(&kept.id), T0 + 3).await.unwrap(), 2);
    assert_eq!(ended_at(&*store, &kept_secret).await, None);
    assert_eq!(ended_at(&*store, &first).await, Some(T0 + 3));
    assert_eq!(ended_at(&*store, &second).await, Some(T0 + 3));
    assert_eq!(ended_at(&*store, &bystander).await, None);
    let listed: Vec<_> = store.list_sessions(&user.id).await.unwrap();
    let opened: Vec<_> = listed.iter().map(|session| session.created_at).collect();
    assert_eq!(opened, [T0 + 2, T0 + 1, T0], "the latest first, the ended ones too");
    assert_eq!(store.end_sessions(&user.id, None, T0 + 4).await.unwrap(), 1);
    assert_eq!(ended_at(&*store, &kept_secret).await, Some(T0 + 4));
}

async fn activity_only_moves_forward_and_only_for_the_living<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "active@example.test").await;
    let (live, live_secret) = open_session(&*store, &user, T0).await;
    let (dead, dead_secret) = open_session(&*store, &user, T0).await;
    store.end_session(&dead.id, None, T0 + 1).await.unwrap();
    let batch = vec![(live.id.clone(), T0 + 50), (dead.id, T0 + 50), (SessionId::random(), T0)];
    store.record_activity(batch).await.unwrap();
    store.record_activity(vec![(live.id, T0 + 20)]).await.unwrap();
    store.record_activity(Vec::new()).await.unwrap();
    drop(store);
    let store = open().await;
    let last_active =
        async |secret| store.find_session(secret).await.unwrap().unwrap().session.last_active_at;
    assert_eq!(last_active(&live_secret).await, T0 + 50);
    assert_eq!(last_active(&dead_secret).await, T0);
}

async fn pruning_forgets_what_is_long_over_and_nothing_else<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "prune@example.test").await;
    let mut old = Vec::new();
    for _ in 0..3 {
        old.push(open_session(&*store, &user, T0 - 100 * HOUR).await.1);
    }
    let (revoked, revoked_secret) = open_session(&*store, &user, T0).await;
    store.end_session(&revoked.id, None, T0 + 1).await.unwrap();
    assert_eq!(store.prune_sessions(T0 - 99 * HOUR + 1).await.unwrap(), 3);
    assert_eq!(store.prune_sessions(T0 - 99 * HOUR + 1).await.unwrap(), 0);
    for secret in &old {
        assert!(store.find_session(secret).await.unwrap().is_none());
    }
    assert_eq!(ended_at(&*store, &revoked_secret).await, Some(T0 + 1), "still known as revoked");
}

async fn writes_are_seen_by_every_opener_at_once<O: Future<Output = Arc<dyn Store>>>(open: &impl Fn() -> O) {
    let (one, other) = (open().await, open().await);
    let user = add_user(&*one, "two@example.test").await;
    for _ in 0..20 {
        let (session, secret) = open_session(&*one, &user, T0).await;
        assert_eq!(ended_at(&*other, &secret).await, None);
        assert!(other.end_session(&session.id, None, T0 + 1).await.unwrap());
        assert_eq!(ended_at(&*one, &secret).await, Some(T0 + 1));
    }
}

async fn many_at_once_all_succeed<O: Future<Output = Arc<dyn Store>>>(open: &impl Fn() -> O) {
    let (one, other) = (open().await, open().await);
    let user = add_user(&*one, "many@example.test").await;
    let tasks: Vec<_> = (0..64)
        .map(|n| {
            let (store, user) = (Arc::clone(if n % 2 == 0 { &one } else { &other }), user.clone());
            tokio::spawn(async move {
                let (session, secret) = open_session(&*store, &user, T0 + n).await;
                assert_eq!(store.find_session(&secret).await.unwrap().unwrap().session, session);
                assert!(store.end_session(&session.id, Some(&user.id), T0 + 100).await.unwrap());
                assert_eq!(ended_at(&*store, &secret).await, Some(T0 + 100));
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(one.list_sessions(&user.id).await.unwrap().len(), 64);
}

async fn credentials_are_found_by_their_hash_until_they_are_removed<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let made: Vec<_> = (0..3)
        .map(|n| Credential {
            id: CredentialId::random(),
            scope: if n == 1 { Scope::Feed } else { Scope::Admin },
            name: format!("Ω {n}"),
            created_at: T0 + n,
        })
        .collect();
    for (n, credential) in made.iter().enumerate() {
        store.add_credential(credential.clone(), SecretHash([n as u8; 32])).await.unwrap();
    }
    assert!(store.add_credential(made[0].clone(), SecretHash([9; 32])).await.is_err(), "an id is one's own");
    drop(store);
    let (store, other) = (open().await, open().await);
    assert_eq!(store.list_credentials().await.unwrap(), made);
    assert_eq!(store.find_credential(&SecretHash([1; 32])).await.unwrap().as_ref(), Some(&made[1]));
    assert_eq!(store.find_credential(&SecretHash([9; 32])).await.unwrap(), None);
    assert!(other.remove_credential(&made[1].id).await.unwrap());
    assert!(!other.remove_credential(&made[1].id).await.unwrap());
    assert_eq!(store.find_credential(&SecretHash([1; 32])).await.unwrap(), None);
    assert_eq!(store.list_credentials().await.unwrap(), [made[0].clone(), made[2].clone()]);
}

async fn a_ticket_opens_one_session_with_its_claims<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "before@example.test").await;
    let (_, old) = open_session(&*store, &user, T0).await;
    let (ticket, hash) = add_ticket(&*store, "auth0|7", T0 + 60_000).await;
    drop(store);
    let store = open().await;
    assert_eq!(store.find_ticket(&hash).await.unwrap().as_ref(), Some(&ticket));
    assert_eq!(store.find_ticket(&SecretHash([0; 32])).await.unwrap(), None);
    let (session, secret) = session_of(&ticket.user, T0 + 59_999);
    let redemption = Redemption { ticket: hash, session: session.clone(), secret, replaces: Some(old) };
    assert!(store.redeem_ticket(redemption).await.unwrap());
    drop(store);
    let store = open().await;
    let found = store.find_session(&secret).await.unwrap().unwrap();
    assert_eq!((found.session, found.claims), (session.clone(), ticket.claims.clone()));
    assert_eq!(ended_at(&*store, &old).await, Some(T0 + 59_999));
    assert_eq!(store.list_sessions(&ticket.user).await.unwrap(), std::slice::from_ref(&session));

    assert_eq!(store.find_ticket(&hash).await.unwrap(), None, "it is used up");
    let (_, live) = open_session(&*store, &user, T0).await;
    let (again, second) = session_of(&ticket.user, T0);
    let replay = Redemption { ticket: hash, session: again, secret: second, replaces: Some(live) };
    assert!(!store.redeem_ticket(replay).await.unwrap());
    assert!(store.find_session(&second).await.unwrap().is_none());
    assert_eq!(ended_at(&*store, &live).await, None, "a replay changes nothing");
    assert!(store.end_session(&session.id, Some(&ticket.user), T0 + 60_000).await.unwrap());
    assert_eq!(ended_at(&*store, &secret).await, Some(T0 + 60_000));
}

async fn a_ticket_that_is_not_good_changes_nothing<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "expired@example.test").await;
    let (_, live) = open_session(&*store, &user, T0).await;
    let (ticket, hash) = add_ticket(&*store, "expired", T0 + 60_000).await;
    let stranger = UserId::parse("stranger").unwrap();
    for (user, now) in [(&ticket.user, T0 + 60_000), (&ticket.user, T0 + HOUR), (&stranger, T0)] {
        let (session, secret) = session_of(user, now);
        let late = Redemption { ticket: hash, session, secret, replaces: Some(live) };
        assert!(!store.redeem_ticket(late).await.unwrap());
        assert!(store.find_session(&secret).await.unwrap().is_none());
        assert_eq!(ended_at(&*store, &live).await, None);
    }
    assert!(store.find_ticket(&hash).await.unwrap().is_some(), "whoever came for another has not used it up");
    assert_eq!(store.prune_tickets(T0 + 60_000).await.unwrap(), 0);
    assert_eq!(store.prune_tickets(T0 + 60_001).await.unwrap(), 1);
    assert_eq!(store.find_ticket(&hash).await.unwrap(), None);
}

pub(crate) async fn of_many_that_use_a_ticket_at_once_one_does<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let stores = [open().await, open().await];
    for round in 0..10 {
        let (ticket, hash) = add_ticket(&*stores[0], &format!("race{round}"), T0 + 60_000).await;
        let tasks: Vec<_> = (0..8)
            .map(|number| {
                let (store, user) = (Arc::clone(&stores[number % 2]), ticket.user.clone());
                tokio::spawn(async move {
                    let (session, secret) = session_of(&user, T0);
                    let new = Redemption { ticket: hash, session, secret, replaces: None };
                    store.redeem_ticket(new).await.unwrap()
                })
            })
            .collect();
        let mut opened = 0;
        for task in tasks {
            opened += u32::from(task.await.unwrap());
        }
        assert_eq!(opened, 1);
        assert_eq!(stores[0].list_sessions(&ticket.user).await.unwrap().len(), 1);
    }
}

async fn ending_a_users_sessions_voids_the_users_tickets<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "void@example.test").await;
    let (other, bystander) = add_ticket(&*store, "bystander", T0 + 60_000).await;
    for round in 0..2 {
        let (_, hash) = add_ticket(&*store, user.id.as_str(), T0 + 60_000).await;
        if round == 0 {
            store.end_sessions(&user.id, None, T0).await.unwrap();
        } else {
            assert!(store.set_password(&user.id, Secret::new("$new".to_owned()), T0).await.unwrap());
        }
        assert_eq!(store.find_ticket(&hash).await.unwrap(), None);
    }
    assert_eq!(store.find_ticket(&bystander).await.unwrap(), Some(other));
}

async fn claims_of_a_session_come_before_those_of_the_account<O: Future<Output = Arc<dyn Store>>>(
    open: &impl Fn() -> O,
) {
    let store = open().await;
    let user = add_user(&*store, "claims@example.test").await;
    let (session, secret) = open_session(&*store, &user, T0).await;
    let (_, other) = open_session(&*store, &user, T0).await;
    let roles = ClaimsPatch { roles: Some(vec!["owner".to_owned()]), ..ClaimsPatch::default() };
    assert!(store.set_claims(&session.id, roles.clone()).await.unwrap());
    let of_account = Claims::from(user);
    let expected = Claims { roles: vec!["owner".to_owned()], ..of_account.clone() };
    let claims = async |store: &dyn Store, secret| store.find_session(secret).await.unwrap().unwrap().claims;
    assert_eq!(claims(&*store, &secret).await, expected, "what was not named is as before");
    let all =
        ClaimsPatch { permissions: Some(Vec::new()), own: Some(serde_json::Map::new()), ..roles.clone() };
    assert!(store.set_claims(&session.id, all).await.unwrap());
    drop(store);
    let store = open().await;
    let expected = Claims { roles: vec!["owner".to_owned()], ..Claims::default() };
    assert_eq!(claims(&*store, &secret).await, expected);
    assert_eq!(claims(&*store, &other).await, of_account, "the user's other session has the account's");
    assert!(!store.set_claims(&SessionId::random(), roles.clone()).await.unwrap());
    store.end_session(&session.id, None, T0 + 1).await.unwrap();
    assert!(!store.set_claims(&session.id, roles).await.unwrap(), "it has ended");
}

async fn the_live_are_listed_whoever_they_are<O: Future<Output = Arc<dyn Store>>>(open: &impl Fn() -> O) {
    let store = open().await;
    let user = add_user(&*store, "live@example.test").await;
    let late = T0 + 1000 * HOUR;
    let (with_account, _) = open_session(&*store, &user, late).await;
    let (ended, _) = open_session(&*store, &user, late).await;
    store.end_session(&ended.id, None, late).await.unwrap();
    let (ticket, hash) = add_ticket(&*store, "live", late + 60_000).await;
    let (without, secret) = session_of(&ticket.user, late + 1);
    let new = Redemption { ticket: hash, session: without.clone(), secret, replaces: None };
    assert!(store.redeem_ticket(new).await.unwrap());
    assert_eq!(store.live_sessions(late + HOUR - 1).await.unwrap(), [without.clone(), with_account]);
    assert_eq!(store.live_sessions(late + HOUR).await.unwrap(), [without]);
    assert_eq!(store.live_sessions(late + HOUR + 1).await.unwrap(), []);
}

async fn those_that_ended_are_found_by_when<O: Future<Output = Arc<dyn Store>>>(open: &impl Fn() -> O) {
    let (one, other) = (open().await, open().await);
    let user = add_user(&*one, "ended@example.test").await;
    let late = T0 + 2000 * HOUR;
    let mut ended = Vec::new();
    for at in [late + 2, late, late + 1] {
        let (session, _) = open_session(&*one, &user, late).await;
        assert!(one.end_session(&session.id, None, at).await.unwrap());
        ended.push((session.id, at));
    }
    open_session(&*one, &user, late).await;
    ended.sort_by_key(|(_, at)| *at);
    assert_eq!(other.ended_sessions(late).await.unwrap(), ended);
    assert_eq!(other.ended_sessions(late + 1).await.unwrap(), ended[1..]);
    assert_eq!(other.ended_sessions(late + 3).await.unwrap(), []);
}

/// A ticket, and its hash.
pub(crate) async fn add_ticket(store: &dyn Store, user: &str, expires_at: u64) -> (Ticket, SecretHash) {
    let own = json!({ "plan": "Ω", "nested": { "a": [1, null] } });
    let claims = Claims {
        roles: vec!["editor".to_owned()],
        permissions: vec!["posts:write".to_owned()],
        own: own.as_object().cloned().unwrap(),
    };
    let ticket = Ticket { user: UserId::parse(user).unwrap(), claims, expires_at };
    let (_, hash) = session_of(&ticket.user, T0);
    store.add_ticket(ticket.clone(), hash).await.unwrap();
    (ticket, hash)
}

pub(crate) async fn add_user(store: &dyn Store, email: &str) -> User {
    let account = account(email);
    let user = account.user.clone();
    store.add_account(account).await.unwrap();
    user
}

fn account(email: &str) -> Account {
    let claims = json!({ "name": "Ada \"L\" Ω", "nested": { "a": [1, null] } });
    Account {
        user: User {
            id: UserId::random(),
            email: email.to_owned(),
            roles: vec!["clerk".to_owned()],
            permissions: vec!["orders:refund".to_owned(), "ü".to_owned()],
            claims: claims.as_object().cloned().unwrap(),
            created_at: T0,
        },
        password_hash: Secret::new("$hash".to_owned()),
        credentials: 0,
    }
}

pub(crate) fn session(user: &User, now: u64) -> (Session, SecretHash) {
    session_of(&user.id, now)
}

pub(crate) fn session_of(user: &UserId, now: u64) -> (Session, SecretHash) {
    let id = SessionId::random();
    let mut secret = [0; 32];
    secret.copy_from_slice(id.as_str().as_bytes());
    let session = Session {
        id,
        user: user.clone(),
        created_at: now,
        last_active_at: now,
        expires_at: now + HOUR,
        ended_at: None,
        user_agent: Some("Browser/1.0".to_owned()),
    };
    (session, SecretHash(secret))
}

pub(crate) async fn open_session(store: &dyn Store, user: &User, now: u64) -> (Session, SecretHash) {
    let (session, secret) = session(user, now);
    let new = NewSession { session: session.clone(), secret, credentials: 0, replaces: None };
    assert!(store.open_session(new).await.unwrap());
    (session, secret)
}

async fn open_with(store: &dyn Store, user: &User, credentials: u64) -> SecretHash {
    let (session, secret) = session(user, T0);
    let new = NewSession { session, secret, credentials, replaces: None };
    assert!(store.open_session(new).await.unwrap());
    secret
}

pub(crate) async fn ended_at(store: &dyn Store, secret: &SecretHash) -> Option<u64> {
    store.find_session(secret).await.unwrap().unwrap().session.ended_at
}

/// A key; a next one is sealed.
pub(crate) fn key(kid: &str, state: KeyState) -> StoredKey {
    let is_sealed = state == KeyState::Next;
    StoredKey {
        kid: kid.to_owned(),
        algorithm: "EdDSA".to_owned(),
        private: Secret::new(vec![7; if is_sealed { 60 } else { 32 }]),
        is_sealed,
        public: vec![8; 32],
        state,
        created_at: T0,
        changed_at: T0 + 5,
    }
}
