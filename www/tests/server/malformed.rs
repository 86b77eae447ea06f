//! Requests that no browser sends: each gets a typed answer.

use axum::http::{Request, StatusCode};
use proptest::prelude::*;

use crate::world::{World, answer, bare, post, request};

#[tokio::test]
async fn a_call_that_is_not_there_and_a_method_it_does_not_have_are_problems_too() {
    let world = World::new().await;
    for path in
        ["/auth/", "/auth/v1", "/auth/v2/refresh", "/auth/v1/refresh/", "/auth//v1/refresh", "/auth/%2e%2e"]
    {
        assert_eq!(world.call(request("POST", path).send()).await.code(), "not_found", "{path}");
    }
    for (method, path, allow) in [
        ("GET", "/auth/v1/refresh", "POST"),
        ("PUT", "/auth/v1/refresh", "POST"),
        ("BREW", "/auth/v1/refresh", "POST"),
        ("POST", "/auth/v1/session", "DELETE"),
        ("PATCH", "/auth/v1/sessions", "GET,HEAD,POST,DELETE"),
        ("GET", "/auth/v1/sessions/x", "DELETE"),
        ("POST", "/auth/.well-known/jwks.json", "GET,HEAD"),
        ("DELETE", "/livez", "GET,HEAD"),
        ("OPTIONS", "/auth/v1/refresh", "POST"),
    ] {
        let answer = world.call(request(method, path).send()).await;
        assert_eq!(answer.code(), "method_not_allowed", "{method} {path}");
        let sorted = |list: &str| {
            let mut words: Vec<_> = list.split(',').map(|word| word.trim().to_owned()).collect();
            words.sort_unstable();
            words
        };
        assert_eq!(sorted(answer.header("allow")), sorted(allow));
    }
}

#[tokio::test]
async fn a_megabyte_of_anything_anywhere_is_refused_calmly() {
    let world = World::new().await;
    let megabyte = "a".repeat(1 << 20);
    let path = "/auth/v1/refresh?reason=timer";
    let cookie = post(path).cookie(&format!("fiftyten={megabyte}")).send();
    assert_eq!(world.call(cookie).await.code(), "no_session");
    let many = "fiftyten; =; fiftyten".to_owned() + &"; a=b".repeat(200_000);
    assert_eq!(world.call(post(path).cookie(&many).send()).await.code(), "no_session");
    let duplicates = "fiftyten=x; ".repeat(80_000);
    assert_eq!(world.call(post(path).cookie(&duplicates).send()).await.code(), "duplicate_cookie");
    let origin = post(path).without("origin").with("origin", &megabyte).send();
    let answer = world.call(origin).await;
    assert_eq!(answer.code(), "origin_rejected");
    assert!(answer.body.len() < 1000, "and is not sent back");
    let header = post(path).without("x-fiftyten").with("x-fiftyten", &megabyte).send();
    assert_eq!(world.call(header).await.code(), "header_required");
    let body = post(path).with("content-type", "application/json").body(megabyte.clone());
    assert_eq!(world.call(body).await.code(), "no_session", "a refresh has no body, and does not read one");
    let forwarded = post("/auth/v1/sessions").with("x-forwarded-for", "1,".repeat(500_000)).send();
    assert_eq!(world.call(forwarded).await.code(), "unsupported_media_type");
    let media_type = post("/auth/v1/sessions").with("content-type", &megabyte).send();
    assert_eq!(world.call(media_type).await.code(), "unsupported_media_type");
    let query = format!("/auth/v1/refresh?reason={}", "a".repeat(60_000));
    assert_eq!(world.call(post(&query).send()).await.code(), "bad_request");
    let tags =
        bare("GET", "/auth/.well-known/jwks.json").with("if-none-match", "\"a\",".repeat(250_000)).send();
    assert_eq!(world.call(tags).await.status, StatusCode::OK);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_the_server_panic_or_fail(requests in prop::collection::vec(any_request(), 300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            let (cookie, _) = world.sign_in().await;
            for (method, path, headers, body) in requests {
                let mut builder = Request::builder().method(method.as_str()).uri(path.as_str());
                for (name, value) in &headers {
                    let value = if value == b"{cookie}" { cookie.as_bytes() } else { value };
                    builder = builder.header(name.as_str(), value);
                }
                let Ok(request) = builder.body(body.clone().into()) else { continue };
                let answer = answer(world.router(), request).await;
                let context = format!("{method} {path} {headers:?} {body:?}");
                assert!(answer.status.as_u16() < 500, "{} for {context}", answer.status);
                if answer.status.as_u16() >= 400 && method != "HEAD" && !answer.body.is_empty() {
                    answer.code();
                }
            }
        });
    }
}

type AnyRequest = (String, String, Vec<(String, Vec<u8>)>, Vec<u8>);

fn any_request() -> impl Strategy<Value = AnyRequest> {
    let method = prop_oneof![
        Just("GET"),
        Just("POST"),
        Just("POST"),
        Just("DELETE"),
        Just("HEAD"),
        Just("OPTIONS"),
        Just("PUT"),
        Just("TRACE"),
    ];
    let path = prop_oneof![
        Just("/auth/v1/sessions".to_owned()),
        Just("/auth/v1/session".to_owned()),
        "/auth/v1/refresh\\?[ -~]{0,30}"
            .prop_map(|path| path.replace([' ', '"', '<', '>', '\\', '^', '`', '{', '|', '}', '#'], "")),
        "/auth/v1/refresh\\?reason=(timer|wake|x)&active=[01x]",
        "/auth/v1/sessions/[a-f0-9%.]{0,40}",
        "/[a-z/%0-9.]{0,30}",
    ];
    let value = prop_oneof![
        Just(b"1".to_vec()),
        Just(b"{cookie}".to_vec()),
        Just(b"same-origin".to_vec()),
        Just(b"http://localhost:8080".to_vec()),
        Just(b"application/json".to_vec()),
        prop::collection::vec(0x20u8..=0xff, 0..60),
    ];
    let name = prop_oneof![
        Just("x-fiftyten"),
        Just("origin"),
        Just("sec-fetch-site"),
        Just("cookie"),
        Just("content-type"),
        Just("if-none-match"),
        Just("x-forwarded-for"),
        Just("user-agent"),
    ];
    // Most requests pass the first checks, so that something is left to be tested.
    let usual = vec![
        ("x-fiftyten".to_owned(), b"1".to_vec()),
        ("sec-fetch-site".to_owned(), b"same-origin".to_vec()),
        ("content-type".to_owned(), b"application/json".to_vec()),
    ];
    let headers = prop::collection::vec((name.prop_map(str::to_owned), value), 0..4);
    let headers = (prop::bool::weighted(0.8), headers).prop_map(move |(most, mut headers)| {
        if most {
            headers.retain(|(name, _)| usual.iter().all(|(known, _)| known != name));
            headers.extend(usual.clone());
        }
        headers
    });
    let body = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50),
        // Passwords of one byte and of none, so that few of them cost a hash.
        "\\{\"email\":\"[a-z@]{0,5}\",\"password\":\"\"?\\}?".prop_map(String::into_bytes),
        Just(b"{\"email\":-1,\"password\":1e999}".to_vec()),
    ];
    (method.prop_map(str::to_owned), path, headers, body)
}
