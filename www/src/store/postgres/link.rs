//! One connection: how it is set up, and what is known of the server at its other end.

use std::future::poll_fn;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use deadpool_postgres::ClientWrapper;
use tokio_postgres::{AsyncMessage, Client, Config, Error, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::explain;

/// After this the server gives up a statement, with whatever it waited for.
const STATEMENT: Duration = Duration::from_secs(3);

/// After this the server gives up a transaction whose client is silent, and frees its locks.
const SILENCE: Duration = Duration::from_secs(10);

/// The function of the server that warns when the wait for a standby is cut short. Its name does not depend
/// on the server's language, as the warning does.
const WAITS_FOR_STANDBY: &str = "SyncRepWaitForLSN";

/// A connection to a server that can be written to.
pub(super) struct Link {
    client: ClientWrapper,
    /// Counts the promotions that led to this primary; none where the engine does not say.
    pub(super) timeline: Option<u32>,
    pub(super) durability: Durability,
    unreplicated: Arc<AtomicBool>,
}

/// What the database does not do for an acknowledged write.
#[derive(Debug, Default)]
pub(super) struct Durability {
    /// The value of `synchronous_commit` that was overruled.
    pub(super) overruled: Option<String>,
    /// `fsync` is off: no write survives the loss of power.
    pub(super) no_fsync: bool,
}

impl Link {
    /// Connects to the one host of `config`, and sets the connection up.
    pub(super) async fn make(config: Config, tls: MakeRustlsConnect) -> Result<Self, String> {
        Self::try_to_make(config, tls).await.map_err(|error| explain(&error))
    }

    async fn try_to_make(config: Config, tls: MakeRustlsConnect) -> Result<Self, Error> {
        let (client, mut connection) = config.connect(tls).await?;
        let unreplicated = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&unreplicated);
        // It ends with the client; what goes wrong is told to the client's caller. A warning is seen before
        // the answer that it precedes.
        let task = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if let AsyncMessage::Notice(notice) = message
                    && notice.routine() == Some(WAITS_FOR_STANDBY)
                {
                    seen.store(true, Ordering::Release);
                }
            }
        });
        let client = ClientWrapper::new(client, task);
        let durability = set_up(&client).await?;
        let timeline = timeline(&client).await?;
        Ok(Self { client, timeline, durability, unreplicated })
    }

    /// Somebody has cut short a commit's wait for the synchronous standby (`pg_cancel_backend`). PostgreSQL
    /// then acknowledges what the standby may not have.
    pub(super) fn is_unreplicated(&self) -> bool {
        self.unreplicated.load(Ordering::Acquire)
    }
}

impl Deref for Link {
    type Target = ClientWrapper;

    fn deref(&self) -> &ClientWrapper {
        &self.client
    }
}

impl DerefMut for Link {
    fn deref_mut(&mut self) -> &mut ClientWrapper {
        &mut self.client
    }
}

/// Sets a connection's limits, and sees to it that a commit is durable before it is acknowledged.
///
/// `synchronous_commit` is any user's to set, so that a value which acknowledges earlier (`off`, or with a
/// synchronous standby `local` and `remote_write`) is overruled and not refused. A good value is set too: what
/// a connection has set for itself stays when the server's configuration is changed and reloaded.
async fn set_up(client: &Client) -> Result<Durability, Error> {
    let limits = format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        STATEMENT.as_millis(),
        SILENCE.as_millis()
    );
    client.batch_execute(&limits).await?;
    let settings = "SELECT current_setting('synchronous_commit', true), current_setting('fsync', true)";
    let row = client.query_one(settings, &[]).await?;
    let (commit, fsync): (Option<String>, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
    let overruled = match commit.as_deref() {
        // Another engine: it has one way to commit.
        None | Some("") => None,
        Some("remote_apply") => {
            client.batch_execute("SET synchronous_commit = remote_apply").await?;
            None
        }
        Some(other) => {
            client.batch_execute("SET synchronous_commit = on").await?;
            (other != "on").then(|| other.to_owned())
        }
    };
    Ok(Durability { overruled, no_fsync: fsync.as_deref() == Some("off") })
}

/// A primary writes on a timeline of its own, whose number is one more than any that it knew when it was
/// promoted. It is how the names of its log's files begin.
async fn timeline(client: &Client) -> Result<Option<u32>, Error> {
    let ask = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
    let messages = match client.simple_query(ask).await {
        Ok(messages) => messages,
        // An engine that has no such functions, or does not let us call them.
        Err(error) if error.code().is_some() => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => u32::from_str_radix(row.try_get(0).ok()??, 16).ok(),
        _ => None,
    }))
}
