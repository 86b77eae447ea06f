//! Tokens whose signature was found good, so that the next request with one costs a look-up.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use crate::claims::Claims;
use crate::verifier::MAX_TOKEN_BYTES;

/// The most parts of a cache. Requests at the same time mostly meet different ones.
const MAX_SHARDS: usize = 16;

/// A part has room for as many tokens on average: fewer, and some would often be full while others are
/// empty.
const MIN_SHARD_ENTRIES: usize = 64;

/// What the tail of a token must have to be hashed: the characters of a signature.
const TAIL: usize = 86;

/// The limits of a [`Verifier`](crate::Verifier)'s cache.
///
/// ```
/// use fiftyten_verify::CacheLimits;
///
/// let limits = CacheLimits::new().max_entries(50_000).max_bytes(128 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    entries: usize,
    bytes: usize,
}

impl CacheLimits {
    /// 10,000 tokens and 32 MiB: a token of usual size and its claims take about 2 KiB.
    pub fn new() -> Self {
        Self { entries: 10_000, bytes: 32 << 20 }
    }

    /// The most tokens, 10,000 unless set here. 0 keeps none.
    #[must_use]
    pub fn max_entries(mut self, entries: usize) -> Self {
        self.entries = entries;
        self
    }

    /// The most bytes of tokens and their claims together, 32 MiB unless set here. What the claims
    /// take is estimated, and what the allocator adds is not counted. A token that takes more than a
    /// part of the cache may is not kept.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self::new()
    }
}

/// Good tokens, in parts that are locked each by itself.
pub(crate) struct Cache {
    hasher: RandomState,
    shards: Box<[RwLock<Shard>]>,
}

impl Cache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let count =
            (limits.entries / MIN_SHARD_ENTRIES).min(limits.bytes / MAX_TOKEN_BYTES / 4).clamp(1, MAX_SHARDS);
        let shard = || {
            RwLock::new(Shard {
                limits: CacheLimits { entries: limits.entries / count, bytes: limits.bytes / count },
                ..Shard::default()
            })
        };
        Self { hasher: RandomState::new(), shards: (0..count).map(|_| shard()).collect() }
    }

    /// What this very token says, if it was kept under these keys.
    pub(crate) fn get(&self, token: &str, generation: u64) -> Option<Claims> {
        let hash = self.hash(token);
        let shard = self.shard(hash).read().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entries.get(&hash)?;
        (entry.generation == generation && same(&entry.token, token)).then(|| entry.claims.clone())
    }

    /// Keeps what a good token says, as checked with the keys of this generation.
    /// Those that have expired as of `now` make room.
    pub(crate) fn insert(&self, token: &str, claims: &Claims, generation: u64, now: SystemTime) {
        let entry = Entry { token: token.into(), claims: claims.clone(), generation };
        let hash = self.hash(token);
        self.shard(hash).write().unwrap_or_else(PoisonError::into_inner).insert(hash, entry, now);
    }

    /// Of the signature only, which differs wherever anything differs in tokens that are signed, and only
    /// signed ones are kept. The hash chooses where to look; [`same`] decides.
    fn hash(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        self.hasher.hash_one(&bytes[bytes.len().saturating_sub(TAIL)..])
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        // Of the upper half of the hash: the map takes the lower.
        &self.shards[(hash >> 32) as usize % self.shards.len()]
    }

    /// How many tokens there are, and their bytes.
    #[cfg(test)]
    fn size(&self) -> (usize, usize) {
        let shards = self.shards.iter().map(|shard| shard.read().unwrap());
        shards.fold((0, 0), |sum, shard| (sum.0 + shard.entries.len(), sum.1 + shard.bytes))
    }
}

/// Whether two tokens are the same to the byte. How long it takes depends on nothing but their lengths.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

#[derive(Default)]
struct Shard {
    limits: CacheLimits,
    entries: HashMap<u64, Entry>,
    /// The keys of `entries`, each once, oldest first. Tokens live alike, so the oldest ends first.
    order: VecDeque<u64>,
    bytes: usize,
}

struct Entry {
    token: Box<str>,
    claims: Claims,
    generation: u64,
}

impl Entry {
    fn bytes(&self) -> usize {
        size_of::<(u64, Self)>() + size_of::<u64>() + self.token.len() + self.claims.bytes()
    }
}

impl Shard {
    fn insert(&mut self, hash: u64, entry: Entry, now: SystemTime) {
        let bytes = entry.bytes();
        if bytes > self.limits.bytes || self.limits.entries == 0 {
            return;
        }
        self.bytes += bytes;
        match self.entries.insert(hash, entry) {
            // The same token, checked with newer keys; or, once in an age, one of the same hash.
            Some(old) => self.bytes -= old.bytes(),
            None => self.order.push_back(hash),
        }
        while self.is_over() || self.oldest_has_expired(now) {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |entry| entry.bytes());
        }
    }

    fn is_over(&self) -> bool {
        self.entries.len() > self.limits.entries || self.bytes > self.limits.bytes
    }

    fn oldest_has_expired(&self, now: SystemTime) -> bool {
        let oldest = self.order.front().and_then(|hash| self.entries.get(hash));
        oldest.is_some_and(|entry| entry.claims.expires_at() <= now)
    }
}

#[cfg(test)]
mod tests;
