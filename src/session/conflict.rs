//! Conflicts three ways: as it was read, as someone else made it, as it is staged.

use super::Session;
use super::journal::Change;
use crate::model::{EntityId, Value};
use crate::{Error, ErrorKind, Result};

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

impl Session {
    /// All staged changes that are in conflict with the database as it is.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn conflicts(&mut self) -> Result<Vec<Conflict>> {
        // Outside of any transaction of ours: as others see it.
        self.end()?;
        let mut found = Vec::new();
        for net in self.net() {
            let (entity, key, base) = match net.change {
                Change::Update { entity, key, base, .. } | Change::Delete { entity, key, base } => (entity, key, base),
                Change::Insert { .. } => continue,
            };
            if found.iter().any(|known: &Conflict| known.entity == entity && known.key == key) {
                continue;
            }
            let by: Vec<(usize, Value)> =
                self.catalog.get(entity).key.iter().copied().zip(key.iter().cloned()).collect();
            let Some(row) = self.row(entity, &by) else {
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

    fn is_staged_new(&self, entity: EntityId, key: &[Value]) -> bool {
        self.entries.iter().flat_map(|entry| &entry.changes).any(|change| {
            matches!(change, Change::Insert { .. })
                && change.entity() == entity
                && change.key(&self.catalog).as_deref() == Some(key)
        })
    }

    /// Settles conflicts: with `mine`, what is staged is to be written over what is there now; otherwise the columns in
    /// question are left as they are. One record's, or all. Gives how many records that were.
    ///
    /// # Errors
    /// `Invalid` when there is no such conflict; `Refused` for an edit of a record that is gone.
    pub(crate) fn keep(&mut self, mine: bool, record: Option<(EntityId, Vec<Value>)>) -> Result<usize> {
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
        let mut entries = self.entries.clone();
        for conflict in &conflicts {
            let model = self.catalog.get(conflict.entity);
            let mut first: Vec<usize> = conflict.columns.iter().map(|(at, _, _)| *at).collect();
            for entry in &mut entries {
                let mut refused = false;
                entry.changes.retain_mut(|change| {
                    let about =
                        change.entity() == conflict.entity && change.key(&self.catalog).as_ref() == Some(&conflict.key);
                    match change {
                        Change::Update { set, base, .. } if about => {
                            if conflict.gone {
                                refused |= mine;
                                return mine;
                            }
                            if mine {
                                rebase(base, &mut first, conflict);
                                return true;
                            }
                            let theirs = |at: usize| conflict.columns.iter().any(|(column, _, _)| *column == at);
                            set.retain(|(at, _)| !theirs(*at));
                            base.retain(|(at, _)| !theirs(*at));
                            !set.is_empty()
                        }
                        Change::Delete { base, .. } if about => {
                            if mine && !conflict.gone {
                                rebase(base, &mut first, conflict);
                                return true;
                            }
                            // Gone is what a delete wanted; theirs means that the record stays.
                            false
                        }
                        _ => true,
                    }
                });
                if refused {
                    let name = crate::plan::named_by_key(model, &conflict.key);
                    return Err(Error::new(
                        ErrorKind::Refused,
                        format!("{name} was deleted, so there is nothing to change"),
                    )
                    .hint(format!("`discard {name}`, or add it again")));
                }
            }
        }
        entries.retain(|entry| !entry.changes.is_empty());
        self.edit(entries)?;
        Ok(conflicts.len())
    }
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
