//! A session as a table would describe it: what was answered and heard decides whether it is signed
//! in, as whom, and until when its token may be used. No timers, no locks, no retries.

use std::collections::VecDeque;

use fiftyten::clock::{Instant, Millis};
use fiftyten::protocol::SessionRef;
use fiftyten::session::{Session, Status};

use crate::rules::{LIFE, SLACK};
use crate::server::{Call, Fate, Outcome, row_of, session_ref};

/// A session and its user.
pub type Account = (usize, u8);

/// A token with less left than this is spent.
const MARGIN: Millis = Millis(SLACK / 5);

/// The model of one tab.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Reference {
    account: Option<Account>,
    until: Instant,
    known: bool,
    closed: bool,
    /// A sign-out is under way: the token is withheld.
    leaving: bool,
    /// A sign-in is under way: it may end the session by itself.
    pub entering: bool,
    away: bool,
    /// It may not have heard of a sign-in.
    deaf: bool,
    unverified: bool,
    /// Its last refresh took longer than the usual time-out.
    slow: bool,
    /// When something last made the refresh in flight, if there was one, of no more use.
    superseded_at: Option<Instant>,
    /// A session that another tab spoke of, and when.
    rumour: Option<(usize, Instant)>,
    ended: VecDeque<usize>,
}

impl Reference {
    /// Who is signed in, for all that a request needs to know.
    #[must_use]
    pub fn account(&self) -> Option<Account> {
        self.account.filter(|_| !self.leaving && !self.closed)
    }

    /// Until when its token may be used; none if there is none to use.
    #[must_use]
    pub fn until(&self) -> Option<Instant> {
        self.account().map(|_| self.until).filter(|_| !self.unverified)
    }

    /// When its token is to be renewed; none if nobody is signed in.
    #[must_use]
    pub fn renewal(&self) -> Option<Instant> {
        self.account().map(|_| self.until - Millis(SLACK))
    }

    /// Whether there is anything to sign out of.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        !self.closed && !self.entering && !self.leaving && (self.account.is_some() || !self.known)
    }

    /// Whether it would believe the end of a session that is not its own: it may not have heard of
    /// that one, or it was told once before.
    #[must_use]
    pub fn believes_another(&self) -> bool {
        self.deaf || self.rumour.is_some_and(|(row, _)| row == 999)
    }

    /// A refresh that is waited for was answered. Whether it brought a token.
    pub fn refreshed(&mut self, call: &Call, asked: Instant, now: Instant) -> bool {
        let named = match call.outcome {
            Outcome::Token { row, user, .. } if call.is_answered() => {
                let fresh = Millis(LIFE) > now.since(asked) + MARGIN;
                if fresh {
                    self.slow = now.since(asked) > Millis(4_000);
                    self.settle_rumour(asked);
                    self.take(row, user, asked);
                }
                return fresh;
            }
            Outcome::Ended(named, _) if call.is_answered() => Some(named),
            Outcome::NoSession if call.is_answered() => None,
            _ if call.fate == Fate::Another => Some(999),
            _ => {
                self.failed();
                return false;
            }
        };
        self.told_of_end(call.about, named, asked, now);
        false
    }

    /// A refresh was given up now, so long after it was asked for. For having taken too long, which is
    /// an answer too, unless something better came; and if nobody was there to see its time-out, that
    /// says nothing.
    pub fn gave_up(&mut self, after: Millis, now: Instant) {
        let patience = if self.slow { 8_000 } else { 4_000 };
        let in_time = (patience..=2 * patience).contains(&after.0);
        if in_time && self.superseded_at != Some(now) {
            self.slow = true;
            self.failed();
        }
    }

    /// A refresh failed.
    pub fn failed(&mut self) {
        self.unverified = false;
    }

    fn told_of_end(&mut self, about: Option<usize>, named: Option<usize>, asked: Instant, now: Instant) {
        let current = self.account.map(|(row, _)| row);
        let names_current = named.is_none() || current.is_none() || named == current;
        let gone_with_another = named.is_some_and(|named| {
            self.rumour.is_some_and(|(row, _)| row == named) || self.deaf && !names_current
        });
        let being_replaced = self.entering && current.is_some();
        if about == current && (gone_with_another || names_current) && !being_replaced {
            self.settle_rumour(asked);
            self.end();
            return;
        }
        if about == current
            && !being_replaced
            && let Some(named) = named
        {
            // The second time it counts.
            self.rumour = Some((named, now));
        }
        self.failed();
    }

    /// A sign-in that is waited for succeeded.
    pub fn entered(&mut self, row: usize, user: u8, asked: Instant, now: Instant) {
        self.superseded_at = Some(now);
        self.rumour = None;
        self.take(row, user, asked);
    }

    /// A sign-out is asked for.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// It succeeded, or it did not.
    pub fn left(&mut self, done: bool) {
        self.leaving = false;
        if done {
            self.end();
        }
    }

    /// Another tab handed a token over. Whether it was taken.
    pub fn heard(&mut self, of: &SessionRef, asked: Instant, confirmed: bool, now: Instant) -> bool {
        let Some(row) = row_of(&of.id) else { return false };
        if self.closed || self.leaving || self.ended.contains(&row) {
            return false;
        }
        let ours = self.account.is_some_and(|(row, user)| session_ref(row, user) == *of);
        let rumoured = self.rumour.is_some_and(|(rumour, _)| rumour == row);
        if !(ours || confirmed && rumoured) {
            if !rumoured {
                self.rumour = Some((row, now));
            }
            return false;
        }
        let until = asked + Millis(LIFE);
        let taken = (!ours || until > self.until) && until.since(now) > MARGIN;
        if taken {
            self.superseded_at = Some(now);
            let user = of.user.strip_prefix('u').and_then(|user| user.parse().ok()).unwrap_or(0);
            self.rumour = None;
            self.take(row, user, asked);
        }
        taken
    }

    /// Another tab says that a session is over. Whether it was this one's.
    pub fn heard_end(&mut self, id: &str, now: Instant) -> bool {
        let Some(row) = row_of(id).filter(|_| !self.closed) else { return false };
        let ours = self.account.is_some_and(|(current, _)| current == row);
        if ours {
            self.superseded_at = Some(now);
            self.leaving = false;
            self.end()
        } else {
            self.remember(row)
        }
        ours
    }

    /// The page is put away.
    pub fn put_away(&mut self) {
        self.away = true;
        self.deaf = true;
    }

    /// It is back, or shows some other sign of life.
    pub fn woke(&mut self, restored: bool, now: Instant) {
        let was_away = std::mem::take(&mut self.away);
        if self.account.is_some() {
            self.unverified |= was_away || restored;
        } else if restored && self.known && !self.leaving {
            self.rumour = Some((usize::MAX, now));
        }
    }

    /// The application is done with it.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// What the core says differently, if anything.
    #[must_use]
    pub fn differs(&self, core: &Session, now: Instant) -> Option<String> {
        let status = match self {
            Self { closed: true, .. } => Status::Closed,
            Self { leaving: true, .. } => Status::SignedOut,
            Self { account: Some(_), .. } => Status::SignedIn,
            Self { known: true, .. } => Status::SignedOut,
            _ => Status::Loading,
        };
        let until = self.until().filter(|until| *until > now);
        let same = status == core.status()
            && until == core.token(now).map(|token| token.deadline())
            && match (self.account(), core.account()) {
                (Some((row, user)), Some(account)) => session_ref(row, user) == *account,
                (ours, theirs) => ours.is_none() && theirs.is_none(),
            };
        (!same).then(|| {
            let left = |until: Option<Instant>| until.map(|until| until.since(now).0);
            format!(
                "it is {:?} as {:?} for {:?} ms, and should be {status:?} as {:?} for {:?} ms",
                core.status(),
                core.account(),
                left(core.token(now).map(|token| token.deadline())),
                self.account(),
                left(until),
            )
        })
    }

    fn take(&mut self, row: usize, user: u8, asked: Instant) {
        if self.rumour.is_some_and(|(rumour, _)| rumour == row) {
            self.rumour = None;
        }
        self.account = Some((row, user));
        self.until = asked + Millis(LIFE);
        self.known = true;
        self.unverified = false;
        self.deaf = false;
    }

    fn end(&mut self) {
        if let Some((row, _)) = self.account.take() {
            self.remember(row);
        }
        self.known = true;
        self.unverified = false;
    }

    fn remember(&mut self, row: usize) {
        if self.ended.len() == 4 {
            self.ended.pop_front();
        }
        self.ended.push_back(row);
    }

    fn settle_rumour(&mut self, asked: Instant) {
        self.rumour.take_if(|(_, heard)| *heard <= asked);
    }
}
