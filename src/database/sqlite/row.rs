//! Rows as SQLite gives them: every value says its own type, whatever the column declares.

use crate::Result;
use crate::model::{Catalog, Cell, DataType};
use crate::plan::query::Statement;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::row::{Field, Row};
use diesel::sql_types::Untyped;
use diesel::sqlite::{Sqlite, SqliteType};
use diesel::{QueryResult, RunQueryDsl};

/// One row's values, in buffers that are used again for the next row.
pub struct RowBuffer {
    bools: Vec<bool>,
    text: String,
    bytes: Vec<u8>,
    slots: Vec<Slot>,
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

impl RowBuffer {
    /// A buffer for a statement whose columns have known types: SQLite gives a bool as an integer.
    pub fn for_statement(catalog: &Catalog, statement: &Statement<'_>) -> Self {
        let bools = match statement {
            Statement::Select(select) | Statement::Seen(select, _) => {
                select.columns.iter().map(|output| output.column.data_type == DataType::Bool).collect()
            }
            Statement::Insert(insert) => {
                let columns = &catalog.get(insert.entity).columns;
                insert.returning.iter().map(|index| columns[*index].data_type == DataType::Bool).collect()
            }
            _ => Vec::new(),
        };
        Self { bools, text: String::new(), bytes: Vec::new(), slots: Vec::new() }
    }

    /// A buffer for raw SQL: integers stay integers.
    pub fn untyped() -> Self {
        Self { bools: Vec::new(), text: String::new(), bytes: Vec::new(), slots: Vec::new() }
    }

    /// Takes over one row.
    pub fn read<'stmt>(&mut self, row: &impl Row<'stmt, Sqlite>) -> Result<()> {
        self.text.clear();
        self.bytes.clear();
        self.slots.clear();
        for index in 0..row.field_count() {
            let field = row.get(index);
            let slot = match field.as_ref().and_then(Field::value) {
                None => Slot::Null,
                Some(mut value) => match value.value_type() {
                    None => Slot::Null,
                    Some(SqliteType::Double | SqliteType::Float) => Slot::Float(value.read_double()),
                    Some(SqliteType::Text) => {
                        // Text in a SQLite file need not be valid UTF-8: Diesel then puts U+FFFD in place of what is not.
                        // Read as bytes it would be copied once more.
                        let start = self.text.len();
                        self.text.push_str(value.read_text());
                        Slot::Text(start, self.text.len())
                    }
                    Some(SqliteType::Binary) => {
                        let start = self.bytes.len();
                        self.bytes.extend_from_slice(value.read_blob());
                        Slot::Bytes(start, self.bytes.len())
                    }
                    Some(_) => {
                        let number = value.read_long();
                        match (self.bools.get(index), number) {
                            (Some(true), 0) => Slot::Bool(false),
                            (Some(true), 1) => Slot::Bool(true),
                            _ => Slot::Int(number),
                        }
                    }
                },
            };
            self.slots.push(slot);
        }
        Ok(())
    }

    /// Lends the row's cells.
    pub fn with_cells<T>(&self, lend: impl FnOnce(&[Cell<'_>]) -> T) -> T {
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

/// The names of a row's columns.
pub fn names<'stmt>(row: &impl Row<'stmt, Sqlite>) -> Vec<String> {
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

impl<C> RunQueryDsl<C> for RawQuery<'_> {}

impl QueryFragment<Sqlite> for RawQuery<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(self.0);
        Ok(())
    }
}
