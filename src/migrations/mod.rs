//! Migrations: which are applied, running them one transaction each, and writing them from what differs between the
//! models and the database.
//!
//! - `target`: what `head`, `+1`, `base` or a prefix mean.
//! - `run`: one migration, whole or not at all.
//! - `project`: a folder with a diesel.toml.
//! - `declared`: the models as a schema; `schema_file`: those of a `schema.rs`.
//! - `compare`: what differs; `findings`: in words; `probe`: what rows have to say.
//! - `ddl`, `sqlite`, `postgres`: as SQL.
//! - `scratch`: an empty place to try things in.
//! - `rename`: what goes by another name now. `rehearsal`: both ways on an empty copy.
//! - `generate`: all of that together.
//! - `print`: a schema as Diesel's `table!`.

mod compare;
mod ddl;
pub(crate) mod declared;
mod findings;
pub(crate) mod generate;
mod postgres;
pub(crate) mod print;
mod probe;
pub mod project;
mod rehearsal;
mod rename;
pub mod run;
mod schema_file;
mod scratch;
mod sqlite;
pub(crate) mod target;

use crate::model::definition::{Dialect, Schema};
use crate::store::Store;
use crate::{Error, Result};
use compare::Difference;
use std::collections::HashMap;

/// Values for rows that are there already, where a column is new or may not be NULL any more: SQL by table and column.
#[derive(Debug, Clone, Default)]
pub struct Fills(HashMap<(String, String), String>);

impl Fills {
    /// Reads `table.column=SQL`.
    ///
    /// # Errors
    /// `Invalid` for another form.
    pub fn add(&mut self, text: &str) -> Result<()> {
        let parts = text.split_once('=').and_then(|(column, sql)| Some((column.rsplit_once('.')?, sql)));
        let ((table, column), sql) = parts.ok_or_else(|| {
            Error::invalid(format!("`{text}` does not say what fills which column"))
                .hint("--fill users.age=0, --fill \"users.email='unknown'\"")
        })?;
        self.0.insert((table.to_lowercase(), column.to_lowercase()), sql.to_owned());
        Ok(())
    }

    fn get(&self, table: &str, column: &str) -> Option<&str> {
        self.0.get(&(table.to_lowercase(), column.to_lowercase())).map(String::as_str)
    }
}

/// What a person has said beforehand.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `users.name:username`, `people:users`.
    pub renames: Vec<(String, String)>,
    /// What may go: `users`, `users.age`, `ix_users_email`.
    pub drops: Vec<String>,
    /// Everything that only the database has may go.
    pub force: bool,
    /// Values for rows that are there.
    pub fills: Fills,
}

/// Asks a question; none where nobody is there to answer.
pub type Ask<'a> = dyn FnMut(&str) -> Result<Option<bool>> + 'a;

/// The statements that make `after` of `before`, in the dialect's own way.
fn statements(dialect: Dialect, before: &Schema, after: &Schema, found: &[Difference], fills: &Fills) -> Vec<String> {
    match dialect {
        Dialect::Sqlite => sqlite::statements(before, after, found, fills),
        Dialect::Postgres => postgres::statements(before, after, found, fills),
    }
}

/// The rows that a query of ours gives, as texts.
fn rows(store: &mut dyn Store, sql: &str) -> Result<Vec<Vec<Option<String>>>> {
    struct Rows(Vec<Vec<Option<String>>>);
    impl crate::store::RawSink for Rows {
        fn columns(&mut self, _: &[String]) -> Result<()> {
            Ok(())
        }
        fn row(&mut self, cells: &[crate::model::Cell<'_>]) -> Result<bool> {
            self.0.push(cells.iter().map(text).collect());
            Ok(true)
        }
    }
    fn text(cell: &crate::model::Cell<'_>) -> Option<String> {
        (!matches!(cell, crate::model::Cell::Null)).then(|| cell.to_string())
    }
    let mut sink = Rows(Vec::new());
    store.raw(sql, &mut sink)?;
    Ok(sink.0)
}

#[cfg(test)]
mod tests;
