//! The public keys, and how they change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::http::StatusCode;
use fiftyten_server::clock::{Clock, SystemClock};
use fiftyten_server::connection::{self, Limits};
use fiftyten_server::key::{self, ChangeError, Demand, KeyError, MasterKeys, Refusal, SigningAlgorithm};
use fiftyten_server::protocol::RefreshBody;
use fiftyten_server::store::{KeyState, SqliteStore, Store, StoredKey};
use fiftyten_server::{Config, Server, StartError};
use fiftyten_verify::{Expect, JwksUrl, KeySet, Verifier, VerifyError};
use serde_json::Value;
use tempfile::TempDir;

use crate::world::{
    Answer, DAY, EMAIL, Fault, HOUR, MINUTE, PASSWORD, SECOND, TestStore, World, answer, bare, credentials,
    decode, post,
};

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

fn kid(body: &RefreshBody) -> String {
    decode(&body.token).0["kid"].as_str().unwrap().to_owned()
}

fn kids(answer: &Answer) -> BTreeSet<String> {
    answer.json::<Value>()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

fn masters(text: &str) -> Arc<MasterKeys> {
    Arc::new(MasterKeys::parse(text).unwrap())
}

fn sealed_under(text: &str) -> Config {
    Config { master_keys: masters(text), ..Config::default() }
}

/// Two master keys.
fn one() -> String {
    "5a".repeat(32)
}

fn other() -> String {
    "c3".repeat(32)
}

async fn stored(store: &dyn Store) -> Vec<StoredKey> {
    store.read_keys().await.unwrap().keys
}

impl World {
    async fn jwks(&self) -> Answer {
        self.call(bare("GET", PATH).send()).await
    }

    async fn change(&self, demand: Demand) -> Result<Vec<StoredKey>, ChangeError> {
        key::change(&*self.store.sqlite, self.server.config(), &demand, self.clock.now_ms()).await
    }

    fn verifier(&self, jwks: &Answer) -> Verifier {
        let expect = Expect::new(self.server.config().issuer(), self.server.config().audience());
        Verifier::from_jwks(&jwks.text(), expect.max_clock_skew(Duration::from_secs(1))).unwrap()
    }

    fn at(&self) -> std::time::SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.clock.now_ms())
    }

    /// Another server on the same database, with faults of its own.
    async fn second(&self) -> (Server, Arc<TestStore>) {
        let store = Arc::new(TestStore::new(&self.folder, Arc::clone(&self.clock)));
        let config = self.server.config().clone();
        let server = Server::start(config, Arc::clone(&store) as _, Arc::clone(&self.clock) as _).await;
        (server.unwrap(), store)
    }
}

#[tokio::test]
async fn after_thirty_days_the_next_key_signs_and_the_one_before_is_published_for_an_hour() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let (first, before) = (kid(&body), world.jwks().await);
    let mut expected: Vec<_> = kids(&before).into_iter().filter(|kid| *kid != first).collect();
    let second = expected.pop().unwrap();
    world.clock.advance(30 * DAY - 1);
    world.server.look_after_keys().await.unwrap();
    assert_eq!(world.jwks().await.text(), before.text(), "not a day too early");
    world.clock.advance(1);
    world.server.look_after_keys().await.unwrap();
    let after = world.jwks().await;
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(kids(&after).len(), 3);
    assert!(kids(&before).is_subset(&kids(&after)), "and a new one is published");

    let (_, body) = world.sign_in().await;
    assert_eq!(kid(&body), second, "the one that every verifier has known for long");
    for keys in [&before, &after] {
        world.verifier(keys).verify_at(&body.token, world.at()).unwrap();
    }
    world.clock.advance(HOUR + MINUTE - 1);
    world.server.look_after_keys().await.unwrap();
    assert!(kids(&world.jwks().await).contains(&first));
    world.clock.advance(1);
    world.server.look_after_keys().await.unwrap();
    assert!(!kids(&world.jwks().await).contains(&first));
    assert_eq!(world.refresh(&cookie).await.code(), "session_expired", "which has nothing to do with keys");
}

#[tokio::test]
async fn a_server_changes_the_keys_by_itself() {
    let world = World::new().await;
    let mut follow = world.server.follow_keys();
    world.clock.advance(30 * DAY);
    let changed = tokio::time::timeout(Duration::from_secs(60), follow.changed()).await;
    assert_eq!(changed.unwrap().unwrap(), world.server.published_keys());
    assert_eq!(stored(&*world.store.sqlite).await.len(), 3);
    world.server.close().await;
    assert!(follow.changed().await.is_none(), "there is nothing more to come");
}

#[tokio::test]
async fn es256_is_published_first_and_signs_at_the_next_rotation() {
    let world = World::new().await;
    let (_, first) = world.sign_in().await;
    world.store.fail(Fault::NoKeys); // the first server, which is for Ed25519, does not interfere
    let config = Config { key_algorithm: SigningAlgorithm::Es256, ..Config::default() };
    let server = Server::start(config, Arc::clone(&world.store.sqlite) as _, Arc::clone(&world.clock) as _)
        .await
        .unwrap();
    let call = async |request| answer(server.router(), request).await;
    world.clock.advance(11 * MINUTE);
    server.look_after_keys().await.unwrap();
    let set: Value = call(bare("GET", PATH).send()).await.json();
    let es256 = set["keys"].as_array().unwrap().iter().find(|key| key["alg"] == "ES256").unwrap();
    let mut members: Vec<_> = es256.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"], "no d");
    assert_eq!((&es256["kty"], &es256["crv"]), (&"EC".into(), &"P-256".into()));
    let still = call(post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD))).await.json();
    assert_eq!(kid(&still), kid(&first), "it does not sign yet");

    world.clock.advance(11 * MINUTE);
    world.change(Demand::Rotate).await.unwrap();
    server.look_after_keys().await.unwrap();
    let body: RefreshBody = call(post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD))).await.json();
    let (header, _) = decode(&body.token);
    assert_eq!(
        (&header["alg"], &header["kid"], &header["typ"]),
        (&"ES256".into(), &es256["kid"], &"session+jwt".into())
    );
    let verifier = world.verifier(&call(bare("GET", PATH).send()).await);
    verifier.verify_at(&body.token, world.at()).unwrap();
    let mut forged = body.token.clone();
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    assert_eq!(verifier.verify_at(&forged, world.at()).unwrap_err(), VerifyError::Signature);
}

#[tokio::test]
async fn an_emergency_is_over_on_every_server_after_thirty_seconds_at_the_latest() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let stolen = kid(&body);
    let (second, store) = world.second().await;
    let call = async |request| answer(second.router(), request).await;
    let refresh = || post("/auth/v1/refresh?reason=timer").cookie(&cookie).send();
    store.fail(Fault::NoKeys);

    let all_of_old = kids(&world.jwks().await);
    let new = world.change(Demand::Replace).await.unwrap();
    assert_eq!(new.len(), 2);
    assert!(new.iter().all(|key| !all_of_old.contains(&key.kid)), "the next one may be in other hands too");
    world.server.look_after_keys().await.unwrap();
    let refreshed: RefreshBody = world.refresh(&cookie).await.json();
    assert_eq!(refreshed.session, body.session, "the session stands");
    assert!(!kids(&world.jwks().await).contains(&stolen));

    // The other server is cut off from the keys, and knows nothing of it.
    world.clock.advance(30 * SECOND - 1);
    let late: RefreshBody = call(refresh()).await.json();
    assert_eq!(kid(&late), stolen);
    assert!(kids(&call(bare("GET", PATH).send()).await).contains(&stolen));
    world.clock.advance(1);
    for request in [
        refresh(),
        post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD)),
        bare("GET", PATH).send(),
        bare("GET", "/readyz").send(),
    ] {
        let refused = call(request).await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "never 401");
        assert_eq!(refused.code(), "unavailable");
        assert!(refused.headers.contains_key("retry-after") && !refused.headers.contains_key("set-cookie"));
    }
    // A verifier that fetches now refuses what the cut-off server has signed.
    let verifier = world.verifier(&world.jwks().await);
    assert_eq!(verifier.verify_at(&late.token, world.at()).unwrap_err(), VerifyError::UnknownKey);
    verifier.verify_at(&refreshed.token, world.at()).unwrap();

    store.fail(Fault::None);
    second.look_after_keys().await.unwrap();
    let body: RefreshBody = call(refresh()).await.json();
    assert_ne!(kid(&body), stolen);
    assert_eq!(body.session, refreshed.session);
}

#[tokio::test]
async fn a_verifier_learns_of_an_emergency_from_the_first_token_with_a_new_key() {
    let world = World::new().await;
    // The verifier reads the true time.
    let today = UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    world.clock.advance(today.wrapping_sub(world.clock.now_ms()));
    let (cookie, before) = world.sign_in().await;
    let listener = connection::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let never = std::future::pending();
    let served = tokio::spawn(connection::serve(listener, world.router(), Limits::default(), never));
    let expect = Expect::new(world.server.config().issuer(), world.server.config().audience());
    let url = JwksUrl::new(url).cool_down(Duration::ZERO);
    let verifier = Verifier::from_jwks_url(url, expect).await.unwrap();
    verifier.verify_or_fetch(&before.token).await.unwrap();

    world.change(Demand::Replace).await.unwrap();
    world.server.look_after_keys().await.unwrap();
    verifier.verify_or_fetch(&before.token).await.expect("until it has fetched the keys");
    let after: RefreshBody = world.refresh(&cookie).await.json();
    verifier.verify_or_fetch(&after.token).await.expect("no token with a new key is refused");
    assert_eq!(verifier.verify_or_fetch(&before.token).await.unwrap_err(), VerifyError::UnknownKey);
    served.abort();
}

#[tokio::test]
async fn keys_that_are_too_old_are_read_when_they_are_needed() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    world.change(Demand::Replace).await.unwrap();
    world.clock.advance(30 * SECOND);
    let refreshed: RefreshBody = world.refresh(&cookie).await.json();
    assert_ne!(kid(&refreshed), kid(&body), "without waiting for the next look");
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_no_old_keys_young() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    world.change(Demand::Replace).await.unwrap();
    world.clock.advance(0_u64.wrapping_sub(5 * SECOND));
    let refreshed: RefreshBody = world.refresh(&cookie).await.json();
    assert_ne!(kid(&refreshed), kid(&body));
}

#[tokio::test]
async fn a_key_is_not_rotated_to_before_everyone_knows_it_and_the_one_that_signs_is_not_withdrawn() {
    let world = World::new().await;
    world.clock.advance(11 * MINUTE - 1);
    let refused = world.change(Demand::Rotate).await.unwrap_err();
    let at = world.clock.now_ms() + 1;
    assert!(matches!(refused, ChangeError::Refused(Refusal::TooEarly(moment)) if moment == at), "{refused}");
    let keys = stored(&*world.store.sqlite).await;
    let in_state = |state| keys.iter().find(|key| key.state == state).unwrap().kid.clone();
    let refused = world.change(Demand::Withdraw(in_state(KeyState::Current))).await;
    assert!(matches!(refused, Err(ChangeError::Refused(Refusal::Signs))));
    let refused = world.change(Demand::Withdraw("nobody".to_owned())).await;
    assert!(matches!(refused, Err(ChangeError::Refused(Refusal::Unknown))));

    let next = in_state(KeyState::Next);
    world.change(Demand::Withdraw(next.clone())).await.unwrap();
    world.server.look_after_keys().await.unwrap();
    let published = kids(&world.jwks().await);
    assert!(!published.contains(&next) && published.contains(&in_state(KeyState::Current)));
    world.clock.advance(1);
    assert!(world.change(Demand::Rotate).await.is_err(), "another one, which has to wait for its own time");
    world.clock.advance(11 * MINUTE);
    world.change(Demand::Rotate).await.unwrap();
}

#[tokio::test]
async fn under_a_master_key_no_private_key_is_in_the_store_and_the_tokens_are_good() {
    let world = World::with(sealed_under(&one())).await;
    let (_, body) = world.sign_in().await;
    world.verifier(&world.jwks().await).verify_at(&body.token, world.at()).unwrap();
    for key in stored(&*world.store.sqlite).await {
        assert!(key.is_sealed);
        assert_eq!(key.private.expose().len(), 12 + 32 + 16, "nonce, key, tag");
    }
    world.clock.advance(30 * DAY);
    world.server.look_after_keys().await.unwrap();
    let keys = stored(&*world.store.sqlite).await;
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key.is_sealed));
}

#[tokio::test]
async fn with_a_wrong_master_key_or_none_a_server_does_not_start_and_changes_nothing() {
    let world = World::with(sealed_under(&one())).await;
    let before = world.store.sqlite.read_keys().await.unwrap();
    let clock: Arc<dyn Clock> = Arc::clone(&world.clock) as _;
    world.store.fail(Fault::NoKeys); // the server that has the master key changes nothing either
    world.clock.advance(30 * DAY);
    let start =
        async |config| Server::start(config, Arc::clone(&world.store.sqlite) as _, Arc::clone(&clock)).await;
    for (config, advice) in [
        (Config::default(), "give the one it was sealed under, with FIFTYTEN_MASTER_KEY or master_key_file"),
        (sealed_under(&other()), "sealed under another master key: give that one too"),
    ] {
        let error = start(config).await.err().unwrap();
        let said = error.to_string();
        assert!(said.contains(advice) && !said.contains('\n'), "{said}");
        assert!(matches!(error, StartError::Keys(KeyError::NoMasterKey(_) | KeyError::OtherMasterKey(_))));
    }
    assert_eq!(world.store.sqlite.read_keys().await.unwrap().version, before.version);
    start(sealed_under(&format!("{} {}", other(), one()))).await.unwrap();
    // Nor does a key sign that cannot be opened.
    let config = sealed_under(&other());
    let changed = key::change(&*world.store.sqlite, &config, &Demand::Rotate, clock.now_ms()).await;
    assert!(matches!(changed, Err(ChangeError::Keys(KeyError::OtherMasterKey(_)))));
    // Nor does the command line make keys that lie open beside those that are sealed.
    for demand in [Demand::Rotate, Demand::Replace] {
        let changed = key::change(&*world.store.sqlite, &Config::default(), &demand, clock.now_ms()).await;
        assert!(matches!(changed, Err(ChangeError::Keys(KeyError::NoMasterKey(_)))), "{demand:?}");
    }
    assert_eq!(world.store.sqlite.read_keys().await.unwrap().version, before.version);
    // A lost master key is an emergency, and this is the way out.
    key::change(&*world.store.sqlite, &config, &Demand::Replace, clock.now_ms()).await.unwrap();
    start(config).await.unwrap();
}

#[tokio::test]
async fn open_keys_are_sealed_by_command_and_a_master_key_is_changed_the_same_way() {
    let world = World::new().await;
    let (_, body) = world.sign_in().await;
    let sqlite = &*world.store.sqlite;
    let seal = async |config: &Config| key::change(sqlite, config, &Demand::Seal, world.clock.now_ms()).await;
    assert!(matches!(seal(&Config::default()).await, Err(ChangeError::NothingToSealWith)));
    let mut seen = BTreeSet::new();
    for config in [one(), format!("{} {}", other(), one()), other()].map(|text| sealed_under(&text)) {
        // A server that has the master key already works with keys that are not sealed under it.
        let server =
            Server::start(config.clone(), Arc::clone(&world.store) as _, Arc::clone(&world.clock) as _);
        let server = server.await.unwrap();
        let before = server.published_keys();
        let keys = seal(&config).await.unwrap();
        assert!(keys.iter().all(|key| key.is_sealed));
        seen.insert(keys.iter().map(|key| key.private.expose().clone()).collect::<Vec<_>>());
        server.look_after_keys().await.unwrap();
        assert_eq!(server.published_keys(), before, "the keys are the same");
        let signed =
            answer(server.router(), post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD))).await;
        assert_eq!(kid(&signed.json()), kid(&body));
    }
    assert_eq!(seen.len(), 2, "what is sealed under the first master key is left as it is");
}

#[tokio::test]
async fn a_server_without_the_master_key_goes_on_while_others_have_it_until_a_sealed_key_signs() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    let config = sealed_under(&one());
    let store = Arc::new(TestStore::new(&world.folder, Arc::clone(&world.clock)));
    let sealing = Server::start(config, store as _, Arc::clone(&world.clock) as _).await.unwrap();
    // The next key, once withdrawn, is made anew by the server that seals.
    let next =
        stored(&*world.store.sqlite).await.into_iter().find(|key| key.state == KeyState::Next).unwrap();
    let withdraw = Demand::Withdraw(next.kid);
    key::change(&*world.store.sqlite, sealing.config(), &withdraw, world.clock.now_ms()).await.unwrap();
    world.server.look_after_keys().await.unwrap();
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
    assert_eq!(kids(&world.jwks().await).len(), 2, "a key that it cannot open is published all the same");

    world.clock.advance(12 * MINUTE);
    assert!(world.change(Demand::Rotate).await.is_err(), "it has no use for a key that it cannot open");
    world.server.look_after_keys().await.unwrap();
    let rotate = key::change(&*world.store.sqlite, sealing.config(), &Demand::Rotate, world.clock.now_ms());
    rotate.await.unwrap();
    assert!(matches!(world.server.look_after_keys().await, Err(KeyError::NoMasterKey(_))));
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK, "by what it knows");
    world.clock.advance(30 * SECOND);
    assert_eq!(world.refresh(&cookie).await.code(), "unavailable", "and never a 401");
    sealing.look_after_keys().await.unwrap();
    let request = post("/auth/v1/refresh?reason=timer").cookie(&cookie).send();
    assert_eq!(answer(sealing.router(), request).await.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_of_an_earlier_version_are_kept_and_rotate() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("old.db");
    let old = rusqlite::Connection::open(&file).unwrap();
    old.execute_batch(include_str!("../../migrations/0001_start.sql")).unwrap();
    old.execute_batch("PRAGMA user_version = 1; PRAGMA application_id = 0x4654656e").unwrap();
    let now = SystemClock.now_ms();
    let mut kept = BTreeSet::new();
    for state in ["current", "next"] {
        let pair = key::KeyPair::generate(SigningAlgorithm::EdDsa);
        let insert = "INSERT INTO signing_keys VALUES (?1, 'EdDSA', ?2, ?3, ?4, ?5)";
        let (kid, private) = (pair.thumbprint(), pair.private());
        let parameters = rusqlite::params![kid, private.expose(), pair.public(), state, now - 31 * DAY];
        old.execute(insert, parameters).unwrap();
        kept.insert(kid);
    }
    drop(old);
    let store = Arc::new(SqliteStore::open(&file).unwrap());
    let server = Server::start(Config::default(), store.clone(), Arc::new(SystemClock)).await.unwrap();
    let published: KeySet = server.published_keys().json.parse().unwrap();
    assert_eq!(published.key_ids().map(str::to_owned).collect::<BTreeSet<_>>(), kept);
    server.look_after_keys().await.unwrap();
    let keys = stored(&*store).await;
    assert_eq!(keys.len(), 3, "their age counts from when they were made");
    assert!(kept.iter().all(|kid| keys.iter().any(|key| key.kid == *kid)));
}
