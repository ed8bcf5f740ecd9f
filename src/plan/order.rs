//! Orders to their end: what was asked for, and behind it whatever gives each row its one place, so that pages neither
//! repeat a row nor leave one out.

use super::query::{Alias, ColumnRef, Expr, Order};
use crate::model::{Catalog, Column, DataType, EntityId};

/// Sorts by columns of one table, ascending.
pub fn by(alias: Alias, entity: EntityId, columns: impl IntoIterator<Item = usize>) -> Vec<Order> {
    let key = |column| Order {
        expr: Expr::Column(ColumnRef { alias, entity, column }),
        descending: false,
        nulls_first: None,
    };
    columns.into_iter().map(key).collect()
}

/// Adds more keys behind those that there are, in the direction of the last one: an index is then read one way.
pub fn behind(order: &mut Vec<Order>, more: impl IntoIterator<Item = Order>) {
    let descending = order.last().is_some_and(|last| last.descending);
    for key in more {
        if !order.iter().any(|known| known.expr == key.expr) {
            order.push(Order { descending, ..key });
        }
    }
}

/// Brings an order of a table's rows to its end: by the key; where there is none by a unique index; and where there is none
/// either, but only some of the rows are wanted or an order was asked for, by all columns.
pub fn end(order: &mut Vec<Order>, alias: Alias, entity: EntityId, some: bool, catalog: &Catalog) {
    let model = catalog.get(entity);
    let never_null = |columns: &[usize]| columns.iter().all(|column| !model.columns[*column].nullable);
    let open = |columns: &[usize]| columns.iter().all(|column| !model.columns[*column].is_hidden());
    let unique = || {
        let index =
            model.indexes.iter().find(|index| index.unique && never_null(&index.columns) && open(&index.columns));
        index.map(|index| index.columns.clone())
    };
    let columns = if !model.key.is_empty() {
        model.key.clone()
    } else if let Some(columns) = unique() {
        columns
    } else if some || !order.is_empty() {
        let sorts = |column: &Column| is_ordered(column) && !column.is_hidden();
        model.columns.iter().enumerate().filter(|(_, column)| sorts(column)).map(|(at, _)| at).collect()
    } else {
        return;
    };
    behind(order, by(alias, entity, columns));
}

/// Whether a database can sort by a column. PostgreSQL has types without an order, such as json and point.
const fn is_ordered(column: &Column) -> bool {
    !matches!(column.data_type, DataType::Json | DataType::Opaque(_))
}

#[cfg(test)]
mod tests {
    use super::{Alias, Order, by, end};
    use crate::model::infer::{TableFacts, add_tables};
    use crate::model::{Catalog, Column, DataType, EntityId, EntityKind, Index};
    use crate::plan::query::{ColumnRef, Expr};

    /// A table with the columns a, b and c.
    fn catalog(key: &[usize], indexes: Vec<Index>, types: [DataType; 3]) -> (Catalog, EntityId) {
        let mut catalog = Catalog::default();
        let columns = ["a", "b", "c"].into_iter().zip(types);
        let facts = TableFacts {
            schema: None,
            name: "t".into(),
            kind: EntityKind::Table,
            columns: columns.map(|(name, data_type)| Column::new(name, data_type)).collect(),
            key: key.to_vec(),
            indexes,
            foreign_keys: Vec::new(),
        };
        add_tables(&mut catalog, vec![facts]);
        let id = catalog.iter().next().unwrap().0;
        (catalog, id)
    }

    fn texts() -> [DataType; 3] {
        [DataType::Text(None), DataType::Text(None), DataType::Text(None)]
    }

    fn ended(mut order: Vec<Order>, some: bool, (catalog, id): &(Catalog, EntityId)) -> Vec<(usize, bool)> {
        end(&mut order, Alias(0), *id, some, catalog);
        let column = |expr: &Expr| match expr {
            Expr::Column(ColumnRef { column, .. }) => *column,
            _ => usize::MAX,
        };
        order.iter().map(|key| (column(&key.expr), key.descending)).collect()
    }

    #[test]
    fn the_key_stands_behind_what_was_asked_for() {
        let table = catalog(&[1, 2], Vec::new(), texts());
        assert_eq!(ended(Vec::new(), false, &table), [(1, false), (2, false)]);
        let asked = |descending| vec![Order { descending, ..by(Alias(0), table.1, [2]).remove(0) }];
        assert_eq!(ended(asked(false), false, &table), [(2, false), (1, false)]);
        assert_eq!(ended(asked(true), false, &table), [(2, true), (1, true)]);
    }

    #[test]
    fn without_a_key_a_unique_index_or_all_columns() {
        let index = Index { name: None, columns: vec![2], unique: true };
        let mut table = catalog(&[], vec![index], texts());
        table.0.get_mut(table.1).columns[2].nullable = false;
        assert_eq!(ended(Vec::new(), false, &table), [(2, false)]);
        let table = catalog(&[], Vec::new(), [DataType::Int(32), DataType::Json, DataType::Opaque("point".into())]);
        assert_eq!(ended(Vec::new(), false, &table), []);
        assert_eq!(ended(Vec::new(), true, &table), [(0, false)]);
        let table = catalog(&[], Vec::new(), texts());
        let asked = by(Alias(0), table.1, [1]);
        assert_eq!(ended(asked, false, &table), [(1, false), (0, false), (2, false)]);
    }
}
