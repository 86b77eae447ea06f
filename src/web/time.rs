//! The two clocks of a browser, and what its timers can take.

use js_sys::Date;
use wasm_bindgen::prelude::*;

use crate::clock::{Millis, Reading};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// What the clocks say now. A clock that says nonsense (negative, not a number) reads as zero.
pub(super) fn read() -> Reading {
    Reading { mono: performance_now() as u64, wall: Date::now() as u64 }
}

/// A visible page looks at the clock at least this often: a timer does not count the time that the
/// machine slept, and no event tells of it.
const VISIBLE_TICK: Millis = Millis(15_000);

/// The delay to ask for, in ms.
pub(super) fn delay(until: Millis, visible: bool) -> u32 {
    until.min(if visible { VISIBLE_TICK } else { Millis::LONGEST_TIMER }).as_timer()
}

/// Entropy for jitter: the 53 bits that `Math.random` can give.
pub(super) fn seed() -> u64 {
    (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64
}
