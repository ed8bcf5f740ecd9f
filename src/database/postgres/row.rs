//! Rows as PostgreSQL sends them: binary, by the type of each column.

use crate::Result;
use crate::model::Cell;
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use diesel::QueryResult;
use diesel::deserialize::FromSql;
use diesel::pg::data_types::{PgInterval, PgNumeric};
use diesel::pg::{Pg, PgValue};
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::row::{Field, Row};
use diesel::sql_types as sql;
use diesel::sql_types::Untyped;
use std::fmt::Write as _;

/// Object identifiers of built-in types: PostgreSQL's `src/include/catalog/pg_type.dat`.
mod oid {
    pub const BOOL: u32 = 16;
    pub const BYTEA: u32 = 17;
    pub const CHAR: u32 = 18;
    pub const INT8: u32 = 20;
    pub const INT2: u32 = 21;
    pub const INT4: u32 = 23;
    pub const OID: u32 = 26;
    pub const FLOAT4: u32 = 700;
    pub const FLOAT8: u32 = 701;
    pub const DATE: u32 = 1082;
    pub const TIME: u32 = 1083;
    pub const TIMESTAMP: u32 = 1114;
    pub const TIMESTAMPTZ: u32 = 1184;
    pub const INTERVAL: u32 = 1186;
    pub const NUMERIC: u32 = 1700;
    pub const UUID: u32 = 2950;
    pub const VOID: u32 = 2278;
    pub const JSONB: u32 = 3802;
    /// Types whose binary form is their text: text, varchar, bpchar, name, json, xml, unknown.
    pub const TEXTS: [u32; 7] = [25, 1043, 1042, 19, 114, 142, 705];
}

/// How many cells are lent from the stack; wider rows are lent from the heap.
const STACK: usize = 24;

#[derive(Clone, Copy)]
enum Slot {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(usize, usize),
    Bytes(usize, usize),
}

/// One row's values, in buffers that are used again for the next row.
#[derive(Default)]
pub struct RowBuffer {
    text: String,
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    /// How many values a row must have at least.
    least: usize,
    /// How many the first row had.
    width: Option<usize>,
}

impl RowBuffer {
    /// For rows of at least as many values.
    pub fn of(least: usize) -> Self {
        Self { least, ..Self::default() }
    }

    /// Takes over the next row, and lends it.
    ///
    /// # Errors
    /// The database's own, and rows of another width than they must have: a server may answer anything.
    pub fn next<'r, R: Row<'r, Pg>>(
        &mut self,
        rows: &mut impl Iterator<Item = QueryResult<R>>,
    ) -> QueryResult<Option<R>> {
        let row = rows.next().transpose()?;
        if let Some(row) = &row {
            self.read(row);
            let found = self.slots.len();
            if found < self.least || self.width.is_some_and(|width| width != found) {
                let asked = self.width.unwrap_or(self.least);
                let told = format!("the server answered {found} columns where {asked} were asked for");
                return Err(diesel::result::Error::DeserializationError(told.into()));
            }
            self.width = Some(found);
        }
        Ok(row)
    }

    /// Takes over one row.
    fn read<'r>(&mut self, row: &impl Row<'r, Pg>) {
        self.text.clear();
        self.bytes.clear();
        self.slots.clear();
        for index in 0..row.field_count() {
            let slot = match row.get(index).as_ref().and_then(Field::value) {
                None => Slot::Null,
                Some(value) => self.slot(&value),
            };
            self.slots.push(slot);
        }
    }

    fn slot(&mut self, value: &PgValue<'_>) -> Slot {
        let raw = value.as_bytes();
        let oid = value.get_oid().get();
        let start = self.text.len();
        match oid {
            oid::BOOL => return Slot::Bool(raw.first() == Some(&1)),
            oid::INT2 | oid::INT4 | oid::INT8 | oid::OID => {
                let negative = oid != oid::OID && raw.first().is_some_and(|byte| byte & 0x80 != 0);
                let number = raw.iter().fold(if negative { -1_i64 } else { 0 }, |n, byte| (n << 8) | i64::from(*byte));
                return Slot::Int(number);
            }
            oid::FLOAT4 => {
                if let Ok(bytes) = raw.try_into() {
                    // By way of its own shortest spelling: 1.1 stays 1.1.
                    let narrow = f32::from_be_bytes(bytes);
                    return Slot::Float(narrow.to_string().parse().unwrap_or_else(|_| f64::from(narrow)));
                }
            }
            oid::FLOAT8 => {
                if let Ok(bytes) = raw.try_into() {
                    return Slot::Float(f64::from_be_bytes(bytes));
                }
            }
            oid::BYTEA => {
                let start = self.bytes.len();
                self.bytes.extend_from_slice(raw);
                return Slot::Bytes(start, self.bytes.len());
            }
            oid::VOID => {}
            oid::JSONB => self.push(raw.get(1..).unwrap_or_default()),
            oid::CHAR => self.push(raw),
            oid if oid::TEXTS.contains(&oid) => self.push(raw),
            _ if self.by_library(oid, value).is_some() => {}
            // Nothing that the built-in types have: the bytes as they came, as PostgreSQL spells bytes.
            _ => {
                self.text.truncate(start);
                self.text.push_str("\\x");
                for byte in raw {
                    let _ = write!(self.text, "{byte:02x}");
                }
            }
        }
        Slot::Text(start, self.text.len())
    }

    fn push(&mut self, raw: &[u8]) {
        match std::str::from_utf8(raw) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.text.push_str(&String::from_utf8_lossy(raw)),
        }
    }

    /// Types that Diesel knows how to read.
    fn by_library(&mut self, oid: u32, value: &PgValue<'_>) -> Option<()> {
        let again = || *value;
        let out = &mut self.text;
        let written = match oid {
            oid::DATE => write!(out, "{}", <NaiveDate as FromSql<sql::Date, Pg>>::from_sql(again()).ok()?),
            oid::TIME => {
                write!(out, "{}", <NaiveTime as FromSql<sql::Time, Pg>>::from_sql(again()).ok()?.format("%T%.f"))
            }
            oid::TIMESTAMP => {
                let time = <NaiveDateTime as FromSql<sql::Timestamp, Pg>>::from_sql(again()).ok()?;
                write!(out, "{}", time.format("%F %T%.f"))
            }
            oid::TIMESTAMPTZ => {
                let time = <NaiveDateTime as FromSql<sql::Timestamptz, Pg>>::from_sql(again()).ok()?;
                write!(out, "{}+00", time.format("%F %T%.f"))
            }
            oid::INTERVAL => {
                let span = <PgInterval as FromSql<sql::Interval, Pg>>::from_sql(again()).ok()?;
                write!(out, "{}", interval(&span))
            }
            oid::NUMERIC => {
                let number = <PgNumeric as FromSql<sql::Numeric, Pg>>::from_sql(again()).ok()?;
                write!(out, "{}", numeric(&number))
            }
            oid::UUID => {
                let hex: String = value.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
                let part = |from, to| hex.get(from..to).unwrap_or_default();
                write!(out, "{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
            }
            _ => return None,
        };
        written.ok()
    }

    /// Lends the row's cells.
    pub fn with_cells<T>(&self, lend: impl FnOnce(&[Cell<'_>]) -> Result<T>) -> Result<T> {
        let cell = |slot: &Slot| match *slot {
            Slot::Null => Cell::Null,
            Slot::Bool(v) => Cell::Bool(v),
            Slot::Int(v) => Cell::Int(v),
            Slot::Float(v) => Cell::Float(v),
            Slot::Text(start, end) => Cell::Text(&self.text[start..end]),
            Slot::Bytes(start, end) => Cell::Bytes(&self.bytes[start..end]),
        };
        if self.slots.len() <= STACK {
            let mut cells = [Cell::Null; STACK];
            for (to, slot) in cells.iter_mut().zip(&self.slots) {
                *to = cell(slot);
            }
            return lend(&cells[..self.slots.len()]);
        }
        let cells: Vec<Cell<'_>> = self.slots.iter().map(cell).collect();
        lend(&cells)
    }
}

/// `1 mon 2 days 03:04:05.6`, as PostgreSQL's own style has it.
fn interval(span: &PgInterval) -> String {
    let mut parts = Vec::new();
    let mut part = |number: i32, one: &str, many: &str| {
        if number != 0 {
            parts.push(format!("{number} {}", if number == 1 { one } else { many }));
        }
    };
    part(span.months / 12, "year", "years");
    part(span.months % 12, "mon", "mons");
    part(span.days, "day", "days");
    let micros = span.microseconds.unsigned_abs();
    if micros != 0 || parts.is_empty() {
        let sign = if span.microseconds < 0 { "-" } else { "" };
        let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
        let mut time = format!("{sign}{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
        if fraction != 0 {
            time.push_str(format!(".{fraction:06}").trim_end_matches('0'));
        }
        parts.push(time);
    }
    parts.join(" ")
}

/// A decimal from its digits in base 10,000, the first of which counts 10,000 to the power of the weight.
fn numeric(number: &PgNumeric) -> String {
    let (sign, weight, scale, digits) = match number {
        PgNumeric::NaN => return "NaN".into(),
        PgNumeric::Positive { weight, scale, digits } => ("", *weight, usize::from(*scale), digits),
        PgNumeric::Negative { weight, scale, digits } => ("-", *weight, usize::from(*scale), digits),
    };
    let digit = |position: i32| usize::try_from(position).ok().and_then(|at| digits.get(at)).copied().unwrap_or(0);
    let mut whole = String::new();
    for position in 0..=i32::from(weight).max(-1) {
        let _ = write!(whole, "{:04}", digit(position));
    }
    let whole = whole.trim_start_matches('0');
    let mut fraction = String::new();
    let mut position = i32::from(weight) + 1;
    while fraction.len() < scale {
        let _ = write!(fraction, "{:04}", digit(position));
        position += 1;
    }
    fraction.truncate(scale);
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{}{point}{fraction}", if whole.is_empty() { "0" } else { whole })
}

/// Whether every column of a row has a type that is read here; others are shown as bytes.
pub fn is_readable<'r>(row: &impl Row<'r, Pg>) -> bool {
    const READ: [u32; 16] = [
        oid::BOOL,
        oid::BYTEA,
        oid::CHAR,
        oid::INT8,
        oid::INT2,
        oid::INT4,
        oid::OID,
        oid::FLOAT4,
        oid::FLOAT8,
        oid::DATE,
        oid::TIME,
        oid::TIMESTAMP,
        oid::TIMESTAMPTZ,
        oid::INTERVAL,
        oid::NUMERIC,
        oid::UUID,
    ];
    (0..row.field_count()).all(|index| {
        // NULLs of any type can be read.
        row.get(index).as_ref().and_then(Field::value).is_none_or(|value| {
            let oid = value.get_oid().get();
            READ.contains(&oid) || oid::TEXTS.contains(&oid) || matches!(oid, oid::JSONB | oid::VOID)
        })
    })
}

/// The names of a row's columns.
pub fn names<'r>(row: &impl Row<'r, Pg>) -> Vec<String> {
    (0..row.field_count())
        .map(|index| row.get(index).and_then(|field| field.field_name().map(str::to_owned)).unwrap_or_default())
        .collect()
}

/// SQL as a person typed it for `.sql`. The one place where text is sent as it is: it is the user's own statement.
pub struct RawQuery<'a>(pub &'a str);

impl QueryId for RawQuery<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for RawQuery<'_> {
    type SqlType = Untyped;
}

impl<C> diesel::RunQueryDsl<C> for RawQuery<'_> {}

impl QueryFragment<Pg> for RawQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{interval, numeric};
    use diesel::pg::data_types::{PgInterval, PgNumeric};

    #[test]
    fn decimals_keep_every_digit() {
        let positive =
            |weight, scale, digits: &[i16]| numeric(&PgNumeric::Positive { weight, scale, digits: digits.into() });
        assert_eq!(positive(0, 2, &[1, 5000]), "1.50");
        assert_eq!(positive(1, 0, &[1, 2345]), "12345");
        assert_eq!(positive(1, 0, &[1]), "10000");
        assert_eq!(positive(-1, 4, &[12]), "0.0012");
        assert_eq!(positive(-2, 8, &[12]), "0.00000012");
        assert_eq!(positive(0, 0, &[]), "0");
        assert_eq!(numeric(&PgNumeric::Negative { weight: 0, scale: 1, digits: vec![3, 1000] }), "-3.1");
    }

    #[test]
    fn intervals_are_spelled_as_by_the_server() {
        let span = |months, days, microseconds| interval(&PgInterval { microseconds, days, months });
        assert_eq!(span(14, 1, 3_723_500_000), "1 year 2 mons 1 day 01:02:03.5");
        assert_eq!(span(0, 0, 0), "00:00:00");
        assert_eq!(span(0, -2, -1_000_000), "-2 days -00:00:01");
    }
}
