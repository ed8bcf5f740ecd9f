//! Sending changes: in sets that differ only in values, the failing change named.

use super::journal::{Change, Entry, Whole};
use super::number::with_key;
use super::seen::has_given;
use super::sets::sets;
use super::together::Made;
use super::{Applied, Session};
use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::{ChangedRow, Delete, Insert, RowSet, Statement, Update};
use crate::store::Store;
use crate::{Error, ErrorKind, Result};

/// New records that need keys: their table, its key column, and where they stand in the journal.
type Unnumbered = (EntityId, usize, Vec<(usize, usize)>);

impl Session {
    /// Runs one change in the open transaction. When it fails, the transaction is as it was before.
    ///
    /// # Errors
    /// `Conflict` when the row is not as it was read; the database's objection in the words of the models.
    pub(super) fn send(&mut self, change: &Change) -> Result<()> {
        let sent = self.guarded(|session| session.send_set(&[change]));
        sent.map_err(|error| self.explained(error, change))
    }

    /// Does something whose failure must not spoil the open transaction.
    pub(super) fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if !self.store.facts().failure_aborts || !self.is_open() {
            return work(self);
        }
        self.at_savepoint(work)
    }

    /// Does something that is undone in the open transaction when it fails.
    fn at_savepoint<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
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

    fn send_set(&mut self, set: &[&Change]) -> Result<()> {
        send_set(&mut *self.store, &self.catalog, set, self.together.as_mut().map(|together| &mut together.made))
    }

    /// Sends changes in the open transaction, in as few statements as their order allows. When one fails, the transaction
    /// is no good any more but to be rolled back.
    pub(super) fn send_sets(&mut self, changes: &[&Change]) -> Result<()> {
        if let [only] = changes {
            return self.send_set(&[*only]);
        }
        let plain = self.is_plain()?;
        for set in sets(changes.iter().copied(), &self.catalog, plain) {
            let set: Vec<&Change> = set.into_iter().map(|at| changes[at]).collect();
            self.send_set(&set)?;
        }
        Ok(())
    }

    /// Sends changes in the open transaction; on failure the transaction is as it was before.
    ///
    /// # Errors
    /// The place of the change that fails, and what the database says of it in its own words.
    pub(super) fn send_all(&mut self, changes: &[&Change]) -> std::result::Result<(), (usize, Error)> {
        match self.at_savepoint(|session| session.send_sets(changes)) {
            Err(error) if is_objection(&error) => {
                self.store.savepoint().map_err(|error| (0, error))?;
                let found = self.culprit(changes, error);
                if found.1.kind != ErrorKind::Connection {
                    self.store.back_to_savepoint().map_err(|error| (0, error))?;
                }
                Err(found)
            }
            done => done.map_err(|error| (0, error)),
        }
    }

    /// The change that makes a list fail, found by halves; those before it are applied then. Each half is sent in sets.
    pub(super) fn culprit(&mut self, changes: &[&Change], error: Error) -> (usize, Error) {
        let (mut from, mut until, mut error) = (0, changes.len(), error);
        while until - from > 1 {
            let middle = from + (until - from) / 2;
            match self.at_savepoint(|session| session.send_sets(&changes[from..middle])) {
                Ok(()) => from = middle,
                Err(objection) if is_objection(&objection) => (until, error) = (middle, objection),
                Err(lost) => return (from, lost),
            }
        }
        // By itself, so that the objection is about nothing else.
        match self.guarded(|session| session.send_set(&changes[from..until])) {
            Err(objection) => (from, objection),
            Ok(()) => (from, error),
        }
    }

    /// Applies changes in the open transaction, without those that fail. Gives the places of these with their errors.
    ///
    /// # Errors
    /// `Busy`, `Connection`: what is no fault of a change.
    pub(super) fn apply(&mut self, changes: &[&Change]) -> Result<Vec<(usize, Error)>> {
        let mut failed = Vec::new();
        let mut from = 0;
        while from < changes.len() {
            match self.at_savepoint(|session| session.send_sets(&changes[from..])) {
                Ok(()) => break,
                Err(error) if is_objection(&error) => {
                    let (at, error) = self.culprit(&changes[from..], error);
                    if error.kind.is_transient() {
                        return Err(error);
                    }
                    let error = self.explained(error, changes[from + at]);
                    failed.push((from + at, error));
                    from += at + 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    /// Sends what a held transaction has not been sent yet. A change that fails is taken out of the journal.
    ///
    /// # Errors
    /// The database's objection to the first change that fails, with the place where it was typed.
    pub fn flush(&mut self) -> Result<()> {
        self.flush_until(self.journal.len())
    }

    fn flush_until(&mut self, until: usize) -> Result<()> {
        // What is in doubt was sent, and is not sent again by whoever only wants to read.
        if self.flushed() >= until || self.is_in_doubt() {
            return Ok(());
        }
        if self.is_together() {
            self.begin_again()?;
        } else {
            let fresh = !self.is_open();
            self.begin(true)?;
            if fresh && has_given(self.journal.entries()) {
                // Sent again: someone else may have taken a key that was handed out.
                self.renumber()?;
            }
        }
        while self.flushed() < until {
            let from = self.flushed();
            let whole = |at: &usize| self.journal.entries()[*at].whole.is_some();
            match (from..until).find(whole) {
                Some(at) if at == from => self.flush_whole(at)?,
                // It stands between what was staged before it and behind it.
                barrier => self.flush_changes(from, barrier.unwrap_or(until))?,
            }
        }
        Ok(())
    }

    fn flush_whole(&mut self, at: usize) -> Result<()> {
        let mut entry = self.journal.entries()[at].clone();
        if let Err(error) = self.send_whole(&mut entry) {
            if !error.kind.is_transient() {
                self.journal.remove(at);
            }
            self.seen.unsent();
            return Err(error.from_place(entry.place));
        }
        *self.journal.entry_mut(at) = entry;
        self.applied = Applied::UpTo(at + 1);
        Ok(())
    }

    /// Sends what an entry sends as it stands, again.
    fn send_whole(&mut self, entry: &mut Entry) -> Result<()> {
        match &mut entry.whole {
            None => Ok(()),
            Some(Whole::Sql(sql)) => self.send_statement(sql),
            Some(Whole::Bulk(bulk, rows)) => {
                *rows = self.send_bulk(bulk)?;
                Ok(())
            }
        }
    }

    fn flush_changes(&mut self, from: usize, until: usize) -> Result<()> {
        self.reserve(from, until)?;
        // The journal is not touched while its entries are sent.
        let journal = std::mem::take(&mut self.journal);
        let sent = self.send_entries(&journal.entries()[from..until]);
        self.journal = journal;
        let (owner, whole, error) = match sent {
            Ok(()) => {
                self.applied = Applied::UpTo(until);
                if until == self.journal.len() {
                    self.seen.sent();
                }
                return self.learn(from, until);
            }
            Err(failed) => failed,
        };
        if !is_objection(&error) {
            // Not the change's fault: it stays.
            return Err(error);
        }
        self.applied = Applied::UpTo(from + owner);
        let error = self.take_failed(from + owner, error);
        self.seen.unsent();
        if !whole {
            // Part of an entry is applied: replay all that is left, without it.
            self.end()?;
        } else if self.is_together() {
            self.learn(from, from + owner)?;
        }
        Err(error)
    }

    /// Sends entries in the open transaction. On failure those before the failing one are applied.
    ///
    /// # Errors
    /// The place of the entry that fails, whether nothing of it is applied, and the objection in the words of the models.
    fn send_entries(&mut self, entries: &[Entry]) -> std::result::Result<(), (usize, bool, Error)> {
        let mut owners = Vec::with_capacity(entries.len());
        let mut changes: Vec<&Change> = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            owners.extend(entry.changes.iter().map(|_| at));
            changes.extend(&entry.changes);
        }
        match self.at_savepoint(|session| session.send_sets(&changes)) {
            Err(error) if is_objection(&error) => {
                let (at, error) = self.culprit(&changes, error);
                let error = self.explained(error, changes[at]);
                Err((owners[at], at == 0 || owners[at - 1] != owners[at], error))
            }
            done => done.map_err(|error| (0, true, error)),
        }
    }

    /// Takes keys from sequences for the new records among some entries: sequences do not go back when a transaction does,
    /// so whatever is sent again must take its key along. Never by the order of RETURNING, which is no promise.
    fn reserve(&mut self, from: usize, until: usize) -> Result<()> {
        if !self.store.facts().sequences {
            return Ok(());
        }
        let mut wanted: Vec<Unnumbered> = Vec::new();
        for (at, entry) in self.journal.entries()[..until].iter().enumerate().skip(from) {
            for (index, change) in entry.changes.iter().enumerate() {
                let Change::Insert { entity, columns, .. } = change else { continue };
                let Some(key) = self.catalog.get(*entity).numbered_key().filter(|key| !columns.contains(key)) else {
                    continue;
                };
                match wanted.iter_mut().find(|(known, ..)| known == entity) {
                    Some((.., places)) => places.push((at, index)),
                    None => wanted.push((*entity, key, vec![(at, index)])),
                }
            }
        }
        for (entity, key, places) in wanted {
            let keys = self.guarded(|session| session.new_keys(entity, places.len()))?;
            for ((at, index), number) in places.into_iter().zip(keys) {
                if let Change::Insert { columns, values, given, .. } = &mut self.journal.entry_mut(at).changes[index] {
                    *columns = with_key(&mut self.keyed, columns, key);
                    values.push(Value::Int(number));
                    *given = true;
                }
            }
        }
        Ok(())
    }

    /// Sends what is pending, the last entry by itself so that the key of its new record becomes known. Gives that key.
    ///
    /// # Errors
    /// As [`Session::flush`].
    pub(crate) fn settle_last(&mut self) -> Result<Option<(EntityId, Vec<Value>)>> {
        let count = self.journal.len();
        if self.journal.entries().last().is_some_and(|entry| entry.whole.is_some()) {
            self.flush()?;
            return Ok(None);
        }
        if self.flushed() < count {
            self.flush_until(count - 1)?;
            self.begin(true)?;
            let mut entry = self.journal.entries()[count - 1].clone();
            if let Err(error) = self.try_changes(&mut entry.changes) {
                if !error.kind.is_transient() {
                    self.journal.remove(count - 1);
                }
                self.seen.unsent();
                return Err(error.from_place(entry.place));
            }
            *self.journal.entry_mut(count - 1) = entry;
            self.applied = Applied::UpTo(count);
        }
        let last = self.journal.entries().last().and_then(|entry| entry.changes.first());
        Ok(last.and_then(|change| change.key(&self.catalog).map(|key| (change.entity(), key))))
    }

    /// Sends everything so that each new record's key is known, and each row that a bulk change hits.
    ///
    /// # Errors
    /// As [`Session::flush`].
    pub(crate) fn settle(&mut self) -> Result<()> {
        let unknown = |change: &Change| {
            matches!(change, Change::Insert { entity, .. } if !self.catalog.get(*entity).key.is_empty())
                && change.key(&self.catalog).is_none()
        };
        if !self.journal.changes().any(unknown) && !self.journal.has_bulk() {
            return Ok(());
        }
        // What is wrong with a change is found first, as ever.
        self.flush()?;
        self.end()?;
        self.begin(true)?;
        for at in 0..self.journal.len() {
            let mut entry = self.journal.entries()[at].clone();
            let sent = match entry.whole.take() {
                Some(Whole::Bulk(bulk, _)) => self.spelled_out(&bulk).and_then(|changes| {
                    entry.changes = changes;
                    self.try_changes(&mut entry.changes)
                }),
                None => self.try_changes(&mut entry.changes),
                whole => {
                    entry.whole = whole;
                    self.send_whole(&mut entry)
                }
            };
            if let Err(error) = sent {
                self.end()?;
                return Err(error.from_place(entry.place));
            }
            *self.journal.entry_mut(at) = entry;
        }
        self.applied = Applied::UpTo(self.journal.len());
        Ok(())
    }
}

/// Whether an error is about a change, so that it makes sense to look for the one that it is about.
pub(super) const fn is_objection(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Constraint | ErrorKind::Database | ErrorKind::Conflict)
}

/// Sends changes that differ only in values, in as few statements as the backend's limits allow. New rows as the database
/// made them are put into `made`.
///
/// # Errors
/// `Conflict` when fewer rows were changed than were named; the database's own.
fn send_set(store: &mut dyn Store, catalog: &Catalog, set: &[&Change], mut made: Option<&mut Made>) -> Result<()> {
    let Some(first) = set.first() else { return Ok(()) };
    let entity = first.entity();
    if let Change::Insert { columns, .. } = first {
        let values = set.iter().filter_map(|change| match change {
            Change::Insert { values, .. } => Some(values.as_slice()),
            _ => None,
        });
        let rows: Vec<&[Value]> = values.collect();
        let all: Vec<usize> = (0..catalog.get(entity).columns.len()).collect();
        let full = if columns.is_empty() { 1 } else { store.facts().rows_at_once(columns.len()) };
        for rows in batches(&rows, full, store.facts().arrays) {
            let Some(made) = made.as_deref_mut() else {
                store.execute(catalog, &Statement::Insert(Insert { entity, columns, rows, returning: &[] }))?;
                continue;
            };
            store.query(
                catalog,
                &Statement::Insert(Insert { entity, columns, rows, returning: &all }),
                &mut |cells| {
                    made.push((entity, cells.iter().map(|cell| cell.to_value()).collect()));
                    Ok(true)
                },
            )?;
        }
        return Ok(());
    }
    let rows: Vec<ChangedRow<'_>> = set.iter().filter_map(|change| row_of(change)).collect();
    let deletes = matches!(first, Change::Delete { .. });
    let width = rows.first().map_or(0, |row| row.values().count());
    for rows in batches(&rows, store.facts().rows_at_once(width), store.facts().arrays) {
        let statement = match (rows, deletes) {
            ([ChangedRow { key, base, .. }], true) => Statement::Delete(Delete { entity, key, base }),
            ([ChangedRow { key, set, base }], false) => Statement::Update(Update { entity, set, key, base }),
            (rows, true) => Statement::Deletes(RowSet { entity, rows }),
            (rows, false) => Statement::Updates(RowSet { entity, rows }),
        };
        if store.execute(catalog, &statement)? != rows.len() {
            return Err(Error::new(ErrorKind::Conflict, "a record is not as it was read"));
        }
    }
    Ok(())
}

fn row_of(change: &Change) -> Option<ChangedRow<'_>> {
    match change {
        Change::Update { key, set, base, .. } => Some(ChangedRow { key, set, base }),
        Change::Delete { key, base, .. } => Some(ChangedRow { key, set: &[], base }),
        Change::Insert { .. } => None,
    }
}

/// Pieces of a list. Where each number of rows makes a statement of its own, full pieces share one; an odd rest comes in a
/// few smaller ones.
fn batches<T>(rows: &[T], full: usize, any: bool) -> impl Iterator<Item = &[T]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let size = match rest.len() {
            0 => return None,
            many if many >= full => full,
            few if any => few,
            few => 1 << few.ilog2(),
        };
        let (batch, behind) = rest.split_at(size);
        rest = behind;
        Some(batch)
    })
}
