//! Rotations, as servers and verifiers live through them: several servers over one store, each of which reads it
//! as rarely as it may, by clocks that differ, and verifiers whose keys are as old as they may be, or as new.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, UNIX_EPOCH};

use fiftyten_verify::{CacheLimits, Expect, Verifier, VerifyError};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::plan::{KEEP_MS, LEAD_MS, Plan};
use super::*;
use crate::claims::Claims;
use crate::clock::{Clock, ManualClock};
use crate::config::Config;
use crate::random::{SessionId, UserId};
use crate::store::{KeyState, PostgresStore, PostgresUrl, SqliteStore, Store};
use crate::token::Minter;
use std::sync::Arc;

#[allow(dead_code, reason = "not all that the tests use")]
#[path = "../../tests/cluster/mod.rs"]
mod cluster;

const T0: u64 = 1_800_000_000_127;
const SECOND: u64 = 1_000;

/// A verifier may keep the keys for their lifetime, and got them from a cache that had done so before.
const OLDEST_MS: u64 = 2 * 300 * SECOND;

/// A token's life is 60 s; this is its last moment by a clock that is exact.
const LAST_MS: u64 = 60 * SECOND - 1;

/// How far the servers' clocks are off, in ms. (Verifiers refuse tokens that are dated more than 5 s ahead.)
const OFF_MS: [i64; 3] = [0, 4_000, -4_000];

/// A clock that is off.
struct Off(Arc<ManualClock>, i64);

impl Clock for Off {
    fn now_ms(&self) -> u64 {
        self.0.now_ms().saturating_add_signed(self.1)
    }

    fn is_real(&self) -> bool {
        false
    }
}

/// A rotation as soon as one is allowed.
fn at_once(algorithm: SigningAlgorithm) -> Plan {
    Plan { algorithm, every_ms: 0, lead_ms: LEAD_MS, keep_ms: KEEP_MS }
}

/// A server, and those who believe what it publishes.
struct Server {
    keeper: Arc<Keeper>,
    clock: Arc<Off>,
    reads_at: u64,
    /// What it has published, each with the time from which on.
    published: VecDeque<(u64, String)>,
    /// Has what was published as long ago as is allowed, and what is published now.
    oldest: Verifier,
    freshest: Verifier,
}

impl Server {
    async fn start(plan: Plan, masters: &Arc<MasterKeys>, store: &Arc<dyn Store>, clock: Arc<Off>) -> Self {
        let keeper = Keeper::start_with(plan, masters, Arc::clone(store), Arc::clone(&clock) as _);
        let keeper = Arc::new(keeper.await.unwrap());
        let json = keeper.known().published().json.clone();
        let config = Config::default();
        let verifier = || {
            let expect = Expect::new(config.issuer(), config.audience());
            Verifier::from_jwks(&json, expect).unwrap().with_cache(CacheLimits::new())
        };
        let (oldest, freshest) = (verifier(), verifier());
        Self { keeper, clock, reads_at: 0, published: [(0, json)].into(), oldest, freshest }
    }

    /// Hands out what is published by now.
    fn publish(&mut self, now_ms: u64) {
        let json = self.keeper.known().published().json.clone();
        if self.published.back().is_none_or(|(_, last)| *last != json) {
            self.freshest.set_keys(json.parse().unwrap());
            self.published.push_back((now_ms, json));
        }
        let is_old = |entry: Option<&(u64, String)>| entry.is_some_and(|(at, _)| at + OLDEST_MS <= now_ms);
        while is_old(self.published.get(1)) {
            self.published.pop_front();
            self.oldest.set_keys(self.published[0].1.parse().unwrap());
        }
    }
}

#[derive(Debug, Default)]
struct Outcome {
    rotations: usize,
    tokens: usize,
    algorithms: BTreeSet<&'static str>,
    most_keys: usize,
    rejections: Vec<(VerifyError, String)>,
}

/// Lets `rotations` happen, and stops early at the first token that is refused.
async fn run(plan: Plan, rotations: usize, store: Arc<dyn Store>) -> Outcome {
    let clock = Arc::new(ManualClock::new(T0));
    let masters = Arc::new(MasterKeys::parse(&"5a".repeat(32)).unwrap());
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut servers = Vec::new();
    for off_ms in OFF_MS {
        let clock = Arc::new(Off(Arc::clone(&clock), off_ms));
        servers.push(Server::start(plan, &masters, &store, clock).await);
    }
    let minter = Arc::new(Minter::new(&Config::default()));
    let user = UserId::random();
    let (mut outcome, mut kids, mut live) = (Outcome::default(), BTreeSet::new(), VecDeque::new());
    while outcome.rotations < rotations && outcome.rejections.is_empty() {
        // All at once: some read, and make what is due, while all sign.
        let now_ms = clock.now_ms();
        let mut looks = JoinSet::new();
        let mut mints = JoinSet::new();
        for server in &mut servers {
            if server.reads_at <= now_ms {
                let keeper = Arc::clone(&server.keeper);
                looks.spawn(async move { keeper.look_after().await.unwrap() });
                server.reads_at = now_ms + 10 * SECOND + u64::from(random.next_u32()) % (20 * SECOND - 1);
            }
            let (keeper, minter, user) = (Arc::clone(&server.keeper), Arc::clone(&minter), user.clone());
            let dated_ms = server.clock.now_ms();
            mints.spawn(async move {
                let ring = keeper.fresh().await.unwrap();
                let body =
                    minter.mint(&ring, &user, &Claims::default(), &SessionId::random(), dated_ms).unwrap();
                let last_ms = dated_ms - dated_ms % 1000 + LAST_MS; // tokens are dated in whole seconds
                (body.token, last_ms, ring.kid().to_owned(), ring.signing().algorithm())
            });
        }
        let signed = mints.join_all().await;
        looks.join_all().await;
        for (token, last_ms, kid, algorithm) in signed {
            kids.insert(kid);
            outcome.algorithms.insert(algorithm.as_str());
            outcome.tokens += 1;
            live.push_back((now_ms, last_ms, token));
        }
        // The first key was no rotation.
        outcome.rotations = kids.len() - 1;

        // Each token is checked when it is new, and in its last moment.
        let step_ms = 1 + u64::from(random.next_u32()) % (20 * SECOND);
        for server in &mut servers {
            server.publish(now_ms);
            for (minted_at, last_ms, token) in &live {
                let dies_in_this_step = *last_ms < now_ms + step_ms;
                if *minted_at != now_ms && !dies_in_this_step {
                    continue;
                }
                let at_ms = if dies_in_this_step { *last_ms } else { now_ms };
                let at = UNIX_EPOCH + Duration::from_millis(at_ms);
                for (age, verifier) in [("oldest", &server.oldest), ("freshest", &server.freshest)] {
                    if let Err(error) = verifier.verify_at(token, at) {
                        outcome
                            .rejections
                            .push((error, format!("{age} keys, rotation {}", outcome.rotations)));
                    }
                }
            }
        }
        live.retain(|(_, last_ms, _)| *last_ms >= now_ms + step_ms);
        let set = store.read_keys().await.unwrap();
        assert_eq!(set.keys.iter().filter(|key| key.state == KeyState::Current).count(), 1);
        outcome.most_keys = outcome.most_keys.max(set.keys.len());

        // Half way, and one after the other, the servers are started anew with another algorithm.
        let half = rotations / 2;
        if outcome.rotations >= half && random.next_u32().is_multiple_of(40) {
            let place = random.next_u32() as usize % servers.len();
            let es256 = Plan { algorithm: SigningAlgorithm::Es256, ..plan };
            let clock = Arc::clone(&servers[place].clock);
            servers[place].keeper = Server::start(es256, &masters, &store, clock).await.keeper;
        }
        clock.advance(step_ms);
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_a_hundred_rotations_no_verifier_with_keys_as_old_as_allowed_refuses_a_token() {
    let folder = TempDir::new().unwrap();
    check(&run(at_once(SigningAlgorithm::EdDsa), 100, sqlite(&folder)).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nor_in_a_hundred_on_postgresql() {
    let cluster = cluster::Cluster::shared();
    let url = PostgresUrl::parse(&cluster.database().await).unwrap();
    let store = Arc::new(PostgresStore::open(&url).await.unwrap());
    check(&run(at_once(SigningAlgorithm::EdDsa), 100, store).await);
}

fn sqlite(folder: &TempDir) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(&folder.path().join("keys.db")).unwrap())
}

fn check(outcome: &Outcome) {
    assert!(outcome.rejections.is_empty(), "{outcome:?}");
    assert_eq!(outcome.rotations, 100);
    assert!(outcome.tokens > 10_000, "{} tokens", outcome.tokens);
    assert_eq!(outcome.algorithms.iter().copied().collect::<Vec<_>>(), ["ES256", "EdDSA"]);
    assert!(outcome.most_keys <= 8, "{} keys, and verifiers take 32", outcome.most_keys);
}

/// What the test above would say of plans that take less care.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lead_or_a_keep_that_is_too_short_refuses_tokens() {
    let plan = at_once(SigningAlgorithm::EdDsa);
    for (what, broken) in [
        ("a lead of one JWKS lifetime", Plan { lead_ms: 300 * SECOND, ..plan }),
        ("a lead that forgets that servers read every now and then", Plan { lead_ms: 600 * SECOND, ..plan }),
        ("a keep of one token's life", Plan { keep_ms: 60 * SECOND, ..plan }),
        ("no keep", Plan { keep_ms: 0, ..plan }),
    ] {
        let folder = TempDir::new().unwrap();
        let outcome = run(broken, 100, sqlite(&folder)).await;
        let (error, _) = outcome.rejections.first().unwrap_or_else(|| panic!("{what}: {outcome:?}"));
        assert_eq!(*error, VerifyError::UnknownKey, "{what}");
    }
}
