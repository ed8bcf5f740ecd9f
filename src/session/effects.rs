//! What else happens when rows go, from the foreign keys' own actions: rows that go with them, rows whose reference is
//! emptied, rows that forbid it.

use super::journal::Change;
use super::{Mode, Session};
use crate::Result;
use crate::language::ast::CompareOp;
use crate::model::{Catalog, EntityId, ForeignKey, ReferentialAction, Value};
use crate::plan::query::{Alias, ColumnRef, Expr, Select};
use std::collections::HashSet;
use std::sync::Arc;

/// How many keys one query asks for.
const BATCH: usize = 500;

/// How deep cascades are followed.
const DEPTH: usize = 8;

/// Rows of one table that are to go.
#[derive(Debug)]
pub struct Going {
    /// The table.
    pub entity: EntityId,
    /// All columns of each.
    pub rows: Vec<Vec<Value>>,
    /// The relationships that lead there from what was asked for.
    pub way: Vec<String>,
}

/// What becomes of rows that refer to rows that go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They go too.
    Goes,
    /// Their reference is emptied, or gets its default.
    Emptied,
    /// They forbid it.
    Forbids,
    /// They refer to rows that forbid it, and would have to go before them.
    Behind,
}

/// Rows of one table that refer to rows that go.
#[derive(Debug)]
pub struct Referring<'r> {
    /// Their table.
    pub entity: EntityId,
    /// By which foreign key.
    pub key: &'r ForeignKey,
    /// All columns of each.
    pub rows: &'r [Vec<Value>],
    /// What becomes of them.
    pub fate: Fate,
    /// The relationships that lead there.
    pub way: &'r [String],
    /// Whether the last step to them has a name.
    pub named: bool,
}

/// A row's identity among all tables.
#[must_use]
pub fn identity(entity: EntityId, row: &[Value], catalog: &Catalog) -> String {
    let model = catalog.get(entity);
    let key: Vec<&Value> =
        if model.key.is_empty() { row.iter().collect() } else { model.key.iter().map(|at| &row[*at]).collect() };
    format!("{entity:?}{key:?}")
}

impl Session {
    /// Looks for rows that refer to rows about to go, other than those that are known to go with them, and on to those that
    /// refer to them. `forbidding` follows those that forbid it, too.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn referring(
        &mut self,
        all: &[Going],
        known: &HashSet<String>,
        forbidding: bool,
        found: &mut dyn FnMut(&Referring<'_>),
    ) -> Result<()> {
        let mut walk = Walk { catalog: Arc::clone(&self.catalog), known: known.clone(), forbidding, found };
        all.iter().try_for_each(|Going { entity, rows, way }| walk.follow(self, *entity, rows, way, Fate::Goes))
    }

    /// What the database will do because of these changes, as changes for reads. In a script, where the database does it
    /// when it is sent, nothing.
    pub(super) fn effects(&mut self, changes: &[Change]) -> Result<Vec<Change>> {
        let mut all: Vec<Going> = Vec::new();
        if self.mode == Mode::Script && !self.is_together() {
            return Ok(Vec::new());
        }
        let catalog = Arc::clone(&self.catalog);
        for change in changes {
            let Change::Delete { entity, key, base } = change else { continue };
            if !has_effects(*entity, &catalog) {
                continue;
            }
            let model = catalog.get(*entity);
            let mut row = vec![Value::Null; model.columns.len()];
            for (column, value) in model.key.iter().zip(key).chain(base.iter().map(|(column, value)| (column, value))) {
                row[*column] = value.clone();
            }
            match all.last_mut().filter(|last| last.entity == *entity) {
                Some(last) => last.rows.push(row),
                None => all.push(Going { entity: *entity, rows: vec![row], way: Vec::new() }),
            }
        }
        let mut known = HashSet::new();
        for change in changes {
            if let Change::Delete { entity, key, .. } = change {
                let key: Vec<&Value> = key.iter().collect();
                known.insert(format!("{entity:?}{key:?}"));
            }
        }
        let mut effects = Vec::new();
        self.referring(&all, &known, false, &mut |found| effects.extend(effects_of(found, &catalog)))?;
        Ok(effects)
    }

    /// Works out the effects of staged deletes of which none are known: of those that were recovered, and of what is left
    /// of an entry that was taken apart.
    pub(super) fn renew_effects(&mut self) -> Result<()> {
        if self.mode == Mode::Script {
            return Ok(());
        }
        let catalog = Arc::clone(&self.catalog);
        let lacks = |change: &Change| matches!(change, Change::Delete { entity, .. } if has_effects(*entity, &catalog));
        for at in 0..self.journal.len() {
            let entry = &self.journal.entries()[at];
            if entry.effects.is_empty() && entry.changes.iter().any(lacks) {
                let changes = entry.changes.clone();
                let effects = self.effects(&changes)?;
                if !effects.is_empty() {
                    self.journal.set_effects(at, effects);
                }
            }
        }
        Ok(())
    }
}

/// Whether a foreign key does anything to other rows when rows of this table go.
fn has_effects(entity: EntityId, catalog: &Catalog) -> bool {
    let mut keys = catalog.iter().flat_map(|(_, model)| &model.foreign_keys);
    keys.any(|key| key.to == entity && key.on_delete != ReferentialAction::Restrict)
}

/// What becomes of rows as changes. What a default gives is not known: see [`crate::plan::seen::reading`].
#[must_use]
pub fn effects_of(found: &Referring<'_>, catalog: &Catalog) -> Vec<Change> {
    let entity = found.entity;
    let key = |row: &Vec<Value>| catalog.get(entity).key.iter().map(|at| row[*at].clone()).collect();
    let empty = || found.key.columns.iter().map(|column| (*column, Value::Null)).collect();
    let rows = found.rows.iter();
    match (found.fate, found.key.on_delete) {
        (Fate::Goes, _) => rows.map(|row| Change::Delete { entity, key: key(row), base: Vec::new() }).collect(),
        (Fate::Emptied, ReferentialAction::SetNull) => {
            rows.map(|row| Change::Update { entity, key: key(row), set: empty(), base: Vec::new() }).collect()
        }
        _ => Vec::new(),
    }
}

struct Walk<'w> {
    catalog: Arc<Catalog>,
    known: HashSet<String>,
    forbidding: bool,
    found: &'w mut dyn FnMut(&Referring<'_>),
}

impl Walk<'_> {
    fn follow(
        &mut self,
        session: &mut Session,
        entity: EntityId,
        rows: &[Vec<Value>],
        way: &[String],
        fate: Fate,
    ) -> Result<()> {
        let catalog = Arc::clone(&self.catalog);
        let keys = catalog.iter().flat_map(|(id, model)| model.foreign_keys.iter().map(move |key| (id, key)));
        for (id, key) in keys.filter(|(_, key)| key.to == entity) {
            let fate = match (key.on_delete, fate) {
                (ReferentialAction::SetNull | ReferentialAction::SetDefault, Fate::Goes) => Fate::Emptied,
                (ReferentialAction::SetNull | ReferentialAction::SetDefault, _) => continue,
                (ReferentialAction::Cascade, Fate::Goes) => Fate::Goes,
                (ReferentialAction::Restrict, Fate::Goes) => Fate::Forbids,
                _ => Fate::Behind,
            };
            if fate == Fate::Forbids && !self.forbidding {
                continue;
            }
            let mut children = Vec::new();
            for batch in rows.chunks(BATCH) {
                let select = referring_rows(id, key, batch, &catalog);
                session.query(&select, &mut |cells| {
                    children.push(cells.iter().map(|cell| cell.to_value()).collect::<Vec<Value>>());
                    Ok(true)
                })?;
            }
            // A row that goes already is counted once; one that refers to itself goes with itself.
            children.retain(|row| !self.known.contains(&identity(id, row, &catalog)));
            if children.is_empty() {
                continue;
            }
            let back = catalog.get(entity).relationships.iter();
            let name = back
                .filter(|way| !way.owning && way.link.is_none() && way.to == id && way.remote == key.columns)
                .map(|way| way.name.clone())
                .next();
            let named = name.is_some();
            let way: Vec<String> = way.iter().cloned().chain(name).collect();
            (self.found)(&Referring { entity: id, key, rows: &children, fate, way: &way, named });
            if fate == Fate::Emptied {
                continue;
            }
            self.known.extend(children.iter().map(|row| identity(id, row, &catalog)));
            if way.len() < DEPTH {
                self.follow(session, id, &children, &way, fate)?;
            }
        }
        Ok(())
    }
}

/// All columns of the rows that refer to some rows by a foreign key.
fn referring_rows(id: EntityId, key: &ForeignKey, rows: &[Vec<Value>], catalog: &Catalog) -> Select {
    let alias = Alias(0);
    let model = catalog.get(id);
    let column = |at: usize| Box::new(Expr::Column(ColumnRef { alias, entity: id, column: at }));
    let value = |at: usize, row: &[Value], to: usize| Expr::Value(row[to].clone(), model.columns[at].data_type.clone());
    let mut select = Select::all(id, catalog);
    select.filter = Some(if let ([at], [to]) = (key.columns.as_slice(), key.to_columns.as_slice()) {
        Expr::In(column(*at), rows.iter().map(|row| value(*at, row, *to)).collect())
    } else {
        let same = |row: &Vec<Value>| {
            let pairs = key.columns.iter().zip(&key.to_columns);
            let equal =
                |(at, to): (&usize, &usize)| Expr::Compare(column(*at), CompareOp::Eq, Box::new(value(*at, row, *to)));
            Expr::And(pairs.map(equal).collect())
        };
        Expr::Or(rows.iter().map(same).collect())
    });
    select
}
