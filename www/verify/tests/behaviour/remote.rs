//! Keys fetched from a little server on this machine.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use fiftyten_verify::{CacheLimits, FetchError, JwksUrl, KeySetError, Verifier, VerifyError};
use serde_json::json;

use crate::issuer::{Issuer, expect, jwks, payload, set};

/// Serves whatever it is told to, and counts.
#[derive(Clone)]
struct Server {
    answer: Arc<Mutex<(StatusCode, String)>>,
    delay: Arc<Mutex<Duration>>,
    fetches: Arc<AtomicUsize>,
    url: String,
}

impl Server {
    async fn start(answer: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            answer: Arc::new(Mutex::new((StatusCode::OK, answer))),
            delay: Arc::default(),
            fetches: Arc::default(),
            url: format!("http://{}/jwks.json", listener.local_addr().unwrap()),
        };
        let state = server.clone();
        let app = Router::new().route("/jwks.json", get(async move || state.serve().await));
        tokio::spawn(async { axum::serve(listener, app).await });
        server
    }

    async fn serve(self) -> Response {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let delay = *self.delay.lock().unwrap();
        tokio::time::sleep(delay).await;
        self.answer.lock().unwrap().clone().into_response()
    }

    fn publish(&self, issuers: &[&Issuer]) {
        self.answer(StatusCode::OK, jwks(issuers.iter().map(|issuer| issuer.jwk())));
    }

    fn answer(&self, status: StatusCode, body: String) {
        *self.answer.lock().unwrap() = (status, body);
    }

    fn slow(&self, delay: Duration) {
        *self.delay.lock().unwrap() = delay;
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    fn url(&self) -> JwksUrl {
        JwksUrl::new(self.url.clone()).cool_down(Duration::ZERO)
    }
}

fn token(issuer: &Issuer) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    issuer.token(&issuer.header(), &set(set(payload(), "iat", json!(now)), "exp", json!(now + 60)))
}

async fn serving(issuer: &Issuer) -> Server {
    Server::start(jwks([issuer.jwk()])).await
}

#[tokio::test]
async fn a_rotated_key_is_fetched_when_its_first_token_comes() {
    let (old, new) = (Issuer::with(1, "old"), Issuer::with(2, "new"));
    let server = serving(&old).await;
    let verifier = Verifier::from_jwks_url(server.url(), expect()).await.unwrap();
    assert!(verifier.verify_or_fetch(&token(&old)).await.is_ok());
    assert_eq!(server.fetches(), 1, "known keys are not fetched again");

    server.publish(&[&new, &old]);
    assert_eq!(verifier.verify(&token(&new)), Err(VerifyError::UnknownKey), "verify does not fetch");
    assert!(verifier.verify_or_fetch(&token(&new)).await.is_ok());
    assert!(verifier.verify(&token(&new)).is_ok());
    assert!(verifier.verify(&token(&old)).is_ok());
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn unknown_keys_cost_one_fetch_in_a_cool_down() {
    let (good, unknown) = (Issuer::with(1, "good"), Issuer::with(2, "unknown"));
    let server = serving(&good).await;
    let url = server.url().cool_down(Duration::from_secs(3_600));
    let verifier = Verifier::from_jwks_url(url, expect()).await.unwrap();
    for _ in 0..50 {
        assert_eq!(verifier.verify_or_fetch(&token(&unknown)).await, Err(VerifyError::UnknownKey));
    }
    assert_eq!(server.fetches(), 1, "the fetch at the start counts");
    assert!(verifier.verify_or_fetch(&token(&good)).await.is_ok());
}

#[tokio::test]
async fn the_cool_down_begins_anew_with_every_fetch() {
    let (good, unknown) = (Issuer::with(1, "good"), Issuer::with(2, "unknown"));
    let server = serving(&good).await;
    let verifier =
        Verifier::from_jwks_url(server.url().cool_down(Duration::from_secs(2)), expect()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    for status in [StatusCode::BAD_GATEWAY, StatusCode::OK] {
        server.answer(status, jwks([good.jwk()]));
        assert_eq!(verifier.verify_or_fetch(&token(&unknown)).await, Err(VerifyError::UnknownKey));
        assert_eq!(server.fetches(), 2, "a fetch that fails counts");
    }
}

#[tokio::test]
async fn only_an_unknown_key_is_worth_a_fetch() {
    let (good, unknown) = (Issuer::with(1, "good"), Issuer::with(2, "unknown"));
    let server = serving(&good).await;
    let verifier = Verifier::from_jwks_url(server.url(), expect()).await.unwrap();
    for bad in [
        "undefined".to_owned(),
        "a".repeat(1 << 20),
        good.good() + "A",
        good.with_claim("exp", json!(1)),
        Issuer::with(2, "good").good(),
        unknown.with_header("alg", json!("none")),
        unknown.with_header("alg", json!("HS256")),
        unknown.with_header("typ", json!("JWT")),
        unknown.with_header("kid", json!("k".repeat(129))),
        unknown.with_header("jku", json!(server.url)),
    ] {
        assert!(verifier.verify_or_fetch(&bad).await.is_err());
    }
    assert_eq!(server.fetches(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_requests_wait_for_one_fetch() {
    let (old, new) = (Issuer::with(1, "old"), Issuer::with(2, "new"));
    let server = serving(&old).await;
    let verifier = Verifier::from_jwks_url(server.url(), expect()).await.unwrap();
    server.publish(&[&new, &old]);
    server.slow(Duration::from_millis(200));
    let token = token(&new);
    let requests: Vec<_> = (0..100)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify_or_fetch(&token).await })
        })
        .collect();
    for request in requests {
        assert!(request.await.unwrap().is_ok());
    }
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_end_the_fetch_for_the_others() {
    let (old, new) = (Issuer::with(1, "old"), Issuer::with(2, "new"));
    let server = serving(&old).await;
    let url = server.url().cool_down(Duration::from_millis(50));
    let verifier = Verifier::from_jwks_url(url, expect()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(60)).await;
    server.publish(&[&new]);
    server.slow(Duration::from_millis(200));
    let token = token(&new);
    let impatient = tokio::time::timeout(Duration::from_millis(40), verifier.verify_or_fetch(&token)).await;
    assert!(impatient.is_err());
    assert!(verifier.verify_or_fetch(&token).await.is_ok());
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn the_last_good_keys_stay_when_a_fetch_fails() {
    let (good, unknown) = (Issuer::with(1, "good"), Issuer::with(2, "unknown"));
    let server = serving(&good).await;
    let url = server.url().timeout(Duration::from_secs(2));
    let verifier = Verifier::from_jwks_url(url, expect()).await.unwrap();
    let failures = [
        (StatusCode::INTERNAL_SERVER_ERROR, String::new()),
        (StatusCode::NOT_FOUND, jwks([unknown.jwk()])),
        (StatusCode::NO_CONTENT, String::new()),
        (StatusCode::OK, "<html>".to_owned()),
        (StatusCode::OK, jwks([])),
        (StatusCode::OK, jwks([unknown.jwk(), unknown.jwk()])),
        (StatusCode::OK, format!("{}{}", jwks([unknown.jwk()]), " ".repeat(70_000))),
    ];
    for (status, body) in failures {
        server.answer(status, body);
        let before = server.fetches();
        assert_eq!(verifier.verify_or_fetch(&token(&unknown)).await, Err(VerifyError::UnknownKey));
        assert_eq!(server.fetches(), before + 1);
        assert!(verifier.verify_or_fetch(&token(&good)).await.is_ok());
    }
    server.slow(Duration::from_secs(60));
    server.publish(&[&unknown]);
    assert_eq!(verifier.verify_or_fetch(&token(&unknown)).await, Err(VerifyError::UnknownKey), "timed out");
    assert!(verifier.verify_or_fetch(&token(&good)).await.is_ok());
}

#[tokio::test]
async fn a_withdrawn_key_goes_away_when_the_keys_are_old() {
    for cached in [false, true] {
        let (kept, withdrawn) = (Issuer::with(1, "kept"), Issuer::with(2, "withdrawn"));
        let server = Server::start(jwks([kept.jwk(), withdrawn.jwk()])).await;
        let url = server.url().max_age(Duration::from_millis(50));
        let verifier = Verifier::from_jwks_url(url, expect()).await.unwrap();
        let verifier = if cached { verifier.with_cache(CacheLimits::new()) } else { verifier };
        let (good, bad) = (token(&kept), token(&withdrawn));
        assert!(verifier.verify_or_fetch(&bad).await.is_ok());
        server.publish(&[&kept]);
        tokio::time::sleep(Duration::from_millis(60)).await;
        let mut attempts = 0;
        while verifier.verify(&bad) != Err(VerifyError::UnknownKey) {
            assert!(attempts < 100, "the withdrawn key is still there");
            attempts += 1;
            assert!(verifier.verify_or_fetch(&good).await.is_ok());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn no_request_waits_for_a_fetch_in_the_background() {
    let issuer = Issuer::new();
    let server = serving(&issuer).await;
    let url = server.url().max_age(Duration::ZERO).timeout(Duration::from_secs(60));
    let verifier = Verifier::from_jwks_url(url, expect()).await.unwrap();
    server.slow(Duration::from_secs(60));
    let answers = async {
        for _ in 0..20 {
            assert!(verifier.verify_or_fetch(&token(&issuer)).await.is_ok());
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answers).await.unwrap();
}

#[tokio::test]
async fn a_first_fetch_that_fails_says_why() {
    let issuer = Issuer::new();
    let server = serving(&issuer).await;
    let connect = async |url: JwksUrl| Verifier::from_jwks_url(url, expect()).await.map(drop).unwrap_err();

    server.answer(StatusCode::FOUND, String::new());
    assert!(matches!(connect(server.url()).await, FetchError::Status(302)));
    server.answer(StatusCode::OK, "{}".to_owned());
    assert!(matches!(connect(server.url()).await, FetchError::Keys(KeySetError::Malformed)));
    server.answer(StatusCode::OK, " ".repeat(70_000));
    assert!(matches!(connect(server.url()).await, FetchError::Keys(KeySetError::TooLarge)));
    server.slow(Duration::from_secs(60));
    assert!(matches!(connect(server.url().timeout(Duration::from_millis(50))).await, FetchError::Timeout));

    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(connect(format!("http://{closed}/").into()).await, FetchError::Transport(_)));
    assert!(matches!(connect("http://app.example/jwks.json".into()).await, FetchError::Url));
    assert!(matches!(connect("not a url".into()).await, FetchError::Url));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn the_layer_waits_for_a_key_and_then_serves() {
    use fiftyten_verify::{Claims, RequireToken};

    let (old, new, unknown) = (Issuer::with(1, "old"), Issuer::with(2, "new"), Issuer::with(3, "unknown"));
    let server = serving(&old).await;
    let verifier = Verifier::from_jwks_url(server.url(), expect()).await.unwrap();
    let app = Router::new()
        .route("/", get(async |claims: Claims| claims.subject().to_owned()))
        .layer(RequireToken::new(verifier));
    server.publish(&[&new]);
    let answer = crate::layer::ask(&app, "/", &[&format!("Bearer {}", token(&new))]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "user-1"));
    assert_eq!(server.fetches(), 2);
    let answer = crate::layer::ask(&app, "/", &[&format!("Bearer {}", token(&unknown))]).await;
    assert_eq!((answer.status, answer.problem()["code"].as_str()), (401, Some("token_invalid")));
}
