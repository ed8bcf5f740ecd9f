//! PostgreSQL's errors in the shell's words.

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
    match error {
        DieselError::DatabaseError(kind, information) => known(*kind, information.as_ref()),
        other => Error::new(ErrorKind::Database, other.to_string()),
    }
}

fn known(kind: DatabaseErrorKind, information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Error {
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
    if let Some(details) = information.details().filter(|details| !details.is_empty()) {
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
