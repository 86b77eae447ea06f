//! What the core may be told; every field has a default that needs no thought.

use crate::clock::Millis;
use crate::protocol::{DEFAULT_EXPIRES_IN_MS, DEFAULT_REFRESH_IN_MS};

/// Configuration of a [`Session`](crate::session::Session).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// How long a request is held back for a refresh before it fails; 10 s.
    pub request_limit: Millis,
    /// How long `ready` waits for the first answer; 4 s.
    pub ready_limit: Millis,
    /// Whether a hidden tab keeps its token live. It does not by default: it refreshes when it is
    /// shown, or when it makes a request.
    pub poll_while_hidden: bool,
    /// Whether there are other tabs to be considerate of. Without it nothing is locked and nothing
    /// is told.
    pub tabs: bool,
    /// Entropy for jitter. Tabs that share it would act in step.
    pub seed: u64,
    /// What is broken about this core.
    #[cfg(feature = "mutants")]
    pub mutation: Option<crate::mutation::Mutation>,
}

impl Config {
    /// The slack that holds until the first token tells the server's: 10 s.
    pub const INITIAL_SLACK: Millis = Millis(DEFAULT_EXPIRES_IN_MS - DEFAULT_REFRESH_IN_MS);
}

impl Default for Config {
    fn default() -> Self {
        Self {
            request_limit: Millis(10_000),
            ready_limit: Millis(4_000),
            poll_while_hidden: false,
            tabs: true,
            seed: 0,
            #[cfg(feature = "mutants")]
            mutation: None,
        }
    }
}
