//! The libraries that check signatures: AWS-LC natively, curve25519-dalek and p256 in WebAssembly.
//!
//! Both are given only what [`edwards`] lets through, so that they accept the same: where libraries
//! for Ed25519 differ is in points of small order and in points that are not in their one encoding.
//! In tests both are there, and face the same vectors.

pub(crate) mod edwards;
#[cfg(not(target_family = "wasm"))]
mod native;
#[cfg(any(target_family = "wasm", test))]
#[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "natively, it is there for the tests"))]
mod portable;
#[cfg(test)]
mod tests;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native::{Ed25519, P256};
#[cfg(target_family = "wasm")]
pub(crate) use portable::{Ed25519, P256};
