//! What SQLite's C interface can do for safety and Diesel has no door to: an authorizer that every statement passes while it
//! is compiled (<https://www.sqlite.org/c3ref/set_authorizer.html>), the switches against hostile schemas
//! (<https://www.sqlite.org/security.html>), and what a statement is before it runs.

#![allow(unsafe_code, reason = "the authorizer and the compiler of statements have no safe wrapper")]

use super::interrupt::Handle;
use crate::{Error, ErrorKind, Result};
use libsqlite3_sys as ffi;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

/// What a connection's statements may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Read, and use temporary tables.
    Reading,
    /// Anything within the database itself: no other file, no setting.
    Scratch,
    /// Anything that can be taken back: no other file, and nothing of how the file itself is kept.
    Sandbox,
}

/// What a statement is, by SQLite's own word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// It does not write to the database.
    pub reads: bool,
    /// It begins, ends or marks a transaction.
    pub control: bool,
    /// Behind it stands another one.
    pub more: bool,
}

/// Pragmas that say something when they are given a name, and change nothing.
const ASKING: [&str; 13] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "foreign_key_check",
    "integrity_check",
    "quick_check",
    "function_list",
    "pragma_list",
    "collation_list",
];

/// Pragmas that do something without being given anything.
const DOING: [&str; 4] = ["wal_checkpoint", "incremental_vacuum", "optimize", "shrink_memory"];

/// Pragmas that change how the file itself is kept, in no transaction.
const KEEPING: [&str; 1] = ["journal_mode"];

/// Databases that are no file: <https://www.sqlite.org/lang_attach.html>.
const FILELESS: [&str; 2] = ["", ":memory:"];

/// Functions that load code or touch files, where a build has them.
const FOREIGN: [&str; 6] = ["load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zipfile"];

/// What the authorizer is given: the guard, and a place to say what it saw.
struct Rules {
    guard: Option<Guard>,
    control: AtomicBool,
}

static READING: Rules = Rules { guard: Some(Guard::Reading), control: AtomicBool::new(false) };
static SCRATCH: Rules = Rules { guard: Some(Guard::Scratch), control: AtomicBool::new(false) };
static SANDBOX: Rules = Rules { guard: Some(Guard::Sandbox), control: AtomicBool::new(false) };

/// Lets only what a guard allows be compiled on a connection, from now on.
pub fn set(handle: &Handle, guard: Guard) {
    handle.with(|connection| install(connection, standing(Some(guard))));
}

const fn standing(guard: Option<Guard>) -> Option<&'static Rules> {
    match guard {
        Some(Guard::Reading) => Some(&READING),
        Some(Guard::Scratch) => Some(&SCRATCH),
        Some(Guard::Sandbox) => Some(&SANDBOX),
        None => None,
    }
}

/// The caller sees to it that the rules live for as long as they are installed.
fn install(connection: *mut ffi::sqlite3, rules: Option<&Rules>) {
    let (callback, given) = match rules {
        Some(rules) => (Some(authorize as Authorizer), std::ptr::from_ref(rules).cast_mut().cast::<c_void>()),
        None => (None, null_mut()),
    };
    // SAFETY: the connection is open, the callback has the form that SQLite calls, and the rules outlive it.
    unsafe { ffi::sqlite3_set_authorizer(connection, callback, given) };
}

/// Tells a connection to distrust the schema of the file: it cannot be edited as text, and its views, triggers, checks and
/// defaults call no function that has side effects.
pub fn distrust(handle: &Handle) {
    handle.with(|connection| {
        for (option, on) in [(ffi::SQLITE_DBCONFIG_DEFENSIVE, 1), (ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)] {
            // SAFETY: the connection is open; both options take an int and a pointer that may be null.
            unsafe { ffi::sqlite3_db_config(connection, option, on as c_int, null_mut::<c_int>()) };
        }
    });
}

/// Compiles the first statement of a text without running it, under the guard that stands. None where the connection's
/// handle is not known, since an application opened it.
///
/// # Errors
/// What SQLite says of a text that it cannot compile, or may not.
pub fn inspect(handle: &Handle, guard: Option<Guard>, sql: &str) -> Result<Option<Nature>> {
    let text = CString::new(sql).map_err(|_| Error::invalid("a statement cannot have a NUL in it"))?;
    let compiled = handle.with(|connection| {
        let rules = Rules { guard, control: AtomicBool::new(false) };
        install(connection, Some(&rules));
        let mut statement = null_mut();
        let mut tail: *const c_char = null();
        // SAFETY: the connection is open and the text ends in NUL; both pointers are ours to be written to.
        let code = unsafe { ffi::sqlite3_prepare_v2(connection, text.as_ptr(), -1, &raw mut statement, &raw mut tail) };
        // SAFETY: SQLite gives a text that ends in NUL and lives until the next call on this connection.
        let message = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(connection)) }.to_string_lossy().into_owned();
        // SAFETY: a statement that was just compiled, or null, of which both calls say and do nothing.
        let reads = unsafe {
            let reads = ffi::sqlite3_stmt_readonly(statement) != 0;
            ffi::sqlite3_finalize(statement);
            reads
        };
        install(connection, standing(guard));
        if code != ffi::SQLITE_OK {
            return Err(Error::new(ErrorKind::Database, message));
        }
        // SAFETY: where it is set the tail points into the text, which ends in NUL.
        let behind = if tail.is_null() { &[][..] } else { unsafe { CStr::from_ptr(tail) }.to_bytes() };
        Ok(Nature { reads, control: rules.control.into_inner(), more: !is_blank(behind) })
    });
    compiled.transpose()
}

/// Whether nothing stands there but blanks, comments and semicolons, as SQLite has them
/// (<https://www.sqlite.org/lang_comment.html>).
fn is_blank(mut text: &[u8]) -> bool {
    loop {
        text = match text {
            [] => return true,
            [b' ' | b'\t' | b'\n' | b'\r' | b'\x0c' | b';', rest @ ..] => rest,
            [b'-', b'-', rest @ ..] => memchr::memchr(b'\n', rest).map_or(&[], |end| &rest[end..]),
            [b'/', b'*', rest @ ..] => memchr::memmem::find(rest, b"*/").map_or(&[], |end| &rest[end + 2..]),
            _ => return false,
        };
    }
}

type Authorizer =
    unsafe extern "C" fn(*mut c_void, c_int, *const c_char, *const c_char, *const c_char, *const c_char) -> c_int;

unsafe extern "C" fn authorize(
    rules: *mut c_void,
    action: c_int,
    first: *const c_char,
    second: *const c_char,
    database: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    // SAFETY: whoever installed this callback gave it rules that live for as long.
    let Some(rules) = (unsafe { rules.cast::<Rules>().as_ref() }) else { return ffi::SQLITE_DENY };
    let text = |text: *const c_char| {
        // SAFETY: SQLite gives texts that end in NUL, or null.
        if text.is_null() { None } else { unsafe { CStr::from_ptr(text) }.to_str().ok() }
    };
    if matches!(action, ffi::SQLITE_TRANSACTION | ffi::SQLITE_SAVEPOINT) {
        rules.control.store(true, Ordering::Relaxed);
    }
    match rules.guard {
        Some(guard) if !allows(guard, action, text(first), text(second), text(database)) => ffi::SQLITE_DENY,
        _ => ffi::SQLITE_OK,
    }
}

/// What the texts mean for each action: <https://www.sqlite.org/c3ref/c_alter_table.html>.
fn allows(guard: Guard, action: c_int, first: Option<&str>, second: Option<&str>, database: Option<&str>) -> bool {
    let known = |list: &[&str], name: Option<&str>| {
        name.is_some_and(|name| list.iter().any(|known| known.eq_ignore_ascii_case(name)))
    };
    match action {
        ffi::SQLITE_SELECT
        | ffi::SQLITE_READ
        | ffi::SQLITE_RECURSIVE
        | ffi::SQLITE_TRANSACTION
        | ffi::SQLITE_SAVEPOINT => true,
        ffi::SQLITE_FUNCTION => !known(&FOREIGN, second),
        ffi::SQLITE_PRAGMA if guard == Guard::Sandbox => {
            !known(&DOING, first) && (second.is_none() || !known(&KEEPING, first))
        }
        ffi::SQLITE_ATTACH if guard == Guard::Sandbox => known(&FILELESS, first),
        _ if guard == Guard::Sandbox => true,
        ffi::SQLITE_PRAGMA => known(&ASKING, first) || (second.is_none() && !known(&DOING, first)),
        ffi::SQLITE_ATTACH | ffi::SQLITE_DETACH | ffi::SQLITE_CREATE_VTABLE => false,
        ffi::SQLITE_CREATE_TEMP_TABLE
        | ffi::SQLITE_CREATE_TEMP_INDEX
        | ffi::SQLITE_CREATE_TEMP_VIEW
        | ffi::SQLITE_DROP_TEMP_TABLE
        | ffi::SQLITE_DROP_TEMP_INDEX
        | ffi::SQLITE_DROP_TEMP_VIEW => true,
        // Making an index says REINDEX too.
        ffi::SQLITE_INSERT | ffi::SQLITE_UPDATE | ffi::SQLITE_DELETE | ffi::SQLITE_REINDEX
            if database == Some("temp") =>
        {
            true
        }
        _ => guard == Guard::Scratch,
    }
}

#[cfg(test)]
mod tests {
    use super::is_blank;

    #[test]
    fn what_is_no_statement() {
        for blank in ["", " ;\n; ", "-- a; b", "/* x */ ;", "/* never closed", "--\n/**/"] {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for more in ["x", "; delete", "-- a\nb", "/* a */ b", "- 1", "/"] {
            assert!(!is_blank(more.as_bytes()), "{more:?}");
        }
    }
}
