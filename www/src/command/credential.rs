//! `credential add`, `credential list`, `credential remove`.

use clap::Subcommand;
use fiftyten_server::CredentialId;
use fiftyten_server::clock::{Clock, SystemClock, date};
use fiftyten_server::credential::{self, Scope};

use super::{Line, Place, line, print};

#[derive(Subcommand)]
pub(super) enum Action {
    /// Make a credential, and print its secret: this once
    Add {
        #[command(flatten)]
        place: Place,
        /// What it is for. admin: tickets, claims, ending sessions; whoever has it can be any user.
        /// feed: the revocation feed
        #[arg(long, value_name = "admin|feed", value_parser = scope)]
        scope: Scope,
        /// Whose it is, for people [default: the scope]
        #[arg(long)]
        name: Option<String>,
    },
    /// List the credentials: never their secrets
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Remove a credential; servers let it through for 5 s more
    Remove {
        #[command(flatten)]
        place: Place,
        /// The credential's id
        id: String,
    },
}

pub(super) async fn run(action: Action) -> Result<(), Line> {
    match action {
        Action::Add { place, scope, name } => {
            let name = name.as_deref().unwrap_or(scope.as_str());
            let store = place.open().await?;
            let (_, secret) =
                credential::add(&*store, scope, name, SystemClock.now_ms()).await.map_err(line)?;
            print(secret.expose())
        }
        Action::List { place } => {
            for credential in place.open().await?.list_credentials().await.map_err(line)? {
                print(format_args!(
                    "{}  {}  made {}  {}",
                    credential.id,
                    credential.scope.as_str(),
                    date(credential.created_at),
                    credential.name
                ))?;
            }
            Ok(())
        }
        Action::Remove { place, id } => {
            let none = || format!("there is no credential {id:?}");
            let credential = CredentialId::parse(&id).ok_or_else(none)?;
            if !place.open().await?.remove_credential(&credential).await.map_err(line)? {
                return Err(none());
            }
            print(format_args!("{credential} is removed"))
        }
    }
}

fn scope(word: &str) -> Result<Scope, String> {
    Scope::parse(word).ok_or_else(|| "is neither admin nor feed".to_owned())
}
