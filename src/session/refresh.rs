//! The refresh: when the next attempt is due, and what its answer does.

use std::sync::Arc;

use crate::action::{Action, Notice, Settled};
use crate::clock::{Instant, Millis};
use crate::error::{ErrorCode, Failure};
use crate::event::{EndReason, RefreshMeaning, Reply, RequestId};
use crate::protocol::Reason;
use crate::session::waiters::Purpose;
use crate::session::{Phase, Session, TimerKind};
use crate::token::{Grant, Serial, Token};

/// A refresh under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Attempt {
    pub(super) id: RequestId,
    pub(super) reason: Reason,
    pub(super) stage: Stage,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// The lock was asked for, or the second one.
    Locking {
        since: Instant,
        until: Instant,
        second: bool,
    },
    /// There is none, or another tab had it just now and may still say something.
    Pausing {
        until: Instant,
        locked: bool,
    },
    Sent(Sent),
}

/// A refresh in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    at: Instant,
    times_out_at: Instant,
    /// The session it was sent for, by its first token; none if none was known.
    session: Option<Serial>,
    /// Whether it told the server that the user was active.
    active: bool,
    pub(super) locked: bool,
}

impl Attempt {
    pub(super) fn deadline(&self) -> (Instant, TimerKind) {
        match &self.stage {
            Stage::Locking { until, .. } | Stage::Pausing { until, .. } => (*until, TimerKind::Lock),
            Stage::Sent(sent) => (sent.times_out_at, TimerKind::AttemptTimeout),
        }
    }
}

impl Session {
    /// A server that leaves less between renewal and deadline is not followed further: its bounds
    /// would be shorter than a round trip.
    const LEAST_SLACK: Millis = Millis(1_000);

    /// When the next attempt is due, and why. A moment in the past means now.
    pub(super) fn due(&self) -> Option<(Instant, Reason)> {
        if self.attempt.is_some() || self.frozen {
            return None;
        }
        let token = match &self.phase {
            Phase::Loading => None,
            Phase::SignedIn(token) => Some(token),
            Phase::SignedOut => return self.suspicion_due(),
            Phase::SigningOut { .. } | Phase::Closed => return None,
        };
        let blocked = !self.waiters.is_empty();
        let first = self.backoff.failures() == 0;
        let background = self.polls();
        let (at, reason) = match (self.wish, token) {
            (Some(wish), _) if first => (Instant(0), wish),
            _ if blocked => (Instant(0), Reason::Request),
            // The first answer is wanted in a hidden tab too: the application waits for it.
            (Some(_), None) => (Instant(0), Reason::Retry),
            (Some(_), Some(_)) if background => (Instant(0), Reason::Retry),
            (None, Some(token)) if background => {
                // A visible tab goes first: what it fetches may save the hidden ones theirs.
                let later = if self.visible { Millis(0) } else { token.slack().percent(20) };
                let at = token.refresh_at() + self.stagger + later;
                (at, if first { Reason::Timer } else { Reason::Retry })
            }
            _ => return self.suspicion_due(),
        };
        let (at, reason) = match &self.suspect {
            Some(suspect) if background && suspect.check_at < at => (suspect.check_at, Reason::Wake),
            _ => (at, reason),
        };
        Some((at.max(self.allowed_at(blocked)), reason))
    }

    /// Before this moment, back-off and budget allow no attempt.
    pub(super) fn allowed_at(&self, blocked: bool) -> Instant {
        if mutant!(self, NoBudget) {
            return self.backoff.until(blocked);
        }
        self.backoff.until(blocked).max(self.budget.available_at(self.slack))
    }

    /// Whether the tab refreshes without being asked.
    pub(super) fn polls(&self) -> bool {
        self.visible || self.config.poll_while_hidden
    }

    /// How long a refresh may take. Short at first, because after sleep connections hang that are
    /// dead; twice as long on a link that has shown itself slow, which would never get an answer
    /// otherwise.
    fn patience(&self) -> Millis {
        self.slack.percent(if self.slow_link { 80 } else { 40 })
    }

    /// Begins a refresh: with the lock, where there are other tabs to ask, and at once for the first
    /// of a page.
    pub(super) fn begin(&mut self, reason: Reason, now: Instant) {
        let id = self.next_id();
        if self.config.tabs && reason != Reason::Start && !mutant!(self, TakesNoLock) {
            let hurried = !self.waiters.is_empty() || mutant!(self, LeavesLockEarly);
            let until = now + self.slack.percent(if hurried { 5 } else { 30 });
            let stage = Stage::Locking { since: now, until, second: false };
            self.attempt = Some(Attempt { id, reason, stage });
            self.actions.push_back(Action::Lock(id));
        } else {
            self.send(id, reason, false, now);
        }
    }

    /// Sends it.
    pub(super) fn send(&mut self, id: RequestId, reason: Reason, locked: bool, now: Instant) {
        let token = self.latest();
        let reason = match reason {
            // Somebody has come to wait for it meanwhile.
            Reason::Timer | Reason::Retry if !self.waiters.is_empty() => Reason::Request,
            // A timer that finds the token dead was kept from running: by sleep, or by the browser.
            Reason::Timer if token.is_some_and(|token| token.remaining(now) == Millis(0)) => Reason::Wake,
            reason => reason,
        };
        let session = token.is_some().then_some(self.session_since);
        if self.backoff.failures() == 0 && reason != Reason::Timer {
            self.backoff.hurry();
        }
        if reason == Reason::Rejected {
            // Lock, budget or a frozen page may have kept it waiting: what counts is when it leaves.
            self.forced_at = Some(now);
        }
        self.budget.take(now, self.slack);
        let active = std::mem::take(&mut self.user_active);
        let times_out_at = now + self.patience();
        let sent = Sent { at: now, times_out_at, session, active, locked };
        self.attempt = Some(Attempt { id, reason, stage: Stage::Sent(sent) });
        self.actions.push_back(Action::Refresh { id, reason, active });
    }

    /// Whatever becomes of the attempt under way, it no longer matters.
    pub(super) fn drop_attempt(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        let locked = match attempt.stage {
            Stage::Locking { .. } => true,
            Stage::Pausing { locked, .. } => locked,
            Stage::Sent(sent) => {
                self.user_active |= sent.active;
                self.actions.push_back(Action::Abort(attempt.id));
                sent.locked
            }
        };
        if locked {
            self.actions.push_back(Action::Unlock(attempt.id));
        }
    }

    pub(super) fn expire_attempt(&mut self, now: Instant) {
        let Some(attempt) = self.attempt.take_if(|attempt| attempt.deadline().0 <= now) else { return };
        let Attempt { id, reason, stage } = attempt;
        match stage {
            Stage::Locking { second, .. } if mutant!(self, WaitsForEver) => {
                let stage = Stage::Locking { since: now, until: now + self.slack, second };
                self.attempt = Some(Attempt { id, reason, stage });
            }
            Stage::Locking { second, .. } => {
                self.actions.push_back(Action::Unlock(id));
                if second { self.send(id, reason, false, now) } else { self.queue(reason, now) }
            }
            Stage::Pausing { locked, .. } => self.send(id, reason, locked, now),
            Stage::Sent(sent) if now.since(sent.times_out_at) > self.patience() => {
                // Nobody was there to see it run out: the page slept, or stood still. That is no
                // failure of the server's and says nothing of the link.
                self.attempt = Some(Attempt { id, reason, stage: Stage::Sent(sent) });
                self.put_off();
            }
            Stage::Sent(sent) => {
                self.actions.push_back(Action::Abort(id));
                self.unlock(id, &sent);
                self.failed(reason, &sent, Failure::Timeout, None, now);
            }
        }
    }

    fn unlock(&mut self, id: RequestId, sent: &Sent) {
        if sent.locked {
            self.actions.push_back(Action::Unlock(id));
        }
    }

    /// An answer came. One that nobody waits for any more changes nothing.
    pub(super) fn answered(&mut self, id: RequestId, reply: Reply, now: Instant) {
        let any = mutant!(self, LateAnswerCounts);
        let in_flight =
            |attempt: &mut Attempt| (any || attempt.id == id) && matches!(attempt.stage, Stage::Sent(_));
        let Some(Attempt { reason, stage: Stage::Sent(sent), .. }) = self.attempt.take_if(in_flight) else {
            return self.call_answered(id, reply, now);
        };
        match reply.into_refresh_meaning() {
            RefreshMeaning::Granted(grant) => self.refreshed(reason, &sent, grant, now),
            RefreshMeaning::Ended { reason: end, session } => self.ended(reason, &sent, end, session, now),
            RefreshMeaning::Failed { failure, retry_after } => {
                self.failed(reason, &sent, failure, retry_after, now);
            }
        }
        // The others hear of it first.
        self.unlock(id, &sent);
    }

    fn refreshed(&mut self, reason: Reason, sent: &Sent, grant: Grant, now: Instant) {
        let from = if mutant!(self, CountsFromAnswer) { now } else { sent.at };
        let token = Token::new(grant.clone(), self.next_serial(), from);
        if token.remaining(now) <= token.slack().percent(20) {
            // It spent its life on the way: the page slept in between. The next one is sent at once.
            self.user_active |= sent.active;
            self.wish = Some(reason);
            return;
        }
        self.tell_token(grant, sent.at, true, sent.active);
        self.settle_suspicion(sent.at);
        let took = now.since(sent.at);
        self.slow_link = took > self.slack.percent(40);
        self.take_over(token, Some(reason), took, now);
    }

    /// A token is here: everybody is told, and all failures are forgotten.
    pub(super) fn take_over(&mut self, token: Token, reason: Option<Reason>, took: Millis, now: Instant) {
        let expires_in = token.remaining(now);
        self.install(token, now);
        self.emit(Notice::Refreshed { reason, took, expires_in });
        self.recover();
    }

    /// There is a token again: whoever was told of trouble is told that it is over.
    pub(super) fn recover(&mut self) {
        let failures = std::mem::take(&mut self.trouble);
        if failures > 0 {
            self.emit(Notice::Recovered { failures });
        }
    }

    pub(super) fn next_serial(&mut self) -> Serial {
        self.last_serial = Serial(self.last_serial.0.wrapping_add(1));
        self.last_serial
    }

    /// Takes a token over: the new state first, then those who waited, then the application.
    pub(super) fn install(&mut self, token: Token, now: Instant) {
        let token = Arc::new(token);
        let (account, before) = (token.session(), self.account());
        let same_user = before.is_some_and(|before| before.user == account.user);
        let same_session = before.is_some_and(|before| before.id == account.id);
        if !same_user {
            self.user_since = token.serial();
        }
        if !same_session {
            self.session_since = token.serial();
        }
        self.slack = token.slack().max(Self::LEAST_SLACK);
        self.budget.fit(now, self.slack);
        if self.has_heard_of(&token.session().id) {
            self.suspect = None;
        }
        self.stagger = self.rng.up_to(token.slack().percent(10));
        self.phase = Phase::SignedIn(Arc::clone(&token));
        self.wish = None;
        self.unverified = false;
        self.deaf = false;
        self.backoff.succeeded();
        self.last_failure = None;
        let user = self.user_since;
        let live = token.remaining(now) > Millis(0);
        let any = mutant!(self, WaiterOfAnyUser);
        self.settle_where(|waiter| match any || waiter.user.is_none_or(|made_for| made_for == user) {
            true => live.then(|| Settled::Token(Arc::clone(&token))),
            false => Some(Settled::Failed(ErrorCode::SessionChanged, None)),
        });
        self.announce_ready();
        if !same_session {
            self.emit(Notice::SignedIn(token.session().clone()));
        }
    }

    /// The server says that a session has ended. It counts only for the session it was asked
    /// about, and only if that is still the current one.
    fn ended(&mut self, reason: Reason, sent: &Sent, end: EndReason, named: Option<String>, now: Instant) {
        let current = self.account().map(|account| account.id.as_str());
        let asked_for_current = sent.session == current.map(|_| self.session_since);
        let names_current = match (&named, current) {
            (Some(named), Some(current)) => named == current || mutant!(self, EndCountsForAny),
            _ => true,
        };
        // A sign-in ends the session it replaces. Its own answer, which is about to come, says
        // more than this one.
        let being_replaced = self.sign_in.is_some() && current.is_some();
        if !asked_for_current || being_replaced {
            return self.failed(reason, sent, Failure::OtherSession, None, now);
        }
        if !names_current {
            // The browser's cookie stands for a session that another tab signed in to, and that one
            // has ended: nothing stands for this tab's. It may be a late word: a tab that has
            // not heard of that session, though it was there to hear, asks again, and the second answer
            // counts.
            let named = named.unwrap_or_default();
            if self.deaf || self.has_heard_of(&named) {
                self.settle_suspicion(sent.at);
                return self.end(EndReason::NoSession);
            }
            self.suspect(named, now);
            return self.failed(reason, sent, Failure::OtherSession, None, now);
        }
        self.settle_suspicion(sent.at);
        if matches!(self.phase, Phase::SignedOut) {
            // It was said that there is a session; there is none. Nothing has changed.
            self.backoff.succeeded();
        } else {
            self.end_for_all(end);
        }
    }

    /// An attempt failed; the session stands, and so does its token.
    pub(super) fn failed(
        &mut self,
        reason: Reason,
        sent: &Sent,
        failure: Failure,
        retry_after: Option<Millis>,
        now: Instant,
    ) {
        if mutant!(self, ErrorEndsSession) && matches!(failure, Failure::Status(500..)) {
            return self.end(EndReason::NoSession);
        }
        if mutant!(self, DropsToken) {
            self.phase = Phase::Loading;
        }
        let retry_after = retry_after.filter(|_| !mutant!(self, IgnoresRetryAfter));
        self.user_active |= sent.active;
        self.unverified = false;
        let network = failure == Failure::Network;
        self.backoff.failed(sent.at, now, self.slack, network, retry_after, &mut self.rng);
        self.last_failure = Some(failure);
        self.slow_link |= failure == Failure::Timeout;
        if reason == Reason::Rejected {
            // It was worth one attempt; the token is as good as it was.
            self.wish = None;
        }
        let live = self.token(now).map(Arc::clone);
        self.settle_where(|waiter| match (waiter.purpose, &live) {
            (Purpose::Replay, _) => Some(Settled::Failed(ErrorCode::Unavailable, Some(failure))),
            (Purpose::Send, Some(token)) => Some(Settled::Token(Arc::clone(token))),
            (Purpose::Send, None) if failure == Failure::OriginRejected => {
                Some(Settled::Failed(ErrorCode::OriginRejected, Some(failure)))
            }
            (Purpose::Send, None) => None,
        });
        if !matches!(self.phase, Phase::SignedOut) {
            self.trouble = self.trouble.saturating_add(1);
            if self.trouble == 1 {
                self.emit(Notice::Degraded { failure, reason });
            }
        }
    }
}
