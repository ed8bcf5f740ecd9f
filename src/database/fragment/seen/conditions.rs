//! Conditions on tables with staged changes, spelled so that the tables' own indexes still serve.

use super::Part;
use crate::database::fragment::{Dialect, Walker};
use crate::language::ast::{CompareOp, Function};
use crate::model::EntityId;
use crate::plan::overlay::Staged;
use crate::plan::query::{ColumnRef, Expr, From, Join, Select, Subquery};
use crate::plan::seen::Place;
use diesel::QueryResult;

impl<'b, DB: Dialect> Walker<'_, '_, 'b, DB> {
    /// `count` of a whole table: the table's own number, less what is hidden, and what is staged. Whether that was done.
    pub(in crate::database::fragment) fn counted(&mut self, select: &Select) -> QueryResult<bool> {
        let [output] = select.columns.as_slice() else { return Ok(false) };
        let bare = select.filter.is_none()
            && select.from.joins.is_empty()
            && select.group_by.is_empty()
            && select.order.is_empty()
            && select.limit.is_none()
            && select.offset.is_none();
        let entity = select.from.entity;
        let Some(staged) = self.staged(entity) else { return Ok(false) };
        if !bare || output.expr != Expr::Aggregate(Function::Count, None) {
            return Ok(false);
        }
        let catalog = self.catalog;
        let key = &catalog.get(entity).key;
        self.out.push_sql("SELECT (SELECT ");
        self.call("count");
        self.out.push_sql("*) FROM ");
        self.table(entity)?;
        if staged.hidden() > 0 {
            self.out.push_sql(")");
            self.operator(" - ", true);
            self.out.push_sql("(SELECT ");
            self.call("count");
            self.out.push_sql("*) FROM ");
            if DB::BY_ARRAYS {
                self.table(entity)?;
                self.out.push_sql(" AS o WHERE (");
                self.names(entity, key, "o.")?;
                self.out.push_sql(")");
                self.among(self.are_own(entity, key));
                self.out.push_sql("SELECT ");
                self.names(entity, key, "")?;
                self.out.push_sql(" FROM ");
                self.relation("hidden", entity)?;
                self.out.push_sql(")");
            } else {
                // In this order: it is the table that has an index.
                self.relation("hidden", entity)?;
                self.out.push_sql(" AS h CROSS JOIN ");
                self.table(entity)?;
                self.out.push_sql(" AS o");
                for (index, column) in key.iter().enumerate() {
                    self.out.push_sql(if index == 0 { " WHERE o." } else { " AND o." });
                    self.name(entity, *column)?;
                    self.out.push_sql(" = h.");
                    self.name(entity, *column)?;
                }
            }
        }
        if staged.has_live() {
            self.out.push_sql(")");
            self.operator(" + ", true);
            self.out.push_sql("(SELECT ");
            self.call("count");
            self.out.push_sql("*) FROM ");
            self.relation("staged", entity)?;
        }
        self.out.push_sql(")");
        Ok(true)
    }

    fn names(&mut self, entity: EntityId, columns: &[usize], before: &str) -> QueryResult<()> {
        for (index, column) in columns.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { ", " });
            self.out.push_sql(before);
            self.name(entity, *column)?;
        }
        Ok(())
    }

    /// A query's WHERE, without what its first table is asked for itself.
    pub(in crate::database::fragment) fn filter(&mut self, select: &'b Select) -> QueryResult<()> {
        let Some(filter) = &select.filter else { return Ok(()) };
        if DB::BY_ARRAYS && matches!(self.place(select.from.alias), Some(Place::Union(_))) {
            let mut before = " WHERE ";
            for part in filter.conjuncts().into_iter().filter(|part| !is_about(part, &select.from)) {
                self.out.push_sql(before);
                before = " AND ";
                self.expr(part)?;
            }
            return Ok(());
        }
        self.out.push_sql(" WHERE ");
        self.expr(filter)?;
        if self.overlaid.is_some() {
            self.by_keys(filter, &select.from, " AND ")?;
        }
        Ok(())
    }

    /// What a query's condition says of its first table alone. PostgreSQL is told so where the table stands: it takes no
    /// join's condition, and no order, into a union.
    pub(super) fn own_conditions(&mut self, select: &'b Select, mut before: &'static str) -> QueryResult<()> {
        let Some(filter) = &select.filter else { return Ok(()) };
        for part in filter.conjuncts().into_iter().filter(|part| is_about(part, &select.from)) {
            self.out.push_sql(before);
            before = " AND ";
            self.expr(part)?;
        }
        self.by_keys(filter, &select.from, before)
    }

    /// A condition on a table that is joined twice reaches no index. Where one would serve, the keys that it holds for are
    /// looked up by it first: ` AND (t0.user_id) IN (SELECT id FROM users WHERE email = ? ...)`.
    fn by_keys(&mut self, filter: &'b Expr, from: &'b From, mut before: &'static str) -> QueryResult<()> {
        for part in filter.conjuncts() {
            let Some(join) = self.indexed(part, from) else { continue };
            self.out.push_sql(before);
            before = " AND ";
            self.out.push_sql("(");
            for (index, (left, _)) in join.on.iter().enumerate() {
                self.out.push_sql(if index == 0 { "" } else { ", " });
                self.column(*left)?;
            }
            self.out.push_sql(")");
            self.among(join.on.iter().all(|(left, right)| self.is_own_column(*left) && self.is_own_column(*right)));
            let live = self.staged(join.entity).is_some_and(Staged::has_live);
            for staged in [false, true].into_iter().take(1 + usize::from(live)) {
                self.out.push_sql(if staged { " UNION ALL SELECT " } else { "SELECT " });
                for (index, (_, right)) in join.on.iter().enumerate() {
                    self.out.push_sql(if index == 0 { "" } else { ", " });
                    self.side(*right, staged)?;
                }
                self.out.push_sql(" FROM ");
                if staged {
                    self.relation("staged", join.entity)?;
                } else {
                    self.table(join.entity)?;
                }
                self.out.push_sql(&format!(" AS {}{} WHERE ", if staged { "s" } else { "t" }, join.alias.0));
                self.sides.push((join.alias, staged));
                self.expr(part)?;
                self.sides.pop();
                if !staged {
                    self.not_hidden(join.entity, join.alias, " AND ")?;
                }
            }
            self.out.push_sql(")");
        }
        Ok(())
    }

    /// The join, from a query's first table, of a table that is joined twice, for a condition that an index on that table
    /// serves.
    fn indexed(&self, part: &Expr, from: &'b From) -> Option<&'b Join> {
        match part {
            Expr::Compare(column, CompareOp::Eq, value) => self.indexed_by(column, std::iter::once(&**value), from),
            Expr::In(column, values) => self.indexed_by(column, values.iter(), from),
            _ => None,
        }
    }

    fn indexed_by<'e>(
        &self,
        column: &Expr,
        mut values: impl Iterator<Item = &'e Expr>,
        from: &'b From,
    ) -> Option<&'b Join> {
        let Expr::Column(column) = column else { return None };
        let join = from.joins.iter().find(|join| join.alias == column.alias)?;
        let model = self.catalog.get(column.entity);
        let served = model.key.first() == Some(&column.column)
            || model.indexes.iter().any(|index| index.columns.first() == Some(&column.column));
        let near = join.on.iter().all(|(left, _)| left.alias == from.alias);
        let pair = matches!(self.place(join.alias), Some(Place::Pair));
        (pair && near && served && values.all(|value| matches!(value, Expr::Value(..)))).then_some(join)
    }

    /// `EXISTS`: of the table's own rows or of the staged ones, so that PostgreSQL may look each up by an index, or hash
    /// them. Whether that was done.
    pub(in crate::database::fragment) fn exists_in_parts(&mut self, subquery: &'b Subquery) -> QueryResult<bool> {
        if !DB::BY_ARRAYS || !matches!(self.place(subquery.from.alias), Some(Place::Union(_))) {
            return Ok(false);
        }
        let live = self.staged(subquery.from.entity).is_some_and(Staged::has_live);
        self.out.push_sql("(EXISTS (SELECT 1");
        self.part(subquery, Part::Own)?;
        // Where a few rows are wanted it is not to hash the whole table first, which it may not with an OFFSET.
        self.out.push_sql(if self.limited { " OFFSET 0)" } else { ")" });
        if live {
            self.out.push_sql(" OR EXISTS (SELECT 1");
            self.part(subquery, Part::Staged)?;
            self.out.push_sql(")");
        }
        self.out.push_sql(")");
        Ok(true)
    }

    /// `(SELECT count(*) ...)`: PostgreSQL looks among the staged rows only where there is one that belongs to the outer
    /// row. Whether that was done.
    pub(in crate::database::fragment) fn scalar_in_parts(
        &mut self,
        function: Function,
        of: Option<&'b Expr>,
        subquery: &'b Subquery,
    ) -> QueryResult<bool> {
        let from = &subquery.from;
        if !DB::BY_ARRAYS || !matches!(self.place(from.alias), Some(Place::Union(_))) {
            return Ok(false);
        }
        let pairs = correlation(subquery);
        let live = self.staged(from.entity).is_some_and(Staged::has_live);
        if live && pairs.is_empty() {
            return Ok(false);
        }
        if live {
            self.out.push_sql("CASE WHEN (");
            for (index, (_, outer)) in pairs.iter().enumerate() {
                self.out.push_sql(if index == 0 { "" } else { ", " });
                self.column(*outer)?;
            }
            self.out.push_sql(")");
            let columns: Vec<usize> = pairs.iter().map(|(inner, _)| inner.column).collect();
            let own = pairs.iter().all(|(_, outer)| self.is_own_column(*outer));
            self.among(own && self.are_own(from.entity, &columns));
            self.out.push_sql("SELECT ");
            self.names(from.entity, &columns, "")?;
            self.out.push_sql(" FROM ");
            self.relation("staged", from.entity)?;
            self.out.push_sql(") THEN (SELECT ");
            self.function(function, of)?;
            self.part(subquery, Part::All)?;
            self.out.push_sql(") ELSE ");
        }
        self.out.push_sql("(SELECT ");
        self.function(function, of)?;
        self.part(subquery, Part::Own)?;
        self.out.push_sql(if live { ") END" } else { ")" });
        Ok(true)
    }

    /// The FROM and WHERE of a subquery over some of its first table's rows.
    fn part(&mut self, subquery: &'b Subquery, part: Part) -> QueryResult<()> {
        self.from(&subquery.from, part, None)?;
        self.out.push_sql(" WHERE ");
        if part == Part::Own && self.not_hidden(subquery.from.entity, subquery.from.alias, "")? {
            self.out.push_sql(" AND ");
        }
        self.expr(&subquery.filter)
    }

    /// In SQLite a function's value has no type to convert the other side by: a comparison is spelled for either join,
    /// and the one that has a row is chosen. Whether that was done.
    pub(in crate::database::fragment) fn by_sides(&mut self, expr: &'b Expr) -> QueryResult<bool> {
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
}

/// The columns of a subquery's first table that must equal columns of an outer query.
fn correlation(subquery: &Subquery) -> Vec<(ColumnRef, ColumnRef)> {
    let from = &subquery.from;
    let outer =
        |column: &ColumnRef| column.alias != from.alias && !from.joins.iter().any(|join| join.alias == column.alias);
    let pair = |part: &Expr| {
        let Expr::Compare(left, CompareOp::Eq, right) = part else { return None };
        match (&**left, &**right) {
            (Expr::Column(left), Expr::Column(right)) if left.alias == from.alias && outer(right) => {
                Some((*left, *right))
            }
            _ => None,
        }
    };
    subquery.filter.conjuncts().into_iter().filter_map(pair).collect()
}

/// Whether the order of a query can be asked of its first table as well, so that no more of it is read than is wanted: it
/// is by plain columns, and nothing but that table is in the condition.
pub(super) fn is_ordered_by(select: &Select) -> bool {
    let own = |expr: &Expr| matches!(expr, Expr::Column(column) if column.alias == select.from.alias);
    select.group_by.is_empty()
        && !select.distinct
        && !select.order.is_empty()
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
