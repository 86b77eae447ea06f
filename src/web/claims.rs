//! The claims of a token, read by the browser's own JSON parser.
//!
//! Reading is not checking: the server checks signatures. What stands here is for display.

use wasm_bindgen::JsValue;

/// The payload of a JWS in compact form (RFC 7515 section 7.1); undefined if it is not one.
pub(super) fn read(token: &str) -> JsValue {
    token
        .split('.')
        .nth(1)
        .and_then(decode)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|json| js_sys::JSON::parse(&json).ok())
        .unwrap_or(JsValue::UNDEFINED)
}

/// Base64url without padding (RFC 4648 section 5).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let mut buffer = 0_u32;
    let mut bits = 0;
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
        }
    }
    Some(bytes)
}
