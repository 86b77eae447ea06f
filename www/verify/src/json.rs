//! JSON as a token may contain it: one object, no member named twice, not nested deeply.
//!
//! Parsers disagree about which of two members of the same name counts, so a document with a
//! duplicate can mean one thing to the issuer and another to us. RFC 7515 section 4 and RFC 7519
//! section 4 let a verifier refuse it, and this one does, at any depth. Names are compared after
//! their escapes are resolved: `"\u0065xp"` is `"exp"`.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Levels of objects and arrays, the outermost included. Far more than claims need.
const MAX_DEPTH: u8 = 16;

/// Whether `bytes` are one JSON object as described above. Nothing is kept of it.
pub(crate) fn is_strict_object(bytes: &[u8]) -> bool {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    json.deserialize_map(StrictVisitor { depth: MAX_DEPTH }).is_ok() && json.end().is_ok()
}

/// A value nested in the object, with the number of levels that are left for it.
struct Strict {
    depth: u8,
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(StrictVisitor { depth: self.depth })
    }
}

struct StrictVisitor {
    depth: u8,
}

impl StrictVisitor {
    fn inner<E: Error>(&self) -> Result<u8, E> {
        self.depth.checked_sub(1).ok_or_else(|| E::custom("nested too deeply"))
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without duplicate members")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.inner()?;
        let mut names = BTreeSet::new();
        while let Some(Text(name)) = map.next_key()? {
            if !names.insert(name) {
                return Err(A::Error::custom("duplicate member"));
            }
            map.next_value_seed(Strict { depth })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.inner()?;
        while seq.next_element_seed(Strict { depth })?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A string: borrowed from the document unless it has escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// Notes that a member was there, whatever its value, `null` included.
#[derive(Default)]
pub(crate) struct Present(pub(crate) bool);

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

/// About how many bytes the members of a JSON object take, which a map keeps in nodes that are half full
/// at worst.
pub(crate) fn bytes(object: &Map<String, Value>) -> usize {
    let member =
        |(name, value): (&String, &Value)| 2 * (size_of::<(String, Value)>()) + name.len() + within(value);
    object.iter().map(member).sum()
}

/// About how many bytes a JSON value takes besides its own place.
fn within(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| 2 * size_of::<Value>() + within(value)).sum(),
        Value::Object(object) => bytes(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_without_duplicates_passes() {
        for good in [r"{}", r#" {"a":1,"b":[{"a":-1.5e3},{"a":null}],"c":{"a":"\u0061"}} "#] {
            assert!(is_strict_object(good.as_bytes()), "{good}");
        }
    }

    #[test]
    fn duplicates_are_found_at_any_depth_and_in_any_spelling() {
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":1}"#,
            r#"{"x":{"a":1,"b":2,"a":3}}"#,
            r#"{"x":[[{"a":1,"\u0061":3}]]}"#,
        ] {
            assert!(!is_strict_object(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn anything_but_one_object_is_refused() {
        for bad in
            ["", "null", "1", "[]", "\"a\"", "{} {}", "{},", "{", "{\"a\":NaN}", "{\"a\":1e999}", "{a:1}"]
        {
            assert!(!is_strict_object(bad.as_bytes()), "{bad}");
        }
        assert!(!is_strict_object(b"{\"a\":\"\xff\"}"), "not UTF-8");
    }

    #[test]
    fn sixteen_levels_pass_and_seventeen_do_not() {
        let nested =
            |levels: usize| format!("{{\"a\":{}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(is_strict_object(nested(16).as_bytes()));
        assert!(!is_strict_object(nested(17).as_bytes()));
        assert!(!is_strict_object(nested(4_000).as_bytes()));
    }
}
