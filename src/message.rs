//! What the tabs of one browser tell each other.
//!
//! All of them are of one origin, so they trust each other: any script of the origin could call
//! the server with the cookie that they share.

use crate::clock::Instant;
use crate::event::EndReason;
use crate::token::Grant;

/// Something that one tab tells the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// A token to share.
    Token(Handover),
    /// A session is over, by the server's word.
    Ended {
        /// Which.
        session: String,
        /// Why.
        reason: EndReason,
    },
    /// The user is active: whoever refreshes next is to say so.
    Active,
}

/// A token on its way from one tab to another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handover {
    /// What the server granted.
    pub grant: Grant,
    /// When it was asked for, on the clock of whoever holds this. Between tabs it travels as a
    /// moment of the wall clock, which is the only one that they share.
    pub sent_at: Instant,
    /// Whether a refresh brought it, which proves that the browser's cookie stands for this
    /// session. A sign-in does not: another may have replaced the cookie since.
    pub confirmed: bool,
    /// Whether that refresh told the server that the user was active.
    pub active: bool,
}
