//! Apps with a sign-in of their own: tickets, and the claims of the sessions that they open.

use std::path::Path;

use axum::http::StatusCode;
use fiftyten_server::credential::Scope;
use fiftyten_server::protocol::{IssuedTicket, RefreshBody};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::process::{Client, Process, failure, run};
use crate::world::{
    Answer, EMAIL, FAULTS, Fault, PASSWORD, SECOND, World, bare, credentials, decode, get, post,
};

/// A world, and a credential for its admin listener.
async fn world() -> (World, String) {
    let world = World::new().await;
    let admin = world.credential(Scope::Admin).await;
    (world, admin)
}

async fn issue(world: &World, admin: &str, body: &Value) -> Answer {
    world.admin(bare("POST", "/v1/admin/tickets").with("authorization", admin).json(body)).await
}

async fn ticket(world: &World, admin: &str) -> String {
    let body = json!({
        "user": "auth0|7",
        "roles": ["editor"],
        "permissions": ["posts:write"],
        "claims": { "plan": "pro" },
    });
    let issued = issue(world, admin, &body).await;
    assert_eq!(issued.status, StatusCode::CREATED, "{}", issued.text());
    issued.json::<IssuedTicket>().ticket
}

async fn redeem(world: &World, ticket: &str) -> Answer {
    world.call(post("/auth/v1/tickets").json(&json!({ "ticket": ticket }))).await
}

#[tokio::test]
async fn a_ticket_opens_a_session_whose_tokens_have_its_claims() {
    let (world, admin) = world().await;
    let issued = issue(&world, &admin, &json!({ "user": "auth0|7", "claims": { "plan": "pro" } })).await;
    let issued: IssuedTicket = issued.json();
    assert_eq!(issued.expires_in_ms, 60_000);
    let opened = redeem(&world, &ticket(&world, &admin).await).await;
    assert_eq!(opened.status, StatusCode::CREATED, "{}", opened.text());
    let signed_in = world.call(post("/auth/v1/sessions").json(&credentials(EMAIL, PASSWORD))).await;
    let attributes = |answer: &Answer| answer.header("set-cookie").split_once("; ").unwrap().1.to_owned();
    assert_eq!(attributes(&opened), attributes(&signed_in), "the cookie is as after a sign-in");
    let body: RefreshBody = opened.json();
    assert_eq!((body.session.user.as_str(), body.refresh_in_ms), ("auth0|7", 50_000));
    let refreshed: RefreshBody = world.refresh(&opened.cookie()).await.json();
    assert_eq!(refreshed.session, body.session);
    for token in [&body.token, &refreshed.token] {
        let (_, claims) = decode(token);
        assert_eq!((&claims["sub"], &claims["sid"]), (&json!("auth0|7"), &json!(body.session.id)));
        assert_eq!((&claims["roles"], &claims["permissions"]), (&json!(["editor"]), &json!(["posts:write"])));
        assert_eq!(claims["plan"], "pro");
    }
    let list = world.call(get("/auth/v1/sessions").cookie(&opened.cookie()).send()).await;
    assert_eq!(list.json::<Value>()["sessions"].as_array().unwrap().len(), 1);
    let out = world.call(crate::world::delete("/auth/v1/session").cookie(&opened.cookie()).send()).await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    assert_eq!(world.refresh(&opened.cookie()).await.code(), "session_revoked");
}

#[tokio::test]
async fn a_ticket_is_good_once_and_for_sixty_seconds() {
    let (world, admin) = world().await;
    let used = ticket(&world, &admin).await;
    world.clock.advance(60 * SECOND - 1);
    assert_eq!(redeem(&world, &used).await.status, StatusCode::CREATED);
    let late = ticket(&world, &admin).await;
    world.clock.advance(60 * SECOND);
    let other = format!("{}A", &late[..42]);
    for bad in [&used, &late, &other, "", "short", &format!("{late}A"), &admin] {
        let refused = redeem(&world, bad).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (401, "invalid_credentials".to_owned()),
            "{bad}"
        );
        assert!(!refused.headers.contains_key("set-cookie"));
    }
    let new = ticket(&world, &admin).await;
    assert_eq!(redeem(&world, &new).await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_browsers_that_trade_a_ticket_at_once_one_gets_a_session() {
    let (world, admin) = world().await;
    for _ in 0..5 {
        let ticket = ticket(&world, &admin).await;
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let request = post("/auth/v1/tickets").json(&json!({ "ticket": ticket }));
                tokio::spawn(crate::world::answer(world.router(), request))
            })
            .collect();
        let mut statuses = Vec::new();
        for call in calls {
            statuses.push(call.await.unwrap().status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 401, 401, 401, 401, 401, 401, 401]);
        world.clock.advance(60 * SECOND);
    }
}

#[tokio::test]
async fn a_ticket_ends_the_session_that_the_browser_had() {
    let (world, admin) = world().await;
    let (before, _) = world.sign_in().await;
    let ticket = ticket(&world, &admin).await;
    let request = post("/auth/v1/tickets").cookie(&before).json(&json!({ "ticket": ticket }));
    let opened = world.call(request).await;
    assert_eq!(opened.status, StatusCode::CREATED);
    assert_eq!(world.refresh(&before).await.code(), "session_revoked");
    assert_eq!(world.refresh(&opened.cookie()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_ticket_counts_only_in_the_apps_own_pages_and_only_in_the_body() {
    let (world, admin) = world().await;
    let ticket = ticket(&world, &admin).await;
    let body = json!({ "ticket": ticket });
    let path = "/auth/v1/tickets";
    let refused =
        world.call(post(path).without("origin").with("origin", "https://evil.example").json(&body)).await;
    assert_eq!(refused.code(), "origin_rejected");
    assert_eq!(world.call(post(path).without("x-fiftyten").json(&body)).await.code(), "header_required");
    assert_eq!(
        world.call(post(path).with("sec-fetch-site", "cross-site").json(&body)).await.code(),
        "origin_rejected"
    );
    let form = post(path).with("content-type", "text/plain").body(body.to_string());
    assert_eq!(world.call(form).await.code(), "unsupported_media_type");
    let in_url = world.call(post(&format!("{path}?ticket={ticket}")).json(&json!({}))).await;
    assert_eq!(in_url.code(), "bad_request");
    let large = json!({ "ticket": "x".repeat(2_000) });
    assert_eq!(world.call(post(path).json(&large)).await.code(), "payload_too_large");
    assert_eq!(world.call(get(path).send()).await.code(), "method_not_allowed");
    assert_eq!(
        world.call(post(path).json(&body)).await.status,
        StatusCode::CREATED,
        "none of them used it up"
    );
}

#[tokio::test]
async fn what_cannot_be_vouched_for_is_refused_with_a_reason() {
    let (world, admin) = world().await;
    let large = "x".repeat(1_100);
    for (body, reason) in [
        (json!({}), "missing field `user`"),
        (json!({ "user": "" }), "user has 1 to 255"),
        (json!({ "user": "a b" }), "user has 1 to 255"),
        (json!({ "user": "x".repeat(256) }), "user has 1 to 255"),
        (json!({ "user": 7 }), "expected a string"),
        (json!({ "user": "a", "role": ["x"] }), "unknown field `role`"),
        (json!({ "user": "a", "roles": "x" }), "expected a sequence"),
        (json!({ "user": "a", "roles": [&large] }), "roles and permissions take more than 1024 bytes"),
        (json!({ "user": "a", "claims": { "x": &large } }), "claims take more than 1024 bytes"),
        (json!({ "user": "a", "claims": { "sub": "b" } }), "\"sub\" is set by the server"),
        (json!({ "user": "a", "claims": { "exp": 1 } }), "\"exp\" is set by the server"),
        (json!([]), "the body is a JSON object"),
    ] {
        let refused = issue(&world, &admin, &body).await;
        assert_eq!(refused.code(), "bad_request", "{body}");
        let detail = refused.json::<Value>()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(reason), "{body}: {detail}");
    }
    let huge = issue(&world, &admin, &json!({ "user": "a", "claims": { "x": "x".repeat(20_000) } })).await;
    assert_eq!(huge.code(), "payload_too_large");
    let without = world.admin(bare("POST", "/v1/admin/tickets").json(&json!({ "user": "a" }))).await;
    assert_eq!(without.code(), "credential_missing");
    let feed = world.credential(Scope::Feed).await;
    assert_eq!(issue(&world, &feed, &json!({ "user": "a" })).await.code(), "insufficient_scope");
}

#[tokio::test]
async fn claims_that_were_changed_are_in_the_next_token() {
    let (world, admin) = world().await;
    let opened = redeem(&world, &ticket(&world, &admin).await).await;
    let (cookie, session) = (opened.cookie(), opened.json::<RefreshBody>().session.id);
    let (password_cookie, body) = world.sign_in().await;
    let patch = async |session: &str, body: &Value| {
        let path = format!("/v1/admin/sessions/{session}");
        world.admin(bare("PATCH", &path).with("authorization", &admin).json(body)).await
    };
    let changed = patch(&session, &json!({ "roles": ["owner"], "claims": { "plan": "free" } })).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT, "{}", changed.text());
    let (_, claims) = decode(&world.refresh(&cookie).await.json::<RefreshBody>().token);
    assert_eq!((&claims["roles"], &claims["permissions"]), (&json!(["owner"]), &json!(["posts:write"])));
    assert_eq!(claims["plan"], "free");
    let changed = patch(&body.session.id, &json!({ "permissions": [] })).await;
    assert_eq!(changed.status, StatusCode::NO_CONTENT);
    let (_, claims) = decode(&world.refresh(&password_cookie).await.json::<RefreshBody>().token);
    assert_eq!((&claims["roles"], &claims["permissions"]), (&json!(["clerk"]), &json!([])), "of the account");
    assert_eq!(claims["name"], "Ada");
    for (body, reason) in [
        (json!({}), "changes nothing"),
        (json!({ "roles": null }), "expected a sequence"),
        (json!({ "user": "b" }), "unknown field `user`"),
        (json!({ "claims": { "sid": "b" } }), "is set by the server"),
        (json!({ "permissions": ["x".repeat(1_100)] }), "take more than 1024 bytes"),
    ] {
        let refused = patch(&session, &body).await;
        assert_eq!(refused.code(), "bad_request", "{body}");
        assert!(refused.text().contains(reason), "{}", refused.text());
    }
    let roles = json!({ "roles": [] });
    assert_eq!(patch("00000000000000000000000000000000", &roles).await.code(), "not_found");
    world
        .admin(bare("DELETE", &format!("/v1/admin/sessions/{session}")).with("authorization", &admin).send())
        .await;
    assert_eq!(patch(&session, &roles).await.code(), "not_found", "it has ended");
}

#[tokio::test]
async fn ending_a_users_sessions_voids_tickets_that_are_still_on_their_way() {
    let (world, admin) = world().await;
    let ticket = ticket(&world, &admin).await;
    let end = bare("DELETE", "/v1/admin/users/auth0%7C7/sessions").with("authorization", &admin).send();
    assert_eq!(world.admin(end).await.status, StatusCode::NO_CONTENT);
    assert_eq!(redeem(&world, &ticket).await.code(), "invalid_credentials");
}

#[tokio::test]
async fn a_store_that_fails_uses_no_ticket_up() {
    let (world, admin) = world().await;
    let ticket = ticket(&world, &admin).await;
    for fault in FAULTS {
        world.store.fail(fault);
        let issued = issue(&world, &admin, &json!({ "user": "a" })).await;
        for answer in [redeem(&world, &ticket).await, issued] {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{fault:?}: {}", answer.text());
            assert!(!answer.headers.contains_key("set-cookie"));
        }
    }
    world.store.fail(Fault::NoKeys);
    world.clock.advance(31 * SECOND); // the keys that were read last count no longer
    assert_eq!(redeem(&world, &ticket).await.status, StatusCode::SERVICE_UNAVAILABLE);
    world.store.fail(Fault::None);
    world.server.look_after_keys().await.unwrap();
    assert_eq!(redeem(&world, &ticket).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn wrong_tickets_are_limited_like_wrong_passwords() {
    let (world, admin) = world().await;
    let mut codes = Vec::new();
    for _ in 0..60 {
        codes.push(redeem(&world, &"A".repeat(43)).await.code());
    }
    assert_eq!(codes.iter().filter(|code| *code == "invalid_credentials").count(), 50);
    assert_eq!(codes.last().unwrap(), "rate_limited");
    world.clock.advance(4 * SECOND);
    assert_eq!(redeem(&world, &ticket(&world, &admin).await).await.status, StatusCode::CREATED);
}

#[test]
fn neither_tickets_nor_what_they_open_is_in_the_log() {
    let folder = tempfile::TempDir::new().unwrap();
    log_holds_no_ticket(folder.path().join("test.db").to_str().unwrap());
    let cluster = Cluster::shared();
    log_holds_no_ticket(&cluster.block_on(async |cluster| cluster.database().await));
}

fn log_holds_no_ticket(database: &str) {
    let ok = |arguments: &[&str]| {
        let output = run(&[arguments, &["--database", database]].concat(), "");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let server = Process::start(Path::new(database), &["--admin-listen", "127.0.0.1:0", "--log", "trace"]);
    let credential = ok(&["credential", "add", "--scope", "admin", "--name", "shop"]);
    let mut admin = Client::connect(server.admin.unwrap()).unwrap();
    let mut call = |method: &str, path: &str, body: &str| {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {credential}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        admin.send(&request).unwrap();
        admin.reply().unwrap()
    };
    let body = r#"{"user":"user-canary","roles":["role-canary"],"claims":{"x":"claim-canary"}}"#;
    let issued = call("POST", "/v1/admin/tickets", body);
    assert_eq!(issued.status, 201, "{}", issued.body);
    let ticket = issued.json()["ticket"].as_str().unwrap().to_owned();
    let body = json!({ "ticket": ticket }).to_string();
    let opened = server.client().call("POST", "/auth/v1/tickets", "", &body).unwrap();
    assert_eq!(opened.status, 201, "{}", opened.body);
    assert_eq!(server.client().call("POST", "/auth/v1/tickets", "", &body).unwrap().status, 401);
    let session = opened.json()["session"]["id"].as_str().unwrap().to_owned();

    // The command line knows the user by the app's name.
    for arguments in [&["session", "list"][..], &["session", "list", "user-canary"]] {
        let list = ok(arguments);
        assert!(list.starts_with(&session) && list.contains("  user-canary  "), "{list}");
    }
    let none = failure(&["session", "list", "nobody", "--database", database]);
    assert!(none.contains("there is no account") && none.contains("nor a session of a user"), "{none}");

    let patched = call("PATCH", &format!("/v1/admin/sessions/{session}"), r#"{"roles":["role-canary"]}"#);
    assert_eq!(patched.status, 204, "{}", patched.body);
    assert_eq!(call("DELETE", "/v1/admin/users/user-canary/sessions", "").status, 204);
    server.signal("TERM");
    let (_, log) = server.wait();
    assert!(
        log.contains("/v1/admin/tickets") && log.contains("/v1/admin/users/{id}/sessions"),
        "it does log"
    );
    let (cookie, token) = (opened.cookie(), opened.json()["token"].as_str().unwrap().to_owned());
    let signature = token.rsplit_once('.').unwrap().1;
    for secret in ["canary", &ticket, cookie.split_once('=').unwrap().1, signature, &credential] {
        assert!(!log.contains(secret), "{secret}");
    }
}
