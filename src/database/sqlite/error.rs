//! Diesel's errors in the shell's words.

use crate::{Error, ErrorKind};
use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What a database error means.
pub fn translate(error: &DieselError) -> Error {
    match error {
        DieselError::DatabaseError(kind, information) => {
            let message = information.message();
            let kind = match kind {
                DatabaseErrorKind::UniqueViolation
                | DatabaseErrorKind::ForeignKeyViolation
                | DatabaseErrorKind::NotNullViolation
                | DatabaseErrorKind::CheckViolation
                | DatabaseErrorKind::RestrictViolation
                | DatabaseErrorKind::ExclusionViolation => ErrorKind::Constraint,
                DatabaseErrorKind::SerializationFailure => ErrorKind::Busy,
                DatabaseErrorKind::ClosedConnection => ErrorKind::Connection,
                _ if message.contains("is locked") => ErrorKind::Busy,
                _ if message == "interrupted" => ErrorKind::Interrupted,
                _ => ErrorKind::Database,
            };
            let error = Error::new(kind, message);
            if message.starts_with("no such table") {
                return error
                    .hint("`db upgrade` creates the tables of the models, `.tables` lists those that are there");
            }
            if kind == ErrorKind::Busy {
                return error.hint("another program is writing to this database; try again");
            }
            error
        }
        other => Error::new(ErrorKind::Database, other.to_string()),
    }
}
