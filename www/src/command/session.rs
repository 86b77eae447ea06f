//! `session list`, `session revoke`.

use std::collections::BTreeMap;

use clap::Subcommand;
use fiftyten_server::clock::{Clock, SystemClock, date};
use fiftyten_server::{SessionId, UserId};

use super::{Line, Place, line, print};

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
        /// The session's id
        id: String,
    },
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
            let mut sessions = store.live_sessions(SystemClock.now_ms()).await.map_err(line)?;
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
        Action::Revoke { place, id } => {
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
