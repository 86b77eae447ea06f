//! What the SDK and the server say to each other: paths, headers, bodies, codes.
//!
//! Both sides compile this module, so they cannot drift apart. All durations are in milliseconds
//! and travel as JSON integers; all bodies are JSON (`application/json`, errors
//! `application/problem+json`, RFC 9457).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where the server's calls live unless configured otherwise: the base path, without a trailing `/`.
pub const DEFAULT_BASE_PATH: &str = "/auth";

/// Lifetime of a token in ms, unless the server is configured otherwise: the fifty-ten's sixty.
pub const DEFAULT_EXPIRES_IN_MS: u64 = 60_000;

/// Age in ms at which a token is renewed, unless the server is configured otherwise: the fifty.
pub const DEFAULT_REFRESH_IN_MS: u64 = 50_000;

/// Required, with the value [`CLIENT_HEADER_VALUE`], on every call that reads the session cookie.
///
/// A cross-site form or image cannot set it, and a cross-origin script needs a preflight for it.
pub const CLIENT_HEADER: &str = "x-fiftyten";

/// The value of [`CLIENT_HEADER`].
pub const CLIENT_HEADER_VALUE: &str = "1";

/// `typ` of the token's JOSE header (RFC 8725 section 3.11: explicit typing).
pub const TOKEN_TYPE: &str = "session+jwt";

/// Media type of every error body (RFC 9457).
pub const PROBLEM_MEDIA_TYPE: &str = "application/problem+json";

/// The calls, each relative to the base path.
pub mod path {
    /// `POST` signs in, `GET` lists the user's sessions, `DELETE` ends all but the current one.
    /// `DELETE` of `/v1/sessions/{id}` ends one.
    pub const SESSIONS: &str = "/v1/sessions";
    /// `POST` signs in with a ticket.
    pub const TICKETS: &str = "/v1/tickets";
    /// `POST ?reason=…&active=0|1` renews the token.
    pub const REFRESH: &str = "/v1/refresh";
    /// `DELETE` signs out: ends this session.
    pub const SESSION: &str = "/v1/session";
    /// `GET` the public keys (RFC 7517).
    pub const JWKS: &str = "/.well-known/jwks.json";
    /// On the admin listener, where there is no base path: `POST` makes a ticket for a user.
    pub const ADMIN_TICKETS: &str = "/v1/admin/tickets";
    /// On the admin listener: `DELETE` of `/v1/admin/sessions/{id}` ends any user's session, `PATCH` sets its
    /// claims.
    pub const ADMIN_SESSIONS: &str = "/v1/admin/sessions";
    /// On the admin listener: `DELETE` of `/v1/admin/users/{id}/sessions` ends all of a user's.
    pub const ADMIN_USERS: &str = "/v1/admin/users";
    /// On the admin listener: `GET` which sessions have ended, as server-sent events.
    pub const REVOCATIONS: &str = "/v1/revocations";
}

/// Why a refresh happened. It stands in the URL, so that the network tab shows it at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// The first refresh of a page.
    Start,
    /// The background poller: the token reached its refresh age.
    Timer,
    /// The page was shown, resumed, focused or came online after the refresh age.
    Wake,
    /// A request found the token expired, or too close to it, and is waiting.
    Request,
    /// An API answered 401 to a request that carried the current token.
    Rejected,
    /// A background attempt after one that failed.
    Retry,
}

impl Reason {
    /// Every reason, in the order of the protocol's table.
    pub const ALL: [Self; 6] =
        [Self::Start, Self::Timer, Self::Wake, Self::Request, Self::Rejected, Self::Retry];

    /// The word that stands in the URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Timer => "timer",
            Self::Wake => "wake",
            Self::Request => "request",
            Self::Rejected => "rejected",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).ok_or(UnknownWord)
    }
}

/// A word that is not one of the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord;

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a word of the protocol")
    }
}

impl std::error::Error for UnknownWord {}

/// Body of `POST /v1/sessions`.
///
/// There is no `Debug`: it holds a password.
#[derive(Serialize, Deserialize)]
pub struct SignIn {
    /// The account's e-mail address.
    pub email: String,
    /// Its password.
    pub password: String,
}

/// Body of `POST /v1/tickets`.
///
/// There is no `Debug`: who has a ticket can sign in with it.
#[derive(Serialize, Deserialize)]
pub struct TicketSignIn {
    /// What the admin listener answered to `POST /v1/admin/tickets`.
    pub ticket: String,
}

/// Body of the answer (201) to `POST /v1/admin/tickets`.
///
/// There is no `Debug`: who has a ticket can sign in with it.
#[derive(Serialize, Deserialize)]
pub struct IssuedTicket {
    /// Opens one session, once.
    pub ticket: String,
    /// How long it is good, in ms.
    pub expires_in_ms: u64,
}

/// Body of a successful sign-in (201) or refresh (200); `Cache-Control: no-store`.
///
/// There is no `Debug`: it holds a token.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshBody {
    /// The session token: a JWS in compact form.
    pub token: String,
    /// How long the token lives, in ms, from the moment the server took the request in hand.
    pub expires_in_ms: u64,
    /// The age in ms at which to renew it; less than `expires_in_ms`.
    pub refresh_in_ms: u64,
    /// Whose session it is.
    pub session: SessionRef,
}

/// The names of the members that the SDK reads out of answers. It does so by the browser's own
/// parser and without serde, which would be an eighth of its size; a test holds them to the types.
pub mod member {
    /// [`RefreshBody::token`](super::RefreshBody::token).
    pub const TOKEN: &str = "token";
    /// [`RefreshBody::expires_in_ms`](super::RefreshBody::expires_in_ms).
    pub const EXPIRES_IN_MS: &str = "expires_in_ms";
    /// [`RefreshBody::refresh_in_ms`](super::RefreshBody::refresh_in_ms).
    pub const REFRESH_IN_MS: &str = "refresh_in_ms";
    /// [`RefreshBody::session`](super::RefreshBody::session) and
    /// [`Problem::session`](super::Problem::session).
    pub const SESSION: &str = "session";
    /// [`SessionRef::id`](super::SessionRef::id).
    pub const ID: &str = "id";
    /// [`SessionRef::user`](super::SessionRef::user).
    pub const USER: &str = "user";
    /// [`Problem::code`](super::Problem::code).
    pub const CODE: &str = "code";
    /// [`Problem::detail`](super::Problem::detail).
    pub const DETAIL: &str = "detail";
}

/// Which session, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionRef {
    /// The session id: the token's `sid`. New at every sign-in.
    pub id: String,
    /// The user id: the token's `sub`.
    pub user: String,
}

/// One entry of `GET /v1/sessions`. Times are whole seconds since the Unix epoch, for display only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// The session id.
    pub id: String,
    /// Whether it is the session that asked.
    pub current: bool,
    /// When the user signed in.
    pub created_at: u64,
    /// When the user was last active, to within a minute.
    pub last_active_at: u64,
    /// When it ends whatever the user does.
    pub expires_at: u64,
    /// The browser's `User-Agent` at sign-in, cut to 256 bytes, if it sent one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub user_agent: Option<String>,
}

/// Body of `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionList {
    /// The user's live sessions, the latest sign-in first.
    pub sessions: Vec<SessionEntry>,
}

/// Body of every error (RFC 9457). Match on `code`; the texts are for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: `code` is what tells problems apart.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The status phrase.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// The stable code: one of [`Code`]'s words.
    pub code: String,
    /// What happened and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// The session that ended, for [`Code::SessionRevoked`] and [`Code::SessionExpired`].
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub session: Option<String>,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}

/// The stable codes of the server's errors, and the status each comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// 401: the session was ended by its user or an administrator. Names the session.
    SessionRevoked,
    /// 401: the session reached its idle or absolute lifetime. Names the session.
    SessionExpired,
    /// 401: the request carried no usable session cookie, or one that no session has.
    NoSession,
    /// 401: e-mail address and password do not match an account, or the ticket was used before, has expired or
    /// never was one.
    InvalidCredentials,
    /// 403: the `Origin` or `Sec-Fetch-Site` of the request is not allowed.
    OriginRejected,
    /// 403: the request lacks [`CLIENT_HEADER`].
    HeaderRequired,
    /// 400: the session cookie stands in the request more than once.
    DuplicateCookie,
    /// 400: the request cannot be understood; `detail` says why.
    BadRequest,
    /// 404: there is no such call, or no such session of this user.
    NotFound,
    /// 405: the call exists, with another method.
    MethodNotAllowed,
    /// 413: the body is larger than the call takes.
    PayloadTooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 429: too many of these; see `Retry-After`.
    RateLimited,
    /// 503: the server is at its limit; see `Retry-After`.
    Overloaded,
    /// 503: the store cannot be read just now; see `Retry-After`. The session stands.
    Unavailable,
    /// 500: a defect of the server. The session stands.
    Internal,
    /// 401, on the admin listener: the request carries no credential.
    CredentialMissing,
    /// 401, on the admin listener: the credential is none, or was removed.
    CredentialInvalid,
    /// 403, on the admin listener: the credential is for other calls.
    InsufficientScope,
    /// 403, on the admin listener: the request comes from a browser.
    BrowserRejected,
}

impl Code {
    /// Every code.
    pub const ALL: [Self; 20] = [
        Self::SessionRevoked,
        Self::SessionExpired,
        Self::NoSession,
        Self::InvalidCredentials,
        Self::OriginRejected,
        Self::HeaderRequired,
        Self::DuplicateCookie,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::RateLimited,
        Self::Overloaded,
        Self::Unavailable,
        Self::Internal,
        Self::CredentialMissing,
        Self::CredentialInvalid,
        Self::InsufficientScope,
        Self::BrowserRejected,
    ];

    /// The word in [`Problem::code`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionRevoked => "session_revoked",
            Self::SessionExpired => "session_expired",
            Self::NoSession => "no_session",
            Self::InvalidCredentials => "invalid_credentials",
            Self::OriginRejected => "origin_rejected",
            Self::HeaderRequired => "header_required",
            Self::DuplicateCookie => "duplicate_cookie",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::PayloadTooLarge => "payload_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::CredentialMissing => "credential_missing",
            Self::CredentialInvalid => "credential_invalid",
            Self::InsufficientScope => "insufficient_scope",
            Self::BrowserRejected => "browser_rejected",
        }
    }

    /// The HTTP status it comes with.
    pub const fn status(self) -> u16 {
        match self {
            Self::DuplicateCookie | Self::BadRequest => 400,
            Self::SessionRevoked
            | Self::SessionExpired
            | Self::NoSession
            | Self::InvalidCredentials
            | Self::CredentialMissing
            | Self::CredentialInvalid => 401,
            Self::OriginRejected | Self::HeaderRequired | Self::InsufficientScope | Self::BrowserRejected => {
                403
            }
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::Overloaded | Self::Unavailable => 503,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|code| code.as_str() == word).ok_or(UnknownWord)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back() {
        for reason in Reason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        for code in Code::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
        }
        assert_eq!("START".parse::<Reason>(), Err(UnknownWord));
    }

    #[test]
    fn a_problem_reads_with_nothing_but_its_code() {
        let problem: Problem = serde_json::from_str(r#"{"code":"no_session"}"#).unwrap();
        assert_eq!(problem.code.parse(), Ok(Code::NoSession));
        assert_eq!(problem.kind, "about:blank");
    }

    #[test]
    fn the_members_that_are_read_by_name_have_these_names() {
        let body = RefreshBody {
            token: "t".to_owned(),
            expires_in_ms: 2,
            refresh_in_ms: 1,
            session: SessionRef { id: "s".to_owned(), user: "u".to_owned() },
        };
        let body = serde_json::to_value(body).unwrap();
        assert_eq!(body[member::TOKEN], "t");
        assert_eq!(body[member::EXPIRES_IN_MS], 2);
        assert_eq!(body[member::REFRESH_IN_MS], 1);
        assert_eq!(body[member::SESSION][member::ID], "s");
        assert_eq!(body[member::SESSION][member::USER], "u");
        let problem = Problem {
            kind: "about:blank".to_owned(),
            title: "Unauthorized".to_owned(),
            status: 401,
            code: "session_revoked".to_owned(),
            detail: Some("d".to_owned()),
            session: Some("s".to_owned()),
        };
        let problem = serde_json::to_value(problem).unwrap();
        assert_eq!(problem[member::CODE], "session_revoked");
        assert_eq!(problem[member::DETAIL], "d");
        assert_eq!(problem[member::SESSION], "s");
    }

    #[test]
    fn the_refresh_body_has_the_documented_shape() {
        let body = RefreshBody {
            token: "a.b.c".to_owned(),
            expires_in_ms: 59_873,
            refresh_in_ms: 50_000,
            session: SessionRef { id: "s".to_owned(), user: "u".to_owned() },
        };
        assert_eq!(
            serde_json::to_string(&body).unwrap(),
            r#"{"token":"a.b.c","expires_in_ms":59873,"refresh_in_ms":50000,"session":{"id":"s","user":"u"}}"#
        );
    }
}
