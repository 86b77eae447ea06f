//! What the shell asks of JavaScript: the object that `js/link.js` hands over.
//!
//! The resolvers of everything that waits live there, so that a trap in this module can reject
//! them all; here are only their numbers.

use js_sys::{Function, Promise};
use wasm_bindgen::prelude::*;
use web_sys::RequestInit;

#[wasm_bindgen]
extern "C" {
    /// The host of one session. None of these throws but `fetch`, and none calls the application
    /// before it returns but `emit`.
    pub type Host;

    /// The browser's own `fetch`, whatever the page has put over it since.
    #[wasm_bindgen(method, catch)]
    pub(super) fn fetch(this: &Host, url: &str, init: &RequestInit) -> Result<Promise, JsValue>;

    /// Lets a held request go: with the token of this number, or without one (0, undefined).
    #[wasm_bindgen(method)]
    pub(super) fn settle(this: &Host, waiter: u32, serial: u32, bearer: &JsValue);

    /// Fails a held request.
    #[wasm_bindgen(method)]
    pub(super) fn fail(this: &Host, waiter: u32, error: &JsValue);

    /// Settles a sign-in or a sign-out: undefined if it succeeded.
    #[wasm_bindgen(method)]
    pub(super) fn finish(this: &Host, call: u32, error: &JsValue);

    /// Keeps what gives the lock back that was asked for last, so that a trap in this module does
    /// not keep it from the other tabs.
    #[wasm_bindgen(method)]
    pub(super) fn keep(this: &Host, release: &Function);

    /// Settles `ready`.
    #[wasm_bindgen(method)]
    pub(super) fn ready(this: &Host);

    /// Dispatches an event; its listeners may call in.
    #[wasm_bindgen(method)]
    pub(super) fn emit(this: &Host, kind: &str, detail: &JsValue);
}
