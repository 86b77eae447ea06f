//! Password hashing: argon2id behind a bounded pool, with the same work whether the account exists or not.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::random;
use crate::secret::Secret;

/// Memory in KiB, passes and lanes: OWASP's password storage sheet, first choice for argon2id of 19 MiB.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// Longest password in bytes. A longer one is refused, not cut.
pub const LONGEST_PASSWORD: usize = 1024;

/// Sign-ins that may wait for a place in the pool, and how long they may wait.
const QUEUE: usize = 64;
const LONGEST_WAIT: Duration = Duration::from_secs(3);

/// Checks passwords, a bounded number at a time.
pub(crate) struct Passwords {
    running: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    decoy: String,
    computed: Arc<AtomicU64>,
}

/// Why a password was not checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotChecked {
    /// Too many are waiting, or this one waited too long.
    Overloaded,
    /// The stored hash cannot be read.
    Broken,
}

/// A password could not be hashed.
#[derive(Debug)]
pub struct HashError(argon2::password_hash::Error);

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the password could not be hashed: {}", self.0)
    }
}

impl std::error::Error for HashError {}

impl Passwords {
    /// A pool that computes at most `concurrency` hashes at a time. Blocking: it computes one itself.
    pub(crate) fn new(concurrency: usize) -> Result<Self, HashError> {
        let decoy = hash(&Secret::new(random::password()))?;
        Ok(Self {
            running: Arc::new(Semaphore::new(concurrency)),
            queue: Arc::new(Semaphore::new(concurrency + QUEUE)),
            decoy: decoy.expose().clone(),
            computed: Arc::new(AtomicU64::new(0)),
        })
    }

    /// Whether `password` is the one that `stored` was made from. Where there is no account, `stored` is
    /// `None`: the same hash is computed for nothing, so that the time tells nobody which addresses have one.
    pub(crate) async fn verify(
        &self,
        password: Secret<String>,
        stored: Option<Secret<String>>,
    ) -> Result<bool, NotChecked> {
        let places = self.places().await?;
        let exists = stored.is_some();
        let stored = stored.unwrap_or_else(|| Secret::new(self.decoy.clone()));
        let computed = Arc::clone(&self.computed);
        let (answer, verdict) = oneshot::channel();
        // A thread of its own, because its priority stays with it; the places bound their number. They go with
        // the computation: it is finished even if the client goes away.
        let thread = thread::Builder::new().name("password".to_owned()).spawn(move || {
            let _places = places;
            yield_to_others();
            computed.fetch_add(1, Ordering::Relaxed);
            // Whoever asked may have gone.
            let _ = answer.send(verify(&password, &stored));
        });
        thread.map_err(|_| NotChecked::Overloaded)?;
        let matches = verdict.await.map_err(|_| NotChecked::Broken)??;
        Ok(matches && exists)
    }

    /// Hashes computed for sign-ins so far.
    pub(crate) fn computed(&self) -> u64 {
        self.computed.load(Ordering::Relaxed)
    }

    async fn places(&self) -> Result<[OwnedSemaphorePermit; 2], NotChecked> {
        let queued = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| NotChecked::Overloaded)?;
        let running = Arc::clone(&self.running).acquire_owned();
        match tokio::time::timeout(LONGEST_WAIT, running).await {
            Ok(Ok(running)) => Ok([queued, running]),
            _ => Err(NotChecked::Overloaded),
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("running", &self.running).finish_non_exhaustive()
    }
}

/// The hash of a new password, as a PHC string. Blocking, for some tens of milliseconds.
///
/// # Errors
///
/// Where there is not enough memory.
pub fn hash(password: &Secret<String>) -> Result<Secret<String>, HashError> {
    let hash = argon2()?.hash_password(password.expose().as_bytes()).map_err(HashError)?;
    Ok(Secret::new(hash.to_string()))
}

fn verify(password: &Secret<String>, stored: &Secret<String>) -> Result<bool, NotChecked> {
    use argon2::password_hash::Error;

    let argon2 = argon2().map_err(|_| NotChecked::Broken)?;
    match argon2.verify_password(password.expose().as_bytes(), stored.expose().as_str()) {
        Ok(()) => Ok(true),
        Err(Error::PasswordInvalid) => Ok(false),
        Err(_) => Err(NotChecked::Broken),
    }
}

/// Lowers this thread's priority: a refresh that is due is not to wait for a hash. Where that is not to be had, as
/// outside Linux, it competes as any other.
fn yield_to_others() {
    // On Linux it is a thread's own (setpriority(2), under "C library/kernel differences"): elsewhere it would
    // slow the whole server.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, 10);
}

fn argon2() -> Result<Argon2<'static>, HashError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|error| HashError(error.into()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_hash_says_argon2id_with_the_parameters_of_owasp() {
        let hash = hash(&secret("correct horse")).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(verify(&secret("correct horse"), &hash), Ok(true));
        assert_eq!(verify(&secret("correct horsf"), &hash), Ok(false));
        assert_eq!(verify(&secret("correct horse"), &secret("x")), Err(NotChecked::Broken));
    }

    #[tokio::test]
    async fn an_unknown_account_costs_one_hash_as_a_wrong_password_does() {
        let passwords = Passwords::new(1).unwrap();
        let stored = || Some(hash(&secret("right")).unwrap());
        assert_eq!(passwords.verify(secret("wrong"), stored()).await, Ok(false));
        assert_eq!(passwords.computed(), 1);
        assert_eq!(passwords.verify(secret("wrong"), None).await, Ok(false));
        assert_eq!(passwords.computed(), 2);
        assert_eq!(passwords.verify(secret("right"), stored()).await, Ok(true));
        assert_eq!(passwords.computed(), 3);
    }

    #[tokio::test]
    async fn nobody_knows_the_decoy() {
        let passwords = Passwords::new(1).unwrap();
        let decoy = passwords.decoy.clone();
        assert!(decoy.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(passwords.verify(secret(&decoy), None).await, Ok(false));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_hash_gives_way_to_everything_else_and_nothing_else_does() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let hashing = thread::spawn(move || {
            yield_to_others();
            priority()
        });
        assert_eq!(hashing.join().unwrap(), before.max(10));
        assert_eq!(priority(), before);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_and_a_long_wait_are_refused() {
        let passwords = Passwords::new(1).unwrap();
        let running = Arc::clone(&passwords.running).acquire_owned().await.unwrap();
        assert_eq!(passwords.verify(secret("x"), None).await, Err(NotChecked::Overloaded));
        drop(running);
        let all = u32::try_from(QUEUE + 1).unwrap();
        let queued = Arc::clone(&passwords.queue).acquire_many_owned(all).await.unwrap();
        assert_eq!(passwords.verify(secret("x"), None).await, Err(NotChecked::Overloaded));
        drop(queued);
        assert_eq!(passwords.computed(), 0);
        assert_eq!(passwords.verify(secret("x"), None).await, Ok(false));
    }
}
