//! The session: a buffer of changes that is not a transaction.
//!
//! It knows the port of `store.rs`, not Diesel.

mod explain;
pub mod journal;
pub mod net;
mod renumber;

pub use renumber::Renumbered;

use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::{Delete, Insert, Select, Statement, Update};
use crate::store::{Each, Store};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use journal::{Change, Counts, Entry};
use net::{Net, net};
use std::rc::Rc;
use std::sync::Arc;

/// How many like inserts are sent in one statement at the most.
const BATCH: usize = 200;

/// How many changes a script collects before it sends them.
const PENDING: usize = 4_000;

/// Whether a transaction stays open while changes are staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// No: every read applies the journal, asks, and rolls back. For a person, who thinks.
    No,
    /// Yes: from the first change sent to the commit. For a script, where nobody waits.
    Yes,
}

/// A database with the changes staged for it.
pub struct Session {
    store: Box<dyn Store>,
    catalog: Arc<Catalog>,
    hold: Hold,
    entries: Vec<Entry>,
    undone: Vec<Entry>,
    /// Entries before this one are applied in the open transaction.
    flushed: usize,
    /// Whether a transaction is open.
    open: bool,
    next: u32,
    warnings: Vec<String>,
    renumbered: Vec<Renumbered>,
    /// The columns of the latest insert, to share among like ones.
    columns: Rc<[usize]>,
}

impl Session {
    /// A session without changes.
    #[must_use]
    pub fn new(store: Box<dyn Store>, catalog: Arc<Catalog>, hold: Hold) -> Self {
        Self {
            store,
            catalog,
            hold,
            entries: Vec::new(),
            undone: Vec::new(),
            flushed: 0,
            open: false,
            next: 1,
            warnings: Vec::new(),
            renumbered: Vec::new(),
            columns: Rc::new([]),
        }
    }

    /// The models.
    #[must_use]
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// The database itself. Only for what has nothing to do with staged changes: see [`Session::is_clean`].
    pub fn store(&mut self) -> &mut dyn Store {
        &mut *self.store
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many commands' changes are staged.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.entries.len()
    }

    /// The staged entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What a commit would send.
    #[must_use]
    pub fn net(&self) -> Vec<Net> {
        net(&self.entries, &self.catalog)
    }

    /// How many records a commit would add, change and delete.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        if self.hold == Hold::Yes {
            // Sent as typed: nothing is netted.
            for change in self.entries.iter().flat_map(|entry| &entry.changes) {
                counts.count(change);
            }
        } else {
            for net in self.net() {
                counts.count(&net.change);
            }
        }
        counts
    }

    /// Warnings since they were last taken: staged changes that no longer apply.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// An insert of these values.
    pub fn insert(&mut self, entity: EntityId, values: Vec<(usize, Value)>) -> Change {
        if self.columns.len() != values.len()
            || !self.columns.iter().zip(&values).all(|(known, (column, _))| known == column)
        {
            self.columns = values.iter().map(|(column, _)| *column).collect();
        }
        let values = values.into_iter().map(|(_, value)| value).collect();
        Change::Insert { entity, columns: Rc::clone(&self.columns), values, given: false }
    }

    /// Stages changes as one entry.
    ///
    /// Without a held transaction they are tried out at once, so that the database's own objections come now and a new
    /// record's key is known and stays; the changes are then undone until `commit`.
    ///
    /// # Errors
    /// What the database objects to; nothing is staged then.
    pub fn stage(&mut self, changes: Vec<Change>, place: Option<Place>) -> Result<&Entry> {
        self.undone.clear();
        let mut entry = Entry { number: self.next, place, changes };
        if self.hold == Hold::No {
            self.begin(true)?;
            let tried = self.try_out(&mut entry.changes);
            self.end()?;
            tried?;
        }
        if self.hold == Hold::Yes && self.entries.len() - self.flushed >= PENDING {
            self.flush()?;
        }
        self.next += 1;
        self.entries.push(entry);
        self.entries.last().ok_or_else(|| Error::new(ErrorKind::Database, "the journal is empty"))
    }

    fn try_out(&mut self, changes: &mut [Change]) -> Result<()> {
        self.renumber()?;
        self.apply_staged();
        self.try_changes(changes)
    }

    /// Sends changes one by one; a new record that the database numbers gets its key.
    fn try_changes(&mut self, changes: &mut [Change]) -> Result<()> {
        for change in changes {
            let numbered = self.catalog.get(change.entity()).numbered_key();
            match (&mut *change, numbered) {
                (Change::Insert { entity, columns, values, given }, Some(key)) if !columns.contains(&key) => {
                    let mut number = Value::Null;
                    let rows: [&[Value]; 1] = [values.as_slice()];
                    let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[key] };
                    let sent = self.store.query(&self.catalog, &Statement::Insert(insert), &mut |cells| {
                        number = cells[0].to_value();
                        Ok(true)
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

    /// Runs one change in the open transaction.
    fn send(&mut self, change: &Change) -> Result<()> {
        let affected = match change {
            Change::Insert { entity, columns, values, .. } => {
                let rows: [&[Value]; 1] = [values.as_slice()];
                let insert = Insert { entity: *entity, columns, rows: &rows, returning: &[] };
                self.store.execute(&self.catalog, &Statement::Insert(insert))
            }
            Change::Update { entity, key, set, base } => {
                let update = Update { entity: *entity, set, key, base };
                self.store.execute(&self.catalog, &Statement::Update(update))
            }
            Change::Delete { entity, key, base } => {
                let delete = Delete { entity: *entity, key, base };
                self.store.execute(&self.catalog, &Statement::Delete(delete))
            }
        };
        match affected {
            Ok(0) => Err(self.conflict(change)),
            Ok(_) => Ok(()),
            Err(error) => Err(self.explained(error, change)),
        }
    }

    /// Applies the journal in the open transaction for a read; what no longer applies is skipped with a warning.
    fn apply_staged(&mut self) {
        for net in net(&self.entries, &self.catalog) {
            if let Err(error) = self.send(&net.change) {
                let number = self.entries[net.entry].number;
                self.warnings.push(format!("staged change #{number} no longer applies: {}", error.message));
            }
        }
    }

    fn begin(&mut self, write: bool) -> Result<()> {
        if !self.open {
            self.store.begin(write)?;
            self.open = true;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        if std::mem::take(&mut self.open) {
            self.flushed = 0;
            self.store.rollback()?;
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
            if run > 1 && self.send_run(run).is_ok() {
                self.flushed += run;
                continue;
            }
            // One by one: the first that fails is the one to name.
            let until = self.flushed + run;
            while self.flushed < until {
                let entry = self.entries[self.flushed].clone();
                for (sent, change) in entry.changes.iter().enumerate() {
                    if let Err(error) = self.send(change) {
                        self.entries.remove(self.flushed);
                        if sent > 0 {
                            // Part of an entry is applied: replay all that is left, without it.
                            self.end()?;
                        }
                        return Err(error.from_place(entry.place));
                    }
                }
                self.flushed += 1;
            }
        }
        Ok(())
    }

    /// Sends what is pending, the last entry by itself so that the key of its new record becomes known. Gives that key.
    ///
    /// # Errors
    /// As [`Session::flush`].
    pub fn settle_last(&mut self) -> Result<Option<(EntityId, Vec<Value>)>> {
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

    /// How many entries from the first unsent one are single inserts into the same columns; at least one.
    fn run_of_inserts(&self) -> usize {
        let pending = &self.entries[self.flushed..];
        let shape = |entry: &Entry| match entry.changes.as_slice() {
            [Change::Insert { entity, columns, .. }] if !columns.is_empty() => Some((*entity, Rc::clone(columns))),
            _ => None,
        };
        let Some((entity, columns)) = pending.first().and_then(shape) else { return 1 };
        let most = BATCH.min(self.store.facts().max_binds / columns.len()).max(1);
        pending
            .iter()
            .take(most)
            .take_while(|entry| {
                matches!(entry.changes.as_slice(), [Change::Insert { entity: e, columns: c, .. }]
                    if *e == entity && (Rc::ptr_eq(c, &columns) || *c == columns))
            })
            .count()
    }

    fn send_run(&mut self, run: usize) -> Result<()> {
        let entries = &self.entries[self.flushed..self.flushed + run];
        let mut rows: Vec<&[Value]> = Vec::with_capacity(run);
        let mut shape = None;
        for entry in entries {
            if let [Change::Insert { entity, columns, values, .. }] = entry.changes.as_slice() {
                rows.push(values);
                shape = Some((*entity, columns));
            }
        }
        let Some((entity, columns)) = shape else { return Ok(()) };
        // Full batches share one prepared statement; an odd rest is sent in a few smaller ones.
        let mut rest = rows.as_slice();
        while !rest.is_empty() {
            let size = if rest.len() >= BATCH { BATCH } else { 1 << rest.len().ilog2() };
            let (now, later) = rest.split_at(size);
            let insert = Insert { entity, columns, rows: now, returning: &[] };
            self.store.execute(&self.catalog, &Statement::Insert(insert))?;
            rest = later;
        }
        Ok(())
    }

    /// Runs a query that sees what is staged.
    ///
    /// # Errors
    /// The database's, and whatever `each` returns.
    pub fn query(&mut self, select: &Select, each: &mut Each<'_>) -> Result<()> {
        self.reading(|store, catalog| store.query(catalog, &Statement::Select(select), each))
    }

    /// Does something with the database while staged changes are visible in it.
    ///
    /// # Errors
    /// What `work` returns, or the database's own when the changes cannot be applied.
    pub fn reading<T>(&mut self, work: impl FnOnce(&mut dyn Store, &Catalog) -> Result<T>) -> Result<T> {
        if self.hold == Hold::Yes {
            self.flush()?;
            return work(&mut *self.store, &self.catalog);
        }
        if self.entries.is_empty() {
            return work(&mut *self.store, &self.catalog);
        }
        self.begin(true)?;
        self.renumber()?;
        self.apply_staged();
        let result = work(&mut *self.store, &self.catalog);
        self.end()?;
        result
    }

    /// Commits everything that is staged, in one transaction, all or nothing. Gives what was written.
    ///
    /// # Errors
    /// `Conflict` or `Constraint`, naming the change; the journal is kept.
    pub fn commit(&mut self, dry_run: bool) -> Result<Counts> {
        let counts = self.counts();
        if self.hold == Hold::Yes {
            self.flush()?;
        } else if !self.entries.is_empty() {
            self.begin(true)?;
            self.renumber()?;
            if let Err(error) = self.send_all() {
                self.end()?;
                return Err(error);
            }
        }
        if dry_run {
            self.end()?;
            return Ok(counts);
        }
        if self.open {
            if let Err(error) = self.store.commit() {
                self.end()?;
                return Err(error.hint("nothing was written; what was staged is still staged"));
            }
            self.open = false;
        }
        self.forget();
        Ok(counts)
    }

    fn send_all(&mut self) -> Result<()> {
        for net in self.net() {
            if let Err(error) = self.send(&net.change) {
                let entry = &self.entries[net.entry];
                let place = entry.place.clone();
                let mut error = error.from_place(place);
                error.message = format!("change #{}: {}", entry.number, error.message);
                return Err(
                    error.hint("nothing was written; what was staged is still staged (`status`, `undo`, `rollback`)")
                );
            }
        }
        Ok(())
    }

    fn forget(&mut self) {
        self.entries.clear();
        self.undone.clear();
        self.flushed = 0;
    }

    /// Discards everything that is staged. Gives what it was.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub fn rollback(&mut self) -> Result<Counts> {
        let counts = self.counts();
        self.end()?;
        self.forget();
        Ok(counts)
    }

    /// Takes back the last `count` entries; gives how many there were to take.
    ///
    /// # Errors
    /// When the database cannot roll back.
    pub fn undo(&mut self, count: usize) -> Result<usize> {
        let count = count.min(self.entries.len());
        if count > 0 {
            // A held transaction is replayed without them.
            self.end()?;
            for _ in 0..count {
                self.undone.extend(self.entries.pop());
            }
        }
        Ok(count)
    }

    /// Stages again the last `count` entries that were taken back; gives how many there were.
    pub fn redo(&mut self, count: usize) -> usize {
        let count = count.min(self.undone.len());
        for _ in 0..count {
            self.entries.extend(self.undone.pop());
        }
        count
    }
}

pub use explain::by_values;
