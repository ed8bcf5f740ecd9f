//! Spelling names and values so that they read back.

use crate::model::Value;

/// The value as a literal of the language.
#[must_use]
pub fn quote_value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        other => other.to_string(),
    }
}

/// The name as it must be typed: in backticks unless it is a plain word.
#[must_use]
pub fn quote_name(name: &str) -> String {
    let plain = name.bytes().all(super::lexer::is_word_byte) && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}
