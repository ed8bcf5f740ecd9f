//! Which changes go in one statement: those that differ only in values, in as few sets as their order allows.

use super::journal::Change;
use super::touch::{Role, Touch, Touches, ordered};
use crate::model::{Catalog, EntityId};
use std::collections::HashMap;
use std::rc::Rc;

/// What the changes of a set have in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Shape {
    /// New records with values for the same columns.
    Insert(EntityId, Rc<[usize]>),
    /// New values for the same columns, read with the same columns.
    Update(EntityId, Box<[usize]>, Box<[usize]>),
    /// Records to go, read with the same columns.
    Delete(EntityId, Box<[usize]>),
}

impl Shape {
    fn of(change: &Change) -> Self {
        let columns = |values: &[(usize, crate::model::Value)]| values.iter().map(|(column, _)| *column).collect();
        match change {
            Change::Insert { entity, columns, .. } => Self::Insert(*entity, Rc::clone(columns)),
            Change::Update { entity, set, base, .. } => Self::Update(*entity, columns(set), columns(base)),
            Change::Delete { entity, base, .. } => Self::Delete(*entity, columns(base)),
        }
    }

    const fn is_insert(&self) -> bool {
        matches!(self, Self::Insert(..))
    }
}

/// The set that touched a slot last, by role.
#[derive(Debug, Clone, Copy, Default)]
struct Last {
    gives: Option<usize>,
    takes: Option<usize>,
    edits: Option<usize>,
    refers: Option<usize>,
}

/// Sorts changes into sets. `plain` says that changes do only what they say: no triggers and the like can tell in which
/// order they come. The sets are to be sent in this order; each holds the places of its changes in the list, in order.
#[must_use]
pub fn sets<'c>(changes: impl Iterator<Item = &'c Change>, catalog: &Catalog, plain: bool) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = Vec::new();
    let mut shapes: Vec<Shape> = Vec::new();
    // The sets of each shape, in order.
    let mut alike: HashMap<Shape, Vec<usize>> = HashMap::new();
    let mut touches = Touches::new(catalog);
    let mut slots: HashMap<u64, Last> = HashMap::new();
    let mut list: Vec<Touch> = Vec::new();
    for (at, change) in changes.enumerate() {
        let shape = Shape::of(change);
        touches.of(change, &mut list);
        // Behind every set that it must not overtake; new records may share one with what they refer to.
        let bound = list.iter().filter_map(|touch| bound(slots.get(&touch.slot)?, touch.role)).max();
        let too_early = |set: &usize| bound.is_some_and(|bound| *set < bound || (*set == bound && !shape.is_insert()));
        let place = if plain {
            // The first that is late enough, so that what depends on this change can come early too.
            alike.get(&shape).and_then(|sets| sets.get(sets.partition_point(too_early))).copied()
        } else {
            // Only with its neighbours.
            sets.len().checked_sub(1).filter(|last| shapes[*last] == shape && !too_early(last))
        };
        let place = place.unwrap_or_else(|| {
            sets.push(Vec::new());
            shapes.push(shape.clone());
            alike.entry(shape).or_default().push(sets.len() - 1);
            sets.len() - 1
        });
        sets[place].push(at);
        for touch in &list {
            let last = slots.entry(touch.slot).or_default();
            let role = match touch.role {
                Role::Gives => &mut last.gives,
                Role::Takes => &mut last.takes,
                Role::Edits => &mut last.edits,
                Role::Refers => &mut last.refers,
                Role::Follows => continue,
            };
            *role = (*role).max(Some(place));
        }
    }
    sets
}

/// The last set that touched a slot in a role that must come before this one.
fn bound(last: &Last, role: Role) -> Option<usize> {
    let before =
        [(Role::Gives, last.gives), (Role::Takes, last.takes), (Role::Edits, last.edits), (Role::Refers, last.refers)];
    before.into_iter().filter(|(earlier, _)| ordered(*earlier, role)).filter_map(|(_, set)| set).max()
}

#[cfg(test)]
mod tests;
