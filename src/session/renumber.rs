//! Keys that the database gave and someone else took meanwhile: a new one is given, and said.

use super::Session;
use super::journal::{Change, Entry, Whole};
use crate::Result;
use crate::language::ast::Function;
use crate::language::quote::quote_value;
use crate::model::{Catalog, EntityId, Value};
use crate::outcome::HeaderColumn;
use crate::plan::query::{Alias, Bulk, ColumnRef, Expr, From, Output, Piece, Select, Statement};
use std::collections::{HashMap, HashSet};

/// How many keys one query asks for.
const BATCH: usize = 500;

/// A staged record whose key changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Renumbered {
    /// The table.
    pub entity: EntityId,
    /// The key it was shown with.
    pub old: Value,
    /// The key it has now.
    pub new: Value,
}

impl Session {
    /// Gives new keys to staged records whose keys are taken by now. In the transaction that is open.
    ///
    /// # Errors
    /// The database's own.
    pub(super) fn renumber(&mut self) -> Result<()> {
        let mut given: HashMap<EntityId, Vec<i64>> = HashMap::new();
        let mut freed: HashSet<(EntityId, i64)> = HashSet::new();
        for change in self.journal.changes() {
            match change {
                // A row that is to go gives its key back, and the database may hand it out again.
                Change::Delete { entity, key, .. } => {
                    if let [Value::Int(key)] = key.as_slice() {
                        freed.insert((*entity, *key));
                    }
                }
                Change::Insert { entity, given: true, .. } => {
                    if let Some([Value::Int(key)]) = change.key(&self.catalog).as_deref()
                        && !freed.contains(&(*entity, *key))
                    {
                        given.entry(*entity).or_default().push(*key);
                    }
                }
                Change::Insert { .. } | Change::Update { .. } => {}
            }
        }
        for (entity, keys) in given {
            let taken = self.taken(entity, &keys)?;
            if taken.is_empty() {
                continue;
            }
            let mut next = self.greatest(entity)?.max(keys.iter().copied().max().unwrap_or(0));
            for old in keys.into_iter().filter(|key| taken.contains(key)) {
                next += 1;
                self.replace_key(entity, &Value::Int(old), &Value::Int(next));
            }
        }
        Ok(())
    }

    /// Gives new keys to staged records of another journal whose keys staged records of this one have.
    ///
    /// # Errors
    /// The database's own.
    pub(super) fn apart(&mut self, entries: &mut [Entry]) -> Result<()> {
        let catalog = std::sync::Arc::clone(&self.catalog);
        let given = |entries: &[Entry]| -> Vec<(EntityId, i64)> {
            let changes = entries.iter().flat_map(|entry| &entry.changes);
            let keys = changes.filter_map(|change| match (change, change.key(&catalog).as_deref()) {
                (Change::Insert { entity, given: true, .. }, Some([Value::Int(key)])) => Some((*entity, *key)),
                _ => None,
            });
            keys.collect()
        };
        let (ours, theirs) = (given(self.journal.entries()), given(entries));
        for (entity, old) in theirs.iter().copied().filter(|key| ours.contains(key)) {
            let staged = ours.iter().chain(&theirs).filter(|(other, _)| *other == entity).map(|(_, key)| *key).max();
            let mut new = self.greatest(entity)?.max(staged.unwrap_or(0)) + 1;
            // Keys given out in an earlier round are staged by now.
            while given(entries).contains(&(entity, new)) {
                new += 1;
            }
            let (old, new) = (Value::Int(old), Value::Int(new));
            Swap { catalog: &catalog, entity, old: &old, new: &new }.apply(entries, false);
        }
        Ok(())
    }

    /// Keys that changed since they were last taken, oldest first.
    pub(crate) fn take_renumbered(&mut self) -> Vec<Renumbered> {
        std::mem::take(&mut self.renumbered)
    }

    fn taken(&mut self, entity: EntityId, keys: &[i64]) -> Result<HashSet<i64>> {
        let mut taken = HashSet::new();
        for batch in keys.chunks(BATCH) {
            let (select, key, data_type) = self.of_key(entity, None);
            let items = batch.iter().map(|key| Expr::Value(Value::Int(*key), data_type.clone())).collect();
            let select = Select { filter: Some(Expr::In(Box::new(key), items)), ..select };
            self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
                if let crate::model::Cell::Int(key) = cells[0] {
                    taken.insert(key);
                }
                Ok(true)
            })?;
        }
        Ok(taken)
    }

    pub(super) fn greatest(&mut self, entity: EntityId) -> Result<i64> {
        let (select, _, _) = self.of_key(entity, Some(Function::Max));
        let mut greatest = 0;
        self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
            if let crate::model::Cell::Int(key) = cells[0] {
                greatest = key;
            }
            Ok(false)
        })?;
        Ok(greatest)
    }

    /// A query of an entity's key column, or of a function of it.
    fn of_key(&self, entity: EntityId, function: Option<Function>) -> (Select, Expr, crate::model::DataType) {
        let model = self.catalog.get(entity);
        let column = model.numbered_key().unwrap_or_default();
        let data_type = model.columns[column].data_type.clone();
        let alias = Alias(0);
        let key = Expr::Column(ColumnRef { alias, entity, column });
        let expr = match function {
            Some(function) => Expr::Aggregate(function, Some(Box::new(key.clone()))),
            None => key.clone(),
        };
        let name = model.columns[column].name.clone();
        let header = HeaderColumn { name, data_type: data_type.clone(), masked: false };
        let select = Select::new(From { entity, alias, joins: Vec::new() }, vec![Output { expr, column: header }]);
        (select, key, data_type)
    }

    /// Puts a new key for an old one wherever the journal means the staged record.
    fn replace_key(&mut self, entity: EntityId, old: &Value, new: &Value) {
        let catalog = std::sync::Arc::clone(&self.catalog);
        let swap = Swap { catalog: &catalog, entity, old, new };
        // What was undone, and what edits replaced, may come back.
        self.journal.rewrite(|entries, begun| swap.apply(entries, begun));
        let name = &self.catalog.get(entity).name;
        self.warnings.push(format!(
            "the new {name} {} is {name} {} now: someone else took the key meanwhile",
            quote_value(old),
            quote_value(new)
        ));
        self.renumbered.push(Renumbered { entity, old: old.clone(), new: new.clone() });
    }
}

/// A new key for an old one, wherever a journal means the staged record.
struct Swap<'a> {
    catalog: &'a Catalog,
    entity: EntityId,
    old: &'a Value,
    new: &'a Value,
}

impl Swap<'_> {
    /// Only what follows the staged record can mean it, unless it is known to have come before.
    fn apply(&self, entries: &mut [Entry], mut begun: bool) {
        let Some(key) = self.catalog.get(self.entity).numbered_key() else { return };
        for entry in entries {
            if let (true, Some(Whole::Bulk(bulk, _))) = (begun, &mut entry.whole) {
                self.apply_to_bulk(bulk, key);
            }
            entry
                .changes
                .iter_mut()
                .chain(&mut entry.effects)
                .for_each(|change| self.apply_to(change, key, &mut begun));
        }
    }

    /// The new key in what a change to many rows sets, and wherever it is compared with.
    fn apply_to_bulk(&self, bulk: &mut Bulk, key: usize) {
        let entity = bulk.entity();
        for (column, value) in bulk.set.iter_mut().flatten() {
            self.replace(entity, *column, key, value);
        }
        let mut see = |piece: Piece<'_>| {
            let Piece::Expr(expr) = piece else { return };
            let (column, values): (&Expr, Vec<&mut Expr>) = match expr {
                Expr::Compare(left, _, right) | Expr::Same(left, right) if matches!(**left, Expr::Column(_)) => {
                    (left, vec![right])
                }
                Expr::Compare(left, _, right) | Expr::Same(left, right) => (right, vec![left]),
                Expr::In(value, items) => (value, items.iter_mut().collect()),
                Expr::Between(value, low, high) => (value, vec![low, high]),
                _ => return,
            };
            let Expr::Column(column) = column else { return };
            for value in values {
                if let Expr::Value(value, _) = value {
                    self.replace(column.entity, column.column, key, value);
                }
            }
        };
        if let Some(filter) = &mut bulk.rows.filter {
            filter.each_mut(&mut see);
        }
    }

    fn apply_to(&self, change: &mut Change, key: usize, begun: &mut bool) {
        let owner = change.entity();
        match change {
            Change::Insert { columns, values, given, row, .. } => {
                *begun |= owner == self.entity
                    && *given
                    && columns.iter().zip(values.iter()).any(|(at, value)| *at == key && value == self.old);
                if *begun {
                    for (column, value) in columns.iter().zip(values) {
                        self.replace(owner, *column, key, value);
                    }
                    if let Some(row) = row {
                        let mut known = row.to_vec();
                        for (column, value) in known.iter_mut().enumerate() {
                            self.replace(owner, column, key, value);
                        }
                        *row = known.into();
                    }
                }
            }
            Change::Update { key: row, set, base, .. } if *begun => {
                if let (true, [only]) = (owner == self.entity, row.as_mut_slice()) {
                    self.replace(owner, key, key, only);
                }
                for (column, value) in set.make_mut().iter_mut().chain(base) {
                    self.replace(owner, *column, key, value);
                }
            }
            Change::Delete { key: row, base, .. } if *begun => {
                if let (true, [only]) = (owner == self.entity, row.as_mut_slice()) {
                    self.replace(owner, key, key, only);
                }
                for (column, value) in base {
                    self.replace(owner, *column, key, value);
                }
            }
            Change::Update { .. } | Change::Delete { .. } => {}
        }
    }

    fn replace(&self, owner: EntityId, column: usize, key: usize, value: &mut Value) {
        let refers =
            || {
                self.catalog.get(owner).foreign_keys.iter().any(|foreign| {
                    foreign.to == self.entity && foreign.columns == [column] && foreign.to_columns == [key]
                })
            };
        if *value == *self.old && ((owner == self.entity && column == key) || refers()) {
            value.clone_from(self.new);
        }
    }
}
