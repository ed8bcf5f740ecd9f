//! Walking the journal: undo, redo, savepoints, discarding what was staged for one record.

use super::Session;
use super::conflict::together;
use super::journal::{Change, Entry};
use crate::model::{Catalog, EntityId, Value};
use crate::{Error, ErrorKind, Result};
use std::collections::{HashMap, HashSet};

impl Session {
    /// Takes back the last `count` steps; gives how many there were to take.
    ///
    /// # Errors
    /// When the database cannot roll back, or the recovery file cannot be written.
    pub fn undo(&mut self, count: usize) -> Result<usize> {
        self.settled()?;
        let done = self.journal.undo(count);
        if done > 0 {
            self.replay()?;
        }
        Ok(done)
    }

    /// Stages again the last `count` steps that were taken back; gives how many there were.
    ///
    /// # Errors
    /// When the database cannot roll back, or the recovery file cannot be written.
    pub fn redo(&mut self, count: usize) -> Result<usize> {
        self.settled()?;
        let done = self.journal.redo(count);
        if done > 0 {
            self.replay()?;
        }
        Ok(done)
    }

    /// Before the journal changes other than at its end: nothing is in doubt, and what was being collected is staged.
    pub(super) fn settled(&mut self) -> Result<()> {
        self.certain()?;
        self.end_together()
    }

    /// The journal was changed other than at its end: a held transaction is done again, the recovery file rewritten.
    fn replay(&mut self) -> Result<()> {
        self.end()?;
        self.keep_safe(super::recovery::Keeper::rewrite)
    }

    /// Names the place that the journal has reached; a name that is used again moves.
    pub fn savepoint(&mut self, name: &str) {
        self.journal.savepoint(name);
    }

    /// Names of savepoints, oldest first.
    pub fn savepoints(&self) -> impl Iterator<Item = &str> {
        self.journal.savepoints()
    }

    /// Takes back everything since a savepoint, which stays; gives how many steps that were.
    ///
    /// # Errors
    /// `Invalid` when there is none of that name.
    pub fn rollback_to(&mut self, name: &str) -> Result<usize> {
        self.settled()?;
        let Some(steps) = self.journal.back_to(name) else {
            let error = Error::invalid(format!("there is no savepoint `{name}`"));
            let error = error.suggest(name, self.savepoints());
            return Err(error.hint("`savepoint NAME` makes one; a commit ends them all"));
        };
        if steps > 0 {
            self.replay()?;
        }
        Ok(steps)
    }

    /// Replaces the journal as one step that `undo` takes back.
    pub(super) fn edit(&mut self, entries: Vec<Entry>) -> Result<()> {
        self.settled()?;
        self.journal.edit(entries);
        self.renew_effects()?;
        self.replay()
    }

    /// Takes out what is staged for one record, or for one of its columns, and what was staged because of it. Gives how
    /// many changes that were.
    ///
    /// # Errors
    /// `Invalid` when nothing is staged for it; `Refused` when other staged changes need it.
    #[doc(hidden)]
    pub fn discard(&mut self, entity: EntityId, key: &[Value], column: Option<usize>) -> Result<usize> {
        self.settled()?;
        let mut entries = self.journal.entries().to_vec();
        let catalog = std::sync::Arc::clone(&self.catalog);
        let about = about(&entries, entity, key, &catalog);
        let mut taken = 0;
        for (entry, own) in entries.iter_mut().zip(&about) {
            let Some(column) = column else {
                let group = together(entry, own, &catalog);
                taken += group.len();
                entry.take_out(&group);
                continue;
            };
            let mut at = 0;
            entry.changes.retain_mut(|change| {
                at += 1;
                if !own.contains(&(at - 1)) {
                    return true;
                }
                match change {
                    Change::Update { set, base, .. } => {
                        let before = set.len();
                        set.retain(|(at, _)| *at != column);
                        base.retain(|(at, _)| *at != column);
                        taken += before - set.len();
                        !set.is_empty()
                    }
                    Change::Insert { columns, values, row, .. } => {
                        let required = catalog.get(entity).columns[column].required();
                        if let (Some(at), false) = (columns.iter().position(|known| *known == column), required) {
                            taken += 1;
                            values.remove(at);
                            *columns = columns.iter().copied().filter(|known| *known != column).collect();
                            // What the database puts there is not known.
                            *row = None;
                        }
                        true
                    }
                    Change::Delete { .. } => true,
                }
            });
        }
        entries.retain(|entry| !entry.is_empty());
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
        let new = self.journal.changes().any(|change| {
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

/// Which changes of each entry are about the record that has this key in one of them, also those that name it by a key
/// which it had before or gets later.
fn about(entries: &[Entry], entity: EntityId, key: &[Value], catalog: &Catalog) -> Vec<Vec<usize>> {
    let own = &catalog.get(entity).key;
    // The number of the record that has each key now, and of the one that each change is about.
    let mut records: HashMap<String, usize> = HashMap::new();
    let mut numbers: Vec<(usize, usize, usize)> = Vec::new();
    let mut wanted = HashSet::new();
    let mut count = 0;
    for (entry, found) in entries.iter().enumerate() {
        for (at, change) in found.changes.iter().enumerate().filter(|(_, change)| change.entity() == entity) {
            let Some(name) = change.key(catalog) else { continue };
            count += 1;
            let number = match change {
                // Whatever had that key before is another record.
                Change::Insert { .. } => count,
                _ => records.get(&format!("{name:?}")).copied().unwrap_or(count),
            };
            numbers.push((entry, at, number));
            if name == key {
                wanted.insert(number);
            }
            let now: Vec<Value> = match change {
                Change::Update { set, .. } => {
                    let new = |(column, old): (&usize, &Value)| {
                        set.iter().find(|(changed, _)| changed == column).map_or(old, |(_, value)| value).clone()
                    };
                    own.iter().zip(&name).map(new).collect()
                }
                _ => name.clone(),
            };
            records.remove(&format!("{name:?}"));
            records.insert(format!("{now:?}"), number);
        }
    }
    let mut about = vec![Vec::new(); entries.len()];
    for (entry, at, _) in numbers.into_iter().filter(|(_, _, number)| wanted.contains(number)) {
        about[entry].push(at);
    }
    about
}
