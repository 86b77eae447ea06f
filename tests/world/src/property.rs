//! What must hold: the invariants of the design, each under a name.

use std::fmt;

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// No request leaves with a token past its deadline, by true time.
    NoStaleRequest,
    /// No request is accepted more than 60 s after its session was ended.
    RevokedWithinSixtySeconds,
    /// Only where the server's own rows say so does a tab sign out.
    NoFalseSignOut,
    /// A sign-out has exactly one cause: the user's call or an authoritative ended answer.
    OneCausePerSignOut,
    /// There is at most one refresh in flight per tab.
    OneRefreshPerTab,
    /// A refresh goes without the lock only if it is a page's first, or the lock was waited for in
    /// vain, or could not be had.
    OneRefreshPerBrowser,
    /// The poller does not refresh what is not due: another tab did.
    OneRefreshPerCycle,
    /// A request held back for one user never leaves with another's token.
    NobodyElsesToken,
    /// Who waits is settled once, and nobody else is settled.
    SettledOnce,
    /// Who waits is settled within the limit.
    SettledInTime,
    /// A token with time left is not dropped because a refresh failed.
    LiveTokenIsKept,
    /// An answer that nobody waits for changes nothing.
    LateAnswerChangesNothing,
    /// Nothing happens after a close.
    NothingAfterClose,
    /// 401s force one refresh per 10 s.
    OneForcedRefreshPerTenSeconds,
    /// After a drain no deadline lies in the past.
    NoDeadlineInThePast,
    /// Attempts per minute are bounded.
    AttemptsAreBounded,
    /// The server's `Retry-After` is honoured.
    RetryAfterIsHonoured,
    /// A page that is frozen or put away keeps neither the lock nor its place in the queue.
    NoLockIsKept,
    /// Whatever became of another tab, who waits is served within a second, and a visible tab has a
    /// live token, as long as the server answers.
    OthersDelayNobody,
    /// What ended a session in one tab ends it within a second in all that can hear of it.
    EndsReachTheOthers,
    /// The session is what a much simpler model says: signed in or not, as whom, until when.
    AsTheReferenceSays,
}

impl Property {
    /// Every one.
    pub const ALL: [Self; 21] = [
        Self::NoStaleRequest,
        Self::RevokedWithinSixtySeconds,
        Self::NoFalseSignOut,
        Self::OneCausePerSignOut,
        Self::OneRefreshPerTab,
        Self::OneRefreshPerBrowser,
        Self::OneRefreshPerCycle,
        Self::NobodyElsesToken,
        Self::SettledOnce,
        Self::SettledInTime,
        Self::LiveTokenIsKept,
        Self::LateAnswerChangesNothing,
        Self::NothingAfterClose,
        Self::OneForcedRefreshPerTenSeconds,
        Self::NoDeadlineInThePast,
        Self::AttemptsAreBounded,
        Self::RetryAfterIsHonoured,
        Self::NoLockIsKept,
        Self::OthersDelayNobody,
        Self::EndsReachTheOthers,
        Self::AsTheReferenceSays,
    ];
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `NoStaleRequest` reads as "no stale request".
        for (place, c) in format!("{self:?}").chars().enumerate() {
            if c.is_ascii_uppercase() && place > 0 {
                f.write_str(" ")?;
            }
            write!(f, "{}", c.to_ascii_lowercase())?;
        }
        Ok(())
    }
}

/// An invariant that did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// In which tab.
    pub tab: usize,
    /// When, in true ms since the start.
    pub at: u64,
    /// What happened instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { property, tab, at, what } = self;
        write!(f, "not so: {property} (tab {tab}, {at} ms): {what}")
    }
}

/// The outcome of something that has to hold.
pub type Result<T = ()> = std::result::Result<T, Box<Violation>>;
