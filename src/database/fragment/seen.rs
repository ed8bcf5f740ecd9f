//! Tables as they will be with what is staged.
//!
//! For each such table there are two more: its *staged* rows, whole, and the *hidden* keys, under which the table itself
//! is not to be looked at. SQLite keeps both as temporary tables; PostgreSQL is given arrays with each query and makes
//! them in front of it, by SQL that is the same for any number of rows.

use super::{Dialect, Walker};
use crate::model::{Catalog, Cell, EntityId};
use crate::plan::overlay::{Kind, Overlay, Staged};
use crate::plan::query::{Alias, ColumnRef, Expr, From, Join, Select};
use crate::plan::seen::{Place, Seen};
use diesel::QueryResult;

/// A statement's overlay, and what the statement needs of it.
pub struct Overlaid<'a> {
    /// What is staged.
    pub overlay: &'a Overlay,
    /// What is needed.
    pub seen: Seen,
}

impl<'a> Overlaid<'a> {
    /// What a query needs of an overlay.
    #[must_use]
    pub fn new(select: &Select, overlay: &'a Overlay, catalog: &Catalog) -> Self {
        Self { overlay, seen: Seen::of(select, overlay, catalog) }
    }

    /// The tables in question: how they are numbered in the statement, which they are, the columns that are needed.
    fn tables(&self) -> impl Iterator<Item = (usize, EntityId, &'a Staged, &[usize])> {
        self.seen.columns.iter().enumerate().filter_map(|(number, (entity, columns))| {
            Some((number, *entity, self.overlay.get(*entity)?, columns.as_slice()))
        })
    }

    fn staged(&self, entity: EntityId) -> Option<&'a Staged> {
        self.overlay.get(entity)
    }

    /// One array for each column of what is staged, in the order in which [`Walker::with_arrays`] binds them.
    pub fn arrays(&self, catalog: &Catalog, text: impl Fn(Cell<'_>) -> Option<String>) -> Vec<Vec<Option<String>>> {
        let mut arrays = Vec::new();
        for (_, entity, staged, columns) in self.tables() {
            let width = catalog.get(entity).key.len();
            let hidden = gather(width, staged.hidden(), |put| {
                for row in staged.rows() {
                    row.key().enumerate().for_each(|(at, cell)| put(at, text(cell)));
                }
            });
            let new = gather(new_width(staged, columns), staged.new_rows(), |put| {
                for row in staged.rows().filter(|row| row.kind == Kind::New) {
                    for (column, cell) in row.set() {
                        if let Ok(at) = columns.binary_search(&column) {
                            put(at, text(cell));
                        }
                    }
                }
            });
            let given = given(staged, columns);
            let changed_width = if staged.changed_rows() > 0 { width + given.len() * 2 } else { 0 };
            let mut changed = gather(changed_width, staged.changed_rows(), |put| {
                for row in staged.rows().filter(|row| row.kind == Kind::Changed) {
                    row.from().enumerate().for_each(|(at, cell)| put(at, text(cell)));
                    let mut set = row.set().peekable();
                    let values: Vec<(usize, Cell<'_>)> = set.by_ref().collect();
                    for (index, column) in given.iter().enumerate() {
                        let found = values.iter().find(|(known, _)| known == column);
                        put(width + index * 2, found.and_then(|(_, cell)| text(*cell)));
                        put(width + index * 2 + 1, found.map(|_| String::from("t")));
                    }
                }
            });
            // Where each row gives a column a value nothing need say so.
            for (index, column) in given.iter().enumerate().rev() {
                if staged.set_in(*column) == staged.changed_rows() {
                    changed.remove(width + index * 2 + 1);
                }
            }
            arrays.extend(hidden.into_iter().chain(new).chain(changed));
        }
        arrays
    }
}

fn gather(
    width: usize,
    rows: usize,
    fill: impl FnOnce(&mut dyn FnMut(usize, Option<String>)),
) -> Vec<Vec<Option<String>>> {
    let mut arrays: Vec<Vec<Option<String>>> = (0..width).map(|_| Vec::with_capacity(rows)).collect();
    if width > 0 {
        fill(&mut |at, text| arrays[at].push(text));
    }
    arrays
}

fn new_width(staged: &Staged, columns: &[usize]) -> usize {
    if staged.new_rows() > 0 { columns.len() } else { 0 }
}

/// The columns in question that some changed row gives a value.
fn given(staged: &Staged, columns: &[usize]) -> Vec<usize> {
    columns.iter().copied().filter(|column| staged.set_in(*column) > 0).collect()
}

impl<'b, DB: Dialect> Walker<'_, '_, 'b, DB> {
    fn place(&self, alias: Alias) -> Option<&'b Place> {
        self.overlaid.and_then(|overlaid| overlaid.seen.places.get(&alias))
    }

    fn staged(&self, entity: EntityId) -> Option<&'b Staged> {
        self.overlaid.and_then(|overlaid| overlaid.staged(entity))
    }

    /// Whether an alias is two joins, of which the first may have a row.
    pub(super) fn is_pair(&self, column: ColumnRef) -> bool {
        matches!(self.place(column.alias), Some(Place::Pair))
            && self.staged(column.entity).is_some_and(Staged::has_live)
    }

    /// `staged1`, `temp."staged users"`.
    fn relation(&mut self, word: &str, entity: EntityId) -> QueryResult<()> {
        if DB::BY_ARRAYS {
            let number =
                self.overlaid.and_then(|overlaid| overlaid.seen.columns.keys().position(|known| *known == entity));
            self.out.push_sql(&format!("{word}{}", number.unwrap_or_default() + 1));
            return Ok(());
        }
        self.out.push_sql("temp.");
        self.out.push_identifier(&format!("{word} {}", self.catalog.get(entity).table))
    }

    /// One occurrence of a table in FROM.
    pub(super) fn occurrence(&mut self, entity: EntityId, alias: Alias, first: Option<&'b Select>) -> QueryResult<()> {
        if let Some(Place::Union(columns)) = self.place(alias) {
            self.union(entity, alias, columns, first)?;
        } else {
            self.table(entity)?;
        }
        self.out.push_sql(" AS ");
        self.alias(alias);
        Ok(())
    }

    /// `(SELECT ... FROM t WHERE not hidden UNION ALL SELECT ... FROM staged)`
    fn union(
        &mut self,
        entity: EntityId,
        alias: Alias,
        columns: &[usize],
        first: Option<&'b Select>,
    ) -> QueryResult<()> {
        let ordered = first.filter(|select| DB::BY_ARRAYS && is_ordered_by(select, alias));
        let live = self.staged(entity).is_some_and(Staged::has_live);
        self.out.push_sql(if ordered.is_some() { "((SELECT " } else { "(SELECT " });
        for (index, column) in columns.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { ", " });
            self.alias(alias);
            self.out.push_sql(".");
            self.name(entity, *column)?;
        }
        self.out.push_sql(" FROM ");
        self.table(entity)?;
        self.out.push_sql(" AS ");
        self.alias(alias);
        let hides = self.not_hidden(entity, alias, " WHERE ")?;
        if let Some(select) = ordered {
            if let Some(filter) = &select.filter {
                self.out.push_sql(if hides { " AND (" } else { " WHERE (" });
                self.expr(filter)?;
                self.out.push_sql(")");
            }
            self.order(&select.order, &select.from)?;
            if let Some(limit) = select.limit {
                self.out.push_sql(&format!(
                    " LIMIT {}",
                    limit.saturating_add(select.offset.unwrap_or(0)).min(i64::MAX as u64)
                ));
            }
            self.out.push_sql(")");
        }
        if live {
            self.out.push_sql(" UNION ALL SELECT ");
            for (index, column) in columns.iter().enumerate() {
                self.out.push_sql(if index == 0 { "" } else { ", " });
                self.name(entity, *column)?;
            }
            self.out.push_sql(" FROM ");
            self.relation("staged", entity)?;
        }
        self.out.push_sql(")");
        Ok(())
    }

    /// ` WHERE the key of alias is not hidden`; whether there was anything to say.
    fn not_hidden(&mut self, entity: EntityId, alias: Alias, before: &str) -> QueryResult<bool> {
        let catalog = self.catalog;
        let key = &catalog.get(entity).key;
        if self.staged(entity).is_none_or(|staged| staged.hidden() == 0) {
            return Ok(false);
        }
        self.out.push_sql(before);
        if DB::BY_ARRAYS {
            // Keys are never NULL here. Hashed once, whatever their number.
            let list = |walker: &mut Self, alias: Option<Alias>| -> QueryResult<()> {
                for (index, column) in key.iter().enumerate() {
                    walker.out.push_sql(if index == 0 { "" } else { ", " });
                    if let Some(alias) = alias {
                        walker.alias(alias);
                        walker.out.push_sql(".");
                    }
                    walker.name(entity, *column)?;
                }
                Ok(())
            };
            self.out.push_sql("(");
            list(self, Some(alias))?;
            self.out.push_sql(") NOT IN (SELECT ");
            list(self, None)?;
            self.out.push_sql(" FROM ");
            self.relation("hidden", entity)?;
            self.out.push_sql(")");
            return Ok(true);
        }
        self.out.push_sql("NOT EXISTS (SELECT 1 FROM ");
        self.relation("hidden", entity)?;
        self.out.push_sql(" AS h");
        for (index, column) in key.iter().enumerate() {
            self.out.push_sql(if index == 0 { " WHERE h." } else { " AND h." });
            self.name(entity, *column)?;
            self.out.push_sql(" = ");
            self.alias(alias);
            self.out.push_sql(".");
            self.name(entity, *column)?;
        }
        self.out.push_sql(")");
        Ok(true)
    }

    /// `LEFT JOIN staged AS s1 ON ... LEFT JOIN t AS t1 ON ... AND not hidden`
    pub(super) fn pair(&mut self, join: &'b Join) -> QueryResult<()> {
        if self.staged(join.entity).is_some_and(Staged::has_live) {
            self.out.push_sql(" LEFT JOIN ");
            self.relation("staged", join.entity)?;
            self.out.push_sql(&format!(" AS s{}", join.alias.0));
            self.on(join, true)?;
        }
        self.out.push_sql(" LEFT JOIN ");
        self.table(join.entity)?;
        self.out.push_sql(" AS ");
        self.alias(join.alias);
        self.on(join, false)?;
        self.not_hidden(join.entity, join.alias, " AND ")?;
        Ok(())
    }

    fn on(&mut self, join: &'b Join, staged: bool) -> QueryResult<()> {
        self.out.push_sql(" ON ");
        for (index, (left, right)) in join.on.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { " AND " });
            self.column(*left)?;
            self.out.push_sql(" = ");
            self.side(*right, staged)?;
        }
        Ok(())
    }

    /// A column of one of the two joins.
    fn side(&mut self, column: ColumnRef, staged: bool) -> QueryResult<()> {
        self.out.push_sql(&format!("{}{}.", if staged { "s" } else { "t" }, column.alias.0));
        self.name(column.entity, column.column)
    }

    /// A column of a table that is joined twice: at most one of the two has a row.
    pub(super) fn either(&mut self, column: ColumnRef) -> QueryResult<()> {
        if let Some((_, staged)) = self.sides.iter().find(|(alias, _)| *alias == column.alias) {
            return self.side(column, *staged);
        }
        self.out.push_sql("coalesce(");
        self.side(column, true)?;
        self.out.push_sql(", ");
        self.side(column, false)?;
        self.out.push_sql(")");
        // A function's value has no collation of its own in SQLite.
        let catalog = self.catalog;
        if let (false, Some(collation)) = (DB::BY_ARRAYS, &catalog.get(column.entity).columns[column.column].collation)
        {
            self.out.push_sql(" COLLATE ");
            self.out.push_identifier(collation)?;
        }
        Ok(())
    }

    /// In SQLite a function's value has no type to convert the other side by: a comparison is spelled for either join,
    /// and the one that has a row is chosen. Whether that was done.
    pub(super) fn by_sides(&mut self, expr: &'b Expr) -> QueryResult<bool> {
        if DB::BY_ARRAYS || self.overlaid.is_none() {
            return Ok(false);
        }
        let mut found = None;
        expr.children(&mut |operand| {
            if let Expr::Column(column) = operand
                && self.is_pair(*column)
                && !self.sides.iter().any(|(alias, _)| *alias == column.alias)
            {
                found = Some(*column);
            }
        });
        let Some(column) = found else { return Ok(false) };
        let catalog = self.catalog;
        let key = catalog.get(column.entity).key.first().copied().unwrap_or(0);
        self.out.push_sql("CASE WHEN ");
        self.side(ColumnRef { column: key, ..column }, true)?;
        self.out.push_sql(" IS NOT NULL THEN ");
        for (staged, behind) in [(true, " ELSE "), (false, " END")] {
            self.sides.push((column.alias, staged));
            self.expr(expr)?;
            self.sides.pop();
            self.out.push_sql(behind);
        }
        Ok(true)
    }

    /// `WITH hidden1(...) AS (...), staged1(...) AS (...) ` in front of a query, where what is staged comes as arrays.
    pub(super) fn with_arrays(&mut self) -> QueryResult<()> {
        let Some(overlaid) = self.overlaid.filter(|_| DB::BY_ARRAYS) else { return Ok(()) };
        let arrays: &'b [Vec<Option<String>>] = self.arrays;
        let mut next = arrays.iter();
        let mut before = "WITH ";
        for (_, entity, staged, columns) in overlaid.tables() {
            let key = &self.catalog.get(entity).key;
            if staged.hidden() > 0 {
                self.head(&mut before, "hidden", entity, key)?;
                self.out.push_sql("SELECT ");
                for (index, column) in key.iter().enumerate() {
                    self.out.push_sql(if index == 0 { "" } else { ", " });
                    self.given_as(index, entity, *column);
                }
                // Behind a subquery, so that their number is not known when the query is planned: nobody is to think that
                // they are too many to be hashed.
                self.unnest(key.len(), &mut next, true)?;
                self.out.push_sql(")");
            }
            if staged.has_live() {
                self.head(&mut before, "staged", entity, columns)?;
                if staged.new_rows() > 0 {
                    self.out.push_sql("SELECT ");
                    for (index, column) in columns.iter().enumerate() {
                        self.out.push_sql(if index == 0 { "" } else { ", " });
                        self.given_as(index, entity, *column);
                    }
                    self.unnest(columns.len(), &mut next, false)?;
                }
                if staged.changed_rows() > 0 {
                    self.out.push_sql(if staged.new_rows() > 0 { " UNION ALL SELECT " } else { "SELECT " });
                    self.changed(entity, staged, columns, &mut next)?;
                }
                self.out.push_sql(")");
            }
        }
        if before != "WITH " {
            self.out.push_sql(" ");
        }
        Ok(())
    }

    /// The changed rows, whole.
    fn changed(
        &mut self,
        entity: EntityId,
        staged: &Staged,
        columns: &[usize],
        next: &mut std::slice::Iter<'b, Vec<Option<String>>>,
    ) -> QueryResult<()> {
        let key = &self.catalog.get(entity).key;
        let mut at = key.len();
        for (index, column) in columns.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { ", " });
            match staged.set_in(*column) {
                0 => {
                    self.out.push_sql("o.");
                    self.name(entity, *column)?;
                }
                all if all == staged.changed_rows() => {
                    self.given_as(at, entity, *column);
                    at += 1;
                }
                _ => {
                    self.out.push_sql(&format!("CASE WHEN v.column{}::bool THEN ", at + 2));
                    self.given_as(at, entity, *column);
                    self.out.push_sql(" ELSE o.");
                    self.name(entity, *column)?;
                    self.out.push_sql(" END");
                    at += 2;
                }
            }
        }
        self.unnest(at, next, false)?;
        self.out.push_sql(" JOIN ");
        self.table(entity)?;
        self.out.push_sql(" AS o");
        for (index, column) in key.iter().enumerate() {
            self.out.push_sql(if index == 0 { " ON o." } else { " AND o." });
            self.name(entity, *column)?;
            self.out.push_sql(" = ");
            self.given_as(index, entity, *column);
        }
        Ok(())
    }

    fn head(&mut self, before: &mut &str, word: &str, entity: EntityId, columns: &[usize]) -> QueryResult<()> {
        self.out.push_sql(before);
        *before = ", ";
        self.relation(word, entity)?;
        for (index, column) in columns.iter().enumerate() {
            self.out.push_sql(if index == 0 { "(" } else { ", " });
            self.name(entity, *column)?;
        }
        self.out.push_sql(") AS (");
        Ok(())
    }

    /// ` FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) AS v(column1, column2)`
    fn unnest(
        &mut self,
        width: usize,
        next: &mut std::slice::Iter<'b, Vec<Option<String>>>,
        quiet: bool,
    ) -> QueryResult<()> {
        // Only the bare name takes several arrays; whose function that would be depends on the search path.
        self.out.push_sql(" FROM ROWS FROM (");
        for (index, array) in next.by_ref().take(width).enumerate() {
            self.out.push_sql(if index == 0 { "pg_catalog.unnest(" } else { ", pg_catalog.unnest(" });
            self.out.push_sql(if quiet { "(SELECT " } else { "" });
            DB::bind_array(&mut self.out, array)?;
            self.out.push_sql(if quiet { "))" } else { ")" });
        }
        self.out.push_sql(") AS v(");
        for index in 0..width {
            self.out.push_sql(&format!("{}column{}", if index == 0 { "" } else { ", " }, index + 1));
        }
        self.out.push_sql(")");
        Ok(())
    }

    /// A column of the arrays as a value of a column's own type.
    fn given_as(&mut self, index: usize, entity: EntityId, column: usize) {
        let known = &self.catalog.get(entity).columns[column];
        self.out.push_sql(&format!("v.column{}", index + 1));
        // The name comes from PostgreSQL's own format_type, which quotes it.
        let name =
            if known.declared.is_empty() { DB::type_name(&known.data_type) } else { Some(known.declared.as_str()) };
        if let Some(name) = name {
            self.out.push_sql("::");
            self.out.push_sql(name);
        }
    }
}

/// Whether a query's order, and its condition, are of one table's columns alone, so that they can be asked of the
/// table itself as well: PostgreSQL would sort all of it otherwise.
fn is_ordered_by(select: &Select, alias: Alias) -> bool {
    let plain = select.group_by.is_empty() && !select.distinct && !select.order.is_empty();
    let own = |expr: &Expr| matches!(expr, Expr::Column(column) if column.alias == alias);
    plain
        && select.order.iter().all(|order| own(&order.expr))
        && !select.columns.iter().any(|output| matches!(output.expr, Expr::Aggregate(..)))
        && select.filter.as_ref().is_none_or(|filter| is_about(filter, &select.from))
}

/// Whether a condition names no table of a FROM but the first.
fn is_about(expr: &Expr, from: &From) -> bool {
    let own = |column: &ColumnRef| !from.joins.iter().any(|join| join.alias == column.alias);
    if let Expr::Column(column) = expr {
        return own(column);
    }
    let mut all = true;
    let inner = expr.children(&mut |operand| all = all && is_about(operand, from));
    all && inner.is_none_or(|(subquery, of)| {
        let on = subquery.from.joins.iter().flat_map(|join| &join.on);
        is_about(&subquery.filter, from)
            && of.is_none_or(|of| is_about(of, from))
            && on.flat_map(|(left, right)| [left, right]).all(own)
    })
}

#[cfg(test)]
mod tests;
