//! Random changes that apply one after the other, for properties of what is made of them.

use super::memory::Like;
use super::schema::{catalog, table};
use super::tables::{Tables, Work, empty};
use crate::Result;
use crate::model::infer::TableFacts;
use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::ChangedRow;
use crate::session::journal::Change;
use proptest::prelude::*;
use std::collections::HashMap;

/// Tables with all that lets changes have to do with each other: unique values, references with each action, to the table
/// itself too, keys of several columns, keys that the database gives, no key.
pub fn tables() -> Vec<TableFacts> {
    vec![
        table(
            "users",
            &["id int key numbered", "email text unique", "name text", "boss_id int -> users on delete set null"],
        ),
        table("posts", &["id int key numbered", "title text", "author_id int -> users"]),
        table("comments", &["id int key", "post_id int -> posts on delete cascade on update cascade"]),
        table("clubs", &["name text key", "owner_id int default 1 -> users on delete set default"]),
        table("members", &["user_id int key -> users on delete cascade", "club text key -> clubs", "since int"]),
        table("logs", &["line text"]),
    ]
}

/// A kind of change, a row, columns by bits, values.
pub type Op = (u8, u8, u8, [u8; 4]);

/// Half of them among a few rows and columns, so that they meet.
pub fn op() -> impl Strategy<Value = Op> {
    let seeds = prop_oneof![any::<[u8; 4]>(), prop::array::uniform4(0_u8..5)];
    prop_oneof![(any::<u8>(), any::<u8>(), any::<u8>(), seeds.clone()), (0_u8..18, 0_u8..3, 190_u8..196, seeds)]
}

pub fn ops(most: usize) -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..most)
}

/// Tables that changes are applied to.
#[derive(Clone)]
pub struct World {
    pub catalog: Catalog,
    pub tables: Tables,
    numbers: HashMap<EntityId, i64>,
    like: Like,
}

impl World {
    pub fn new(like: Like) -> Self {
        let catalog = catalog(&tables());
        let tables = empty(&catalog);
        Self { catalog, tables, numbers: HashMap::new(), like }
    }

    /// All rows of all tables.
    pub fn rows(&self) -> Vec<String> {
        let mut rows: Vec<String> = self
            .tables
            .iter()
            .flat_map(|(entity, table)| table.rows.values().map(move |row| format!("{entity:?} {row:?}")))
            .collect();
        rows.sort();
        rows
    }

    /// Sends changes of one kind as one statement; how many rows it met, or nothing is changed.
    pub fn send(&mut self, set: &[&Change]) -> Result<usize> {
        let mut tables = self.tables.clone();
        let work =
            &mut Work { catalog: &self.catalog, tables: &mut tables, numbers: &mut self.numbers, like: self.like };
        let mut count = 0;
        let mut rows: Vec<ChangedRow<'_>> = Vec::new();
        for change in set {
            match change {
                Change::Insert { entity, columns, values, .. } => {
                    work.insert(*entity, columns, values)?;
                    count += 1;
                }
                Change::Update { key, set, base, .. } => rows.push(ChangedRow { key, set, base }),
                Change::Delete { key, base, .. } => rows.push(ChangedRow { key, set: &[], base }),
            }
        }
        if let Some(first) = set.first().filter(|_| !rows.is_empty()) {
            count = work.change(first.entity(), &rows, matches!(first, Change::Delete { .. }))?;
        }
        self.tables = tables;
        Ok(count)
    }

    /// The change that some numbers mean for the tables as they are; none where there is no such row.
    pub fn change(&self, (kind, row, mask, values): Op) -> Option<Change> {
        let entities: Vec<EntityId> = self.catalog.iter().map(|(entity, _)| entity).collect();
        let entity = entities[usize::from(kind) % entities.len()];
        let model = self.catalog.get(entity);
        let value = |column: usize| {
            let seed = values[column];
            match (&model.columns[column].data_type, seed % 7) {
                (_, 0) if model.columns[column].nullable => Value::Null,
                (crate::model::DataType::Int(_), _) => Value::Int(i64::from(seed % 6) + 1),
                _ => Value::Text(["a", "b", "c", "d", "e"][usize::from(seed) % 5].into()),
            }
        };
        let width = model.columns.len();
        if kind % 3 == 0 || model.key.is_empty() {
            // A sequence does not go back when a change is refused: what is sent again has its key along.
            let given = self.like == Like::Postgres;
            let named = |column: &usize| {
                mask >> column & 1 == 1 || (model.key.contains(column) && (given || !model.columns[*column].numbered))
            };
            let columns: Vec<usize> = (0..width).filter(named).collect();
            let values = columns.iter().map(|column| value(*column)).collect();
            return Some(Change::Insert { entity, columns: columns.into(), values, given: false, row: None });
        }
        let rows: Vec<&Vec<Value>> = self.tables[&entity].rows.values().collect();
        let before = *rows.get(usize::from(row) % rows.len().max(1))?;
        let key = model.key.iter().map(|column| before[*column].clone()).collect();
        let pair = |column: usize| (column, before[column].clone());
        if kind % 3 == 1 {
            let base = (0..width).filter(|column| !model.key.contains(column)).map(pair).collect();
            return Some(Change::Delete { entity, key, base });
        }
        // Keys change now and then.
        let columns: Vec<usize> =
            (0..width).filter(|at| mask >> at & 1 == 1 && (!model.key.contains(at) || mask >= 192)).collect();
        let set: Vec<(usize, Value)> = columns.iter().map(|column| (*column, value(*column))).collect();
        let set: Vec<(usize, Value)> = set.into_iter().filter(|(column, value)| before[*column] != *value).collect();
        let base = set.iter().map(|(column, _)| pair(*column)).collect();
        (!set.is_empty()).then_some(Change::Update { entity, key, set: set.into(), base })
    }

    /// Applies the changes that some numbers mean, one by one; gives those that the database took.
    pub fn applied(&mut self, ops: &[Op]) -> Vec<Change> {
        let mut taken = Vec::new();
        for op in ops {
            if let Some(change) = self.change(*op)
                && self.send(&[&change]).is_ok_and(|count| count == 1)
            {
                taken.push(change);
            }
        }
        taken
    }
}
