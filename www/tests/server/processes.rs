//! The server as an operator meets it: started, misconfigured, stopped, killed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fiftyten_server::store::{NewSession, SecretHash, SqliteStore, Store};
use fiftyten_server::{SessionId, UserId};
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tempfile::TempDir;

use crate::process::{Client, Process, Reply, failure, run};
use crate::world::{EMAIL, PASSWORD, new_session};

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("test.db")
}

fn ok(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn add_user(file: &Path) -> String {
    let file = file.to_str().unwrap();
    let line = ok(&["user", "add", EMAIL, "--database", file, "--password-stdin"], &format!("{PASSWORD}\n"));
    line.split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_sigterm_or_sigint_finishes_what_has_begun_and_ends_well() {
    let folder = TempDir::new().unwrap();
    add_user(&database(&folder));
    for signal in ["TERM", "INT"] {
        let server = Process::start(&database(&folder), &["--sign-in-concurrency", "1"]);
        let mut idle = server.client();
        assert_eq!(idle.refresh("").unwrap().status, 401);
        // One after the other, so that the last has long begun and not ended when the signal comes.
        let mut busy: Vec<_> = (0..8).map(|_| server.client()).collect();
        for client in &mut busy {
            let body = crate::world::credentials(EMAIL, PASSWORD).to_string();
            let request = client.request("POST", "/auth/v1/sessions", "", &body);
            client.send(&request).unwrap();
        }
        assert_eq!(busy[0].reply().unwrap().status, 201);
        let began = Instant::now();
        server.signal(signal);
        for client in &mut busy[1..] {
            let reply = client.reply().unwrap();
            assert_eq!(reply.status, 201, "{}", reply.body);
        }
        let address = server.address;
        let (status, log) = server.wait();
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(began.elapsed() < Duration::from_secs(5), "an idle connection does not hold it up");
        assert!(idle.rest().is_empty());
        assert!(crate::process::Client::connect(address).is_err());
    }
}

#[test]
fn activity_is_on_the_disk_when_the_server_has_stopped() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    add_user(&file);
    // Activity is written once in a tenth of the idle lifetime, a second here, and noted 2 s after sign-in.
    let server = Process::start(&file, &["--idle-lifetime", "10s"]);
    let mut client = server.client();
    let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    thread::sleep(Duration::from_millis(2_300));
    assert_eq!(client.refresh(&cookie).unwrap().status, 200);
    server.signal("TERM");
    assert!(server.wait().0.success());
    let sessions = ok(&["session", "list", "--database", file.to_str().unwrap()], "");
    let times: Vec<_> = sessions.split_whitespace().filter(|word| word.ends_with('Z')).collect();
    assert_ne!(times[0], times[1], "active later than signed in: {sessions}");
}

/// Opens `count` sessions behind the server's back; each cookie's hash is its session id's bytes twice.
async fn open_sessions(store: &SqliteStore, user: &UserId, count: usize) -> Vec<(SessionId, SecretHash)> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64;
    let mut opened = Vec::new();
    for _ in 0..count {
        let session = new_session(user, now);
        let id = session.id.clone();
        let secret = SecretHash(id.as_str().as_bytes().try_into().unwrap());
        assert!(
            store.open_session(NewSession { session, secret, credentials: 0, replaces: None }).await.unwrap()
        );
        opened.push((id, secret));
    }
    opened
}

#[test]
fn a_backup_of_a_server_at_work_holds_all_that_was_acknowledged_before() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    add_user(&file);
    let (from, copy) = (file.to_str().unwrap(), folder.path().join("copy.db"));
    let to = copy.to_str().unwrap();
    let server = Process::start(&file, &["--sign-in-concurrency", "2"]);
    let mut client = server.client();
    let kept = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    let revoked = client.sign_in(EMAIL, PASSWORD).unwrap();
    let id = revoked.json()["session"]["id"].as_str().unwrap().to_owned();
    assert_eq!(client.call("DELETE", &format!("/auth/v1/sessions/{id}"), &kept, "").unwrap().status, 204);
    // Somebody signs in and out all the time.
    let over = Arc::new(AtomicBool::new(false));
    let busy = {
        let (mut client, over) = (server.client(), Arc::clone(&over));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
                assert_eq!(client.call("DELETE", "/auth/v1/session", &cookie, "").unwrap().status, 204);
            }
        })
    };
    let said = ok(&["backup", "--database", from, to], "");
    assert_eq!(said, format!("{to} is a copy of {from}\n"));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(client.refresh(&kept).unwrap().status, 200, "the server goes on");
    let later = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
    over.store(true, Ordering::Relaxed);
    busy.join().unwrap();

    // The copy is a database like any other: the same keys, the same sessions, and nothing of what came later.
    let restored = Process::start(&copy, &[]);
    let mut there = restored.client();
    let jwks =
        |client: &mut Client| client.call("GET", "/auth/.well-known/jwks.json", "", "").unwrap().json();
    assert_eq!(jwks(&mut there), jwks(&mut client));
    assert_eq!(there.refresh(&kept).unwrap().status, 200);
    let code = |reply: Reply| reply.json()["code"].as_str().unwrap().to_owned();
    assert_eq!(code(there.refresh(&revoked.cookie()).unwrap()), "session_revoked");
    assert_eq!(code(there.refresh(&later).unwrap()), "no_session");

    // What was revoked after the backup lives again, until everything is.
    assert_eq!(
        ok(&["user", "add", "bob@example.test", "--password-stdin", "--database", to], PASSWORD)
            .lines()
            .count(),
        1
    );
    let bob = there.sign_in("bob@example.test", PASSWORD).unwrap().cookie();
    let said = ok(&["session", "revoke", "--user", "bob@example.test", "--database", to], "");
    assert_eq!(said, "1 sessions have ended\n");
    assert_eq!(code(there.refresh(&bob).unwrap()), "session_revoked");
    assert_eq!(there.refresh(&kept).unwrap().status, 200);
    let said = ok(&["session", "revoke", "--all", "--database", to], "");
    assert!(said.ends_with(" sessions have ended\n"), "{said}");
    assert_eq!(code(there.refresh(&kept).unwrap()), "session_revoked");
    assert_eq!(ok(&["session", "list", "--database", to], ""), "");
}

#[test]
fn a_backup_that_cannot_be_made_is_one_clear_line_and_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    add_user(&file);
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let backup = |from: &str, to: &str| failure(&["backup", "--database", from, to]);
    let file = file.to_str().unwrap();
    fs::write(at("there"), "precious").unwrap();
    let said = backup(file, &at("there"));
    assert!(said.contains("is there already, and a backup never replaces one"), "{said}");
    assert_eq!(fs::read_to_string(at("there")).unwrap(), "precious");
    let said = backup(&at("there"), &at("copy"));
    assert!(said.contains("is not an SQLite database"), "{said}");
    let said = backup(&at("missing"), &at("copy"));
    assert!(said.contains("missing"), "{said}");
    let said = backup(file, &at("no/such/folder"));
    assert!(said.contains("no/such/folder"), "{said}");
    let said = backup("postgres://localhost/x", &at("copy"));
    assert!(said.contains("pg_dump"), "{said}");
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.filter(|name| !name.to_str().unwrap().starts_with("test.db")).collect();
    names.sort();
    assert_eq!(names, ["there"]);
}

#[test]
fn no_acknowledged_revocation_is_lost_when_the_server_is_killed_at_any_moment() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    let user = UserId::parse(&add_user(&file)).unwrap();
    let mut random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let (mut acknowledged_in_all, mut cut_off) = (0, 0);
    for _ in 0..20 {
        let opened = runtime.block_on(open_sessions(&SqliteStore::open(&file).unwrap(), &user, 60));
        let server = Process::start(&file, &[]);
        let mut client = server.client();
        let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
        let killer = {
            let delay = Duration::from_micros(u64::from(random.next_u32() % 60_000));
            thread::spawn(move || {
                thread::sleep(delay);
                server.kill();
            })
        };
        let mut acknowledged = Vec::new();
        for (id, secret) in &opened {
            match client.call("DELETE", &format!("/auth/v1/sessions/{id}"), &cookie, "") {
                Ok(reply) if reply.status == 204 => acknowledged.push(secret),
                Ok(reply) => panic!("{}", reply.body),
                Err(_) => {
                    cut_off += 1;
                    break;
                }
            }
        }
        killer.join().unwrap();
        acknowledged_in_all += acknowledged.len();
        let store = SqliteStore::open(&file).unwrap();
        for secret in acknowledged {
            let found = runtime.block_on(store.find_session(secret)).unwrap().unwrap();
            assert!(found.session.ended_at.is_some(), "{} came back", found.session.id);
        }
    }
    assert!(
        acknowledged_in_all > 50 && cut_off > 5,
        "{acknowledged_in_all} {cut_off}: it was killed at work"
    );
}

#[test]
fn no_acknowledged_sign_in_or_sign_out_is_lost_when_the_server_is_killed_right_after_it() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    add_user(&file);
    let mut live: Option<(String, String)> = None;
    for _ in 0..8 {
        let server = Process::start(&file, &[]);
        let mut client = server.client();
        if let Some((live, dead)) = live.take() {
            assert_eq!(client.refresh(&live).unwrap().status, 200, "nobody was signed out");
            let refused = client.refresh(&dead).unwrap();
            assert_eq!((refused.status, &refused.json()["code"]), (401, &"session_revoked".into()));
        }
        let dead = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
        assert_eq!(client.call("DELETE", "/auth/v1/session", &dead, "").unwrap().status, 204);
        let cookie = client.sign_in(EMAIL, PASSWORD).unwrap().cookie();
        server.kill();
        live = Some((cookie, dead));
    }
}

#[test]
fn a_refresh_storm_survives_a_kill_and_a_new_start_without_a_single_false_401() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    add_user(&file);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let flags = [&*format!("--listen=127.0.0.1:{port}"), &*format!("--public-url=http://localhost:{port}")];
    let server = Process::start_at(&file, &flags);
    let cookie = Arc::new(server.client().sign_in(EMAIL, PASSWORD).unwrap().cookie());
    let address = server.address;
    let until = Instant::now() + Duration::from_secs(3);
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let cookie = Arc::clone(&cookie);
            thread::spawn(move || {
                let (mut good, mut failed) = (0, 0);
                while Instant::now() < until {
                    let Ok(mut client) = crate::process::Client::connect(address) else {
                        failed += 1;
                        thread::sleep(Duration::from_millis(5));
                        continue;
                    };
                    while Instant::now() < until {
                        match client.refresh(&cookie) {
                            Ok(reply) if reply.status == 200 => good += 1,
                            Ok(reply) => panic!("{} {}", reply.status, reply.body),
                            Err(_) => {
                                failed += 1;
                                break;
                            }
                        }
                    }
                }
                (good, failed)
            })
        })
        .collect();
    let mut server = server;
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(600));
        server.kill();
        server = Process::start_at(&file, &flags);
    }
    for client in clients {
        let (good, failed) = client.join().unwrap();
        assert!(good > 20 && failed > 0, "{good} good, {failed} failed");
    }
}

#[test]
fn what_cannot_work_is_said_in_one_line_and_ends_with_a_failure() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    let file = file.to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let toml = folder.path().join("f.toml");
    fs::write(&toml, "listen = '127.0.0.1:0'\n\ntoken_lifetime = 'a while'\n").unwrap();
    let toml = toml.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["serve", "--database", file, "--listen", &taken], "the port is in use"),
        (vec!["serve", "--database", "/dev/null/x.db"], "/dev/null/x.db: cannot be opened for writing"),
        (vec!["serve", "--database", "/proc/x.db"], "/proc/x.db: cannot be opened for writing"),
        (vec!["serve", "--database", file, "--listen", "192.0.2.1:80"], "cannot listen at 192.0.2.1:80"),
        (vec!["serve", "--database", file, "--token-lifetime", "1s"], "--token-lifetime: 1s is not whole"),
        (
            vec!["serve", "--database", file, "--public-url", "http://app.example"],
            "--public-url: http://app.example is plain http",
        ),
        (vec!["serve", "--config", toml], ":3: token_lifetime: \"a while\" is not a duration"),
        (vec!["config", "check", "--config", toml], ":3: token_lifetime: \"a while\" is not a duration"),
        (vec!["session", "revoke", "x", "--database", file], "there is no session \"x\""),
        (
            vec!["session", "revoke", "00000000000000000000000000000000", "--database", file],
            "there is no session",
        ),
        (vec!["session", "list", "nobody@example.test", "--database", file], "there is no account"),
        (vec!["user", "passwd", "nobody@example.test", "--database", file], "there is no account"),
        (vec!["user", "add", EMAIL, "--database", file], "a password has 1 to 1024 bytes"),
        (vec!["user", "add", "nobody", "--database", file], "not an e-mail address"),
        (vec!["user", "add", EMAIL, "--claims", "[]", "--database", file], "--claims: is not a JSON object"),
        (
            vec!["user", "add", EMAIL, "--claims", r#"{"sub":"x"}"#, "--database", file],
            "\"sub\" is set by the server",
        ),
    ] {
        let line = failure_with_password(&arguments);
        assert!(line.starts_with("fiftyten-server: ") && line.contains(expected), "{arguments:?}: {line}");
    }
}

fn failure_with_password(arguments: &[&str]) -> String {
    let with_claims = arguments.contains(&"--claims");
    if !with_claims {
        return failure(arguments);
    }
    let output = run(arguments, "password\n");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap().trim_end().to_owned()
}

#[test]
fn the_command_line_makes_users_ends_sessions_and_changes_passwords_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    let server = Process::start(&file, &[]);
    let file = file.to_str().unwrap();
    let add = [
        "user",
        "add",
        " Ada@Example.test",
        "--role",
        "clerk",
        "--permission",
        "a:b",
        "--claims",
        r#"{"n":1}"#,
    ];
    let add: Vec<_> = add.into_iter().chain(["--database", file]).collect();
    ok(&add, "first password\r\n");
    assert!(String::from_utf8(run(&add, "x").stderr).unwrap().contains("there is an account"));
    assert!(
        ok(&["user", "list", "--database", file], "")
            .contains("ada@example.test  roles=clerk  permissions=a:b")
    );

    let mut client = server.client();
    let reply = client.sign_in(EMAIL, "first password").unwrap();
    let (cookie, session) = (reply.cookie(), reply.json()["session"]["id"].as_str().unwrap().to_owned());
    assert_eq!(client.refresh(&cookie).unwrap().status, 200);
    assert!(ok(&["session", "list", EMAIL, "--database", file], "").starts_with(&session));
    ok(&["session", "revoke", &session, "--database", file], "");
    assert_eq!(client.refresh(&cookie).unwrap().json()["code"], "session_revoked");
    assert_eq!(ok(&["session", "list", "--database", file], ""), "");

    let cookie = client.sign_in(EMAIL, "first password").unwrap().cookie();
    ok(&["user", "passwd", EMAIL, "--database", file], "second password\n");
    assert_eq!(client.refresh(&cookie).unwrap().json()["code"], "session_revoked");
    assert_eq!(client.sign_in(EMAIL, "first password").unwrap().json()["code"], "invalid_credentials");
    let cookie = client.sign_in(EMAIL, "second password").unwrap().cookie();
    ok(&["user", "disable", " Ada@example.test", "--database", file], "");
    assert_eq!(client.refresh(&cookie).unwrap().json()["code"], "session_revoked");
    assert_eq!(client.sign_in(EMAIL, "second password").unwrap().json()["code"], "invalid_credentials");
    assert!(failure(&["user", "disable", "eve@example.test", "--database", file]).contains("no account"));
    ok(&["user", "passwd", EMAIL, "--database", file], "third password\n");
    assert_eq!(client.sign_in(EMAIL, "third password").unwrap().status, 201);

    let keys = ok(&["keys", "list", "--database", file], "");
    assert!(keys.contains("EdDSA  current") && keys.contains("EdDSA  next") && keys.lines().count() == 2);
    let checked = ok(&["config", "check", "--database", file, "--refresh-in", "40s"], "");
    assert!(
        checked.contains("refresh_in = 40s   (--refresh-in)")
            && checked.contains("ok: iss http://localhost:8080/auth")
    );
}

#[test]
fn no_secret_is_in_the_log_even_at_its_most_talkative() {
    let folder = TempDir::new().unwrap();
    let file = database(&folder);
    add_user(&file);
    let server = Process::start(&file, &["--log", "trace"]);
    let mut client = server.client();
    let reply = client.sign_in(EMAIL, PASSWORD).unwrap();
    let cookie = reply.cookie();
    let mut secrets = vec![
        PASSWORD.to_owned(),
        EMAIL.to_owned(),
        "canary".to_owned(),
        cookie.split_once('=').unwrap().1.to_owned(),
    ];
    let token = |reply: &crate::process::Reply| reply.json()["token"].as_str().unwrap().to_owned();
    secrets.extend(token(&reply).split('.').skip(1).map(str::to_owned));
    secrets.extend(token(&client.refresh(&cookie).unwrap()).split('.').skip(1).map(str::to_owned));
    client.sign_in("canary@example.test", "canary-password").unwrap();
    client.sign_in(EMAIL, "canary-password").unwrap();
    client.call("POST", "/auth/v1/sessions", &cookie, "canary").unwrap();
    client.call("POST", "/auth/v1/refresh?reason=canary&token=canary", "fiftyten=canary", "").unwrap();
    for path in ["/auth/canary", "/canary"] {
        assert_eq!(client.call("GET", path, "", "").unwrap().json()["code"], "not_found");
    }
    client.call("DELETE", "/auth/v1/sessions/canary", &cookie, "").unwrap();
    client.call("DELETE", "/auth/v1/session", &cookie, "").unwrap();
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(log.contains("\"reason\":\"timer\"") && log.contains("\"status\":201"), "it does log: {log}");
    assert!(log.contains("\"code\":\"invalid_credentials\""));
    for secret in secrets {
        assert!(!log.contains(&secret), "{secret}");
    }
}
