//! Settings as flags.

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use super::{DANGEROUS, Layer, Value};
use crate::secret::Secret;

/// The flags of `serve`. Values are read by the settings, so that an error looks the same wherever the value
/// stood.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// TOML file with settings; its keys are these flags' names with `_` for `-` [env: FIFTYTEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Address and port to listen at [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<String>,
    /// Address and port for the calls of the app's own servers, unencrypted: best on loopback [default: nowhere]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<String>,
    /// The origin that browsers see [default: http://localhost and the port]
    #[arg(long, value_name = "ORIGIN")]
    pub public_url: Option<String>,
    /// Where the calls live [default: /auth]
    #[arg(long, value_name = "PATH")]
    pub base_path: Option<String>,
    /// A file on a local disk, or postgres://user@host/database [default: fiftyten.db]
    #[arg(long, value_name = "PATH|URL", value_parser = secret)]
    pub database: Option<Arc<Secret<String>>>,
    /// How long a token lives, in whole seconds from 3s to 1h [default: 60s]
    #[arg(long, value_name = "DURATION")]
    pub token_lifetime: Option<String>,
    /// The age at which clients renew it, more than 1s below its lifetime [default: 50s]
    #[arg(long, value_name = "DURATION")]
    pub refresh_in: Option<String>,
    /// A session ends when its user has not been active for so long [default: 24h]
    #[arg(long, value_name = "DURATION")]
    pub idle_lifetime: Option<String>,
    /// A session ends so long after sign-in, whatever its user does, 400days at most [default: 30days]
    #[arg(long, value_name = "DURATION")]
    pub absolute_lifetime: Option<String>,
    /// Another origin of the same site whose pages may use the session (repeatable)
    #[arg(long, value_name = "ORIGIN")]
    pub allowed_origin: Vec<String>,
    /// A proxy whose X-Forwarded-For is believed (repeatable)
    #[arg(long, value_name = "NETWORK")]
    pub trusted_proxy: Vec<String>,
    /// Connections open at a time [default: 10000]
    #[arg(long, value_name = "NUMBER")]
    pub max_connections: Option<String>,
    /// Password hashes computed at a time [default: half of the cores]
    #[arg(long, value_name = "NUMBER")]
    pub sign_in_concurrency: Option<String>,
    /// What new signing keys are for: EdDSA or ES256 [default: EdDSA]
    #[arg(long, value_name = "ALGORITHM")]
    pub key_algorithm: Option<String>,
    /// How long a key signs until the next one does, 1h at least [default: 30days]
    #[arg(long, value_name = "DURATION")]
    pub key_rotation: Option<String>,
    /// A file with the master key that the signing keys are encrypted under [env also: FIFTYTEN_MASTER_KEY]
    #[arg(long, value_name = "FILE")]
    pub master_key_file: Option<String>,
    /// Which log lines to write: error, warn, info, debug, trace, or target=level,… [default: info]
    #[arg(long, value_name = "FILTER")]
    pub log: Option<String>,
    /// text or json [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<String>,
    /// Serve plain http under another name than localhost: everyone on the way can take over sessions
    #[arg(long)]
    pub dangerously_allow_insecure_http: bool,
}

impl Flags {
    pub(super) fn layer(&self) -> Layer {
        let one = |text: &Option<String>| text.iter().cloned().collect::<Vec<_>>();
        let dangerous = self.dangerously_allow_insecure_http.then(|| "true".to_owned());
        let values = [
            ("listen", one(&self.listen)),
            ("admin_listen", one(&self.admin_listen)),
            ("public_url", one(&self.public_url)),
            ("base_path", one(&self.base_path)),
            ("database", self.database.iter().map(|text| text.expose().clone()).collect()),
            ("token_lifetime", one(&self.token_lifetime)),
            ("refresh_in", one(&self.refresh_in)),
            ("idle_lifetime", one(&self.idle_lifetime)),
            ("absolute_lifetime", one(&self.absolute_lifetime)),
            ("allowed_origin", self.allowed_origin.clone()),
            ("trusted_proxy", self.trusted_proxy.clone()),
            ("max_connections", one(&self.max_connections)),
            ("sign_in_concurrency", one(&self.sign_in_concurrency)),
            ("key_algorithm", one(&self.key_algorithm)),
            ("key_rotation", one(&self.key_rotation)),
            ("master_key_file", one(&self.master_key_file)),
            ("log", one(&self.log)),
            ("log_format", one(&self.log_format)),
            (DANGEROUS, one(&dangerous)),
        ];
        values
            .into_iter()
            .filter(|(_, texts)| !texts.is_empty())
            .map(|(name, texts)| (name, Value { texts, place: format!("--{}", name.replace('_', "-")) }))
            .collect()
    }
}

/// A URL may hold a password: it is not printed with the flags.
pub(super) fn secret(text: &str) -> Result<Arc<Secret<String>>, Infallible> {
    Ok(Arc::new(Secret::new(text.to_owned())))
}
