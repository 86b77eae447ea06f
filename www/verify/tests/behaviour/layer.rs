//! The tower layer and the axum extractor, over a router without a socket.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Response, header};
use axum::routing::get;
use axum::{Extension, Router};
use fiftyten::protocol::{PROBLEM_MEDIA_TYPE, Problem};
use fiftyten_verify::{Claims, Refusal, RequireToken, Verifier, VerifyError};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use crate::issuer::{Issuer, payload, set};

/// A good token for now, with other claims.
pub fn fresh(issuer: &Issuer, claims: Value) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut claims = claims;
    claims = set(set(claims, "iat", json!(now)), "exp", json!(now + 60));
    issuer.token(&issuer.header(), &claims)
}

fn app(verifier: Verifier) -> Router {
    Router::new()
        .route("/me", get(async |claims: Claims| claims.subject().to_owned()))
        .route("/extension", get(async |Extension(claims): Extension<Claims>| claims.session().to_owned()))
        .layer(RequireToken::new(verifier))
        .route("/bare", get(async |claims: Claims| claims.subject().to_owned()))
}

/// An answer's status, challenge and body.
pub struct Answer {
    pub status: u16,
    pub challenge: Option<String>,
    pub body: String,
    pub refusal: Option<Refusal>,
}

impl Answer {
    pub fn problem(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub async fn ask(app: &Router, path: &str, authorization: &[&str]) -> Answer {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    for value in authorization {
        request.headers_mut().append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
    }
    send(app, request).await
}

async fn send(app: &Router, request: Request) -> Answer {
    read(app.clone().oneshot(request).await.unwrap()).await
}

async fn read(response: Response<Body>) -> Answer {
    let status = response.status().as_u16();
    let text =
        |name| response.headers().get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
    if status >= 400 {
        assert_eq!(text(header::CONTENT_TYPE).as_deref(), Some(PROBLEM_MEDIA_TYPE));
        assert_eq!(text(header::CACHE_CONTROL).as_deref(), Some("no-store"));
    }
    let challenge = text(header::WWW_AUTHENTICATE);
    let refusal = response.extensions().get::<Refusal>().cloned();
    let body = to_bytes(response.into_body(), 1 << 16).await.unwrap();
    if status >= 400 {
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.kind.as_str(), problem.status), ("about:blank", status));
        assert!(problem.detail.is_some(), "it says what to do");
    }
    Answer { status, challenge, body: String::from_utf8(body.to_vec()).unwrap(), refusal }
}

#[tokio::test]
async fn a_good_token_reaches_the_handler_with_its_claims() {
    let issuer = Issuer::new();
    let app = app(issuer.verifier());
    let token = fresh(&issuer, payload());
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let answer = ask(&app, "/me", &[&format!("{scheme} {token}")]).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "user-1"), "{scheme}");
    }
    let answer = ask(&app, "/extension", &[&format!("Bearer   {token}")]).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "session-1"));
}

#[tokio::test]
async fn without_a_token_the_challenge_names_no_error() {
    let app = app(Issuer::new().verifier());
    for authorization in
        [&[][..], &["Basic dXNlcjpwYXNz"], &["Digest x"], &["Bearerx y"], &["DPoP abc"], &["Bearer\tabc"]]
    {
        let answer = ask(&app, "/me", authorization).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer realm="session""#));
        assert_eq!(answer.problem()["code"], "token_missing");
        assert_eq!(answer.problem()["status"], 401);
        assert_eq!(answer.problem()["type"], "about:blank");
        assert_eq!(answer.problem()["title"], "Unauthorized");
        assert_eq!(answer.refusal, Some(Refusal::TokenMissing));
    }
}

#[tokio::test]
async fn a_malformed_header_is_an_invalid_token() {
    let issuer = Issuer::new();
    let app = app(issuer.verifier());
    let token = fresh(&issuer, payload());
    let good = format!("Bearer {token}");
    for authorization in [
        &["Bearer"][..],
        &["Bearer "],
        &["Bearer undefined"],
        &["Bearer null"],
        &["Bearer a b"],
        &[&format!("Bearer {token} {token}")],
        &[&format!("Bearer {token},{token}")],
        &[&format!("Bearer \"{token}\"")],
        &[&good, &good],
        &[&good, "Basic dXNlcjpwYXNz"],
        &["Basic dXNlcjpwYXNz", &good],
        &[&format!("{good}, Basic dXNlcjpwYXNz")],
    ] {
        let answer = ask(&app, "/me", authorization).await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.problem()["code"], "token_invalid", "{authorization:?}");
        assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer error="invalid_token""#));
    }
    let mut request = Request::get("/me").body(Body::empty()).unwrap();
    request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap());
    assert_eq!(send(&app, request).await.problem()["code"], "token_invalid");
}

#[tokio::test]
async fn an_expired_token_says_so() {
    let issuer = Issuer::new();
    let app = app(issuer.verifier());
    let old = set(set(payload(), "iat", json!(1_700_000_000)), "exp", json!(1_700_000_060));
    let answer = ask(&app, "/me", &[&format!("Bearer {}", issuer.token(&issuer.header(), &old))]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem()["code"], "token_expired");
    assert!(answer.challenge.unwrap().starts_with(r#"Bearer error="invalid_token""#));
    assert_eq!(answer.refusal, Some(Refusal::Token(VerifyError::Expired)));
}

#[tokio::test]
async fn a_token_that_is_refused_is_not_repeated_in_the_answer() {
    let issuer = Issuer::new();
    let forged = fresh(&Issuer::with(2, "key-1"), payload());
    let answer = ask(&app(issuer.verifier()), "/me", &[&format!("Bearer {forged}")]).await;
    assert_eq!(answer.problem()["code"], "token_invalid");
    assert_eq!(answer.refusal, Some(Refusal::Token(VerifyError::Signature)));
    let text = format!("{}{:?}", answer.body, answer.challenge);
    assert!(!text.contains(&forged) && !text.contains(&forged[..20]));
}

#[tokio::test]
async fn a_handler_without_the_layer_refuses_everyone() {
    let issuer = Issuer::new();
    let answer =
        ask(&app(issuer.verifier()), "/bare", &[&format!("Bearer {}", fresh(&issuer, payload()))]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.problem()["code"], "token_missing");
}

#[tokio::test]
async fn an_optional_token_may_be_missing_but_not_wrong() {
    let issuer = Issuer::new();
    let name = async |claims: Option<Claims>| {
        claims.map_or("nobody".to_owned(), |claims| claims.subject().to_owned())
    };
    let app = Router::new().route("/", get(name)).layer(RequireToken::new(issuer.verifier()).optional());
    assert_eq!(ask(&app, "/", &[]).await.body, "nobody");
    assert_eq!(ask(&app, "/", &["Basic dXNlcjpwYXNz"]).await.body, "nobody");
    assert_eq!(ask(&app, "/", &[&format!("Bearer {}", fresh(&issuer, payload()))]).await.body, "user-1");
    assert_eq!(ask(&app, "/", &["Bearer undefined"]).await.status, 401);
}

#[tokio::test]
async fn the_layer_serves_any_tower_service() {
    let issuer = Issuer::new();
    let inner = service_fn(async |request: axum::http::Request<()>| {
        let user = request.extensions().get::<Claims>().map(|claims| claims.subject().to_owned());
        Ok::<_, std::convert::Infallible>(Response::new(user.unwrap_or_default()))
    });
    let service = RequireToken::new(issuer.verifier()).layer(inner);
    let token = fresh(&issuer, payload());
    let request =
        axum::http::Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap();
    assert_eq!(service.clone().oneshot(request).await.unwrap().into_body(), "user-1");
    let request = axum::http::Request::get("/").body(()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 401);
}
