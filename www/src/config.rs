//! What a server is told before it starts. [`settings`](crate::settings) reads it from a file, the
//! environment and flags; an app that embeds the server fills it in.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use fiftyten::protocol::{DEFAULT_BASE_PATH, DEFAULT_EXPIRES_IN_MS, DEFAULT_REFRESH_IN_MS};
use ipnet::IpNet;

use crate::database::Database;
use crate::key::{MasterKeys, SigningAlgorithm};
use crate::origin::Origin;

/// The longest `Max-Age` that browsers honour (RFC 6265bis section 5.5): 400 days.
const LONGEST_COOKIE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The longest token lifetime: beyond an hour, "revoked" would mean nothing.
pub(crate) const LONGEST_TOKEN: Duration = Duration::from_secs(60 * 60);

/// The shortest rotation period: a good deal more than the time for which a key is published before it signs.
const SHORTEST_ROTATION: Duration = Duration::from_secs(60 * 60);

/// The shortest token lifetime. Tokens are dated in whole seconds, so one of them is lost to rounding.
const SHORTEST_TOKEN: Duration = Duration::from_secs(3);

/// A server's configuration. The default serves `http://localhost:8080` with tokens of 60 s, renewed
/// every 50.
#[derive(Clone, Debug)]
pub struct Config {
    /// The origin that browsers see: the tokens' `aud`, and the start of their `iss`.
    pub public_url: Origin,
    /// Where the calls live, `/auth` by default: starts with `/` and does not end with one; may be empty.
    pub base_path: String,
    /// A token's lifetime: whole seconds, 3 s to 1 h; 60 s by default.
    pub token_lifetime: Duration,
    /// The age at which clients renew it: 50 s by default, and more than 1 s below the lifetime.
    pub refresh_in: Duration,
    /// A session ends when its user has not been active for so long: 24 h by default.
    pub idle_lifetime: Duration,
    /// A session ends so long after sign-in, whatever its user does: 30 days by default, 400 at most.
    pub absolute_lifetime: Duration,
    /// Other origins of the same site whose pages may use the session.
    pub allowed_origins: Vec<Origin>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Serves plain http under another name than localhost: the session cookie can then be read and
    /// replaced by everyone on the way.
    pub dangerously_allow_insecure_http: bool,
    /// Password hashes computed at a time. Half of the machine's cores by default, so that a flood of
    /// sign-ins leaves room for refreshes.
    pub sign_in_concurrency: usize,
    /// Connections open at a time; more wait to be accepted.
    pub max_connections: usize,
    /// The database: the file `fiftyten.db` by default.
    pub database: Database,
    /// What new signing keys are for: Ed25519 by default. Another one takes effect at the next rotation.
    pub key_algorithm: SigningAlgorithm,
    /// How long a key signs until the next one does: 30 days by default, 1 h at least.
    pub key_rotation: Duration,
    /// What the private keys in the database are encrypted under. Without any they lie there unencrypted, and
    /// a warning says so.
    pub master_keys: Arc<MasterKeys>,
    /// The address to listen at.
    pub listen: SocketAddr,
    /// The address to listen at for the calls of the app's own servers: admin calls and the revocation feed.
    /// `None`, the default, for nowhere. What is said there is not encrypted: a loopback address is best.
    pub admin_listen: Option<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            public_url: Origin::localhost(8080),
            base_path: DEFAULT_BASE_PATH.to_owned(),
            token_lifetime: Duration::from_millis(DEFAULT_EXPIRES_IN_MS),
            refresh_in: Duration::from_millis(DEFAULT_REFRESH_IN_MS),
            idle_lifetime: Duration::from_secs(24 * 60 * 60),
            absolute_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            dangerously_allow_insecure_http: false,
            sign_in_concurrency: cores.div_ceil(2),
            max_connections: 10_000,
            database: Database::File("fiftyten.db".into()),
            key_algorithm: SigningAlgorithm::default(),
            key_rotation: Duration::from_secs(30 * 24 * 60 * 60),
            master_keys: Arc::default(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            admin_listen: None,
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting's name, as in a file.
    pub key: &'static str,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.why)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// The tokens' `iss`: public URL and base path. Verifiers are given it, and find
    /// `/.well-known/jwks.json` under it.
    pub fn issuer(&self) -> String {
        format!("{}{}", self.public_url, self.base_path)
    }

    /// The tokens' `aud`: the public URL.
    pub fn audience(&self) -> String {
        self.public_url.to_string()
    }

    /// Whether every setting can be used, alone and with the others.
    ///
    /// # Errors
    ///
    /// The first that cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |key, why: String| Err(ConfigError { key, why });
        let (token, refresh) = (self.token_lifetime, self.refresh_in);
        if !self.public_url.is_https()
            && !self.public_url.is_loopback()
            && !self.dangerously_allow_insecure_http
        {
            let why = format!(
                "{} is plain http, so everyone on the way could take over sessions: use https, or \
                 http://localhost to try things out",
                self.public_url
            );
            return refuse("public_url", why);
        }
        let path = &self.base_path;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let shaped = path.is_empty() || (path.starts_with('/') && !path.ends_with('/'));
        if !shaped || path.contains("//") || path.contains("/.") || !path.bytes().all(plain) {
            let why = format!("{path:?} is not a path such as /auth, of letters, digits and -._~/");
            return refuse("base_path", why);
        }
        if token < SHORTEST_TOKEN || token > LONGEST_TOKEN || token.subsec_nanos() != 0 {
            let why = format!("{} is not whole seconds from 3s to 1h", text(token));
            return refuse("token_lifetime", why);
        }
        if refresh < Duration::from_millis(1) || refresh >= token - Duration::from_secs(1) {
            let why = format!(
                "{} is not below the token lifetime less one second, {}: a client would renew a token that \
                 has expired; five sixths of the lifetime leave room for delays",
                text(refresh),
                text(token - Duration::from_secs(1))
            );
            return refuse("refresh_in", why);
        }
        if self.idle_lifetime < Duration::from_secs(1) {
            return refuse("idle_lifetime", "must be a second at least".to_owned());
        }
        if self.absolute_lifetime < Duration::from_secs(1) || self.absolute_lifetime > LONGEST_COOKIE {
            let why = "must be from a second to 400 days, the most that browsers keep a cookie".to_owned();
            return refuse("absolute_lifetime", why);
        }
        for origin in &self.allowed_origins {
            if origin.is_https() != self.public_url.is_https() {
                let why = format!(
                    "{origin} and {} are not the same site, because one is https and the other is not",
                    self.public_url
                );
                return refuse("allowed_origin", why);
            }
        }
        if self.key_rotation < SHORTEST_ROTATION {
            return refuse(
                "key_rotation",
                "must be an hour at least: verifiers keep keys for minutes".to_owned(),
            );
        }
        if self.sign_in_concurrency == 0 {
            return refuse("sign_in_concurrency", "must be 1 at least".to_owned());
        }
        if self.max_connections == 0 {
            return refuse("max_connections", "must be 1 at least".to_owned());
        }
        if let Some(admin) = self.admin_listen
            && meets(admin, self.listen)
        {
            let why = format!(
                "{admin} is where browsers are listened to already ({}): give it a port of its own",
                self.listen
            );
            return refuse("admin_listen", why);
        }
        Ok(())
    }
}

/// Whether two listeners would want the same port. Port 0 is any that is free.
fn meets(one: SocketAddr, other: SocketAddr) -> bool {
    let (a, b) = (one.ip().to_canonical(), other.ip().to_canonical());
    one.port() != 0 && one.port() == other.port() && (a == b || a.is_unspecified() || b.is_unspecified())
}

fn text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
