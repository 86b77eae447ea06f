//! `session list`, `session revoke`.

use clap::{Args, Subcommand};
use fiftyten_server::SessionId;
use fiftyten_server::account;
use fiftyten_server::clock::{Clock, SystemClock, date};
use fiftyten_server::store::Session;

use super::{Line, Place, line, print};

#[derive(Subcommand)]
pub(super) enum Action {
    /// List sessions that have not been ended: of one user, or of all
    List {
        #[command(flatten)]
        place: Place,
        /// E-mail address
        email: Option<String>,
    },
    /// End a session; its tokens die within their lifetime
    Revoke {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        which: Which,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session's id
    id: Option<String>,
    /// End all sessions of the user with this e-mail address
    #[arg(long, value_name = "EMAIL")]
    user: Option<String>,
    /// End every session of every user, as after restoring a backup
    #[arg(long)]
    all: bool,
}

pub(super) async fn run(action: Action) -> Result<(), Line> {
    match action {
        Action::List { place, email } => {
            let store = place.open().await?;
            let users = match email {
                Some(email) => vec![account::find(&*store, &email).await.map_err(line)?],
                None => store.list_users().await.map_err(line)?,
            };
            let now_ms = SystemClock.now_ms();
            let live = |session: &Session| session.ended_at.is_none() && session.expires_at > now_ms;
            for user in users {
                for session in store.list_sessions(&user.id).await.map_err(line)?.iter().filter(|s| live(s)) {
                    print(format_args!(
                        "{}  {}  since {}  active {}  {}",
                        session.id,
                        user.email,
                        date(session.created_at),
                        date(session.last_active_at),
                        session.user_agent.as_deref().unwrap_or("-")
                    ))?;
                }
            }
            Ok(())
        }
        Action::Revoke { place, which: Which { id: None, user, .. } } => {
            let (store, mut ended) = (place.open().await?, 0);
            let users = match user {
                Some(email) => vec![account::find(&*store, &email).await.map_err(line)?],
                None => store.list_users().await.map_err(line)?,
            };
            for user in users {
                ended += store.end_sessions(&user.id, None, SystemClock.now_ms()).await.map_err(line)?;
            }
            print(format_args!("{ended} sessions have ended"))
        }
        Action::Revoke { place, which: Which { id: Some(id), .. } } => {
            let none = || format!("there is no session {id:?}");
            let session = SessionId::parse(&id).ok_or_else(none)?;
            let store = place.open().await?;
            if !store.end_session(&session, None, SystemClock.now_ms()).await.map_err(line)? {
                return Err(none());
            }
            print(format_args!("{session} has ended"))
        }
    }
}
