//! Which pending entries may be sent table by table, instead of in the order in which they were typed.

use super::journal::Change;
use super::own::{is_referred, is_unnumbered, spreads};
use crate::model::{Catalog, EntityId};
use std::rc::Rc;

/// Pending entries from the first one on that may be sent in another order than the one in which they were typed: new
/// records table by table, then what is changed and deleted, in its own order.
///
/// Only where nothing can tell, if it succeeds: where changes do only what they say, where no change names a key that
/// another gives, and no deletion spreads to other tables. What has to be unique is so in the end or not at all, since
/// new records only ever come earlier than they were typed. Where it does not succeed, all is sent as it was typed.
#[derive(Default)]
pub(super) struct Stretch {
    pub(super) len: usize,
    pub(super) groups: Vec<Group>,
    /// Entries that change or delete records.
    pub(super) later: Vec<usize>,
    /// Tables that records are deleted from.
    emptied: Vec<EntityId>,
}

/// New records with values for the same columns of the same table.
pub(super) struct Group {
    pub(super) entity: EntityId,
    pub(super) columns: Rc<[usize]>,
    pub(super) entries: Vec<usize>,
}

impl Stretch {
    /// The group that an insert belongs to, if it may be put there.
    pub(super) fn group(&mut self, entity: EntityId, columns: &Rc<[usize]>, catalog: &Catalog) -> Option<&mut Group> {
        if self.emptied.contains(&entity) && is_unnumbered(catalog.get(entity), columns) {
            // It may be given the number of a record that is gone.
            return None;
        }
        self.groups
            .iter_mut()
            .find(|group| group.entity == entity && (Rc::ptr_eq(&group.columns, columns) || group.columns == *columns))
    }

    /// Whether a change of another kind than those before it may be sent in another order than the typed one.
    pub(super) fn takes(&self, change: &Change, catalog: &Catalog) -> bool {
        let entity = change.entity();
        let model = catalog.get(entity);
        let mut earlier = self.groups.iter().filter(|group| group.entity == entity).peekable();
        match change {
            Change::Insert { columns, .. } => {
                let own = model.foreign_keys.iter().any(|key| key.to == entity);
                // Numbers are given in the order in which records arrive, and may be those of records that are gone.
                let counted = is_unnumbered(model, columns);
                if counted && self.emptied.contains(&entity) {
                    return false;
                }
                earlier.peek().is_none()
                    || !(own || counted || earlier.any(|group| is_unnumbered(model, &group.columns)))
            }
            Change::Update { set, .. } => !set.iter().any(|(column, _)| is_referred(*column, entity, catalog)),
            Change::Delete { .. } => {
                !catalog.iter().any(|(_, other)| other.foreign_keys.iter().any(|key| key.to == entity && spreads(key)))
            }
        }
    }

    /// Takes an entry of a kind that is not there yet.
    pub(super) fn push(&mut self, at: usize, change: &Change) {
        match change {
            Change::Insert { entity, columns, .. } => {
                self.groups.push(Group { entity: *entity, columns: Rc::clone(columns), entries: vec![at] });
            }
            Change::Update { .. } => self.later.push(at),
            Change::Delete { entity, .. } => {
                self.emptied.push(*entity);
                self.later.push(at);
            }
        }
        self.len += 1;
    }

    /// Puts tables before those that refer to them, as far as that is possible.
    pub(super) fn parents_first(&mut self, catalog: &Catalog) {
        let mut rest = std::mem::take(&mut self.groups);
        while !rest.is_empty() {
            let free = |group: &Group| {
                let model = catalog.get(group.entity);
                model
                    .foreign_keys
                    .iter()
                    .all(|key| key.to == group.entity || !rest.iter().any(|other| other.entity == key.to))
            };
            let next = rest.iter().position(free).unwrap_or(0);
            self.groups.push(rest.remove(next));
        }
    }
}
