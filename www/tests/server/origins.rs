//! Which requests may use the session cookie, and what other origins are told.

use axum::http::StatusCode;
use fiftyten_server::{Config, Origin};

use crate::world::{Builder, DAY, EMAIL, ORIGIN, PASSWORD, World, bare, credentials, delete, post, request};

const ALLOWED: &str = "http://localhost:3000";

async fn world() -> World {
    let allowed_origins = vec![Origin::parse(ALLOWED).unwrap()];
    World::with(Config { allowed_origins, ..Config::default() }).await
}

/// Every call that reads the cookie.
const CALLS: [(&str, &str); 6] = [
    ("POST", "/auth/v1/sessions"),
    ("POST", "/auth/v1/refresh?reason=timer"),
    ("DELETE", "/auth/v1/session"),
    ("GET", "/auth/v1/sessions"),
    ("DELETE", "/auth/v1/sessions"),
    ("DELETE", "/auth/v1/sessions/00000000000000000000000000000000"),
];

fn from(method: &str, path: &str, origin: Option<&str>, site: Option<&str>) -> Builder {
    let mut builder = bare(method, path).with("x-fiftyten", "1");
    if let Some(origin) = origin {
        builder = builder.with("origin", origin);
    }
    if let Some(site) = site {
        builder = builder.with("sec-fetch-site", site);
    }
    builder
}

#[tokio::test]
async fn every_call_with_the_cookie_holds_to_the_table_of_origins() {
    let origins = [
        (None, "absent"),
        (Some(ORIGIN), "own"),
        (Some(ALLOWED), "allowed"),
        (Some("http://localhost:8081"), "foreign"),
        (Some("http://127.0.0.1:8080"), "foreign"),
        (Some("https://localhost:8080"), "foreign"),
        (Some("http://localhost:8080/"), "foreign"),
        (Some("http://LOCALHOST:8080"), "foreign"),
        (Some("http://localhost:8080.evil.example"), "foreign"),
        (Some("http://evil.example"), "foreign"),
        (Some("null"), "foreign"),
        (Some(""), "foreign"),
        (Some("*"), "foreign"),
    ];
    let sites =
        [None, Some("same-origin"), Some("same-site"), Some("cross-site"), Some("none"), Some("Same-Origin")];
    let world = world().await;
    let (cookie, _) = world.sign_in().await;
    for (method, path) in CALLS {
        for (origin, kind) in origins {
            for site in sites {
                let may = matches!(
                    (kind, site),
                    ("absent" | "own", Some("same-origin")) | ("own", None) | ("allowed", _)
                );
                // Without a cookie: nothing is changed, and what is let through is refused for that.
                let answer = world.call(from(method, path, origin, site).send()).await;
                let code = answer.code();
                assert_eq!(code != "origin_rejected", may, "{method} {path} {origin:?} {site:?}: {code}");
                assert_eq!(answer.status == StatusCode::FORBIDDEN, !may);
            }
        }
    }
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_rejected_request_neither_reads_nor_writes_nor_hashes() {
    let world = world().await;
    let (cookie, _) = world.sign_in().await;
    let before = world.server.stats();
    for (method, path) in CALLS {
        let foreign = || from(method, path, Some("http://evil.example"), Some("cross-site")).cookie(&cookie);
        assert_eq!(world.call(foreign().json(&credentials(EMAIL, PASSWORD))).await.code(), "origin_rejected");
        let headless = request(method, path).without("x-fiftyten").cookie(&cookie);
        assert_eq!(world.call(headless.json(&credentials(EMAIL, PASSWORD))).await.code(), "header_required");
    }
    let after = world.server.stats();
    assert_eq!(after.store_reads, before.store_reads);
    assert_eq!(after.password_hashes, before.password_hashes);
    assert_eq!(world.refresh(&cookie).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_header_has_to_be_there_with_its_value_on_reads_too() {
    let world = world().await;
    for (method, path) in CALLS {
        for value in [None, Some("0"), Some(""), Some("true"), Some("1, 1"), Some(" 11 ")] {
            let mut builder = request(method, path).without("x-fiftyten");
            if let Some(value) = value {
                builder = builder.with("x-fiftyten", value);
            }
            let answer = world.call(builder.send()).await;
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (403, "header_required"));
        }
    }
}

#[tokio::test]
async fn two_origins_or_two_sites_are_none() {
    let world = world().await;
    for (name, value) in [("origin", ORIGIN), ("origin", ALLOWED), ("sec-fetch-site", "same-origin")] {
        let builder = post("/auth/v1/refresh?reason=timer").with("sec-fetch-site", "same-origin");
        assert_eq!(world.call(builder.with(name, value).send()).await.code(), "origin_rejected");
    }
}

#[tokio::test]
async fn the_checks_come_in_their_order() {
    let world = world().await;
    let (cookie, _) = world.sign_in().await;
    let twice = format!("{cookie}; {cookie}");
    let path = "/auth/v1/refresh?reason=nonsense";
    let everything_wrong = bare("POST", path).with("origin", "http://evil.example").cookie(&twice);
    assert_eq!(world.call(everything_wrong.send()).await.code(), "header_required");
    let origin_wrong = from("POST", path, Some("http://evil.example"), None).cookie(&twice);
    assert_eq!(world.call(origin_wrong.send()).await.code(), "origin_rejected");
    assert_eq!(world.call(post(path).cookie(&twice).send()).await.code(), "duplicate_cookie");
    assert_eq!(world.call(post(path).cookie(&cookie).send()).await.code(), "bad_request");
}

#[tokio::test]
async fn an_allow_listed_origin_may_send_the_cookie_and_read_the_answers() {
    let world = world().await;
    let (cookie, _) = world.sign_in().await;
    for (method, path) in CALLS {
        let answer = world.call(from(method, path, Some(ALLOWED), Some("same-site")).send()).await;
        assert_eq!(answer.header("access-control-allow-origin"), ALLOWED, "even where it is refused");
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert_eq!(answer.header("access-control-expose-headers"), "retry-after, date");
        assert_eq!(answer.header("vary"), "origin");
    }
    let refresh = from("POST", "/auth/v1/refresh?reason=timer", Some(ALLOWED), Some("same-site"));
    assert_eq!(world.call(refresh.cookie(&cookie).send()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_preflight_is_answered_for_an_allow_listed_origin() {
    let world = world().await;
    for (method, path) in CALLS {
        let preflight = bare("OPTIONS", path)
            .with("origin", ALLOWED)
            .with("access-control-request-method", method)
            .with("access-control-request-headers", "content-type,x-fiftyten");
        let answer = world.call(preflight.send()).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT);
        assert_eq!(answer.header("access-control-allow-origin"), ALLOWED);
        assert_eq!(answer.header("access-control-allow-credentials"), "true");
        assert!(answer.header("access-control-allow-methods").contains(method));
        assert_eq!(answer.header("access-control-allow-headers"), "content-type, x-fiftyten");
    }
}

#[tokio::test]
async fn nobody_else_gets_a_single_cors_header() {
    let world = world().await;
    let (cookie, _) = world.sign_in().await;
    for (method, path) in CALLS.into_iter().chain([("GET", "/auth/.well-known/jwks.json"), ("GET", "/livez")])
    {
        for origin in [ORIGIN, "http://evil.example", "null", "http://localhost:3000.evil.example"] {
            let preflight = bare("OPTIONS", path).with("access-control-request-method", method);
            let plain = bare(method, path).with("x-fiftyten", "1").cookie(&cookie);
            for builder in [preflight, plain] {
                let answer = world.call(builder.with("origin", origin).send()).await;
                let cors = answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
                assert_eq!(cors, None, "{method} {path} {origin}");
            }
        }
    }
}

#[tokio::test]
async fn the_host_header_decides_nothing() {
    let world = World::new().await;
    let sign_in =
        post("/auth/v1/sessions").with("host", "evil.example").with("x-forwarded-host", "evil.example");
    let answer = world.call(sign_in.json(&credentials(EMAIL, PASSWORD))).await;
    let (_, claims) = crate::world::decode(&answer.json::<fiftyten_server::protocol::RefreshBody>().token);
    assert_eq!(
        (claims["iss"].as_str(), claims["aud"].as_str()),
        (Some("http://localhost:8080/auth"), Some(ORIGIN))
    );
    let evil = bare("POST", "/auth/v1/refresh?reason=timer")
        .with("x-fiftyten", "1")
        .with("host", "evil.example")
        .with("origin", "http://evil.example");
    assert_eq!(world.call(evil.cookie(&answer.cookie()).send()).await.code(), "origin_rejected");
}

#[tokio::test]
async fn another_base_path_moves_every_call_and_the_issuer_with_it() {
    for base in ["", "/a/b"] {
        let world = World::with(Config { base_path: base.to_owned(), ..Config::default() }).await;
        let answer =
            world.call(post(&format!("{base}/v1/sessions")).json(&credentials(EMAIL, PASSWORD))).await;
        assert_eq!(answer.status, StatusCode::CREATED);
        let (_, claims) =
            crate::world::decode(&answer.json::<fiftyten_server::protocol::RefreshBody>().token);
        assert_eq!(claims["iss"], format!("http://localhost:8080{base}"));
        let keys = world.call(bare("GET", &format!("{base}/.well-known/jwks.json")).send()).await;
        assert_eq!(keys.status, StatusCode::OK);
        assert!(answer.header("set-cookie").contains("Path=/;"));
        world.clock.advance(DAY);
        let out = delete(&format!("{base}/v1/session")).cookie(&answer.cookie()).send();
        assert_eq!(world.call(out).await.status, StatusCode::NO_CONTENT);
    }
}
