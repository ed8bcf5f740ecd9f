//! Files that results are written to: never the open database.

use super::Context;
use crate::{Error, ErrorKind, Result, files};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What SQLite keeps beside a database's file: <https://www.sqlite.org/tempfiles.html>.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// An error about a file that cannot be written.
pub fn failed(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(ErrorKind::Io, format!("cannot write to {}: {cause}", path.display()))
}

/// Makes sure that a path does not lead to the open database, or to what is kept beside it, by whatever name.
///
/// # Errors
/// `Refused` where it does; the database's own.
pub fn spares_database(path: &Path, context: &mut Context) -> Result<()> {
    let databases = context.session.store().files()?;
    let own: Vec<PathBuf> = databases
        .iter()
        .flat_map(|file| {
            BESIDE.iter().map(move |ending| {
                let mut name = file.as_os_str().to_owned();
                name.push(ending);
                PathBuf::from(name)
            })
        })
        .collect();
    if files::is_one_of(path, &own) {
        return Err(Error::new(ErrorKind::Refused, format!("{} belongs to the open database", path.display()))
            .hint("results go to another file"));
    }
    Ok(())
}

/// Opens a file for results, from its beginning.
///
/// # Errors
/// As [`spares_database`], and `Io`.
pub fn open(path: &Path, context: &mut Context) -> Result<File> {
    spares_database(path, context)?;
    files::open_private(path).map_err(|cause| failed(path, &cause))
}
