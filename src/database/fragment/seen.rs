//! Tables as they will be with what is staged.
//!
//! For each such table there are two more: its *staged* rows, whole, and the *hidden* keys, under which the table itself
//! is not to be looked at. SQLite keeps both as temporary tables; PostgreSQL is given arrays with each query and makes
//! them in front of it, by SQL that is the same for any number of rows.

mod arrays;
mod conditions;

use super::{Dialect, Walker};
use crate::model::{Catalog, EntityId};
use crate::plan::overlay::{Overlay, Staged};
use crate::plan::query::{Alias, ColumnRef, Join, Select};
use crate::plan::seen::{Place, Seen};
use conditions::is_ordered_by;
use diesel::QueryResult;

/// Which rows of a table with staged changes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of them.
    All,
    /// Those of the table itself; the condition must leave out what is hidden.
    Own,
    /// Those that are staged.
    Staged,
}

/// A statement's overlay, and what the statement needs of it.
pub struct Overlaid<'a> {
    /// What is staged.
    pub overlay: &'a Overlay,
    /// What is needed.
    pub seen: Seen,
    /// What is staged for the one row that is asked for of a table.
    only: Option<(EntityId, Overlay)>,
}

impl<'a> Overlaid<'a> {
    /// What a query needs of an overlay. Where what is staged is sent along with it, no more than that is.
    #[must_use]
    pub fn new(select: &Select, overlay: &'a Overlay, sent: bool, catalog: &Catalog) -> Self {
        let row = if sent { Seen::row(select, catalog) } else { None };
        let only = row.map(|(entity, key)| (entity, overlay.only(entity, &key, catalog)));
        Self { overlay, seen: Seen::of(select, overlay, catalog), only }
    }

    /// The tables in question: how they are numbered in the statement, which they are, the columns that are needed.
    fn tables(&self) -> impl Iterator<Item = (usize, EntityId, &Staged, &[usize])> {
        self.seen.columns.iter().enumerate().filter_map(|(number, (entity, columns))| {
            Some((number, *entity, self.staged(*entity)?, columns.as_slice()))
        })
    }

    fn staged(&self, entity: EntityId) -> Option<&Staged> {
        match &self.only {
            Some((one, only)) if *one == entity => only.get(entity),
            _ => self.overlay.get(entity),
        }
    }
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

    /// One occurrence of a table in FROM; `whole` is the query whose first table it is, if it is one.
    pub(super) fn occurrence(
        &mut self,
        entity: EntityId,
        alias: Alias,
        part: Part,
        whole: Option<&'b Select>,
    ) -> QueryResult<()> {
        match (self.place(alias), part) {
            (Some(Place::Union(columns)), Part::All) => self.union(entity, alias, columns, whole)?,
            (Some(_), Part::Staged) => self.relation("staged", entity)?,
            _ => self.table(entity)?,
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
        whole: Option<&'b Select>,
    ) -> QueryResult<()> {
        let whole = whole.filter(|_| DB::BY_ARRAYS);
        let ordered = whole.filter(|select| is_ordered_by(select));
        self.out.push_sql(if ordered.is_some() { "((SELECT " } else { "(SELECT " });
        let list = |walker: &mut Self| -> QueryResult<()> {
            for (index, column) in columns.iter().enumerate() {
                walker.out.push_sql(if index == 0 { "" } else { ", " });
                walker.alias(alias);
                walker.out.push_sql(".");
                walker.name(entity, *column)?;
            }
            Ok(())
        };
        list(self)?;
        self.out.push_sql(" FROM ");
        self.table(entity)?;
        self.out.push_sql(" AS ");
        self.alias(alias);
        let hides = self.not_hidden(entity, alias, " WHERE ")?;
        if let Some(select) = whole {
            self.own_conditions(select, if hides { " AND " } else { " WHERE " })?;
        }
        if let Some(select) = ordered {
            self.order(&select.order, &select.from)?;
            if let Some(limit) = select.limit {
                let limit = limit.saturating_add(select.offset.unwrap_or(0)).min(i64::MAX as u64);
                self.out.push_sql(&format!(" LIMIT {limit}"));
            }
            self.out.push_sql(")");
        }
        if self.staged(entity).is_some_and(Staged::has_live) {
            self.out.push_sql(" UNION ALL SELECT ");
            list(self)?;
            self.out.push_sql(" FROM ");
            self.relation("staged", entity)?;
            self.out.push_sql(" AS ");
            self.alias(alias);
            if let Some(select) = whole {
                self.own_conditions(select, " WHERE ")?;
            }
        }
        self.out.push_sql(")");
        Ok(())
    }

    /// ` WHERE the key of alias is not hidden`; whether there was anything to say.
    pub(super) fn not_hidden(&mut self, entity: EntityId, alias: Alias, before: &str) -> QueryResult<bool> {
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
            let own = key.iter().all(|column| self.is_own_column(ColumnRef { alias, entity, column: *column }));
            // `NOT IN`, whose operator cannot be named.
            self.out.push_sql("NOT ((");
            list(self, Some(alias))?;
            self.out.push_sql(")");
            self.operator(" = ", own);
            self.out.push_sql("ANY (SELECT ");
            list(self, None)?;
            self.out.push_sql(" FROM ");
            self.relation("hidden", entity)?;
            self.out.push_sql("))");
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
            let own = self.is_own_column(*left) && self.is_own_column(*right);
            self.operator(" = ", own);
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
}

#[cfg(test)]
mod tests;
