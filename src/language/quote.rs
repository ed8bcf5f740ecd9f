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
