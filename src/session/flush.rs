//! Sending the journal: as it was typed, like inserts together, the failing change named.

use super::Session;
use super::journal::Change;
use crate::model::{EntityId, Value};
use crate::plan::query::{Delete, Insert, Statement, Update};
use crate::{Error, Result};
use std::rc::Rc;

impl Session {
    /// Runs one change in the open transaction. When it fails, the transaction is as it was before.
    ///
    /// # Errors
    /// `Conflict` when the row is not as it was read; the database's objection in the words of the models.
    pub(super) fn send(&mut self, change: &Change) -> Result<()> {
        let affected = self.guarded(|session| match change {
            Change::Insert { entity, columns, values, .. } => {
                let rows: [&[Value]; 1] = [values.as_slice()];
                let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[] };
                session.store.execute(&session.catalog, &Statement::Insert(insert))
            }
            Change::Update { entity, key, set, base } => {
                let update = Update { entity: *entity, set, key, base };
                session.store.execute(&session.catalog, &Statement::Update(update))
            }
            Change::Delete { entity, key, base } => {
                let delete = Delete { entity: *entity, key, base };
                session.store.execute(&session.catalog, &Statement::Delete(delete))
            }
        });
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
            Err(error) if error.kind == crate::ErrorKind::Connection => {}
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
        self.begin(true)?;
        while self.flushed < self.entries.len() {
            let run = self.run_of_inserts();
            let until = self.flushed + run;
            if run > 1 {
                // What a batch objects to is found below, one by one.
                let sent = self.send_run(run);
                if sent.is_ok() {
                    continue;
                }
                if let Err(error) = sent
                    && !matches!(error.kind, crate::ErrorKind::Constraint | crate::ErrorKind::Database)
                {
                    return Err(error);
                }
            }
            while self.flushed < until {
                self.flush_one()?;
            }
        }
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

    /// How many entries from the first unsent one are single inserts into the same columns; at least one.
    fn run_of_inserts(&self) -> usize {
        let pending = &self.entries[self.flushed..];
        let shape = |entry: &super::journal::Entry| match entry.changes.as_slice() {
            [Change::Insert { entity, columns, .. }] if !columns.is_empty() => Some((*entity, Rc::clone(columns))),
            _ => None,
        };
        let Some((entity, columns)) = pending.first().and_then(shape) else { return 1 };
        let facts = self.store.facts();
        let most = facts.batch.min(facts.max_binds / columns.len()).max(1);
        pending
            .iter()
            .take(most)
            .take_while(|entry| {
                matches!(entry.changes.as_slice(), [Change::Insert { entity: e, columns: c, .. }]
                    if *e == entity && (Rc::ptr_eq(c, &columns) || *c == columns))
            })
            .count()
    }

    /// Sends a run of like inserts in as few statements as their number allows.
    fn send_run(&mut self, run: usize) -> Result<()> {
        let until = self.flushed + run;
        while self.flushed < until {
            let rest = until - self.flushed;
            // Full batches share one prepared statement; an odd rest is sent in a few smaller ones.
            let full = self.store.facts().batch;
            let size = if rest >= full { full } else { 1 << rest.ilog2() };
            let keys = self.guarded(|session| session.send_batch(size))?;
            let mut wider = None;
            for (entry, key) in self.entries[self.flushed..self.flushed + size].iter_mut().zip(keys) {
                learn(entry, key, &mut wider);
            }
            self.flushed += size;
        }
        Ok(())
    }

    /// Sends the next `size` entries, all single inserts into the same columns, in one statement. Gives the keys of the
    /// new records where the database numbers them from a sequence: sequences do not go back when a transaction does,
    /// so whatever is sent again must take its key along.
    fn send_batch(&mut self, size: usize) -> Result<Vec<(usize, Value)>> {
        let entries = &self.entries[self.flushed..self.flushed + size];
        let mut rows: Vec<&[Value]> = Vec::with_capacity(size);
        let mut shape = None;
        for entry in entries {
            if let [Change::Insert { entity, columns, values, .. }] = entry.changes.as_slice() {
                rows.push(values);
                shape = Some((*entity, columns));
            }
        }
        let Some((entity, columns)) = shape else {
            return Err(Error::new(crate::ErrorKind::Database, "the journal changed while it was sent"));
        };
        let numbered = self.catalog.get(entity).numbered_key().filter(|key| !columns.contains(key));
        let returning = if self.store.facts().sequences { numbered } else { None };
        let Some(key) = returning else {
            let insert = Insert { entity, columns, rows: &rows, returning: &[] };
            self.store.execute(&self.catalog, &Statement::Insert(insert))?;
            return Ok(Vec::new());
        };
        let mut keys = Vec::with_capacity(size);
        let insert = Insert { entity, columns, rows: &rows, returning: &[key] };
        self.store.query(&self.catalog, &Statement::Insert(insert), &mut |cells| {
            keys.push((key, cells[0].to_value()));
            Ok(true)
        })?;
        Ok(keys)
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
