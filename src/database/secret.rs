//! Database errors without the values of masked columns.

use crate::Error;
use crate::model::{Catalog, Cell, EntityId, MASK};
use crate::plan::query::{Delete, RowSet, Statement, Update};

/// The error with a mask in place of every value that the statement has for a masked column: a trigger or a type may repeat
/// it in whatever words.
pub fn without_values(mut error: Error, catalog: &Catalog, statement: &Statement<'_>) -> Error {
    let masked = |entity: EntityId, column: usize| catalog.get(entity).columns[column].masked;
    let mut hide = |entity: EntityId, column: usize, value: Cell<'_>| {
        // Too short a text would take pieces out of words.
        let Cell::Text(secret) = value else { return };
        if secret.len() > 2 && masked(entity, column) {
            error.message = error.message.replace(secret, MASK);
            for hint in &mut error.hints {
                *hint = hint.replace(secret, MASK);
            }
        }
    };
    match statement {
        Statement::Insert(insert) => {
            for (column, value) in insert.rows.iter().flat_map(|row| insert.columns.iter().zip(*row)) {
                hide(insert.entity, *column, value.as_cell());
            }
        }
        Statement::Update(Update { entity, set, base, .. }) => {
            set.iter().chain(*base).for_each(|(column, value)| hide(*entity, *column, value.as_cell()));
        }
        Statement::Delete(Delete { entity, base, .. }) => {
            base.iter().for_each(|(column, value)| hide(*entity, *column, value.as_cell()));
        }
        Statement::Updates(RowSet { entity, rows }) | Statement::Deletes(RowSet { entity, rows }) => {
            for (column, value) in rows.iter().flat_map(|row| row.set.iter().chain(row.base)) {
                hide(*entity, *column, value.as_cell());
            }
        }
        Statement::Seen(_, overlay) => {
            for (entity, staged) in overlay.tables() {
                staged.rows().flat_map(|row| row.set()).for_each(|(column, cell)| hide(entity, column, cell));
            }
        }
        Statement::Bulk(bulk) => {
            let set = bulk.set.iter().flatten();
            set.for_each(|(column, value)| hide(bulk.entity(), *column, value.as_cell()));
        }
        Statement::Select(_) => {}
    }
    error
}
