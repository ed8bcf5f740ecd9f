//! Database errors without the values of masked columns.

use crate::Error;
use crate::model::{Catalog, MASK, Value};
use crate::plan::query::Statement;

/// The error with a mask in place of every value that the statement has for a masked column: a trigger or a type may repeat
/// it in whatever words.
pub fn without_values(mut error: Error, catalog: &Catalog, statement: &Statement<'_>) -> Error {
    let (entity, values): (_, Vec<(usize, &Value)>) = match statement {
        Statement::Insert(insert) => {
            (insert.entity, insert.rows.iter().flat_map(|row| insert.columns.iter().copied().zip(*row)).collect())
        }
        Statement::Update(update) => {
            (update.entity, update.set.iter().chain(update.base).map(|(at, value)| (*at, value)).collect())
        }
        Statement::Delete(delete) => (delete.entity, delete.base.iter().map(|(at, value)| (*at, value)).collect()),
        Statement::Select(_) => return error,
    };
    let columns = &catalog.get(entity).columns;
    for (_, value) in values.into_iter().filter(|(at, _)| columns[*at].masked) {
        // Too short a text would take pieces out of words.
        let Some(secret) = value.as_text().filter(|text| text.len() > 2) else { continue };
        error.message = error.message.replace(secret, MASK);
        for hint in &mut error.hints {
            *hint = hint.replace(secret, MASK);
        }
    }
    error
}
