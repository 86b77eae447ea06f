//! The verbs of a session as values, so that one place drives them and checks what follows.

use std::sync::Arc;

use fiftyten::action::WaiterId;
use fiftyten::clock::Instant;
use fiftyten::event::{Event, RequestId};
use fiftyten::session::{Gate, Rejection, Session};
use fiftyten::token::{Serial, Token};

/// A verb.
#[derive(Clone)]
pub enum Verb {
    /// `handle_timeout`.
    Timeout,
    /// `handle`.
    Event(Event),
    /// `gate`.
    Gate,
    /// `hold`.
    Hold,
    /// `rejected`.
    Rejected(Serial),
    /// `give_up`.
    GiveUp(WaiterId),
    /// `sign_in`.
    SignIn,
    /// `sign_out`.
    SignOut,
}

/// What it returned.
#[derive(Clone, Debug)]
pub enum Said {
    /// Nothing.
    Nothing,
    /// The request may go, with this token.
    Go(Arc<Token>),
    /// It may go without.
    Anonymous,
    /// It has to be held.
    Wait,
    /// It is held.
    Held(WaiterId),
    /// What becomes of the 401.
    Rejection(Rejection),
    /// The call to make.
    Call(Option<RequestId>),
}

impl Verb {
    /// Says it.
    pub fn say(&self, core: &mut Session, now: Instant) -> Said {
        match self {
            Self::Timeout => core.handle_timeout(now),
            Self::Event(event) => core.handle(event.clone(), now),
            Self::Gate => {
                return match core.gate(now) {
                    Gate::Open(token) => Said::Go(Arc::clone(token)),
                    Gate::Anonymous => Said::Anonymous,
                    Gate::Shut => Said::Wait,
                    Gate::Closed => Said::Nothing,
                };
            }
            Self::Hold => return Said::Held(core.hold(now)),
            Self::Rejected(serial) => return Said::Rejection(core.rejected(*serial, now)),
            Self::GiveUp(waiter) => core.give_up(*waiter, now),
            Self::SignIn => return Said::Call(core.sign_in(now).ok()),
            Self::SignOut => return Said::Call(core.sign_out(now).ok().flatten()),
        }
        Said::Nothing
    }

    /// Whether it only asks: what ran out while nobody ran stays where it is.
    #[must_use]
    pub const fn only_asks(&self) -> bool {
        matches!(self, Self::Gate)
    }
}
