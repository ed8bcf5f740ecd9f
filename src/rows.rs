//! Results as data: rows with named columns, for whoever asks from code.

use crate::model::{FromValue, Value};
use crate::outcome::{Header, HeaderColumn, Mark, Tree};
use crate::{Error, Result};
use std::sync::Arc;

/// The rows of a result, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    header: Arc<Header>,
    rows: Vec<Row>,
}

/// One row of a result, or one record.
#[derive(Clone, PartialEq)]
pub struct Row {
    header: Arc<Header>,
    values: Vec<Value>,
    mark: Mark,
    children: Vec<(String, Rows)>,
}

impl Rows {
    pub(crate) fn new(header: Header) -> Self {
        Self { header: Arc::new(header), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, values: Vec<Value>, mark: Mark) {
        let header = Arc::clone(&self.header);
        self.rows.push(Row { header, values, mark, children: Vec::new() });
    }

    /// A nested result; each row has what is under it as [`Row::children`].
    pub(crate) fn of_tree(tree: &Tree) -> Self {
        let mut all = Self::new(tree.header.clone());
        for row in &tree.rows {
            all.push(row.values.clone(), row.mark);
            if let Some(last) = all.rows.last_mut() {
                last.children =
                    row.children.iter().map(|(name, _, tree)| (name.clone(), Self::of_tree(tree))).collect();
            }
        }
        all
    }

    /// The columns' names, in order: `username`, `author.username`, `count`.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.header.columns.iter().map(|column| column.name.as_str())
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// How many rows there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The first row.
    #[must_use]
    pub fn first(&self) -> Option<&Row> {
        self.rows.first()
    }

    /// The rows in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Row> {
        self.rows.iter()
    }

    /// The first column of the first row: what `count users` gives.
    ///
    /// # Errors
    /// `NotFound` when there is no row; `Invalid` when the value is of another type.
    pub fn single<T: FromValue>(&self) -> Result<T> {
        let value = self.rows.first().and_then(|row| row.values.first());
        T::from_value(value.ok_or_else(|| Error::new(crate::ErrorKind::NotFound, "the result has no rows"))?)
    }
}

impl<'a> IntoIterator for &'a Rows {
    type Item = &'a Row;
    type IntoIter = std::slice::Iter<'a, Row>;
    fn into_iter(self) -> Self::IntoIter {
        self.rows.iter()
    }
}

impl IntoIterator for Rows {
    type Item = Row;
    type IntoIter = std::vec::IntoIter<Row>;
    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl Row {
    /// A row by itself.
    pub(crate) fn new(header: Header, values: Vec<Value>, mark: Mark) -> Self {
        Self { header: Arc::new(header), values, mark, children: Vec::new() }
    }

    /// The value of a column; none when the row has no such column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&Value> {
        let named = |known: &HeaderColumn| known.name.eq_ignore_ascii_case(column);
        self.values.get(self.header.columns.iter().position(named)?)
    }

    /// The value of a column as a Rust type. Values of masked columns are read as they are: only showing hides them.
    ///
    /// # Errors
    /// `Invalid` when there is no such column, or its value is of another type.
    pub fn read<T: FromValue>(&self, column: &str) -> Result<T> {
        let value = self.get(column).ok_or_else(|| {
            Error::unknown(format!("the row has no column `{column}`"))
                .suggest(column, self.header.columns.iter().map(|known| known.name.as_str()))
        })?;
        T::from_value(value).map_err(|mut error| {
            error.message = format!("{column}: {}", error.message);
            error
        })
    }

    /// All values, one a column.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Whether the row is new or changed by what is staged.
    #[must_use]
    pub fn is_staged(&self) -> bool {
        self.mark != Mark::None
    }

    /// The records that `with RELATIONSHIP` loaded under this one.
    #[must_use]
    pub fn children(&self, relationship: &str) -> Option<&Rows> {
        self.children.iter().find(|(name, _)| name.eq_ignore_ascii_case(relationship)).map(|(_, rows)| rows)
    }
}

/// Masked values are shown as `********`.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut map = f.debug_map();
        for (column, value) in self.header.columns.iter().zip(&self.values) {
            if column.masked && !value.is_null() {
                map.entry(&column.name, &crate::model::MASK);
            } else {
                map.entry(&column.name, value);
            }
        }
        map.entries(self.children.iter().map(|(name, rows)| (name, rows))).finish()
    }
}
