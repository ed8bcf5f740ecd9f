//! Staging: a change is checked by the database, undone there, and kept in the journal.

use super::flush::is_objection;
use super::journal::{Change, Entry};
use super::net::net;
use super::seen::is_exact;
use super::touch::needed;
use super::{Applied, Mode, PENDING, Patience, Session, recovery};
use crate::model::{Catalog, Value};
use crate::plan::query::{Bulk, Insert, Statement};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How long a change is tried out that the database undoes because of what others do.
const TRYING: Duration = Duration::from_secs(5);

/// The first wait between two tries.
const FIRST_WAIT: Duration = Duration::from_millis(20);

impl Session {
    /// Stages changes as one entry.
    ///
    /// Without a held transaction they are tried out at once, with those staged before that they need, so that the
    /// database's own objections come now and a new record's key is known and stays; that is then rolled back.
    ///
    /// # Errors
    /// What the database objects to; nothing is staged then.
    #[doc(hidden)]
    pub fn stage(&mut self, changes: Vec<Change>, place: Option<Place>) -> Result<&Entry> {
        self.stage_with(changes, None, None, place)
    }

    /// [`Session::stage`], with what the database will do because of the changes, where that is known; and with the one
    /// statement that they are together, where there is one.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn stage_with(
        &mut self,
        changes: Vec<Change>,
        effects: Option<Vec<Change>>,
        bulk: Option<&Bulk>,
        place: Option<Place>,
    ) -> Result<&Entry> {
        self.certain()?;
        let effects = match effects {
            Some(known) if self.mode != Mode::Script || self.is_together() => known,
            _ => self.effects(&changes)?,
        };
        let mut entry = Entry { number: self.journal.next_number(), place, changes, effects, whole: None };
        let mut sent = self.mode == Mode::Held;
        match self.mode {
            Mode::Prompt if self.is_together() => self.number_apart(&mut entry.changes, false)?,
            Mode::Prompt => {
                if !self.try_bulk(bulk, entry.changes.len())? {
                    self.try_alone(&mut entry.changes)?;
                }
            }
            Mode::Held => self.try_held(&mut entry.changes)?,
            Mode::Script => {
                if self.journal.len() - self.flushed() >= PENDING {
                    self.flush()?;
                }
                if self.is_together() {
                    self.follow_new(&entry.changes)?;
                }
                self.number(&mut entry.changes)?;
                if self.is_together() && self.must_be_sent(&entry.changes)? {
                    self.try_held(&mut entry.changes)?;
                    sent = true;
                }
            }
        }
        if !self.is_together()
            && let Some(keeper) = &mut self.keeper
            && let Err(error) = keeper.append(&entry, &self.catalog)
        {
            // It is not staged, so it must not be in the transaction either.
            self.end()?;
            return Err(error);
        }
        self.journal.push(entry);
        self.note_staged();
        if sent {
            self.applied = Applied::UpTo(self.journal.len());
        }
        self.journal.entries().last().ok_or_else(|| Error::new(ErrorKind::Database, "the journal is empty"))
    }

    /// Tries many changes out as the one statement that they are, in a transaction that is rolled back; false where they
    /// are to be tried one by one: something else is staged, the database objects to one of them, or other rows are meant
    /// by now.
    fn try_bulk(&mut self, bulk: Option<&Bulk>, changes: usize) -> Result<bool> {
        let Some(bulk) = bulk.filter(|_| self.journal.is_empty()) else { return Ok(false) };
        let tried = self.begin_trial().and_then(|()| self.send_bulk(bulk));
        self.end()?;
        match tried {
            Ok(rows) => Ok(rows == changes),
            Err(error) if error.kind == ErrorKind::Busy => {
                self.warnings.push(self.not_checked());
                Ok(true)
            }
            Err(error) if is_objection(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tries changes out in a transaction that is rolled back. A lock that is not to be had in time is no objection.
    fn try_alone(&mut self, changes: &mut [Change]) -> Result<()> {
        let mut patience = Patience::new(TRYING, FIRST_WAIT);
        loop {
            match self.try_once(changes) {
                Err(error) if error.is_undone() && patience.pause() => {}
                done => return done,
            }
        }
    }

    fn try_once(&mut self, changes: &mut [Change]) -> Result<()> {
        let tried = self.begin_trial().and_then(|()| {
            self.apply_needed(changes)?;
            // The database would give a key that a staged record has, which it does not see here.
            if !self.store.facts().sequences {
                self.number_apart(changes, true)?;
            } else if self.store.is_renewed() {
                self.number_apart(changes, false)?;
            }
            self.try_changes(changes)
        });
        match tried {
            Err(error) if error.kind == ErrorKind::Busy && !error.is_undone() => {
                self.end()?;
                self.warnings.push(self.not_checked());
                self.number_apart(changes, false)
            }
            Err(error) => {
                self.end()?;
                Err(error)
            }
            Ok(()) => self.end(),
        }
    }

    /// Applies the staged changes that new ones need, in the open transaction.
    fn apply_needed(&mut self, new: &[Change]) -> Result<()> {
        if self.journal.is_empty() {
            return Ok(());
        }
        if !self.is_plain()? {
            // A trigger may look at anything.
            self.renumber()?;
            return self.apply_staged();
        }
        let catalog = Arc::clone(&self.catalog);
        let wanted = needed(self.journal.changes(), new, &catalog);
        if wanted.is_empty() {
            return Ok(());
        }
        if !self.store.facts().sequences {
            self.renumber()?;
        }
        let mut wanted = wanted.into_iter().peekable();
        let mut at = 0;
        let mut entries = Vec::new();
        for entry in self.journal.entries() {
            let mut changes = Vec::new();
            for change in &entry.changes {
                if wanted.next_if_eq(&at).is_some() {
                    changes.push(change.clone());
                }
                at += 1;
            }
            if !changes.is_empty() {
                entries.push(Entry { number: entry.number, place: None, changes, effects: Vec::new(), whole: None });
            }
        }
        let nets = net(&entries, &catalog);
        let numbers: Vec<u32> = nets.iter().map(|net| entries[net.entry].number).collect();
        self.apply_nets(&nets, &numbers)
    }

    /// Sends changes that are new in the open transaction: a new record gets its key, and its whole row becomes known.
    pub(super) fn try_changes(&mut self, changes: &mut [Change]) -> Result<()> {
        if changes.len() > 1 && !changes.iter().any(|change| matches!(change, Change::Insert { .. })) {
            let all: Vec<&Change> = changes.iter().collect();
            return self.send_all(&all).map_err(|(at, error)| self.explained(error, all[at]));
        }
        for change in changes {
            match change {
                Change::Insert { .. } => self.try_insert(change)?,
                Change::Update { .. } => {
                    self.send(change)?;
                    self.respell(change);
                }
                Change::Delete { .. } => self.send(change)?,
            }
        }
        Ok(())
    }

    /// Puts the database's own spelling of new values in their place (`1.50` for 1.5 in a numeric(10,2)), so that reads
    /// show what a commit will give. In the transaction in which they were just sent.
    fn respell(&mut self, change: &mut Change) {
        let Change::Update { entity, key, set, .. } = change else { return };
        let model = self.catalog.get(*entity).clone();
        if set.iter().all(|(column, _)| is_exact(&model.columns[*column].data_type)) {
            return;
        }
        let new = |column: &usize| set.iter().find(|(changed, _)| changed == column).map(|(_, value)| value.clone());
        let by = model.key.iter().zip(&*key).map(|(column, old)| (*column, new(column).unwrap_or_else(|| old.clone())));
        let by: Vec<(usize, Value)> = by.collect();
        if let Some(row) = self.row(*entity, &by) {
            for (column, value) in set.make_mut() {
                value.clone_from(&row[*column]);
            }
        }
    }

    fn try_insert(&mut self, change: &mut Change) -> Result<()> {
        let Change::Insert { entity, columns, values, .. } = &*change else { return Ok(()) };
        let model = self.catalog.get(*entity).clone();
        let returning: Vec<usize> = (0..model.columns.len()).collect();
        let mut made: Vec<Value> = Vec::new();
        let rows: [&[Value]; 1] = [values.as_slice()];
        let insert = Insert { entity: *entity, columns, rows: &rows, returning: &returning };
        let sent = self.guarded(|session| {
            session.store.query(&session.catalog, &Statement::Insert(insert), &mut |cells| {
                made = cells.iter().map(|cell| cell.to_value()).collect();
                Ok(true)
            })
        });
        if let Err(error) = sent {
            return Err(self.explained(error, change));
        }
        let Change::Insert { columns, values, given, row, .. } = change else { return Ok(()) };
        if made.len() == returning.len() {
            // From now on the key is part of the change: what was shown is what will be committed.
            for key in model.key.iter().filter(|key| !model.columns[**key].generated) {
                if !columns.contains(key) {
                    *columns = columns.iter().copied().chain([*key]).collect();
                    values.push(made[*key].clone());
                    *given |= model.columns[*key].numbered;
                }
            }
            *row = Some(Rc::from(made));
        }
        Ok(())
    }

    /// Sends changes in the held transaction, behind all that is staged.
    fn try_held(&mut self, changes: &mut [Change]) -> Result<()> {
        self.flush()?;
        if self.is_together() {
            self.begin_again()?;
        } else {
            self.begin(true)?;
        }
        let done = self.try_changes(changes);
        if done.is_err() && changes.len() > 1 {
            // Some of it may be applied: replay what was there before.
            self.end()?;
        }
        done
    }

    /// Gives keys to new records, other than those that staged records have; `only` where there are such.
    pub(super) fn number_apart(&mut self, changes: &mut [Change], only: bool) -> Result<()> {
        for at in 0..changes.len() {
            let Change::Insert { entity, columns, .. } = &changes[at] else { continue };
            let (entity, columns) = (*entity, Rc::clone(columns));
            let Some(key) = self.catalog.get(entity).numbered_key().filter(|key| !columns.contains(key)) else {
                continue;
            };
            let number = if self.store.facts().sequences {
                self.new_keys(entity, 1)?.first().copied()
            } else {
                let known = self.journal.changes().chain(&changes[..at]).filter(|change| change.entity() == entity);
                let keys = known.filter_map(|change| match change.key(&self.catalog).as_deref() {
                    Some([Value::Int(key)]) => Some(*key),
                    _ => None,
                });
                match keys.max() {
                    None if only => None,
                    staged => {
                        let last = self.greatest(entity)?.max(self.store.last_number(&self.catalog, entity)?);
                        last.max(staged.unwrap_or(0)).checked_add(1)
                    }
                }
            };
            if let (Some(number), Change::Insert { columns, values, given, .. }) = (number, &mut changes[at]) {
                *columns = columns.iter().copied().chain([key]).collect();
                values.push(Value::Int(number));
                *given = true;
            }
        }
        Ok(())
    }

    /// Looks for what earlier shells have left behind, where that was not done at the start: a script keeps what it finds
    /// in a file of its own from here on, until it is committed or rolled back. Gives how many entries there are.
    ///
    /// # Errors
    /// `Io`
    pub(crate) fn find_left(&mut self) -> Result<usize> {
        if let Some((folder, database)) = &self.recovery
            && self.keeper.is_none()
        {
            let found = recovery::open(folder, database)?;
            for file in found.strange {
                self.warnings.push(format!(
                    "{} is not taken for staged changes of yours: others could have written it, or it cannot be read",
                    file.display()
                ));
            }
            if !found.left.is_empty() {
                (self.keeper, self.left, self.recovered) = (Some(found.keeper), found.left, true);
            }
        }
        Ok(self.left())
    }

    /// Restores the changes that earlier shells have left behind. Gives how many entries that were.
    ///
    /// What a COMMIT was under way for is looked up first: what the database has already is not staged again.
    ///
    /// # Errors
    /// `Io`, and the database's own.
    pub fn recover(&mut self) -> Result<usize> {
        self.resolve()?;
        self.spell_out()?;
        let mut count = 0;
        while !self.left.is_empty() {
            let left = self.left.remove(0);
            match self.recover_one(&left) {
                Ok(entries) => count += entries,
                Err(error) => {
                    self.left.insert(0, left);
                    return Err(error);
                }
            }
            left.remove()?;
            self.certain()?;
        }
        self.renew_effects()?;
        Ok(count)
    }

    fn recover_one(&mut self, left: &recovery::Left) -> Result<usize> {
        let catalog = Arc::clone(&self.catalog);
        let (mut entries, warnings) = left.entries(&catalog);
        let mut doubt = None;
        if let Some((named, only)) = left.committing(&catalog).filter(|_| !entries.is_empty()) {
            self.end()?;
            doubt = self.recovered_doubt(&mut entries, named, only)?;
        }
        self.warnings.extend(warnings);
        if self.mode == Mode::Prompt {
            for sql in entries.iter().filter_map(Entry::sql) {
                let sql = crate::text::sql::shortened(sql);
                self.warnings.push(format!("SQL is not staged again, since no transaction is held here: {sql}"));
            }
            entries.retain(|entry| entry.sql().is_none());
        }
        self.apart(&mut entries)?;
        let count = entries.len();
        for entry in entries {
            self.journal.push(entry);
        }
        self.doubt = doubt;
        self.keep_journal()?;
        Ok(count)
    }

    /// Puts the journal as it is now in place of the recovery file.
    fn keep_journal(&mut self) -> Result<()> {
        let sent = self.doubt.as_ref().map(|doubt| (doubt.named.clone(), doubt.only.clone()));
        self.keep_safe(|keeper, entries, catalog| match &sent {
            Some((named, only)) => keeper.rewrite_committing(entries, named, only, catalog),
            None => keeper.rewrite(entries, catalog),
        })
    }

    /// Does something with the recovery file, where there is one.
    pub(super) fn keep_safe(
        &mut self,
        work: impl FnOnce(&mut recovery::Keeper, &[Entry], &Catalog) -> Result<()>,
    ) -> Result<()> {
        match &mut self.keeper {
            Some(keeper) => work(keeper, self.journal.entries(), &self.catalog),
            None => Ok(()),
        }
    }
}
