//! A schema that was read again: staged changes keep their meaning by the names of tables and columns.

use super::Session;
use super::journal::{Change, Entry, Whole};
use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::{Bulk, ColumnRef, Expr, From, Piece};
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
            whole: match &entry.whole {
                Some(Whole::Bulk(bulk, rows)) => Some(Whole::Bulk(Box::new(self.bulk(bulk)?), *rows)),
                whole => whole.clone(),
            },
        })
    }

    fn bulk(&self, bulk: &Bulk) -> Result<Bulk> {
        let (from, to) = (bulk.entity(), self.entity(bulk.entity())?);
        let mut rows = bulk.rows.clone();
        let mut failed = None;
        let mut see = |piece: Piece<'_>| {
            let moved = match piece {
                Piece::Expr(Expr::Column(column)) => self.reference(column),
                Piece::Expr(_) => Ok(()),
                Piece::From(from) => self.tables(from),
            };
            failed = failed.take().or(moved.err());
        };
        see(Piece::From(&mut rows.from));
        if let Some(filter) = &mut rows.filter {
            filter.each_mut(&mut see);
        }
        let orders = rows.order.iter_mut().map(|order| &mut order.expr);
        orders.chain(rows.columns.iter_mut().map(|output| &mut output.expr)).for_each(|expr| expr.each_mut(&mut see));
        match failed {
            Some(error) => Err(error),
            None => Ok(Bulk { rows, set: bulk.set.as_ref().map(|set| self.values(from, to, set)).transpose()? }),
        }
    }

    fn reference(&self, column: &mut ColumnRef) -> Result<()> {
        let to = self.entity(column.entity)?;
        (column.column, column.entity) = (self.column(column.entity, to, column.column)?, to);
        Ok(())
    }

    fn tables(&self, from: &mut From) -> Result<()> {
        from.entity = self.entity(from.entity)?;
        for join in &mut from.joins {
            join.entity = self.entity(join.entity)?;
            for (left, right) in &mut join.on {
                self.reference(left)?;
                self.reference(right)?;
            }
        }
        Ok(())
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
                set: self.values(from, to, set)?.into(),
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
