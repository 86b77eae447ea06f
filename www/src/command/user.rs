//! `user add`, `user list`, `user passwd`, `user disable`.

use std::io::{self, BufRead, IsTerminal};

use clap::Subcommand;
use fiftyten_server::Secret;
use fiftyten_server::account::{self, NewAccount};

use super::{Line, Place, line, now, print};

#[derive(Subcommand)]
pub(super) enum Action {
    /// Make an account; the password is asked for, or read from standard input
    Add {
        #[command(flatten)]
        place: Place,
        /// E-mail address
        email: String,
        /// A role of the user's (repeatable)
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// A permission of the user's (repeatable)
        #[arg(long = "permission", value_name = "PERMISSION")]
        permissions: Vec<String>,
        /// The app's own claims, a JSON object of 1 KB at most
        #[arg(long, value_name = "JSON", default_value = "{}")]
        claims: String,
        /// Read the password from standard input, its first line, without asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the accounts
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Change a password, and end the user's sessions
    Passwd {
        #[command(flatten)]
        place: Place,
        /// E-mail address
        email: String,
        /// Read the password from standard input, its first line, without asking
        #[arg(long)]
        password_stdin: bool,
    },
    /// Shut an account until it has a new password, and end the user's sessions
    Disable {
        #[command(flatten)]
        place: Place,
        /// E-mail address
        email: String,
    },
}

pub(super) async fn run(action: Action) -> Result<(), Line> {
    match action {
        Action::Add { place, email, roles, permissions, claims, password_stdin } => {
            let claims = serde_json::from_str(&claims)
                .map_err(|error| format!("--claims: is not a JSON object: {error}"))?;
            let store = place.open().await?;
            let password = password(password_stdin)?;
            let new = NewAccount { email, password, roles, permissions, claims };
            let user = account::add(&*store, new, now(&*store).await?).await.map_err(line)?;
            print(format_args!("{}  {}", user.id, user.email))
        }
        Action::List { place } => {
            for user in place.open().await?.list_users().await.map_err(line)? {
                let (roles, permissions) = (user.roles.join(","), user.permissions.join(","));
                print(format_args!("{}  {}  roles={roles}  permissions={permissions}", user.id, user.email))?;
            }
            Ok(())
        }
        Action::Passwd { place, email, password_stdin } => {
            let store = place.open().await?;
            account::find(&*store, &email).await.map_err(line)?;
            let password = password(password_stdin)?;
            let user = account::set_password(&*store, &email, password, now(&*store).await?);
            let user = user.await.map_err(line)?;
            print(format_args!("{}  {}", user.id, user.email))
        }
        Action::Disable { place, email } => {
            let store = place.open().await?;
            let user = account::disable(&*store, &email, now(&*store).await?).await.map_err(line)?;
            print(format_args!("{}  {}", user.id, user.email))
        }
    }
}

/// Never an argument: those can be read by every process of the machine.
fn password(from_stdin: bool) -> Result<Secret<String>, Line> {
    if from_stdin || !io::stdin().is_terminal() {
        let mut text = String::new();
        io::stdin().lock().read_line(&mut text).map_err(line)?;
        let length = text.trim_end_matches(['\r', '\n']).len();
        text.truncate(length);
        return Ok(Secret::new(text));
    }
    let ask = |prompt| rpassword::prompt_password(prompt).map(Secret::new).map_err(line);
    let (first, second) = (ask("Password: ")?, ask("Once more: ")?);
    if first.expose() == second.expose() { Ok(first) } else { Err("the two are not the same".to_owned()) }
}
