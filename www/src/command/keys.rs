//! `keys list`, `keys rotate`, `keys retire`, `keys seal`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Subcommand;
use fiftyten_server::Secret;
use fiftyten_server::clock::date;
use fiftyten_server::key::{self, Demand};
use fiftyten_server::settings::{Flags, Settings};
use fiftyten_server::store::{KeyState, StoredKey};

use super::{Line, line, print, settings};

#[derive(Subcommand)]
pub(super) enum Action {
    /// List the signing keys: never their private part
    List {
        #[command(flatten)]
        place: super::Place,
    },
    /// Let the next key sign. Tokens that the current one has signed stay good
    Rotate {
        #[command(flatten)]
        place: Place,
        /// In an emergency, when the keys may be in other hands: replace all of them at once. Tokens that they
        /// have signed are refused as soon as verifiers fetch the keys, which they should every 5 minutes
        #[arg(long)]
        now: bool,
    },
    /// Withdraw a key that does not sign: tokens that it has signed are refused
    Retire {
        #[command(flatten)]
        place: Place,
        /// The key's `kid`
        #[arg(allow_hyphen_values = true)] // it is base64url, and may begin with one
        kid: String,
    },
    /// Encrypt every signing key under the master key, the first where there are several
    Seal {
        #[command(flatten)]
        place: Place,
    },
}

/// Where the keys are, and what new ones are like.
#[derive(clap::Args)]
pub(super) struct Place {
    /// TOML file with settings [env: FIFTYTEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file, or postgres://user@host/database [env: FIFTYTEN_DATABASE] [default: fiftyten.db]
    #[arg(long, value_name = "PATH|URL")]
    database: Option<String>,
    /// What new keys are for: EdDSA or ES256 [env: FIFTYTEN_KEY_ALGORITHM] [default: as those there are]
    #[arg(long, value_name = "ALGORITHM")]
    key_algorithm: Option<String>,
    /// A file with the master key [env: FIFTYTEN_MASTER_KEY_FILE, FIFTYTEN_MASTER_KEY]
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<String>,
}

pub(super) async fn run(action: Action) -> Result<(), Line> {
    match action {
        Action::List { place } => show(&place.open().await?.read_keys().await.map_err(line)?.keys),
        Action::Rotate { place, now: false } => change(place, Demand::Rotate).await,
        Action::Rotate { place, now: true } => change(place, Demand::Replace).await,
        Action::Retire { place, kid } => change(place, Demand::Withdraw(kid)).await,
        Action::Seal { place } => change(place, Demand::Seal).await,
    }
}

/// Shows the keys as they are afterwards.
async fn change(place: Place, demand: Demand) -> Result<(), Line> {
    let Place { config, database, key_algorithm, master_key_file } = place;
    let database = database.map(|text| Arc::new(Secret::new(text)));
    let flags = Flags { config, database, key_algorithm, master_key_file, ..Flags::default() };
    let Settings { mut config, made, .. } = settings(&flags)?;
    let store = config.database.open().await.map_err(line)?;
    if !made.iter().any(|(name, ..)| name == "key_algorithm") {
        let keys = store.read_keys().await.map_err(line)?.keys;
        config.key_algorithm = demand.usual_algorithm(&keys).unwrap_or_default();
    }
    let now_ms = super::now(&*store).await?;
    show(&key::change(&*store, &config, &demand, now_ms).await.map_err(line)?)
}

fn show(keys: &[StoredKey]) -> Result<(), Line> {
    for key in keys {
        let (is, until) = match key.state {
            KeyState::Next => ("next   ", format!("may sign from {}", date(key.may_sign_at()))),
            KeyState::Current => ("current", format!("signs since {}", date(key.changed_at))),
            KeyState::Retired => ("retired", format!("goes at {}", date(key.goes_at()))),
        };
        let sealed = if key.is_sealed { "sealed" } else { "NOT ENCRYPTED" };
        print(format_args!(
            "{}  {}  {is}  {until}  made {}  {sealed}",
            key.kid,
            key.algorithm,
            date(key.created_at)
        ))?;
    }
    Ok(())
}
