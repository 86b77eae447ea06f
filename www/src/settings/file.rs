//! Settings in a TOML file.

use std::fs;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::{Layer, MASTER_KEY, SettingError, Value, known};

pub(super) fn read(path: &Path) -> Result<Layer, SettingError> {
    let name = path.display().to_string();
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, &name),
        Err(error) => Err(SettingError { place: name, why: format!("cannot be read: {error}") }),
    }
}

pub(super) fn parse(text: &str, file: &str) -> Result<Layer, SettingError> {
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| SettingError {
        place: format!("{file}:{}", line(error.span().map_or(0, |span| span.start))),
        why: error.message().to_owned(),
    })?;
    let mut layer = Layer::new();
    for (key, value) in table.into_inner() {
        let place = format!("{file}:{}: {}", line(key.span().start), key.get_ref());
        let refuse = |why: &str| SettingError { place: place.clone(), why: why.to_owned() };
        if key.get_ref() == MASTER_KEY {
            return Err(refuse(
                "belongs into the environment, as FIFTYTEN_MASTER_KEY, or into a file of its own, \
                               which master_key_file names",
            ));
        }
        let name = known(key.get_ref()).ok_or_else(|| refuse("there is no such setting"))?;
        let texts = match value.get_ref() {
            DeValue::Array(array) => array.iter().map(|item| scalar(item.get_ref())).collect(),
            value => scalar(value).map(|text| vec![text]),
        };
        let texts =
            texts.ok_or_else(|| refuse("takes a text, a number, true or false, or a list of texts"))?;
        layer.insert(name, Value { texts, place });
    }
    Ok(layer)
}

fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}
