//! The server, called in-process without a socket, and as the process that an operator starts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod activity;
mod connections;
mod embedding;
mod failures;
mod keys;
mod malformed;
mod origins;
mod process;
mod processes;
mod refresh;
mod sessions;
mod sign_in;
mod world;
