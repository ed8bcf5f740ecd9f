//! What a held transaction knows of records without asking the database.
//!
//! A script refers to what it added a line before. Asking the database would send everything pending first, a line at a
//! time; so the session remembers where in the journal a record stands that was added, and what the database said of
//! others. It only ever answers "this one": whatever is not known here is asked for. What might have changed is forgotten.

use super::journal::{Change, Entry};
use super::number::Numbers;
use super::{Mode, Session};
use crate::model::{Catalog, Cell, DataType, Entity, EntityId, Quirk, Value};
use crate::plan::query::{Alias, Bulk, ColumnRef, Expr, Select, Statement};
use crate::{ErrorKind, Result};
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::Arc;

/// How many records that the database was asked for are remembered.
const ROWS: usize = 10_000;

/// How many records are so few that they are not asked for before they are needed: what is pending would be sent first.
const FEW: usize = 8;

/// How many records one query asks for.
const TOGETHER: usize = 4_000;

/// Where the values of a known record are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// In the insert of this journal entry.
    Entry(usize),
    /// Among the rows that were read.
    Row(usize),
}

/// A known record: its source and whether all its values are as they are there, otherwise only its key and its natural
/// key. In 32 bits, since a script may have millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known(u32);

impl Known {
    const ROW: u32 = 1 << 31;
    const PART: u32 = 1 << 30;

    /// None for a place too far behind to be written down.
    fn new(source: Source) -> Option<Self> {
        let (at, flag) = match source {
            Source::Entry(at) => (at, 0),
            Source::Row(at) => (at, Self::ROW),
        };
        u32::try_from(at).ok().filter(|at| *at < Self::PART).map(|at| Self(at | flag))
    }

    const fn source(self) -> Source {
        let at = (self.0 & !(Self::ROW | Self::PART)) as usize;
        if self.0 & Self::ROW == 0 { Source::Entry(at) } else { Source::Row(at) }
    }

    const fn is_whole(self) -> bool {
        self.0 & Self::PART == 0
    }

    const fn in_part(self) -> Self {
        Self(self.0 | Self::PART)
    }
}

/// The hash of what is a hash already.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// What is known of records in the transaction that is open.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// What tables do beyond what changes say (triggers and the like), once that was asked.
    quirks: Option<Vec<Quirk>>,
    /// Whether there is any of those that matter, or something that is not known.
    pub(super) plain: Option<bool>,
    /// Tables whose new records are known from the place in the journal where they were referred to first.
    pub(super) followed: HashMap<EntityId, Option<Numbers>>,
    /// Records by the hash of a table, one of its two keys and the key's value. Compared with the record on each use, so
    /// that two values of one hash are no mistake.
    known: HashMap<u64, Known, BuildHasherDefault<Hashed>>,
    /// Tables that have pending new records, where nothing else is pending.
    pending: Option<Vec<EntityId>>,
    /// What the database was asked for.
    rows: Vec<(EntityId, Vec<Value>)>,
    hasher: RandomState,
}

impl Seen {
    /// Forgets all records.
    pub(super) fn clear(&mut self) {
        if !self.followed.is_empty() || !self.known.is_empty() {
            self.followed.clear();
            self.known.clear();
            self.rows.clear();
        }
    }

    /// Forgets what the database was asked for.
    fn forget_rows(&mut self) {
        self.known.retain(|_, known| matches!(known.source(), Source::Entry(_)));
        self.rows.clear();
    }

    /// Nothing is pending.
    pub(super) fn sent(&mut self) {
        match &mut self.pending {
            Some(tables) => tables.clear(),
            None => self.pending = Some(Vec::new()),
        }
    }

    /// What is pending may be anything.
    pub(super) fn unsent(&mut self) {
        self.pending = None;
        self.clear();
    }

    /// One more entry is pending.
    fn pend(&mut self, changes: &[Change]) {
        if let Some(tables) = &mut self.pending {
            match changes {
                [Change::Insert { entity, .. }] if tables.contains(entity) => {}
                [Change::Insert { entity, .. }] => tables.push(*entity),
                _ => self.pending = None,
            }
        }
    }

    /// What tables do beyond what changes say; none where that could not be told.
    pub(super) fn quirks(&self) -> Option<&[Quirk]> {
        self.quirks.as_deref()
    }

    /// Forgets also what the database is like: its schema may have changed.
    pub(super) fn reset(&mut self) {
        self.clear();
        self.plain = None;
        self.quirks = None;
    }

    fn slot(&self, entity: EntityId, column: usize, value: &Value) -> Option<u64> {
        match value {
            Value::Text(text) => Some(self.hasher.hash_one((entity.0, column, text))),
            Value::Int(number) => Some(self.hasher.hash_one((entity.0, column, number))),
            _ => None,
        }
    }
}

/// The two columns by which a record is looked up: its natural key, and its key where that is one column.
fn by_columns(model: &Entity) -> impl Iterator<Item = usize> {
    let key = match model.key.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    key.into_iter().chain(model.natural_key.filter(move |natural| Some(*natural) != key))
}

/// Whether what is written to a column of this type is read back in the same spelling.
#[must_use]
pub fn is_exact(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Bool | DataType::Int(_) | DataType::Text(_) | DataType::Bytes)
}

/// One value of an insert.
fn given<'v>(columns: &[usize], values: &'v [Value], column: usize) -> Option<&'v Value> {
    columns.iter().position(|known| *known == column).map(|at| &values[at])
}

impl Session {
    /// Whether records may be known: in a script's held transaction.
    fn remembers(&self) -> bool {
        self.mode == Mode::Script
    }

    /// Whether changes do only what they say in this database.
    pub(super) fn is_plain(&mut self) -> Result<bool> {
        if let Some(plain) = self.seen.plain {
            return Ok(plain);
        }
        self.learn_quirks()?;
        // Where that cannot be told, nothing is taken for granted.
        let plain = self.seen.quirks.as_ref().is_some_and(|all| !all.iter().any(|quirk| quirk.kind.is_special()));
        self.seen.plain = Some(plain);
        Ok(plain)
    }

    /// Asks the database once what its tables do beyond what changes say.
    pub(super) fn learn_quirks(&mut self) -> Result<()> {
        if self.seen.quirks.is_none() {
            let open = self.is_open();
            let asked = if open { self.guarded(|session| session.store.quirks()) } else { self.store.quirks() };
            match asked {
                Err(error) if error.kind.is_transient() => return Err(error),
                asked => self.seen.quirks = asked.ok(),
            }
        }
        Ok(())
    }

    fn known(&self, entity: EntityId, by: &[(usize, Value)]) -> Option<Known> {
        let [(column, value)] = by else { return None };
        if self.seen.known.is_empty() {
            return None;
        }
        let known = *self.seen.known.get(&self.seen.slot(entity, *column, value)?)?;
        let same = match known.source() {
            Source::Entry(at) => match self.journal.entries().get(at)?.changes.as_slice() {
                [Change::Insert { entity: other, columns, values, .. }] => {
                    *other == entity && given(columns, values, *column) == Some(value)
                }
                _ => false,
            },
            Source::Row(at) => {
                let (other, values) = self.seen.rows.get(at)?;
                *other == entity && values[*column] == *value
            }
        };
        same.then_some(known)
    }

    /// Some columns of the one record that has these values.
    ///
    /// # Errors
    /// The database's own, and its objections to what is pending.
    pub fn columns_of(
        &mut self,
        entity: EntityId,
        by: &[(usize, Value)],
        wanted: &[usize],
    ) -> Result<Option<Vec<Value>>> {
        if let Some(known) = self.known(entity, by) {
            let lasting = |column: &usize| by_columns(self.catalog.get(entity)).any(|known| known == *column);
            if (known.is_whole() || wanted.iter().all(lasting))
                && let Some(values) = self.values(known, wanted)
            {
                return Ok(Some(values));
            }
        }
        let found = self.look_up(entity, by)?;
        Ok(found.map(|row| wanted.iter().map(|column| row[*column].clone()).collect()))
    }

    /// All columns of a record that was added in this transaction and not changed since; none where that is not so, or
    /// where the database gave it values of its own.
    #[must_use]
    pub fn own_record(&self, entity: EntityId, by: &[(usize, Value)]) -> Option<Vec<Value>> {
        let known =
            self.known(entity, by).filter(|known| known.is_whole() && matches!(known.source(), Source::Entry(_)))?;
        let all: Vec<usize> = (0..self.catalog.get(entity).columns.len()).collect();
        self.values(known, &all)
    }

    fn values(&self, known: Known, wanted: &[usize]) -> Option<Vec<Value>> {
        match known.source() {
            Source::Row(at) => {
                let (_, values) = self.seen.rows.get(at)?;
                Some(wanted.iter().map(|column| values[*column].clone()).collect())
            }
            Source::Entry(at) => {
                let [Change::Insert { entity, columns, values, .. }] =
                    self.journal.entries().get(at)?.changes.as_slice()
                else {
                    return None;
                };
                let model = self.catalog.get(*entity);
                let value = |column: &usize| match given(columns, values, *column) {
                    Some(value) => Some(value.clone()),
                    // What the database fills in is not known here.
                    None if model.columns[*column].generated
                        || model.columns[*column].numbered
                        || model.columns[*column].default.is_some() =>
                    {
                        None
                    }
                    None => Some(Value::Null),
                };
                wanted.iter().map(value).collect()
            }
        }
    }

    /// The one record that has these values, read from the database with what is staged.
    ///
    /// # Errors
    /// The database's own, and its objections to what is pending.
    pub fn look_up(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<Vec<Value>>> {
        let select = super::by_values(&self.catalog, entity, by, false);
        let mut found = None;
        let mut take = |cells: &[Cell<'_>]| {
            found = Some(cells.iter().map(|cell| cell.to_value()).collect::<Vec<Value>>());
            Ok(false)
        };
        if self.mode == Mode::Prompt {
            self.query(&select, &mut take)?;
            return Ok(found);
        }
        if let Some(known) = self.known(entity, by)
            && known.is_whole()
            && let Source::Row(at) = known.source()
        {
            return Ok(self.seen.rows.get(at).map(|(_, values)| values.clone()));
        }
        self.before_look_up(entity)?;
        self.store.query(&self.catalog, &Statement::Select(&select), &mut take)?;
        if found.is_none() && self.flushed() < self.journal.len() {
            // Before it is said that there is no such record: what is wrong with an earlier line comes first.
            self.flush()?;
            self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
                found = Some(cells.iter().map(|cell| cell.to_value()).collect::<Vec<Value>>());
                Ok(false)
            })?;
        }
        self.after_look_up(entity, found.as_deref())?;
        Ok(found)
    }

    /// A record is about to be looked up in the database: what is pending is sent if it could make a difference.
    ///
    /// # Errors
    /// The database's objection to what is pending.
    fn before_look_up(&mut self, entity: EntityId) -> Result<()> {
        if self.flushed() == self.journal.len() {
            return Ok(());
        }
        if self.remembers() && self.is_open() && self.is_plain()? {
            // A new record of a followed table is known, or is not the one that is looked for.
            let followed = self.seen.followed.contains_key(&entity);
            if let Some(tables) = &self.seen.pending
                && (followed || !tables.contains(&entity))
            {
                return Ok(());
            }
        }
        self.flush()
    }

    /// The database was asked for a record, and this is what it said. From here on new records of its table are known.
    ///
    /// # Errors
    /// The database's own.
    fn after_look_up(&mut self, entity: EntityId, found: Option<&[Value]>) -> Result<()> {
        if !self.remembers() || !self.is_open() || !self.is_plain()? {
            return Ok(());
        }
        self.follow(entity)?;
        if let Some(values) = found {
            self.remember(entity, values);
        }
        Ok(())
    }

    /// A row that the database has just given.
    fn remember(&mut self, entity: EntityId, values: &[Value]) {
        if self.seen.rows.len() >= ROWS {
            return;
        }
        let Some(known) = Known::new(Source::Row(self.seen.rows.len())) else { return };
        for column in by_columns(self.catalog.get(entity)) {
            if let Some(slot) = self.seen.slot(entity, column, &values[column]) {
                self.seen.known.insert(slot, known);
            }
        }
        self.seen.rows.push((entity, values.to_vec()));
    }

    /// From here on each new record of a table has a key, and is known by it.
    fn follow(&mut self, entity: EntityId) -> Result<()> {
        if self.seen.followed.contains_key(&entity) {
            return Ok(());
        }
        let model = self.catalog.get(entity);
        if model.key.len() != 1 {
            return Ok(());
        }
        let numbers = if model.numbered_key().is_none() {
            None
        } else {
            // What is pending would be numbered by the database.
            self.flush()?;
            let Some(numbers) = self.numbers(entity)? else { return Ok(()) };
            Some(numbers)
        };
        self.seen.followed.insert(entity, numbers);
        Ok(())
    }

    /// From here on the tables of new records are followed, where the database gives no keys ahead.
    pub(super) fn follow_new(&mut self, changes: &[Change]) -> Result<()> {
        if self.store.facts().sequences || !self.is_plain()? {
            return Ok(());
        }
        for change in changes.iter().filter(|change| matches!(change, Change::Insert { .. })) {
            self.follow(change.entity())?;
        }
        Ok(())
    }

    /// Rows of a table by the values of one column.
    ///
    /// # Errors
    /// The database's own.
    pub(super) fn rows_by(&mut self, entity: EntityId, column: usize, values: &[Value]) -> Result<Vec<Vec<Value>>> {
        let catalog = Arc::clone(&self.catalog);
        let data_type = &catalog.get(entity).columns[column].data_type;
        let mut rows = Vec::new();
        for batch in values.chunks(TOGETHER) {
            let items = batch.iter().map(|value| Expr::Value(value.clone(), data_type.clone())).collect();
            let by = Expr::Column(ColumnRef { alias: Alias(0), entity, column });
            let mut select = Select::all(entity, &catalog);
            select.filter = Some(Expr::In(Box::new(by), items));
            self.guarded(|session| {
                session.store.query(&catalog, &Statement::Select(&select), &mut |cells| {
                    rows.push(cells.iter().map(|cell| cell.to_value()).collect());
                    Ok(true)
                })
            })?;
        }
        Ok(rows)
    }

    /// Whether it is worth while to ask for records before they are needed: in a held transaction, where the database is
    /// at a distance.
    #[must_use]
    pub(crate) fn looks_ahead(&self) -> bool {
        self.remembers() && self.store.facts().sequences
    }

    /// Asks for records that are going to be needed, all of a table and column in one query. What is found is known from
    /// here on; what is not found is asked for again when it is needed.
    ///
    /// # Errors
    /// The database's objections to what is pending; what is no fault of the query.
    pub(crate) fn look_ahead(&mut self, wanted: &[(EntityId, usize, Vec<Value>)]) -> Result<()> {
        if wanted.is_empty() || !self.looks_ahead() || !self.is_plain()? {
            return Ok(());
        }
        let mut unknown: Vec<(EntityId, usize, Vec<Value>)> = Vec::new();
        for (entity, column, values) in wanted {
            if by_columns(self.catalog.get(*entity)).any(|known| known == *column) {
                let is_known =
                    |value: &Value| self.known(*entity, &[(*column, value.clone())]).is_some_and(Known::is_whole);
                unknown.push((*entity, *column, values.iter().filter(|value| !is_known(value)).cloned().collect()));
            }
        }
        let count: usize = unknown.iter().map(|(_, _, values)| values.len()).sum();
        if count < FEW {
            return Ok(());
        }
        self.flush()?;
        if self.is_together() {
            self.begin_again()?;
        } else {
            self.begin(true)?;
        }
        if self.seen.rows.len() + count > ROWS {
            self.seen.forget_rows();
        }
        for (entity, column, values) in &unknown {
            match self.rows_by(*entity, *column, values) {
                Err(error) if error.kind.is_transient() || error.kind == ErrorKind::Interrupted => return Err(error),
                // Whoever needs the record says what is wrong.
                Err(_) => {}
                Ok(rows) => rows.iter().for_each(|row| self.remember(*entity, row)),
            }
        }
        Ok(())
    }

    /// The last entry of the journal was staged: what is known follows.
    pub(super) fn note_staged(&mut self) {
        if let Some(entry) = self.journal.entries().last() {
            self.seen.pend(&entry.changes);
        }
        if self.seen.followed.is_empty() && self.seen.known.is_empty() {
            return;
        }
        let Some(at) = self.journal.len().checked_sub(1) else { return };
        let catalog = Arc::clone(&self.catalog);
        let single = self.journal.entries()[at].changes.len() == 1;
        for index in 0..self.journal.entries()[at].changes.len() {
            match &self.journal.entries()[at].changes[index] {
                Change::Insert { entity, columns, values, .. } => {
                    if !self.seen.followed.contains_key(entity) {
                        continue;
                    }
                    if !single {
                        // A place in the journal names no more than the entry.
                        self.seen.clear();
                        return;
                    }
                    let model = catalog.get(*entity);
                    let Some(known) = Known::new(Source::Entry(at)) else { continue };
                    for column in by_columns(model) {
                        let value = given(columns, values, column);
                        if let Some(slot) = value.and_then(|value| self.seen.slot(*entity, column, value)) {
                            self.seen.known.insert(slot, known);
                        }
                    }
                }
                Change::Update { entity, key, set, .. } => {
                    let model = catalog.get(*entity);
                    let named = set.iter().any(|(column, _)| is_referred(*column, *entity, &catalog));
                    let lasting = set.iter().any(|(column, _)| Some(*column) == model.natural_key);
                    if named || key.len() != 1 {
                        self.seen.clear();
                        return;
                    }
                    let (entity, value) = (*entity, key[0].clone());
                    self.touch(entity, (model.key[0], value), !lasting);
                }
                Change::Delete { entity, key, .. } => {
                    let spreads = catalog.iter().any(|(_, other)| {
                        other.foreign_keys.iter().any(|foreign| foreign.to == *entity && spreads(foreign))
                    });
                    if spreads || key.len() != 1 {
                        self.seen.clear();
                        return;
                    }
                    let (entity, value) = (*entity, key[0].clone());
                    self.touch(entity, (catalog.get(entity).key[0], value), false);
                }
            }
        }
    }

    /// Many records of a table were changed, nobody knows which: their keys are still known, or nothing of them is.
    pub(super) fn forget_bulk(&mut self, bulk: &Bulk) {
        if self.seen.known.is_empty() && self.seen.followed.is_empty() {
            return;
        }
        let (entity, catalog) = (bulk.entity(), &self.catalog);
        let set = bulk.set.as_deref();
        let reaches = match set {
            // What refers to it may follow.
            Some(set) => set.iter().any(|(column, _)| is_referred(*column, entity, catalog)),
            None => {
                catalog.iter().any(|(_, other)| other.foreign_keys.iter().any(|key| key.to == entity && spreads(key)))
            }
        };
        if reaches {
            self.seen.clear();
            return;
        }
        let natural = catalog.get(entity).natural_key;
        let keeps = set.is_some_and(|set| set.iter().all(|(column, _)| Some(*column) != natural));
        let (entries, rows) = (self.journal.entries(), &self.seen.rows);
        let of = |known: Known| match known.source() {
            Source::Entry(at) => entries.get(at).and_then(|entry| entry.changes.first()).map(Change::entity),
            Source::Row(at) => rows.get(at).map(|(other, _)| *other),
        };
        self.seen.known.retain(|_, known| {
            if of(*known) != Some(entity) {
                return true;
            }
            *known = known.in_part();
            keeps
        });
    }

    /// A record was changed: its keys are still known, or nothing of it is.
    fn touch(&mut self, entity: EntityId, by: (usize, Value), keep: bool) {
        let Some(known) = self.known(entity, std::slice::from_ref(&by)) else { return };
        let catalog = Arc::clone(&self.catalog);
        for column in by_columns(catalog.get(entity)) {
            let value = self.values(known, &[column]);
            let Some(slot) = value.and_then(|value| self.seen.slot(entity, column, &value[0])) else { continue };
            match self.seen.known.get_mut(&slot) {
                Some(other) if other.source() == known.source() && keep => *other = other.in_part(),
                Some(other) if other.source() == known.source() => drop(self.seen.known.remove(&slot)),
                _ => {}
            }
        }
    }
}

/// Whether deleting what a foreign key refers to does more than be refused.
fn spreads(foreign: &crate::model::ForeignKey) -> bool {
    foreign.on_delete != crate::model::ReferentialAction::Restrict
}

/// Whether a column is part of its table's key, or foreign keys refer to it.
fn is_referred(column: usize, entity: EntityId, catalog: &Catalog) -> bool {
    catalog.get(entity).key.contains(&column)
        || catalog.iter().any(|(_, other)| {
            other.foreign_keys.iter().any(|foreign| foreign.to == entity && foreign.to_columns.contains(&column))
        })
}

/// Whether a key was handed out for any of these.
pub(super) fn has_given(entries: &[Entry]) -> bool {
    entries.iter().flat_map(|entry| &entry.changes).any(|change| matches!(change, Change::Insert { given: true, .. }))
}
