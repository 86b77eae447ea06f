//! `keys list`.

use std::time::{Duration, UNIX_EPOCH};

use clap::Subcommand;

use super::{Line, Place, line, print};

#[derive(Subcommand)]
pub(super) enum Action {
    /// List the signing keys: never their private part
    List {
        #[command(flatten)]
        place: Place,
    },
}

pub(super) async fn run(action: Action) -> Result<(), Line> {
    match action {
        Action::List { place } => {
            for key in place.open().await?.list_keys().await.map_err(line)? {
                let made =
                    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(key.created_at));
                print(format_args!("{}  {}  {}  made {made}", key.kid, key.algorithm, key.state.as_str()))?;
            }
            Ok(())
        }
    }
}
