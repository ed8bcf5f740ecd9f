//! What else a `delete ... where` does, told by conditions alone: however many rows there are, none of them is read.

use super::query::{Alias, Bulk, ColumnRef, Expr, From, Output, Piece, Select, Subquery};
use crate::language::ast::{CompareOp, Function};
use crate::model::{Catalog, DataType, EntityId, ForeignKey, ReferentialAction};
use crate::outcome::HeaderColumn;

/// Rows of one table that go or stay because of others, told by a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Matched {
    from: From,
    filter: Option<Expr>,
    /// The next alias that is free.
    next: u32,
}

/// Rows that refer to rows which go.
#[derive(Debug, Clone, PartialEq)]
pub struct Referring {
    /// Their table.
    pub entity: EntityId,
    /// What the foreign key does to them.
    pub action: ReferentialAction,
    /// They are rows of a table that is in this already, so that one row may be reached twice.
    pub again: bool,
    /// Which they are.
    pub rows: Matched,
}

impl Matched {
    /// The rows that a bulk change means.
    #[must_use]
    pub fn of(bulk: &Bulk) -> Self {
        let mut matched = Self { from: bulk.rows.from.clone(), filter: bulk.rows.filter.clone(), next: 0 };
        let mut last = 0;
        let mut see = |piece: Piece<'_>| {
            if let Piece::From(from) = piece {
                last = from.joins.iter().map(|join| join.alias.0).chain([from.alias.0, last]).max().unwrap_or(last);
            }
        };
        see(Piece::From(&mut matched.from));
        if let Some(filter) = &mut matched.filter {
            filter.each_mut(&mut see);
        }
        matched.next = last + 1;
        matched
    }

    /// The query for how many they are.
    #[must_use]
    pub fn count(&self) -> Select {
        let column = HeaderColumn { name: "count".into(), data_type: DataType::Int(64), masked: false };
        let number = Output { expr: Expr::Aggregate(Function::Count, None), column };
        Select { filter: self.filter.clone(), ..Select::new(self.from.clone(), vec![number]) }
    }

    /// The rows that refer to these, one list for each foreign key. `known` are the tables that were there before.
    #[must_use]
    pub fn referring(&self, known: &[EntityId], catalog: &Catalog) -> Vec<Referring> {
        let keys = catalog.iter().flat_map(|(id, model)| model.foreign_keys.iter().map(move |key| (id, key)));
        let mut seen = known.to_vec();
        let mut found = Vec::new();
        for (entity, key) in keys.filter(|(_, key)| key.to == self.from.entity) {
            let again = seen.contains(&entity);
            seen.push(entity);
            found.push(Referring { entity, action: key.on_delete, again, rows: self.behind(entity, key) });
        }
        found
    }

    fn behind(&self, entity: EntityId, key: &ForeignKey) -> Self {
        let alias = Alias(self.next);
        let column =
            |alias, entity, column: &usize| Box::new(Expr::Column(ColumnRef { alias, entity, column: *column }));
        let same = |(own, to): (&usize, &usize)| {
            Expr::Compare(column(self.from.alias, key.to, to), CompareOp::Eq, column(alias, entity, own))
        };
        let mut parts: Vec<Expr> = key.columns.iter().zip(&key.to_columns).map(same).collect();
        parts.extend(self.filter.clone());
        let subquery = Subquery { from: self.from.clone(), filter: Expr::And(parts) };
        Self {
            from: From { entity, alias, joins: Vec::new() },
            filter: Some(Expr::Exists(Box::new(subquery))),
            next: self.next + 1,
        }
    }
}
