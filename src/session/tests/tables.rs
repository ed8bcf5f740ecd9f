//! Tables in memory: unique values, NOT NULL and foreign keys with their actions, looked at row by row.

use super::evaluate;
use super::memory::Like;
use crate::model::{Catalog, ColumnDefault, EntityId, ReferentialAction, Value};
use crate::plan::query::{Bulk, ChangedRow, ColumnRef, Expr, Select};
use crate::{Error, ErrorKind, Result};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;

/// What a table has, with its unique values by hand.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub rows: BTreeMap<u64, Vec<Value>>,
    /// For the key and each unique index, which row has which values.
    unique: Vec<HashMap<String, u64>>,
    last: u64,
}

pub type Tables = BTreeMap<EntityId, Rc<Table>>;

/// The tables of a catalog, without rows.
pub fn empty(catalog: &Catalog) -> Tables {
    let table = |entity| {
        let unique = vec![HashMap::new(); uniques(catalog, entity).len()];
        Rc::new(Table { unique, ..Table::default() })
    };
    catalog.iter().map(|(entity, _)| (entity, table(entity))).collect()
}

/// Columns whose values no two rows share.
fn uniques(catalog: &Catalog, entity: EntityId) -> Vec<Vec<usize>> {
    let model = catalog.get(entity);
    let indexes = model.indexes.iter().filter(|index| index.unique).map(|index| index.columns.clone());
    std::iter::once(model.key.clone()).chain(indexes).collect()
}

/// Values as one text, so that they can be looked up; none where one is NULL or there is none.
fn together(row: &[Value], columns: &[usize]) -> Option<String> {
    let values: Vec<&Value> = columns.iter().map(|column| &row[*column]).collect();
    (!values.is_empty() && !values.iter().any(|value| value.is_null())).then(|| format!("{values:?}"))
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Constraint, message)
}

/// What a default's text gives.
fn literal(text: &str) -> Value {
    match (text.parse(), text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''))) {
        (_, Some(text)) => Value::Text(text.into()),
        (Ok(number), _) => Value::Int(number),
        _ => Value::Null,
    }
}

/// Writes to some tables, whoever does it.
pub struct Work<'w> {
    pub catalog: &'w Catalog,
    pub tables: &'w mut Tables,
    /// The last numbers of sequences.
    pub numbers: &'w mut HashMap<EntityId, i64>,
    pub like: Like,
}

impl Work<'_> {
    /// Adds a row, of columns that have values; gives the row with its defaults.
    pub fn insert(&mut self, entity: EntityId, columns: &[usize], values: &[Value]) -> Result<Vec<Value>> {
        let model = self.catalog.get(entity);
        let mut row: Vec<Value> = Vec::new();
        for (at, column) in model.columns.iter().enumerate() {
            let given = columns.iter().position(|known| *known == at).map(|at| values[at].clone());
            row.push(match (given, &column.default) {
                (Some(value), _) if !(value.is_null() && column.numbered) => value,
                _ if column.numbered => Value::Int(self.next_number(entity, at)),
                (None, Some(ColumnDefault::Database(text))) => literal(text),
                (None, _) => Value::Null,
                (Some(value), _) => value,
            });
        }
        let table = Rc::make_mut(self.tables.get_mut(&entity).unwrap());
        table.last += 1;
        let id = table.last;
        self.put(entity, id, row.clone())?;
        self.refers(entity, &row)?;
        Ok(row)
    }

    fn next_number(&mut self, entity: EntityId, column: usize) -> i64 {
        if self.like == Like::Postgres {
            let last = self.numbers.entry(entity).or_default();
            *last += 1;
            return *last;
        }
        let keys = self.tables[&entity].rows.values().filter_map(|row| row[column].as_int());
        keys.max().unwrap_or(0) + 1
    }

    /// New values for the row with this key, which is there.
    pub fn set(&mut self, entity: EntityId, key: i64, set: &[(usize, Value)]) {
        let id = self.find(entity, &[Value::Int(key)], &[]).unwrap();
        self.update(entity, id, set).unwrap();
    }

    /// The row with this key, which is there, goes.
    pub fn go(&mut self, entity: EntityId, key: i64) {
        let id = self.find(entity, &[Value::Int(key)], &[]).unwrap();
        self.delete(entity, id).unwrap();
    }

    /// New values for a row, by its place.
    fn update(&mut self, entity: EntityId, id: u64, set: &[(usize, Value)]) -> Result<()> {
        let before = self.tables[&entity].rows[&id].clone();
        let mut row = before.clone();
        for (column, value) in set {
            row[*column] = value.clone();
        }
        self.take(entity, id);
        self.put(entity, id, row.clone())?;
        self.refers(entity, &row)?;
        self.follow(entity, &before, Some(&row))
    }

    fn delete(&mut self, entity: EntityId, id: u64) -> Result<()> {
        let before = self.take(entity, id);
        self.follow(entity, &before, None)
    }

    /// The place of the row with this key, if it still has these values.
    fn find(&self, entity: EntityId, key: &[Value], base: &[(usize, Value)]) -> Option<u64> {
        let columns = &self.catalog.get(entity).key;
        let mut row = vec![Value::Null; self.catalog.get(entity).columns.len()];
        for (column, value) in columns.iter().zip(key) {
            row[*column] = value.clone();
        }
        let table = &self.tables[&entity];
        let id = *table.unique[0].get(&together(&row, columns)?)?;
        base.iter().all(|(column, value)| table.rows[&id][*column] == *value).then_some(id)
    }

    fn put(&mut self, entity: EntityId, id: u64, row: Vec<Value>) -> Result<()> {
        let model = self.catalog.get(entity);
        if let Some(at) = (0..row.len()).find(|at| row[*at].is_null() && !model.columns[*at].nullable) {
            return Err(refused(format!("NOT NULL constraint failed: {}.{}", model.table, model.columns[at].name)));
        }
        let table = Rc::make_mut(self.tables.get_mut(&entity).unwrap());
        for (columns, known) in uniques(self.catalog, entity).iter().zip(&mut table.unique) {
            let Some(values) = together(&row, columns) else { continue };
            if known.contains_key(&values) {
                return Err(refused(format!("UNIQUE constraint failed: {}.{columns:?} {values}", model.table)));
            }
            known.insert(values, id);
        }
        table.rows.insert(id, row);
        Ok(())
    }

    fn take(&mut self, entity: EntityId, id: u64) -> Vec<Value> {
        let table = Rc::make_mut(self.tables.get_mut(&entity).unwrap());
        let row = table.rows.remove(&id).unwrap();
        for (columns, known) in uniques(self.catalog, entity).iter().zip(&mut table.unique) {
            together(&row, columns).map(|values| known.remove(&values));
        }
        row
    }

    /// Whether all that a row refers to is there.
    fn refers(&self, entity: EntityId, row: &[Value]) -> Result<()> {
        for key in &self.catalog.get(entity).foreign_keys {
            let values: Vec<&Value> = key.columns.iter().map(|column| &row[*column]).collect();
            let same =
                |other: &Vec<Value>| key.to_columns.iter().map(|column| &other[*column]).eq(values.iter().copied());
            let indexed = uniques(self.catalog, key.to).iter().position(|columns| *columns == key.to_columns);
            let there = match indexed {
                Some(at) => self.tables[&key.to].unique[at].contains_key(&format!("{values:?}")),
                None => self.tables[&key.to].rows.values().any(same),
            };
            if !values.iter().any(|value| value.is_null()) && !there {
                return Err(refused("FOREIGN KEY constraint failed".into()));
            }
        }
        Ok(())
    }

    /// What becomes of the rows that refer to one that has changed or gone.
    fn follow(&mut self, entity: EntityId, before: &[Value], after: Option<&[Value]>) -> Result<()> {
        let catalog = self.catalog;
        for (other, model) in catalog.iter() {
            for key in model.foreign_keys.iter().filter(|key| key.to == entity) {
                let part = |row: &[Value]| -> Vec<Value> { key.to_columns.iter().map(|at| row[*at].clone()).collect() };
                let old = part(before);
                if after.is_some_and(|after| part(after) == old) {
                    continue;
                }
                let own = |row: &Vec<Value>| key.columns.iter().map(|at| &row[*at]).eq(&old);
                let rows = self.tables[&other].rows.iter();
                let children: Vec<u64> = rows.filter(|(_, row)| own(row)).map(|(id, _)| *id).collect();
                for id in children {
                    if !self.tables[&other].rows.contains_key(&id) {
                        continue;
                    }
                    let defaults = |column: &usize| match &model.columns[*column].default {
                        Some(ColumnDefault::Database(text)) => literal(text),
                        _ => Value::Null,
                    };
                    let given: Vec<Value> = match (if after.is_some() { key.on_update } else { key.on_delete }, after) {
                        (ReferentialAction::Restrict, _) => {
                            return Err(refused("FOREIGN KEY constraint failed".into()));
                        }
                        (ReferentialAction::Cascade, None) => {
                            self.delete(other, id)?;
                            continue;
                        }
                        (ReferentialAction::Cascade, Some(after)) => part(after),
                        (ReferentialAction::SetNull, _) => vec![Value::Null; key.columns.len()],
                        (ReferentialAction::SetDefault, _) => key.columns.iter().map(defaults).collect(),
                    };
                    let set: Vec<(usize, Value)> = key.columns.iter().copied().zip(given).collect();
                    self.update(other, id, &set)?;
                }
            }
        }
        Ok(())
    }

    /// Changes all rows that a query gives, and gives their number; those that have the new values already are left alone.
    pub fn bulk(&mut self, bulk: &Bulk) -> Result<usize> {
        let entity = bulk.entity();
        let of = &bulk.rows.from;
        let mut select = Select { from: of.clone(), ..Select::all(entity, self.catalog) };
        for (column, output) in select.columns.iter_mut().enumerate() {
            output.expr = Expr::Column(ColumnRef { alias: of.alias, entity, column });
        }
        let Select { filter, order, limit, offset, .. } = bulk.rows.clone();
        (select.filter, select.order, select.limit, select.offset) = (filter, order, limit, offset);
        let rows = |entity| self.tables[&entity].rows.values().cloned().collect();
        let found = evaluate::select(&select, &rows, self.catalog);
        let set = bulk.set.as_deref().unwrap_or_default();
        let hit = |row: &Vec<Value>| {
            found.contains(row) && (bulk.set.is_none() || set.iter().any(|(column, value)| row[*column] != *value))
        };
        let all = self.tables[&entity].rows.iter();
        let hit: Vec<u64> = all.filter(|(_, row)| hit(row)).map(|(id, _)| *id).collect();
        for id in &hit {
            if bulk.set.is_some() { self.update(entity, *id, set)? } else { self.delete(entity, *id)? }
        }
        Ok(hit.len())
    }

    /// Changes rows as one statement does: it finds them all before it changes the first, and each but once.
    pub fn change(&mut self, entity: EntityId, rows: &[ChangedRow<'_>], deletes: bool) -> Result<usize> {
        let mut known = HashSet::new();
        let found: Vec<(u64, &ChangedRow<'_>)> = rows
            .iter()
            .filter_map(|row| Some((self.find(entity, row.key, row.base)?, row)))
            .filter(|(id, _)| known.insert(*id))
            .collect();
        for (id, row) in &found {
            if deletes { self.delete(entity, *id)? } else { self.update(entity, *id, row.set)? }
        }
        Ok(found.len())
    }
}
