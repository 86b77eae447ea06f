//! The server: sessions as the authority knows them, and what becomes of calls.

use fiftyten::clock::{Instant, Millis};
use fiftyten::event::{EndReason, Reply, RequestId, Trouble};
use fiftyten::protocol::{Code, Reason, RefreshBody, SessionRef};
use fiftyten::token::Token;

use crate::rules::{LIFE, RENEW};

/// A session's row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Row {
    /// Whose it is.
    pub user: u8,
    /// When it was ended, in true ms, and why.
    pub ended: Option<(u64, EndReason)>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It is answered quickly, truly.
    Quick,
    /// It is taken in hand at once, and answered after 3 s.
    SlowAnswer,
    /// It is taken in hand and answered after 5 s: longer than it is waited for.
    SlowServer,
    /// It is taken in hand at once, and the answer never comes.
    Hang,
    /// There is no connection.
    Unreachable,
    /// 500.
    Error,
    /// 429 with `Retry-After: 7`.
    Later,
    /// 503 with `Retry-After: 90`.
    MuchLater,
    /// 403 of a proxy.
    Forbidden,
    /// 200 with a body that is none.
    Garbage,
    /// 401 without a code.
    Bare,
    /// 401 that names a session which is not the one asked about.
    Another,
}

impl Fate {
    /// All but the quick one.
    pub const BAD: [Self; 11] = [
        Self::SlowAnswer,
        Self::SlowServer,
        Self::Hang,
        Self::Unreachable,
        Self::Error,
        Self::Later,
        Self::MuchLater,
        Self::Forbidden,
        Self::Garbage,
        Self::Bare,
        Self::Another,
    ];
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A refresh.
    Refresh(Reason),
    /// A sign-in of this user.
    SignIn(u8),
    /// A sign-out.
    SignOut,
}

/// A call in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Call {
    /// Of which tab.
    pub tab: usize,
    /// Its number there.
    pub id: RequestId,
    /// What for.
    pub purpose: Purpose,
    /// When it was sent, in true ms.
    pub asked: u64,
    /// The same on the clock of its tab.
    pub asked_at: Instant,
    /// The cookie that it carries.
    pub cookie: Option<usize>,
    /// The session that its tab had, if any: by the reference model.
    pub about: Option<usize>,
    /// What becomes of it.
    pub fate: Fate,
    /// When the server takes it in hand; none when it has, or never will.
    pub arrives: Option<u64>,
    /// When the answer is there; none if never.
    pub due: Option<u64>,
    /// What the server made of it.
    pub outcome: Outcome,
    /// Its tab does not wait for it any more.
    pub aborted: bool,
}

/// What the server made of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Nothing: it did not get there.
    Nothing,
    /// A token for this row, dated then.
    Token {
        /// The row.
        row: usize,
        /// Its user.
        user: u8,
        /// In true ms.
        dated: u64,
    },
    /// The session has ended.
    Ended(usize, EndReason),
    /// There is no cookie.
    NoSession,
    /// Signed out.
    Done,
}

/// The authority.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Server {
    /// Every session that there ever was.
    pub rows: Vec<Row>,
}

impl Server {
    /// Ends a session, if it stands.
    pub fn end(&mut self, row: usize, now: u64, reason: EndReason) {
        if let Some(row) = self.rows.get_mut(row) {
            row.ended.get_or_insert((now, reason));
        }
    }

    /// Makes one.
    pub fn begin(&mut self, user: u8) -> usize {
        self.rows.push(Row { user, ended: None });
        self.rows.len() - 1
    }

    /// The session of this cookie, if it stands.
    #[must_use]
    pub fn live(&self, cookie: Option<usize>) -> Option<&Row> {
        cookie.and_then(|row| self.rows.get(row)).filter(|row| row.ended.is_none())
    }

    /// Takes a call in hand.
    pub fn take(&mut self, purpose: Purpose, cookie: Option<usize>, now: u64) -> Outcome {
        match purpose {
            Purpose::Refresh(_) => match cookie {
                None => Outcome::NoSession,
                Some(row) => match self.rows[row] {
                    Row { ended: Some((_, reason)), .. } => Outcome::Ended(row, reason),
                    Row { user, ended: None } => Outcome::Token { row, user, dated: now },
                },
            },
            Purpose::SignIn(user) => {
                if let Some(row) = cookie {
                    self.end(row, now, EndReason::SessionRevoked);
                }
                let row = self.begin(user);
                Outcome::Token { row, user, dated: now }
            }
            Purpose::SignOut => {
                if let Some(row) = cookie {
                    self.end(row, now, EndReason::SessionRevoked);
                }
                Outcome::Done
            }
        }
    }
}

/// The words of a session, on the wire.
#[must_use]
pub fn session_ref(row: usize, user: u8) -> SessionRef {
    SessionRef { id: format!("s{row}"), user: format!("u{user}") }
}

/// The row of a session id.
#[must_use]
pub fn row_of(id: &str) -> Option<usize> {
    id.strip_prefix('s')?.parse().ok()
}

/// What the world knows of a token: it stands in its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Of which session.
    pub row: usize,
    /// Of which user.
    pub user: u8,
    /// When it was asked for, in true ms.
    pub asked: u64,
    /// When the server dated it, in true ms.
    pub dated: u64,
}

impl Facts {
    /// Of a token. None if it is none of this server's.
    #[must_use]
    pub fn of(token: &Token) -> Option<Self> {
        let mut parts = token.text().split('.');
        let row = parts.next()?.parse().ok()?;
        let user = parts.next()?.parse().ok()?;
        let asked = parts.next()?.parse().ok()?;
        let dated = parts.next()?.parse().ok()?;
        Some(Self { row, user, asked, dated })
    }
}

impl Call {
    /// Whether it is a refresh.
    #[must_use]
    pub const fn is_refresh(&self) -> bool {
        matches!(self.purpose, Purpose::Refresh(_))
    }

    /// Whether its answer, if it comes, is the server's own word.
    #[must_use]
    pub const fn is_answered(&self) -> bool {
        matches!(self.fate, Fate::Quick | Fate::SlowAnswer | Fate::SlowServer)
    }

    /// The answer as its page sees it.
    #[must_use]
    pub fn reply(&self) -> Reply {
        let http = |status, retry_after, body, problem| Reply::Http { status, retry_after, body, problem };
        let trouble =
            |code, session: Option<String>| Some(Trouble { code: Some(code), detail: None, session });
        match self.fate {
            Fate::Unreachable | Fate::Hang => return Reply::Unreachable,
            Fate::Error => return http(500, None, None, None),
            Fate::Later => return http(429, Some(Millis(7_000)), None, None),
            Fate::MuchLater => return http(503, Some(Millis(90_000)), None, None),
            Fate::Forbidden => return http(403, None, None, None),
            Fate::Garbage => return http(200, None, None, None),
            Fate::Bare => return http(401, None, None, None),
            Fate::Another => {
                return http(401, None, None, trouble(Code::SessionRevoked, Some("s999".into())));
            }
            Fate::Quick | Fate::SlowAnswer | Fate::SlowServer => {}
        }
        match self.outcome {
            Outcome::Nothing => Reply::Unreachable,
            Outcome::Token { row, user, dated } => {
                let body = RefreshBody {
                    token: format!("{row}.{user}.{}.{dated}.x", self.asked),
                    expires_in_ms: LIFE,
                    refresh_in_ms: RENEW,
                    session: session_ref(row, user),
                };
                http(if self.is_refresh() { 200 } else { 201 }, None, Some(body), None)
            }
            Outcome::Ended(row, reason) => {
                let code = match reason {
                    EndReason::SessionExpired => Code::SessionExpired,
                    _ => Code::SessionRevoked,
                };
                http(401, None, None, trouble(code, Some(format!("s{row}"))))
            }
            Outcome::NoSession => http(401, None, None, trouble(Code::NoSession, None)),
            Outcome::Done => http(204, None, None, None),
        }
    }
}
