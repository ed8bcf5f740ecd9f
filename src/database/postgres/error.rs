//! PostgreSQL's errors in the shell's words.

use crate::database::secret;
use crate::model::secret::names_secret;
use crate::model::{Catalog, EntityId};
use crate::plan::query::Statement;
use crate::{Error, ErrorKind};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// Words by which libpq says that the connection is gone; it has no code for that.
const LOST: [&str; 6] = [
    "server closed the connection",
    "terminating connection",
    "connection to server",
    "no connection to the server",
    "could not receive data",
    "SSL connection has been closed",
];

/// What a database error means. Codes: <https://www.postgresql.org/docs/current/errcodes-appendix.html>; Diesel gives
/// the kinds that it knows, messages tell the rest.
pub fn translate(error: &DieselError) -> Error {
    // Without a statement of the models' own, names alone tell what is secret.
    translated(error, &|details, _| !details.contains(")=(") || names_only(details, |name| !names_secret(name)))
}

/// [`translate`] for a statement of the models: nothing in the error tells what a masked column holds.
pub fn translate_of(error: &DieselError, catalog: &Catalog, statement: &Statement<'_>) -> Error {
    let error = translated(error, &|details, table| may_tell(details, table, catalog, statement));
    secret::without_values(error, catalog, statement)
}

fn translated(error: &DieselError, may_tell: &dyn Fn(&str, Option<&str>) -> bool) -> Error {
    match error {
        DieselError::DatabaseError(kind, information) => known(*kind, information.as_ref(), may_tell),
        other => Error::new(ErrorKind::Database, other.to_string()),
    }
}

fn known(
    kind: DatabaseErrorKind,
    information: &(dyn DatabaseErrorInformation + Send + Sync),
    may_tell: &dyn Fn(&str, Option<&str>) -> bool,
) -> Error {
    let message = information.message().trim_end();
    let lost = LOST.iter().any(|words| message.contains(words));
    let kind = match kind {
        DatabaseErrorKind::UniqueViolation
        | DatabaseErrorKind::ForeignKeyViolation
        | DatabaseErrorKind::NotNullViolation
        | DatabaseErrorKind::CheckViolation
        | DatabaseErrorKind::RestrictViolation
        | DatabaseErrorKind::ExclusionViolation => ErrorKind::Constraint,
        DatabaseErrorKind::SerializationFailure => ErrorKind::Busy,
        DatabaseErrorKind::ClosedConnection => ErrorKind::Connection,
        DatabaseErrorKind::ReadOnlyTransaction => ErrorKind::Refused,
        _ if lost => ErrorKind::Connection,
        _ if message.contains("deadlock detected") || message.contains("restart transaction") => ErrorKind::Busy,
        _ if message.contains("canceling statement due to user request") => ErrorKind::Interrupted,
        _ if message.contains("canceling statement due to lock timeout") => ErrorKind::Busy,
        _ => ErrorKind::Database,
    };
    if kind == ErrorKind::Interrupted {
        return Error::new(kind, "interrupted");
    }
    let mut error = Error::new(kind, message);
    let told = |details: &&str| !details.is_empty() && may_tell(details, information.table_name());
    if let Some(details) = information.details().filter(told) {
        error = error.hint(details.to_owned());
    }
    if let Some(hint) = information.hint().filter(|hint| !hint.is_empty()) {
        error = error.hint(hint.to_owned());
    }
    if message.starts_with("relation ") && message.ends_with("does not exist") {
        error = error.hint("`db upgrade` creates the tables of the models, `.tables` lists those that are there");
    }
    error
}

/// The tables that a statement names, those of subqueries left out: what changes rows has none.
fn entities(statement: &Statement<'_>) -> Vec<EntityId> {
    match statement {
        Statement::Select(select) | Statement::Seen(select, _) => {
            let joined = select.from.joins.iter().map(|join| join.entity);
            std::iter::once(select.from.entity).chain(joined).collect()
        }
        Statement::Insert(insert) => vec![insert.entity],
        Statement::Update(update) => vec![update.entity],
        Statement::Delete(delete) => vec![delete.entity],
        Statement::Updates(set) | Statement::Deletes(set) => vec![set.entity],
    }
}

/// Whether the details of an error may be shown: they name columns that are not masked (`Key (username)=(john) ...`, in
/// whatever language), or the tables in question have no masked ones.
fn may_tell(details: &str, table: Option<&str>, catalog: &Catalog, statement: &Statement<'_>) -> bool {
    let said = catalog.iter().find(|(_, entity)| Some(entity.table.as_str()) == table).map(|(id, _)| id);
    let masked: Vec<&str> = entities(statement)
        .into_iter()
        .chain(said)
        .flat_map(|id| &catalog.get(id).columns)
        .filter(|column| column.masked)
        .map(|column| column.name.as_str())
        .collect();
    masked.is_empty() || names_only(details, |word| !masked.contains(&word))
}

/// Whether details begin with names of columns, each of which may be told.
fn names_only(details: &str, may: impl Fn(&str) -> bool) -> bool {
    let Some((before, _)) = details.split_once(")=(") else { return false };
    let names = before.split_once('(').map_or("", |(_, names)| names);
    let word = |c: char| !(c.is_alphanumeric() || c == '_');
    names.split(word).filter(|name| !name.is_empty()).all(may)
}

#[cfg(test)]
mod tests {
    use super::names_only;

    #[test]
    fn details_name_the_columns_that_they_tell_of() {
        let may = |details| names_only(details, |name| name != "token");
        assert!(may("Key (username)=(john) already exists."));
        assert!(may("Schlüssel »(username, id)=(john, 1)« existiert bereits."));
        assert!(!may("Key (lower(token::text))=(abc) already exists."));
        assert!(!may("Key (id, token)=(1, abc) already exists."));
        assert!(!may("Failing row contains (1, abc)."));
    }
}
