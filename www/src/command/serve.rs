//! `serve`.

use std::sync::Arc;

use fiftyten_server::clock::SystemClock;
use fiftyten_server::settings::Settings;
use fiftyten_server::{Origin, Server, connection, log, signal};

use tokio::sync::watch;

use super::{Line, line};

pub(super) async fn run(settings: Settings) -> Result<(), Line> {
    log::start(&settings.log, settings.log_format);
    for variable in &settings.unknown_variables {
        tracing::warn!(variable, "this variable is not a setting: is it misspelt?");
    }
    if settings.master_key_is_exposed {
        tracing::warn!("other accounts of this machine may read the master key: chmod 600 its file");
    }
    let mut config = settings.config;
    let store = config.database.open().await.map_err(line)?;
    let listener = connection::listen(config.listen).await.map_err(line)?;
    let address = listener.local_addr().map_err(line)?;
    if !settings.public_url_is_set {
        config.public_url = Origin::localhost(address.port());
    }
    let server = Server::start(config, store, Arc::new(SystemClock)).await.map_err(line)?;
    let config = server.config();
    if config.dangerously_allow_insecure_http && !config.public_url.is_https() {
        tracing::warn!(url = %config.public_url, "plain http: everyone on the way can take over sessions");
    }
    let admin = match config.admin_listen {
        None => None,
        Some(address) => {
            let listener = connection::listen(address).await.map_err(line)?;
            let admin_address = listener.local_addr().map_err(line)?;
            if !admin_address.ip().is_loopback() {
                tracing::warn!(
                    %admin_address,
                    "credentials and tickets are not encrypted on their way there: keep others off that network"
                );
            }
            tracing::info!(%admin_address, "listening to the app's own servers");
            Some(listener)
        }
    };
    tracing::info!(%address, issuer = config.issuer(), audience = config.audience(), "listening");
    // Both listeners close at the same signal.
    let (stop, mut stopped) = watch::channel(false);
    let told = |mut stopped: watch::Receiver<bool>| async move {
        // An error says that the other side is gone, which comes to the same.
        let _ = stopped.changed().await;
    };
    let admin = admin.map(|listener| server.serve_admin(listener, told(stopped.clone())));
    let admin = async {
        match admin {
            Some(admin) => admin.await,
            None => Ok(()),
        }
    };
    let signal = async {
        match signal::stop().await {
            Ok(()) => tracing::info!("stopping"),
            Err(error) => tracing::error!(%error, "stopping: signals cannot be listened for"),
        }
        let _ = stop.send(true);
    };
    let public = server.serve(listener, async move {
        let _ = stopped.changed().await;
    });
    let ((), admin, public) = tokio::join!(signal, admin, public);
    admin.and(public).map_err(line)
}
