//! Changes of the key set, as one transaction each: those that are due, and those that an operator demands.

use std::fmt;

use crate::clock::date;
use crate::config::Config;
use crate::store::{KeySet, KeyState, Store, StoreError, StoredKey};

use super::master::MasterKeys;
use super::pair::{KeyPair, SigningAlgorithm};
use super::plan::{self, Change, Plan, Refusal};
use super::ring::{self, KeyError};

/// How often a change is planned anew because another was made meanwhile. Changes are rare.
const ATTEMPTS: u32 = 10;

/// What an operator wants of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The next key signs from now on.
    Rotate,
    /// New keys in the place of all that are there: the old ones may be in other hands. Tokens that they have
    /// signed are refused as soon as verifiers fetch the keys.
    Replace,
    /// The key of this name, which does not sign, is published no longer.
    Withdraw(String),
    /// Every private key is sealed under the first master key.
    Seal,
}

impl Demand {
    /// What new keys are for where nobody says: the same as those there are, because verifiers can check
    /// those. In an emergency they sign at once, and so it is the key that counts which signs now.
    pub fn usual_algorithm(&self, keys: &[StoredKey]) -> Option<SigningAlgorithm> {
        let first = if *self == Self::Replace { KeyState::Current } else { KeyState::Next };
        let key = [first, KeyState::Current]
            .into_iter()
            .find_map(|state| keys.iter().find(|key| key.state == state))?;
        SigningAlgorithm::parse(&key.algorithm)
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum ChangeError {
    /// It is not to be made.
    Refused(Refusal),
    /// To seal needs a master key.
    NothingToSealWith,
    /// The keys cannot be used, or the store fails. If that was while it was written, whether it was is not
    /// known.
    Keys(KeyError),
}

impl<E: Into<KeyError>> From<E> for ChangeError {
    fn from(error: E) -> Self {
        Self::Keys(error.into())
    }
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(Refusal::TooEarly(at)) => write!(
                f,
                "not every verifier knows the next key yet: try again at {}; --now is for an emergency, and \
                 makes verifiers refuse the tokens there are",
                date(*at)
            ),
            Self::Refused(Refusal::NoNext) => {
                f.write_str("there is no next key: a running server makes one within seconds")
            }
            Self::Refused(Refusal::Unknown) => f.write_str("there is no such key: see keys list"),
            Self::Refused(Refusal::Signs) => f.write_str(
                "this key signs: let the next one sign first (keys rotate), and if others may have it, replace \
                 all (keys rotate --now)",
            ),
            Self::NothingToSealWith => f.write_str(
                "there is no master key to seal with: give one with FIFTYTEN_MASTER_KEY or master_key_file; \
                 openssl rand -hex 32 makes one",
            ),
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ChangeError {}

/// Does what `demand` says, and returns the keys as they are then.
///
/// # Errors
///
/// It is not to be done, or cannot be.
pub async fn change(
    store: &dyn Store,
    config: &Config,
    demand: &Demand,
    now_ms: u64,
) -> Result<Vec<StoredKey>, ChangeError> {
    let (plan, masters) = (Plan::new(config), &*config.master_keys);
    for _ in 0..ATTEMPTS {
        let KeySet { version, keys, .. } = store.read_keys().await?;
        let changes = match demand {
            Demand::Rotate => plan.rotate(&keys, now_ms),
            Demand::Replace => Ok(plan.replace(&keys)),
            Demand::Withdraw(kid) => plan.withdraw(&keys, kid),
            Demand::Seal => Ok(Vec::new()),
        };
        let changes = changes.map_err(ChangeError::Refused)?;
        let keys = match demand {
            Demand::Seal => seal(keys, masters)?,
            _ => carry_out(keys, &changes, &plan, masters, now_ms)?,
        };
        if store.swap_keys(&version, keys).await? {
            return Ok(store.read_keys().await?.keys);
        }
    }
    Err(StoreError::Busy.into())
}

impl Plan {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            algorithm: config.key_algorithm,
            every_ms: u64::try_from(config.key_rotation.as_millis()).unwrap_or(u64::MAX),
            lead_ms: plan::LEAD_MS,
            keep_ms: plan::KEEP_MS,
        }
    }
}

/// The key set after `changes`, with the keys that they take.
///
/// # Errors
///
/// The key that is to sign cannot be opened. Or new keys would lie open beside others that are sealed: then
/// whoever set this up has forgotten the master key.
pub(super) fn carry_out(
    keys: Vec<StoredKey>,
    changes: &[Change],
    plan: &Plan,
    masters: &MasterKeys,
    now_ms: u64,
) -> Result<Vec<StoredKey>, KeyError> {
    for change in changes {
        for key in &keys {
            let has_to_open = match change {
                Change::Make(_) => key.is_sealed && masters.is_empty(),
                Change::Promote(kid) => key.kid == *kid,
                Change::Retire(_) | Change::Remove(_) => false,
            };
            if has_to_open {
                ring::pair(key, masters)?;
            }
        }
    }
    Ok(plan::apply(keys, changes, now_ms, |state| make(plan.algorithm, masters, state, now_ms)))
}

fn make(algorithm: SigningAlgorithm, masters: &MasterKeys, state: KeyState, now_ms: u64) -> StoredKey {
    let pair = KeyPair::generate(algorithm);
    let (kid, algorithm) = (pair.thumbprint(), algorithm.as_str());
    let sealed = masters.seal(&kid, algorithm, pair.private());
    StoredKey {
        kid,
        algorithm: algorithm.to_owned(),
        private: sealed.bytes,
        is_sealed: sealed.is_sealed,
        public: pair.public().to_vec(),
        state,
        created_at: now_ms,
        changed_at: now_ms,
    }
}

fn seal(keys: Vec<StoredKey>, masters: &MasterKeys) -> Result<Vec<StoredKey>, ChangeError> {
    if masters.is_empty() {
        return Err(ChangeError::NothingToSealWith);
    }
    let seal = |key: StoredKey| {
        let private = match ring::open(&key, masters)? {
            Some(opened) if opened.by_the_first => return Ok(key),
            Some(opened) => opened.private,
            None => key.private,
        };
        let sealed = masters.seal(&key.kid, &key.algorithm, private);
        Ok(StoredKey { private: sealed.bytes, is_sealed: sealed.is_sealed, ..key })
    };
    keys.into_iter().map(seal).collect()
}

/// How many of `keys` are not sealed under the first of `masters`.
pub(super) fn not_sealed(keys: &[StoredKey], masters: &MasterKeys) -> usize {
    keys.iter()
        .filter(|key| !matches!(ring::open(key, masters), Ok(Some(opened)) if opened.by_the_first))
        .count()
}
