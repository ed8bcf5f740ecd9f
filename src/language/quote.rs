//! Spelling names and values so that they read back.

use crate::model::{Column, MASK, Value};
use std::borrow::Cow;

/// The value as a literal of the language.
#[must_use]
pub fn quote_value(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Text(text) => quote_text(text),
        other => other.to_string(),
    }
}

/// The value of a column as a literal, where it may be seen.
#[must_use]
pub fn quote_shown(column: &Column, value: &Value) -> String {
    if column.is_hidden() && !value.is_null() { MASK.into() } else { quote_value(value) }
}

/// The name as it must be typed: in backticks unless it is a plain word.
#[must_use]
pub fn quote_name(name: &str) -> String {
    let plain = name.bytes().all(super::lexer::is_word_byte) && !name.starts_with(|c: char| c.is_ascii_digit());
    if plain && !name.is_empty() { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

/// The text as a value, without quotes where a bare word reads back as the same text.
#[must_use]
pub fn quote_word(text: &str) -> Cow<'_, str> {
    // Words that mean something of their own where a value may stand.
    const TAKEN: [&str; 13] =
        ["null", "true", "false", "now", "today", "where", "with", "show", "order", "limit", "offset", "format", "by"];
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'@' | b'.' | b'-' | b'/' | b':') || b >= 0x80;
    let bare = !text.is_empty()
        && text.bytes().all(plain)
        && !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '$' | '/' | ':' | '@'))
        && !TAKEN.iter().any(|word| word.eq_ignore_ascii_case(text));
    if bare { Cow::Borrowed(text) } else { Cow::Owned(quote_text(text)) }
}

fn quote_text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
