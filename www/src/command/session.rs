//! `session list`, `session revoke`.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Args, Subcommand};
use fiftyten_server::account::{self, AccountError};
use fiftyten_server::clock::date;
use fiftyten_server::{SessionId, UserId};

use super::{Line, Place, line, now, print};

#[derive(Subcommand)]
pub(super) enum Action {
    /// List sessions that have not been ended: of one user, or of all
    List {
        #[command(flatten)]
        place: Place,
        /// E-mail address of an account, or the id of a user of the app's own sign-in
        whose: Option<String>,
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
        Action::List { place, whose } => {
            let store = place.open().await?;
            let emails: BTreeMap<_, _> = store
                .list_users()
                .await
                .map_err(line)?
                .into_iter()
                .map(|user| (user.id, user.email))
                .collect();
            let mut sessions = store.live_sessions(now(&*store).await?).await.map_err(line)?;
            if let Some(whose) = whose {
                let email = whose.trim().to_lowercase();
                let account = emails.iter().find(|(_, address)| **address == email).map(|(id, _)| id.clone());
                let is_account = account.is_some();
                let user = account.or_else(|| UserId::parse(&whose));
                sessions.retain(|session| Some(&session.user) == user.as_ref());
                if sessions.is_empty() && !is_account {
                    return Err(format!(
                        "there is no account with the address {whose:?}, nor a session of a user with this id"
                    ));
                }
            }
            for session in sessions {
                print(format_args!(
                    "{}  {}  since {}  active {}  {}",
                    session.id,
                    emails.get(&session.user).map_or(session.user.as_str(), String::as_str),
                    date(session.created_at),
                    date(session.last_active_at),
                    session.user_agent.as_deref().unwrap_or("-")
                ))?;
            }
            Ok(())
        }
        Action::Revoke { place, which: Which { id: None, user, .. } } => {
            let (store, mut ended) = (place.open().await?, 0);
            let now_ms = now(&*store).await?;
            let users = match user {
                None => {
                    // Of the live, because users of the app's own sign-in have no account.
                    let live = store.live_sessions(now_ms).await.map_err(line)?;
                    live.into_iter().map(|session| session.user).collect()
                }
                Some(whose) => match account::find(&*store, &whose).await {
                    Ok(account) => BTreeSet::from([account.id]),
                    Err(error @ AccountError::NoAccount) => {
                        let user = UserId::parse(&whose).ok_or_else(|| line(&error))?;
                        if store.list_sessions(&user).await.map_err(line)?.is_empty() {
                            return Err(line(error));
                        }
                        BTreeSet::from([user])
                    }
                    Err(error) => return Err(line(error)),
                },
            };
            for user in users {
                ended += store.end_sessions(&user, None, now_ms).await.map_err(line)?;
            }
            print(format_args!("{ended} sessions have ended"))
        }
        Action::Revoke { place, which: Which { id: Some(id), .. } } => {
            let none = || format!("there is no session {id:?}");
            let session = SessionId::parse(&id).ok_or_else(none)?;
            let store = place.open().await?;
            if !store.end_session(&session, None, now(&*store).await?).await.map_err(line)? {
                return Err(none());
            }
            print(format_args!("{session} has ended"))
        }
    }
}
