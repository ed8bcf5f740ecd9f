//! One change to all rows that a condition means: the UPDATE or DELETE that was said.

use super::{Dialect, Part, Walker};
use crate::model::{DataType, EntityId, Value};
use crate::plan::query::{Alias, Bulk};
use diesel::QueryResult;

impl<'b, DB: Dialect> Walker<'_, '_, 'b, DB> {
    /// `UPDATE t AS t0 SET ... WHERE ...`, `DELETE FROM t AS t0 WHERE ...`. Where the condition looks along references, the
    /// rows are those whose keys a query gives.
    pub(super) fn bulk(&mut self, bulk: &'b Bulk) -> QueryResult<()> {
        let (entity, from) = (bulk.entity(), &bulk.rows.from);
        self.out.push_sql(if bulk.set.is_some() { "UPDATE " } else { "DELETE FROM " });
        self.table(entity)?;
        self.out.push_sql(" AS ");
        if !from.joins.is_empty() {
            self.out.push_sql("c");
            self.assignments(bulk)?;
            self.out.push_sql(" WHERE ");
            return self.whose_keys(bulk);
        }
        self.alias(from.alias);
        self.assignments(bulk)?;
        self.out.push_sql(" WHERE ");
        self.meant(bulk)
    }

    fn assignments(&mut self, bulk: &'b Bulk) -> QueryResult<()> {
        for (index, (column, value)) in bulk.set.iter().flatten().enumerate() {
            self.out.push_sql(if index == 0 { " SET " } else { ", " });
            self.name(bulk.entity(), *column)?;
            self.out.push_sql(" = ");
            DB::bind(&mut self.out, value, &self.catalog.get(bulk.entity()).columns[*column].data_type)?;
        }
        Ok(())
    }

    /// `c.key IN (SELECT t0.key FROM ...)`
    fn whose_keys(&mut self, bulk: &'b Bulk) -> QueryResult<()> {
        let catalog = self.catalog;
        let (entity, from) = (bulk.entity(), &bulk.rows.from);
        let key = &catalog.get(entity).key;
        self.columns(entity, key, Some("c."))?;
        self.among(self.are_own(entity, key));
        self.out.push_sql("SELECT ");
        for (index, column) in key.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { ", " });
            self.alias(from.alias);
            self.out.push_sql(".");
            self.name(entity, *column)?;
        }
        self.from(from, Part::All, None)?;
        self.out.push_sql(" WHERE ");
        self.meant(bulk)?;
        self.out.push_sql(")");
        Ok(())
    }

    /// The condition, and that a row has other values than it is to get.
    fn meant(&mut self, bulk: &'b Bulk) -> QueryResult<()> {
        match &bulk.rows.filter {
            Some(filter) => self.expr(filter)?,
            None => self.constant(true)?,
        }
        let Some(set) = &bulk.set else { return Ok(()) };
        self.out.push_sql(" AND NOT (");
        for (index, (column, value)) in set.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { " AND " });
            self.has(bulk.rows.from.alias, bulk.entity(), *column, value)?;
        }
        self.out.push_sql(")");
        Ok(())
    }

    /// Whether a column has a value to the letter: equal texts of a collation, or decimals with other ends, are not the
    /// same. Never NULL.
    fn has(&mut self, alias: Alias, entity: EntityId, column: usize, value: &'b Value) -> QueryResult<()> {
        let data_type = &self.catalog.get(entity).columns[column].data_type;
        let by_value = matches!(data_type, DataType::Bool | DataType::Int(_) | DataType::Bytes);
        self.out.push_sql("(");
        self.letter(alias, entity, column, by_value)?;
        match (DB::SAME, value) {
            (Some(word), _) => self.out.push_sql(word),
            (None, Value::Null) => {
                self.out.push_sql(" IS NULL)");
                return Ok(());
            }
            (None, _) => {
                self.out.push_sql(" IS NOT NULL AND ");
                self.letter(alias, entity, column, by_value)?;
                self.operator(" = ", true);
            }
        }
        if by_value {
            DB::bind(&mut self.out, value, data_type)?;
        } else {
            let text = DataType::Text(None);
            DB::bind(&mut self.out, value, &text)?;
            self.out.push_sql(DB::spelled(&text).1);
        }
        self.out.push_sql(")");
        Ok(())
    }

    fn letter(&mut self, alias: Alias, entity: EntityId, column: usize, by_value: bool) -> QueryResult<()> {
        let catalog = self.catalog;
        let data_type = &catalog.get(entity).columns[column].data_type;
        let (before, behind) = if by_value { ("", "") } else { DB::spelled(data_type) };
        self.out.push_sql(before);
        self.alias(alias);
        self.out.push_sql(".");
        self.name(entity, column)?;
        self.out.push_sql(behind);
        if !by_value {
            self.out.push_sql(DB::BYTEWISE);
        }
        Ok(())
    }
}
