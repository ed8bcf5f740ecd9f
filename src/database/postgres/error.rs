//! PostgreSQL's errors in the shell's words, by what their code says and never by their text.

use super::sqlstate::{self, Report};
use crate::database::secret;
use crate::model::secret::names_secret;
use crate::model::{Catalog, EntityId};
use crate::plan::query::Statement;
use crate::{Error, ErrorKind};
use diesel::result::{DatabaseErrorInformation, DatabaseErrorKind, Error as DieselError};

/// What libpq says, which it breaks into lines for a screen of its own.
pub fn one_line(text: &str) -> String {
    text.trim_end().replace("\n\t", " ").replace('\n', "; ")
}

/// What a database error means.
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

/// What sort of error a code means: <https://www.postgresql.org/docs/current/errcodes-appendix.html>.
fn kind_of(report: &Report) -> ErrorKind {
    let Some(code) = &report.code else { return ErrorKind::Connection };
    match code {
        _ if report.fatal => ErrorKind::Connection,
        // Serialization failure, deadlock, lock not available: all go away by themselves.
        b"40001" | b"40P01" | b"55P03" => ErrorKind::Busy,
        // The server does not know what became of the statement, or is about to end the connection.
        b"40003" | b"57P01" | b"57P02" | b"57P03" | b"57P05" | b"25P03" => ErrorKind::Connection,
        b"57014" => ErrorKind::Interrupted,
        // A write where only reading is allowed.
        b"25006" => ErrorKind::Refused,
        _ if code.starts_with(b"23") => ErrorKind::Constraint,
        _ => ErrorKind::Database,
    }
}

fn known(
    kind: DatabaseErrorKind,
    information: &(dyn DatabaseErrorInformation + Send + Sync),
    may_tell: &dyn Fn(&str, Option<&str>) -> bool,
) -> Error {
    let report = sqlstate::report(information);
    let kind = match (&report, kind) {
        (Some(report), _) => kind_of(report),
        // What could not even be sent.
        (None, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand) => ErrorKind::Connection,
        (None, _) => ErrorKind::Database,
    };
    let code = report.as_ref().and_then(|report| report.code);
    // libpq indents the second line of its own errors, which another server may hand on.
    let said = information.message().trim_end().replace("\n\t", "\n");
    let mut error = match (said.as_str(), code) {
        ("", _) => Error::new(kind, "the server does not say what is wrong"),
        (said, None) => Error::new(kind, one_line(said)),
        (said, Some(_)) => Error::new(kind, said),
    };
    error.code = code;
    let told = |details: &&str| !details.is_empty() && may_tell(details, information.table_name());
    if let Some(details) = information.details().filter(told) {
        error = error.hint(details.to_owned());
    }
    if let Some(hint) = information.hint().filter(|hint| !hint.is_empty()) {
        error = error.hint(hint.to_owned());
    }
    match code.as_ref().map(|code| &code[..]) {
        Some(b"42P01") => {
            error.hint("`db upgrade` creates the tables of the models, `.tables` lists those that are there")
        }
        Some(code) if code.starts_with(b"08") && kind == ErrorKind::Database => error.hint(
            "the connection to this server is fine: a server behind it, as a node of a distributed table, is not in reach",
        ),
        _ => error,
    }
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
        Statement::Bulk(bulk) => vec![bulk.entity()],
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
    use super::{ErrorKind, Report, kind_of, names_only};

    #[test]
    fn a_code_says_what_may_be_tried_again() {
        let of = |code: &str, fatal| kind_of(&Report { code: code.as_bytes().try_into().ok(), fatal });
        for code in ["40001", "40P01", "55P03"] {
            assert_eq!(of(code, false), ErrorKind::Busy, "{code}");
        }
        for code in ["23505", "23503", "23502", "23514", "23P01", "23001"] {
            assert_eq!(of(code, false), ErrorKind::Constraint, "{code}");
        }
        assert_eq!(of("57014", false), ErrorKind::Interrupted);
        assert_eq!(of("57P01", true), ErrorKind::Connection);
        assert_eq!(of("28P01", true), ErrorKind::Connection);
        assert_eq!(kind_of(&Report { code: None, fatal: false }), ErrorKind::Connection);
    }

    #[test]
    fn a_node_behind_the_server_is_not_the_connection() {
        assert_eq!(kind_of(&Report { code: Some(*b"08006"), fatal: false }), ErrorKind::Database);
        assert_eq!(kind_of(&Report { code: Some(*b"08006"), fatal: true }), ErrorKind::Connection);
    }

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
