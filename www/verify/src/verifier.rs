//! The verifier: a key set, what is expected, and the order of the checks.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::cache::{Cache, CacheLimits};
#[cfg(feature = "fetch")]
use crate::check::Check;
use crate::claims::Claims;
use crate::compact::{self, Parts};
use crate::error::{KeySetError, VerifyError};
use crate::expect::Expect;
#[cfg(feature = "feed")]
use crate::feed::{FeedError, FeedStatus, Following, RevocationFeed};
use crate::header::Header;
use crate::jwks::{Key, KeySet};
#[cfg(feature = "fetch")]
use crate::remote::{FetchError, JwksUrl, Remote};

/// The longest token that is looked at, in bytes. Longer ones are refused before anything else.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Checks tokens. Clones share their keys.
///
/// The order of the checks: size, form, header, key, signature, and only then what the token
/// claims. Nothing of a payload is interpreted before its signature was found good.
#[derive(Clone)]
pub struct Verifier {
    inner: Arc<Inner>,
    cache: Option<Arc<Cache>>,
    #[cfg(feature = "feed")]
    feed: Option<Arc<Following>>,
}

struct Inner {
    expect: Expect,
    /// Replaced as a whole, never changed in place.
    keys: RwLock<Arc<KeySet>>,
    /// Counts the times that the keys became others. Changes only while `keys` is locked.
    generation: AtomicU64,
    #[cfg(feature = "fetch")]
    remote: Option<Remote>,
}

impl Verifier {
    /// A verifier with the keys of a JWKS (RFC 7517) that the app has at hand.
    ///
    /// # Errors
    ///
    /// The JWKS is unusable: see [`KeySet`].
    pub fn from_jwks(jwks: &str, expect: Expect) -> Result<Self, KeySetError> {
        Ok(Self::new(jwks.parse()?, expect))
    }

    /// A verifier with the given keys.
    pub fn new(keys: KeySet, expect: Expect) -> Self {
        Self {
            inner: Arc::new(Inner {
                expect,
                keys: RwLock::new(Arc::new(keys.afresh())),
                generation: AtomicU64::new(0),
                #[cfg(feature = "fetch")]
                remote: None,
            }),
            cache: None,
            #[cfg(feature = "feed")]
            feed: None,
        }
    }

    /// A verifier with the keys that an issuer publishes. Fetches them now, and again
    ///
    /// - when [`verify_or_fetch`](Self::verify_or_fetch), or the layer
    ///   [`RequireToken`](crate::RequireToken), meets a `kid` that is not among them, at most once in
    ///   [`JwksUrl::cool_down`];
    /// - in the background when they are older than [`JwksUrl::max_age`] and a token is verified by
    ///   one of these.
    ///
    /// There is one fetch at a time, however many requests wait for it. When one fails, the last good
    /// keys stay. Runs on tokio.
    ///
    /// # Errors
    ///
    /// The first fetch failed: the issuer can't be reached or the URL is wrong. It is for the app to
    /// stop, or to try again.
    #[cfg(feature = "fetch")]
    pub async fn from_jwks_url(url: impl Into<JwksUrl>, expect: Expect) -> Result<Self, FetchError> {
        let (remote, keys) = Remote::connect(url.into()).await?;
        let keys = RwLock::new(Arc::new(keys.afresh()));
        let generation = AtomicU64::new(0);
        Ok(Self {
            inner: Arc::new(Inner { expect, keys, generation, remote: Some(remote) }),
            cache: None,
            #[cfg(feature = "feed")]
            feed: None,
        })
    }

    /// This verifier with a cache of good tokens, for backends that meet the same token in many
    /// requests: a token that was met before costs a look-up instead of a signature check.
    ///
    /// A token from the cache is accepted exactly where it would be without one:
    ///
    /// - It is compared to the byte. Only a token that was accepted is kept, never a refusal.
    /// - Its times are checked by the clock each time, and so is its session, where there is a revocation feed.
    /// - When the keys change, what was kept counts no longer. (A fetch that brings the same keys is no
    ///   change.)
    /// - The cache is this verifier's and its later clones', and so knows of one issuer and audience.
    ///
    /// It keeps the tokens in memory, which whoever can read it could use while they live.
    #[must_use]
    pub fn with_cache(self, limits: CacheLimits) -> Self {
        Self { cache: Some(Arc::new(Cache::new(limits))), ..self }
    }

    /// This verifier with the revocation feed of the refresh server: a token is refused within a second after its
    /// session has ended, not only when it expires. It follows the feed on tokio, from now on and until this
    /// verifier and its later clones are dropped; a connection that is lost is made again, after 200 ms at most and,
    /// where that fails, after up to 5 s.
    ///
    /// - Every token is looked up, from the cache or not.
    /// - A session is remembered for as long as a token of its may live, and so no more than ended in that time.
    /// - Whoever connects is first told all that ended in that time: nothing is missed in between.
    /// - Before the first heartbeat, and 1 s after the last, it is not known what has ended: what becomes of tokens
    ///   then is chosen by [`RevocationFeed::on_silence`], and counted in [`feed`](Self::feed).
    ///
    /// ```no_run
    /// use fiftyten_verify::{Expect, OnSilence, RevocationFeed, Verifier};
    ///
    /// # async fn verifier(credential: String) -> Result<Verifier, Box<dyn std::error::Error>> {
    /// let expect = Expect::new("https://app.example/auth", "https://app.example");
    /// let feed = RevocationFeed::new("http://127.0.0.1:8081/v1/revocations", credential)
    ///     .on_silence(OnSilence::FallBack);
    /// let verifier = Verifier::from_jwks_url("https://app.example/auth/.well-known/jwks.json", expect)
    ///     .await?
    ///     .with_feed(feed)?;
    /// # Ok(verifier)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The URL or the credential cannot be used, or there is no tokio runtime here. That the server cannot be
    /// reached is no error: the feed is silent then.
    #[cfg(feature = "feed")]
    pub fn with_feed(self, feed: RevocationFeed) -> Result<Self, FeedError> {
        let following = Following::start(&feed, &self.inner.expect)?;
        Ok(Self { feed: Some(Arc::new(following)), ..self })
    }

    /// How the revocation feed is doing. `None` if there is none.
    #[cfg(feature = "feed")]
    pub fn feed(&self) -> Option<FeedStatus> {
        self.feed.as_ref().map(|feed| feed.status())
    }

    /// Replaces the keys, in all clones. Tokens of a key that is no longer among them are refused
    /// from now on. (Keys from a URL are replaced again by the next fetch.)
    pub fn set_keys(&self, keys: KeySet) {
        let mut current = self.inner.keys.write().unwrap_or_else(PoisonError::into_inner);
        if !current.is_same(&keys) {
            self.inner.generation.fetch_add(1, Ordering::AcqRel);
        }
        *current = Arc::new(keys.afresh());
    }

    /// The keys as of now.
    pub fn keys(&self) -> Arc<KeySet> {
        Arc::clone(&self.inner.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Checks a token by this machine's clock, with the keys that are there.
    ///
    /// # Errors
    ///
    /// The token is not to be accepted; the error says why.
    #[cfg(not(all(target_family = "wasm", target_os = "unknown")))] // std has no clock there
    pub fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        self.verify_at(token, SystemTime::now())
    }

    /// Checks a token by this machine's clock. If its `kid` is unknown and the keys come from a URL,
    /// they are fetched and the token is checked again.
    ///
    /// # Errors
    ///
    /// The token is not to be accepted; the error says why. That keys could not be fetched shows as
    /// [`UnknownKey`](VerifyError::UnknownKey), and is logged.
    #[cfg(feature = "fetch")]
    pub async fn verify_or_fetch(&self, token: &str) -> Result<Claims, VerifyError> {
        match self.check(token) {
            Check::Done(result) => result,
            Check::Waiting(future) => future.await,
        }
    }

    #[cfg(feature = "fetch")]
    pub(crate) fn remote(&self) -> Option<&Remote> {
        self.inner.remote.as_ref()
    }

    /// Fetches the keys where they are still those that were `seen`, and it is time to.
    #[cfg(feature = "fetch")]
    pub(crate) async fn refetch(self, seen: Arc<KeySet>) {
        if let Some(remote) = self.remote() {
            let is_done = || !Arc::ptr_eq(&seen, &self.keys());
            remote.refetch(is_done, |keys| self.set_keys(keys)).await;
        }
    }

    /// Checks a token as of `now`.
    ///
    /// # Errors
    ///
    /// The token is not to be accepted; the error says why.
    pub fn verify_at(&self, token: &str, now: SystemTime) -> Result<Claims, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLarge);
        }
        let Some(cache) = &self.cache else {
            return self.admit(self.read(token, &self.keys())?, now);
        };
        if let Some(claims) = cache.get(token, self.inner.generation.load(Ordering::Acquire)) {
            return self.admit(claims, now);
        }
        let (keys, generation) = self.keys_and_generation();
        let claims = self.admit(self.read(token, &keys)?, now)?;
        cache.insert(token, &claims, generation, now);
        Ok(claims)
    }

    fn keys_and_generation(&self) -> (Arc<KeySet>, u64) {
        let keys = self.inner.keys.read().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&keys), self.inner.generation.load(Ordering::Acquire))
    }

    /// All checks whose result is the same at any time.
    fn read(&self, token: &str, keys: &KeySet) -> Result<Claims, VerifyError> {
        let parts = Parts::split(token).ok_or(VerifyError::NotCompact)?;
        let key = match keys.find_by_header(parts.header) {
            Some(key) => key,
            None => choose(keys, &Header::decode(parts.header, &self.inner.expect.token_type)?)?,
        };
        if !key.public.verify(parts.signed.as_bytes(), &compact::signature(parts.signature)?) {
            return Err(VerifyError::Signature);
        }
        key.remember(parts.header);
        let payload = Base64UrlUnpadded::decode_vec(parts.payload).map_err(|_| VerifyError::Encoding)?;
        Claims::read(&payload, &self.inner.expect)
    }

    /// The checks that a token has to pass each time it comes, from the cache or not.
    fn admit(&self, claims: Claims, now: SystemTime) -> Result<Claims, VerifyError> {
        claims.check_times(&self.inner.expect, now)?;
        #[cfg(feature = "feed")]
        if let Some(feed) = &self.feed {
            feed.check(claims.session())?;
        }
        Ok(claims)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("expect", &self.inner.expect)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// The key that a header names, if it is for that header's algorithm.
fn choose<'a>(keys: &'a KeySet, header: &Header) -> Result<&'a Key, VerifyError> {
    let key = keys.find(&header.key_id).ok_or(VerifyError::UnknownKey)?;
    if key.algorithm == header.algorithm { Ok(key) } else { Err(VerifyError::Algorithm) }
}
