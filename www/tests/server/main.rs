//! The server, called in-process without a socket, and as the process that an operator starts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod activity;
mod admin;
#[path = "../cluster/mod.rs"]
mod cluster;
mod connections;
mod embedding;
mod failures;
mod feed;
mod fleet;
mod key_commands;
mod keys;
mod malformed;
mod on_postgres;
mod origins;
mod outage;
mod process;
mod processes;
mod refresh;
mod revocation;
mod sessions;
mod sign_in;
mod tickets;
mod timing;
mod world;
