//! A schema that was read again: staged changes keep their meaning by the names of tables and columns.

use super::Session;
use super::journal::{Change, Entry};
use crate::model::{Catalog, EntityId, Value};
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Where an entity and its columns of one catalog stand in another.
struct Moved<'a> {
    from: &'a Catalog,
    to: &'a Catalog,
}

impl Session {
    /// Puts a new catalog in place of the old one.
    ///
    /// # Errors
    /// `Refused` when something is staged for a table or column that is gone; nothing has changed then.
    pub(crate) fn set_catalog(&mut self, catalog: Arc<Catalog>) -> Result<()> {
        let old = Arc::clone(&self.catalog);
        let moved = Moved { from: &old, to: &catalog };
        let only = self.doubt.iter().flat_map(|doubt| &doubt.only).map(|id| moved.entity(*id));
        let only: Vec<EntityId> = only.collect::<Result<_>>()?;
        self.journal.translate(|entry| moved.entry(entry))?;
        if let Some(doubt) = &mut self.doubt {
            doubt.only = only;
        }
        self.end()?;
        self.catalog = catalog;
        self.shapes.clear();
        self.keyed.clear();
        self.seen.reset();
        Ok(())
    }
}

impl Moved<'_> {
    fn entry(&self, entry: &Entry) -> Result<Entry> {
        let changes = entry.changes.iter().map(|change| self.change(change)).collect::<Result<_>>()?;
        let effects = entry.effects.iter().map(|change| self.change(change)).collect::<Result<_>>()?;
        Ok(Entry {
            number: entry.number,
            place: entry.place.clone(),
            changes,
            effects,
            statement: entry.statement.clone(),
        })
    }

    fn entity(&self, id: EntityId) -> Result<EntityId> {
        let name = self.from.get(id).qualified();
        self.to
            .iter()
            .find(|(_, model)| model.qualified() == name)
            .map(|(id, _)| id)
            .ok_or_else(|| gone(&format!("table {name}")))
    }

    fn column(&self, from: EntityId, to: EntityId, at: usize) -> Result<usize> {
        let name = &self.from.get(from).columns[at].name;
        let found = self.to.get(to).columns.iter().position(|column| column.name == *name);
        found.ok_or_else(|| gone(&format!("column {name} of {}", self.from.get(from).table)))
    }

    fn values(&self, from: EntityId, to: EntityId, values: &[(usize, Value)]) -> Result<Vec<(usize, Value)>> {
        values.iter().map(|(at, value)| Ok((self.column(from, to, *at)?, value.clone()))).collect()
    }

    fn change(&self, change: &Change) -> Result<Change> {
        let from = change.entity();
        let to = self.entity(from)?;
        if self.from.get(from).key.len() != self.to.get(to).key.len() {
            return Err(gone(&format!("the key of {}", self.from.get(from).table)));
        }
        Ok(match change {
            Change::Insert { columns, values, given, .. } => Change::Insert {
                entity: to,
                columns: columns.iter().map(|at| self.column(from, to, *at)).collect::<Result<_>>()?,
                values: values.clone(),
                given: *given,
                // Columns may have come, with values that are not known.
                row: None,
            },
            Change::Update { key, set, base, .. } => Change::Update {
                entity: to,
                key: key.clone(),
                set: self.values(from, to, set)?,
                base: self.values(from, to, base)?,
            },
            Change::Delete { key, base, .. } => {
                Change::Delete { entity: to, key: key.clone(), base: self.values(from, to, base)? }
            }
        })
    }
}

fn gone(what: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("the schema has changed, and staged changes need {what}"))
        .hint("`rollback` discards them, then `.reload` reads the schema again")
}
