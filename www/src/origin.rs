//! Origins: reading them, and which of them may send the session cookie.

use std::fmt;

use axum::http::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN};
use axum::http::uri::{Authority, Uri};
use fiftyten::protocol::{CLIENT_HEADER, CLIENT_HEADER_VALUE, Code};

use crate::config::Config;
use crate::problem::Failure;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// An http or https origin in the form in which browsers send it (RFC 6454 section 6.2): scheme and host
/// in lower case, and the port only where it is not the scheme's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
    https: bool,
    host: String,
}

impl Origin {
    /// Reads `https://app.example`, with or without a final `/`.
    ///
    /// # Errors
    ///
    /// What is wrong with it: another scheme, a path, a user name, a wildcard.
    pub fn parse(text: &str) -> Result<Self, String> {
        let example = "write an origin, such as https://app.example or http://localhost:8080";
        let uri: Uri = text.trim().parse().map_err(|_| format!("is not a URL: {example}"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(format!("is neither http nor https: {example}")),
        };
        if uri.path_and_query().is_some_and(|path| path != "/") {
            return Err(format!("has a path or a query: {example}"));
        }
        let authority = uri.authority().map_or("", Authority::as_str);
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
        if host.is_empty() || authority.contains('@') || !host.bytes().all(named) {
            return Err(format!("has no plain host name (international ones as xn--…): {example}"));
        }
        let port = uri.port_u16().filter(|&port| port != if https { 443 } else { 80 });
        if port.is_none() && uri.port().is_none() && authority.len() != host.len() {
            return Err(format!("has a port that is not a number up to 65535: {example}"));
        }
        let scheme = if https { "https" } else { "http" };
        let text = port.map_or_else(|| format!("{scheme}://{host}"), |p| format!("{scheme}://{host}:{p}"));
        Ok(Self { text, https, host })
    }

    /// `http://localhost:{port}`.
    pub fn localhost(port: u16) -> Self {
        let text = format!("http://localhost:{port}");
        Self { text, https: false, host: "localhost".to_owned() }
    }

    /// Its text, without a final `/`.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is https.
    pub fn is_https(&self) -> bool {
        self.https
    }

    /// Whether the host is this machine by its very name, which browsers trust without TLS.
    pub fn is_loopback(&self) -> bool {
        ["localhost", "127.0.0.1", "[::1]"].contains(&self.host.as_str())
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Decides which requests may use the session cookie.
#[derive(Debug)]
pub(crate) struct OriginPolicy {
    public: Origin,
    allowed: Vec<Origin>,
}

impl OriginPolicy {
    pub(crate) fn new(config: &Config) -> Self {
        Self { public: config.public_url.clone(), allowed: config.allowed_origins.clone() }
    }

    /// Every call that reads the cookie passes here first, GET included.
    ///
    /// `SameSite=Strict` keeps the cookie from other sites; this keeps sibling hosts of the same site, old
    /// browsers and forms away too.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<(), Failure> {
        if headers.get(CLIENT_HEADER).map(HeaderValue::as_bytes) != Some(CLIENT_HEADER_VALUE.as_bytes()) {
            let detail = format!("send the header {CLIENT_HEADER}: {CLIENT_HEADER_VALUE}");
            return Err(Failure::new(Code::HeaderRequired).detail(detail));
        }
        let origin = single(headers, &ORIGIN)?;
        let site = single(headers, &SEC_FETCH_SITE)?;
        let allow_listed = origin.is_some_and(|origin| self.is_allow_listed(origin));
        if let Some(origin) = origin
            && !allow_listed
            && origin.as_bytes() != self.public.as_str().as_bytes()
        {
            let detail = format!(
                "the request comes from {}, and this server's public URL is {}: open the app there, or add \
                 the origin to allowed_origin",
                String::from_utf8_lossy(origin.as_bytes()).chars().take(200).collect::<String>(),
                self.public
            );
            return Err(rejected(&detail));
        }
        match site {
            Some(site) if site.as_bytes() != b"same-origin" && !allow_listed => {
                Err(rejected("Sec-Fetch-Site is not same-origin, and the origin is not in allowed_origin"))
            }
            None if origin.is_none() => Err(rejected("the request has neither Origin nor Sec-Fetch-Site")),
            _ => Ok(()),
        }
    }

    /// Whether `origin` is another origin of the same site that the operator has listed.
    pub(crate) fn is_allow_listed(&self, origin: &HeaderValue) -> bool {
        self.allowed.iter().any(|allowed| allowed.as_str().as_bytes() == origin.as_bytes())
    }

    /// Whether any answer depends on `Origin`.
    pub(crate) fn has_allow_list(&self) -> bool {
        !self.allowed.is_empty()
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Failure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(rejected(&format!("the request has more than one {name}"))),
        (value, None) => Ok(value),
    }
}

fn rejected(detail: &str) -> Failure {
    Failure::new(Code::OriginRejected).detail(detail.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_reads_as_browsers_write_it() {
        for (text, origin) in [
            ("https://app.example", "https://app.example"),
            ("https://App.Example:443/", "https://app.example"),
            ("http://localhost:8080", "http://localhost:8080"),
            ("http://localhost:80", "http://localhost"),
            ("https://app.example:80", "https://app.example:80"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (" HTTPS://xn--bcher-kva.example ", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().as_str(), origin);
        }
    }

    #[test]
    fn what_is_no_origin_is_refused_with_a_reason() {
        for text in [
            "",
            "app.example",
            "null",
            "*",
            "https://",
            "https://*.app.example",
            "https://app.example/path",
            "https://app.example/?q",
            "https://user@app.example",
            "https://user:pw@app.example:1",
            "ftp://app.example",
            "https://app.example:99999",
            "https://app.example:",
            "https://bücher.example",
            "/auth",
        ] {
            assert!(Origin::parse(text).is_err(), "{text}");
        }
    }
}
