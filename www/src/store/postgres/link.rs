//! One connection: how it is made and set up, and how long it may take.

use std::time::Duration;

use tokio_postgres::{Client, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::{SILENT, explain};
use super::url::PostgresUrl;

/// How long making a connection may take altogether: name, TCP, TLS, password.
pub(super) const OPEN: Duration = Duration::from_secs(5);

/// After this the server gives up a statement, with whatever it waited for.
const STATEMENT: Duration = Duration::from_secs(3);

/// After this the server gives up a transaction whose client is silent, and frees its locks.
const SILENCE: Duration = Duration::from_secs(10);

/// What the database does not do for an acknowledged write.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// The value of `synchronous_commit` that was overruled.
    pub(super) overruled: Option<String>,
    /// `fsync` is off: no write survives the loss of power.
    pub(super) no_fsync: bool,
}

/// A connection outside of any pool, not set up.
pub(super) async fn connect(url: &PostgresUrl, tls: MakeRustlsConnect) -> Result<Client, String> {
    let config = url.config();
    let connected = tokio::time::timeout(OPEN, config.connect(tls)).await;
    let (client, connection) = connected.map_err(|_| SILENT.to_owned())?.map_err(|error| explain(&error))?;
    // It ends with the client; what goes wrong is told to the client's caller.
    tokio::spawn(connection);
    Ok(client)
}

/// Sets a connection's limits, and sees to it that a commit is durable before it is acknowledged.
///
/// `synchronous_commit` is any user's to set, so that a value which acknowledges earlier (`off`, or with a
/// synchronous standby `local` and `remote_write`) is overruled and not refused.
pub(super) async fn set_up(client: &Client) -> Result<Durability, String> {
    let done = tokio::time::timeout(OPEN, limit_and_look(client)).await;
    done.map_err(|_| SILENT.to_owned())?.map_err(|error| explain(&error))
}

async fn limit_and_look(client: &Client) -> Result<Durability, Error> {
    let limits = format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        STATEMENT.as_millis(),
        SILENCE.as_millis()
    );
    client.batch_execute(&limits).await?;
    let settings = "SELECT current_setting('synchronous_commit', true), current_setting('fsync', true)";
    let row = client.query_one(settings, &[]).await?;
    let (commit, fsync): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let early = |commit: &String| !matches!(commit.as_str(), "" | "on" | "remote_apply");
    let overruled = commit.filter(early);
    if overruled.is_some() {
        client.batch_execute("SET synchronous_commit = on").await?;
    }
    Ok(Durability { overruled, no_fsync: fsync.as_deref() == Some("off") })
}
