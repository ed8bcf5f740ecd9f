//! The journal: typed changes in the order in which they were typed.

use crate::model::{Catalog, EntityId, Value};
use crate::text::Place;
use std::rc::Rc;

/// One change to one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A new row.
    Insert {
        /// The table.
        entity: EntityId,
        /// Columns that have values; shared by like inserts.
        columns: Rc<[usize]>,
        /// Their values.
        values: Vec<Value>,
        /// The database gave the key when the change was tried out, so another one will do as well.
        given: bool,
    },
    /// New values for a row.
    Update {
        /// The table.
        entity: EntityId,
        /// The row's key.
        key: Vec<Value>,
        /// The new values.
        set: Vec<(usize, Value)>,
        /// The old values of the same columns, as they were read.
        base: Vec<(usize, Value)>,
    },
    /// A row to go.
    Delete {
        /// The table.
        entity: EntityId,
        /// The row's key.
        key: Vec<Value>,
        /// The row's other values, as they were read.
        base: Vec<(usize, Value)>,
    },
}

impl Change {
    /// The table it changes.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        match self {
            Self::Insert { entity, .. } | Self::Update { entity, .. } | Self::Delete { entity, .. } => *entity,
        }
    }

    /// The key of the row it changes; none for a new row that the database will number.
    #[must_use]
    pub fn key(&self, catalog: &Catalog) -> Option<Vec<Value>> {
        match self {
            Self::Insert { entity, columns, values, .. } => {
                let key = &catalog.get(*entity).key;
                let value =
                    |wanted: &usize| columns.iter().position(|column| column == wanted).map(|at| values[at].clone());
                let found: Option<Vec<Value>> = key.iter().map(value).collect();
                found.filter(|key| !key.is_empty() && !key.iter().any(Value::is_null))
            }
            Self::Update { key, .. } | Self::Delete { key, .. } => Some(key.clone()),
        }
    }
}

/// What one command staged.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number, as `status` shows it; never used twice in a session.
    pub number: u32,
    /// Where it was typed.
    pub place: Option<Place>,
    /// Its changes; several for `set ... where` and `delete ... with`.
    pub changes: Vec<Change>,
}

/// How many records are added, changed and deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// New rows.
    pub added: usize,
    /// Changed rows.
    pub changed: usize,
    /// Deleted rows.
    pub deleted: usize,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> usize {
        self.added + self.changed + self.deleted
    }

    /// Counts one change.
    pub fn count(&mut self, change: &Change) {
        match change {
            Change::Insert { .. } => self.added += 1,
            Change::Update { .. } => self.changed += 1,
            Change::Delete { .. } => self.deleted += 1,
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [(self.added, "added"), (self.changed, "changed"), (self.deleted, "deleted")];
        let mut first = true;
        for (number, word) in parts {
            if number > 0 {
                write!(f, "{}{number} {word}", if first { "" } else { ", " })?;
                first = false;
            }
        }
        if first { f.write_str("nothing") } else { Ok(()) }
    }
}
