//! One exchange with the server, as a page makes it.

use bytes::Bytes;
use fiftyten::clock::Millis;
use fiftyten::event::{Reply, Trouble};
use fiftyten::protocol::{CLIENT_HEADER, CLIENT_HEADER_VALUE, Problem, Reason, path};
use http_body_util::{BodyExt, Empty};
use hyper::header::{COOKIE, ORIGIN, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Where a browser's calls go.
#[derive(Clone, Debug)]
pub struct Target {
    /// The URL of the base path, without a trailing slash: `http://127.0.0.1:8080/auth`.
    pub url: String,
    /// What the page's `Origin` is.
    pub origin: String,
}

/// What to call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Refresh { reason: Reason, active: bool },
    SignOut,
}

/// A browser's connections, and what it sends along.
#[derive(Clone)]
pub(crate) struct Http {
    target: Target,
    cookie: String,
    client: Client<HttpConnector, Empty<Bytes>>,
}

impl Http {
    pub(crate) fn new(target: Target, cookie: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self { target, cookie, client: Client::builder(TokioExecutor::new()).build(connector) }
    }

    /// It never fails: not being answered is a reply too.
    pub(crate) async fn exchange(self, call: Call) -> Reply {
        self.attempt(call).await.unwrap_or(Reply::Unreachable)
    }

    async fn attempt(self, call: Call) -> Option<Reply> {
        let (method, url) = match call {
            Call::Refresh { reason, active } => {
                let query = format!("?reason={}&active={}", reason.as_str(), u8::from(active));
                (Method::POST, format!("{}{}{query}", self.target.url, path::REFRESH))
            }
            Call::SignOut => (Method::DELETE, format!("{}{}", self.target.url, path::SESSION)),
        };
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(CLIENT_HEADER, CLIENT_HEADER_VALUE)
            .header(ORIGIN, &self.target.origin)
            .header(COOKIE, &self.cookie)
            .body(Empty::new())
            .ok()?;
        let (head, body) = self.client.request(request).await.ok()?.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        let seconds =
            head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        let trouble = serde_json::from_slice::<Problem>(&body).ok().map(|problem| Trouble {
            code: problem.code.parse().ok(),
            detail: problem.detail,
            session: problem.session,
        });
        Some(Reply::Http {
            status: head.status.as_u16(),
            retry_after: seconds.map(|seconds| Millis(seconds * 1_000)),
            body: serde_json::from_slice(&body).ok().filter(|_| head.status.is_success()),
            problem: trouble.filter(|_| !head.status.is_success()),
        })
    }
}
