//! The gate: what becomes of a request, and of one that was answered 401.

use std::sync::Arc;

use crate::action::{Action, Settled, WaiterId};
use crate::clock::{Instant, Millis};
use crate::error::ErrorCode;
use crate::protocol::Reason;
use crate::session::waiters::{Purpose, Waiter};
use crate::session::{Phase, Session};
use crate::token::{Serial, Token};

/// What a request may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gate<'a> {
    /// Go, with this token.
    Open(&'a Arc<Token>),
    /// Go, without a token: nobody is signed in.
    Anonymous,
    /// Wait: call [`Session::hold`].
    Shut,
    /// The session was closed.
    Closed,
}

/// What becomes of a request that was answered 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// Send it once more, with this token, which is newer than the one it carried.
    Replay(Arc<Token>),
    /// A refresh is on its way: wait for the settlement of this waiter. Anything but a token means
    /// [`Rejection::Surface`].
    Wait(WaiterId),
    /// Hand the 401 to the caller.
    Surface,
}

impl Session {
    /// Asks for a request that is about to leave. If the token is due for renewal, that begins
    /// behind it. Alone among the verbs it does nothing else: it is what every request costs.
    pub fn gate(&mut self, now: Instant) -> Gate<'_> {
        // Decided before the borrow that is returned: the common case touches nothing else.
        if let Phase::SignedIn(token) = &self.phase
            && now >= token.refresh_at() + self.stagger
            && self.may_send(token, now)
        {
            self.wish.get_or_insert(Reason::Timer);
            self.pump(now);
        }
        match &self.phase {
            Phase::SignedIn(token) if self.may_send(token, now) => Gate::Open(token),
            Phase::SignedIn(_) | Phase::Loading => Gate::Shut,
            Phase::SignedOut | Phase::SigningOut { .. } => Gate::Anonymous,
            Phase::Closed => Gate::Closed,
        }
    }

    /// A token must still be good when it arrives, so it needs the flight margin. Where refreshing
    /// fails it is used down to its last moment: the alternative is no token at all.
    ///
    /// A token from before the page was put away waits for the first answer.
    fn may_send(&self, token: &Token, now: Instant) -> bool {
        if mutant!(self, GateIgnoresDeadline) {
            return true;
        }
        if self.unverified {
            return false;
        }
        let margin = if self.backoff.failures() > 0 { Millis(0) } else { token.slack().percent(20) };
        token.remaining(now) > margin
    }

    /// Holds a request back until there is a token, or until its limit. If there is nothing to
    /// wait for, the settlement is the next action.
    pub fn hold(&mut self, now: Instant) -> WaiterId {
        let id = self.push_waiter(Purpose::Send, now);
        match self.gate(now) {
            Gate::Open(token) => {
                let settled = Settled::Token(Arc::clone(token));
                self.settle_now(id, settled);
            }
            Gate::Anonymous => self.settle_now(id, Settled::Anonymous),
            Gate::Closed => self.settle_now(id, Settled::Failed(ErrorCode::Closed, None)),
            Gate::Shut => self.pump(now),
        }
        id
    }

    /// An API answered 401 to a request that carried the token with this number.
    ///
    /// At most one refresh in a slack's time is forced this way: an API that always answers 401
    /// (a missing role answered with the wrong status, say) can't make a loop.
    pub fn rejected(&mut self, carried: Serial, now: Instant) -> Rejection {
        self.pump(now);
        let Some(token) = self.latest().map(Arc::clone) else { return Rejection::Surface };
        if carried < self.user_since {
            return Rejection::Surface;
        }
        let newest = carried == token.serial();
        if !newest && self.may_send(&token, now) {
            return Rejection::Replay(token);
        }
        let about_to = self.attempt.is_some() || self.wish == Some(Reason::Rejected);
        if newest && !about_to {
            let forced_lately =
                !mutant!(self, ForcesWithoutLimit) && self.forced_at.is_some_and(|at| now < at + self.slack);
            if forced_lately || self.backoff.failures() > 0 {
                return Rejection::Surface;
            }
            self.forced_at = Some(now);
            self.wish.get_or_insert(Reason::Rejected);
        }
        let id = self.push_waiter(Purpose::Replay, now);
        self.pump(now);
        Rejection::Wait(id)
    }

    fn push_waiter(&mut self, purpose: Purpose, now: Instant) -> WaiterId {
        let user = self.latest().is_some().then_some(self.user_since);
        self.waiters.push(Waiter { purpose, user, limit: now + self.config.request_limit })
    }

    fn settle_now(&mut self, id: WaiterId, settled: Settled) {
        if self.waiters.remove(id).is_some() {
            self.actions.push_back(Action::Settle(id, settled));
        }
    }
}
