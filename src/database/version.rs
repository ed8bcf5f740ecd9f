//! The versions of what is built in.

/// The backends with their versions: `SQLite 3.51.3, libpq 18.1`.
#[must_use]
pub fn backends() -> String {
    let sqlite = format!("SQLite {}", libsqlite3_sys::SQLITE_VERSION.to_string_lossy());
    #[cfg(feature = "postgres")]
    return format!("{sqlite}, libpq {}", libpq());
    #[cfg(not(feature = "postgres"))]
    sqlite
}

/// libpq tells its version as one number, major version times 10,000
/// (<https://www.postgresql.org/docs/current/libpq-misc.html#LIBPQ-PQLIBVERSION>).
#[cfg(feature = "postgres")]
#[allow(unsafe_code, reason = "PQlibVersion has no safe wrapper")]
fn libpq() -> String {
    // SAFETY: the function takes nothing, and gives a number that is part of the library.
    let number = unsafe { pq_sys::PQlibVersion() };
    // The bundled source numbers as before version 10, with the minor version in the hundreds, which no minor version is.
    let minor = if number % 10_000 < 100 { number % 100 } else { number % 10_000 / 100 };
    format!("{}.{minor}", number / 10_000)
}
