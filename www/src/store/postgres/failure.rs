//! What goes wrong, as one line that says what to do, and as what it means to the store.

use std::error::Error as _;
use std::fmt;
use std::io;

use deadpool::managed::{PoolError, TimeoutType};
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::super::StoreError;

/// What a failure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It came too near to what another did at the same time. Nothing was done: the same again may succeed.
    Conflict,
    /// There is a row with this key already. Nothing was done.
    Taken,
    /// The server gave up a statement that took too long. Nothing was done.
    Slow,
    /// The connection is gone, and whether anything was done is not known.
    Lost,
    /// Anything else.
    Other,
}

pub(super) fn meaning(error: &Error) -> Meaning {
    let Some(code) = error.code() else {
        let cut = error.source().is_some_and(|cause| cause.is::<io::Error>());
        return if error.is_closed() || cut { Meaning::Lost } else { Meaning::Other };
    };
    match code.code().as_bytes() {
        // Class 40 but 40003: "statement completion unknown".
        b"40001" | b"40P01" => Meaning::Conflict,
        b"23505" => Meaning::Taken,
        b"57014" => Meaning::Slow,
        // Class 08, the connection; 57P01 to 57P05, the server or the connection was shut down; 25006, it
        // has become a standby; 26000, our prepared statements are gone.
        [b'0', b'8', ..] | [b'5', b'7', b'P', ..] | b"25006" | b"26000" => Meaning::Lost,
        _ => Meaning::Other,
    }
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match meaning(&error) {
            Meaning::Conflict | Meaning::Slow => Self::Busy,
            Meaning::Taken | Meaning::Lost | Meaning::Other => Self::Unavailable(explain(&error)),
        }
    }
}

impl From<PoolError<String>> for StoreError {
    fn from(error: PoolError<String>) -> Self {
        match error {
            PoolError::Timeout(TimeoutType::Wait) => Self::Busy,
            PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => {
                Self::Unavailable(SILENT.to_owned())
            }
            PoolError::Backend(why) => Self::Unavailable(why),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Nothing came back in time.
pub(super) const SILENT: &str = "does not answer in time: is it reachable from here, and not overloaded?";

/// One line, without the values that PostgreSQL adds as details, and without the password.
pub(super) fn explain(error: &Error) -> String {
    if let Some(refused) = error.as_db_error() {
        let (message, code) = (refused.message().replace('\n', " "), refused.code());
        return match advice(code) {
            Some(advice) => format!("{message}: {advice}"),
            None => format!("{message} (SQLSTATE {})", code.code()),
        };
    }
    let Some(cause) = error.source() else {
        return error.to_string();
    };
    if let Some(cause) = cause.downcast_ref::<io::Error>() {
        return explain_io(cause);
    }
    let cause = cause.to_string().replace('\n', " ");
    match cause.as_str() {
        "server does not support TLS" => "offers no TLS: switch it on there (ssl = on), or add \
                                          sslmode=disable where the network is trusted"
            .to_owned(),
        "password missing" => "asks for a password, and the URL has none".to_owned(),
        _ => format!("{error}: {cause}"),
    }
}

fn advice(code: &SqlState) -> Option<&'static str> {
    Some(match *code {
        SqlState::INVALID_PASSWORD => "check user and password in the URL",
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION => "check the URL, and pg_hba.conf on the server",
        SqlState::INVALID_CATALOG_NAME => "make it (CREATE DATABASE), or name another",
        SqlState::TOO_MANY_CONNECTIONS => "raise its max_connections, or run fewer servers",
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "GRANT the user what it lacks: CREATE on the schema, or the rights of the tables' owner"
        }
        SqlState::CANNOT_CONNECT_NOW => "try again when it is up",
        _ => return None,
    })
}

fn explain_io(cause: &io::Error) -> String {
    let inner = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(rustls::Error::InvalidCertificate(why)) = inner {
        return explain_certificate(why);
    }
    match cause.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            "nothing listens there: is PostgreSQL running, and are host and port right?".to_owned()
        }
        io::ErrorKind::TimedOut => SILENT.to_owned(),
        io::ErrorKind::PermissionDenied if inner.is_none() => {
            format!("{cause}: name the primary, which can be written to")
        }
        _ => format!("cannot be reached: {cause}"),
    }
}

fn explain_certificate(why: &rustls::CertificateError) -> String {
    use rustls::CertificateError::{Expired, NotValidForName, NotValidForNameContext, UnknownIssuer};
    match why {
        UnknownIssuer => "its certificate is not signed by an authority that is trusted here: name the \
                          authority's certificate with sslrootcert=FILE"
            .to_owned(),
        NotValidForName | NotValidForNameContext { .. } => {
            "its certificate is for another name: write the host as the certificate does".to_owned()
        }
        Expired | rustls::CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        other => format!("its certificate cannot be accepted: {other:?}"),
    }
}

/// A failure that is shown with the place where it happened.
pub(super) fn at(place: &impl fmt::Display, why: impl fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("{place}: {why}"))
}
