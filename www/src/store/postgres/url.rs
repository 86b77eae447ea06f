//! `postgres://user:password@host:port/database?sslmode=verify-full`.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use crate::secret::Secret;

const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

const DEFAULT_PORT: u16 = 5432;

/// How long one address may take to accept a connection.
pub(super) const CONNECT: Duration = Duration::from_secs(3);

/// What is not acknowledged by the other side's network within this time is lost.
const LOST_AFTER: Duration = Duration::from_secs(10);

/// Why a URL that asks for a standby is refused.
const TARGET: &str = "target_session_attrs is read-write: a standby may be behind what was acknowledged";

/// A PostgreSQL database, and how to reach it. It prints without the password.
#[derive(Clone)]
pub struct PostgresUrl(Arc<Parts>);

struct Parts {
    user: Option<String>,
    password: Option<Secret<String>>,
    hosts: Vec<(String, u16)>,
    database: Option<String>,
    application: String,
    options: Option<String>,
    tls: Tls,
}

/// Whether the connection is encrypted. Where it is, the server's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tls {
    Off,
    /// Trusted are the certificates in this PEM file, or those of the system.
    On(Option<PathBuf>),
}

impl PostgresUrl {
    /// Whether `text` is meant to be one.
    pub(crate) fn is_meant(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and what to write. Nothing of the URL itself stands there: any part of it may
    /// be a part of a password that was not percent-encoded.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or("a PostgreSQL URL begins with postgres://")?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = place.split_once('/').unwrap_or((place, ""));
        let (credentials, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        if path.contains(['@', '/']) {
            return Err("is not user:password@host/database: in a password, / ? @ and % have to be written \
                        as %2F %3F %40 and %25"
                .to_owned());
        }
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(decode(password)?)),
            None => (credentials, None),
        };
        let mut parts = Parts {
            user: some(decode(user)?),
            password: password.and_then(some).map(Secret::new),
            hosts: hosts.split(',').filter(|host| !host.is_empty()).map(host).collect::<Result<_, _>>()?,
            database: some(decode(path)?),
            application: "fiftyten-server".to_owned(),
            options: None,
            tls: Tls::Off,
        };
        let (mut mode, mut roots) = (None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(PARAMETERS)?;
            let value = decode(value)?;
            match name {
                "sslmode" => mode = Some(value),
                "sslrootcert" => roots = Some(value),
                "host" => parts.hosts.push(host(&value)?),
                "application_name" => parts.application = value,
                "options" => parts.options = some(value),
                // What libpq is told so that it does as this does anyway.
                "target_session_attrs" if matches!(&*value, "read-write" | "primary") => {}
                "target_session_attrs" => return Err(TARGET.to_owned()),
                _ => return Err(PARAMETERS.to_owned()),
            }
        }
        if parts.hosts.is_empty() {
            return Err("names no host: write postgres://user@host/database".to_owned());
        }
        parts.tls = tls(mode.as_deref(), roots, &parts.hosts)?;
        Ok(Self(Arc::new(parts)))
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.0.tls
    }

    /// The client library's form of it for each host, and how the host is shown. None takes a standby: what is
    /// read there may be behind what was acknowledged.
    pub(super) fn hosts(&self) -> Vec<(String, Config)> {
        let each = self.0.hosts.iter();
        each.map(|(host, port)| (shown(host, *port), self.config(host, *port))).collect()
    }

    fn config(&self, host: &str, port: u16) -> Config {
        let Parts { user, password, database, application, options, tls, .. } = &*self.0;
        let mut config = Config::new();
        config.host(host).port(port);
        if let Some(user) = user {
            config.user(user);
        }
        if let Some(password) = password {
            config.password(password.expose());
        }
        if let Some(database) = database {
            config.dbname(database);
        }
        if let Some(options) = options {
            config.options(options);
        }
        config
            .application_name(application)
            .ssl_mode(if *tls == Tls::Off { SslMode::Disable } else { SslMode::Require })
            .target_session_attrs(TargetSessionAttrs::ReadWrite)
            .connect_timeout(CONNECT)
            .tcp_user_timeout(LOST_AFTER)
            .keepalives_idle(LOST_AFTER)
            .keepalives_interval(LOST_AFTER / 3)
            .keepalives_retries(3);
        config
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEMES[0])?;
        if let Some(user) = &self.0.user {
            write!(f, "{user}@")?;
        }
        for (number, (host, port)) in self.0.hosts.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            f.write_str(&shown(host, *port))?;
        }
        write!(f, "/{}", self.0.database.as_deref().unwrap_or_default())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn shown(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

const PARAMETERS: &str = "has a parameter that is not known: sslmode, sslrootcert, host, application_name and \
                          options are; in a password, ? has to be written as %3F";

fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map(Cow::into_owned);
    let decoded = decoded.map_err(|_| "is not UTF-8 once its percent signs are decoded".to_owned())?;
    if decoded.contains('\0') { Err("has a zero byte in it".to_owned()) } else { Ok(decoded) }
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// `host`, `host:port`, `[address]:port`, or the folder of a socket.
fn host(text: &str) -> Result<(String, u16), String> {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(DEFAULT_PORT), str::parse);
    let port = port.map_err(|_| {
        "has a port that is not a number: write host:5432; in a password, / and ? have to be written as %2F \
         and %3F"
            .to_owned()
    })?;
    Ok((decode(host)?, port))
}

fn tls(mode: Option<&str>, roots: Option<String>, hosts: &[(String, u16)]) -> Result<Tls, String> {
    let roots = roots.filter(|roots| roots != "system").map(PathBuf::from);
    let socket = hosts.iter().any(|(host, _)| host.starts_with('/'));
    match mode {
        Some("disable") => Ok(Tls::Off),
        None if roots.is_none() && hosts.iter().all(|(host, _)| is_local(host)) => Ok(Tls::Off),
        None | Some("require" | "verify-ca" | "verify-full") if socket => {
            Err("asks for TLS over a socket, which has none: leave sslmode and sslrootcert out".to_owned())
        }
        None | Some("require" | "verify-ca" | "verify-full") => Ok(Tls::On(roots)),
        Some("allow" | "prefer") => {
            Err("sslmode: allow and prefer give way to whoever is in between: write \
                                         verify-full, or disable where the network is trusted"
                .to_owned())
        }
        Some(_) => Err("sslmode is disable or verify-full".to_owned()),
    }
}

/// The folder of a socket, or this machine.
fn is_local(host: &str) -> bool {
    let loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    loopback || host == "localhost" || host.starts_with('/')
}

#[cfg(test)]
mod tests;
