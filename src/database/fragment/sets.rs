//! Changes that differ only in values, in one statement: the rows come as a table `v` beside the one that is changed.
//!
//! SQLite takes them as `VALUES`, PostgreSQL as one array a column, so that its SQL is the same for any number of rows.

use super::{Dialect, Walker};
use crate::model::time::is_time;
use crate::model::{Catalog, DataType, EntityId, Value};
use crate::plan::query::{ChangedRow, Insert, RowSet, Statement};
use diesel::QueryResult;

/// One array for each column of the rows that a statement brings along, as PostgreSQL's `unnest` takes them; none where
/// the statement brings no set of rows.
pub fn arrays(statement: &Statement<'_>, text: impl Fn(&Value) -> Option<String>) -> Vec<Vec<Option<String>>> {
    match statement {
        Statement::Updates(set) | Statement::Deletes(set) => {
            let Some(first) = set.rows.first() else { return Vec::new() };
            let width = first.values().count();
            let mut arrays: Vec<Vec<Option<String>>> = (0..width).map(|_| Vec::with_capacity(set.rows.len())).collect();
            for row in set.rows {
                for (array, value) in arrays.iter_mut().zip(row.values()) {
                    array.push(text(value));
                }
            }
            arrays
        }
        Statement::Insert(insert) if insert.rows.len() > 1 => {
            let column = |at: usize| insert.rows.iter().map(|row| text(&row[at])).collect();
            (0..insert.columns.len()).map(column).collect()
        }
        _ => Vec::new(),
    }
}

/// The types of the columns of `v`: the key's, those of the new values, those of the base.
fn types(set: &RowSet<'_>, catalog: &Catalog) -> Vec<DataType> {
    let model = catalog.get(set.entity);
    let Some(first) = set.rows.first() else { return Vec::new() };
    let named = first.set.iter().chain(first.base).map(|(column, _)| *column);
    model.key.iter().copied().chain(named).map(|column| model.columns[column].data_type.clone()).collect()
}

impl<'b, DB: Dialect> Walker<'_, '_, 'b, DB> {
    /// `UPDATE t AS t0 SET ... FROM v WHERE ...`
    pub(super) fn updates(&mut self, set: &'b RowSet<'_>) -> QueryResult<()> {
        let Some(first) = set.rows.first() else { return self.constant(false) };
        let types = types(set, self.catalog);
        let keys = first.key.len();
        self.out.push_sql("UPDATE ");
        self.table(set.entity)?;
        self.out.push_sql(" AS t0");
        for (index, (column, _)) in first.set.iter().enumerate() {
            self.out.push_sql(if index == 0 { " SET " } else { ", " });
            self.name(set.entity, *column)?;
            self.out.push_sql(" = ");
            self.given(keys + index, &types[keys + index]);
        }
        self.out.push_sql(" FROM ");
        self.rows(set.rows, types.len())?;
        self.out.push_sql(" WHERE ");
        self.same_row(set.entity, first, &types)
    }

    /// `DELETE FROM t WHERE key IN (SELECT key FROM v JOIN t ...)`, which both databases take.
    pub(super) fn deletes(&mut self, set: &'b RowSet<'_>) -> QueryResult<()> {
        let Some(first) = set.rows.first() else { return self.constant(false) };
        let types = types(set, self.catalog);
        self.out.push_sql("DELETE FROM ");
        self.table(set.entity)?;
        if DB::BY_ARRAYS {
            self.out.push_sql(" AS t0 USING ");
            self.rows(set.rows, types.len())?;
            self.out.push_sql(" WHERE ");
            return self.same_row(set.entity, first, &types);
        }
        let catalog = self.catalog;
        let key = &catalog.get(set.entity).key;
        self.out.push_sql(" WHERE ");
        self.columns(set.entity, key, None)?;
        self.out.push_sql(" IN (SELECT ");
        for (index, column) in key.iter().enumerate() {
            self.out.push_sql(if index == 0 { "t0." } else { ", t0." });
            self.name(set.entity, *column)?;
        }
        self.out.push_sql(" FROM ");
        self.rows(set.rows, types.len())?;
        self.out.push_sql(" JOIN ");
        self.table(set.entity)?;
        self.out.push_sql(" AS t0 ON ");
        self.same_row(set.entity, first, &types)?;
        self.out.push_sql(")");
        Ok(())
    }

    /// The rows of an INSERT as a query over arrays.
    pub(super) fn insert_arrays(&mut self, insert: &'b Insert<'_>) -> QueryResult<()> {
        let catalog = self.catalog;
        self.out.push_sql(" SELECT ");
        for (index, column) in insert.columns.iter().enumerate() {
            if index > 0 {
                self.out.push_sql(", ");
            }
            self.given(index, &catalog.get(insert.entity).columns[*column].data_type);
        }
        self.out.push_sql(" FROM ");
        self.arrays(insert.columns.len())
    }

    /// `(VALUES (?, ?), (?, ?)) AS v`, or the same by arrays.
    fn rows(&mut self, rows: &'b [ChangedRow<'_>], width: usize) -> QueryResult<()> {
        if DB::BY_ARRAYS {
            return self.arrays(width);
        }
        for (index, row) in rows.iter().enumerate() {
            self.out.push_sql(if index == 0 { "(VALUES (" } else { "), (" });
            for (at, value) in row.values().enumerate() {
                if at > 0 {
                    self.out.push_sql(", ");
                }
                DB::bind(&mut self.out, value, &DataType::Any)?;
            }
        }
        self.out.push_sql(")) AS v");
        Ok(())
    }

    fn arrays(&mut self, width: usize) -> QueryResult<()> {
        let arrays: &'b [Vec<Option<String>>] = self.arrays;
        for (index, array) in arrays.iter().take(width).enumerate() {
            self.out.push_sql(if index == 0 { "ROWS FROM (pg_catalog.unnest(" } else { "), pg_catalog.unnest(" });
            DB::bind_array(&mut self.out, array)?;
        }
        self.out.push_sql(")) AS v(");
        for index in 0..width {
            self.out.push_sql(&format!("{}column{}", if index == 0 { "" } else { ", " }, index + 1));
        }
        self.out.push_sql(")");
        Ok(())
    }

    /// A column of `v` as a value of a type.
    fn given(&mut self, index: usize, data_type: &DataType) {
        self.out.push_sql(&format!("v.column{}", index + 1));
        if DB::BY_ARRAYS
            && let Some(name) = DB::type_name(data_type)
        {
            self.out.push_sql("::");
            self.out.push_sql(name);
        }
    }

    /// The row that a row of `v` means, as it was read.
    fn same_row(&mut self, entity: EntityId, first: &ChangedRow<'_>, types: &[DataType]) -> QueryResult<()> {
        let catalog = self.catalog;
        let keys = &catalog.get(entity).key;
        for (index, column) in keys.iter().enumerate() {
            self.out.push_sql(if index == 0 { "t0." } else { " AND t0." });
            self.name(entity, *column)?;
            self.based(entity, *column);
            self.operator(" = ", DB::is_own(&types[index]));
            self.given(index, &types[index]);
        }
        let before = keys.len() + first.set.len();
        for (index, (column, _)) in first.base.iter().enumerate() {
            let data_type = &types[before + index];
            if let (Some(read), true) = (DB::TIME, is_time(data_type)) {
                self.out.push_sql(&format!(" AND {read}(t0."));
                self.name(entity, *column)?;
                self.out.push_sql(&format!("){}{read}(", DB::SAME.unwrap_or(" IS ")));
                self.given(before + index, data_type);
                self.out.push_sql(")");
                continue;
            }
            let text = DataType::Text(None);
            let comparable = DB::is_comparable(data_type);
            let ((from, to), given) = if comparable { (("", ""), data_type) } else { (DB::spelled(data_type), &text) };
            let own = !comparable || DB::is_own(data_type);
            let same = DB::SAME.or((!own).then_some(" IS NOT DISTINCT FROM "));
            // NULL and NULL are the same.
            self.out.push_sql(if same.is_some() { " AND " } else { " AND (" });
            self.out.push_sql(from);
            self.out.push_sql("t0.");
            self.name(entity, *column)?;
            self.out.push_sql(to);
            if let Some(word) = same {
                self.out.push_sql(word);
                self.given(before + index, given);
                continue;
            }
            self.operator(" = ", own);
            self.given(before + index, given);
            self.out.push_sql(" OR t0.");
            self.name(entity, *column)?;
            self.out.push_sql(&format!(" IS NULL AND v.column{} IS NULL)", before + index + 1));
        }
        Ok(())
    }

    /// `"id"`, or `("a", "b")`.
    pub(super) fn columns(&mut self, entity: EntityId, columns: &[usize], alias: Option<&str>) -> QueryResult<()> {
        let many = columns.len() > 1;
        self.out.push_sql(if many { "(" } else { "" });
        for (index, column) in columns.iter().enumerate() {
            self.out.push_sql(if index == 0 { "" } else { ", " });
            self.out.push_sql(alias.unwrap_or_default());
            self.name(entity, *column)?;
        }
        self.out.push_sql(if many { ")" } else { "" });
        Ok(())
    }
}
