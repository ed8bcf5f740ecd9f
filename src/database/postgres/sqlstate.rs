//! What the server says of an error beside its text: the SQLSTATE, and whether the connection ended with it. The text is
//! in the server's language (`lc_messages`) and says nothing to a program; Diesel reads a few codes and keeps the rest.

#![allow(unsafe_code, reason = "Diesel keeps libpq's result in its error and does not hand it out")]

use diesel::result::DatabaseErrorInformation;
use pq_sys::{PGresult, PQresultErrorField};
use std::ffi::{CStr, c_int};

/// The fields of an error: <https://www.postgresql.org/docs/current/protocol-error-fields.html>.
const SEVERITY: u8 = b'V';
/// The same in the server's language; whoever is not PostgreSQL may say only this, in English.
const TOLD: u8 = b'S';
const CODE: u8 = b'C';

/// What libpq holds of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The SQLSTATE; none where libpq itself found the error, which is when the connection is gone.
    pub code: Option<[u8; 5]>,
    /// The server ended the connection with it.
    pub fatal: bool,
}

/// What libpq holds of an error that Diesel gave; none where it is Diesel's own.
pub fn report(information: &(dyn DatabaseErrorInformation + Send + Sync)) -> Option<Report> {
    type Result = *const PGresult;
    // Diesel has two sorts of these: its own text, a `String`, and a struct whose one field is libpq's result.
    if size_of_val(information) != size_of::<Result>() || align_of_val(information) != align_of::<Result>() {
        return None;
    }
    // SAFETY: by its size this is `PgErrorInformation { result: RawResult(NonNull<PGresult>) }` of the versions of Diesel
    // that Cargo.toml admits, which has nothing beside the pointer; the result lives as long as the error is borrowed.
    let result = unsafe { std::ptr::from_ref(information).cast::<Result>().read_unaligned() };
    let field = |name: u8| -> Option<&[u8]> {
        // SAFETY: `result` is alive; libpq gives a text that is part of it, or null, and changes nothing.
        let text = unsafe { PQresultErrorField(result, c_int::from(name)) };
        // SAFETY: not null, and ended by a zero as all texts of libpq.
        (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
    };
    Some(Report {
        code: field(CODE).and_then(|code| code.try_into().ok()),
        fatal: matches!(field(SEVERITY).or_else(|| field(TOLD)), Some(b"FATAL" | b"PANIC")),
    })
}

#[cfg(test)]
mod tests {
    use super::report;

    #[test]
    fn texts_of_diesels_own_have_no_code() {
        assert_eq!(report(&String::from("Received an empty query")), None);
    }
}
