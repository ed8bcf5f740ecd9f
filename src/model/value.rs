//! Values and the types of columns.

use crate::{Error, Result};

/// A value on its way to or from a database.
///
/// Dates, times, decimals, uuids and all types without a variant of their own travel as text in the database's own
/// spelling; the column's [`DataType`] says how that text is checked and bound.
#[derive(Debug, Clone)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double precision number.
    Float(f64),
    /// Text, or any type that travels as text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// A value borrowed from the database while a row is being read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL.
    Null,
    /// A boolean.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double precision number.
    Float(f64),
    /// Text, or any type that travels as text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// Whether one may stand for the other: unlike as numbers, `NaN` is itself, and -0 is not 0.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(one), Self::Bool(two)) => one == two,
            (Self::Int(one), Self::Int(two)) => one == two,
            (Self::Float(one), Self::Float(two)) => one.total_cmp(two).is_eq() || (one.is_nan() && two.is_nan()),
            (Self::Text(one), Self::Text(two)) => one == two,
            (Self::Bytes(one), Self::Bytes(two)) => one == two,
            _ => false,
        }
    }
}

impl Value {
    /// The value, borrowed.
    #[must_use]
    pub fn as_cell(&self) -> Cell<'_> {
        match self {
            Self::Null => Cell::Null,
            Self::Bool(v) => Cell::Bool(*v),
            Self::Int(v) => Cell::Int(*v),
            Self::Float(v) => Cell::Float(*v),
            Self::Text(v) => Cell::Text(v),
            Self::Bytes(v) => Cell::Bytes(v),
        }
    }

    /// Whether this is SQL NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value's number, if it is a whole one.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The value's text, if it is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Cell<'_> {
    /// An owned copy.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(v) => Value::Bool(v),
            Self::Int(v) => Value::Int(v),
            Self::Float(v) => Value::Float(v),
            Self::Text(v) => Value::Text(v.to_owned()),
            Self::Bytes(v) => Value::Bytes(v.to_owned()),
        }
    }
}

/// The plain spelling that csv, list and repr use: NULL is empty, bytes are `x'00ff'`.
impl std::fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Bool(v) => write!(f, "{v}"),
            Self::Int(v) => write!(f, "{v}"),
            Self::Float(v) if v.is_infinite() => f.write_str(if *v > 0.0 { "Infinity" } else { "-Infinity" }),
            // The shortest that reads back, with a point or an exponent.
            Self::Float(v) => write!(f, "{v:?}"),
            Self::Text(v) => f.write_str(v),
            Self::Bytes(bytes) => {
                f.write_str("x'")?;
                for byte in *bytes {
                    write!(f, "{byte:02x}")?;
                }
                f.write_str("'")
            }
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_cell().fmt(f)
    }
}

/// The type of a column, as far as the shell needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataType {
    /// True or false.
    Bool,
    /// A signed integer of this many bits.
    Int(u8),
    /// A binary floating point number.
    Float,
    /// An exact decimal; travels as text.
    Numeric,
    /// Text with an optional limit in characters.
    Text(Option<u32>),
    /// Bytes.
    Bytes,
    /// A date and time without a zone; `YYYY-MM-DD HH:MM:SS[.ffffff]`.
    Timestamp,
    /// A date and time with a zone.
    TimestampTz,
    /// A date; `YYYY-MM-DD`.
    Date,
    /// A time of day; `HH:MM:SS[.ffffff]`.
    Time,
    /// JSON text.
    Json,
    /// A UUID; travels as text.
    Uuid,
    /// Any other type by its SQL name; travels as text with a cast.
    Other(String),
    /// A type by its SQL name whose values the database has no order for, such as `point` or `xml`; travels as text, and
    /// is equal where its text is.
    Opaque(String),
    /// A column that declares no type (SQLite) or an expression of unknown type: a value keeps the type it has.
    Any,
}

/// Types whose values can be compared with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Numbers of any kind.
    Number,
    /// Text, and whatever travels as text.
    Text,
    /// True and false.
    Bool,
    /// Bytes.
    Bytes,
    /// Points in time.
    Moment,
    /// Times of day.
    Time,
    /// Of any kind.
    Any,
}

impl DataType {
    /// The type's name in the words of the shell: `text(64)`, `int`, `timestamp`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Bool => "bool".into(),
            Self::Int(64) => "bigint".into(),
            Self::Int(16) => "smallint".into(),
            Self::Int(_) => "int".into(),
            Self::Float => "float".into(),
            Self::Numeric => "numeric".into(),
            Self::Text(None) => "text".into(),
            Self::Text(Some(limit)) => format!("text({limit})"),
            Self::Bytes => "bytes".into(),
            Self::Timestamp => "timestamp".into(),
            Self::TimestampTz => "timestamptz".into(),
            Self::Date => "date".into(),
            Self::Time => "time".into(),
            Self::Json => "json".into(),
            Self::Uuid => "uuid".into(),
            Self::Other(name) | Self::Opaque(name) => name.clone(),
            Self::Any => "any".into(),
        }
    }

    /// Whether values of this type are numbers, and so aligned to the right.
    #[must_use]
    pub fn is_number(&self) -> bool {
        match self {
            Self::Int(_) | Self::Float | Self::Numeric => true,
            Self::Other(name) => name == "real",
            _ => false,
        }
    }

    /// The sort of its values; those of one sort can be compared.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            _ if self.is_number() => Family::Number,
            Self::Bool => Family::Bool,
            Self::Bytes => Family::Bytes,
            Self::Timestamp | Self::TimestampTz | Self::Date => Family::Moment,
            Self::Time => Family::Time,
            Self::Any => Family::Any,
            _ => Family::Text,
        }
    }

    /// Whether no text but a spelling of a number, a truth value or bytes is a value of this type.
    #[must_use]
    pub fn is_wordless(&self) -> bool {
        self.is_number() || matches!(self, Self::Bool | Self::Bytes)
    }

    /// The value, fitted to this type: `'12'` becomes 12 for an integer, a date becomes a timestamp at midnight.
    ///
    /// # Errors
    /// Says what the type wants and what it was given. Lengths are not checked here: see
    /// [`Column::check`](crate::model::Column::check).
    pub fn fit(&self, value: Value) -> Result<Value> {
        let fitted = match (self, value) {
            (_, Value::Null) => Some(Value::Null),
            (Self::Any, value) => Some(value),
            (Self::Bool, value) => as_bool(value),
            (Self::Int(bits), value) => return as_int(*bits, value),
            (Self::Float, Value::Int(v)) => Some(Value::Float(v as f64)),
            (Self::Float, Value::Float(v)) => Some(Value::Float(v)),
            (Self::Float, Value::Text(text)) => text.trim().parse().ok().map(Value::Float),
            (Self::Other(name), value) if name == "real" => return Self::Float.fit(value),
            (Self::Bytes, Value::Bytes(v)) => Some(Value::Bytes(v)),
            (Self::Bytes, Value::Text(v)) => Some(Value::Bytes(bytes(&v).unwrap_or_else(|| v.into_bytes()))),
            (Self::Timestamp, Value::Text(text)) => timestamp(&text).map(Value::Text),
            (Self::Date, Value::Text(text)) => date(&text).map(Value::Text),
            (Self::Time, Value::Text(text)) => time(&text).map(Value::Text),
            (Self::Timestamp, value @ (Value::Int(_) | Value::Float(_))) => {
                timestamp(&value.to_string()).map(Value::Text)
            }
            (Self::Date, value @ (Value::Int(_) | Value::Float(_))) => date(&value.to_string()).map(Value::Text),
            (Self::Timestamp | Self::Date | Self::Time, _) => None,
            (Self::Numeric, value @ (Value::Int(_) | Value::Float(_))) => Some(value),
            (Self::Numeric, Value::Text(text)) => is_decimal(text.trim()).then(|| Value::Text(text.trim().to_owned())),
            (Self::Numeric, _) => None,
            (_, Value::Bytes(_)) => None,
            (_, Value::Text(text)) => Some(Value::Text(text)),
            (_, other) => Some(Value::Text(other.to_string())),
        };
        fitted
            .ok_or_else(|| Error::invalid(format!("that is not a value of type {}", self.name())).hint(self.example()))
    }

    fn example(&self) -> String {
        match self {
            Self::Bool => "write true or false".into(),
            Self::Int(_) => "write a whole number, such as 12".into(),
            Self::Float | Self::Numeric => "write a number, such as 1.5".into(),
            Self::Timestamp => "write it as '2026-11-21 10:03', or now".into(),
            Self::Date => "write it as '2026-11-21', or today".into(),
            Self::Time => "write it as '10:03'".into(),
            Self::Bytes => "write it as x'00ff'".into(),
            _ => "write it as text".into(),
        }
    }
}

/// What a text is where no type says it: a whole number, another number, bytes, or a text.
#[must_use]
pub fn untyped(text: &str) -> Value {
    if let Some(bytes) = bytes(text) {
        return Value::Bytes(bytes);
    }
    let digit = text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit());
    let number = || text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Float)).ok();
    let found = (digit || matches!(text, "Infinity" | "-Infinity")).then(number).flatten();
    // A spelling that the number would not have is that of a text: 007, 1.50, a number of too many digits.
    found.filter(|number| number.to_string() == text).unwrap_or_else(|| Value::Text(text.to_owned()))
}

/// Bytes as the shell or PostgreSQL spells them: `x'00ff'`, `\\x00ff`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let hex = text.strip_prefix("\\x").or_else(|| text.strip_prefix("x'").and_then(|rest| rest.strip_suffix('\'')))?;
    if hex.len() % 2 != 0 || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok()).collect()
}

/// A decimal as SQL spells it, or one of PostgreSQL's special values.
fn is_decimal(text: &str) -> bool {
    let special = ["nan", "infinity", "-infinity"].iter().any(|word| word.eq_ignore_ascii_case(text));
    // Whatever a double makes of it: a decimal may have a thousand digits.
    special || (text.bytes().any(|b| b.is_ascii_digit()) && text.parse::<f64>().is_ok())
}

fn as_bool(value: Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value),
        Value::Int(0) => Some(Value::Bool(false)),
        Value::Int(1) => Some(Value::Bool(true)),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "on" => Some(Value::Bool(true)),
            "false" | "f" | "no" | "off" => Some(Value::Bool(false)),
            _ => None,
        },
        _ => None,
    }
}

fn as_int(bits: u8, value: Value) -> Result<Value> {
    let parsed = match &value {
        Value::Int(v) => Some(*v),
        Value::Bool(v) => Some(i64::from(*v)),
        Value::Float(v) if v.fract() == 0.0 && v.abs() < 9.0e15 => Some(*v as i64),
        Value::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(number) = parsed else {
        let wanted = DataType::Int(bits);
        return Err(Error::invalid(format!("that is not a value of type {}", wanted.name())).hint(wanted.example()));
    };
    let fits = match bits {
        16 => i16::try_from(number).is_ok(),
        32 => i32::try_from(number).is_ok(),
        _ => true,
    };
    if fits { Ok(Value::Int(number)) } else { Err(Error::invalid(format!("{number} does not fit in {bits} bits"))) }
}

/// A time to the microsecond in the spelling that [`DataType::fit`] gives timestamps. By hand: each new record may have one,
/// and a general formatter takes longer than all the rest of it.
#[must_use]
pub fn timestamp_text(time: chrono::NaiveDateTime) -> String {
    use chrono::{Datelike as _, Timelike as _};
    let (year, micros) = (time.year(), time.nanosecond() % 1_000_000_000 / 1_000);
    if !(0..=9_999).contains(&year) {
        return time.format("%F %T%.6f").to_string();
    }
    let mut text = String::with_capacity(26);
    let mut put = |number: u32, digits: u32, before: &str| {
        text.push_str(before);
        for digit in (0..digits).rev() {
            text.push(char::from(b'0' + (number / 10_u32.pow(digit) % 10) as u8));
        }
    };
    put(year as u32, 4, "");
    put(time.month(), 2, "-");
    put(time.day(), 2, "-");
    put(time.hour(), 2, " ");
    put(time.minute(), 2, ":");
    put(time.second(), 2, ":");
    match micros {
        0 => {}
        micros if micros % 1_000 == 0 => put(micros / 1_000, 3, "."),
        micros => put(micros, 6, "."),
    }
    text
}

/// The spelling Diesel's SQLite backend writes (`%F %T%.f`), which sorts as time does.
fn timestamp(text: &str) -> Option<String> {
    use chrono::{NaiveDate, NaiveDateTime};
    let text = text.trim();
    let plain = text.strip_suffix('Z').unwrap_or(text);
    for format in ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"] {
        if let Ok(parsed) = NaiveDateTime::parse_from_str(plain, format) {
            return Some(parsed.format("%F %T%.f").to_string());
        }
    }
    if let Ok(zoned) = chrono::DateTime::parse_from_rfc3339(text) {
        return Some(zoned.naive_utc().format("%F %T%.f").to_string());
    }
    if let Ok(day) = NaiveDate::parse_from_str(plain, "%Y-%m-%d") {
        return Some(day.and_hms_opt(0, 0, 0)?.format("%F %T%.f").to_string());
    }
    let counted = super::time::of_digits(text).map(|time| time.format("%F %T%.f").to_string());
    counted.or_else(|| special_time(text))
}

/// A time as only PostgreSQL has it, which reads it itself: infinity, years before 1 or after 9999, midnight at the end of a
/// day. <https://www.postgresql.org/docs/current/datatype-datetime.html>
fn special_time(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let year = lower.bytes().take_while(u8::is_ascii_digit).count();
    let special = matches!(lower.as_str(), "infinity" | "-infinity")
        || (year >= 4 && lower.as_bytes().get(year) == Some(&b'-') && (year > 4 || lower.ends_with(" bc")))
        || (year == 4 && lower.contains(" 24:00"));
    special.then(|| text.to_owned())
}

fn date(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(day) = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.to_string());
    }
    // A time's day, or what PostgreSQL alone has for one.
    timestamp(text).map(|time| match time.strip_suffix(" 00:00:00") {
        Some(day) => day.to_owned(),
        None if special_time(&time).is_some() => time,
        None => time[..10].to_owned(),
    })
}

fn time(text: &str) -> Option<String> {
    if matches!(text.trim(), "24:00" | "24:00:00") {
        return Some("24:00:00".into());
    }
    ["%H:%M:%S%.f", "%H:%M"]
        .iter()
        .find_map(|format| chrono::NaiveTime::parse_from_str(text.trim(), format).ok())
        .map(|time| time.format("%T%.f").to_string())
}

#[cfg(test)]
mod tests {
    use super::{DataType, Value, timestamp_text};

    #[test]
    fn text_is_fitted_to_the_type() {
        assert_eq!(DataType::Int(32).fit(Value::Text("12".into())).unwrap(), Value::Int(12));
        assert_eq!(DataType::Text(None).fit(Value::Int(12)).unwrap(), Value::Text("12".into()));
        assert!(DataType::Int(32).fit(Value::Text("twelve".into())).is_err());
        assert!(DataType::Int(16).fit(Value::Int(40_000)).is_err());
    }

    #[test]
    fn numbers_are_the_same_where_one_may_stand_for_the_other() {
        assert_eq!(Value::Float(f64::NAN), Value::Float(-f64::NAN));
        assert_ne!(Value::Float(0.0), Value::Float(-0.0));
        assert_eq!(Value::Float(1.5), Value::Float(1.5));
        assert_eq!(DataType::Other("real".into()).fit(Value::Text("1.5".into())).unwrap(), Value::Float(1.5));
    }

    #[test]
    fn a_decimal_may_be_longer_than_a_double() {
        let long = Value::Text("1".repeat(1_000));
        assert_eq!(DataType::Numeric.fit(long.clone()).unwrap(), long);
        assert!(DataType::Numeric.fit(Value::Text("1x".into())).is_err());
    }

    #[test]
    fn a_time_is_spelled_as_a_timestamp_is_fitted() {
        for micros in [0, 1, 120_000, 120_010, 999_999, 500] {
            let time =
                chrono::NaiveDate::from_ymd_opt(2026, 1, 9).unwrap().and_hms_micro_opt(0, 7, 59, micros).unwrap();
            let text = timestamp_text(time);
            assert_eq!(text, time.format("%F %T%.f").to_string());
            assert_eq!(DataType::Timestamp.fit(Value::Text(text.clone())).unwrap(), Value::Text(text));
        }
    }

    #[test]
    fn timestamps_take_the_spelling_that_sorts() {
        for text in ["2026-11-21 10:03", "2026-11-21T10:03:00", "2026-11-21T10:03:00Z", "2026-11-21T12:03:00+02:00"] {
            assert_eq!(
                DataType::Timestamp.fit(Value::Text(text.into())).unwrap(),
                Value::Text("2026-11-21 10:03:00".into())
            );
        }
        assert!(DataType::Timestamp.fit(Value::Text("yesterday-ish".into())).is_err());
    }
}
