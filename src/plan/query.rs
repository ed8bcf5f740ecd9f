//! Resolved queries: every name is a column of a table alias, every value has its type.

use super::overlay::Overlay;
use crate::language::ast::{CompareOp, Function, TextOp};
use crate::model::{Catalog, Column, DataType, EntityId, Value};
use crate::outcome::{Header, HeaderColumn};

/// A table's alias, unique within one query including its subqueries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alias(pub u32);

/// A column of an aliased table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ColumnRef {
    /// Which occurrence of the table.
    pub alias: Alias,
    /// Which table.
    pub entity: EntityId,
    /// Which of its columns.
    pub column: usize,
}

/// A table in FROM, with the tables joined to it.
#[derive(Debug, Clone, PartialEq)]
pub struct From {
    /// The first table.
    pub entity: EntityId,
    /// Its alias.
    pub alias: Alias,
    /// Left joins, in an order in which each refers only to aliases before it.
    pub joins: Vec<Join>,
}

/// `LEFT JOIN entity AS alias ON pairs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// The joined table.
    pub entity: EntityId,
    /// Its alias.
    pub alias: Alias,
    /// Columns that must be equal.
    pub on: Vec<(ColumnRef, ColumnRef)>,
}

/// An expression or a condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column.
    Column(ColumnRef),
    /// A bound value.
    Value(Value, DataType),
    /// Always true (an empty conjunction) or never (an empty IN).
    Constant(bool),
    /// A comparison.
    Compare(Box<Expr>, CompareOp, Box<Expr>),
    /// `IS NOT DISTINCT FROM`: equal, or both NULL.
    Same(Box<Expr>, Box<Expr>),
    /// A test on text.
    Text(Box<Expr>, TextOp, Box<Expr>),
    /// Membership.
    In(Box<Expr>, Vec<Expr>),
    /// A closed range.
    Between(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `IS NULL`
    IsNull(Box<Expr>),
    /// All hold.
    And(Vec<Expr>),
    /// One holds.
    Or(Vec<Expr>),
    /// Does not hold.
    Not(Box<Expr>),
    /// A row exists.
    Exists(Box<Subquery>),
    /// A function over the rows of a subquery: `count(posts)`.
    Scalar(Function, Option<Box<Expr>>, Box<Subquery>),
    /// A function over the rows of a group; none counts rows.
    Aggregate(Function, Option<Box<Expr>>),
    /// A function that a backend has given its connection.
    Call(&'static str, Box<Expr>),
}

impl Expr {
    /// Which column of its table it is, if it is one.
    #[must_use]
    pub const fn column(&self) -> Option<usize> {
        match self {
            Self::Column(column) => Some(column.column),
            _ => None,
        }
    }

    /// Whether it is a column of the table that a query calls `alias`.
    #[must_use]
    pub fn is_column_of(&self, alias: Alias) -> bool {
        matches!(self, Self::Column(column) if column.alias == alias)
    }

    /// What must hold, each by itself.
    #[must_use]
    pub fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::And(parts) => parts.iter().flat_map(Self::conjuncts).collect(),
            other => vec![other],
        }
    }

    /// Gives its operands; what stands in its subquery comes back, with what is computed of the rows there.
    pub fn children<'e>(&'e self, operand: &mut dyn FnMut(&'e Self)) -> Option<(&'e Subquery, Option<&'e Self>)> {
        match self {
            Self::Column(_) | Self::Value(..) | Self::Constant(_) => {}
            Self::Compare(left, _, right) | Self::Same(left, right) | Self::Text(left, _, right) => {
                operand(left);
                operand(right);
            }
            Self::In(value, items) => {
                operand(value);
                items.iter().for_each(operand);
            }
            Self::Between(value, low, high) => {
                operand(value);
                operand(low);
                operand(high);
            }
            Self::IsNull(inner) | Self::Not(inner) | Self::Call(_, inner) => operand(inner),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(operand),
            Self::Exists(subquery) => return Some((subquery, None)),
            Self::Scalar(_, of, subquery) => return Some((subquery, of.as_deref())),
            Self::Aggregate(_, of) => {
                if let Some(of) = of {
                    operand(of);
                }
            }
        }
        None
    }
}

/// A piece of a query, to be changed in place.
#[derive(Debug)]
pub enum Piece<'a> {
    /// An expression, before its operands.
    Expr(&'a mut Expr),
    /// Tables.
    From(&'a mut From),
}

impl Expr {
    /// Shows itself and all that it is made of.
    pub fn each_mut(&mut self, see: &mut dyn FnMut(Piece<'_>)) {
        see(Piece::Expr(self));
        match self {
            Self::Column(_) | Self::Value(..) | Self::Constant(_) => {}
            Self::Compare(left, _, right) | Self::Same(left, right) | Self::Text(left, _, right) => {
                left.each_mut(see);
                right.each_mut(see);
            }
            Self::In(value, items) => {
                value.each_mut(see);
                for item in items {
                    item.each_mut(see);
                }
            }
            Self::Between(value, low, high) => {
                value.each_mut(see);
                low.each_mut(see);
                high.each_mut(see);
            }
            Self::IsNull(inner) | Self::Not(inner) | Self::Call(_, inner) => inner.each_mut(see),
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.each_mut(see);
                }
            }
            Self::Exists(subquery) => subquery.each_mut(see),
            Self::Scalar(_, of, subquery) => {
                if let Some(of) = of {
                    of.each_mut(see);
                }
                subquery.each_mut(see);
            }
            Self::Aggregate(_, of) => {
                if let Some(of) = of {
                    of.each_mut(see);
                }
            }
        }
    }
}

impl Subquery {
    fn each_mut(&mut self, see: &mut dyn FnMut(Piece<'_>)) {
        see(Piece::From(&mut self.from));
        self.filter.each_mut(see);
    }
}

/// The FROM and WHERE of a correlated subquery.
#[derive(Debug, Clone, PartialEq)]
pub struct Subquery {
    /// Its tables.
    pub from: From,
    /// The correlation and the condition.
    pub filter: Expr,
}

/// One sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What to sort by.
    pub expr: Expr,
    /// Descending.
    pub descending: bool,
    /// Where NULLs go; by default first in ascending order, as SQLite has it, on every backend.
    pub nulls_first: Option<bool>,
}

/// One column of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What it is.
    pub expr: Expr,
    /// How it is shown.
    pub column: HeaderColumn,
}

/// A query.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// The tables.
    pub from: From,
    /// The columns, in order.
    pub columns: Vec<Output>,
    /// The condition.
    pub filter: Option<Expr>,
    /// GROUP BY.
    pub group_by: Vec<Expr>,
    /// DISTINCT.
    pub distinct: bool,
    /// ORDER BY.
    pub order: Vec<Order>,
    /// LIMIT.
    pub limit: Option<u64>,
    /// OFFSET.
    pub offset: Option<u64>,
}

impl Select {
    /// These columns of all rows, in no order.
    #[must_use]
    pub const fn new(from: From, columns: Vec<Output>) -> Self {
        Self {
            from,
            columns,
            filter: None,
            group_by: Vec::new(),
            distinct: false,
            order: Vec::new(),
            limit: None,
            offset: None,
        }
    }

    /// All columns of all rows of a table, nothing hidden: for the shell's own use.
    #[must_use]
    pub fn all(entity: EntityId, catalog: &Catalog) -> Self {
        let alias = Alias(0);
        let output = |(column, known): (usize, &Column)| Output {
            expr: Expr::Column(ColumnRef { alias, entity, column }),
            column: HeaderColumn { name: known.name.clone(), data_type: known.data_type.clone(), masked: false },
        };
        let columns = catalog.get(entity).columns.iter().enumerate().map(output).collect();
        Self::new(From { entity, alias, joins: Vec::new() }, columns)
    }

    /// The header of its result.
    #[must_use]
    pub fn header(&self) -> Header {
        Header { columns: self.columns.iter().map(|output| output.column.clone()).collect(), ..Header::default() }
    }
}

/// One row to insert: values for `columns` of `entity`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert<'a> {
    /// The table.
    pub entity: EntityId,
    /// The columns that have values.
    pub columns: &'a [usize],
    /// One slice of values a row, each as long as `columns`.
    pub rows: &'a [&'a [Value]],
    /// Columns to give back for each row, empty for none.
    pub returning: &'a [usize],
}

/// `UPDATE entity SET set WHERE key AND base`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update<'a> {
    /// The table.
    pub entity: EntityId,
    /// The new values.
    pub set: &'a [(usize, Value)],
    /// The row's key.
    pub key: &'a [Value],
    /// What other columns must still be (`IS NOT DISTINCT FROM`).
    pub base: &'a [(usize, Value)],
}

/// `DELETE FROM entity WHERE key AND base`.
#[derive(Debug, Clone, PartialEq)]
pub struct Delete<'a> {
    /// The table.
    pub entity: EntityId,
    /// The row's key.
    pub key: &'a [Value],
    /// What other columns must still be.
    pub base: &'a [(usize, Value)],
}

/// Changes of one kind to rows of one table, which differ only in values: all rows name the same columns.
#[derive(Debug, Clone, PartialEq)]
pub struct RowSet<'a> {
    /// The table.
    pub entity: EntityId,
    /// The rows.
    pub rows: &'a [ChangedRow<'a>],
}

/// A row to change or delete: its key, what it is to be, what it must still be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangedRow<'a> {
    /// The row's key.
    pub key: &'a [Value],
    /// The new values; none to delete it.
    pub set: &'a [(usize, Value)],
    /// What columns must still be (`IS NOT DISTINCT FROM`).
    pub base: &'a [(usize, Value)],
}

impl<'a> ChangedRow<'a> {
    /// All its values, the key's first.
    pub fn values(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let named = self.set.iter().chain(self.base).map(|(_, value)| value);
        self.key.iter().chain(named)
    }
}

/// One change to all rows that a query would give: `UPDATE entity SET set WHERE ...`, `DELETE FROM entity WHERE ...`.
#[derive(Debug, Clone, PartialEq)]
pub struct Bulk {
    /// The rows: those of its first table.
    pub rows: Select,
    /// The new values, for rows that do not have them yet; none to delete the rows.
    pub set: Option<Vec<(usize, Value)>>,
}

impl Bulk {
    /// The table.
    #[must_use]
    pub const fn entity(&self) -> EntityId {
        self.rows.from.entity
    }
}

/// A statement for the store.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement<'a> {
    /// Reads.
    Select(&'a Select),
    /// Reads tables as they will be with what is staged.
    Seen(&'a Select, &'a Overlay),
    /// Inserts.
    Insert(Insert<'a>),
    /// Updates.
    Update(Update<'a>),
    /// Deletes.
    Delete(Delete<'a>),
    /// Updates rows, each with values of its own.
    Updates(RowSet<'a>),
    /// Deletes rows.
    Deletes(RowSet<'a>),
    /// Updates or deletes all rows that a condition means.
    Bulk(&'a Bulk),
}

impl Statement<'_> {
    /// How many values each of its rows has.
    #[must_use]
    pub const fn width(&self) -> usize {
        match self {
            Self::Select(select) | Self::Seen(select, _) => select.columns.len(),
            Self::Insert(insert) => insert.returning.len(),
            Self::Update(_) | Self::Delete(_) | Self::Updates(_) | Self::Deletes(_) | Self::Bulk(_) => 0,
        }
    }
}
