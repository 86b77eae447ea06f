//! Signing in and out: the calls that the user makes, and that change whose session it is.

use std::sync::Arc;

use crate::action::Action;
use crate::clock::Instant;
use crate::error::ErrorCode;
use crate::event::{CallMeaning, EndReason, Refusal, Reply, RequestId};
use crate::protocol::Reason;
use crate::session::{Phase, Session};
use crate::token::Token;

/// A sign-in or a sign-out in flight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) id: RequestId,
    sent_at: Instant,
    pub(super) times_out_at: Instant,
}

impl Session {
    /// The user signs in: the caller sends the credentials, which the session never sees, and
    /// reports the answer under the id returned. The result comes as
    /// [`Action::Finish`](crate::action::Action::Finish).
    ///
    /// # Errors
    /// [`ErrorCode::Busy`] while another sign-in or a sign-out is under way: answers to two of
    /// them could set the cookie in either order. [`ErrorCode::Closed`] after a close.
    pub fn sign_in(&mut self, now: Instant) -> Result<RequestId, ErrorCode> {
        match self.phase {
            Phase::Closed => return Err(ErrorCode::Closed),
            Phase::SigningOut { .. } => return Err(ErrorCode::Busy),
            Phase::Loading | Phase::SignedIn(_) | Phase::SignedOut if self.sign_in.is_some() => {
                return Err(ErrorCode::Busy);
            }
            Phase::Loading | Phase::SignedIn(_) | Phase::SignedOut => {}
        }
        let call = self.new_call(now);
        let id = call.id;
        self.sign_in = Some(call);
        self.pump(now);
        Ok(id)
    }

    /// The user signs out. The token is withheld from this moment on; it comes back if the server
    /// cannot be told, because the cookie is still there. `None` means that there is nothing to
    /// end.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`] while a sign-in or another sign-out is under way,
    /// [`ErrorCode::Closed`] after a close.
    pub fn sign_out(&mut self, now: Instant) -> Result<Option<RequestId>, ErrorCode> {
        let token = match &self.phase {
            Phase::Closed => return Err(ErrorCode::Closed),
            Phase::SigningOut { .. } => return Err(ErrorCode::Busy),
            _ if self.sign_in.is_some() => return Err(ErrorCode::Busy),
            Phase::SignedOut => return Ok(None),
            Phase::Loading => None,
            Phase::SignedIn(token) => Some(Arc::clone(token)),
        };
        self.drop_attempt();
        self.wish = None;
        let call = self.new_call(now);
        let id = call.id;
        self.phase = Phase::SigningOut { token, call };
        self.turn_away();
        self.pump(now);
        Ok(Some(id))
    }

    fn new_call(&mut self, now: Instant) -> Call {
        let id = self.next_id();
        Call { id, sent_at: now, times_out_at: now + self.config.request_limit }
    }

    pub(super) fn call_answered(&mut self, id: RequestId, reply: Reply, now: Instant) {
        if let Some(call) = self.sign_in.take_if(|call| call.id == id) {
            self.sign_in_answered(call, reply.into_sign_in_meaning(), now);
        } else if matches!(&self.phase, Phase::SigningOut { call, .. } if call.id == id) {
            self.sign_out_answered(id, reply.into_sign_out_meaning());
        }
    }

    fn sign_in_answered(&mut self, call: Call, meaning: CallMeaning, now: Instant) {
        let refusal = match meaning {
            CallMeaning::Granted(grant) => {
                self.drop_attempt();
                self.tell_token(grant.clone(), call.sent_at, false, false);
                let token = Token::new(grant, self.next_serial(), call.sent_at);
                // Whatever was said of other sessions is older than this one.
                self.suspect = None;
                let stale = token.remaining(now) <= token.slack().percent(20);
                self.install(token, now);
                self.recover();
                if stale {
                    // The page slept over the answer. The session is there all the same.
                    self.wish = Some(Reason::Wake);
                }
                self.actions.push_back(Action::Finish(call.id, Ok(())));
                return;
            }
            CallMeaning::Done => Refusal::new(ErrorCode::UnexpectedAnswer),
            CallMeaning::Refused(refusal) => refusal,
        };
        self.actions.push_back(Action::Finish(call.id, Err(refusal)));
    }

    fn sign_out_answered(&mut self, id: RequestId, meaning: CallMeaning) {
        match meaning {
            CallMeaning::Done => {
                self.end_for_all(EndReason::SignedOut);
                self.actions.push_back(Action::Finish(id, Ok(())));
            }
            CallMeaning::Granted(_) => self.restore(id, Refusal::new(ErrorCode::UnexpectedAnswer)),
            CallMeaning::Refused(refusal) => self.restore(id, refusal),
        }
    }

    /// The server does not know that the user is gone, so the user is not gone.
    fn restore(&mut self, id: RequestId, refusal: Refusal) {
        if let Phase::SigningOut { token, .. } = &self.phase {
            self.phase = match token {
                Some(token) => Phase::SignedIn(Arc::clone(token)),
                None => {
                    self.wish = Some(Reason::Start);
                    Phase::Loading
                }
            };
        }
        self.actions.push_back(Action::Finish(id, Err(refusal)));
    }

    pub(super) fn expire_call(&mut self, now: Instant) {
        if let Some(call) = self.sign_in.take_if(|call| call.times_out_at <= now) {
            self.actions.push_back(Action::Abort(call.id));
            self.actions.push_back(Action::Finish(call.id, Err(Refusal::new(ErrorCode::Timeout))));
        }
        if let Phase::SigningOut { call, .. } = &self.phase
            && call.times_out_at <= now
        {
            let id = call.id;
            self.actions.push_back(Action::Abort(id));
            self.restore(id, Refusal::new(ErrorCode::Timeout));
        }
    }

    pub(super) fn close_calls(&mut self) {
        let signing_out = match &self.phase {
            Phase::SigningOut { call, .. } => Some(call.id),
            _ => None,
        };
        for id in self.sign_in.take().map(|call| call.id).into_iter().chain(signing_out) {
            self.actions.push_back(Action::Abort(id));
            self.actions.push_back(Action::Finish(id, Err(Refusal::new(ErrorCode::Closed))));
        }
    }
}
