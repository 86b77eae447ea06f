//! The bodies of answers, as the browser's JSON parser left them. What has not the shape of the
//! protocol is none.

use js_sys::Reflect;
use wasm_bindgen::JsValue;

use crate::event::Trouble;
use crate::protocol::{RefreshBody, SessionRef, member};

/// A refresh body.
pub(super) fn refresh(json: &JsValue) -> Option<RefreshBody> {
    let session = get(json, member::SESSION)?;
    Some(RefreshBody {
        token: text(json, member::TOKEN)?,
        expires_in_ms: millis(json, member::EXPIRES_IN_MS)?,
        refresh_in_ms: millis(json, member::REFRESH_IN_MS)?,
        session: SessionRef { id: text(&session, member::ID)?, user: text(&session, member::USER)? },
    })
}

/// A problem.
pub(super) fn trouble(json: &JsValue) -> Option<Trouble> {
    Some(Trouble {
        code: text(json, member::CODE)?.parse().ok(),
        detail: text(json, member::DETAIL),
        session: text(json, member::SESSION),
    })
}

/// None where `object` is not one.
fn get(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &JsValue::from_str(name)).ok()
}

fn text(object: &JsValue, name: &str) -> Option<String> {
    get(object, name)?.as_string()
}

/// A whole number that is not negative. Larger ones than JavaScript counts exactly stay large.
fn millis(object: &JsValue, name: &str) -> Option<u64> {
    let number = get(object, name)?.as_f64()?;
    (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
}
