//! Sending the journal: as it was typed, like inserts together, the failing change named.

use super::Session;
use super::journal::Change;
use super::own::has_given;
use super::stretch::{Group, Stretch};
use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::{Delete, Insert, Statement, Update};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};
use std::rc::Rc;

impl Session {
    /// Runs one change in the open transaction. When it fails, the transaction is as it was before.
    ///
    /// # Errors
    /// `Conflict` when the row is not as it was read; the database's objection in the words of the models.
    pub(super) fn send(&mut self, change: &Change) -> Result<()> {
        let affected = self.guarded(|session| execute(&mut *session.store, &session.catalog, change));
        match affected {
            Ok(0) => Err(self.conflict(change)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.explained(error, change)),
        }
    }

    /// Does something whose failure must not spoil the open transaction.
    pub(super) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if !self.store.facts().failure_aborts {
            return work(self);
        }
        self.store.savepoint()?;
        let result = work(self);
        match &result {
            Ok(_) => self.store.release()?,
            // A lost connection has nothing to go back to.
            Err(error) if error.kind == ErrorKind::Connection => {}
            Err(_) => self.store.back_to_savepoint()?,
        }
        result
    }

    /// Sends changes one by one; a new record that the database numbers gets its key.
    pub(super) fn try_changes(&mut self, changes: &mut [Change]) -> Result<()> {
        for change in changes {
            let numbered = self.catalog.get(change.entity()).numbered_key();
            match (&mut *change, numbered) {
                (Change::Insert { entity, columns, values, given }, Some(key)) if !columns.contains(&key) => {
                    let mut number = Value::Null;
                    let sent = self.guarded(|session| {
                        let rows: [&[Value]; 1] = [values.as_slice()];
                        let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[key] };
                        session.store.query(&session.catalog, &Statement::Insert(insert), &mut |cells| {
                            number = cells[0].to_value();
                            Ok(true)
                        })
                    });
                    if let Err(error) = sent {
                        return Err(self.explained(error, change));
                    }
                    // From now on the key is part of the change: what was shown is what will be committed.
                    *columns = columns.iter().copied().chain([key]).collect();
                    values.push(number);
                    *given = true;
                }
                _ => self.send(change)?,
            }
        }
        Ok(())
    }

    /// Sends what a held transaction has not been sent yet. A change that fails is taken out of the journal.
    ///
    /// # Errors
    /// The database's objection to the first change that fails, with the place where it was typed.
    pub fn flush(&mut self) -> Result<()> {
        if self.flushed == self.entries.len() {
            return Ok(());
        }
        let fresh = !self.open;
        self.begin(true)?;
        if fresh && has_given(&self.entries) {
            // Sent again: someone else may have taken a key that was handed out.
            self.renumber()?;
        }
        while self.flushed < self.entries.len() {
            let stretch = self.stretch()?;
            let until = self.flushed + stretch.len;
            if stretch.len > 1 {
                // What a batch objects to is found below, one by one.
                let sent = self.send_stretch(stretch);
                if let Err(error) = sent
                    && !matches!(error.kind, ErrorKind::Constraint | ErrorKind::Database | ErrorKind::Conflict)
                {
                    return Err(error);
                }
            }
            while self.flushed < until {
                self.flush_one()?;
            }
        }
        self.own.sent();
        Ok(())
    }

    fn flush_one(&mut self) -> Result<()> {
        let mut entry = self.entries[self.flushed].clone();
        for (sent, change) in entry.changes.iter_mut().enumerate() {
            let result = if self.store.facts().sequences {
                self.try_changes(std::slice::from_mut(change))
            } else {
                self.send(change)
            };
            let Err(error) = result else { continue };
            if error.kind.is_transient() {
                // Not the change's fault: it stays.
                return Err(error);
            }
            self.entries.remove(self.flushed);
            self.own.unsent();
            if sent > 0 {
                // Part of an entry is applied: replay all that is left, without it.
                self.end()?;
            }
            return Err(error.from_place(entry.place));
        }
        self.entries[self.flushed] = entry;
        self.flushed += 1;
        Ok(())
    }

    /// Sends what is pending, the last entry by itself so that the key of its new record becomes known. Gives that key.
    ///
    /// # Errors
    /// As [`Session::flush`].
    pub(crate) fn settle_last(&mut self) -> Result<Option<(EntityId, Vec<Value>)>> {
        if self.flushed < self.entries.len()
            && let Some(mut entry) = self.entries.pop()
        {
            self.flush()?;
            self.begin(true)?;
            if let Err(error) = self.try_changes(&mut entry.changes) {
                self.own.unsent();
                return Err(error.from_place(entry.place));
            }
            self.entries.push(entry);
            self.flushed = self.entries.len();
        }
        Ok(self
            .entries
            .last()
            .and_then(|entry| entry.changes.first())
            .and_then(|change| change.key(&self.catalog).map(|key| (change.entity(), key))))
    }

    /// Sends everything so that each new record's key is known.
    ///
    /// # Errors
    /// As [`Session::flush`].
    pub(crate) fn settle(&mut self) -> Result<()> {
        let unknown = |change: &Change| matches!(change, Change::Insert { .. }) && change.key(&self.catalog).is_none();
        if !self.entries.iter().flat_map(|entry| &entry.changes).any(unknown) {
            return Ok(());
        }
        // What is wrong with a change is found first, as ever.
        self.flush()?;
        self.end()?;
        self.begin(true)?;
        let mut entries = std::mem::take(&mut self.entries);
        let tried = entries.iter_mut().try_for_each(|entry| self.try_changes(&mut entry.changes));
        self.entries = entries;
        if tried.is_err() {
            self.end()?;
            return tried;
        }
        self.flushed = self.entries.len();
        Ok(())
    }

    /// The first pending entries that may be sent table by table: see [`Stretch`]. At least one entry.
    fn stretch(&mut self) -> Result<Stretch> {
        let mut stretch = Stretch::default();
        let catalog = std::sync::Arc::clone(&self.catalog);
        for at in self.flushed..self.entries.len() {
            let [change] = self.entries[at].changes.as_slice() else { break };
            if let Change::Insert { entity, columns, .. } = change
                && let Some(group) = stretch.group(*entity, columns, &catalog)
            {
                group.entries.push(at);
                stretch.len += 1;
                continue;
            }
            // One of another kind, only if nothing can tell; the first is taken whatever it is, but maybe by itself.
            let free = stretch.takes(change, &catalog);
            if stretch.len > 0 && !(free && self.is_plain()?) {
                break;
            }
            stretch.push(at, &self.entries[at].changes[0]);
            if !free {
                break;
            }
        }
        stretch.len = stretch.len.max(1);
        Ok(stretch)
    }

    /// Sends a stretch: all of it, or as much as `flushed` then says.
    fn send_stretch(&mut self, mut stretch: Stretch) -> Result<()> {
        if let ([group], []) = (stretch.groups.as_slice(), stretch.later.as_slice()) {
            return self.send_group(group, true);
        }
        // Another order than the typed one: all of it, or nothing.
        self.store.savepoint()?;
        stretch.parents_first(&self.catalog);
        let mut sent = stretch.groups.iter().try_for_each(|group| self.send_group(group, false));
        for at in &stretch.later {
            if sent.is_err() {
                break;
            }
            sent = match execute(&mut *self.store, &self.catalog, &self.entries[*at].changes[0]) {
                Ok(0) => Err(Error::new(ErrorKind::Conflict, "a record is not as it was read")),
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            };
        }
        match &sent {
            Ok(()) => {
                self.store.release()?;
                self.flushed += stretch.len;
            }
            Err(error) if error.kind == ErrorKind::Connection => {}
            Err(_) => self.store.back_to_savepoint()?,
        }
        sent
    }

    /// Sends like inserts in as few statements as their number allows; where they are next to each other, what was sent
    /// counts as flushed.
    fn send_group(&mut self, group: &Group, typed: bool) -> Result<()> {
        let facts = self.store.facts();
        let full = facts.batch.min(facts.max_binds / group.columns.len().max(1)).max(1);
        let mut rest = group.entries.as_slice();
        while !rest.is_empty() {
            // Full batches share one prepared statement; an odd rest is sent in a few smaller ones.
            let size = match rest.len() {
                _ if group.columns.is_empty() => 1,
                many if many >= full => full,
                few => 1 << few.ilog2(),
            };
            let (batch, behind) = rest.split_at(size);
            let keys = if typed {
                self.guarded(|session| session.send_batch(group, batch))?
            } else {
                self.send_batch(group, batch)?
            };
            let mut wider = None;
            for (at, key) in batch.iter().zip(keys) {
                learn(&mut self.entries[*at], key, &mut wider);
            }
            if typed {
                self.flushed += size;
            }
            rest = behind;
        }
        Ok(())
    }

    /// Sends some like inserts in one statement. Gives the keys of the new records where the database numbers them from a
    /// sequence: sequences do not go back when a transaction does, so whatever is sent again must take its key along.
    fn send_batch(&mut self, group: &Group, batch: &[usize]) -> Result<Vec<(usize, Value)>> {
        let mut rows: Vec<&[Value]> = Vec::with_capacity(batch.len());
        for at in batch {
            match self.entries[*at].changes.as_slice() {
                [Change::Insert { values, .. }] => rows.push(values),
                _ => return Err(Error::new(ErrorKind::Refused, "the journal changed while it was sent")),
            }
        }
        let (entity, columns) = (group.entity, &*group.columns);
        let numbered = self.catalog.get(entity).numbered_key().filter(|key| !columns.contains(key));
        let returning = if self.store.facts().sequences { numbered } else { None };
        let Some(key) = returning else {
            let insert = Insert { entity, columns, rows: &rows, returning: &[] };
            self.store.execute(&self.catalog, &Statement::Insert(insert))?;
            return Ok(Vec::new());
        };
        let mut keys = Vec::with_capacity(batch.len());
        let insert = Insert { entity, columns, rows: &rows, returning: &[key] };
        self.store.query(&self.catalog, &Statement::Insert(insert), &mut |cells| {
            keys.push((key, cells[0].to_value()));
            Ok(true)
        })?;
        Ok(keys)
    }
}

/// Sends one change by itself; gives how many rows it changed.
fn execute(store: &mut dyn Store, catalog: &Catalog, change: &Change) -> Result<usize> {
    match change {
        Change::Insert { entity, columns, values, .. } => {
            let rows: [&[Value]; 1] = [values.as_slice()];
            let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[] };
            store.execute(catalog, &Statement::Insert(insert))
        }
        Change::Update { entity, key, set, base } => {
            store.execute(catalog, &Statement::Update(Update { entity: *entity, set, key, base }))
        }
        Change::Delete { entity, key, base } => {
            store.execute(catalog, &Statement::Delete(Delete { entity: *entity, key, base }))
        }
    }
}

/// Makes the key that the database gave part of an insert; the list of columns is shared by all of a batch.
fn learn(entry: &mut super::journal::Entry, (key, value): (usize, Value), wider: &mut Option<Rc<[usize]>>) {
    if let [Change::Insert { columns, values, given, .. }] = entry.changes.as_mut_slice() {
        *columns = Rc::clone(wider.get_or_insert_with(|| columns.iter().copied().chain([key]).collect()));
        values.push(value);
        *given = true;
    }
}
