//! The demo's one account, whose password stands in a file beside the database. It is a demo.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use fiftyten_server::account::{self, AccountError, NewAccount};
use fiftyten_server::clock::{Clock, SystemClock};
use fiftyten_server::store::Store;
use fiftyten_server::{Secret, random_password};
use serde::{Deserialize, Serialize};
use serde_json::json;

const EMAIL: &str = "demo@example.test";
const FILE: &str = "demo-account.json";

#[derive(Serialize, Deserialize)]
pub(crate) struct DemoAccount {
    pub(crate) email: String,
    pub(crate) password: String,
}

/// Makes the account at the first start, and finds it at the later ones.
pub(crate) async fn prepare(store: &dyn Store, folder: &Path) -> Result<DemoAccount, String> {
    let path = folder.join(FILE);
    let failed = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let kept = match fs::read(&path) {
        Ok(json) => Some(serde_json::from_slice::<DemoAccount>(&json).map_err(|error| failed(&error))?),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(failed(&error)),
    };
    let exists = match account::find(store, EMAIL).await {
        Ok(_) => true,
        Err(AccountError::NoAccount) => false,
        Err(error) => return Err(error.to_string()),
    };
    if let (Some(kept), true) = (&kept, exists) {
        return Ok(DemoAccount { email: kept.email.clone(), password: kept.password.clone() });
    }
    let demo = kept.unwrap_or_else(|| DemoAccount { email: EMAIL.to_owned(), password: random_password() });
    write(&path, &demo).map_err(|error| failed(&error))?;
    let password = Secret::new(demo.password.clone());
    let now_ms = SystemClock.now_ms();
    let made = if exists {
        account::set_password(store, EMAIL, password, now_ms).await
    } else {
        let claims = json!({ "name": "Demo Clerk", "email": EMAIL });
        let new = NewAccount {
            email: EMAIL.to_owned(),
            password,
            roles: vec!["clerk".to_owned()],
            permissions: vec!["orders:refund".to_owned()],
            claims: claims.as_object().cloned().unwrap_or_default(),
        };
        account::add(store, new, now_ms).await
    };
    made.map(|_| demo).map_err(|error| error.to_string())
}

fn write(path: &Path, demo: &DemoAccount) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(serde_json::to_string_pretty(demo)?.as_bytes())
}
