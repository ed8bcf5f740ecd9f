//! How the times of a file are spelled: what is known of each column, and how it is found out.

use super::row::{RawQuery, RowBuffer};
use crate::model::time::{Spelling, is_time};
use crate::model::{Catalog, Cell, Entity, EntityId, EntityKind, Value};
use crate::plan::query::ColumnRef;
use crate::text::sql::quote_name as quoted;
use diesel::connection::LoadConnection;
use diesel::sqlite::SqliteConnection;
use std::collections::HashMap;

/// How a column was spelled when it was looked at, and how it is with what this connection has written since.
struct Known {
    found: Option<Spelling>,
    now: Option<Spelling>,
}

/// What is known of the spellings of columns.
#[derive(Default)]
pub struct Spellings {
    known: HashMap<(EntityId, usize), Known>,
    /// Who wrote last, and to which schema, when they were looked up.
    version: Option<(i64, i64)>,
}

impl Spellings {
    /// Forgets what may not be so any more.
    pub fn at(&mut self, version: (i64, i64)) {
        if self.version != Some(version) {
            self.known.clear();
            self.version = Some(version);
        }
    }

    /// Whether anything is known at all.
    pub const fn is_fresh(&self) -> bool {
        self.version.is_some()
    }

    /// Forgets everything: somebody wrote on this connection beside the models.
    pub fn forget(&mut self) {
        self.version = None;
    }

    /// How a column was spelled when it was looked at: none where it was not, and within that none for several spellings.
    pub fn found(&self, column: (EntityId, usize)) -> Option<Option<Spelling>> {
        self.version.and_then(|_| self.known.get(&column)).map(|known| known.found.clone())
    }

    /// Whether all of a column is spelled one way.
    pub fn is_one(&self, column: ColumnRef) -> bool {
        self.known.get(&(column.entity, column.column)).is_some_and(|known| known.now.is_some())
    }

    /// Notes what a column's spelling is.
    pub fn set(&mut self, column: (EntityId, usize), spelling: Option<Spelling>) {
        self.known.insert(column, Known { now: spelling.clone(), found: spelling });
    }

    /// Notes values that are about to be written: a column that gets another spelling has several from then on.
    pub fn wrote<'v>(&mut self, entity: EntityId, values: impl Iterator<Item = (usize, &'v Value)>, catalog: &Catalog) {
        if self.known.is_empty() {
            return;
        }
        let columns = &catalog.get(entity).columns;
        for (at, value) in values.filter(|(at, value)| !value.is_null() && is_time(&columns[*at].data_type)) {
            if let Some(known) = self.known.get_mut(&(entity, at)) {
                known.now = with(known.now.take(), value.as_cell());
            }
        }
    }

    /// Whether all of a column is spelled one way, these values too.
    pub fn is_one_with<'v>(&self, column: ColumnRef, values: impl Iterator<Item = Cell<'v>>) -> bool {
        let known = self.known.get(&(column.entity, column.column)).and_then(|known| known.now.clone());
        known.is_some() && values.filter(|value| *value != Cell::Null).fold(known, with).is_some()
    }
}

/// How a column is spelled with one more value.
fn with(now: Option<Spelling>, value: Cell<'_>) -> Option<Spelling> {
    let common = Spelling::common([value]);
    match now {
        Some(Spelling::Free) => common,
        now if now == common || now == Spelling::of(value) => now,
        _ => None,
    }
}

/// How many values of a column are looked at before it counts as large.
const LOOKED_AT: usize = 5_000;

/// How many places of a large table are looked at, and how many rows at each.
const PLACES: i64 = 64;

/// Looks at the values of a column: at all of them where they are few, else at both ends of its index and of the table,
/// and at places between them.
///
/// # Errors
/// The database's own.
pub fn look(connection: &mut SqliteConnection, entity: &Entity, at: usize) -> diesel::QueryResult<Option<Spelling>> {
    let (table, column) = (quoted(&entity.table), quoted(&entity.columns[at].name));
    let all = format!("FROM {table} WHERE {column} IS NOT NULL");
    let mut values = load(connection, &format!("SELECT {column} {all} LIMIT {}", LOOKED_AT + 1))?;
    if values.len() > LOOKED_AT {
        if entity.kind == EntityKind::View {
            return Ok(None);
        }
        if leads(entity, at) {
            for way in ["ASC", "DESC"] {
                values.extend(load(connection, &format!("SELECT {column} {all} ORDER BY {column} {way} LIMIT 500"))?);
            }
        }
        values.extend(places(connection, &table, &column, &all)?);
    }
    Ok(Spelling::common(values.iter().map(Value::as_cell)))
}

/// Values from all over a table. One without rowids has no places to go to.
fn places(connection: &mut SqliteConnection, table: &str, column: &str, all: &str) -> diesel::QueryResult<Vec<Value>> {
    let Ok(ends) = load(connection, &format!("SELECT max(rowid) FROM {table}")) else { return Ok(Vec::new()) };
    let Some(Value::Int(last)) = ends.first() else { return Ok(Vec::new()) };
    let mut values = Vec::new();
    for place in 1..=PLACES {
        let from = i128::from(*last) * i128::from(place) / i128::from(PLACES) - 8;
        values.extend(load(connection, &format!("SELECT {column} {all} AND rowid > {from} ORDER BY rowid LIMIT 8"))?);
    }
    Ok(values)
}

/// The values of the one column of a query.
fn load(connection: &mut SqliteConnection, sql: &str) -> diesel::QueryResult<Vec<Value>> {
    let mut buffer = RowBuffer::untyped();
    let mut values = Vec::new();
    for row in LoadConnection::load(connection, RawQuery(sql))? {
        // What cannot be read is of no spelling.
        let value = match buffer.read(&row?) {
            Ok(()) => buffer.with_cells(|cells| cells[0].to_value()),
            Err(_) => Value::Bytes(Vec::new()),
        };
        values.push(value);
    }
    Ok(values)
}

/// The least and the greatest value of a column, where an index gives them: what cannot be between them need not be looked
/// for.
pub type Ends = HashMap<(EntityId, usize), (Value, Value)>;

/// The ends of those columns that an index begins with.
///
/// # Errors
/// The database's own.
pub fn ends(connection: &mut SqliteConnection, columns: &[ColumnRef], catalog: &Catalog) -> diesel::QueryResult<Ends> {
    let mut ends = Ends::new();
    for column in columns {
        let place = (column.entity, column.column);
        let entity = catalog.get(column.entity);
        if ends.contains_key(&place) || !leads(entity, column.column) {
            continue;
        }
        let (table, name) = (quoted(&entity.table), quoted(&entity.columns[column.column].name));
        let mut end = |function: &str| load(connection, &format!("SELECT {function}({name}) FROM {table}"));
        if let ([least], [greatest]) = (end("min")?.as_slice(), end("max")?.as_slice()) {
            ends.insert(place, (least.clone(), greatest.clone()));
        }
    }
    Ok(ends)
}

/// Whether an index of a table begins with a column.
fn leads(entity: &Entity, at: usize) -> bool {
    let led = |columns: &[usize]| columns.first() == Some(&at);
    entity.kind == EntityKind::Table && (led(&entity.key) || entity.indexes.iter().any(|index| led(&index.columns)))
}
