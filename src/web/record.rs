//! Records on their way to JavaScript, all by one path: plain objects of texts, numbers and flags.
//!
//! A derived `Serialize` would make code for each type, and serde-wasm-bindgen would keep a table
//! of their members' names.

use serde::ser::{Serialize, SerializeMap, Serializer};
use wasm_bindgen::JsValue;

/// A member's value.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    /// The member is left out.
    Nothing,
    Text(&'a str),
    Number(f64),
    Flag(bool),
    Record(&'a [(&'static str, Value<'a>)]),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Flag(flag) => serializer.serialize_bool(*flag),
            Self::Record(members) => {
                let mut map = serializer.serialize_map(None)?;
                for (name, value) in members.iter().filter(|(_, value)| !matches!(value, Self::Nothing)) {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// The object.
pub(super) fn object(members: &[(&'static str, Value<'_>)]) -> JsValue {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    // Texts, numbers and flags always encode; were it otherwise, the receiver copes with undefined.
    Value::Record(members).serialize(&serializer).unwrap_or(JsValue::UNDEFINED)
}
