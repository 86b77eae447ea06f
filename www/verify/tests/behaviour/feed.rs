//! A verifier that follows a revocation feed, which a little server on this machine plays.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fiftyten_verify::{CacheLimits, FeedError, FeedStatus, OnSilence, RevocationFeed, Verifier, VerifyError};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::issuer::{Issuer, payload, set};

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

const START: &str = "event: start\ndata: {\"token_lifetime_ms\":60000}\n\n";
const HEARTBEAT: &str = "event: heartbeat\ndata: {}\n\n";

fn ended(session: &str) -> String {
    format!("event: ended\ndata: {{\"sessions\":[\"{session}\"]}}\n\n")
}

/// Hands over each connection, once its request has come.
struct Server {
    listener: TcpListener,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { listener, requests: Arc::default() }
    }

    fn feed(&self) -> RevocationFeed {
        let url = format!("http://{}/v1/revocations", self.listener.local_addr().unwrap());
        RevocationFeed::new(url, "fiftyten_feed_canary")
    }

    async fn accept(&self) -> TcpStream {
        let accepted = tokio::time::timeout(PATIENCE, self.listener.accept()).await;
        let (mut stream, _) = accepted.expect("it connects").unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        self.requests.lock().unwrap().push(String::from_utf8(head).unwrap());
        stream
    }

    /// A connection that the server has answered, and on which these events have been sent.
    async fn stream(&self, events: &str) -> TcpStream {
        let mut stream = self.accept().await;
        say(&mut stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
            .await;
        say(&mut stream, events).await;
        stream
    }
}

async fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).await.unwrap();
}

/// Keeps the feed alive for this long.
async fn beat(stream: &mut TcpStream, time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        say(stream, HEARTBEAT).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn token(issuer: &Issuer, session: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let payload = set(set(payload(), "iat", json!(now)), "exp", json!(now + 60));
    issuer.token(&issuer.header(), &set(payload, "sid", json!(session)))
}

async fn until(verifier: &Verifier, holds: impl Fn(FeedStatus) -> bool) {
    let began = Instant::now();
    while !holds(verifier.feed().unwrap()) {
        assert!(began.elapsed() < PATIENCE, "{:?}", verifier.feed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_token_of_a_session_that_ended_is_refused_from_the_cache_too() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    for cached in [false, true] {
        let verifier = issuer.verifier().with_feed(server.feed()).unwrap();
        let verifier = if cached { verifier.with_cache(CacheLimits::new()) } else { verifier };
        let mut stream = server.stream(&[START, &ended("before"), HEARTBEAT].concat()).await;
        until(&verifier, |feed| feed.is_current).await;
        let (before, later, other) =
            (token(&issuer, "before"), token(&issuer, "later"), token(&issuer, "other"));
        assert_eq!(verifier.verify(&before), Err(VerifyError::Revoked));
        for token in [&later, &other, &later] {
            assert!(verifier.verify(token).is_ok());
        }
        let clone = verifier.clone();
        say(&mut stream, &ended("later")).await;
        until(&verifier, |feed| feed.sessions == 2).await;
        for _ in 0..3 {
            assert_eq!(verifier.verify(&later), Err(VerifyError::Revoked));
            assert_eq!(clone.verify(&later), Err(VerifyError::Revoked));
        }
        assert!(verifier.verify(&other).is_ok());
        assert_eq!(verifier.feed().unwrap().revoked, 7);
        assert_eq!(verifier.feed(), clone.feed(), "clones share it");
    }
    let request = server.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET /v1/revocations HTTP/1.1\r\n"));
    assert!(request.contains("authorization: Bearer fiftyten_feed_canary\r\n"), "{request}");
    assert!(!request.contains("cookie") && !request.contains("origin"));
}

#[tokio::test]
async fn a_silent_feed_falls_back_to_the_lifetime_of_tokens_and_counts() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    let verifier = issuer.verifier().with_feed(server.feed()).unwrap();
    let good = token(&issuer, "good");
    assert!(verifier.verify(&good).is_ok(), "before the first heartbeat");
    let status = verifier.feed().unwrap();
    assert_eq!((status.is_current, status.unchecked, status.silences), (false, 1, 0));
    let mut stream = server.stream(&[START, &ended("bad")].concat()).await;
    until(&verifier, |feed| feed.sessions == 1).await;
    assert!(!verifier.feed().unwrap().is_current, "what had ended is not all told yet");
    beat(&mut stream, Duration::from_millis(300)).await;
    until(&verifier, |feed| feed.is_current).await;
    assert!(verifier.verify(&good).is_ok());
    assert_eq!(verifier.feed().unwrap().unchecked, 1, "it was checked");
    let silent_since = Instant::now();
    until(&verifier, |feed| feed.silences == 1).await;
    assert!(silent_since.elapsed() < Duration::from_secs(3), "{:?}", silent_since.elapsed());
    assert!(verifier.verify(&good).is_ok());
    assert_eq!(verifier.verify(&token(&issuer, "bad")), Err(VerifyError::Revoked), "what is known is known");
    assert_eq!(verifier.feed().unwrap().unchecked, 2);
    say(&mut stream, HEARTBEAT).await;
    until(&verifier, |feed| feed.is_current).await;
}

#[tokio::test]
async fn a_verifier_that_was_told_to_refuses_while_the_feed_is_silent() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    let verifier = issuer.verifier().with_feed(server.feed().on_silence(OnSilence::Refuse)).unwrap();
    let verifier = verifier.with_cache(CacheLimits::new());
    let good = token(&issuer, "good");
    assert_eq!(verifier.verify(&good), Err(VerifyError::FeedSilent), "before the first heartbeat");
    let mut stream = server.stream(START).await;
    beat(&mut stream, Duration::from_millis(300)).await;
    until(&verifier, |feed| feed.is_current).await;
    assert!(verifier.verify(&good).is_ok());
    until(&verifier, |feed| !feed.is_current).await;
    assert_eq!(verifier.verify(&good), Err(VerifyError::FeedSilent), "not even from the cache");
    assert_eq!(verifier.feed().unwrap().refused, 2);
    // What is wrong with a token is said all the same.
    assert_eq!(verifier.verify(&issuer.with_claim("exp", json!(1))), Err(VerifyError::Lifetime));
    say(&mut stream, HEARTBEAT).await;
    until(&verifier, |feed| feed.is_current).await;
    assert!(verifier.verify(&good).is_ok());
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn an_api_says_revoked_with_401_and_not_known_with_503() {
    use axum::Router;
    use axum::routing::get;
    use fiftyten_verify::RequireToken;

    let (issuer, server) = (Issuer::new(), Server::start().await);
    let verifier = issuer.verifier().with_feed(server.feed().on_silence(OnSilence::Refuse)).unwrap();
    let app = Router::new().route("/", get(|| async { "ok" })).layer(RequireToken::new(verifier.clone()));
    let bearer = |session: &str| format!("Bearer {}", token(&issuer, session));
    let unknown = crate::layer::ask(&app, "/", &[&bearer("good")]).await;
    assert_eq!((unknown.status, unknown.problem()["code"].as_str().unwrap()), (503, "revocations_unknown"));
    assert_eq!(unknown.challenge, None, "a new token would be no better");
    assert_eq!(unknown.refusal.unwrap().into_http::<String>().headers()["retry-after"], "1");
    let _stream = server.stream(&[START, &ended("bad"), HEARTBEAT].concat()).await;
    until(&verifier, |feed| feed.is_current).await;
    let revoked = crate::layer::ask(&app, "/", &[&bearer("bad")]).await;
    assert_eq!((revoked.status, revoked.problem()["code"].as_str().unwrap()), (401, "token_revoked"));
    assert_eq!(revoked.challenge.unwrap(), r#"Bearer error="invalid_token""#);
    assert_eq!(crate::layer::ask(&app, "/", &[&bearer("good")]).await.status, 200);
}

#[tokio::test]
async fn what_ended_while_the_connection_was_lost_is_known_once_it_is_back() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    let verifier = issuer.verifier().with_feed(server.feed()).unwrap();
    drop(server.stream(&[START, &ended("first"), HEARTBEAT].concat()).await);
    until(&verifier, |feed| feed.sessions == 1).await;
    // As the server does: all that ended in a token's life is told anew.
    let _stream = server.stream(&[START, &ended("first"), &ended("meanwhile"), HEARTBEAT].concat()).await;
    until(&verifier, |feed| feed.sessions == 2 && feed.is_current).await;
    for session in ["first", "meanwhile"] {
        assert_eq!(verifier.verify(&token(&issuer, session)), Err(VerifyError::Revoked));
    }
    assert_eq!(verifier.feed().unwrap().connections, 2);
}

#[tokio::test]
async fn a_connection_on_which_nothing_comes_is_given_up_for_another() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    let feed = server.feed().silence(Duration::from_millis(500));
    let verifier = issuer.verifier().with_feed(feed).unwrap();
    let dead = server.stream(&[START, HEARTBEAT].concat()).await;
    let _alive = server.stream(&[START, HEARTBEAT].concat()).await;
    until(&verifier, |feed| feed.connections == 2).await;
    drop(dead);
}

#[tokio::test]
async fn a_server_that_refuses_is_asked_less_and_less_often() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    let verifier = issuer.verifier().with_feed(server.feed()).unwrap();
    let refusals = [
        "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>\n\nevent: ended\ndata: garbage\n\n",
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        "",
    ];
    let (began, mut attempts) = (Instant::now(), 0);
    while began.elapsed() < Duration::from_secs(4) {
        let accepted = tokio::time::timeout(Duration::from_millis(500), server.accept()).await;
        let Ok(mut stream) = accepted else { continue };
        let _ = stream.write_all(refusals[attempts % refusals.len()].as_bytes()).await;
        attempts += 1;
    }
    assert!((2..=30).contains(&attempts), "{attempts}");
    let status = verifier.feed().unwrap();
    assert_eq!((status.is_current, status.sessions), (false, 0));
    let _stream = server.stream(&[START, HEARTBEAT].concat()).await;
    until(&verifier, |feed| feed.is_current).await;
}

#[tokio::test]
async fn it_is_followed_until_the_last_verifier_is_dropped() {
    let (issuer, server) = (Issuer::new(), Server::start().await);
    let verifier = issuer.verifier().with_feed(server.feed()).unwrap();
    let mut stream = server.stream(&[START, HEARTBEAT].concat()).await;
    until(&verifier, |feed| feed.is_current).await;
    let clone = verifier.clone();
    drop(verifier);
    beat(&mut stream, Duration::from_millis(200)).await;
    assert!(clone.feed().unwrap().is_current);
    drop(clone);
    let end = tokio::time::timeout(PATIENCE, stream.read_u8()).await.expect("the connection ends");
    assert!(end.is_err());
}

#[tokio::test]
async fn what_cannot_work_is_said_at_once() {
    let verifier = || Issuer::new().verifier();
    for url in ["http://example.com/v1/revocations", "http://10.0.0.1/", "http://user@localhost/", "x", ""] {
        let refused = verifier().with_feed(RevocationFeed::new(url, "x"));
        assert!(matches!(refused, Err(FeedError::Url)), "{url}");
    }
    let refused = verifier().with_feed(RevocationFeed::new("http://localhost/", "a\nb"));
    assert!(matches!(refused, Err(FeedError::Credential)));
    let feed = RevocationFeed::new("http://localhost:1/", "x");
    let elsewhere = std::thread::spawn(move || verifier().with_feed(feed).map(drop));
    assert!(matches!(elsewhere.join().unwrap(), Err(FeedError::NoRuntime)));
    assert!(Issuer::new().verifier().feed().is_none());
}
