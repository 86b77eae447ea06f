//! What the stores' calls cost: SQLite in a file, and PostgreSQL on the same machine over loopback.
//!
//! `cargo bench -p fiftyten-server --bench store`. Times are medians of one run, on one database with 10,000
//! sessions; with many callers it is what all of them get done.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]
#![allow(clippy::print_stdout, reason = "a benchmark talks to its terminal")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use fiftyten_server::store::{
    Account, NewSession, PostgresStore, PostgresUrl, SecretHash, Session, SqliteStore, Store, User,
};
use fiftyten_server::{Secret, SessionId, UserId};

#[allow(dead_code, reason = "not all that the tests use")]
#[path = "../tests/cluster/mod.rs"]
mod cluster;

const SESSIONS: usize = 10_000;
const CALLERS: usize = 64;
const LONG: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() {
    let folder = tempfile::TempDir::new().unwrap();
    let sqlite = Arc::new(SqliteStore::open(&folder.path().join("bench.db")).unwrap());
    let cluster = cluster::Cluster::start(&[]);
    let url = PostgresUrl::parse(&cluster.database().await).unwrap();
    let postgres = Arc::new(PostgresStore::open(&url).await.unwrap());
    println!("                          SQLite     PostgreSQL");
    let (one, other) = (fill(&*sqlite).await, fill(&*postgres).await);
    let (a, b) = (read(&*sqlite, &one).await, read(&*postgres, &other).await);
    println!("read, one caller        {a:>8.1?}   {b:>10.1?}   the median");
    let (a, b) = (reads(sqlite.clone(), one.clone()).await, reads(postgres.clone(), other.clone()).await);
    println!("read, {CALLERS} callers        {a:>7.0}/s   {b:>9.0}/s   {:.2} of SQLite", b / a);
    let (a, b) = (end(&*sqlite, &one).await, end(&*postgres, &other).await);
    println!("revocation, one caller  {a:>8.1?}   {b:>10.1?}   the median, on the disk");
}

type Sessions = Vec<(SessionId, SecretHash)>;

async fn fill(store: &dyn Store) -> Arc<Sessions> {
    let user = User {
        id: UserId::random(),
        email: "ada@example.test".to_owned(),
        roles: vec!["clerk".to_owned()],
        permissions: Vec::new(),
        claims: serde_json::Map::new(),
        created_at: 1,
    };
    let password_hash = Secret::new("$hash".to_owned());
    store.add_account(Account { user: user.clone(), password_hash, credentials: 0 }).await.unwrap();
    let mut sessions = Sessions::new();
    for _ in 0..SESSIONS {
        let id = SessionId::random();
        let secret = SecretHash(id.as_str().as_bytes().try_into().unwrap());
        let session = Session {
            id: id.clone(),
            user: user.id.clone(),
            created_at: 1,
            last_active_at: 1,
            expires_at: u64::MAX >> 1,
            ended_at: None,
            user_agent: None,
        };
        let new = NewSession { session, secret, credentials: 0, replaces: None };
        assert!(store.open_session(new).await.unwrap());
        sessions.push((id, secret));
    }
    Arc::new(sessions)
}

/// How long one read takes where nothing else happens.
async fn read(store: &dyn Store, sessions: &Sessions) -> Duration {
    let mut times = Vec::new();
    for (_, secret) in sessions {
        let began = Instant::now();
        assert!(store.find_session(secret).await.unwrap().is_some());
        times.push(began.elapsed());
    }
    median(times)
}

/// How many reads a second many callers get done together.
async fn reads(store: Arc<dyn Store>, sessions: Arc<Sessions>) -> f64 {
    let began = Instant::now();
    let callers = (0..CALLERS).map(|caller| {
        let (store, sessions) = (Arc::clone(&store), Arc::clone(&sessions));
        tokio::spawn(async move {
            let mut count = 0;
            while began.elapsed() < LONG {
                let (_, secret) = &sessions[(caller * 997 + count * 31) % sessions.len()];
                assert!(store.find_session(secret).await.unwrap().is_some());
                count += 1;
            }
            count
        })
    });
    let mut all = 0;
    for caller in callers.collect::<Vec<_>>() {
        all += caller.await.unwrap();
    }
    all as f64 / began.elapsed().as_secs_f64()
}

async fn end(store: &dyn Store, sessions: &Sessions) -> Duration {
    let mut times = Vec::new();
    for (id, _) in &sessions[..500] {
        let began = Instant::now();
        assert!(store.end_session(id, None, 2).await.unwrap());
        times.push(began.elapsed());
    }
    median(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
