//! When which key signs: what has to change in the key set by now. Nothing here reads a clock or a store.
//!
//! | state | published | signs | becomes |
//! |---|---|---|---|
//! | next | yes | no | current, at a rotation, once it has been published for [`LEAD_MS`] |
//! | current | yes | yes | retired, at the same moment |
//! | retired | yes | no | nothing, [`KEEP_MS`] later |
//!
//! A new next key is made at every rotation. So in the usual case it has been published for a whole rotation
//! period when its time comes, and the lead holds up only a rotation by hand that follows upon another.

use crate::config::LONGEST_TOKEN;
use crate::store::{KeyState, StoredKey};

use super::pair::SigningAlgorithm;
use super::{MARGIN_MS, PUBLISHED_FOR_MS, STALE_AFTER_MS};

/// How long a key is published before it signs, in ms: a cache on the way and the verifier's own may each
/// keep a JWKS for its lifetime, and the server it came from may know what was in the store a while ago.
pub(crate) const LEAD_MS: u64 = 2 * PUBLISHED_FOR_MS + STALE_AFTER_MS + MARGIN_MS;

/// How long a key stays published after it has signed, in ms: until the last token of the longest lifetime
/// that can be configured has expired, whatever is configured now.
pub(crate) const KEEP_MS: u64 = LONGEST_TOKEN.as_millis() as u64 + STALE_AFTER_MS + MARGIN_MS;

/// By when what has to change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// What new keys are for.
    pub(crate) algorithm: SigningAlgorithm,
    /// How long a key signs, in ms.
    pub(crate) every_ms: u64,
    /// [`LEAD_MS`].
    pub(crate) lead_ms: u64,
    /// [`KEEP_MS`].
    pub(crate) keep_ms: u64,
}

impl StoredKey {
    /// From when on it may sign, in ms, if it is a next key.
    pub fn may_sign_at(&self) -> u64 {
        self.changed_at.saturating_add(LEAD_MS)
    }

    /// When it is removed, in ms, if it is a retired key.
    pub fn goes_at(&self) -> u64 {
        self.changed_at.saturating_add(KEEP_MS)
    }
}

/// One step from a key set to another. Keys are called by their `kid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A new key, in this state.
    Make(KeyState),
    /// Next becomes current.
    Promote(String),
    /// Current becomes retired.
    Retire(String),
    /// It is gone: its tokens are good no longer, and it will make none.
    Remove(String),
}

/// Why an operator's change is not to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The next key may sign from this moment on, in ms: before it, there may be verifiers that do not know it.
    TooEarly(u64),
    /// There is no next key; a running server makes one.
    NoNext,
    /// There is no key of this name.
    Unknown,
    /// This key signs.
    Signs,
}

impl Plan {
    /// What is due by `now_ms`. In an empty set, the first two keys: nobody has cached anything yet, so one of
    /// them signs at once.
    pub(crate) fn due(&self, keys: &[StoredKey], now_ms: u64) -> Vec<Change> {
        if keys.is_empty() {
            return vec![Change::Make(KeyState::Current), Change::Make(KeyState::Next)];
        }
        let age = |key: &StoredKey| now_ms.saturating_sub(key.changed_at);
        let mut changes: Vec<_> = in_state(keys, KeyState::Retired)
            .filter(|key| age(key) >= self.keep_ms)
            .map(|key| Change::Remove(key.kid.clone()))
            .collect();
        let next = in_state(keys, KeyState::Next).next();
        let current = in_state(keys, KeyState::Current).next();
        match (next, current) {
            (None, _) => changes.push(Change::Make(KeyState::Next)),
            // One that may not sign yet is left alone whatever its algorithm: servers that are not configured
            // alike would make it anew by turns, and it would never be old enough.
            (Some(next), _) if age(next) < self.lead_ms => {}
            (Some(next), Some(current)) if age(current) >= self.every_ms => {
                changes.extend(rotation(current, next));
            }
            (Some(next), _) if next.algorithm != self.algorithm.as_str() => {
                changes.extend([Change::Remove(next.kid.clone()), Change::Make(KeyState::Next)]);
            }
            _ => {}
        }
        changes
    }

    /// A rotation now, whenever the last one was.
    pub(crate) fn rotate(&self, keys: &[StoredKey], now_ms: u64) -> Result<Vec<Change>, Refusal> {
        let next = in_state(keys, KeyState::Next).next().ok_or(Refusal::NoNext)?;
        let current = in_state(keys, KeyState::Current).next().ok_or(Refusal::NoNext)?;
        let ripe_at = next.changed_at.saturating_add(self.lead_ms);
        if now_ms < ripe_at { Err(Refusal::TooEarly(ripe_at)) } else { Ok(rotation(current, next).into()) }
    }

    /// New keys in the place of all that are there, at once, because somebody else may have them.
    pub(crate) fn replace(&self, keys: &[StoredKey]) -> Vec<Change> {
        let removed = keys.iter().map(|key| Change::Remove(key.kid.clone()));
        removed.chain([Change::Make(KeyState::Current), Change::Make(KeyState::Next)]).collect()
    }

    /// One key less that does not sign: the next one, for which there is another at once, or a retired one.
    pub(crate) fn withdraw(&self, keys: &[StoredKey], kid: &str) -> Result<Vec<Change>, Refusal> {
        let key = keys.iter().find(|key| key.kid == kid).ok_or(Refusal::Unknown)?;
        let removed = Change::Remove(key.kid.clone());
        match key.state {
            KeyState::Next => Ok(vec![removed, Change::Make(KeyState::Next)]),
            KeyState::Current => Err(Refusal::Signs),
            KeyState::Retired => Ok(vec![removed]),
        }
    }
}

fn rotation(current: &StoredKey, next: &StoredKey) -> [Change; 3] {
    [Change::Retire(current.kid.clone()), Change::Promote(next.kid.clone()), Change::Make(KeyState::Next)]
}

fn in_state(keys: &[StoredKey], state: KeyState) -> impl Iterator<Item = &StoredKey> {
    keys.iter().filter(move |key| key.state == state)
}

/// The key set after `changes`. A new key is what `make` says.
pub(crate) fn apply(
    mut keys: Vec<StoredKey>,
    changes: &[Change],
    now_ms: u64,
    mut make: impl FnMut(KeyState) -> StoredKey,
) -> Vec<StoredKey> {
    for change in changes {
        let (kid, state) = match change {
            Change::Make(state) => {
                keys.push(make(*state));
                continue;
            }
            Change::Remove(kid) => {
                keys.retain(|key| key.kid != *kid);
                continue;
            }
            Change::Promote(kid) => (kid, KeyState::Current),
            Change::Retire(kid) => (kid, KeyState::Retired),
        };
        for key in keys.iter_mut().filter(|key| key.kid == *kid) {
            key.state = state;
            key.changed_at = now_ms;
        }
    }
    keys
}

#[cfg(test)]
mod tests;
