//! What is staged, as temporary tables beside the database's own: `staged users` has its rows whole, `hidden users` the
//! keys under which `users` is not to be looked at.
//!
//! They are this connection's alone, so that writing them touches nobody's lock, and are kept up to date when they are
//! read: only what changed since is written. Rows that the database has and that are staged with other values are taken
//! over anew when someone has written to it. Where it stands is written beside them, so that a transaction that is rolled
//! back takes all of it back together.

use super::error::translate;
use crate::Result;
use crate::model::{Catalog, Cell, Entity};
use crate::plan::overlay::{Kind, Overlay, Staged, StagedRow};
use crate::plan::seen::Seen;
use crate::text::sql::quote_name as quoted;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Binary, Bool, Double, Nullable, Text, Untyped};
use diesel::sqlite::Sqlite;
use std::collections::BTreeMap;

/// How many rows one statement writes.
const BATCH: usize = 100;

const SLOT: &str = "\"diesel_shell_slot\"";

/// Where the temporary tables of one table stand.
#[derive(QueryableByName, Debug, Clone, Copy, PartialEq, Eq)]
struct Stand {
    #[diesel(sql_type = BigInt)]
    identity: i64,
    #[diesel(sql_type = BigInt)]
    version: i64,
    #[diesel(sql_type = BigInt)]
    slots: i64,
    /// The age in which rows of the database were taken over.
    #[diesel(sql_type = BigInt)]
    age: i64,
}

/// How often someone else, or a statement that is none of ours, has written to the database.
#[derive(QueryableByName, Debug, Clone, Copy, PartialEq, Eq)]
struct Age {
    #[diesel(sql_type = BigInt)]
    age: i64,
    /// Whether that has happened again.
    #[diesel(sql_type = Bool)]
    written: bool,
}

const STATE: &str = "CREATE TEMP TABLE IF NOT EXISTS \"staged state\" (only_one INTEGER PRIMARY KEY, age, changes, \
    foreign_version); CREATE TEMP TABLE IF NOT EXISTS \"staged tables\" (name TEXT PRIMARY KEY, identity, version, slots, \
    age) WITHOUT ROWID;";

/// Brings the temporary tables that a query needs up to date.
///
/// # Errors
/// The database's own.
pub fn refresh(connection: &mut SqliteConnection, catalog: &Catalog, overlay: &Overlay, seen: &Seen) -> Result<()> {
    refreshed(connection, catalog, overlay, seen).map_err(|e| translate(&e))
}

fn refreshed(connection: &mut SqliteConnection, catalog: &Catalog, overlay: &Overlay, seen: &Seen) -> QueryResult<()> {
    let known: Option<Age> = diesel::sql_query(
        "SELECT age, changes <> total_changes() OR foreign_version <> (SELECT data_version FROM pragma_data_version) \
         AS written FROM temp.\"staged state\"",
    )
    .get_result(connection)
    .ok();
    if known.is_none() {
        connection.batch_execute(STATE)?;
    }
    let (age, mut wrote) = known.map_or((1, true), |known| (known.age + i64::from(known.written), known.written));
    for entity in seen.columns.keys() {
        if let Some(staged) = overlay.get(*entity) {
            wrote |= Mirror { connection, model: catalog.get(*entity), staged, age }.refresh()?;
        }
    }
    if wrote {
        // The last of our own changes, so it counts itself.
        diesel::sql_query(
            "INSERT OR REPLACE INTO temp.\"staged state\" (only_one, age, changes, foreign_version) \
             VALUES (1, ?, total_changes() + 1, (SELECT data_version FROM pragma_data_version))",
        )
        .bind::<BigInt, _>(age)
        .execute(connection)?;
    }
    Ok(())
}

struct Mirror<'a> {
    connection: &'a mut SqliteConnection,
    model: &'a Entity,
    staged: &'a Staged,
    age: i64,
}

impl Mirror<'_> {
    fn name(&self, word: &str) -> String {
        quoted(&format!("{word} {}", self.model.table))
    }

    fn table(&self, word: &str) -> String {
        format!("temp.{}", self.name(word))
    }

    /// Brings them up to date; whether anything was written.
    fn refresh(&mut self) -> QueryResult<bool> {
        let staged = self.staged;
        let stand = match self.stand() {
            Some(stand) if stand.identity == staged.identity() as i64 => stand,
            _ => {
                self.create()?;
                Stand { identity: staged.identity() as i64, version: 0, slots: 0, age: self.age }
            }
        };
        let again = stand.age != self.age && staged.changed_rows() > 0;
        if stand.version == staged.version() as i64 && !again {
            return Ok(false);
        }
        let rows: Vec<StagedRow<'_>> = if again {
            let newer = |row: &StagedRow<'_>| row.version() as i64 > stand.version;
            staged.rows().filter(|row| row.kind == Kind::Changed || newer(row)).collect()
        } else {
            staged.rows_since(stand.version as u64).collect()
        };
        let before = |row: &&StagedRow<'_>| (row.slot as i64) < stand.slots;
        let slots: Vec<Cell<'_>> = rows.iter().filter(before).map(|row| Cell::Int(row.slot as i64)).collect();
        let head = format!("DELETE FROM {} WHERE {SLOT} IN (VALUES ", self.table("staged"));
        self.send(&head, 1, &slots, ")")?;
        self.hide(rows.iter().filter(|row| !before(row)))?;
        self.add(&rows)?;
        self.change(&rows)?;
        self.note()?;
        Ok(true)
    }

    /// Where the tables stand; none where they are not there.
    fn stand(&mut self) -> Option<Stand> {
        diesel::sql_query("SELECT identity, version, slots, age FROM temp.\"staged tables\" WHERE name = ?")
            .bind::<Text, _>(&self.model.table)
            .get_result(self.connection)
            .ok()
    }

    /// Notes where they stand now.
    fn note(&mut self) -> QueryResult<()> {
        diesel::sql_query(
            "INSERT OR REPLACE INTO temp.\"staged tables\" (name, identity, version, slots, age) VALUES (?, ?, ?, ?, ?)",
        )
        .bind::<Text, _>(&self.model.table)
        .bind::<BigInt, _>(self.staged.identity() as i64)
        .bind::<BigInt, _>(self.staged.version() as i64)
        .bind::<BigInt, _>(self.staged.rows().len() as i64)
        .bind::<BigInt, _>(self.age)
        .execute(self.connection)?;
        Ok(())
    }

    /// Makes the tables, empty.
    fn create(&mut self) -> QueryResult<()> {
        let (staged, hidden) = (self.table("staged"), self.table("hidden"));
        let column = |at: &usize| {
            let column = &self.model.columns[*at];
            let collation =
                column.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {}", quoted(name)));
            format!("{} {}{collation}", quoted(&column.name), affinity(&column.declared))
        };
        let all: Vec<String> = (0..self.model.columns.len()).map(|at| column(&at)).collect();
        let mut sql = format!(
            "DROP TABLE IF EXISTS {staged}; DROP TABLE IF EXISTS {hidden}; \
             CREATE TEMP TABLE {} ({SLOT} INTEGER PRIMARY KEY, {});",
            self.name("staged"),
            all.join(", ")
        );
        let names = |columns: &[usize]| -> String {
            columns.iter().map(|at| quoted(&self.model.columns[*at].name)).collect::<Vec<_>>().join(", ")
        };
        if !self.model.key.is_empty() {
            let key: Vec<String> = self.model.key.iter().map(column).collect();
            sql.push_str(&format!(
                "CREATE TEMP TABLE {} ({}, PRIMARY KEY ({})) WITHOUT ROWID;",
                self.name("hidden"),
                key.join(", "),
                names(&self.model.key)
            ));
        }
        // What joins and subqueries look rows up by.
        let mut indexed: Vec<&[usize]> = vec![&self.model.key];
        indexed.extend(self.model.foreign_keys.iter().map(|key| key.columns.as_slice()));
        indexed.retain(|columns| !columns.is_empty());
        indexed.dedup();
        for (number, columns) in indexed.iter().enumerate() {
            sql.push_str(&format!(
                "CREATE INDEX temp.{} ON {} ({});",
                quoted(&format!("staged {} {}", self.model.table, number + 1)),
                self.name("staged"),
                names(columns)
            ));
        }
        self.connection.batch_execute(&sql)
    }

    fn hide<'r>(&mut self, rows: impl Iterator<Item = &'r StagedRow<'r>>) -> QueryResult<()> {
        let width = self.model.key.len();
        let keys: Vec<Cell<'r>> = rows.flat_map(StagedRow::key).collect();
        // Keys that differ may be equal there.
        let head = format!("INSERT OR IGNORE INTO {} VALUES ", self.table("hidden"));
        self.send(&head, width, &keys, "")
    }

    /// Writes new rows.
    fn add(&mut self, rows: &[StagedRow<'_>]) -> QueryResult<()> {
        let mut cells = Vec::new();
        for row in rows.iter().filter(|row| row.kind == Kind::New) {
            cells.push(Cell::Int(row.slot as i64));
            cells.extend(row.set().map(|(_, cell)| cell));
        }
        let head = format!("INSERT INTO {} VALUES ", self.table("staged"));
        self.send(&head, self.model.columns.len() + 1, &cells, "")
    }

    /// Writes rows of the database with other values: those of one shape together.
    fn change(&mut self, rows: &[StagedRow<'_>]) -> QueryResult<()> {
        let mut shapes: BTreeMap<Vec<usize>, Vec<Cell<'_>>> = BTreeMap::new();
        for row in rows.iter().filter(|row| row.kind == Kind::Changed) {
            let mut set: Vec<(usize, Cell<'_>)> = row.set().collect();
            set.sort_unstable_by_key(|(column, _)| *column);
            let cells = shapes.entry(set.iter().map(|(column, _)| *column).collect()).or_default();
            cells.push(Cell::Int(row.slot as i64));
            cells.extend(row.from());
            cells.extend(set.iter().map(|(_, cell)| *cell));
        }
        let key = &self.model.key;
        for (shape, cells) in shapes {
            let mut head = format!("INSERT INTO {} SELECT v.column1", self.table("staged"));
            for (at, column) in self.model.columns.iter().enumerate() {
                match shape.iter().position(|set| *set == at) {
                    Some(place) => head.push_str(&format!(", v.column{}", 2 + key.len() + place)),
                    None => head.push_str(&format!(", o.{}", quoted(&column.name))),
                }
            }
            head.push_str(" FROM (VALUES ");
            // In this order: it is the table that has an index.
            let mut tail = format!(") AS v CROSS JOIN {} AS o WHERE ", quoted(&self.model.table));
            for (index, column) in key.iter().enumerate() {
                let and = if index == 0 { "" } else { " AND " };
                tail.push_str(&format!("{and}o.{} = v.column{}", quoted(&self.model.columns[*column].name), index + 2));
            }
            self.send(&head, 1 + key.len() + shape.len(), &cells, &tail)?;
        }
        Ok(())
    }

    /// Sends rows, many in one statement.
    fn send(&mut self, head: &str, width: usize, cells: &[Cell<'_>], tail: &str) -> QueryResult<()> {
        if width == 0 {
            return Ok(());
        }
        let rows = BATCH.min(30_000 / width).max(1);
        for cells in cells.chunks(rows * width) {
            let often = cells.len() == width || cells.len() == rows * width;
            Rows { head, width, cells, tail, often }.execute(self.connection)?;
        }
        Ok(())
    }
}

/// The affinity of a declared type, as a type: <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>.
fn affinity(declared: &str) -> &'static str {
    let upper = declared.to_ascii_uppercase();
    let has = |parts: &[&str]| parts.iter().any(|part| upper.contains(part));
    if has(&["INT"]) {
        "INTEGER"
    } else if has(&["CHAR", "CLOB", "TEXT"]) {
        "TEXT"
    } else if upper.is_empty() || has(&["BLOB"]) {
        "BLOB"
    } else if has(&["REAL", "FLOA", "DOUB"]) {
        "REAL"
    } else {
        "NUMERIC"
    }
}

/// A statement with rows of values in it.
struct Rows<'a> {
    head: &'a str,
    width: usize,
    cells: &'a [Cell<'a>],
    tail: &'a str,
    /// Whether one of as many rows is sent often, so that it is worth being kept prepared.
    often: bool,
}

impl QueryId for Rows<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Rows<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Rows<'_> {}

impl QueryFragment<Sqlite> for Rows<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        if !self.often {
            out.unsafe_to_cache_prepared();
        }
        out.push_sql(self.head);
        for (row, cells) in self.cells.chunks(self.width).enumerate() {
            out.push_sql(if row == 0 { "(" } else { "), (" });
            for (index, cell) in cells.iter().enumerate() {
                out.push_sql(if index == 0 { "" } else { ", " });
                match cell {
                    Cell::Null => out.push_bind_param::<Nullable<Text>, Option<String>>(&None)?,
                    Cell::Bool(value) => out.push_bind_param::<Bool, bool>(value)?,
                    Cell::Int(value) => out.push_bind_param::<BigInt, i64>(value)?,
                    Cell::Float(value) => out.push_bind_param::<Double, f64>(value)?,
                    Cell::Text(value) => out.push_bind_param::<Text, str>(value)?,
                    Cell::Bytes(value) => out.push_bind_param::<Binary, [u8]>(value)?,
                }
            }
        }
        out.push_sql(")");
        out.push_sql(self.tail);
        Ok(())
    }
}
