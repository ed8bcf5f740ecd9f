//! Walking the journal: undo, redo, savepoints, discarding what was staged for one record.

use super::journal::{Change, Entry};
use super::{Session, Undone};
use crate::model::{EntityId, Value};
use crate::{Error, ErrorKind, Result};

/// A place in the journal with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Savepoint {
    name: String,
    entries: usize,
    edits: usize,
}

impl Session {
    /// Takes back the last `count` steps; gives how many there were to take.
    ///
    /// # Errors
    /// When the database cannot roll back, or the recovery file cannot be written.
    pub fn undo(&mut self, count: usize) -> Result<usize> {
        let mut done = 0;
        while done < count && self.step_back() {
            done += 1;
        }
        if done > 0 {
            self.replay()?;
        }
        Ok(done)
    }

    /// One step back in memory; false when there is none.
    fn step_back(&mut self) -> bool {
        if let Some((at, _)) = self.edits.last()
            && *at == self.entries.len()
            && let Some((_, before)) = self.edits.pop()
        {
            let after = std::mem::replace(&mut self.entries, before);
            self.undone.push(Undone::Edit(after));
        } else if let Some(entry) = self.entries.pop() {
            self.undone.push(Undone::Entry(entry));
        } else {
            return false;
        }
        let (entries, edits) = (self.entries.len(), self.edits.len());
        self.savepoints.retain(|place| place.edits < edits || (place.edits == edits && place.entries <= entries));
        true
    }

    /// Stages again the last `count` steps that were taken back; gives how many there were.
    ///
    /// # Errors
    /// When the database cannot roll back, or the recovery file cannot be written.
    pub fn redo(&mut self, count: usize) -> Result<usize> {
        let count = count.min(self.undone.len());
        for _ in 0..count {
            match self.undone.pop() {
                Some(Undone::Entry(entry)) => self.entries.push(entry),
                Some(Undone::Edit(after)) => {
                    let before = std::mem::replace(&mut self.entries, after);
                    self.edits.push((self.entries.len(), before));
                }
                None => {}
            }
        }
        if count > 0 {
            self.replay()?;
        }
        Ok(count)
    }

    /// The journal was changed other than at its end: a held transaction is done again, the recovery file rewritten.
    pub(super) fn replay(&mut self) -> Result<()> {
        self.end()?;
        self.keep_safe(super::recovery::Keeper::rewrite)
    }

    /// Names the place that the journal has reached; a name that is used again moves.
    pub fn savepoint(&mut self, name: &str) {
        self.savepoints.retain(|place| place.name != name);
        self.savepoints.push(Savepoint { name: name.to_owned(), entries: self.entries.len(), edits: self.edits.len() });
    }

    /// Names of savepoints, oldest first.
    pub fn savepoints(&self) -> impl Iterator<Item = &str> {
        self.savepoints.iter().map(|place| place.name.as_str())
    }

    /// Takes back everything since a savepoint, which stays; gives how many steps that were.
    ///
    /// # Errors
    /// `Invalid` when there is none of that name.
    pub fn rollback_to(&mut self, name: &str) -> Result<usize> {
        let Some(place) = self.savepoints.iter().find(|place| place.name == name).cloned() else {
            let error = Error::invalid(format!("there is no savepoint `{name}`"));
            let error = error.suggest(name, self.savepoints());
            return Err(error.hint("`savepoint NAME` makes one; a commit ends them all"));
        };
        let mut steps = 0;
        while (self.edits.len() > place.edits || self.entries.len() > place.entries) && self.step_back() {
            steps += 1;
        }
        if steps > 0 {
            self.replay()?;
        }
        Ok(steps)
    }

    /// Replaces the journal as one step that `undo` takes back.
    pub(super) fn edit(&mut self, entries: Vec<Entry>) -> Result<()> {
        let before = std::mem::replace(&mut self.entries, entries);
        self.undone.clear();
        self.edits.push((self.entries.len(), before));
        self.replay()
    }

    /// Takes out what is staged for one record, or for one of its columns. Gives how many changes that were.
    ///
    /// # Errors
    /// `Invalid` when nothing is staged for it; `Refused` when other staged changes need it.
    #[doc(hidden)]
    pub fn discard(&mut self, entity: EntityId, key: &[Value], column: Option<usize>) -> Result<usize> {
        let mut entries = self.entries.clone();
        let mut taken = 0;
        for entry in &mut entries {
            entry.changes.retain_mut(|change| {
                if change.entity() != entity || change.key(&self.catalog).as_deref() != Some(key) {
                    return true;
                }
                match (column, change) {
                    (None, _) => {
                        taken += 1;
                        false
                    }
                    (Some(column), Change::Update { set, base, .. }) => {
                        let before = set.len();
                        set.retain(|(at, _)| *at != column);
                        base.retain(|(at, _)| *at != column);
                        taken += before - set.len();
                        !set.is_empty()
                    }
                    (Some(column), Change::Insert { columns, values, .. }) => {
                        let required = self.catalog.get(entity).columns[column].required();
                        if let (Some(at), false) = (columns.iter().position(|known| *known == column), required) {
                            taken += 1;
                            values.remove(at);
                            *columns = columns.iter().copied().filter(|known| *known != column).collect();
                        }
                        true
                    }
                    (Some(_), Change::Delete { .. }) => true,
                }
            });
        }
        entries.retain(|entry| !entry.changes.is_empty());
        let model = self.catalog.get(entity);
        if taken == 0 {
            let what = column.map_or_else(String::new, |column| format!(".{}", model.columns[column].name));
            let name = crate::plan::named_by_key(model, key);
            return Err(Error::invalid(format!("nothing that can be discarded is staged for {name}{what}"))
                .hint("`status` lists what is staged"));
        }
        if column.is_none()
            && let Some(number) = self.needed_by(&entries, entity, key)
        {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("staged change #{number} refers to this new {}", model.name),
            )
            .hint("discard that one first"));
        }
        self.edit(entries)?;
        Ok(taken)
    }

    /// The number of an entry that refers to a staged new record which is about to go.
    fn needed_by(&self, entries: &[Entry], entity: EntityId, key: &[Value]) -> Option<u32> {
        let new = self.entries.iter().flat_map(|entry| &entry.changes).any(|change| {
            matches!(change, Change::Insert { .. })
                && change.entity() == entity
                && change.key(&self.catalog).as_deref() == Some(key)
        });
        let own = &self.catalog.get(entity).key;
        let refers = |change: &Change| {
            let model = self.catalog.get(change.entity());
            model.foreign_keys.iter().filter(|foreign| foreign.to == entity && foreign.to_columns == *own).any(
                |foreign| {
                    let value = |column: &usize| match change {
                        Change::Insert { columns, values, .. } => {
                            columns.iter().position(|known| known == column).map(|at| &values[at])
                        }
                        Change::Update { set, .. } => {
                            set.iter().find(|(known, _)| known == column).map(|(_, value)| value)
                        }
                        Change::Delete { .. } => None,
                    };
                    foreign.columns.iter().map(value).eq(key.iter().map(Some))
                },
            )
        };
        if !new {
            return None;
        }
        entries.iter().find(|entry| entry.changes.iter().any(refers)).map(|entry| entry.number)
    }
}
