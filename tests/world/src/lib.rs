//! Many tabs of one browser, in virtual time: the real core, and around it everything that a browser,
//! a network and a server may do to it.
//!
//! There is one [`World`](world::World). Whatever is not determined is asked of a
//! [`Choose`](choose::Choose), so that the same world is explored exhaustively
//! ([`explorer`]), run at random with shrinking (`tests/`), and driven as a fleet of browsers for
//! hours ([`sim`]). What must hold is written down in [`property`], and is checked against what the
//! world itself knows, never against what the core says of itself.

#![forbid(unsafe_code)]

pub mod act;
pub mod aside;
pub mod choose;
pub mod explorer;
mod judge;
pub mod lock;
pub mod machine;
pub mod mail;
mod perform;
pub mod property;
pub mod reference;
pub mod rules;
pub mod server;
pub mod sim;
#[cfg(feature = "mutants")]
pub mod small;
pub mod tab;
pub mod verb;
pub mod world;
