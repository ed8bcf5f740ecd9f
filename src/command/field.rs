//! A value of a file, before the column that it goes to says what it is.

use crate::model::{DataType, Value, untyped};
use serde_json::value::RawValue;

/// What stands in one field of a row.
#[derive(Debug, Clone)]
pub enum Field {
    /// Nothing: no text between commas, `\N`, a JSON null.
    Null,
    /// A text, and whether it stood in quotes.
    Text(String, bool),
    /// A JSON value as it is spelled.
    Json(Box<RawValue>),
}

impl Field {
    /// The value for a column of this type, as far as the file tells it; the column's own check does the rest.
    #[must_use]
    pub fn value(self, data_type: &DataType) -> Value {
        match self {
            Self::Null => Value::Null,
            // Files that quote everything have "" where nothing is; only texts and their like can be empty.
            Self::Text(text, _) if text.is_empty() && !may_be_empty(data_type) => Value::Null,
            Self::Text(text, false) if *data_type == DataType::Any => untyped(&text),
            Self::Text(text, _) => Value::Text(text),
            Self::Json(json) => from_json(json.get(), data_type),
        }
    }

    /// The text by which a record is named, if there is one.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        match self.clone().value(&DataType::Text(None)) {
            Value::Null => None,
            value => Some(value.to_string()),
        }
    }
}

fn may_be_empty(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Text(_) | DataType::Any | DataType::Bytes | DataType::Other(_) | DataType::Opaque(_))
}

fn from_json(spelled: &str, data_type: &DataType) -> Value {
    let is_json = match data_type {
        DataType::Json => true,
        DataType::Other(name) => name == "jsonb",
        _ => false,
    };
    match spelled.as_bytes().first() {
        _ if spelled == "null" => Value::Null,
        _ if is_json => Value::Text(spelled.to_owned()),
        Some(b'"') => {
            let text: String = serde_json::from_str(spelled).unwrap_or_default();
            match untyped(&text) {
                bytes @ Value::Bytes(_) if *data_type == DataType::Any => bytes,
                _ => Value::Text(text),
            }
        }
        Some(b't' | b'f') => Value::Bool(spelled == "true"),
        // A number by its own spelling, so that a decimal keeps its digits.
        Some(b'-' | b'0'..=b'9') => match untyped(spelled) {
            number @ Value::Int(_) => number,
            _ if matches!(data_type, DataType::Any | DataType::Float) => {
                spelled.parse().map_or_else(|_| Value::Text(spelled.to_owned()), Value::Float)
            }
            _ => Value::Text(spelled.to_owned()),
        },
        _ => Value::Text(spelled.to_owned()),
    }
}
