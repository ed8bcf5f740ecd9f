//! What is staged as arrays, in front of a query: PostgreSQL's way.

use super::Overlaid;
use crate::database::fragment::{Dialect, Walker};
use crate::model::{Catalog, Cell, EntityId};
use crate::plan::overlay::{Kind, Staged};
use diesel::QueryResult;

impl Overlaid<'_> {
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
    /// `WITH hidden1(...) AS (...), staged1(...) AS (...) ` in front of a query, where what is staged comes as arrays.
    pub(in crate::database::fragment) fn with_arrays(&mut self) -> QueryResult<()> {
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
                self.unnest(key.len(), &mut next)?;
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
                    self.unnest(columns.len(), &mut next)?;
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
                    self.out.push_sql(&format!("CASE WHEN v.column{}::pg_catalog.bool THEN ", at + 2));
                    self.given_as(at, entity, *column);
                    self.out.push_sql(" ELSE o.");
                    self.name(entity, *column)?;
                    self.out.push_sql(" END");
                    at += 2;
                }
            }
        }
        self.unnest(at, next)?;
        self.out.push_sql(" JOIN ");
        self.table(entity)?;
        self.out.push_sql(" AS o");
        for (index, column) in key.iter().enumerate() {
            self.out.push_sql(if index == 0 { " ON o." } else { " AND o." });
            self.name(entity, *column)?;
            self.operator(" = ", self.are_own(entity, &[*column]));
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

    /// ` FROM ROWS FROM (pg_catalog.unnest((SELECT $1)), pg_catalog.unnest((SELECT $2))) AS v(column1, column2)`
    fn unnest(&mut self, width: usize, next: &mut std::slice::Iter<'b, Vec<Option<String>>>) -> QueryResult<()> {
        // Only the bare name takes several arrays; whose function that would be depends on the search path. Behind a
        // subquery their number is not known when the query is planned: keys are always hashed then, rows of the database
        // are looked up by their index, and the plan stays the same.
        self.out.push_sql(" FROM ROWS FROM (");
        for (index, array) in next.by_ref().take(width).enumerate() {
            self.out.push_sql(if index == 0 { "pg_catalog.unnest((SELECT " } else { ", pg_catalog.unnest((SELECT " });
            DB::bind_array(&mut self.out, array)?;
            self.out.push_sql("))");
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
