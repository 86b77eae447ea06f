//! `serve`, `user`, `session`, `keys`, `credential`, `backup`, `config`. Every failure is one line.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use fiftyten_server::Secret;
use fiftyten_server::clock::{Clock, SystemClock};
use fiftyten_server::settings::{Flags, Settings};
use fiftyten_server::store::Store;

mod backup;
mod credential;
mod keys;
mod serve;
mod session;
mod user;

/// The Fiftyten refresh server.
#[derive(Parser)]
#[command(name = "fiftyten-server", version, arg_required_else_help = true)]
pub(crate) struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Answer requests. Every flag may also stand in a file, or in the environment as FIFTYTEN_…
    Serve {
        #[command(flatten)]
        flags: Flags,
    },
    /// Accounts
    #[command(subcommand)]
    User(user::Action),
    /// Sessions
    #[command(subcommand)]
    Session(session::Action),
    /// Signing keys
    #[command(subcommand)]
    Keys(keys::Action),
    /// Credentials of the app's own servers, for the admin listener
    #[command(subcommand)]
    Credential(credential::Action),
    /// Copy the SQLite file while servers use it
    Backup {
        #[command(flatten)]
        place: Place,
        /// The copy, a new file
        copy: PathBuf,
    },
    /// Settings
    #[command(subcommand)]
    Config(ConfigAction),
}

#[derive(Subcommand)]
enum ConfigAction {
    /// Say whether `serve` could use the settings, and where each comes from
    Check {
        #[command(flatten)]
        flags: Flags,
    },
}

/// Where the database is, for the commands that use nothing else.
#[derive(clap::Args)]
struct Place {
    /// TOML file with settings [env: FIFTYTEN_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A file, or postgres://user@host/database [env: FIFTYTEN_DATABASE] [default: fiftyten.db]
    #[arg(long, value_name = "PATH|URL")]
    database: Option<String>,
}

/// What went wrong, in one line.
type Line = String;

pub(crate) fn run(command: Command) -> Result<(), Line> {
    let runtime = tokio::runtime::Runtime::new().map_err(line)?;
    runtime.block_on(async {
        match command.action {
            Action::Serve { flags } => serve::run(settings(&flags)?).await,
            Action::User(action) => user::run(action).await,
            Action::Session(action) => session::run(action).await,
            Action::Keys(action) => keys::run(action).await,
            Action::Credential(action) => credential::run(action).await,
            Action::Backup { place, copy } => backup::run(&place.settings()?.config.database, copy),
            Action::Config(ConfigAction::Check { flags }) => check(&settings(&flags)?),
        }
    })
}

fn settings(flags: &Flags) -> Result<Settings, Line> {
    Settings::load(flags, std::env::vars_os()).map_err(line)
}

impl Place {
    fn settings(self) -> Result<Settings, Line> {
        let database = self.database.map(|text| Arc::new(Secret::new(text)));
        settings(&Flags { config: self.config, database, ..Flags::default() })
    }

    async fn open(self) -> Result<Arc<dyn Store>, Line> {
        self.settings()?.config.database.open().await.map_err(line)
    }
}

/// Now, in ms: by the database's clock where it has one of its own, because this machine may be no server's.
async fn now(store: &dyn Store) -> Result<u64, Line> {
    let clock_ms = store.read_keys().await.map_err(line)?.clock_ms;
    Ok(clock_ms.unwrap_or_else(|| SystemClock.now_ms()))
}

fn check(settings: &Settings) -> Result<(), Line> {
    let config = &settings.config;
    for (name, value, place) in &settings.made {
        print(format_args!("{name} = {value}   ({place})"))?;
    }
    for variable in &settings.unknown_variables {
        print(format_args!("warning: {variable} is not a setting"))?;
    }
    if settings.master_key_is_exposed {
        print("warning: other accounts of this machine may read the master key: chmod 600 its file")?;
    }
    print(format_args!("ok: iss {}, aud {}", config.issuer(), config.audience()))
}

fn print(text: impl Display) -> Result<(), Line> {
    writeln!(io::stdout(), "{text}").map_err(line)
}

fn line(error: impl Display) -> Line {
    error.to_string().replace('\n', " ")
}
