//! Changes that arrive together at a prompt (a paste, a file): staged as in a script, in a transaction that is rolled back
//! at their end, so that they cost a few round trips for every thousand.
//!
//! Nobody thinks meanwhile. What the database makes of new records is learned as they are sent, so that from then on they
//! are as good as staged one by one.

use super::commit::REMADE;
use super::flush::is_objection;
use super::journal::Change;
use super::net::net;
use super::seen::is_exact;
use super::{Applied, Mode, Patience, Session};
use crate::model::{Catalog, EntityId, Value};
use crate::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long changes are sent again that the database undoes, or whose connection is lost.
const BOUND: Duration = Duration::from_secs(5);

/// The first wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(20);

/// Changes that arrive together are being collected.
#[derive(Debug)]
pub(super) struct Together {
    /// How many entries were staged before. The database has no say in those any more.
    pub from: usize,
    /// Whether they are sent; not where a lock was not to be had in time.
    pub checked: bool,
    /// New rows as the database made them.
    pub made: Made,
}

/// New rows as the database made them, with their tables.
pub(super) type Made = Vec<(EntityId, Vec<Value>)>;

/// A record, so that it can be looked up in a table of such.
fn record(entity: EntityId, key: &[Value]) -> (EntityId, String) {
    (entity, format!("{key:?}"))
}

impl Session {
    /// Whether changes are collected to be staged together.
    #[must_use]
    pub(crate) const fn is_together(&self) -> bool {
        self.together.is_some()
    }

    /// From here on changes are collected, until [`Session::end_together`]. Only at a prompt; a lock that is not to be had
    /// in time means that they are staged unchecked.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn begin_together(&mut self) -> Result<()> {
        // In doubt nothing is staged, and what only reads goes on line by line.
        if self.mode != Mode::Prompt || self.is_together() || self.is_in_doubt() {
            return Ok(());
        }
        self.together = Some(Together { from: self.journal.len(), checked: true, made: Made::new() });
        match self.persist(Self::begin_again) {
            Ok(()) => {
                self.mode = Mode::Script;
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Busy && !error.is_undone() => self.unchecked(),
            Err(error) => {
                self.together = None;
                self.end()?;
                Err(error)
            }
        }
    }

    /// Does something again, a bounded number of times, where the database undoes it or its connection is lost.
    fn persist(&mut self, work: impl Fn(&mut Self) -> Result<()>) -> Result<()> {
        let mut done = work(self);
        let mut patience = Patience::new(BOUND, FIRST_WAIT);
        while let Err(error) = &done
            && (error.is_undone() || error.kind == ErrorKind::Connection)
            && patience.pause()
        {
            if error.kind == ErrorKind::Connection {
                self.reconnect()?;
                self.warnings.push(REMADE.into());
            } else {
                self.end()?;
            }
            done = work(self);
        }
        done
    }

    /// Opens the transaction of changes that are staged together, where it is not open, with all that was staged before.
    pub(super) fn begin_again(&mut self) -> Result<()> {
        let Some(from) = self.together.as_ref().map(|together| together.from) else { return Ok(()) };
        if self.is_open() {
            return Ok(());
        }
        let begun = self.begin_behind(from);
        if begun.is_err() {
            self.end()?;
        }
        begun
    }

    fn begin_behind(&mut self, from: usize) -> Result<()> {
        self.begin_trial()?;
        if from > 0 {
            if !self.store.facts().sequences {
                self.renumber()?;
            }
            let nets = net(&self.journal.entries()[..from], &self.catalog);
            let changes: Vec<&Change> = nets.iter().map(|net| &net.change).collect();
            for (at, error) in self.apply(&changes)? {
                let number = self.journal.entries()[nets[at].entry].number;
                self.warnings.push(format!("staged change #{number} no longer applies: {}", error.message));
            }
            self.forget_made();
        }
        self.applied = Applied::UpTo(from);
        if from == self.journal.len() {
            self.seen.sent();
        }
        Ok(())
    }

    fn forget_made(&mut self) {
        if let Some(together) = &mut self.together {
            together.made.clear();
        }
    }

    /// Someone else holds a lock: what was collected, and what is to come, is staged without a look at the database.
    pub(crate) fn unchecked(&mut self) -> Result<()> {
        self.end()?;
        self.mode = Mode::Prompt;
        let Some(together) = &mut self.together else { return Ok(()) };
        let from = together.from;
        if std::mem::replace(&mut together.checked, false) {
            self.warnings.push(self.not_checked());
        }
        for at in from..self.journal.len() {
            let mut entry = self.journal.entries()[at].clone();
            self.number_apart(&mut entry.changes, false)?;
            *self.journal.entry_mut(at) = entry;
        }
        Ok(())
    }

    /// What is said of changes that could not be checked.
    pub(super) fn not_checked(&self) -> String {
        format!("{}: this is staged, but could not be checked", self.locked())
    }

    /// Whether changes cannot wait to be sent: the database makes their keys, or does more than they say.
    pub(super) fn must_be_sent(&mut self, changes: &[Change]) -> Result<bool> {
        if !self.is_plain()? {
            return Ok(true);
        }
        let sequences = self.store.facts().sequences;
        let unknown = |change: &Change| {
            matches!(change, Change::Insert { .. })
                && change.key(&self.catalog).is_none()
                && !(sequences && self.catalog.get(change.entity()).numbered_key().is_some())
        };
        Ok(changes.iter().any(unknown))
    }

    /// The changes that were collected are staged: the database has been asked about all of them, nothing of them is open
    /// any more, and they are on disk.
    ///
    /// # Errors
    /// The database's objection to the first change that fails, with its place. It and what came behind it are not staged.
    pub(crate) fn end_together(&mut self) -> Result<()> {
        let Some(together) = &self.together else { return Ok(()) };
        let (from, checked) = (together.from, together.checked);
        let mut done = if checked { self.persist(Self::flush) } else { Ok(()) };
        if let Err(error) = &done
            && is_objection(error)
        {
            // Those before the one that fails; they went well once.
            if self.flush().is_err() {
                done = done.and(self.unchecked());
            }
        } else if let Err(error) = done {
            let connected = if error.kind == ErrorKind::Connection { self.reconnect() } else { Ok(()) };
            let kept = connected.and_then(|()| self.unchecked());
            done = if error.kind == ErrorKind::Busy { kept } else { Err(error) };
        }
        self.together = None;
        self.mode = Mode::Prompt;
        let ended = self.end();
        if let Some(keeper) = &mut self.keeper
            && let Err(error) = keeper.append_all(&self.journal.entries()[from..], &self.catalog)
        {
            self.journal.truncate(from);
            return Err(error);
        }
        done.and(ended)
    }

    /// Entries were sent: what the database made of new records, and how it spells new values, is theirs.
    pub(super) fn learn(&mut self, from: usize, until: usize) -> Result<()> {
        let Some(together) = &mut self.together else { return Ok(()) };
        let catalog = Arc::clone(&self.catalog);
        let key_of = |entity: EntityId, row: &[Value]| {
            catalog.get(entity).key.iter().map(|column| row[*column].clone()).collect::<Vec<Value>>()
        };
        let mut made: HashMap<(EntityId, String), Vec<Value>> = std::mem::take(&mut together.made)
            .into_iter()
            .map(|(entity, row)| (record(entity, &key_of(entity, &row)), row))
            .collect();
        for at in from..until {
            for index in 0..self.journal.entries()[at].changes.len() {
                let change = &self.journal.entries()[at].changes[index];
                let Change::Insert { entity, row: None, .. } = change else { continue };
                let entity = *entity;
                let Some(key) = change.key(&catalog) else { continue };
                let found = match made.remove(&record(entity, &key)) {
                    None => {
                        let by: Vec<(usize, Value)> = catalog.get(entity).key.iter().copied().zip(key).collect();
                        self.row(entity, &by)
                    }
                    found => found,
                };
                if let Change::Insert { row, .. } = &mut self.journal.entry_mut(at).changes[index] {
                    *row = found.map(Rc::from);
                }
            }
        }
        self.respell_all(from, until, &catalog)
    }

    /// Puts the database's own spelling of new values in their place, where the entries' latest value is the one it has.
    fn respell_all(&mut self, from: usize, until: usize, catalog: &Catalog) -> Result<()> {
        let mut wanted: HashMap<EntityId, Vec<Value>> = HashMap::new();
        let mut places = Vec::new();
        let mut latest = HashSet::new();
        for at in (from..until).rev() {
            for (index, change) in self.journal.entries()[at].changes.iter().enumerate().rev() {
                let Change::Update { entity, key, set, .. } = change else { continue };
                let model = catalog.get(*entity);
                if set.iter().all(|(column, _)| is_exact(&model.columns[*column].data_type)) {
                    continue;
                }
                let new =
                    |column: &usize| set.iter().find(|(changed, _)| changed == column).map(|(_, value)| value.clone());
                let now: Vec<Value> =
                    model.key.iter().zip(key).map(|(column, old)| new(column).unwrap_or_else(|| old.clone())).collect();
                let columns: Vec<usize> = set.iter().map(|(column, _)| *column).collect();
                let fresh: Vec<usize> =
                    columns.into_iter().filter(|column| latest.insert((record(*entity, &now), *column))).collect();
                if let [only] = now.as_slice() {
                    wanted.entry(*entity).or_default().push(only.clone());
                }
                places.push((at, index, *entity, now, fresh));
            }
        }
        let mut rows: HashMap<(EntityId, String), Vec<Value>> = HashMap::new();
        for (entity, values) in wanted {
            let column = catalog.get(entity).key[0];
            for row in self.rows_by(entity, column, &values)? {
                rows.insert(record(entity, std::slice::from_ref(&row[column])), row);
            }
        }
        for (at, index, entity, key, columns) in places {
            let row = match rows.get(&record(entity, &key)) {
                Some(row) => Some(row.clone()),
                None if key.len() == 1 => None,
                None => {
                    let by: Vec<(usize, Value)> = catalog.get(entity).key.iter().copied().zip(key).collect();
                    self.row(entity, &by)
                }
            };
            if let (Some(row), Change::Update { set, .. }) = (row, &mut self.journal.entry_mut(at).changes[index]) {
                for (column, value) in set.make_mut().iter_mut().filter(|(column, _)| columns.contains(column)) {
                    value.clone_from(&row[*column]);
                }
            }
        }
        Ok(())
    }

    /// The entry that a flush failed at is taken out; of changes that arrive together, also what came behind it.
    pub(super) fn take_failed(&mut self, at: usize, error: Error) -> Error {
        let place = if self.is_together() {
            self.journal.truncate(at).and_then(|entry| entry.place)
        } else {
            self.journal.remove(at).place
        };
        error.from_place(place)
    }
}
