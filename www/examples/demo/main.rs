//! The demo: a page, an API that it calls, and the refresh server, in one process.
//!
//! ```text
//! cargo run -p fiftyten-server --example demo -- --data DIR --page www/demo --sdk js
//! ```
//!
//! The API is protected by `fiftyten-verify` through its public interface, and shares nothing with the
//! server but the public keys: `/demo/stats` shows that its calls do not touch the store.

use std::fmt::Display;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use fiftyten_server::clock::SystemClock;
use fiftyten_server::connection::{self, Limits};
use fiftyten_server::key::Follow;
use fiftyten_server::settings::{Flags, Settings};
use fiftyten_server::{Origin, Secret, Server, log, signal};
use fiftyten_verify::{Expect, Verifier};

mod account;
mod api;
mod page;

/// The Fiftyten demo: the refresh server, an API and a page in one process.
#[derive(Parser)]
struct Command {
    /// Folder for the database and the demo account; made where it is missing
    #[arg(long, value_name = "FOLDER")]
    data: PathBuf,
    /// Folder of the page, served at /
    #[arg(long, value_name = "FOLDER", default_value = "www/demo")]
    page: PathBuf,
    /// Folder of the npm package, served at /sdk/
    #[arg(long, value_name = "FOLDER", default_value = "js")]
    sdk: PathBuf,
    #[command(flatten)]
    flags: Flags,
}

fn main() -> ExitCode {
    let run = || {
        let runtime = tokio::runtime::Runtime::new().map_err(line)?;
        runtime.block_on(run(Command::parse()))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            eprintln!("demo: {line}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), String> {
    let Command { data, page, sdk, mut flags } = command;
    for folder in [&page, &sdk] {
        if !folder.is_dir() {
            return Err(format!("{}: there is no such folder", folder.display()));
        }
    }
    fs::create_dir_all(&data).map_err(|error| format!("{}: cannot be made: {error}", data.display()))?;
    let database = data.join("demo.db").into_os_string().into_string();
    let database = database.map_err(|_| "--data: is not UTF-8".to_owned())?;
    flags.database.get_or_insert_with(|| Arc::new(Secret::new(database)));
    let settings = Settings::load(&flags, std::env::vars_os()).map_err(line)?;
    log::start(&settings.log, settings.log_format);

    let mut config = settings.config;
    if config.admin_listen.is_some() {
        return Err("admin_listen: the demo has no admin listener: run `fiftyten-server serve`".to_owned());
    }
    let store = config.database.open().await.map_err(line)?;
    let demo = account::prepare(&*store, &data).await?;
    let listener = connection::listen(config.listen).await.map_err(line)?;
    let port = listener.local_addr().map_err(line)?.port();
    if !settings.public_url_is_set {
        config.public_url = Origin::localhost(port);
    }
    let url = config.public_url.clone();
    let limits = Limits { connections: config.max_connections, ..Limits::default() };
    let server = Arc::new(Server::start(config, store, Arc::new(SystemClock)).await.map_err(line)?);

    let expect = Expect::new(server.config().issuer(), server.config().audience());
    let verifier = Verifier::from_jwks(&server.published_keys().json, expect).map_err(line)?;
    tokio::spawn(follow(server.follow_keys(), verifier.clone()));
    let router = server.router().merge(page::router(api::router(Arc::clone(&server), verifier), &page, &sdk));

    let ready = format!("URL: {url}/\nEmail: {}\nPassword: {}\n", demo.email, demo.password);
    let mut stdout = io::stdout();
    stdout.write_all(ready.as_bytes()).and_then(|()| stdout.flush()).map_err(line)?;
    let stop = async {
        if let Err(error) = signal::stop().await {
            tracing::error!(%error, "stopping: signals cannot be listened for");
        }
    };
    connection::serve(listener, router, limits, stop).await.map_err(line)?;
    // The router held the others, and is gone.
    match Arc::into_inner(server) {
        Some(server) => server.close().await,
        None => tracing::warn!("a request was cut off: the latest activity may not have been written"),
    }
    Ok(())
}

/// Gives the verifier the keys that the server publishes, whenever they have changed.
async fn follow(mut keys: Follow, verifier: Verifier) {
    while let Some(published) = keys.changed().await {
        match published.json.parse() {
            Ok(keys) => verifier.set_keys(keys),
            Err(error) => tracing::error!(%error, "the published keys cannot be used"),
        }
    }
}

fn line(error: impl Display) -> String {
    error.to_string().replace('\n', " ")
}
