//! What is made in an empty place to see what comes of it.

use crate::model::definition::{Dialect, Schema};
use crate::store::Store;
use crate::text::sql::shortened;
use crate::{Error, Result};

/// What can be made in an empty place: the default schema's tables, and on SQLite what depends on them.
pub fn scratchable(schema: &Schema, dialect: Dialect) -> Schema {
    let tables = schema.tables.iter().filter(|table| table.place.schema.is_none()).cloned().collect();
    let dependents = if dialect == Dialect::Sqlite { schema.dependents.clone() } else { Vec::new() };
    Schema { tables, dependents }
}

pub fn reflected(scratch: &mut dyn Store) -> Result<Schema> {
    let mut schema = scratch.definition()?;
    schema.tables.retain(|table| table.place.schema.is_none());
    Ok(schema)
}

pub fn in_words(sql: &str, error: Error) -> Error {
    Error { message: format!("the schema cannot be made: {}", error.message), ..error }
        .hint(format!("in: {}", shortened(sql)))
}
