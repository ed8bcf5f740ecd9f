//! Times on their way into the database, in the spelling of the column that they go to.

use super::Session;
use crate::Result;
use crate::model::definition::Dialect;
use crate::model::time::{Spelling, is_time};
use crate::model::{EntityId, Value};

/// When a time keeps the spelling that it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Never: a person typed it.
    Never,
    /// Where the column has no one spelling of its own: it comes from a file or another database.
    Free,
}

impl Session {
    /// Which SQL the database speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        self.store.facts().dialect
    }

    /// A value as it is written: `fitted` is what `given` means, in the shell's own spelling. Only times in a SQLite file
    /// have more than one.
    ///
    /// # Errors
    /// The database's own, when it is asked how a column is spelled.
    pub(crate) fn as_written(
        &mut self,
        (entity, column): (EntityId, usize),
        given: &Value,
        fitted: Value,
        keep: Keep,
    ) -> Result<Value> {
        let plain = !is_time(&self.catalog.get(entity).columns[column].data_type) || fitted.is_null();
        if plain || self.store.facts().dialect != Dialect::Sqlite {
            return Ok(fitted);
        }
        let given = |fitted| if Spelling::of(given.as_cell()).is_some() { given.clone() } else { fitted };
        Ok(match self.store.spelling(&self.catalog, entity, column)? {
            None | Some(Spelling::Free) if keep == Keep::Free => given(fitted),
            None => fitted,
            Some(spelling) => spelling.write(&fitted).unwrap_or(fitted),
        })
    }
}
