//! From the acknowledgement of a revocation to the refusal of the session's tokens, between real processes: the
//! time is printed (`cargo test -p fiftyten-server --test server revocation -- --nocapture`).

use std::net::TcpListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fiftyten_verify::{CacheLimits, Expect, OnSilence, RevocationFeed, Verifier, VerifyError};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::process::{Client, PATIENCE, Process, Reply, run};

/// What browsers see, whichever server they reach.
const PUBLIC: &str = "http://localhost:8080";

fn ok(arguments: &[&str]) -> String {
    let output = run(arguments, "");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

fn start(database: &str) -> Process {
    Process::start(Path::new(database), &["--public-url", PUBLIC, "--admin-listen", "127.0.0.1:0"])
}

/// The app's backend: its verifier, and its credential for the admin calls.
struct Backend {
    /// The feed is followed on it.
    _runtime: Runtime,
    verifier: Verifier,
    admin: String,
}

impl Backend {
    /// Follows `server`.
    fn new(database: &str, server: &Process, on_silence: OnSilence) -> Self {
        let credential = |scope| ok(&["credential", "add", "--database", database, "--scope", scope]);
        let runtime = Runtime::new().unwrap();
        let jwks = format!("http://{}/auth/.well-known/jwks.json", server.address);
        let url = format!("http://{}/v1/revocations", server.admin.unwrap());
        let feed = RevocationFeed::new(url, credential("feed")).on_silence(on_silence);
        let expect = Expect::new(format!("{PUBLIC}/auth"), PUBLIC);
        let verifier = runtime.block_on(async {
            let verifier = Verifier::from_jwks_url(jwks, expect).await.unwrap();
            verifier.with_cache(CacheLimits::new()).with_feed(feed).unwrap()
        });
        let backend = Self { _runtime: runtime, verifier, admin: credential("admin") };
        until("the feed is heard", || backend.verifier.feed().unwrap().is_current);
        backend
    }

    fn call(&self, server: &Process, method: &str, path: &str, body: &str) -> Reply {
        let mut client = Client::connect(server.admin.unwrap()).unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            self.admin,
            body.len()
        );
        client.send(&request).unwrap();
        client.reply().unwrap()
    }

    /// A new session's id and token, which this backend accepts.
    fn session(&self, server: &Process) -> (String, String) {
        let issued = self.call(server, "POST", "/v1/admin/tickets", r#"{"user":"ada"}"#);
        assert_eq!(issued.status, 201, "{}", issued.body);
        let body = format!(r#"{{"ticket":{}}}"#, issued.json()["ticket"]);
        let mut browser = Client::connect(server.address).unwrap();
        let request = format!(
            "POST /auth/v1/tickets HTTP/1.1\r\nhost: x\r\nx-fiftyten: 1\r\norigin: {PUBLIC}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        browser.send(&request).unwrap();
        let opened = browser.reply().unwrap();
        assert_eq!(opened.status, 201, "{}", opened.body);
        let opened = opened.json();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let (id, token) = (text(&opened["session"]["id"]), text(&opened["token"]));
        self.verifier.verify(&token).unwrap();
        (id, token)
    }

    /// How long this token is still accepted.
    fn refused_after(&self, token: &str) -> Duration {
        let acknowledged = Instant::now();
        loop {
            match self.verifier.verify(token) {
                Ok(_) => thread::sleep(Duration::from_millis(1)),
                Err(VerifyError::Revoked) => return acknowledged.elapsed(),
                Err(error) => panic!("{error}"),
            }
            assert!(acknowledged.elapsed() < PATIENCE, "it is still accepted");
        }
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "in {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Prints the times, and holds each to the promise.
fn within_a_second(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let (least, middle, most) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    eprintln!(
        "{what}: refused {least:.0?} to {most:.0?} after the acknowledgement, median {middle:.0?} of {}",
        times.len()
    );
    assert!(most < Duration::from_secs(1), "{what}: {times:?}");
}

#[test]
fn what_is_revoked_is_refused_within_a_second() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    let database = database.to_str().unwrap();
    let server = start(database);
    let backend = Backend::new(database, &server, OnSilence::FallBack);
    let (_, bystander) = backend.session(&server);
    let mut times = Vec::new();
    for number in 0..20 {
        let (session, token) = backend.session(&server);
        let path = format!("/v1/admin/sessions/{session}");
        assert_eq!(backend.call(&server, "DELETE", &path, "").status, 204);
        times.push(backend.refused_after(&token));
        thread::sleep(Duration::from_millis(number * 7)); // at any moment between two rounds
    }
    within_a_second("SQLite, by an admin call", times);
    let mut times = Vec::new();
    for _ in 0..5 {
        let (session, token) = backend.session(&server);
        ok(&["session", "revoke", &session, "--database", database]);
        times.push(backend.refused_after(&token));
    }
    within_a_second("SQLite, by the command line", times);
    backend.verifier.verify(&bystander).unwrap();
    let status = backend.verifier.feed().unwrap();
    assert_eq!((status.sessions, status.silences, status.unchecked), (25, 0, 0), "{status:?}");

    // An open stream does not keep the server from stopping.
    let began = Instant::now();
    server.signal("TERM");
    let (exit, log) = server.wait();
    assert!(exit.success() && began.elapsed() < Duration::from_secs(5), "{:?}: {log}", began.elapsed());
    until("the silence is noticed", || backend.verifier.feed().unwrap().silences == 1);
    backend.verifier.verify(&bystander).unwrap();
    assert_eq!(backend.verifier.feed().unwrap().unchecked, 1);
}

#[test]
fn what_one_server_revokes_is_refused_within_a_second_by_who_follows_another() {
    let cluster = Cluster::shared();
    let url = cluster.block_on(async |cluster| cluster.database().await);
    let (one, other) = (start(&url), start(&url));
    let backend = Backend::new(&url, &other, OnSilence::Refuse);
    let mut times = Vec::new();
    for number in 0..20 {
        let (session, token) = backend.session(&one);
        let path = format!("/v1/admin/sessions/{session}");
        assert_eq!(backend.call(&one, "DELETE", &path, "").status, 204);
        times.push(backend.refused_after(&token));
        thread::sleep(Duration::from_millis(number * 7));
    }
    within_a_second("PostgreSQL, by another server", times);
}

#[test]
fn what_was_revoked_while_the_server_was_down_is_refused_once_it_is_back() {
    let folder = TempDir::new().unwrap();
    let database = folder.path().join("test.db");
    let database = database.to_str().unwrap();
    let port = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, admin) = (format!("127.0.0.1:{}", port()), format!("127.0.0.1:{}", port()));
    let flags = ["--public-url", PUBLIC, "--listen", &listen, "--admin-listen", &admin];
    let server = Process::start_at(Path::new(database), &flags);
    let backend = Backend::new(database, &server, OnSilence::Refuse);
    let (revoked, other) = (backend.session(&server), backend.session(&server));
    server.kill();
    ok(&["session", "revoke", &revoked.0, "--database", database]);
    until("it refuses everything", || backend.verifier.verify(&other.1) == Err(VerifyError::FeedSilent));
    let _server = Process::start_at(Path::new(database), &flags);
    until("the feed is heard again", || backend.verifier.feed().unwrap().is_current);
    assert_eq!(backend.verifier.verify(&revoked.1), Err(VerifyError::Revoked));
    backend.verifier.verify(&other.1).unwrap();
}
