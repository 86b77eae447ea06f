//! The BroadcastChannel: messages on their way between tabs.

use fiftyten::clock::{Instant, Millis};
use fiftyten::message::{Handover, Message};

/// A message on its way to one tab.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Letter {
    /// For whom.
    pub to: usize,
    /// When it arrives, in true ms.
    pub due: u64,
    /// A token's age is counted from this moment of the wall clock, as in `src/web/channel.rs`.
    sent_wall: u64,
    message: Message,
}

/// As in `src/web/channel.rs`.
const CORRECTION: u64 = 100;

impl Letter {
    /// Writes it, at this moment of the sender's and of the wall clock.
    #[must_use]
    pub fn write(message: Message, to: usize, due: u64, now: Instant, wall: u64) -> Self {
        let age = match &message {
            Message::Token(handover) => now.since(handover.sent_at).0,
            Message::Ended { .. } | Message::Active => 0,
        };
        Self { to, due, sent_wall: wall.saturating_sub(age), message }
    }

    /// Reads it, at this moment of the receiver's and of the wall clock. None if it is not believed:
    /// the wall clock was set back since.
    #[must_use]
    pub fn read(self, now: Instant, wall: u64) -> Option<Message> {
        match self.message {
            Message::Token(handover) => {
                if wall + CORRECTION < self.sent_wall {
                    return None;
                }
                let age = Millis(wall.saturating_sub(self.sent_wall));
                Some(Message::Token(Handover { sent_at: now - age, ..handover }))
            }
            other => Some(other),
        }
    }
}
