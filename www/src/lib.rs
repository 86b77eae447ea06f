//! The Fiftyten refresh server: sign-in, sessions in a database, tokens of 60 s, revocation, public keys.
//!
//! It does not check the tokens it makes: that is the verifier's work, which needs no database. It sends
//! no mail, registers nobody, and decides nothing about what a user may do beyond putting the roles and
//! permissions of their account into the token.
//!
//! The binary is the usual way to run it. To embed it, [`Server::start`] one on a [`Store`](store::Store)
//! and merge its [`router`](Server::router) into your own, or let it [`serve`](Server::serve) a listener.
//!
//! # The promise, and where it is kept
//!
//! A token dies 60 s after its session at the latest. Three things see to that: the moment by which a token
//! is dated is taken before the session's row is read (`route::caller`, `token`); an end of a session is
//! on the disk before it is acknowledged ([`store::sqlite`], [`store::postgres`]); and a failure to read the row is never taken
//! for the end of a session, nor for its life (`problem`).
//!
//! How keys change without a token being refused for it, and what bounds an emergency: see [`key`].

mod access_log;
pub mod account;
mod activity;
mod address;
pub mod claims;
pub mod clock;
pub mod config;
pub mod connection;
mod cookie;
mod cors;
pub mod credential;
mod database;
mod feed;
pub mod key;
mod limit;
pub mod log;
mod opaque;
mod origin;
pub mod password;
mod problem;
mod random;
mod route;
mod secret;
mod server;
pub mod settings;
pub mod signal;
pub mod store;
mod token;

pub use config::{Config, ConfigError};
pub use cookie::{PLAIN_NAME, SECURE_NAME};
pub use database::Database;
/// The wire types, from the crate that browsers run.
pub use fiftyten::protocol;
pub use origin::Origin;
pub use random::{CredentialId, LONGEST_USER_ID, SessionId, UserId, password as random_password};
pub use secret::Secret;
pub use server::{Server, StartError, Stats};
pub use token::RESERVED_CLAIMS;
