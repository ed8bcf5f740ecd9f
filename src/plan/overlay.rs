//! What tables will be with what is staged: changes folded, in the order in which they were typed, to one row a key.
//!
//! Each change costs the same however many there are. Rows are kept packed: a hundred thousand of them are nothing to
//! think about.

mod pack;

use crate::model::{Catalog, Cell, DataType, EntityId, Events, Value};
use hashbrown::HashTable;
use pack::{Cells, pack, pack_pair};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// What tables will be with what is staged.
#[derive(Debug, Default, PartialEq)]
pub struct Overlay {
    tables: BTreeMap<EntityId, Staged>,
}

/// What is staged for one table.
pub struct Staged {
    identity: u64,
    version: u64,
    slots: Vec<Slot>,
    /// Where each key's row stands in `slots`.
    keys: HashTable<u32>,
    hasher: RandomState,
    /// How many columns the key has.
    width: usize,
    new: usize,
    changed: usize,
    /// How many changed rows give each column a value.
    set: Vec<usize>,
    /// The columns that any change gave a value, also to rows that are new.
    touched: Vec<bool>,
    events: Events,
    unknown: bool,
}

struct Slot {
    packed: Box<[u8]>,
    version: u64,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It will not be there.
    Gone,
    /// It will be there, and all its values are known.
    New,
    /// A row of the database with other values.
    Changed,
}

/// One row of what is staged.
#[derive(Debug, Clone, Copy)]
pub struct StagedRow<'a> {
    /// A number that stays the row's own as long as the overlay lives.
    pub slot: usize,
    /// What it is.
    pub kind: Kind,
    version: u64,
    key: &'a [u8],
    from: &'a [u8],
    set: &'a [u8],
}

const GONE: u8 = 0;
const NEW: u8 = 1;
const CHANGED: u8 = 2;
const MOVED: u8 = 3;
/// New, and without a key.
const NAMELESS: u8 = 4;

static IDENTITIES: AtomicU64 = AtomicU64::new(1);

impl Overlay {
    /// Takes in a new row, with a value for each column of its table; without a key where it has none.
    pub fn insert(&mut self, entity: EntityId, key: Option<&[Value]>, row: &[Value], catalog: &Catalog) {
        let staged = self.staged(entity, catalog);
        staged.events.insert = true;
        let key = key.map(|key| packed_key(key, entity, catalog));
        let mut packed = vec![if key.is_some() { NEW } else { NAMELESS }];
        packed.extend(key.as_deref().unwrap_or_default());
        for value in row {
            pack(&mut packed, value.as_cell());
        }
        match key {
            Some(key) => staged.put(&key, packed),
            None => staged.push(packed),
        }
    }

    /// Takes in a new row of which not all values are known.
    pub fn insert_unknown(&mut self, entity: EntityId, catalog: &Catalog) {
        let staged = self.staged(entity, catalog);
        staged.events.insert = true;
        staged.unknown = true;
    }

    /// Takes in new values for the row that has this key now. A row that is gone stays so.
    pub fn update(&mut self, entity: EntityId, key: &[Value], set: &[(usize, Value)], catalog: &Catalog) {
        let columns = &catalog.get(entity).key;
        if columns.is_empty() {
            return self.unnamed(entity, catalog, |events| events.update = true);
        }
        let old = packed_key(key, entity, catalog);
        let moves = set.iter().any(|(column, _)| columns.contains(column));
        let new = moves.then(|| {
            let value = |(column, old): (&usize, &Value)| {
                set.iter().rev().find(|(changed, _)| changed == column).map_or(old, |(_, value)| value).clone()
            };
            let key: Vec<Value> = columns.iter().zip(key).map(value).collect();
            packed_key(&key, entity, catalog)
        });
        let staged = self.staged(entity, catalog);
        staged.events.update = true;
        for (column, _) in set {
            staged.touched[*column] = true;
        }
        let new = new.filter(|new| *new != old);
        let Some(packed) = staged.updated(&old, new.as_deref(), set) else { return };
        match new {
            None => staged.put(&old, packed),
            Some(new) => {
                staged.bury(&old);
                staged.put(&new, packed);
            }
        }
    }

    /// Takes in that the row that has this key now goes.
    pub fn delete(&mut self, entity: EntityId, key: &[Value], catalog: &Catalog) {
        if catalog.get(entity).key.is_empty() {
            return self.unnamed(entity, catalog, |events| events.delete = true);
        }
        let key = packed_key(key, entity, catalog);
        let staged = self.staged(entity, catalog);
        staged.events.delete = true;
        staged.bury(&key);
    }

    /// Takes in that rows change which nobody can name.
    fn unnamed(&mut self, entity: EntityId, catalog: &Catalog, event: impl FnOnce(&mut Events)) {
        let staged = self.staged(entity, catalog);
        event(&mut staged.events);
        staged.unknown = true;
    }

    /// Whether nothing is staged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The tables with staged changes.
    pub fn tables(&self) -> impl Iterator<Item = (EntityId, &Staged)> {
        self.tables.iter().map(|(entity, staged)| (*entity, staged))
    }

    /// What is staged for a table.
    #[must_use]
    pub fn get(&self, entity: EntityId) -> Option<&Staged> {
        self.tables.get(&entity)
    }

    /// The staged row with this key.
    #[must_use]
    pub fn row(&self, entity: EntityId, key: &[Value], catalog: &Catalog) -> Option<StagedRow<'_>> {
        let staged = self.get(entity)?;
        let slot = staged.find(&packed_key(key, entity, catalog))?;
        Some(staged.at(slot))
    }

    /// What is staged for one row of a table, and for no other table.
    #[must_use]
    pub fn only(&self, entity: EntityId, key: &[Value], catalog: &Catalog) -> Self {
        let mut only = Self::default();
        let key = packed_key(key, entity, catalog);
        if let Some(found) = self.get(entity)
            && let Some(slot) = found.find(&key)
        {
            let staged = only.staged(entity, catalog);
            staged.events = found.events;
            staged.put(&key, found.slots[slot].packed.to_vec());
        }
        only
    }

    fn staged(&mut self, entity: EntityId, catalog: &Catalog) -> &mut Staged {
        self.tables.entry(entity).or_insert_with(|| {
            let model = catalog.get(entity);
            Staged::new(model.key.len(), model.columns.len())
        })
    }
}

/// A key's values packed, numbers in one spelling: what a person typed as 1.50 is the database's 1.5.
fn packed_key(key: &[Value], entity: EntityId, catalog: &Catalog) -> Vec<u8> {
    let model = catalog.get(entity);
    let mut packed = Vec::with_capacity(key.len() * 9);
    for (column, value) in model.key.iter().zip(key) {
        pack(&mut packed, plain(value, &model.columns[*column].data_type).as_cell());
    }
    packed
}

/// A value of a key in the one spelling that tells it from others.
#[must_use]
pub fn plain<'v>(value: &'v Value, data_type: &DataType) -> Cow<'v, Value> {
    if *data_type != DataType::Numeric {
        return Cow::Borrowed(value);
    }
    let text = match value {
        Value::Text(text) => Cow::Borrowed(text.as_str()),
        Value::Int(_) => return Cow::Owned(Value::Text(value.to_string())),
        Value::Float(number) => Cow::Owned(number.to_string()),
        _ => return Cow::Borrowed(value),
    };
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Cow::Owned(Value::Text(text.into_owned()));
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let spelled = match (whole, fraction) {
        ("", "") => "0".to_owned(),
        (whole, "") => format!("{sign}{whole}"),
        (whole, fraction) => format!("{sign}{}.{fraction}", if whole.is_empty() { "0" } else { whole }),
    };
    Cow::Owned(Value::Text(spelled))
}

impl Staged {
    fn new(width: usize, columns: usize) -> Self {
        Self {
            identity: IDENTITIES.fetch_add(1, Ordering::Relaxed),
            version: 0,
            slots: Vec::new(),
            keys: HashTable::new(),
            hasher: RandomState::new(),
            width,
            new: 0,
            changed: 0,
            set: vec![0; columns],
            touched: vec![false; columns],
            events: Events::default(),
            unknown: false,
        }
    }

    /// A number that no other table of any overlay has.
    #[must_use]
    pub const fn identity(&self) -> u64 {
        self.identity
    }

    /// Grows with each change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// All rows, in the order in which their keys were first staged.
    #[must_use]
    pub fn rows(&self) -> impl ExactSizeIterator<Item = StagedRow<'_>> {
        (0..self.slots.len()).map(|slot| self.at(slot))
    }

    /// The rows that changed after a version.
    pub fn rows_since(&self, version: u64) -> impl Iterator<Item = StagedRow<'_>> {
        let newer = move |(slot, found): (usize, &Slot)| (found.version > version).then_some(slot);
        self.slots.iter().enumerate().filter_map(newer).map(|slot| self.at(slot))
    }

    /// How many rows are new.
    #[must_use]
    pub const fn new_rows(&self) -> usize {
        self.new
    }

    /// How many rows of the database have other values.
    #[must_use]
    pub const fn changed_rows(&self) -> usize {
        self.changed
    }

    /// Whether there is a row that will be there.
    #[must_use]
    pub const fn has_live(&self) -> bool {
        self.new + self.changed > 0
    }

    /// How many keys of the database's are not to be looked at there.
    #[must_use]
    pub fn hidden(&self) -> usize {
        self.keys.len()
    }

    /// How many of the changed rows give a column a value.
    #[must_use]
    pub fn set_in(&self, column: usize) -> usize {
        self.set[column]
    }

    /// Whether any change gave a column a value, other than by a new row.
    #[must_use]
    pub fn touches(&self, column: usize) -> bool {
        self.touched[column]
    }

    /// Which kinds of changes there were.
    #[must_use]
    pub const fn events(&self) -> Events {
        self.events
    }

    /// Whether there are rows of which not all is known, or which cannot be named.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        self.unknown
    }

    fn at(&self, slot: usize) -> StagedRow<'_> {
        let Slot { packed, version } = &self.slots[slot];
        let (kind, rest) = packed.split_first().map_or((GONE, &packed[..]), |(kind, rest)| (*kind, rest));
        let width = if kind == NAMELESS { 0 } else { self.width };
        let (key, rest) = pack::split(rest, width);
        let (from, set) = if kind == MOVED { pack::split(rest, width) } else { (key, rest) };
        let kind = match kind {
            NEW | NAMELESS => Kind::New,
            CHANGED | MOVED => Kind::Changed,
            _ => Kind::Gone,
        };
        StagedRow { slot, kind, version: *version, key, from, set }
    }

    fn find(&self, key: &[u8]) -> Option<usize> {
        // Packed values tell their own end, so a key that begins with this one is this one.
        let same = |slot: &u32| self.slots[*slot as usize].packed[1..].starts_with(key);
        self.keys.find(self.hasher.hash_one(key), same).map(|slot| *slot as usize)
    }

    /// The row that `old` means with these values, under its new key where it gets one; none if it is gone.
    fn updated(&self, old: &[u8], new: Option<&[u8]>, set: &[(usize, Value)]) -> Option<Vec<u8>> {
        let before = self.find(old).map(|slot| self.at(slot));
        let key = new.unwrap_or(old);
        let given = |column: usize| set.iter().rev().find(|(changed, _)| *changed == column).map(|(_, value)| value);
        let mut packed = Vec::with_capacity(key.len() + set.len() * 10 + 1);
        match before {
            Some(StagedRow { kind: Kind::Gone, .. }) => return None,
            Some(row @ StagedRow { kind: Kind::New, .. }) => {
                packed.push(NEW);
                packed.extend(key);
                for (column, cell) in row.set() {
                    pack(&mut packed, given(column).map_or(cell, Value::as_cell));
                }
            }
            _ => {
                let from = before.map_or(old, |row| row.from);
                packed.push(if from == key { CHANGED } else { MOVED });
                packed.extend(key);
                if from != key {
                    packed.extend(from);
                }
                for (column, cell) in before.iter().flat_map(StagedRow::set) {
                    if given(column).is_none() {
                        pack_pair(&mut packed, column, cell);
                    }
                }
                for (at, (column, value)) in set.iter().enumerate() {
                    if !set[at + 1..].iter().any(|(later, _)| later == column) {
                        pack_pair(&mut packed, *column, value.as_cell());
                    }
                }
            }
        }
        Some(packed)
    }

    fn bury(&mut self, key: &[u8]) {
        let mut packed = Vec::with_capacity(key.len() + 1);
        packed.push(GONE);
        packed.extend(key);
        self.put(key, packed);
    }

    fn put(&mut self, key: &[u8], packed: Vec<u8>) {
        if let Some(slot) = self.find(key) {
            self.count(slot, false);
            self.version += 1;
            self.slots[slot] = Slot { packed: packed.into(), version: self.version };
            self.count(slot, true);
            return;
        }
        self.push(packed);
        let slot = (self.slots.len() - 1) as u32;
        let (slots, hasher, length) = (&self.slots, &self.hasher, key.len());
        // A row tells its own key: its values from the first, as many as the key has.
        let width = self.width;
        let hash = |slot: &u32| {
            let rest = &slots[*slot as usize].packed[1..];
            hasher.hash_one(pack::split(rest, width).0)
        };
        debug_assert_eq!(pack::split(&slots[slot as usize].packed[1..], width).0.len(), length);
        self.keys.insert_unique(hasher.hash_one(key), slot, hash);
    }

    fn push(&mut self, packed: Vec<u8>) {
        self.version += 1;
        self.slots.push(Slot { packed: packed.into(), version: self.version });
        self.count(self.slots.len() - 1, true);
    }

    /// Counts a row, or counts it no more.
    fn count(&mut self, slot: usize, more: bool) {
        let row = self.at(slot);
        let kind = row.kind;
        let columns: Vec<usize> =
            if kind == Kind::Changed { row.set().map(|(column, _)| column).collect() } else { Vec::new() };
        let step = |number: &mut usize| if more { *number += 1 } else { *number -= 1 };
        match kind {
            Kind::New => step(&mut self.new),
            Kind::Changed => step(&mut self.changed),
            Kind::Gone => {}
        }
        for column in columns {
            step(&mut self.set[column]);
        }
    }
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.rows()).finish()
    }
}

/// Whether the same rows are staged.
impl PartialEq for Staged {
    fn eq(&self, other: &Self) -> bool {
        self.slots.len() == other.slots.len()
            && self.slots.iter().zip(&other.slots).all(|(one, two)| one.packed == two.packed)
    }
}

impl<'a> StagedRow<'a> {
    /// The key under which readers see it, and which hides the database's row of that key; empty where it has none.
    #[must_use]
    pub fn key(&self) -> Cells<'a> {
        Cells(self.key)
    }

    /// The key of the database's row that gives the columns which are not in [`StagedRow::set`]. Only for changed rows.
    #[must_use]
    pub fn from(&self) -> Cells<'a> {
        Cells(self.from)
    }

    /// The columns that have staged values: all of them for a new row.
    pub fn set(&self) -> impl Iterator<Item = (usize, Cell<'a>)> + use<'a> {
        let new = self.kind == Kind::New;
        let mut rest = Cells(self.set);
        let mut next = 0;
        std::iter::from_fn(move || {
            let column = if new { next } else { rest.column()? };
            next += 1;
            Some((column, rest.next()?))
        })
    }

    /// The staged value of a column.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<Cell<'a>> {
        self.set().find(|(known, _)| *known == column).map(|(_, cell)| cell)
    }

    /// The version of its table when it last changed.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }
}

#[cfg(test)]
mod tests;
