//! The public keys.

use std::sync::Arc;

use axum::http::StatusCode;
use fiftyten_server::clock::SystemClock;
use fiftyten_server::store::{KeyState, SqliteStore, Store};
use fiftyten_server::{Config, Server};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{World, bare, decode};

const PATH: &str = "/auth/.well-known/jwks.json";

#[tokio::test]
async fn the_current_and_the_next_key_are_published_and_nothing_private() {
    let world = World::new().await;
    let answer = world.call(bare("GET", PATH).send()).await;
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    let set: Value = answer.json();
    let keys = set["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2);
    for key in keys {
        let mut members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"], "no d");
        assert_eq!(
            (&key["kty"], &key["crv"], &key["alg"]),
            (&"OKP".into(), &"Ed25519".into(), &"EdDSA".into())
        );
    }
    let (_, body) = world.sign_in().await;
    let (header, _) = decode(&body.token);
    let signs: Vec<_> = keys.iter().filter(|key| key["kid"] == header["kid"]).collect();
    assert_eq!(signs.len(), 1, "and the next one does not sign yet");
    let stored = world.store.sqlite.read_keys().await.unwrap().keys;
    let current = stored.iter().find(|key| key.state == KeyState::Current).unwrap();
    assert_eq!(header["kid"], current.kid);
}

#[tokio::test]
async fn the_keys_may_be_kept_for_five_minutes_and_asked_about_by_their_tag() {
    let world = World::new().await;
    let answer = world.call(bare("GET", PATH).send()).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let tag = answer.header("etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'));
    for same in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let answer = world.call(bare("GET", PATH).with("if-none-match", same).send()).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
        assert_eq!(answer.header("etag"), tag);
        assert!(answer.body.is_empty());
    }
    for other in ["\"x\"", "x", "", "\u{fc}"] {
        let answer = world.call(bare("GET", PATH).with("if-none-match", other).send()).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn servers_that_start_at_once_on_an_empty_store_sign_with_the_same_key() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("keys.db");
    let stores: Vec<_> = (0..4).map(|_| Arc::new(SqliteStore::open(&file).unwrap())).collect();
    let start = |store| Server::start(Config::default(), store, Arc::new(SystemClock));
    let servers = tokio::join!(
        start(Arc::clone(&stores[0]) as _),
        start(Arc::clone(&stores[1]) as _),
        start(Arc::clone(&stores[2]) as _),
        start(Arc::clone(&stores[3]) as _)
    );
    let published = |server: &Result<Server, _>| server.as_ref().ok().unwrap().published_keys().json;
    let first = published(&servers.0);
    assert_eq!(first, published(&servers.1));
    assert_eq!(first, published(&servers.2));
    assert_eq!(first, published(&servers.3));
    let later = start(Arc::clone(&stores[0]) as _).await;
    assert_eq!(first, published(&later), "and so does one that starts later");
}
