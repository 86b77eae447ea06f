//! The other tabs of the browser: one refresh for all of them, and what they tell each other.
//!
//! Nobody leads. Before it refreshes a tab asks for a lock, for this one refresh; whoever gets it
//! refreshes and tells the others, whose wish has then come true. The lock saves work and decides
//! nothing: it is waited for within bounds, and who can't have it goes ahead without. The server
//! takes any number of refreshes at once.
//!
//! Those who could not have it ask for a second one, so that they don't all go ahead in the same
//! moment: a pause at random would not keep them apart, because timers of hidden pages run once a
//! second, all together. Where that one is in the hand of another tab that stands still, everybody goes ahead.

use crate::action::Action;
use crate::clock::{Instant, Millis};
use crate::event::{EndReason, RequestId};
use crate::message::{Handover, Message};
use crate::protocol::Reason;
use crate::session::refresh::{Attempt, Stage};
use crate::session::{Phase, Session};
use crate::token::{Grant, Token};

/// A session that another tab speaks of and this one does not have: a sign-in, or a change of
/// account. The server is asked before it is believed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Suspect {
    session: String,
    heard_at: Instant,
    pub(super) check_at: Instant,
}

impl Session {
    /// How many ends are remembered: more than change within the time that a message can be late.
    const ENDS: usize = 4;

    /// A lock that nobody else has is granted within this time.
    const AT_ONCE: Millis = Millis(5);

    // ---- the lock

    pub(super) fn locked(&mut self, id: RequestId, now: Instant) {
        match self.attempt.take_if(|attempt| attempt.id == id) {
            // Another tab had it meanwhile, and has told of its token just before giving it back. Nothing
            // says which of the two arrives here first.
            // The second lock is worth no pause where it came at once: those behind don't wait for long.
            Some(Attempt { reason, stage: Stage::Locking { since, second, .. }, .. })
                if now.since(since) > (if second { self.slack.percent(3) } else { Self::AT_ONCE })
                    && self.waiters.is_empty() =>
            {
                let until = now + Millis(self.slack.0 / 200);
                self.attempt = Some(Attempt { id, reason, stage: Stage::Pausing { until, locked: true } });
            }
            Some(Attempt { reason, stage: Stage::Locking { .. }, .. }) => self.send(id, reason, true, now),
            // It came too late.
            other => {
                self.attempt = other.or(self.attempt.take());
                self.actions.push_back(Action::Unlock(id));
            }
        }
    }

    pub(super) fn lock_failed(&mut self, id: RequestId, now: Instant) {
        let locking =
            |attempt: &mut Attempt| attempt.id == id && matches!(attempt.stage, Stage::Locking { .. });
        if let Some(attempt) = self.attempt.take_if(locking) {
            self.pause(id, attempt.reason, now);
        }
    }

    /// The lock is in the hand of a tab that may stand still. The others that wait for it go ahead one
    /// after the other: the first of them is likely to save the others their refresh.
    pub(super) fn queue(&mut self, reason: Reason, now: Instant) {
        let id = self.next_id();
        let half = Millis(self.longest_pause().0 / 2);
        let until = now + half + self.rng.up_to(half) + Millis(1);
        self.attempt =
            Some(Attempt { id, reason, stage: Stage::Locking { since: now, until, second: true } });
        self.actions.push_back(Action::LockSecond(id));
    }

    /// There are no locks here. The others that refresh are not to do so in the same moment.
    fn pause(&mut self, id: RequestId, reason: Reason, now: Instant) {
        let until = now + self.rng.up_to(self.longest_pause()) + Millis(1);
        self.attempt = Some(Attempt { id, reason, stage: Stage::Pausing { until, locked: false } });
    }

    fn longest_pause(&self) -> Millis {
        let background = self.slack.percent(10);
        if self.waiters.is_empty() { background } else { background.percent(25) }
    }

    /// Somebody waits: politeness has its limits.
    pub(super) fn hasten(&mut self, now: Instant) {
        if self.waiters.is_empty() {
            return;
        }
        let (wait, pause) = (self.slack.percent(5), self.longest_pause());
        match self.attempt.as_mut().map(|attempt| &mut attempt.stage) {
            Some(Stage::Pausing { until, locked: true }) => {
                *until = now;
                self.expire_attempt(now);
            }
            Some(Stage::Locking { until, second: false, .. }) => *until = (*until).min(now + wait),
            Some(Stage::Locking { until, .. } | Stage::Pausing { until, .. }) => {
                *until = (*until).min(now + pause);
            }
            _ => {}
        }
    }

    /// The page is about to stand still. A lock that it waits for would be granted to it all the
    /// same, and kept from everybody.
    pub(super) fn freeze(&mut self) {
        self.frozen = true;
        if mutant!(self, KeepsLock) {
            return;
        }
        match self.attempt.as_mut() {
            Some(Attempt { id, stage: Stage::Sent(sent), .. }) => {
                let given_back = std::mem::take(&mut sent.locked).then_some(Action::Unlock(*id));
                self.actions.extend(given_back);
            }
            Some(_) => self.put_off(),
            None => {}
        }
    }

    /// What is in flight would be answered for the page that was left, and perhaps only when it is
    /// back.
    pub(super) fn put_away(&mut self) {
        self.put_off();
        self.frozen = true;
        self.away = true;
        self.deaf = true;
    }

    /// Drops the attempt under way; what it was for will be wanted when the page is back. What a
    /// 401 forced was forced once: it goes on as the wake that it has become.
    pub(super) fn put_off(&mut self) {
        match self.attempt.as_ref().map(|attempt| attempt.reason) {
            None | Some(Reason::Timer) => {}
            Some(Reason::Rejected) => self.wish = Some(Reason::Wake),
            Some(reason) => {
                self.wish.get_or_insert(reason);
            }
        }
        self.drop_attempt();
    }

    /// Back from the back/forward cache: the server is asked whether all is as it was. While it was
    /// away nothing was heard of a sign-in either.
    pub(super) fn restored(&mut self, now: Instant) {
        self.woken(now);
        match self.phase {
            Phase::SignedIn(_) => {
                self.unverified = !mutant!(self, RestoresUnasked);
                self.wish.get_or_insert(Reason::Wake);
            }
            Phase::SignedOut => {
                self.suspect = Some(Suspect { session: String::new(), heard_at: now, check_at: now })
            }
            Phase::Loading | Phase::SigningOut { .. } | Phase::Closed => {}
        }
    }

    // ---- what is told

    pub(super) fn tell_token(&mut self, grant: Grant, sent_at: Instant, confirmed: bool, active: bool) {
        if mutant!(self, KeepsToken) {
            return;
        }
        self.tell(Message::Token(Handover { grant, sent_at, confirmed, active }));
    }

    /// The session is over by the server's word, in every tab that has it.
    pub(super) fn end_for_all(&mut self, reason: EndReason) {
        let session = match &self.phase {
            Phase::SignedIn(token) | Phase::SigningOut { token: Some(token), .. } => {
                Some(token.session().id.clone())
            }
            _ => None,
        };
        if let Some(session) = session.filter(|_| !mutant!(self, KeepsEnd)) {
            self.tell(Message::Ended { session, reason });
        }
        self.end(reason);
    }

    pub(super) fn user_was_active(&mut self) {
        if !self.user_active {
            self.user_active = true;
            self.tell(Message::Active);
        }
    }

    fn tell(&mut self, message: Message) {
        if self.config.tabs {
            self.actions.push_back(Action::Tell(message));
        }
    }

    pub(super) fn remember_end(&mut self, session: &str) {
        if self.ends.len() == Self::ENDS {
            self.ends.pop_front();
        }
        self.ends.push_back(session.to_owned());
    }

    // ---- what is heard

    pub(super) fn heard(&mut self, message: Message, now: Instant) {
        match message {
            Message::Token(handover) => self.heard_token(handover, now),
            Message::Ended { session, reason } => self.heard_end(&session, reason),
            Message::Active => self.user_active = true,
        }
    }

    fn heard_token(&mut self, handover: Handover, now: Instant) {
        let Handover { grant, sent_at, confirmed, active } = handover;
        if self.ends.contains(&grant.session().id) || matches!(self.phase, Phase::SigningOut { .. }) {
            return;
        }
        let ours = self.account().is_some_and(|account| account == grant.session());
        let expected = self.has_heard_of(&grant.session().id);
        let believed = ours || (confirmed && expected) || mutant!(self, BelievesAnyToken);
        let sent_at = if mutant!(self, CountsFromReceipt) { now } else { sent_at };
        if !believed {
            return self.suspect(grant.session().id.clone(), now);
        }
        let token = Token::new(grant, self.next_serial(), sent_at);
        let newer = !ours || self.latest().is_none_or(|latest| token.deadline() > latest.deadline());
        if newer && token.remaining(now) > token.slack().percent(20) {
            if !mutant!(self, NoRecheck) {
                self.drop_attempt();
            }
            self.user_active &= !active;
            self.suspect = None;
            self.take_over(token, None, now.since(sent_at), now);
        }
    }

    fn heard_end(&mut self, session: &str, reason: EndReason) {
        let (token, signing_out) = match &self.phase {
            Phase::SignedIn(token) => (Some(token), None),
            Phase::SigningOut { token, call } => (token.as_ref(), Some(call.id)),
            _ => (None, None),
        };
        if token.is_none_or(|token| token.session().id != session) {
            return self.remember_end(session);
        }
        self.end(reason);
        if let Some(id) = signing_out {
            // What it was to do is done, whatever becomes of the call.
            self.actions.push_back(Action::Finish(id, Ok(())));
        }
    }

    // ---- sessions heard of

    pub(super) fn suspect(&mut self, session: String, now: Instant) {
        if !self.has_heard_of(&session) {
            let check_at = now + self.rng.up_to(self.slack.percent(10));
            self.suspect = Some(Suspect { session, heard_at: now, check_at });
        }
    }

    /// The server's word, given to a question that was asked at this time.
    pub(super) fn settle_suspicion(&mut self, asked_at: Instant) {
        self.suspect.take_if(|suspect| suspect.heard_at <= asked_at);
    }

    /// Whether other tabs have spoken of this session.
    pub(super) fn has_heard_of(&self, session: &str) -> bool {
        self.suspect.as_ref().is_some_and(|suspect| suspect.session == session)
    }

    /// When to ask, if there is nothing else to ask about.
    pub(super) fn suspicion_due(&self) -> Option<(Instant, Reason)> {
        let suspect = self.suspect.as_ref().filter(|_| self.polls())?;
        Some((suspect.check_at.max(self.allowed_at(false)), Reason::Wake))
    }
}
