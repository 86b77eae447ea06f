//! The core, driven natively: one tab, a clock that is set by hand, and a server that answers what
//! it is told to. The names are the promises.

#![expect(unreachable_pub, reason = "a test has no other public than its own modules")]

mod core {
    pub mod account;
    pub mod bounds;
    pub mod cycle;
    pub mod gate;
    pub mod lock;
    pub mod rejected;
    pub mod retry;
    pub mod start;
    pub mod tabs;
    pub mod wake;
    pub mod world;
}
