//! What the verifier does, one behaviour a test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop, helpers included")]
#![allow(unreachable_pub, reason = "the modules of a test binary have no outside")]

mod cache;
mod claims;
mod ecdsa;
mod foreign;
mod form;
mod header;
mod issuer;
mod keyset;
mod mutation;
mod signature;

#[cfg(feature = "feed")]
mod feed;
#[cfg(feature = "axum")]
mod layer;
#[cfg(feature = "fetch")]
mod remote;
#[cfg(feature = "axum")]
mod requirement;
