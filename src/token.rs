//! The session token as the client knows it: a text, and when to stop using it.

use std::fmt;

use crate::clock::{Instant, Millis};
use crate::protocol::{RefreshBody, SessionRef};

/// What the server granted: a refresh body whose every field has been checked.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Grant {
    text: String,
    expires_in: Millis,
    refresh_in: Millis,
    session: SessionRef,
}

impl Grant {
    /// Longest token in bytes: twice what a server with 1 KB of custom claims makes, and below
    /// what common proxies allow for one header (nginx: 8 KB).
    pub const MAX_TEXT: usize = 8_000;
    /// Longest session id or user id in bytes.
    pub const MAX_ID: usize = 256;
    /// Shortest lifetime in ms that a client can keep up with.
    pub const MIN_EXPIRES_IN: Millis = Millis(1_000);
    /// Longest lifetime in ms: a day. Longer is not a session token, and most likely a number in
    /// another unit.
    pub const MAX_EXPIRES_IN: Millis = Millis(86_400_000);

    /// Checks a refresh body. `None` means that it is not one: the answer counts as unreadable,
    /// and the session stands.
    #[must_use]
    pub fn read(body: RefreshBody) -> Option<Self> {
        let RefreshBody { token, expires_in_ms, refresh_in_ms, session } = body;
        let expires_in = Millis(expires_in_ms);
        let refresh_in = Millis(refresh_in_ms);
        let readable = is_header_safe(&token)
            && token.len() <= Self::MAX_TEXT
            && (Self::MIN_EXPIRES_IN..=Self::MAX_EXPIRES_IN).contains(&expires_in)
            && (Millis(1)..expires_in).contains(&refresh_in)
            && [&session.id, &session.user].iter().all(|id| (1..=Self::MAX_ID).contains(&id.len()));
        readable.then_some(Self { text: token, expires_in, refresh_in, session })
    }

    /// Whose session it is for.
    #[must_use]
    pub fn session(&self) -> &SessionRef {
        &self.session
    }

    /// The token itself.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How long it lives, from when it was asked for.
    #[must_use]
    pub fn expires_in(&self) -> Millis {
        self.expires_in
    }

    /// The age at which to renew it.
    #[must_use]
    pub fn refresh_in(&self) -> Millis {
        self.refresh_in
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant").field("session", &self.session).finish_non_exhaustive()
    }
}

/// RFC 6750 section 2.1: the characters of a bearer token.
fn is_header_safe(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b))
}

/// Numbers the tokens of one [`Session`](crate::session::Session): a later token has a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Serial(pub u32);

/// A token, and the moments that matter about it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Token {
    text: String,
    session: SessionRef,
    serial: Serial,
    deadline: Instant,
    refresh_at: Instant,
    slack: Millis,
}

impl Token {
    /// A token whose life is counted from the moment its request was *sent*: the server can only
    /// have made it later, so it never lives longer than the client thinks.
    pub(crate) fn new(grant: Grant, serial: Serial, sent_at: Instant) -> Self {
        let Grant { text, expires_in, refresh_in, session } = grant;
        Self {
            text,
            session,
            serial,
            deadline: sent_at + expires_in,
            refresh_at: sent_at + refresh_in,
            slack: Millis(expires_in.0 - refresh_in.0),
        }
    }

    /// The token itself. Where it goes is the caller's responsibility.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whose token it is.
    #[must_use]
    pub fn session(&self) -> &SessionRef {
        &self.session
    }

    /// Its number.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.serial
    }

    /// From this moment on it must not be sent.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// From this moment on it should be renewed.
    #[must_use]
    pub fn refresh_at(&self) -> Instant {
        self.refresh_at
    }

    /// The time between renewal and deadline; every bound of the session is a share of it.
    #[must_use]
    pub fn slack(&self) -> Millis {
        self.slack
    }

    /// How long it may still be used; zero from its deadline on.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Millis {
        self.deadline.since(now)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("session", &self.session)
            .field("serial", &self.serial.0)
            .field("deadline", &self.deadline.0)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> RefreshBody {
        RefreshBody {
            token: "aa.bb.cc".to_owned(),
            expires_in_ms: 60_000,
            refresh_in_ms: 50_000,
            session: SessionRef { id: "s1".to_owned(), user: "u1".to_owned() },
        }
    }

    #[test]
    fn a_good_body_is_granted() {
        assert!(Grant::read(body()).is_some());
    }

    #[test]
    fn a_body_out_of_bounds_is_not_granted() {
        type Spoil = fn(&mut RefreshBody);
        let spoil: [(&str, Spoil); 11] = [
            ("no token", |b| b.token.clear()),
            ("a line break in the token", |b| b.token.push('\n')),
            ("a space in the token", |b| b.token.push(' ')),
            ("a letter outside ASCII in the token", |b| b.token.push('é')),
            ("1 MB of token", |b| b.token = "a".repeat(1 << 20)),
            ("no life", |b| b.expires_in_ms = 0),
            ("a life in seconds", |b| b.expires_in_ms = 60),
            ("a life without end", |b| b.expires_in_ms = u64::MAX),
            ("renewal at once", |b| b.refresh_in_ms = 0),
            ("renewal after the end", |b| b.refresh_in_ms = 60_000),
            ("no user", |b| b.session.user.clear()),
        ];
        for (what, spoil) in spoil {
            let mut body = body();
            spoil(&mut body);
            assert!(Grant::read(body).is_none(), "{what}");
        }
    }

    #[test]
    fn its_life_counts_from_the_moment_the_request_was_sent() {
        let token = Token::new(Grant::read(body()).unwrap(), Serial(1), Instant(1_000));
        assert_eq!(token.deadline(), Instant(61_000));
        assert_eq!(token.refresh_at(), Instant(51_000));
        assert_eq!(token.slack(), Millis(10_000));
        assert_eq!(token.remaining(Instant(60_999)), Millis(1));
        assert_eq!(token.remaining(Instant(99_999)), Millis(0));
    }

    #[test]
    fn it_does_not_print_itself() {
        let grant = Grant::read(body()).unwrap();
        assert!(!format!("{grant:?}").contains("aa.bb"));
        assert!(!format!("{:?}", Token::new(grant, Serial(1), Instant(0))).contains("aa.bb"));
    }
}
