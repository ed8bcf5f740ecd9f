//! Spelling names and values so that they read back.

use crate::model::{Column, Entity, MASK, Value};

/// The value as a literal of the language.
#[must_use]
pub fn quote_value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// The value of a column as a literal, where it may be seen.
#[must_use]
pub fn quote_shown(column: &Column, value: &Value) -> String {
    if column.is_hidden() && !value.is_null() { MASK.into() } else { quote_value(value) }
}

/// The values of a key as literals, where they may be seen: `7`, `'a', 2`.
#[must_use]
pub fn quote_key(entity: &Entity, key: &[Value]) -> String {
    let parts: Vec<String> =
        entity.key.iter().zip(key).map(|(at, value)| quote_shown(&entity.columns[*at], value)).collect();
    parts.join(", ")
}

/// The name as it must be typed: in backticks unless it is a plain word.
#[must_use]
pub fn quote_name(name: &str) -> String {
    let plain = name.bytes().all(super::lexer::is_word_byte) && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}
