//! The SDK's own calls: one exchange with the server, whatever becomes of it.

use js_sys::{Date, JSON};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Headers, RequestCache, RequestCredentials, RequestInit, RequestRedirect, Response,
};

use crate::clock::Millis;
use crate::event::Reply;
use crate::protocol::{CLIENT_HEADER, CLIENT_HEADER_VALUE, Reason, path};
use crate::web::body;
use crate::web::host::Host;

/// What to call.
pub(super) enum Call {
    Refresh {
        reason: Reason,
        active: bool,
    },
    /// With the JSON text to send: a ticket, or a password.
    SignIn {
        body: JsValue,
        is_ticket: bool,
    },
    SignOut,
}

/// The absolute URLs of the calls.
pub(super) struct Endpoints {
    base: String,
    shared_name: String,
}

impl Endpoints {
    pub(super) fn new(base: &str) -> Self {
        let mut shared_name = String::from("fiftyten:");
        shared_name.push_str(base);
        shared_name.push_str(path::REFRESH);
        Self { base: base.to_owned(), shared_name }
    }

    /// The name of the lock and of the channel: sessions of other servers on the same origin have
    /// their own.
    pub(super) fn shared_name(&self) -> &str {
        &self.shared_name
    }

    /// The name of the second lock.
    pub(super) fn second_name(&self) -> &str {
        &self.base
    }

    fn url(&self, call: &Call) -> String {
        let tail: [&str; 4] = match call {
            Call::Refresh { reason, active } => {
                [path::REFRESH, "?reason=", reason.as_str(), if *active { "&active=1" } else { "&active=0" }]
            }
            Call::SignIn { is_ticket: false, .. } => [path::SESSIONS, "", "", ""],
            Call::SignIn { is_ticket: true, .. } => [path::TICKETS, "", "", ""],
            Call::SignOut => [path::SESSION, "", "", ""],
        };
        let mut url = self.base.clone();
        tail.iter().for_each(|part| url.push_str(part));
        url
    }
}

/// Makes the call. It never fails: not being answered is a reply too.
pub(super) async fn exchange(host: &Host, endpoints: &Endpoints, call: Call, signal: &AbortSignal) -> Reply {
    attempt(host, &endpoints.url(&call), call, signal).await.unwrap_or(Reply::Unreachable)
}

async fn attempt(host: &Host, url: &str, call: Call, signal: &AbortSignal) -> Result<Reply, JsValue> {
    let headers = Headers::new()?;
    headers.set(CLIENT_HEADER, CLIENT_HEADER_VALUE)?;
    let init = RequestInit::new();
    init.set_method(if matches!(call, Call::SignOut) { "DELETE" } else { "POST" });
    if let Call::SignIn { body, .. } = &call {
        headers.set("content-type", "application/json")?;
        init.set_body(body);
    }
    init.set_headers(&headers);
    init.set_cache(RequestCache::NoStore);
    init.set_credentials(RequestCredentials::Include);
    // A sign-in page that somebody put in the way is not an answer.
    init.set_redirect(RequestRedirect::Error);
    init.set_signal(Some(signal));
    let response: Response = JsFuture::from(host.fetch(url, &init)?).await?.unchecked_into();
    let status = response.status();
    let retry_after = retry_after(&response.headers());
    let text = JsFuture::from(response.text()?).await?;
    // What is not JSON has nothing to say beyond its status.
    let json = text.as_string().and_then(|text| JSON::parse(&text).ok());
    Ok(Reply::Http {
        status,
        retry_after,
        body: json.as_ref().filter(|_| response.ok()).and_then(body::refresh),
        problem: json.as_ref().filter(|_| !response.ok()).and_then(body::trouble),
    })
}

/// RFC 9110 section 10.2.3: seconds, or a date. A date is compared with the answer's own `Date`,
/// never with the local clock.
fn retry_after(headers: &Headers) -> Option<Millis> {
    let value = headers.get("retry-after").ok()??;
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Millis(u64::from(seconds) * 1_000));
    }
    let sent = Date::parse(&headers.get("date").ok()??);
    let wait = Date::parse(value) - sent;
    // Not a number, or past, converts to zero.
    (wait > 0.0).then_some(Millis(wait as u64))
}
