//! The admin listener: who may call it, and ending sessions there.

use std::time::Duration;

use axum::http::StatusCode;
use fiftyten_server::credential::Scope;
use tempfile::TempDir;

use crate::process::{Client, Process, failure, run};
use crate::world::{EMAIL, FAULTS, Fault, NOW, PASSWORD, SECOND, World, bare, get, post};

const NOBODYS: &str = "00000000000000000000000000000000";

#[tokio::test]
async fn an_administrator_ends_a_session_and_all_of_a_user() {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    let (one, body) = world.sign_in().await;
    let (two, _) = world.sign_in().await;
    let end = async |path: &str| world.admin(bare("DELETE", path).with("authorization", &admin).send()).await;
    for _ in 0..2 {
        let ended = end(&format!("/v1/admin/sessions/{}", body.session.id)).await;
        assert_eq!(ended.status, StatusCode::NO_CONTENT, "{}", ended.text());
    }
    assert_eq!(world.refresh(&one).await.code(), "session_revoked");
    assert_eq!(world.refresh(&two).await.status, StatusCode::OK);
    for id in [NOBODYS, "x"] {
        assert_eq!(end(&format!("/v1/admin/sessions/{id}")).await.code(), "not_found");
    }
    let all = format!("/v1/admin/users/{}/sessions", world.user.id);
    for _ in 0..2 {
        assert_eq!(end(&all).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.refresh(&two).await.code(), "session_revoked");
    assert_eq!(end("/v1/admin/users/auth0%7C5f7c/sessions").await.status, StatusCode::NO_CONTENT);
    assert_eq!(end("/v1/admin/users/a%20b/sessions").await.code(), "bad_request");
}

#[tokio::test]
async fn without_a_credential_of_the_scope_nothing_is_done() {
    let world = World::new().await;
    let (cookie, body) = world.sign_in().await;
    let path = format!("/v1/admin/sessions/{}", body.session.id);
    let end = || bare("DELETE", &path);
    let (admin, feed) = (world.credential(Scope::Admin).await, world.credential(Scope::Feed).await);
    let missing = world.admin(end().send()).await;
    assert_eq!((missing.status.as_u16(), missing.code()), (401, "credential_missing".to_owned()));
    assert_eq!(missing.header("www-authenticate"), r#"Bearer realm="fiftyten admin""#);
    let other = if admin.ends_with('A') { 'E' } else { 'A' };
    let other_secret = format!("{}{other}", &admin[..admin.len() - 1]);
    for wrong in [
        "Bearer ",
        "Bearer fiftyten_admin_short",
        "Basic YWRhOmFkYQ==",
        &other_secret,
        &admin.replace("fiftyten_admin_", "fiftyten_other_"),
        &admin.replace("fiftyten_admin_", ""),
        &format!("{admin} "),
        &format!("Bearer {}", body.token),
    ] {
        let refused = world.admin(end().with("authorization", wrong).send()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (401, "credential_invalid".to_owned()),
            "{wrong}"
        );
        assert!(refused.header("www-authenticate").contains("invalid_token"));
        assert!(!refused.text().contains("_short"));
    }
    let twice = end().with("authorization", &admin).with("authorization", &admin).send();
    assert_eq!(world.admin(twice).await.code(), "credential_invalid");
    let refused = world.admin(end().with("authorization", &feed).send()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "insufficient_scope".to_owned()));
    assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK, "nothing was done");
    let done = world.admin(end().with("authorization", admin.replace("Bearer", "bearer ")).send()).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "the scheme's case does not matter");
}

#[tokio::test]
async fn what_comes_from_a_browser_is_refused_whatever_credential_it_has() {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    let path = format!("/v1/admin/users/{}/sessions", world.user.id);
    for (name, value) in
        [("cookie", "a=b"), ("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin")]
    {
        for path in [path.as_str(), "/v1/nothing"] {
            let request = bare("DELETE", path).with("authorization", &admin).with(name, value).send();
            let refused = world.admin(request).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (403, "browser_rejected".to_owned()));
            assert!(refused.text().contains(name), "it says which header: {}", refused.text());
        }
    }
}

#[tokio::test]
async fn neither_listener_serves_the_calls_of_the_other() {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    for (method, path) in [
        ("POST", "/v1/sessions"),
        ("POST", "/auth/v1/sessions"),
        ("POST", "/auth/v1/refresh?reason=timer"),
        ("POST", "/v1/refresh?reason=timer"),
        ("DELETE", "/auth/v1/session"),
        ("GET", "/auth/.well-known/jwks.json"),
        ("GET", "/.well-known/jwks.json"),
        ("GET", "/livez"),
        ("GET", "/"),
    ] {
        let answer = world.admin(bare(method, path).with("authorization", &admin).send()).await;
        assert_eq!(answer.code(), "not_found", "{method} {path}");
    }
    let path = format!("/v1/admin/users/{}/sessions", world.user.id);
    let wrong = world.admin(bare("GET", &path).with("authorization", &admin).send()).await;
    assert_eq!(wrong.code(), "method_not_allowed");
    assert_eq!(wrong.header("allow"), "DELETE");
    for prefix in ["", "/auth"] {
        let request = bare("DELETE", &format!("{prefix}{path}")).with("authorization", &admin).send();
        assert_eq!(world.call(request).await.status, StatusCode::NOT_FOUND, "{prefix}");
    }
}

#[tokio::test]
async fn a_credential_that_was_removed_is_let_through_for_five_seconds_at_most() {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    let path = format!("/v1/admin/users/{}/sessions", world.user.id);
    let call = async || world.admin(bare("DELETE", &path).with("authorization", &admin).send()).await.status;
    assert_eq!(call().await, StatusCode::NO_CONTENT);
    let reads = world.reads();
    for _ in 0..50 {
        assert_eq!(call().await, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.reads(), reads, "what was found is not looked for at every call");
    let listed = fiftyten_server::store::Store::list_credentials(&*world.store).await.unwrap();
    let [credential] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!(
        (credential.scope, credential.name.as_str(), credential.created_at),
        (Scope::Admin, "test", NOW)
    );
    assert!(fiftyten_server::store::Store::remove_credential(&*world.store, &credential.id).await.unwrap());
    world.clock.advance(5 * SECOND);
    assert_eq!(call().await, StatusCode::UNAUTHORIZED);
    assert_eq!(call().await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn guesses_are_limited_and_stop_nobody_whose_credential_is_known() {
    let world = World::new().await;
    let (used, new) = (world.credential(Scope::Admin).await, world.credential(Scope::Admin).await);
    let path = format!("/v1/admin/sessions/{NOBODYS}");
    let call = async |text: &str| world.admin(bare("DELETE", &path).with("authorization", text).send()).await;
    assert_eq!(call(&used).await.code(), "not_found");
    let guess = |number: u32| format!("Bearer fiftyten_admin_{:A<43}", number);
    let mut codes = Vec::new();
    for number in 0..30 {
        codes.push(call(&guess(number)).await.code());
    }
    let refused = codes.iter().filter(|code| *code == "rate_limited").count();
    assert_eq!((refused, codes.iter().filter(|code| *code == "credential_invalid").count()), (10, 20));
    let limited = call(&new).await;
    assert_eq!(limited.code(), "rate_limited");
    assert!(limited.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(call(&used).await.code(), "not_found");
    world.clock.advance(6 * SECOND);
    assert_eq!(call(&used).await.code(), "not_found", "not even when it has to be looked for again");
    assert_eq!(call(&new).await.code(), "not_found");
}

#[tokio::test]
async fn a_store_that_fails_is_503_and_never_a_wrong_credential() {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    let path = format!("/v1/admin/users/{}/sessions", world.user.id);
    let call = async || world.admin(bare("DELETE", &path).with("authorization", &admin).send()).await;
    for fault in FAULTS {
        world.store.fail(fault);
        world.clock.advance(6 * SECOND);
        let answer = call().await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}: {}", answer.text());
        assert!(!answer.headers.contains_key("www-authenticate"));
        assert!(answer.headers.contains_key("retry-after"));
    }
    world.store.fail(Fault::None);
    assert_eq!(call().await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_public_listener_asks_nobody_for_a_credential() {
    let world = World::new().await;
    let (cookie, _) = world.sign_in().await;
    world.clock.advance(40 * 24 * 60 * 60 * SECOND);
    for request in
        [post("/auth/v1/refresh?reason=timer").cookie(&cookie).send(), get("/auth/v1/sessions").send()]
    {
        let answer = world.call(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert!(!answer.headers.contains_key("www-authenticate"), "a browser would ask for a password");
    }
}

fn ok(arguments: &[&str], input: &str) -> String {
    let output = run(arguments, input);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Sends one request without what browsers send.
fn call(client: &mut Client, method: &str, path: &str, credential: &str) -> crate::process::Reply {
    let request =
        format!("{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {credential}\r\n\r\n");
    client.send(&request).unwrap();
    client.reply().unwrap()
}

#[test]
fn the_command_line_makes_credentials_and_takes_them_away_while_the_server_runs() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.db");
    let path = file.to_str().unwrap();
    let server = Process::start(&file, &["--admin-listen", "127.0.0.1:0", "--log", "trace"]);
    ok(&["user", "add", EMAIL, "--database", path], &format!("{PASSWORD}\n"));
    let add = ["credential", "add", "--database", path, "--scope"];
    let secret = ok(&[&add[..], &["admin", "--name", "the shop"]].concat(), "");
    let feed = ok(&[&add[..], &["feed"]].concat(), "");
    let (secret, feed) = (secret.trim_end(), feed.trim_end());
    assert!(secret.starts_with("fiftyten_admin_") && feed.starts_with("fiftyten_feed_"));
    let list = ok(&["credential", "list", "--database", path], "");
    let ids: Vec<_> = list.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(
        list.contains("admin  made ") && list.contains("  the shop\n") && list.contains("  feed\n"),
        "{list}"
    );
    assert!(!list.contains(secret) && !list.contains(feed));

    let mut client = server.client();
    let reply = client.sign_in(EMAIL, PASSWORD).unwrap();
    let (cookie, session) = (reply.cookie(), reply.json()["session"]["id"].as_str().unwrap().to_owned());
    let mut admin = Client::connect(server.admin.unwrap()).unwrap();
    let end = format!("/v1/admin/sessions/{session}");
    assert_eq!(call(&mut admin, "DELETE", &end, feed).json()["code"], "insufficient_scope");
    assert_eq!(call(&mut admin, "DELETE", &end, secret).status, 204);
    assert_eq!(client.refresh(&cookie).unwrap().json()["code"], "session_revoked");
    assert_eq!(client.call("DELETE", &format!("/auth{end}"), "", "").unwrap().status, 404);

    ok(&["credential", "remove", ids[0], "--database", path], "");
    std::thread::sleep(Duration::from_millis(5_100));
    assert_eq!(call(&mut admin, "DELETE", &end, secret).json()["code"], "credential_invalid");
    server.signal("TERM");
    let (status, log) = server.wait();
    assert!(status.success());
    for secret in [secret, feed] {
        assert!(!log.contains(secret.rsplit_once('_').unwrap().1), "no secret is in the log");
    }
    assert!(log.contains("/v1/admin/sessions/{id}"), "it does log: {log}");
}

#[test]
fn what_cannot_work_is_said_in_one_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("test.db");
    let file = file.to_str().unwrap();
    let serve = ["serve", "--database", file, "--listen"];
    for (arguments, expected) in [
        (
            [&serve[..], &["127.0.0.1:8080", "--admin-listen", "127.0.0.1:8080"]].concat(),
            "--admin-listen: 127.0.0.1:8080 is where browsers are listened to already (127.0.0.1:8080): give it",
        ),
        (
            [&serve[..], &["0.0.0.0:8080", "--admin-listen", "127.0.0.1:8080"]].concat(),
            "is where browsers are listened to already (0.0.0.0:8080)",
        ),
        (
            [&serve[..], &["127.0.0.1:0", "--admin-listen", "8081"]].concat(),
            "\"8081\" is not an address and a port",
        ),
        (vec!["credential", "remove", "x", "--database", file], "there is no credential \"x\""),
        (vec!["credential", "remove", NOBODYS, "--database", file], "there is no credential"),
        (
            vec!["credential", "add", "--scope", "feed", "--name", "", "--database", file],
            "a name has 1 to 64 bytes",
        ),
    ] {
        let line = failure(&arguments);
        assert!(line.starts_with("fiftyten-server: ") && line.contains(expected), "{arguments:?}: {line}");
    }
    let wrong = run(&["credential", "add", "--scope", "root", "--database", file], "");
    assert_eq!(wrong.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("is neither admin nor feed"));
}
