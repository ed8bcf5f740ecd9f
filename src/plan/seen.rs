//! Which of a query's tables have staged changes, what it needs of them, and whether it can be answered by naming what
//! they will be.

use super::overlay::Overlay;
use super::query::{Alias, ColumnRef, Expr, From, Select, Subquery};
use crate::language::ast::CompareOp;
use crate::model::{Catalog, DataType, EntityId, EntityKind, Events, Quirk, QuirkKind, ReferentialAction, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How one occurrence of a table with staged changes is spelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The table's rows that are not staged, and those that are, under one alias. With the columns that are needed.
    Union(Vec<usize>),
    /// Joined twice by its key: the staged rows, and the table where they do not hide it.
    Pair,
}

/// What a query needs of tables with staged changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// How each occurrence is spelled.
    pub places: HashMap<Alias, Place>,
    /// The columns that all occurrences of a table need together, its key among them.
    pub columns: BTreeMap<EntityId, Vec<usize>>,
}

/// How a query that sees what is staged is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// As it is: none of its tables has staged changes.
    Plain,
    /// By [`Statement::Seen`](super::query::Statement::Seen).
    Overlay,
    /// Only with the changes applied; why.
    Applied(String),
}

/// Everything that a query names: its tables, and its columns by alias.
#[derive(Default)]
struct Names {
    tables: Vec<(Alias, EntityId, bool)>,
    columns: HashMap<Alias, BTreeSet<usize>>,
}

impl Names {
    fn of(select: &Select, catalog: &Catalog) -> Self {
        let mut names = Self::default();
        names.from(&select.from, catalog);
        select.columns.iter().for_each(|output| names.expr(&output.expr, catalog));
        select.filter.iter().chain(&select.group_by).for_each(|expr| names.expr(expr, catalog));
        select.order.iter().for_each(|order| names.expr(&order.expr, catalog));
        names
    }

    fn from(&mut self, from: &From, catalog: &Catalog) {
        self.tables.push((from.alias, from.entity, false));
        for join in &from.joins {
            let key = &catalog.get(join.entity).key;
            let by_key = join.on.len() == key.len()
                && key.iter().all(|column| {
                    join.on.iter().any(|(_, right)| right.alias == join.alias && right.column == *column)
                });
            self.tables.push((join.alias, join.entity, by_key));
            for column in join.on.iter().flat_map(|(left, right)| [left, right]) {
                self.columns.entry(column.alias).or_default().insert(column.column);
            }
        }
    }

    fn expr(&mut self, expr: &Expr, catalog: &Catalog) {
        if let Expr::Column(column) = expr {
            self.columns.entry(column.alias).or_default().insert(column.column);
        }
        let mut operands = Vec::new();
        let inner = expr.children(&mut |operand| operands.push(operand));
        for operand in operands {
            self.expr(operand, catalog);
        }
        if let Some((Subquery { from, filter }, of)) = inner {
            self.from(from, catalog);
            self.expr(filter, catalog);
            if let Some(of) = of {
                self.expr(of, catalog);
            }
        }
    }
}

impl Seen {
    /// What a query needs of the tables with staged changes.
    #[must_use]
    pub fn of(select: &Select, overlay: &Overlay, catalog: &Catalog) -> Self {
        let mut seen = Self::default();
        let names = Names::of(select, catalog);
        for (alias, entity, by_key) in names.tables {
            if overlay.get(entity).is_none() {
                continue;
            }
            let key = &catalog.get(entity).key;
            let mut needed = names.columns.get(&alias).cloned().unwrap_or_default();
            if needed.is_empty() {
                // A query of nothing but rows still needs something of them.
                needed.insert(key.first().copied().unwrap_or(0));
            }
            let all = seen.columns.entry(entity).or_insert_with(|| key.clone());
            all.extend(&needed);
            all.sort_unstable();
            all.dedup();
            let place = if by_key { Place::Pair } else { Place::Union(needed.into_iter().collect()) };
            seen.places.insert(alias, place);
        }
        seen
    }

    /// The key of the one row that a query asks for, of a table that it names nowhere else, as far as that can be told
    /// without the database: by whole numbers.
    #[must_use]
    pub fn row(select: &Select, catalog: &Catalog) -> Option<(EntityId, Vec<Value>)> {
        let From { entity, alias, .. } = select.from;
        let names = Names::of(select, catalog);
        let once = names.tables.iter().filter(|(_, known, _)| *known == entity).count() == 1;
        let parts = select.filter.as_ref().filter(|_| once)?.conjuncts();
        let value = |column: &usize| {
            let asked = Expr::Column(ColumnRef { alias, entity, column: *column });
            parts.iter().find_map(|part| match part {
                Expr::Compare(left, CompareOp::Eq, right) if **left == asked => match &**right {
                    Expr::Value(value @ Value::Int(_), DataType::Int(_)) => Some(value.clone()),
                    _ => None,
                },
                _ => None,
            })
        };
        let key: Vec<Value> = catalog.get(entity).key.iter().map(value).collect::<Option<_>>()?;
        (!key.is_empty()).then_some((entity, key))
    }

    /// Whether an alias is spelled by two joins.
    #[must_use]
    pub fn is_pair(&self, alias: Alias) -> bool {
        self.places.get(&alias) == Some(&Place::Pair)
    }
}

/// Decides how a query that is to see what is staged is answered.
#[must_use]
pub fn reading(select: &Select, overlay: &Overlay, quirks: &[Quirk], catalog: &Catalog) -> Reading {
    if overlay.is_empty() {
        return Reading::Plain;
    }
    let names = Names::of(select, catalog);
    let tables: BTreeSet<EntityId> = names.tables.iter().map(|(_, entity, _)| *entity).collect();
    let reach = Reach::of(overlay, catalog);
    let title = |entity: EntityId| catalog.get(entity).plural.as_str();
    if let Some(why) = quirks.iter().find_map(|quirk| reach.quirk(quirk, &tables, overlay, catalog)) {
        return Reading::Applied(why);
    }
    for entity in &tables {
        if catalog.get(*entity).kind == EntityKind::View {
            return Reading::Applied(format!("{} is a view", title(*entity)));
        }
        if let Some(from) = reach.followers.get(entity) {
            return Reading::Applied(format!("{} follow {}", title(*entity), title(*from)));
        }
    }
    if !tables.iter().any(|entity| overlay.get(*entity).is_some()) {
        return Reading::Plain;
    }
    for (alias, entity, _) in &names.tables {
        let Some(staged) = overlay.get(*entity) else { continue };
        if staged.is_unknown() {
            return Reading::Applied(format!("not all of what is staged for {} is known", title(*entity)));
        }
        let columns = &catalog.get(*entity).columns;
        let computed = |column: &usize| columns[*column].generated;
        if staged.events().update
            && let Some(column) = names.columns.get(alias).and_then(|named| named.iter().find(|at| computed(at)))
        {
            return Reading::Applied(format!("{} of {} is computed", columns[*column].name, title(*entity)));
        }
    }
    Reading::Overlay
}

/// The tables that what is staged changes, by itself or by foreign keys' actions.
struct Reach {
    tables: BTreeMap<EntityId, Events>,
    /// Tables whose rows follow changed keys, or take defaults, which nobody has worked out; and the tables that they follow.
    followers: BTreeMap<EntityId, EntityId>,
}

impl Reach {
    fn of(overlay: &Overlay, catalog: &Catalog) -> Self {
        let mut reach = Self { tables: BTreeMap::new(), followers: BTreeMap::new() };
        let mut next: Vec<(EntityId, Events)> = Vec::new();
        for (entity, staged) in overlay.tables() {
            reach.tables.insert(entity, staged.events());
            next.push((entity, staged.events()));
        }
        while let Some((entity, events)) = next.pop() {
            for (other, model) in catalog.iter() {
                for key in model.foreign_keys.iter().filter(|key| key.to == entity) {
                    let mut follows = Events::default();
                    if events.delete && key.on_delete == ReferentialAction::SetDefault {
                        reach.followers.entry(other).or_insert(entity);
                    }
                    if events.delete {
                        follows.delete = key.on_delete == ReferentialAction::Cascade;
                        follows.update = !follows.delete && key.on_delete != ReferentialAction::Restrict;
                    }
                    // Where a follower's own columns change, which ones is not known.
                    let changed = overlay
                        .get(entity)
                        .filter(|_| !reach.followers.contains_key(&entity))
                        .is_none_or(|staged| key.to_columns.iter().any(|column| staged.touches(*column)));
                    if events.update && changed && key.on_update != ReferentialAction::Restrict {
                        follows.update = true;
                        reach.followers.entry(other).or_insert(entity);
                    }
                    let known = reach.tables.get(&other).copied().unwrap_or_default();
                    if known.or(follows) != known {
                        reach.tables.insert(other, known.or(follows));
                        next.push((other, known.or(follows)));
                    }
                }
            }
        }
        reach
    }

    /// Why a quirk keeps a query from being answered by the overlay.
    fn quirk(
        &self,
        quirk: &Quirk,
        tables: &BTreeSet<EntityId>,
        overlay: &Overlay,
        catalog: &Catalog,
    ) -> Option<String> {
        let is = |entity: &EntityId| {
            let model = catalog.get(*entity);
            model.table == quirk.table && model.schema == quirk.schema
        };
        let (entity, events) = self.tables.iter().find(|(entity, _)| is(entity))?;
        let plural = &catalog.get(*entity).plural;
        match quirk.kind {
            QuirkKind::Trigger(on) => on.meet(*events).then(|| format!("{plural} have triggers")),
            QuirkKind::Rule => Some(format!("{plural} have rules")),
            QuirkKind::RowSecurity => Some(format!("{plural} have row security")),
            QuirkKind::Conflict => Some(format!("{plural} settle conflicts by themselves")),
            QuirkKind::Virtual => Some(format!("{plural} is a virtual table")),
            QuirkKind::Collation => None,
            // Its rows may be seen through another of the family.
            QuirkKind::Family => {
                let other = tables.iter().any(|table| overlay.get(*table).is_none());
                other.then(|| format!("{plural} share their rows with other tables"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
