//! How SQLite spells what plans need.

use crate::database::fragment::Dialect;
use crate::model::{Cell, DataType, Value};
use crate::store::literal::standard;
use diesel::QueryResult;
use diesel::query_builder::AstPass;
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text};
use diesel::sqlite::Sqlite;
use std::borrow::Cow;

/// A value as a literal. A text ends at its NUL, and infinity is a number that has no other name.
pub(super) fn literal(cell: Cell<'_>) -> String {
    match cell {
        Cell::Text(text) if text.contains('\0') => format!("CAST({} AS TEXT)", Cell::Bytes(text.as_bytes())),
        Cell::Float(number) if number.is_infinite() => if number > 0.0 { "9e999" } else { "-9e999" }.into(),
        other => standard(other),
    }
}

impl Dialect for Sqlite {
    const SAME: Option<&'static str> = Some(" IS ");
    const CATALOG: &'static str = "";
    const TIME: Option<&'static str> = Some(super::times::TIME);
    const POSITION: &'static str = "instr";
    // Both ignore case.
    const LIKE: (&'static str, &'static str) = (" LIKE ", " LIKE ");
    const BYTEWISE: &'static str = " COLLATE BINARY";
    const BY_OPERATORS: bool = false;
    const NULLS_FIRST: bool = true;
    // Every value can be text as it is.
    const OVERRIDING: &'static str = "";

    const BY_ARRAYS: bool = false;

    fn bind_array<'b>(_: &mut AstPass<'_, 'b, Self>, _: &'b [Option<String>]) -> QueryResult<()> {
        Err(diesel::result::Error::QueryBuilderError("SQLite has no arrays".into()))
    }

    fn type_name(_: &DataType) -> Option<&str> {
        None
    }

    fn is_own(_: &DataType) -> bool {
        true
    }

    fn operator(symbol: &'static str, _: bool) -> Cow<'static, str> {
        Cow::Borrowed(symbol)
    }

    fn is_native(_: &DataType) -> bool {
        true
    }

    fn is_comparable(_: &DataType) -> bool {
        true
    }

    fn has_equality(_: &DataType) -> bool {
        true
    }

    fn spelled(_: &DataType) -> (&'static str, &'static str) {
        ("", "")
    }

    fn is_padded(_: &DataType) -> bool {
        false
    }

    fn bind<'b>(pass: &mut AstPass<'_, 'b, Self>, value: &'b Value, _: &DataType) -> QueryResult<()> {
        match value {
            Value::Null => pass.push_bind_param::<Nullable<Text>, Option<String>>(&None),
            Value::Bool(value) => pass.push_bind_param::<Bool, bool>(value),
            Value::Int(value) => pass.push_bind_param::<BigInt, i64>(value),
            Value::Float(value) => pass.push_bind_param::<Double, f64>(value),
            Value::Text(value) => pass.push_bind_param::<Text, str>(value),
            Value::Bytes(value) => pass.push_bind_param::<Binary, [u8]>(value),
        }
    }
}
