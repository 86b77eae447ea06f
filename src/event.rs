//! What can happen to a session, and what the server's answers mean.

use crate::clock::Millis;
use crate::error::{ErrorCode, Failure};
use crate::message::Message;
use crate::protocol::{Code, RefreshBody};
use crate::token::Grant;

/// Numbers the calls that a session makes; answers are matched by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u32);

/// Something that happened outside.
#[derive(Clone)]
pub enum Event {
    /// A call was answered, or failed.
    Answered {
        /// Which call.
        id: RequestId,
        /// How.
        reply: Reply,
    },
    /// The page became visible.
    Shown,
    /// The page became hidden.
    Hidden,
    /// The page came back in some other way: focused, resumed, restored, online again.
    Woken,
    /// The page came back from the back/forward cache: what was said meanwhile, it did not hear.
    Restored,
    /// The page is about to be frozen: nothing that others wait for may be kept.
    Frozen,
    /// The page is left, perhaps for the back/forward cache: nothing that is under way counts when
    /// it comes back.
    PutAway,
    /// The user did something: a key, a pointer.
    UserActive,
    /// The lock was granted.
    Locked(RequestId),
    /// There is no lock to be had.
    LockFailed(RequestId),
    /// Another tab said something.
    Heard(Message),
    /// The application is done with the session. Nothing happens after this.
    Close,
}

/// An answer as it came over the wire, before anything is concluded from it.
#[derive(Clone)]
pub enum Reply {
    /// `fetch` rejected: no answer.
    Unreachable,
    /// An HTTP answer.
    Http {
        /// Its status.
        status: u16,
        /// `Retry-After`, if it was there and readable.
        retry_after: Option<Millis>,
        /// The body, if it has the shape of a refresh body.
        body: Option<RefreshBody>,
        /// The body, if it has the shape of a problem.
        problem: Option<Trouble>,
    },
}

/// What the SDK reads of a [`Problem`](crate::protocol::Problem).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The stable code; none if it is not one of the protocol's.
    pub code: Option<Code>,
    /// The server's words.
    pub detail: Option<String>,
    /// The session that ended.
    pub session: Option<String>,
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndReason {
    /// The user called `signOut`.
    SignedOut,
    /// Ended by its user elsewhere, or by an administrator.
    SessionRevoked,
    /// Its idle or absolute lifetime is over.
    SessionExpired,
    /// The browser has no session cookie that the server knows.
    NoSession,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::SignedOut, Self::SessionRevoked, Self::SessionExpired, Self::NoSession];

    /// The reason of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The word in the detail of a `signedout` event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::SessionRevoked => "session_revoked",
            Self::SessionExpired => "session_expired",
            Self::NoSession => "no_session",
        }
    }
}

/// What an answer to a refresh means: the table of the protocol.
#[derive(Debug)]
pub(crate) enum RefreshMeaning {
    Granted(Grant),
    /// The authoritative word that a session has ended, and which, if it says so.
    Ended {
        reason: EndReason,
        session: Option<String>,
    },
    /// Transient: the session stands.
    Failed {
        failure: Failure,
        retry_after: Option<Millis>,
    },
}

/// What an answer to a sign-in or a sign-out means.
#[derive(Debug)]
pub(crate) enum CallMeaning {
    Granted(Grant),
    Done,
    Refused(Refusal),
}

/// Why a sign-in or a sign-out did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Refusal {
    /// The code of the error.
    pub code: ErrorCode,
    /// When to try again at the earliest, if the server said.
    pub retry_after: Option<Millis>,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// The server's own words, if it had any: cut to 500 bytes.
    pub detail: Option<String>,
}

impl Refusal {
    pub(crate) const fn new(code: ErrorCode) -> Self {
        Self { code, retry_after: None, status: None, detail: None }
    }
}

impl Reply {
    pub(crate) fn into_refresh_meaning(self) -> RefreshMeaning {
        let (status, retry_after, body, problem) = match self {
            Self::Unreachable => {
                return RefreshMeaning::Failed { failure: Failure::Network, retry_after: None };
            }
            Self::Http { status, retry_after, body, problem } => (status, retry_after, body, problem),
        };
        let code = problem.as_ref().and_then(|problem| problem.code);
        let failure = match (status, code) {
            (200, _) => match body.and_then(Grant::read) {
                Some(grant) => return RefreshMeaning::Granted(grant),
                None => Failure::Unreadable,
            },
            (401, Some(code)) => {
                let session = problem.and_then(|problem| problem.session);
                match end_reason(code) {
                    // The server names the session that it ends: who does not is somebody else.
                    Some(reason) if session.is_some() || reason == EndReason::NoSession => {
                        return RefreshMeaning::Ended { reason, session };
                    }
                    _ => Failure::Unreadable,
                }
            }
            (401, None) => Failure::Unreadable,
            (403, Some(Code::OriginRejected)) => Failure::OriginRejected,
            (status, _) => Failure::Status(status),
        };
        RefreshMeaning::Failed { failure, retry_after }
    }

    pub(crate) fn into_sign_in_meaning(self) -> CallMeaning {
        match self {
            Self::Http { status: status @ (200 | 201), body, .. } => match body.and_then(Grant::read) {
                Some(grant) => CallMeaning::Granted(grant),
                None => CallMeaning::Refused(Refusal {
                    status: Some(status),
                    ..Refusal::new(ErrorCode::UnexpectedAnswer)
                }),
            },
            other => CallMeaning::Refused(other.into_refusal()),
        }
    }

    pub(crate) fn into_sign_out_meaning(self) -> CallMeaning {
        match self {
            // Nothing else: a proxy's or a portal's 200 has not ended anything.
            Self::Http { status: 204, .. } => CallMeaning::Done,
            // Ended already: what the user wanted holds.
            Self::Http { status: 401, problem: Some(ref problem), .. }
                if problem.code.and_then(end_reason).is_some() =>
            {
                CallMeaning::Done
            }
            other => CallMeaning::Refused(other.into_refusal()),
        }
    }

    fn into_refusal(self) -> Refusal {
        let (status, retry_after, problem) = match self {
            Self::Unreachable => return Refusal::new(ErrorCode::Network),
            Self::Http { status, retry_after, problem, .. } => (status, retry_after, problem),
        };
        let code = match problem.as_ref().and_then(|problem| problem.code) {
            Some(Code::InvalidCredentials) => ErrorCode::InvalidCredentials,
            Some(Code::OriginRejected | Code::HeaderRequired) => ErrorCode::OriginRejected,
            code => match (status, code) {
                (429, _) => ErrorCode::RateLimited,
                (408 | 425 | 500..=599, _) => ErrorCode::Unavailable,
                (400 | 404 | 405 | 413 | 415, Some(_)) => ErrorCode::BadRequest,
                // Whoever answers so does not speak the protocol.
                _ => ErrorCode::UnexpectedAnswer,
            },
        };
        let detail = problem.and_then(|problem| problem.detail).map(|mut detail| {
            let end = (0..=detail.len().min(500)).rev().find(|&at| detail.is_char_boundary(at));
            detail.truncate(end.unwrap_or(0));
            detail
        });
        Refusal { code, retry_after, status: Some(status), detail }
    }
}

fn end_reason(code: Code) -> Option<EndReason> {
    match code {
        Code::SessionRevoked => Some(EndReason::SessionRevoked),
        Code::SessionExpired => Some(EndReason::SessionExpired),
        Code::NoSession => Some(EndReason::NoSession),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::SessionRef;

    fn http(status: u16, code: Option<&str>) -> Reply {
        let problem = code.map(|code| Trouble {
            code: code.parse().ok(),
            detail: None,
            session: Some("s1".to_owned()),
        });
        Reply::Http { status, retry_after: None, body: None, problem }
    }

    #[test]
    fn only_the_authoritative_401_ends_a_session() {
        let mut ended = Vec::new();
        let codes: Vec<Option<&str>> = Code::ALL
            .iter()
            .map(|code| Some(code.as_str()))
            .chain([None, Some("session_revoked "), Some("SESSION_REVOKED"), Some("")])
            .collect();
        for status in 100..=599 {
            for code in &codes {
                if matches!(http(status, *code).into_refresh_meaning(), RefreshMeaning::Ended { .. }) {
                    ended.push((status, code.unwrap()));
                }
            }
        }
        assert_eq!(ended, [(401, "session_revoked"), (401, "session_expired"), (401, "no_session")]);
    }

    #[test]
    fn the_end_of_a_session_that_is_not_named_is_not_believed() {
        for (code, ends) in
            [(Code::SessionRevoked, false), (Code::SessionExpired, false), (Code::NoSession, true)]
        {
            let problem = Some(Trouble { code: Some(code), detail: None, session: None });
            let reply = Reply::Http { status: 401, retry_after: None, body: None, problem };
            let ended = matches!(reply.into_refresh_meaning(), RefreshMeaning::Ended { .. });
            assert_eq!(ended, ends, "{code}");
        }
    }

    #[test]
    fn only_a_200_with_a_good_body_grants() {
        let body = RefreshBody {
            token: "a.b.c".to_owned(),
            expires_in_ms: 60_000,
            refresh_in_ms: 50_000,
            session: SessionRef { id: "s1".to_owned(), user: "u1".to_owned() },
        };
        for status in 100..=599 {
            let reply = Reply::Http { status, retry_after: None, body: Some(body.clone()), problem: None };
            let granted = matches!(reply.into_refresh_meaning(), RefreshMeaning::Granted(_));
            assert_eq!(granted, status == 200, "{status}");
        }
    }

    #[test]
    fn a_200_without_a_refresh_body_is_unreadable() {
        let RefreshMeaning::Failed { failure, .. } = http(200, None).into_refresh_meaning() else {
            panic!("it is neither a token nor the end")
        };
        assert_eq!(failure, Failure::Unreadable);
    }

    #[test]
    fn a_403_is_a_configuration_error_only_if_it_says_so() {
        for (code, expected) in
            [(Some("origin_rejected"), Failure::OriginRejected), (None, Failure::Status(403))]
        {
            let RefreshMeaning::Failed { failure, .. } = http(403, code).into_refresh_meaning() else {
                panic!("a 403 never ends a session")
            };
            assert_eq!(failure, expected);
        }
    }

    #[test]
    fn a_sign_out_of_a_session_that_has_ended_is_done() {
        assert!(matches!(http(204, None).into_sign_out_meaning(), CallMeaning::Done));
        assert!(matches!(http(401, Some("no_session")).into_sign_out_meaning(), CallMeaning::Done));
        assert!(matches!(http(401, None).into_sign_out_meaning(), CallMeaning::Refused(_)));
        assert!(matches!(http(503, None).into_sign_out_meaning(), CallMeaning::Refused(_)));
    }

    #[test]
    fn a_refused_sign_in_says_why() {
        for (reply, expected) in [
            (http(401, Some("invalid_credentials")), ErrorCode::InvalidCredentials),
            (http(403, Some("origin_rejected")), ErrorCode::OriginRejected),
            (http(403, Some("header_required")), ErrorCode::OriginRejected),
            (http(403, None), ErrorCode::UnexpectedAnswer),
            (http(429, Some("rate_limited")), ErrorCode::RateLimited),
            (http(503, Some("overloaded")), ErrorCode::Unavailable),
            (http(400, Some("bad_request")), ErrorCode::BadRequest),
            (http(404, Some("not_found")), ErrorCode::BadRequest),
            (http(404, None), ErrorCode::UnexpectedAnswer),
            (http(201, None), ErrorCode::UnexpectedAnswer),
            (Reply::Unreachable, ErrorCode::Network),
        ] {
            let CallMeaning::Refused(refusal) = reply.into_sign_in_meaning() else {
                panic!("expected {expected:?}")
            };
            assert_eq!(refusal.code, expected);
        }
    }

    #[test]
    fn the_servers_words_are_cut_at_a_character() {
        let problem = Trouble { code: Some(Code::BadRequest), detail: Some("é".repeat(400)), session: None };
        let reply = Reply::Http { status: 400, retry_after: None, body: None, problem: Some(problem) };
        let CallMeaning::Refused(refusal) = reply.into_sign_in_meaning() else { panic!("a 400") };
        assert_eq!(refusal.detail.unwrap().len(), 500);
    }
}
