//! Server processes that share a PostgreSQL database.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fiftyten_server::clock::{Clock, SystemClock};
use fiftyten_server::protocol::RefreshBody;
use fiftyten_server::store::{PostgresStore, PostgresUrl, Store};
use fiftyten_server::{Config, Server, SessionId};

use crate::cluster::Cluster;
use crate::process::{PATIENCE, Process, failure, run};
use crate::world::{EMAIL, PASSWORD, add_user, answer, credentials, delete, get, post};

mod failover;
mod nginx;
mod outage;

/// A new database with one account.
fn database(cluster: &Cluster) -> String {
    let url = cluster.block_on(async |cluster| cluster.database().await);
    ok(&["user", "add", EMAIL, "--database", &url, "--password-stdin"], &format!("{PASSWORD}\n"));
    url
}

fn start(url: &str, flags: &[&str]) -> Process {
    Process::start(Path::new(url), flags)
}

fn ok(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_one_server_revokes_the_other_refuses_at_the_next_refresh() {
    let cluster = Cluster::shared();
    let url = database(&cluster);
    let (one, other) = (start(&url, &[]), start(&url, &[]));
    let (mut here, mut there) = (one.client(), other.client());
    for _ in 0..5 {
        let reply = here.sign_in(EMAIL, PASSWORD).unwrap();
        assert_eq!(reply.status, 201, "{}", reply.body);
        let (cookie, session) = (reply.cookie(), reply.json()["session"]["id"].as_str().unwrap().to_owned());
        for client in [&mut here, &mut there] {
            let refreshed = client.refresh(&cookie).unwrap();
            assert_eq!(
                (refreshed.status, &refreshed.json()["session"]["id"]),
                (200, &session.as_str().into())
            );
        }
        let ended = there.call("DELETE", &format!("/auth/v1/sessions/{session}"), &cookie, "").unwrap();
        assert_eq!(ended.status, 204, "{}", ended.body);
        let refused = here.refresh(&cookie).unwrap();
        assert_eq!((refused.status, &refused.json()["code"]), (401, &"session_revoked".into()));
        assert_eq!(there.refresh(&cookie).unwrap().json()["code"], "session_revoked");
    }
}

#[test]
fn the_command_line_works_on_it_too() {
    let cluster = Cluster::shared();
    let url = database(&cluster);
    let server = start(&url, &[]);
    let mut client = server.client();
    let reply = client.sign_in(EMAIL, PASSWORD).unwrap();
    let (cookie, session) = (reply.cookie(), reply.json()["session"]["id"].as_str().unwrap().to_owned());
    assert!(ok(&["user", "list", "--database", &url], "").contains(EMAIL));
    assert!(ok(&["session", "list", EMAIL, "--database", &url], "").starts_with(&session));
    ok(&["session", "revoke", &session, "--database", &url], "");
    assert_eq!(client.refresh(&cookie).unwrap().json()["code"], "session_revoked");

    let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    ok(&["user", "passwd", EMAIL, "--database", &url], "second password\n");
    assert_eq!(client.refresh(&cookie).unwrap().json()["code"], "session_revoked");
    assert_eq!(client.sign_in(EMAIL, PASSWORD).unwrap().json()["code"], "invalid_credentials");
    assert_eq!(client.sign_in(EMAIL, "second password").unwrap().status, 201);
    assert_eq!(ok(&["keys", "list", "--database", &url], "").lines().count(), 2);

    let checked = ok(&["config", "check", "--database", &url], "");
    let shown = url.replace(&format!(":{}", crate::cluster::ENCODED), "");
    assert!(checked.contains(&format!("database = {shown}   (--database)")), "{checked}");
}

#[test]
fn while_postgres_is_stopped_the_answer_is_503_and_afterwards_the_sessions_stand() {
    let cluster = Cluster::start(&[]);
    let url = database(&cluster);
    let server = start(&url, &[]);
    let mut client = server.client();
    let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    assert_eq!(client.refresh(&cookie).unwrap().status, 200);
    for crashes in [false, true] {
        if crashes {
            cluster.crash()
        } else {
            cluster.stop()
        }
        for _ in 0..3 {
            let refused = client.refresh(&cookie).unwrap();
            assert_eq!((refused.status, &refused.json()["code"]), (503, &"unavailable".into()));
            assert!(refused.head.contains("retry-after: ") && !refused.head.contains("set-cookie"));
        }
        let signed_out = client.call("DELETE", "/auth/v1/session", &cookie, "").unwrap();
        assert_eq!(signed_out.status, 503, "{}", signed_out.body);
        assert_eq!(client.sign_in(EMAIL, PASSWORD).unwrap().status, 503);
        assert_eq!(client.call("GET", "/readyz", "", "").unwrap().status, 503);
        assert_eq!(client.call("GET", "/livez", "", "").unwrap().status, 204);
        cluster.go_on();
        assert_eq!(client.refresh(&cookie).unwrap().status, 200);
        assert_eq!(client.call("GET", "/readyz", "", "").unwrap().status, 204);
    }
    cluster.stop();
    let line = failure(&["serve", "--database", &url, "--listen", "127.0.0.1:0"]);
    assert!(line.starts_with("fiftyten-server: ") && line.contains("nothing listens there"), "{line}");
    assert!(!line.contains("canary"), "{line}");
}

#[test]
fn no_secret_is_in_the_log_even_at_its_most_talkative() {
    let cluster = Cluster::start(&[]);
    let url = database(&cluster);
    let server = start(&url, &["--log", "trace"]);
    let mut client = server.client();
    let reply = client.sign_in(EMAIL, PASSWORD).unwrap();
    let cookie = reply.cookie();
    assert_eq!(client.refresh(&cookie).unwrap().status, 200);
    ok(&["user", "list", "--database", &url], "");
    client.call("DELETE", "/auth/v1/session", &cookie, "").unwrap();
    cluster.stop();
    assert_eq!(client.refresh(&cookie).unwrap().status, 503);
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("executing statement") && log.contains("[hidden]"), "it does log: {log}");
    let session = reply.json()["session"]["id"].as_str().unwrap().to_owned();
    for secret in ["canary", PASSWORD, EMAIL, "argon2id", &session, cookie.split_once('=').unwrap().1] {
        assert!(!log.contains(secret), "{secret}");
    }
}

#[test]
fn eight_processes_start_at_once_on_an_empty_database_and_sign_with_one_key() {
    let cluster = Cluster::shared();
    let url = cluster.block_on(async |cluster| cluster.database().await);
    let began = Instant::now();
    let servers: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            thread::spawn(move || start(&url, &[]))
        })
        .collect();
    let servers: Vec<_> = servers.into_iter().map(|server| server.join().unwrap()).collect();
    assert!(began.elapsed() < Duration::from_secs(60));
    let mut published: Vec<_> = servers
        .iter()
        .map(|server| server.client().call("GET", "/auth/.well-known/jwks.json", "", "").unwrap().body)
        .collect();
    published.dedup();
    assert_eq!(published.len(), 1, "{published:?}");
}

#[test]
fn an_emergency_rotation_reaches_every_server_and_signs_nobody_out() {
    let cluster = Cluster::shared();
    let url = cluster.block_on(async |cluster| cluster.database().await);
    crate::key_commands::emergency(&url);
}

#[test]
fn neither_private_keys_nor_master_keys_are_in_the_log() {
    let cluster = Cluster::shared();
    let url = cluster.block_on(async |cluster| cluster.database().await);
    crate::key_commands::log_holds_no_key(&url, || {
        cluster.block_on(async |_| {
            let store = PostgresStore::open(&PostgresUrl::parse(&url).unwrap()).await.unwrap();
            store.read_keys().await.unwrap().keys
        })
    });
}

/// This machine's clock, off by some ms.
struct Off(AtomicI64);

impl Clock for Off {
    fn now_ms(&self) -> u64 {
        SystemClock.now_ms().saturating_add_signed(self.0.load(Ordering::SeqCst))
    }
}

#[test]
fn a_server_whose_clock_is_not_the_databases_gives_no_tokens_until_it_is() {
    Cluster::shared().block_on(async |cluster| {
        let url = PostgresUrl::parse(&cluster.database().await).unwrap();
        let open = async || Arc::new(PostgresStore::open(&url).await.unwrap());
        let clock = Arc::new(Off(AtomicI64::new(0)));
        let user = add_user(&*open().await, EMAIL).await;
        let server = Server::start(Config::default(), open().await, Arc::clone(&clock) as _).await.unwrap();
        let call = |request| answer(server.router(), request);
        let signed_in = call(post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD))).await;
        let cookie = signed_in.cookie();
        let session = signed_in.json::<RefreshBody>().session.id;
        let refresh = || call(post("/auth/v1/refresh?reason=timer").cookie(&cookie).send());
        assert_eq!(refresh().await.status, 200);

        for off_ms in [-3_600_000, -2_500, 2_500, 3_600_000, 40_000 * 86_400_000] {
            clock.0.store(off_ms, Ordering::SeqCst);
            // At once, and not only when the keys are read again: the other clock of this machine was not set.
            let refused = refresh().await;
            assert_eq!(
                (refused.status.as_u16(), refused.code().as_str()),
                (503, "unavailable"),
                "{off_ms} ms"
            );
            assert!(refused.headers.contains_key("retry-after"));
            assert_eq!(call(get("/readyz").send()).await.status, 503);
            assert_eq!(call(get("/auth/.well-known/jwks.json").send()).await.status, 503);
            assert_eq!(call(delete("/auth/v1/session").cookie(&cookie).send()).await.code(), "unavailable");
            let id = SessionId::parse(&session).unwrap();
            assert!(server.end_session(&id).await.unwrap_err().to_string().contains("the database's"));
            clock.0.store(0, Ordering::SeqCst);
            let again = async || match refresh().await.status.as_u16() {
                503 => None,
                status => Some(status),
            };
            assert_eq!(eventually(again).await, 200, "after {off_ms} ms");
        }

        // It starts all the same, and answers once the clock is right.
        clock.0.store(5_000, Ordering::SeqCst);
        let late = Server::start(Config::default(), open().await, Arc::clone(&clock) as _).await.unwrap();
        let refresh = || answer(late.router(), post("/auth/v1/refresh?reason=timer").cookie(&cookie).send());
        assert_eq!(refresh().await.status, 503);
        clock.0.store(0, Ordering::SeqCst);
        let again = async || match refresh().await {
            answer if answer.status == 503 => None,
            answer => Some(answer.json::<RefreshBody>().session.user),
        };
        assert_eq!(eventually(again).await, user.id.as_str());
    });
}

/// What `probe` finds, at the latest after some seconds.
async fn eventually<T>(probe: impl AsyncFn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        match probe().await {
            Some(found) => return found,
            None => assert!(began.elapsed() < PATIENCE, "it does not come"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
