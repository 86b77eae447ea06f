//! Cores that are broken on purpose, one way each: the model checker has to find every one of them,
//! or it would prove nothing. Without the feature `mutants`, which no release has, the macro is the
//! word `false` and nothing else of this file is compiled.

/// Whether this session is broken in this way.
#[cfg(feature = "mutants")]
macro_rules! mutant {
    ($session:expr, $mutation:ident) => {
        $session.config.mutation == Some(crate::mutation::Mutation::$mutation)
    };
}

/// Whether this session is broken in this way: it is not.
#[cfg(not(feature = "mutants"))]
macro_rules! mutant {
    ($session:expr, $mutation:ident) => {
        false
    };
}

/// What is broken.
#[cfg(feature = "mutants")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mutation {
    /// The gate lets a token pass whose deadline is over.
    GateIgnoresDeadline,
    /// A token's life is counted from when its answer came.
    CountsFromAnswer,
    /// The life of a token that was handed over is counted from when it was heard of.
    CountsFromReceipt,
    /// A wake sends a refresh though one is in flight.
    SecondRefresh,
    /// The lock is not asked for.
    TakesNoLock,
    /// A token that is handed over does not end the wish for the lock.
    NoRecheck,
    /// Who waits gets whatever token comes.
    WaiterOfAnyUser,
    /// A 5xx ends the session.
    ErrorEndsSession,
    /// An ended answer counts whichever session it names.
    EndCountsForAny,
    /// The end is told twice.
    EndsTwice,
    /// The first of those who wait is settled twice.
    SettlesTwice,
    /// Whose limit is over is forgotten.
    ForgetsWaiter,
    /// Nobody goes ahead without the lock.
    WaitsForEver,
    /// A frozen page keeps its lock, and its place in the queue for it.
    KeepsLock,
    /// A failed refresh costs the token.
    DropsToken,
    /// Answers are not matched by their number.
    LateAnswerCounts,
    /// A close does not end what is planned.
    LivesAfterClose,
    /// Every 401 forces a refresh.
    ForcesWithoutLimit,
    /// A refresh that takes too long is not given up.
    MissesTimeout,
    /// Attempts are not counted.
    NoBudget,
    /// The server's `Retry-After` is not read.
    IgnoresRetryAfter,
    /// A page that comes back uses its token unasked.
    RestoresUnasked,
    /// Whatever token another tab speaks of is taken over.
    BelievesAnyToken,
    /// The other tabs are not told of a token.
    KeepsToken,
    /// The other tabs are not told of the end.
    KeepsEnd,
    /// The lock is waited for as if somebody waited for the token.
    LeavesLockEarly,
}

#[cfg(feature = "mutants")]
impl Mutation {
    /// Every one.
    pub const ALL: [Self; 26] = [
        Self::GateIgnoresDeadline,
        Self::CountsFromAnswer,
        Self::CountsFromReceipt,
        Self::SecondRefresh,
        Self::TakesNoLock,
        Self::NoRecheck,
        Self::WaiterOfAnyUser,
        Self::ErrorEndsSession,
        Self::EndCountsForAny,
        Self::EndsTwice,
        Self::SettlesTwice,
        Self::ForgetsWaiter,
        Self::WaitsForEver,
        Self::KeepsLock,
        Self::DropsToken,
        Self::LateAnswerCounts,
        Self::LivesAfterClose,
        Self::ForcesWithoutLimit,
        Self::MissesTimeout,
        Self::NoBudget,
        Self::IgnoresRetryAfter,
        Self::RestoresUnasked,
        Self::BelievesAnyToken,
        Self::KeepsToken,
        Self::KeepsEnd,
        Self::LeavesLockEarly,
    ];
}
