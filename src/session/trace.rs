//! Whether changes are in the database, by keys and values: for a COMMIT of which no server can tell.

use super::journal::{Change, Entry};
use super::net::net;
use super::seen::is_exact;
use super::{Session, by_values};
use crate::language::ast::CompareOp;
use crate::model::{Catalog, Cell, EntityId, Value};
use crate::plan::query::{Alias, ColumnRef, Expr, Select, Statement};
use crate::store::Named;
use crate::{ErrorKind, Result};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How many records one query asks for.
const TOGETHER: usize = 1_000;

/// How many records of each sort a message names.
const SHOWN: usize = 5;

/// What there is of a transaction's changes in the database, by keys and values.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    there: Vec<String>,
    absent: Vec<String>,
    unclear: Vec<String>,
}

/// What there is of one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trace {
    There,
    Absent,
    /// It makes no difference.
    Either,
    Unclear,
}

impl Found {
    /// What is where, one line a sort.
    pub(super) fn lines(&self) -> Vec<String> {
        let sorts = [
            (&self.there, "in the database"),
            (&self.absent, "not in the database"),
            (&self.unclear, "cannot be told"),
        ];
        let mut lines = Vec::new();
        for (names, what) in sorts {
            if let Some((first, rest)) = names.split_at_checked(names.len().min(SHOWN)).filter(|_| !names.is_empty()) {
                let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
                lines.push(format!("{what}: {}{more}", first.join(", ")));
            }
        }
        lines
    }

    /// Whether the database has it; none where that cannot be told.
    pub(super) fn verdict(&self) -> Option<bool> {
        match (self.there.is_empty(), self.absent.is_empty(), self.unclear.is_empty()) {
            (false, true, true) => Some(true),
            // Where nothing makes a difference, sending it makes none either.
            (true, _, true) => Some(false),
            _ => None,
        }
    }
}

/// Records by their keys, none for a key that no record has.
type Records = HashMap<(EntityId, String), Option<Vec<Value>>>;

/// The key of a record when its new values are there.
fn key_after(key: &[Value], set: &[(usize, Value)], own: &[usize]) -> Vec<Value> {
    let new = |column: &usize| set.iter().find(|(changed, _)| changed == column).map(|(_, value)| value.clone());
    own.iter().zip(key).map(|(column, old)| new(column).unwrap_or_else(|| old.clone())).collect()
}

/// The records that have one of some keys.
fn by_keys(catalog: &Catalog, entity: EntityId, keys: &[Vec<Value>]) -> Select {
    let model = catalog.get(entity);
    let column = |column: usize| Box::new(Expr::Column(ColumnRef { alias: Alias(0), entity, column }));
    let value = |column: usize, value: &Value| Expr::Value(value.clone(), model.columns[column].data_type.clone());
    let mut select = Select::all(entity, catalog);
    select.filter = Some(match model.key.as_slice() {
        [only] => Expr::In(column(*only), keys.iter().map(|key| value(*only, &key[0])).collect()),
        several => Expr::Or(
            keys.iter()
                .map(|key| {
                    let same = several
                        .iter()
                        .zip(key)
                        .map(|(at, part)| Expr::Compare(column(*at), CompareOp::Eq, Box::new(value(*at, part))));
                    Expr::And(same.collect())
                })
                .collect(),
        ),
    });
    select
}

impl Session {
    /// What there is of some entries' changes in the database; of some tables', or all.
    ///
    /// # Errors
    /// The database's own: what could not be asked is not taken for absent.
    pub(super) fn compare(&mut self, entries: &[Entry], only: &[EntityId], named: &Named) -> Result<Found> {
        let first = self.compare_once(entries, only, named)?;
        if *named == Named::Untellable && first.verdict() == Some(false) {
            // It may be under way still.
            std::thread::sleep(Duration::from_secs(1));
            return self.compare_once(entries, only, named);
        }
        Ok(first)
    }

    fn compare_once(&mut self, entries: &[Entry], only: &[EntityId], named: &Named) -> Result<Found> {
        let mut found = Found::default();
        let catalog = Arc::clone(&self.catalog);
        let mut nets = net(entries, &catalog);
        nets.retain(|net| only.is_empty() || only.contains(&net.change.entity()));
        let records = self.look(nets.iter().map(|net| &net.change))?;
        for net in nets {
            let name = self.spelled(&net.change);
            match self.trace(&net.change, &records, *named == Named::Untellable)? {
                Trace::There => found.there.push(name),
                Trace::Absent => found.absent.push(name),
                Trace::Unclear => found.unclear.push(name),
                Trace::Either => {}
            }
        }
        // What is no change of a record cannot be seen in one.
        let other = entries.iter().filter(|entry| only.is_empty() && entry.whole.is_some());
        found.unclear.extend(other.map(|entry| format!("change #{}", entry.number)));
        Ok(found)
    }

    /// Whether a change is in the database. `may_run` where its transaction may not have ended.
    fn trace(&mut self, change: &Change, records: &Records, may_run: bool) -> Result<Trace> {
        let entity = change.entity();
        let own = self.catalog.get(entity).key.clone();
        let by = |key: &[Value]| -> Vec<(usize, Value)> { own.iter().copied().zip(key.iter().cloned()).collect() };
        match change {
            Change::Insert { columns, values, .. } => {
                let values: Vec<(usize, Value)> = columns.iter().copied().zip(values.iter().cloned()).collect();
                let Some(key) = change.key(&self.catalog) else {
                    let known: Vec<(usize, Value)> = values.into_iter().filter(|(_, value)| !value.is_null()).collect();
                    // A record like it may have been there before.
                    return Ok(match self.counted(entity, &known)? {
                        Some(0) if !known.is_empty() && !may_run => Trace::Absent,
                        _ => Trace::Unclear,
                    });
                };
                let Some(row) = self.found(entity, &key, records)? else { return Ok(Trace::Absent) };
                Ok(if self.has(entity, &by(&key), &row, &values)? { Trace::There } else { Trace::Unclear })
            }
            Change::Update { key, set, base, .. } => {
                if own.is_empty() {
                    return Ok(Trace::Unclear);
                }
                let new = key_after(key, set, &own);
                let has_new = match self.found(entity, &new, records)? {
                    Some(row) => self.has(entity, &by(&new), &row, set)?,
                    None => false,
                };
                let has_old = match self.found(entity, key, records)? {
                    Some(row) => self.has(entity, &by(key), &row, base)?,
                    None => false,
                };
                Ok(match (has_new, has_old) {
                    (true, true) => Trace::Either,
                    (true, false) => Trace::There,
                    (false, true) => Trace::Absent,
                    (false, false) => Trace::Unclear,
                })
            }
            Change::Delete { key, .. } if !own.is_empty() => {
                Ok(if self.found(entity, key, records)?.is_some() { Trace::Absent } else { Trace::There })
            }
            Change::Delete { .. } => Ok(Trace::Unclear),
        }
    }

    /// The records that changes are about, as they are in the database: a few queries a table, however many they are.
    fn look<'c>(&mut self, changes: impl Iterator<Item = &'c Change>) -> Result<Records> {
        let mut wanted: HashMap<EntityId, Vec<Vec<Value>>> = HashMap::new();
        for change in changes {
            let keys = wanted.entry(change.entity()).or_default();
            if let (Change::Update { key, set, .. }, own) = (change, &self.catalog.get(change.entity()).key) {
                keys.push(key_after(key, set, own));
            }
            keys.extend(change.key(&self.catalog));
        }
        let mut records = Records::new();
        for (entity, keys) in wanted {
            let own = self.catalog.get(entity).key.clone();
            if own.is_empty() {
                continue;
            }
            for keys in keys.chunks(if own.len() == 1 { TOGETHER } else { TOGETHER / 10 }) {
                let mut found = HashMap::new();
                let select = by_keys(&self.catalog, entity, keys);
                self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
                    let row: Vec<Value> = cells.iter().map(|cell| cell.to_value()).collect();
                    let key: Vec<Value> = own.iter().map(|at| row[*at].clone()).collect();
                    found.insert(format!("{key:?}"), row);
                    Ok(true)
                })?;
                let asked: HashSet<String> = keys.iter().map(|key| format!("{key:?}")).collect();
                // A record whose key the database spells in another way is any of those that were not found.
                let spelled = found.keys().all(|key| asked.contains(key));
                for key in asked {
                    let row = found.remove(&key);
                    if spelled || row.is_some() {
                        records.insert((entity, key), row);
                    }
                }
            }
        }
        Ok(records)
    }

    /// The record as it is in the database.
    fn found(&mut self, entity: EntityId, key: &[Value], records: &Records) -> Result<Option<Vec<Value>>> {
        if let Some(known) = records.get(&(entity, format!("{key:?}"))) {
            return Ok(known.clone());
        }
        let by: Vec<(usize, Value)> = self.catalog.get(entity).key.iter().copied().zip(key.iter().cloned()).collect();
        let mut found = None;
        let select = by_values(&self.catalog, entity, &by, false);
        self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
            found = Some(cells.iter().map(|cell| cell.to_value()).collect());
            Ok(false)
        })?;
        Ok(found)
    }

    /// How many records have these values; none where the database cannot compare them.
    fn counted(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<i64>> {
        let mut count = None;
        let select = by_values(&self.catalog, entity, by, true);
        let asked = self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
            if let Cell::Int(number) = cells[0] {
                count = Some(number);
            }
            Ok(false)
        });
        match asked {
            Err(error) if error.kind == ErrorKind::Connection => Err(error),
            asked => Ok(asked.ok().and(count)),
        }
    }

    /// Whether a record has these values, also where they are spelled differently.
    fn has(
        &mut self,
        entity: EntityId,
        by: &[(usize, Value)],
        row: &[Value],
        values: &[(usize, Value)],
    ) -> Result<bool> {
        for (at, value) in values {
            if row[*at] == *value {
                continue;
            }
            let column = &self.catalog.get(entity).columns[*at];
            if is_exact(&column.data_type) || value.is_null() || row[*at].is_null() {
                return Ok(false);
            }
            let with: Vec<(usize, Value)> = by.iter().cloned().chain([(*at, value.clone())]).collect();
            if self.counted(entity, &with)? != Some(1) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
