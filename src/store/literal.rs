//! Values as SQL spells them.

use crate::model::Cell;

/// Spells a value in a database's SQL.
pub type Literal = fn(Cell<'_>) -> String;

/// A value as the SQL standard spells it; what it has no word for comes as the shell writes it.
#[must_use]
pub fn standard(cell: Cell<'_>) -> String {
    match cell {
        Cell::Null => "NULL".into(),
        Cell::Text(text) => crate::text::sql::quote_text(text),
        Cell::Bool(value) => if value { "TRUE" } else { "FALSE" }.into(),
        other => other.to_string(),
    }
}
