//! Signing keys: making them, keeping them encrypted, publishing them, and changing them in time.
//!
//! The store holds the key set: a current key, which signs, the next one, and those that have signed lately.
//! All of them are published. Every server reads the set every 10 s, and makes the changes that are due by then,
//! each in one transaction that fails if another server was faster. So a rotation needs no leader.
//!
//! # What is promised, and where it is kept
//!
//! - A verifier that fetches the keys every 5 minutes, if need be through a cache that keeps them for 5 minutes
//!   more, refuses no good token: a key is published for 11 minutes before it signs, and for 61 minutes after
//!   (`key/plan.rs`).
//! - A server signs with no key set that it read more than 30 s ago, and publishes none: it answers 503 if it
//!   cannot read the store (`key/keeper.rs`). So 30 s after a key was removed in an emergency, no server signs
//!   with it or publishes it any more.
//! - With a master key, no private key lies in the database in the clear (`key/master.rs`).

mod change;
mod jwks;
mod keeper;
mod master;
mod pair;
mod plan;
mod ring;
#[cfg(test)]
mod tests;

pub use change::{ChangeError, Demand, change};
pub use jwks::Published;
pub use keeper::Follow;
pub(crate) use keeper::Keeper;
pub use master::MasterKeys;
pub use pair::{KeyPair, Signature, SigningAlgorithm};
pub use plan::Refusal;
pub use ring::KeyError;
pub(crate) use ring::KeyRing;

/// How long verifiers and caches may keep the published keys, in ms.
pub(crate) const PUBLISHED_FOR_MS: u64 = 5 * 60 * 1000;

/// The age from which what a server knows of the keys is not to be used, in ms.
pub(crate) const STALE_AFTER_MS: u64 = 30 * 1000;

/// How often a server reads the keys, in ms: twice in vain, and the third time they are not yet stale.
pub(crate) const READ_EVERY_MS: u64 = 10 * 1000;

/// Allowance for the time that it takes to write a change and to fetch keys, and for clocks of servers that
/// differ, in ms.
const MARGIN_MS: u64 = 30 * 1000;
