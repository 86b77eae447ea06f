//! Where a [`Config`] comes from: a TOML file, then the environment, then flags; the later one wins.
//!
//! A setting has one name everywhere: `token_lifetime` in the file, `FIFTYTEN_TOKEN_LIFETIME` in the
//! environment, `--token-lifetime` as a flag. Every error names the place the value came from, a file's with
//! its line.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::config::Config;
use crate::database::Database;
use crate::key::{MasterKeys, SigningAlgorithm};
use crate::log::Format;
use crate::origin::Origin;

mod file;
mod flags;

pub use flags::Flags;

/// Prefix of the environment's names.
const PREFIX: &str = "FIFTYTEN_";

/// Every setting by its name in a file.
pub const NAMES: [&str; 18] = [
    "listen",
    "admin_listen",
    "public_url",
    "base_path",
    "database",
    "token_lifetime",
    "refresh_in",
    "idle_lifetime",
    "absolute_lifetime",
    "allowed_origin",
    "trusted_proxy",
    "max_connections",
    "sign_in_concurrency",
    "key_algorithm",
    "key_rotation",
    "master_key_file",
    "log",
    "log_format",
];

/// A setting that, by its name, nobody sets by accident.
pub const DANGEROUS: &str = "dangerously_allow_insecure_http";

/// The master key itself. Only the environment may hold it: flags are in `ps`, and a file with settings is
/// often where others can read it.
const MASTER_KEY: &str = "master_key";

/// What the settings come to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's configuration, checked.
    pub config: Config,
    /// Whether `public_url` was set; otherwise it is `http://localhost` with the port of `listen`.
    pub public_url_is_set: bool,
    /// Which log lines to write: a level, or `target=level` and so on, as `tracing-subscriber` reads them.
    pub log: String,
    /// How to write them.
    pub log_format: Format,
    /// Settings that were made, in order of name: name, value, and where it stands.
    pub made: Vec<(String, String, String)>,
    /// Variables that look like settings and are none.
    pub unknown_variables: Vec<String>,
    /// Whether accounts other than its owner may read the file with the master key.
    pub master_key_is_exposed: bool,
}

/// A setting that cannot be read or used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingError {
    /// `--flag`, `FIFTYTEN_VARIABLE`, or `file.toml:3: name`.
    pub place: String,
    /// What is wrong, and what to do.
    pub why: String,
}

impl fmt::Display for SettingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

impl std::error::Error for SettingError {}

/// The values that one place gives for one setting. It does not print: one of them may hold a password.
#[derive(Clone)]
struct Value {
    texts: Vec<String>,
    place: String,
}

type Layer = BTreeMap<&'static str, Value>;

impl Settings {
    /// Reads the file that `flags` or the environment names, the environment, and the flags.
    ///
    /// # Errors
    ///
    /// The first setting that cannot be read or used.
    pub fn load(
        flags: &Flags,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, SettingError> {
        let (environment, config_file, unknown_variables) = read_environment(environment)?;
        let file = flags.config.as_ref().map(|path| path.as_os_str().to_owned()).or(config_file);
        let mut layer = match file {
            Some(path) => file::read(Path::new(&path))?,
            None => Layer::new(),
        };
        layer.extend(environment);
        layer.extend(flags.layer());
        Self::from_layer(layer, unknown_variables)
    }

    fn from_layer(layer: Layer, unknown_variables: Vec<String>) -> Result<Self, SettingError> {
        let mut settings = Self {
            config: Config::default(),
            public_url_is_set: layer.contains_key("public_url"),
            log: "info".to_owned(),
            log_format: Format::Text,
            made: Vec::new(),
            unknown_variables,
            master_key_is_exposed: false,
        };
        if let (Some(_), Some(file)) = (layer.get(MASTER_KEY), layer.get("master_key_file")) {
            let why = "is set, and FIFTYTEN_MASTER_KEY too: keep one of them".to_owned();
            return Err(SettingError { place: file.place.clone(), why });
        }
        for (name, value) in &layer {
            let refuse = |why| SettingError { place: value.place.clone(), why };
            settings.set(name, &value.texts).map_err(refuse)?;
            let shown = match *name {
                "database" => settings.config.database.to_string(), // without its password
                MASTER_KEY => "[secret]".to_owned(),
                _ => value.texts.join(", "),
            };
            settings.made.push(((*name).to_owned(), shown, value.place.clone()));
        }
        if !settings.public_url_is_set {
            settings.config.public_url = Origin::localhost(settings.config.listen.port());
        }
        settings.config.check().map_err(|error| SettingError {
            place: match layer.get(error.key) {
                Some(value) => value.place.clone(),
                None => format!("{} (by default)", error.key),
            },
            why: error.why,
        })?;
        Ok(settings)
    }

    fn set(&mut self, name: &str, texts: &[String]) -> Result<(), String> {
        let config = &mut self.config;
        match name {
            "listen" => {
                config.listen = parse(texts, "is not an address and a port, such as 127.0.0.1:8080")?;
            }
            "admin_listen" => {
                let why = "is not an address and a port, such as 127.0.0.1:8081";
                config.admin_listen = Some(parse(texts, why)?);
            }
            "public_url" => config.public_url = origin(one(texts)?)?,
            "base_path" => {
                let path = one(texts)?.trim_end_matches('/');
                path.clone_into(&mut config.base_path);
            }
            "database" => config.database = Database::parse(one(texts)?)?,
            "token_lifetime" => config.token_lifetime = duration(texts)?,
            "refresh_in" => config.refresh_in = duration(texts)?,
            "idle_lifetime" => config.idle_lifetime = duration(texts)?,
            "absolute_lifetime" => config.absolute_lifetime = duration(texts)?,
            "allowed_origin" => {
                config.allowed_origins = texts.iter().map(|text| origin(text)).collect::<Result<_, _>>()?;
            }
            "trusted_proxy" => {
                config.trusted_proxies = texts.iter().map(|text| network(text)).collect::<Result<_, _>>()?;
            }
            "max_connections" => config.max_connections = parse(texts, "is not a whole number")?,
            "sign_in_concurrency" => config.sign_in_concurrency = parse(texts, "is not a whole number")?,
            "key_algorithm" => config.key_algorithm = algorithm(one(texts)?)?,
            "key_rotation" => config.key_rotation = duration(texts)?,
            "master_key_file" => {
                let path = Path::new(one(texts)?);
                let text = fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
                config.master_keys = Arc::new(MasterKeys::parse(&Zeroizing::new(text))?);
                self.master_key_is_exposed = is_readable_by_others(path);
            }
            MASTER_KEY => config.master_keys = Arc::new(MasterKeys::parse(one(texts)?)?),
            "log" => {
                let filter = one(texts)?;
                crate::log::check(filter)?;
                filter.clone_into(&mut self.log);
            }
            "log_format" => self.log_format = parse(texts, "is neither text nor json")?,
            DANGEROUS => config.dangerously_allow_insecure_http = parse(texts, "is neither true nor false")?,
            _ => return Err("there is no such setting".to_owned()),
        }
        Ok(())
    }
}

fn known(name: &str) -> Option<&'static str> {
    NAMES.into_iter().chain([DANGEROUS]).find(|known| *known == name)
}

fn known_variable(name: &str) -> Option<&'static str> {
    if name == MASTER_KEY { Some(MASTER_KEY) } else { known(name) }
}

/// Settings, the configuration file's path, and the variables that are neither.
type Environment = (Layer, Option<OsString>, Vec<String>);

fn read_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Environment, SettingError> {
    let (mut layer, mut file, mut unknown) = (Layer::new(), None, Vec::new());
    for (variable, value) in variables {
        let Some(variable) = variable.to_str().filter(|variable| variable.starts_with(PREFIX)) else {
            continue;
        };
        let place = variable.to_owned();
        if variable == "FIFTYTEN_CONFIG" {
            file = Some(value);
        } else if let Some(name) = known_variable(&variable[PREFIX.len()..].to_ascii_lowercase()) {
            let why = "is not UTF-8".to_owned();
            let text = value.into_string().map_err(|_| SettingError { place: place.clone(), why })?;
            let texts = match name {
                "allowed_origin" | "trusted_proxy" => text
                    .split(',')
                    .map(str::trim)
                    .filter(|text| !text.is_empty())
                    .map(str::to_owned)
                    .collect(),
                _ => vec![text],
            };
            layer.insert(name, Value { texts, place });
        } else {
            unknown.push(place);
        }
    }
    Ok((layer, file, unknown))
}

fn one(texts: &[String]) -> Result<&str, String> {
    match texts {
        [text] => Ok(text),
        _ => Err("takes one value".to_owned()),
    }
}

fn parse<T: FromStr>(texts: &[String], why: &str) -> Result<T, String> {
    let text = one(texts)?;
    text.trim().parse().map_err(|_| format!("{text:?} {why}"))
}

fn duration(texts: &[String]) -> Result<Duration, String> {
    let text = one(texts)?;
    humantime::parse_duration(text.trim()).map_err(|_| {
        format!("{text:?} is not a duration: write a number and a unit, such as 60s, 24h or 30days")
    })
}

fn origin(text: &str) -> Result<Origin, String> {
    Origin::parse(text).map_err(|why| format!("{text:?} {why}"))
}

fn algorithm(text: &str) -> Result<SigningAlgorithm, String> {
    let is_meant = |algorithm: &SigningAlgorithm| algorithm.as_str().eq_ignore_ascii_case(text);
    let found = SigningAlgorithm::ALL.into_iter().find(is_meant);
    found.ok_or_else(|| format!("{text:?} is neither EdDSA nor ES256"))
}

#[cfg(unix)]
fn is_readable_by_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_readable_by_others(_: &Path) -> bool {
    false
}

fn network(text: &str) -> Result<ipnet::IpNet, String> {
    let address = || text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| format!("{text:?} is not a network such as 10.0.0.0/8"))
}

#[cfg(test)]
mod tests;
