//! Values from Rust's own types, and back.

use super::Value;
use crate::{Error, Result};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};

macro_rules! into_value {
    ($($from:ty => $value:ident: $into:expr),* $(,)?) => {
        $(impl From<$from> for Value { fn from($value: $from) -> Self { $into } })*
    };
}

into_value! {
    bool => v: Self::Bool(v),
    i16 => v: Self::Int(v.into()),
    i32 => v: Self::Int(v.into()),
    i64 => v: Self::Int(v),
    u32 => v: Self::Int(v.into()),
    f32 => v: Self::Float(v.into()),
    f64 => v: Self::Float(v),
    &str => v: Self::Text(v.to_owned()),
    &String => v: Self::Text(v.clone()),
    String => v: Self::Text(v),
    &[u8] => v: Self::Bytes(v.to_owned()),
    Vec<u8> => v: Self::Bytes(v),
    NaiveDateTime => v: Self::Text(v.format("%F %T%.f").to_string()),
    NaiveDate => v: Self::Text(v.to_string()),
    NaiveTime => v: Self::Text(v.format("%T%.f").to_string()),
    &Value => v: v.clone(),
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A Rust type that a [`Value`] can be read as.
#[diagnostic::on_unimplemented(
    message = "a value of a database cannot be read as `{Self}`",
    label = "not a type that values are read as",
    note = "bool, i16, i32, i64, f64, String, Vec<u8>, NaiveDateTime, NaiveDate, NaiveTime, Value and Option of these are"
)]
pub trait FromValue: Sized {
    /// The value as this type.
    ///
    /// # Errors
    /// `Invalid` when it is of another type, or NULL and this is no `Option`.
    fn from_value(value: &Value) -> Result<Self>;
}

fn wrong<T>(value: &Value) -> Error {
    let wanted = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    let given = match value {
        Value::Null => "NULL",
        Value::Bool(_) => "a boolean",
        Value::Int(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Text(_) => "a text",
        Value::Bytes(_) => "bytes",
    };
    let error = Error::invalid(format!("{given} cannot be read as {wanted}"));
    if value.is_null() { error.hint(format!("read it as Option<{wanted}>")) } else { error }
}

macro_rules! from_value {
    ($($into:ty => $value:pat => $get:expr),* $(,)?) => {
        $(impl FromValue for $into {
            fn from_value(value: &Value) -> Result<Self> {
                let found: Option<Self> = match value {
                    $value => $get,
                    _ => None,
                };
                found.ok_or_else(|| wrong::<Self>(value))
            }
        })*
    };
}

from_value! {
    bool => Value::Bool(v) => Some(*v),
    i16 => Value::Int(v) => Self::try_from(*v).ok(),
    i32 => Value::Int(v) => Self::try_from(*v).ok(),
    i64 => Value::Int(v) => Some(*v),
    String => Value::Text(v) => Some(v.clone()),
    Vec<u8> => Value::Bytes(v) => Some(v.clone()),
    NaiveDateTime => Value::Text(v) => Self::parse_from_str(v, "%Y-%m-%d %H:%M:%S%.f").ok(),
    NaiveDate => Value::Text(v) => v.parse().ok(),
    NaiveTime => Value::Text(v) => v.parse().ok(),
}

impl FromValue for f64 {
    fn from_value(value: &Value) -> Result<Self> {
        match value {
            Value::Float(v) => Ok(*v),
            Value::Int(v) => Ok(*v as Self),
            other => Err(wrong::<Self>(other)),
        }
    }
}

impl FromValue for Value {
    fn from_value(value: &Value) -> Result<Self> {
        Ok(value.clone())
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Result<Self> {
        if value.is_null() { Ok(None) } else { T::from_value(value).map(Some) }
    }
}

#[cfg(test)]
mod tests {
    use super::FromValue as _;
    use crate::model::Value;

    #[test]
    fn what_goes_in_comes_out() {
        let time = chrono::NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_milli_opt(10, 3, 0, 500).unwrap();
        assert_eq!(Value::from(time), Value::Text("2026-11-21 10:03:00.500".into()));
        assert_eq!(chrono::NaiveDateTime::from_value(&Value::from(time)).unwrap(), time);
        assert_eq!(Option::<i32>::from_value(&Value::from(None::<i32>)).unwrap(), None);
        assert_eq!(i32::from_value(&Value::from(7)).unwrap(), 7);
        assert_eq!(Vec::<u8>::from_value(&Value::from(vec![0_u8, 255])).unwrap(), [0, 255]);
    }

    #[test]
    fn what_does_not_fit_says_so() {
        let error = i16::from_value(&Value::Int(70_000)).unwrap_err();
        assert_eq!(error.message, "a whole number cannot be read as i16");
        let error = String::from_value(&Value::Null).unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.hints.as_slice()),
            ("NULL cannot be read as String", &["read it as Option<String>".to_owned()][..])
        );
    }
}
