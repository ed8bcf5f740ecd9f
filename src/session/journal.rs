//! The journal: typed changes in the order in which they were typed, and the ways back and forth in it.
//!
//! Pure: it knows neither a database nor a file. Whoever changes it elsewhere than at its end can be told by
//! [`Journal::generation`].

mod values;

pub use values::Values;

use crate::model::{Catalog, Entity, EntityId, Value};
use crate::plan::query::Bulk;
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
        /// The whole row as the database made it when the change was tried out, in the order of the table's columns;
        /// none where it was not tried out. For reads: it is not sent.
        row: Option<Rc<[Value]>>,
    },
    /// New values for a row.
    Update {
        /// The table.
        entity: EntityId,
        /// The row's key.
        key: Vec<Value>,
        /// The new values.
        set: Values,
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
    /// New values for a row as it is; none where it has them.
    #[must_use]
    pub fn setting(entity: EntityId, model: &Entity, row: &[Value], values: &Values) -> Option<Self> {
        let differs = |(at, value): &(usize, Value)| row[*at] != *value;
        if !values.iter().any(differs) {
            return None;
        }
        let mut set = values.clone();
        set.retain(differs);
        let base = set.iter().map(|(at, _)| (*at, row[*at].clone())).collect();
        let key = model.key.iter().map(|at| row[*at].clone()).collect();
        Some(Self::Update { entity, key, set, base })
    }

    /// That a row as it is goes.
    #[must_use]
    pub fn deleting(entity: EntityId, model: &Entity, row: &[Value]) -> Self {
        let key = model.key.iter().map(|at| row[*at].clone()).collect();
        let others = (0..row.len()).filter(|at| !model.key.contains(at));
        let mut base = Vec::with_capacity(row.len() - model.key.len());
        base.extend(others.map(|at| (at, row[at].clone())));
        Self::Delete { entity, key, base }
    }

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

/// What an entry sends as it stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Whole {
    /// SQL of a person's own.
    Sql(Rc<str>),
    /// One change to many rows, and how many it hit when it was sent last.
    Bulk(Box<Bulk>, usize),
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
    /// What the database will do because of them (`ON DELETE`). For reads: it is not sent.
    pub effects: Vec<Change>,
    /// What is sent as it stands; there are no changes beside it.
    pub whole: Option<Whole>,
}

impl Entry {
    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.whole.is_none()
    }

    /// SQL of a person's own.
    #[must_use]
    pub fn sql(&self) -> Option<&Rc<str>> {
        match &self.whole {
            Some(Whole::Sql(sql)) => Some(sql),
            _ => None,
        }
    }

    /// One change to many rows, and how many it hit.
    #[must_use]
    pub fn bulk(&self) -> Option<(&Bulk, usize)> {
        match &self.whole {
            Some(Whole::Bulk(bulk, rows)) => Some((bulk, *rows)),
            _ => None,
        }
    }

    /// Takes changes out, by their places. What the database would do because of the others is to be worked out anew.
    pub fn take_out(&mut self, places: &std::collections::BTreeSet<usize>) {
        if places.is_empty() {
            return;
        }
        let mut at = 0;
        self.changes.retain(|_| {
            at += 1;
            !places.contains(&(at - 1))
        });
        self.effects.clear();
    }
}

/// A step that was taken back.
#[derive(Debug)]
enum Undone {
    /// An entry.
    Entry(Entry),
    /// An edit of the whole journal; what it was after it.
    Edit(Vec<Entry>),
    /// A rollback.
    Rollback,
}

/// A place in the journal with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Savepoint {
    name: String,
    entries: usize,
    edits: usize,
}

/// What can be taken back and brought back.
#[derive(Debug, Default)]
struct Steps {
    entries: Vec<Entry>,
    undone: Vec<Undone>,
    /// Journals before they were edited other than at their end, with the length that each edit left.
    edits: Vec<(usize, Vec<Entry>)>,
    savepoints: Vec<Savepoint>,
}

/// The journal of a session.
#[derive(Debug, Default)]
pub struct Journal {
    steps: Steps,
    /// What a rollback discarded, until something else is staged.
    rolled_back: Option<Box<Steps>>,
    /// The number of the latest entry.
    last: u32,
    generation: u64,
}

impl Journal {
    /// The entries, oldest first.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.steps.entries
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.steps.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.entries.is_empty()
    }

    /// Whether SQL of a person's own is among them.
    #[must_use]
    pub fn has_sql(&self) -> bool {
        self.steps.entries.iter().any(|entry| entry.sql().is_some())
    }

    /// Whether a change to many rows is among them that is sent as it stands.
    #[must_use]
    pub fn has_bulk(&self) -> bool {
        self.steps.entries.iter().any(|entry| entry.bulk().is_some())
    }

    /// All changes, oldest first.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.steps.entries.iter().flat_map(|entry| &entry.changes)
    }

    /// A number that grows whenever entries change other than by one more at the end.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The number that the next entry will have.
    #[must_use]
    pub const fn next_number(&self) -> u32 {
        self.last + 1
    }

    /// Adds an entry, which gets the next number. What was undone or rolled back cannot come back from here on.
    pub fn push(&mut self, mut entry: Entry) {
        self.last += 1;
        entry.number = self.last;
        self.steps.undone.clear();
        self.rolled_back = None;
        self.steps.entries.push(entry);
    }

    /// Takes an entry out, for good: it is no step that `undo` knows.
    pub fn remove(&mut self, at: usize) -> Entry {
        self.generation += 1;
        self.steps.entries.remove(at)
    }

    /// Takes out the entries from a place on, for good. Gives the first of them.
    pub fn truncate(&mut self, at: usize) -> Option<Entry> {
        self.generation += 1;
        self.steps.entries.drain(at..).next()
    }

    /// An entry, to note what the database gave for it.
    pub fn entry_mut(&mut self, at: usize) -> &mut Entry {
        &mut self.steps.entries[at]
    }

    /// One step back; false when there is none.
    fn back(&mut self) -> bool {
        let steps = &mut self.steps;
        if let Some((at, _)) = steps.edits.last()
            && *at == steps.entries.len()
            && let Some((_, before)) = steps.edits.pop()
        {
            let after = std::mem::replace(&mut steps.entries, before);
            steps.undone.push(Undone::Edit(after));
        } else if let Some(entry) = steps.entries.pop() {
            steps.undone.push(Undone::Entry(entry));
        } else if let Some(before) = self.rolled_back.take() {
            *steps = *before;
            steps.undone.push(Undone::Rollback);
        } else {
            return false;
        }
        let (entries, edits) = (self.steps.entries.len(), self.steps.edits.len());
        self.steps.savepoints.retain(|place| place.edits < edits || (place.edits == edits && place.entries <= entries));
        self.generation += 1;
        true
    }

    /// Takes back the last `count` steps; gives how many there were to take.
    pub fn undo(&mut self, count: usize) -> usize {
        (0..count).take_while(|_| self.back()).count()
    }

    /// Brings back the last `count` steps that were taken back; gives how many there were.
    pub fn redo(&mut self, count: usize) -> usize {
        let mut done = 0;
        while done < count
            && let Some(step) = self.steps.undone.pop()
        {
            match step {
                Undone::Entry(entry) => self.steps.entries.push(entry),
                Undone::Edit(after) => {
                    let before = std::mem::replace(&mut self.steps.entries, after);
                    self.steps.edits.push((self.steps.entries.len(), before));
                }
                Undone::Rollback => self.rolled_back = Some(Box::new(std::mem::take(&mut self.steps))),
            }
            self.generation += 1;
            done += 1;
        }
        done
    }

    /// Discards all entries, as a step that `undo` takes back until something else is staged.
    pub fn roll_back(&mut self) {
        self.generation += 1;
        if !self.is_empty() {
            self.rolled_back = Some(Box::new(std::mem::take(&mut self.steps)));
        }
    }

    /// Forgets all entries: they are written. Nothing before this can be undone.
    pub fn written(&mut self) {
        self.generation += 1;
        self.steps = Steps::default();
        self.rolled_back = None;
    }

    /// Forgets the changes of some tables: they are written. Nothing before this can be undone.
    pub fn written_only(&mut self, written: impl Fn(EntityId) -> bool) {
        let mut entries = std::mem::take(&mut self.steps.entries);
        for entry in &mut entries {
            entry.changes.retain(|change| !written(change.entity()));
            entry.effects.retain(|change| !written(change.entity()));
        }
        entries.retain(|entry| !entry.is_empty());
        self.written();
        self.steps.entries = entries;
    }

    /// Says what the database will do because of an entry.
    pub fn set_effects(&mut self, at: usize, effects: Vec<Change>) {
        if let Some(entry) = self.steps.entries.get_mut(at) {
            entry.effects = effects;
            self.generation += 1;
        }
    }

    /// Puts other entries in place of all, as one step that `undo` takes back.
    pub fn edit(&mut self, entries: Vec<Entry>) {
        self.generation += 1;
        self.rolled_back = None;
        let before = std::mem::replace(&mut self.steps.entries, entries);
        self.steps.undone.clear();
        self.steps.edits.push((self.steps.entries.len(), before));
    }

    /// Names the place that the journal has reached; a name that is used again moves.
    pub fn savepoint(&mut self, name: &str) {
        let steps = &mut self.steps;
        steps.savepoints.retain(|place| place.name != name);
        steps.savepoints.push(Savepoint {
            name: name.to_owned(),
            entries: steps.entries.len(),
            edits: steps.edits.len(),
        });
    }

    /// Names of savepoints, oldest first.
    pub fn savepoints(&self) -> impl Iterator<Item = &str> {
        self.steps.savepoints.iter().map(|place| place.name.as_str())
    }

    /// Takes back everything since a savepoint, which stays; gives how many steps that were, none where there is no
    /// savepoint of that name.
    pub fn back_to(&mut self, name: &str) -> Option<usize> {
        let place = self.steps.savepoints.iter().find(|place| place.name == name)?.clone();
        let mut steps = 0;
        while (self.steps.edits.len() > place.edits || self.steps.entries.len() > place.entries) && self.back() {
            steps += 1;
        }
        Some(steps)
    }

    /// Does something to every list of entries, also to those that were taken back and may come again. `work` is told
    /// whether entries before these were there too.
    pub fn rewrite(&mut self, mut work: impl FnMut(&mut [Entry], bool)) {
        self.generation += 1;
        for steps in [Some(&mut self.steps), self.rolled_back.as_deref_mut()].into_iter().flatten() {
            work(&mut steps.entries, false);
            for (_, before) in &mut steps.edits {
                work(before, false);
            }
            for step in &mut steps.undone {
                match step {
                    Undone::Entry(entry) => work(std::slice::from_mut(entry), true),
                    Undone::Edit(after) => work(after, false),
                    Undone::Rollback => {}
                }
            }
        }
    }

    /// Puts a translation in place of every entry, also of those that were taken back and may come again.
    ///
    /// # Errors
    /// What `translate` objects to; nothing is changed then.
    pub fn translate<E>(&mut self, translate: impl Fn(&Entry) -> Result<Entry, E>) -> Result<(), E> {
        let steps = self.steps.translated(&translate)?;
        let before = self.rolled_back.as_ref().map(|steps| steps.translated(&translate)).transpose()?;
        self.steps = steps;
        self.rolled_back = before.map(Box::new);
        self.generation += 1;
        Ok(())
    }
}

impl Steps {
    fn translated<E>(&self, translate: &impl Fn(&Entry) -> Result<Entry, E>) -> Result<Self, E> {
        let all = |entries: &[Entry]| entries.iter().map(translate).collect::<Result<Vec<_>, E>>();
        let undone = |step: &Undone| {
            Ok(match step {
                Undone::Entry(entry) => Undone::Entry(translate(entry)?),
                Undone::Edit(after) => Undone::Edit(all(after)?),
                Undone::Rollback => Undone::Rollback,
            })
        };
        Ok(Self {
            entries: all(&self.entries)?,
            undone: self.undone.iter().map(undone).collect::<Result<_, E>>()?,
            edits: self.edits.iter().map(|(at, before)| Ok((*at, all(before)?))).collect::<Result<_, E>>()?,
            savepoints: self.savepoints.clone(),
        })
    }
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
    /// Statements of a person's own; what they change is not counted above.
    pub statements: usize,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> usize {
        self.added + self.changed + self.deleted + self.statements
    }

    /// Counts what an entry sends.
    pub fn count_entry(&mut self, entry: &Entry) {
        entry.changes.iter().for_each(|change| self.count(change));
        match &entry.whole {
            None => {}
            Some(Whole::Sql(_)) => self.statements += 1,
            Some(Whole::Bulk(bulk, rows)) if bulk.set.is_some() => self.changed += rows,
            Some(Whole::Bulk(_, rows)) => self.deleted += rows,
        }
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
        let sql = if self.statements == 1 { "SQL statement" } else { "SQL statements" };
        let parts =
            [(self.added, "added"), (self.changed, "changed"), (self.deleted, "deleted"), (self.statements, sql)];
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

#[cfg(test)]
mod tests;
