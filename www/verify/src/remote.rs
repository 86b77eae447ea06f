//! A key set that is fetched from the issuer.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};

use crate::error::KeySetError;
use crate::jwks::{KeySet, MAX_JWKS_BYTES};

/// Where an issuer publishes its keys, and how often to look.
///
/// ```
/// use std::time::Duration;
/// use fiftyten_verify::JwksUrl;
///
/// let url = JwksUrl::new("https://app.example/auth/.well-known/jwks.json")
///     .cool_down(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
pub struct JwksUrl {
    url: String,
    cool_down: Duration,
    max_age: Duration,
    timeout: Duration,
}

impl JwksUrl {
    /// The address of the JWKS: `https`, or `http` on this machine's loopback interface.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            cool_down: Duration::from_secs(10),
            max_age: Duration::from_secs(300),
            timeout: Duration::from_secs(5),
        }
    }

    /// The least time between two fetches, 10 s unless set here.
    ///
    /// Anyone can send a token with a `kid` that nobody knows; this bounds what that costs the
    /// issuer.
    #[must_use]
    pub fn cool_down(mut self, cool_down: Duration) -> Self {
        self.cool_down = cool_down;
        self
    }

    /// The age at which the keys are fetched again in the background, 5 minutes unless set here: the
    /// lifetime the refresh server gives its JWKS. This is how a key that was withdrawn goes away.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// The longest a fetch may take in all, 5 s unless set here.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

impl From<&str> for JwksUrl {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl From<String> for JwksUrl {
    fn from(url: String) -> Self {
        Self::new(url)
    }
}

/// Why a key set could not be fetched.
#[derive(Debug)]
#[non_exhaustive]
pub enum FetchError {
    /// The URL is neither `https` nor `http` on a loopback host, or has a user name in it.
    Url,
    /// This machine has no certificate authorities to trust.
    Roots(std::io::Error),
    /// The connection or the transfer failed.
    Transport(Box<dyn Error + Send + Sync>),
    /// The answer was not 200. Redirects are not followed.
    Status(u16),
    /// The answer did not come within the time allowed.
    Timeout,
    /// What came is no usable key set.
    Keys(KeySetError),
}

impl FetchError {
    /// A stable word for logs and metrics.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Url => "fetch_url",
            Self::Roots(_) => "fetch_roots",
            Self::Transport(_) => "fetch_transport",
            Self::Status(_) => "fetch_status",
            Self::Timeout => "fetch_timeout",
            Self::Keys(error) => error.code(),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the JWKS URL must be https, or http on localhost, without a user name"),
            Self::Roots(_) => {
                f.write_str("no certificate authorities found: install the system's ca-certificates")
            }
            Self::Transport(_) => {
                f.write_str("the JWKS could not be fetched: check that the issuer can be reached")
            }
            Self::Status(status) => write!(f, "the JWKS URL answered {status}, not 200: check the URL"),
            Self::Timeout => {
                f.write_str("the JWKS URL did not answer in time: check that the issuer can be reached")
            }
            Self::Keys(error) => error.fmt(f),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Roots(error) => Some(error),
            Self::Transport(error) => Some(error.as_ref()),
            Self::Keys(error) => Some(error),
            Self::Url | Self::Status(_) | Self::Timeout => None,
        }
    }
}

/// Sends requests without a body.
pub(crate) type HttpClient = Client<HttpsConnector<HttpConnector>, Empty<&'static [u8]>>;

/// The issuer's address, and when it was last asked.
pub(crate) struct Remote {
    uri: Uri,
    client: HttpClient,
    settings: JwksUrl,
    /// Held while a fetch is under way: there is one at a time.
    flight: tokio::sync::Mutex<()>,
    attempted_at: Mutex<Instant>,
}

impl Remote {
    /// Fetches the keys for the first time.
    pub(crate) async fn connect(settings: JwksUrl) -> Result<(Self, KeySet), FetchError> {
        let uri: Uri = settings.url.parse().map_err(|_| FetchError::Url)?;
        let client = client(&uri)?;
        let remote = Self {
            uri,
            client,
            settings,
            flight: tokio::sync::Mutex::new(()),
            attempted_at: Mutex::new(Instant::now()),
        };
        let keys = remote.fetch().await?;
        Ok((remote, keys))
    }

    /// Whether the keys are due for a look in the background.
    pub(crate) fn is_due(&self) -> bool {
        self.last_attempt().elapsed() >= self.settings.max_age.max(self.settings.cool_down)
    }

    /// Fetches the keys and hands them to `keep`, unless `is_done` says that another fetch brought
    /// them meanwhile, or the last attempt was too recent. Waits for a fetch that is under way.
    pub(crate) async fn refetch(&self, is_done: impl Fn() -> bool, keep: impl FnOnce(KeySet)) {
        // Held until the keys are kept: who waited for it must find them.
        let _flight = self.flight.lock().await;
        if is_done() || self.last_attempt().elapsed() < self.settings.cool_down {
            return;
        }
        *self.attempted_at.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        match self.fetch().await {
            Ok(keys) => {
                tracing::debug!(keys = keys.len(), "fetched the JWKS");
                keep(keys);
            }
            Err(error) => {
                let cause = root_cause(&error).map(tracing::field::display);
                tracing::warn!(code = error.code(), cause, "keeping the last good JWKS: {error}");
            }
        }
    }

    fn last_attempt(&self) -> Instant {
        *self.attempted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        tokio::time::timeout(self.settings.timeout, self.transfer()).await.map_err(|_| FetchError::Timeout)?
    }

    async fn transfer(&self) -> Result<KeySet, FetchError> {
        let response =
            self.client.get(self.uri.clone()).await.map_err(|error| FetchError::Transport(error.into()))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), MAX_JWKS_BYTES).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                FetchError::Keys(KeySetError::TooLarge)
            } else {
                FetchError::Transport(error)
            }
        })?;
        let bytes = body.to_bytes();
        let jwks = std::str::from_utf8(&bytes).map_err(|_| FetchError::Keys(KeySetError::Malformed))?;
        jwks.parse().map_err(FetchError::Keys)
    }
}

/// A client for this address. It follows no redirects, and sends no credentials of its own accord.
pub(crate) fn client(uri: &Uri) -> Result<HttpClient, FetchError> {
    let authority = uri.authority().ok_or(FetchError::Url)?;
    if authority.as_str().contains('@') {
        return Err(FetchError::Url);
    }
    // Named here because a process may have more than one provider compiled in.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| FetchError::Transport(error.into()))?;
    let tls = match uri.scheme_str() {
        Some("https") => builder.with_native_roots().map_err(FetchError::Roots)?,
        Some("http") if is_loopback(authority.host()) => {
            builder.with_root_certificates(RootCertStore::empty()) // none needed
        }
        _ => return Err(FetchError::Url),
    }
    .with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

/// What lies at the bottom of an error, such as "connection refused".
pub(crate) fn root_cause(error: &dyn Error) -> Option<&dyn Error> {
    std::iter::successors(error.source(), |error| (*error).source()).last()
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_hosts_only() {
        for good in ["http://localhost:1/", "http://127.0.0.1/k", "http://127.9.9.9/", "http://[::1]:8080/"] {
            assert!(client(&good.parse().unwrap()).is_ok(), "{good}");
        }
        for bad in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://10.0.0.1/",
            "http://user@localhost/",
            "http://localhost@example.com/",
            "ftp://localhost/",
            "/jwks.json",
            "localhost",
        ] {
            let refused = bad.parse().map_err(|_| FetchError::Url).and_then(|uri| client(&uri).map(drop));
            assert!(matches!(refused, Err(FetchError::Url)), "{bad}");
        }
    }
}
