//! Everything that can go wrong, as an application sees it.

/// The stable codes of `SessionError`. The texts that go with them live in `js/errors.js`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ErrorCode {
    /// There is no session, or it ended while the request was held back.
    SignedOut,
    /// Another user signed in while the request was held back; it was not sent.
    SessionChanged,
    /// No live token within the limit.
    Timeout,
    /// The server asked for more patience than the limit allows.
    Unavailable,
    /// The server could not be reached.
    Network,
    /// The server refused this page's origin: a matter of configuration.
    OriginRejected,
    /// E-mail address and password do not match an account.
    InvalidCredentials,
    /// Too many attempts; the error says when to try again.
    RateLimited,
    /// The server did not accept the request as it was; its detail says why.
    BadRequest,
    /// The server answered something that is not of the protocol.
    UnexpectedAnswer,
    /// A sign-in or a sign-out is already under way.
    Busy,
    /// The session was closed by the application.
    Closed,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 12] = [
        Self::SignedOut,
        Self::SessionChanged,
        Self::Timeout,
        Self::Unavailable,
        Self::Network,
        Self::OriginRejected,
        Self::InvalidCredentials,
        Self::RateLimited,
        Self::BadRequest,
        Self::UnexpectedAnswer,
        Self::Busy,
        Self::Closed,
    ];

    /// The word in `SessionError.code`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::SessionChanged => "session_changed",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::Network => "network",
            Self::OriginRejected => "origin_rejected",
            Self::InvalidCredentials => "invalid_credentials",
            Self::RateLimited => "rate_limited",
            Self::BadRequest => "bad_request",
            Self::UnexpectedAnswer => "unexpected_answer",
            Self::Busy => "busy",
            Self::Closed => "closed",
        }
    }
}

/// Why an attempt to refresh did not bring a token although the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Failure {
    /// No connection, or it broke: `fetch` rejected.
    Network,
    /// No answer within the time-out; the request was aborted.
    Timeout,
    /// An answer that means "later" or nothing in the protocol.
    Status(u16),
    /// A 200 whose body is not a refresh body, or a 401 that does not say that a session ended.
    Unreadable,
    /// 403 `origin_rejected`.
    OriginRejected,
    /// The answer speaks of a session that is no longer, or not yet, the current one.
    OtherSession,
}

impl Failure {
    /// The word in the detail of a `degraded` event.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Unreadable => "unreadable",
            Self::OriginRejected => "origin_rejected",
            Self::OtherSession => "other_session",
        }
    }

    /// The HTTP status, where it is what went wrong.
    #[must_use]
    pub const fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            _ => None,
        }
    }
}
