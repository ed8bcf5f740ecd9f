//! How PostgreSQL spells what plans need.

use crate::database::fragment::Dialect;
use crate::model::{Cell, DataType, Value};
use crate::store::literal::standard;
use diesel::QueryResult;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sql_types::{Array, BigInt, Binary, Bool, Double, Integer, Nullable, SmallInt, Text};
use std::borrow::Cow;

/// Whether values of a type arrive in a form that `row.rs` reads; others travel as text with a cast.
pub(super) fn is_native(data_type: &DataType) -> bool {
    match data_type {
        DataType::Bool | DataType::Int(_) | DataType::Float | DataType::Text(_) | DataType::Bytes | DataType::Any => {
            true
        }
        DataType::Other(name) => name == "real",
        _ => false,
    }
}

/// Built-in types beyond those of [`DataType`], as `format_type` spells them without their lengths. What somebody made may
/// have operators of its own, which are found by the path.
const OWN: [&str; 22] = [
    "real",
    "money",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "interval",
    "jsonb",
    "xml",
    "oid",
    "bit",
    "bit varying",
    "character",
    "time with time zone",
    "tsvector",
    "tsquery",
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
];

/// The type's name in a cast; none where a bind needs none. Names of other types come from PostgreSQL's own
/// `format_type`, which quotes them.
fn cast(data_type: &DataType) -> Option<&str> {
    Some(match data_type {
        DataType::Timestamp => "pg_catalog.timestamp",
        DataType::TimestampTz => "pg_catalog.timestamptz",
        DataType::Date => "pg_catalog.date",
        DataType::Time => "pg_catalog.time",
        DataType::Numeric => "pg_catalog.numeric",
        DataType::Json => "pg_catalog.json",
        DataType::Uuid => "pg_catalog.uuid",
        DataType::Other(name) | DataType::Opaque(name) => name,
        _ => return None,
    })
}

/// A value's text as an element of a `text[]`, from which a cast makes it again.
pub(super) fn array_text(cell: Cell<'_>) -> Option<String> {
    Some(match cell {
        Cell::Null => return None,
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        // PostgreSQL's spelling; Rust's is `inf`.
        Cell::Float(value) if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.into(),
        Cell::Float(value) => value.to_string(),
        Cell::Text(text) => text.to_owned(),
        Cell::Bytes(bytes) => bytes.iter().fold(String::from("\\x"), |text, byte| text + &format!("{byte:02x}")),
    })
}

/// A value as a literal.
pub(super) fn literal(cell: Cell<'_>) -> String {
    match cell {
        Cell::Bytes(bytes) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'::bytea")
        }
        // A bare -0 is a decimal, which has no sign.
        Cell::Float(number) if !number.is_finite() || (number == 0.0 && number.is_sign_negative()) => {
            format!("'{cell}'::float8")
        }
        other => standard(other),
    }
}

impl Dialect for Pg {
    // `IS NOT DISTINCT FROM` takes whichever `=` the path has.
    const SAME: Option<&'static str> = None;
    const CATALOG: &'static str = "pg_catalog.";
    const TIME: Option<&'static str> = None;
    const POSITION: &'static str = "strpos";
    // The operators that LIKE and ILIKE are.
    const LIKE: (&'static str, &'static str) = (" ~~ ", " ~~* ");
    const BYTEWISE: &'static str = " COLLATE pg_catalog.\"C\"";
    const BY_OPERATORS: bool = true;
    const NULLS_FIRST: bool = false;
    const OVERRIDING: &'static str = " OVERRIDING SYSTEM VALUE";

    const BY_ARRAYS: bool = true;

    fn bind_array<'b>(pass: &mut AstPass<'_, 'b, Self>, values: &'b [Option<String>]) -> QueryResult<()> {
        pass.push_bind_param::<Array<Nullable<Text>>, [Option<String>]>(values)
    }

    fn type_name(data_type: &DataType) -> Option<&str> {
        match data_type {
            DataType::Bool => Some("pg_catalog.bool"),
            DataType::Int(16) => Some("pg_catalog.int2"),
            DataType::Int(32) => Some("pg_catalog.int4"),
            DataType::Int(_) => Some("pg_catalog.int8"),
            DataType::Float => Some("pg_catalog.float8"),
            DataType::Bytes => Some("pg_catalog.bytea"),
            other => cast(other),
        }
    }

    fn is_own(data_type: &DataType) -> bool {
        match data_type {
            DataType::Other(name) => {
                let bare = name.split('(').next().unwrap_or_default().trim_end();
                name.starts_with("pg_catalog.") || (OWN.contains(&bare) && !name.ends_with(']'))
            }
            _ => true,
        }
    }

    fn operator(symbol: &'static str, own: bool) -> Cow<'static, str> {
        if own { Cow::Owned(format!(" {} ", super::own::operator(symbol.trim()))) } else { Cow::Borrowed(symbol) }
    }

    fn is_native(data_type: &DataType) -> bool {
        is_native(data_type)
    }

    fn is_comparable(data_type: &DataType) -> bool {
        match data_type {
            DataType::Json | DataType::Opaque(_) => false,
            DataType::Other(name) => name == "real",
            _ => true,
        }
    }

    fn spelled(data_type: &DataType) -> (&'static str, &'static str) {
        // Two types have a cast to text of their own, which is not what they are shown as.
        match data_type {
            DataType::Other(name) if name == "inet" => ("pg_catalog.textin(pg_catalog.inet_out(", "))"),
            padded if Self::is_padded(padded) => ("pg_catalog.textin(pg_catalog.bpcharout(", "))"),
            _ => ("", "::pg_catalog.text"),
        }
    }

    fn is_padded(data_type: &DataType) -> bool {
        matches!(data_type, DataType::Other(name) if name.starts_with("character") && !name.ends_with(']'))
    }

    fn has_equality(data_type: &DataType) -> bool {
        !matches!(data_type, DataType::Json | DataType::Opaque(_))
    }

    fn bind<'b>(pass: &mut AstPass<'_, 'b, Self>, value: &'b Value, data_type: &DataType) -> QueryResult<()> {
        match (value, data_type) {
            (Value::Null, DataType::Bool) => pass.push_bind_param::<Nullable<Bool>, Option<bool>>(&None)?,
            (Value::Null, DataType::Int(16)) => pass.push_bind_param::<Nullable<SmallInt>, Option<i16>>(&None)?,
            (Value::Null, DataType::Int(32)) => pass.push_bind_param::<Nullable<Integer>, Option<i32>>(&None)?,
            (Value::Null, DataType::Int(_)) => pass.push_bind_param::<Nullable<BigInt>, Option<i64>>(&None)?,
            (Value::Null, DataType::Float) => pass.push_bind_param::<Nullable<Double>, Option<f64>>(&None)?,
            (Value::Null, DataType::Bytes) => pass.push_bind_param::<Nullable<Binary>, Option<Vec<u8>>>(&None)?,
            (Value::Null, _) => pass.push_bind_param::<Nullable<Text>, Option<String>>(&None)?,
            (Value::Bool(value), _) => pass.push_bind_param::<Bool, bool>(value)?,
            // PostgreSQL compares integers of different widths by an index on either.
            (Value::Int(value), _) => pass.push_bind_param::<BigInt, i64>(value)?,
            (Value::Float(value), _) => pass.push_bind_param::<Double, f64>(value)?,
            (Value::Text(value), _) => pass.push_bind_param::<Text, str>(value)?,
            (Value::Bytes(value), _) => pass.push_bind_param::<Binary, [u8]>(value)?,
        }
        if let Some(name) = cast(data_type) {
            pass.push_sql("::");
            pass.push_sql(name);
        }
        Ok(())
    }
}
