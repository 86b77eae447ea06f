//! Session cores as browsers in real time, over real HTTP: the load that users put on a server.
//!
//! Each [`Browser`] is the core itself with one tab, a cookie, and connections of its own; it is driven as
//! `src/web/` drives it in a page. What all of them did and saw stands in a [`Ledger`], which a test reads
//! afterwards. There are thousands of them to a core of a processor, most of the time asleep.
//!
//! It is not the simulator (`tests/world`): nothing is virtual, and so nothing repeats exactly.

#![forbid(unsafe_code)]

mod browser;
mod call;
pub mod chart;
mod ledger;

pub use browser::{Browser, View};
pub use call::Target;
pub use ledger::{Entry, Ledger, What};
