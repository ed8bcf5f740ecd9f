//! Conflicts three ways: as it was read, as someone else made it, as it is staged.

use super::journal::{Change, Counts, Entry};
use super::{Session, by_values};
use crate::model::{Catalog, EntityId, Value};
use crate::plan::overlay::plain;
use crate::plan::query::{Expr, Select, Statement};
use crate::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How many records with keys of several columns one query asks for.
const TOGETHER: usize = 200;

/// One record that someone else changed or deleted since it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// The table.
    pub entity: EntityId,
    /// The record's key.
    pub key: Vec<Value>,
    /// Whether the record is gone.
    pub gone: bool,
    /// Columns with the value that was read and the one that is there now.
    pub columns: Vec<(usize, Value, Value)>,
}

/// What settling conflicts did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settled {
    /// Conflicts.
    pub conflicts: usize,
    /// Changes to other records that were staged because of a change that is given up, and go with it.
    pub others: Counts,
}

impl Session {
    /// All staged changes that are in conflict with the database as it is.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn conflicts(&mut self) -> Result<Vec<Conflict>> {
        // Outside of any transaction of ours: as others see it.
        self.end()?;
        let mut wanted: Vec<(EntityId, Vec<Value>, Vec<(usize, Value)>)> = Vec::new();
        let mut keys: BTreeMap<EntityId, Vec<Vec<Value>>> = BTreeMap::new();
        let mut known = HashSet::new();
        for net in self.net() {
            let (Change::Update { entity, key, base, .. } | Change::Delete { entity, key, base }) = net.change else {
                continue;
            };
            if known.insert(self.identified(entity, &key)) {
                keys.entry(entity).or_default().push(key.clone());
                wanted.push((entity, key, base));
            }
        }
        let mut rows = HashMap::new();
        for (entity, keys) in keys {
            for row in self.rows_of(entity, &keys)? {
                let key: Vec<Value> = self.catalog.get(entity).key.iter().map(|at| row[*at].clone()).collect();
                rows.insert(self.identified(entity, &key), row);
            }
        }
        let mut found = Vec::new();
        for (entity, key, base) in wanted {
            let Some(row) = rows.remove(&self.identified(entity, &key)) else {
                if !self.is_staged_new(entity, &key) {
                    found.push(Conflict { entity, key, gone: true, columns: Vec::new() });
                }
                continue;
            };
            let columns: Vec<(usize, Value, Value)> = base
                .into_iter()
                .filter(|(at, old)| row[*at] != *old)
                .map(|(at, old)| (at, old, row[at].clone()))
                .collect();
            if !columns.is_empty() {
                found.push(Conflict { entity, key, gone: false, columns });
            }
        }
        Ok(found)
    }

    /// A record's key as one text, in which a number has one spelling.
    fn identified(&self, entity: EntityId, key: &[Value]) -> String {
        let model = self.catalog.get(entity);
        let plain = |(value, at): (&Value, &usize)| plain(value, &model.columns[*at].data_type).into_owned();
        format!("{entity:?} {:?}", key.iter().zip(&model.key).map(plain).collect::<Vec<_>>())
    }

    /// The rows with these keys, as far as there are such, many in one query.
    fn rows_of(&mut self, entity: EntityId, keys: &[Vec<Value>]) -> Result<Vec<Vec<Value>>> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        let model = catalog.get(entity);
        if let [column] = model.key.as_slice() {
            let keys: Vec<Value> = keys.iter().flatten().cloned().collect();
            return self.rows_by(entity, *column, &keys);
        }
        let mut rows = Vec::new();
        for keys in keys.chunks(TOGETHER) {
            let one = |key: &Vec<Value>| {
                let by: Vec<(usize, Value)> = model.key.iter().copied().zip(key.iter().cloned()).collect();
                by_values(&catalog, entity, &by, false).filter
            };
            let mut select = Select::all(entity, &catalog);
            select.filter = Some(Expr::Or(keys.iter().filter_map(one).collect()));
            self.store.query(&catalog, &Statement::Select(&select), &mut |cells| {
                rows.push(cells.iter().map(|cell| cell.to_value()).collect());
                Ok(true)
            })?;
        }
        Ok(rows)
    }

    fn is_staged_new(&self, entity: EntityId, key: &[Value]) -> bool {
        self.journal.changes().any(|change| {
            matches!(change, Change::Insert { .. })
                && change.entity() == entity
                && change.key(&self.catalog).as_deref() == Some(key)
        })
    }

    /// Settles conflicts: with `mine`, what is staged is to be written over what is there now; otherwise the columns in
    /// question are left as they are. A record that is to stay keeps what was to go with it. One record's conflict, or all.
    ///
    /// # Errors
    /// `Invalid` when there is no such conflict; `Refused` for an edit of a record that is gone.
    pub(crate) fn keep(&mut self, mine: bool, record: Option<(EntityId, Vec<Value>)>) -> Result<Settled> {
        self.settled()?;
        let conflicts: Vec<Conflict> = self
            .conflicts()?
            .into_iter()
            .filter(|conflict| {
                record.as_ref().is_none_or(|(entity, key)| conflict.entity == *entity && conflict.key == *key)
            })
            .collect();
        if conflicts.is_empty() {
            return Err(Error::invalid("there is no conflict to settle").hint("`commit` finds conflicts"));
        }
        let catalog = std::sync::Arc::clone(&self.catalog);
        let mut entries = self.journal.entries().to_vec();
        let mut settled = Settled { conflicts: conflicts.len(), others: Counts::default() };
        for conflict in &conflicts {
            // Columns that no change was based anew in yet: those behind it are based on what it gives.
            let mut first: Vec<usize> = conflict.columns.iter().map(|(at, _, _)| *at).collect();
            for entry in &mut entries {
                let rebased = mine.then_some(&mut first);
                settle(entry, conflict, rebased, &catalog, &mut settled.others)?;
            }
        }
        entries.retain(|entry| !entry.is_empty());
        self.edit(entries)?;
        Ok(settled)
    }
}

/// Settles one conflict in one entry: with `mine`, the columns that are still to be based anew, what is staged stays.
fn settle(
    entry: &mut Entry,
    conflict: &Conflict,
    mut mine: Option<&mut Vec<usize>>,
    catalog: &Catalog,
    others: &mut Counts,
) -> Result<()> {
    let about =
        |change: &Change| change.entity() == conflict.entity && change.key(catalog).as_ref() == Some(&conflict.key);
    let theirs = |at: usize| conflict.columns.iter().any(|(column, _, _)| *column == at);
    // Changes that are given up by themselves, and deletions that are: these with what was to go with the record.
    let (mut alone, mut stays) = (BTreeSet::new(), Vec::new());
    for (at, change) in entry.changes.iter_mut().enumerate().filter(|(_, change)| about(change)) {
        match change {
            Change::Update { .. } if conflict.gone && mine.is_some() => {
                let model = catalog.get(conflict.entity);
                let name = crate::plan::named_by_key(model, &conflict.key);
                return Err(Error::new(
                    ErrorKind::Refused,
                    format!("{name} was deleted, so there is nothing to change"),
                )
                .hint(format!("`discard {name}`, or add it again")));
            }
            // Gone is what a delete wanted.
            Change::Update { .. } | Change::Delete { .. } if conflict.gone => drop(alone.insert(at)),
            Change::Update { base, .. } | Change::Delete { base, .. } if mine.is_some() => {
                if let Some(first) = mine.as_deref_mut() {
                    rebase(base, first, conflict);
                }
            }
            Change::Update { set, base, .. } => {
                set.retain(|(at, _)| !theirs(*at));
                base.retain(|(at, _)| !theirs(*at));
                if set.is_empty() {
                    alone.insert(at);
                }
            }
            Change::Delete { .. } => stays.push(at),
            Change::Insert { .. } => {}
        }
    }
    let group = together(entry, &stays, catalog);
    for at in group.iter().filter(|at| !stays.contains(at)) {
        others.count(&entry.changes[*at]);
    }
    alone.extend(group);
    entry.take_out(&alone);
    Ok(())
}

/// The deletions of an entry that belong to some of them: what was to go with a record, and what it was to go with. As the
/// foreign keys between the records say.
pub(super) fn together(entry: &Entry, from: &[usize], catalog: &Catalog) -> BTreeSet<usize> {
    let mut group: BTreeSet<usize> = from.iter().copied().collect();
    let mut open = from.to_vec();
    while let Some(at) = open.pop() {
        for other in 0..entry.changes.len() {
            let (one, two) = (&entry.changes[at], &entry.changes[other]);
            if !group.contains(&other) && (refers(one, two, catalog) || refers(two, one, catalog)) {
                group.insert(other);
                open.push(other);
            }
        }
    }
    group
}

/// Whether a record that is to go refers to another one that is.
fn refers(from: &Change, to: &Change, catalog: &Catalog) -> bool {
    let value = |change: &Change, column: usize| match change {
        Change::Delete { entity, key, base } => {
            let at = catalog.get(*entity).key.iter().position(|known| *known == column);
            let known = || base.iter().find(|(known, _)| *known == column).map(|(_, value)| value.clone());
            at.map(|at| key[at].clone()).or_else(known).filter(|value| !value.is_null())
        }
        _ => None,
    };
    let keys = catalog.get(from.entity()).foreign_keys.iter().filter(|key| key.to == to.entity());
    keys.into_iter().any(|key| {
        key.columns.iter().zip(&key.to_columns).all(|(own, other)| {
            let (own, other) = (value(from, *own), value(to, *other));
            own.is_some() && own == other
        })
    })
}

/// The first change that was based on an old value is based on the one that is there now.
fn rebase(base: &mut [(usize, Value)], first: &mut Vec<usize>, conflict: &Conflict) {
    for (at, old) in base {
        if let Some(position) = first.iter().position(|column| column == at)
            && let Some((_, _, theirs)) = conflict.columns.iter().find(|(column, _, _)| column == at)
        {
            first.remove(position);
            old.clone_from(theirs);
        }
    }
}
