//! The net effect of a journal: what was typed first still happens first, but what cancels out is not sent.

use super::journal::{Change, Entry};
use crate::model::{Catalog, EntityId, Value};
use std::collections::HashMap;

/// A change to send, and the journal entry whose failure it would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Net {
    /// The change.
    pub change: Change,
    /// Index of the last entry that took part in it.
    pub entry: usize,
}

type RecordKey = (EntityId, String);

fn record_key(entity: EntityId, key: &[Value]) -> RecordKey {
    let mut text = String::new();
    for value in key {
        text.push_str(&format!("{value:?}\u{1f}"));
    }
    (entity, text)
}

struct Netting<'a> {
    catalog: &'a Catalog,
    out: Vec<Option<Net>>,
    /// Where the latest change to a record stands in `out`.
    at: HashMap<RecordKey, usize>,
    /// Where the latest change to a table stands in `out`.
    last: HashMap<EntityId, usize>,
}

/// The net effect of the entries.
///
/// Three sets of one record are one UPDATE, set and set back is nothing, edit-then-delete is one DELETE, and deleting a
/// staged new record cancels it. A change moves to an earlier place only where no change between could tell: its columns
/// are in no key, unique index or foreign key, or nothing between touches that table or one related to it.
#[must_use]
pub fn net(entries: &[Entry], catalog: &Catalog) -> Vec<Net> {
    let mut netting = Netting { catalog, out: Vec::new(), at: HashMap::new(), last: HashMap::new() };
    for (index, entry) in entries.iter().enumerate() {
        for change in &entry.changes {
            netting.take(change, index);
        }
    }
    netting.out.into_iter().flatten().collect()
}

impl Netting<'_> {
    fn take(&mut self, change: &Change, entry: usize) {
        let entity = change.entity();
        let Some(key) = change.key(self.catalog) else {
            self.push(change.clone(), entry, None);
            return;
        };
        let key = record_key(entity, &key);
        let earlier = self.at.get(&key).copied().filter(|at| self.out[*at].is_some());
        match (change, earlier) {
            (Change::Update { set, base, .. }, Some(at)) if self.movable(entity, at, set) => {
                self.merge(at, set, base, entry, &key);
            }
            (Change::Delete { base, .. }, Some(at)) => self.delete(at, change, base, entry, key),
            _ => self.push(change.clone(), entry, Some(key)),
        }
    }

    fn push(&mut self, change: Change, entry: usize, key: Option<RecordKey>) {
        let at = self.out.len();
        let entity = change.entity();
        self.last.insert(entity, at);
        if let Some(key) = key {
            self.at.insert(key, at);
        }
        if let Change::Update { key, set, .. } = &change {
            // A changed key: later changes name the record by its new one.
            let columns = &self.catalog.get(entity).key;
            if set.iter().any(|(column, _)| columns.contains(column)) {
                let new: Vec<Value> = columns
                    .iter()
                    .zip(key)
                    .map(|(column, old)| {
                        set.iter().find(|(changed, _)| changed == column).map_or(old, |(_, value)| value).clone()
                    })
                    .collect();
                self.at.insert(record_key(entity, &new), at);
            }
        }
        self.out.push(Some(Net { change, entry }));
    }

    /// Whether setting these columns may happen already at `at`.
    fn movable(&self, entity: EntityId, at: usize, set: &[(usize, Value)]) -> bool {
        let model = self.catalog.get(entity);
        let sensitive = |column: &usize| {
            model.key.contains(column)
                || model.indexes.iter().any(|index| index.unique && index.columns.contains(column))
                || model.foreign_keys.iter().any(|key| key.columns.contains(column))
        };
        if set.iter().any(|(column, _)| model.key.contains(column)) {
            return false;
        }
        !set.iter().any(|(column, _)| sensitive(column)) || self.undisturbed(entity, at)
    }

    /// Whether nothing behind `at` touches this table or one that is related to it.
    fn undisturbed(&self, entity: EntityId, at: usize) -> bool {
        let disturbs = |other: &EntityId| self.last.get(other).is_some_and(|last| *last > at);
        !disturbs(&entity)
            && !self.catalog.iter().any(|(other, model)| {
                let related = model.foreign_keys.iter().any(|key| key.to == entity)
                    || self.catalog.get(entity).foreign_keys.iter().any(|key| key.to == other);
                related && disturbs(&other)
            })
    }

    fn merge(&mut self, at: usize, set: &[(usize, Value)], base: &[(usize, Value)], entry: usize, key: &RecordKey) {
        let Some(net) = &mut self.out[at] else { return };
        net.entry = entry;
        let mut gone = false;
        match &mut net.change {
            Change::Insert { columns, values, .. } => {
                let mut known: Vec<usize> = columns.to_vec();
                for (column, value) in set {
                    if let Some(at) = known.iter().position(|at| at == column) {
                        values[at] = value.clone();
                    } else {
                        known.push(*column);
                        values.push(value.clone());
                    }
                }
                *columns = known.into();
            }
            Change::Update { set: earlier, base: first, .. } => {
                earlier.edit(|earlier| {
                    for ((column, value), old) in set.iter().zip(base) {
                        match earlier.iter().position(|(known, _)| known == column) {
                            Some(at) if first[at].1 == *value => {
                                earlier.remove(at);
                                first.remove(at);
                            }
                            Some(at) => earlier[at].1 = value.clone(),
                            None if old.1 != *value => {
                                earlier.push((*column, value.clone()));
                                first.push(old.clone());
                            }
                            None => {}
                        }
                    }
                });
                gone = earlier.is_empty();
            }
            Change::Delete { .. } => {}
        }
        if gone {
            self.out[at] = None;
            self.at.remove(key);
        }
    }

    fn delete(&mut self, at: usize, change: &Change, base: &[(usize, Value)], entry: usize, key: RecordKey) {
        let entity = change.entity();
        let free = self.undisturbed(entity, at);
        match self.out[at].as_ref().map(|net| &net.change) {
            Some(Change::Insert { .. }) if free => {
                self.out[at] = None;
                self.at.remove(&key);
            }
            Some(Change::Update { set, base: first, key: old, .. }) => {
                let keeps_key = !set.iter().any(|(column, _)| self.catalog.get(entity).key.contains(column));
                let movable = keeps_key && self.movable(entity, at, set);
                if !movable {
                    self.push(change.clone(), entry, Some(key));
                    return;
                }
                // The row as the database has it: with the values from before the edit.
                let mut original = base.to_vec();
                for (column, value) in first {
                    if let Some(known) = original.iter_mut().find(|(known, _)| known == column) {
                        known.1 = value.clone();
                    }
                }
                let change = Change::Delete { entity, key: old.clone(), base: original };
                self.out[at] = None;
                self.push(change, entry, Some(key));
            }
            _ => self.push(change.clone(), entry, Some(key)),
        }
    }
}
