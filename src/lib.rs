//! A session client that keeps a 60-second token live in the browser.
//!
//! The token is renewed every 50 seconds, at the one place that asks the database whether the
//! session still stands; so requests are verified by a signature alone, and a session that was
//! ended is dead everywhere within 60 seconds. Applications use it as the npm package `fiftyten`;
//! this crate is what that package is compiled from.
//!
//! # What it does not do
//!
//! The [`session`] decides and nothing else: it performs no I/O, reads no clock, sets no timer,
//! draws no entropy of its own, and knows nothing of JavaScript. It does not check signatures:
//! servers do, with `fiftyten-verify`. It does not protect a session from script that runs in the
//! page: see SECURITY.md.
//!
//! # The states
//!
//! ```text
//!                  200                          DELETE /v1/session
//!   ┌─────────┐ ─────────▶ ┌──────────┐ ─────────────────────▶ ┌─────────────┐
//!   │ loading │            │ signedin │                        │ signing out │
//!   └─────────┘ ◀ ─ ─ ─ ─  └──────────┘ ◀───────────────────── └─────────────┘
//!     │  ▲  │    no answer   │  ▲  │  ▲   the server can't be told      │
//!     │  └──┘   for sign-out │  └──┘  │                                │ 204, or ended already
//!     │ network,             │ 200:   │ 201                            │
//!     │ 5xx, 429, …          │ renewed│ (sign-in)                      │
//!     │                      ▼        │                                │
//!     │    401 + code      ┌───────────┐                               │
//!     └──────────────────▶ │ signedout │ ◀─────────────────────────────┘
//!                          └───────────┘
//! ```
//!
//! Only the server's word leads to `signedout`: a 401 with the code `session_revoked`,
//! `session_expired` or `no_session`, or the success of the user's own sign-out; it may have been
//! said to another tab of the browser, which passes it on. An end counts for the session that it
//! names. Where the cookie turns out to be of another session than this tab's, and that one has
//! ended, the tab asks once more before it believes that nothing stands for its own. Everything else
//! that a refresh may be answered, and every failure to be answered, leaves the session as it is.
//!
//! # How it is driven
//!
//! Whoever drives it hands in what happened and the time, drains what is wanted, and then arms one
//! timer. `src/web/` does so in a browser; natively it takes a few lines:
//!
//! ```
//! use fiftyten::action::Action;
//! use fiftyten::clock::{Instant, Millis};
//! use fiftyten::config::Config;
//! use fiftyten::event::{Event, Reply};
//! use fiftyten::protocol::{RefreshBody, SessionRef};
//! use fiftyten::session::{Gate, Session, Status};
//!
//! let mut now = Instant(1_000_000);
//! let mut session = Session::new(Config::default(), now);
//!
//! // It wants its first refresh at once. Here the answer takes 80 ms.
//! let Some(Action::Refresh { id, .. }) = session.poll_action() else { unreachable!() };
//! now = now + Millis(80);
//! let body = RefreshBody {
//!     token: "header.payload.signature".to_owned(),
//!     expires_in_ms: 60_000,
//!     refresh_in_ms: 50_000,
//!     session: SessionRef { id: "s1".to_owned(), user: "ada".to_owned() },
//! };
//! let reply = Reply::Http { status: 200, retry_after: None, body: Some(body), problem: None };
//! session.handle(Event::Answered { id, reply }, now);
//! while let Some(action) = session.poll_action() {
//!     // Settle those who waited, tell the application.
//!     println!("{action:?}");
//! }
//! assert_eq!(session.status(), Status::SignedIn);
//! assert!(matches!(session.gate(now), Gate::Open(_)));
//!
//! // Counted from when the request was sent, the token is due for renewal after 50 s, and up to
//! // a second of stagger.
//! let (due, _) = session.poll_timeout().expect("a renewal is planned");
//! assert!((49_920..=50_920).contains(&due.since(now).0));
//! ```

pub mod action;
pub mod clock;
pub mod config;
pub mod error;
pub mod event;
pub mod message;
pub mod protocol;
pub mod session;
pub mod token;

#[cfg(target_family = "wasm")]
pub mod web;
