//! What a session wants done, in the order in which it wants it.

use std::sync::Arc;

use crate::clock::Millis;
use crate::error::{ErrorCode, Failure};
use crate::event::{EndReason, Refusal, RequestId};
use crate::message::Message;
use crate::protocol::{Reason, SessionRef};
use crate::token::Token;

/// Numbers the requests that are held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WaiterId(pub u32);

/// Something to do outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send a refresh; answer with [`Event::Answered`](crate::event::Event::Answered).
    Refresh {
        /// The id its answer carries.
        id: RequestId,
        /// Why.
        reason: Reason,
        /// Whether the user was active since the last refresh that was answered.
        active: bool,
    },
    /// Abort the call; nobody waits for its answer any more.
    Abort(RequestId),
    /// Ask for the browser's lock on refreshing, on behalf of this refresh; answer with
    /// [`Event::Locked`](crate::event::Event::Locked) when it is granted, or with
    /// [`Event::LockFailed`](crate::event::Event::LockFailed) where there is none.
    Lock(RequestId),
    /// The same for the lock of those who could not have that one in time.
    LockSecond(RequestId),
    /// Withdraw that wish, or give the lock back.
    Unlock(RequestId),
    /// Tell the other tabs of this browser.
    Tell(Message),
    /// Let go a request that was held back. It happens exactly once for each.
    Settle(WaiterId, Settled),
    /// A sign-in or a sign-out is decided. It happens exactly once for each.
    Finish(RequestId, Result<(), Refusal>),
    /// The first answer is here, or it has been waited for long enough. It happens once.
    Ready,
    /// Tell the application.
    Emit(Notice),
}

/// What becomes of a request that was held back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Settled {
    /// Send it now, with this token.
    Token(Arc<Token>),
    /// Send it without a token: there is no session, and there was none when it was made.
    Anonymous,
    /// Fail it. The failure is that of the last attempt to refresh, if one failed.
    Failed(ErrorCode, Option<Failure>),
    /// Fail it as unavailable: the server wants to hear nothing for longer than it can be held.
    Later(Option<Failure>, Millis),
}

/// What the application may want to know. None of it carries a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Notice {
    /// A refresh brought a token.
    Refreshed {
        /// Why it was made; none if another tab made it and handed the token over.
        reason: Option<Reason>,
        /// From sending it to having the answer.
        took: Millis,
        /// How long the token lives from now.
        expires_in: Millis,
    },
    /// A refresh failed, the first since one succeeded. The session stands.
    Degraded {
        /// Why it failed.
        failure: Failure,
        /// Why it was made.
        reason: Reason,
    },
    /// A refresh succeeded after some failed.
    Recovered {
        /// How many failed.
        failures: u32,
    },
    /// There is a session, or it is another one than before.
    SignedIn(SessionRef),
    /// The session is over, or there is none.
    SignedOut {
        /// Why.
        reason: EndReason,
        /// Whose it was, if there was one.
        session: Option<SessionRef>,
    },
}
