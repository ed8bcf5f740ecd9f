//! Reading a small file whole: never from a pipe or device that would not end, and never more than it may be long.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Error, ErrorKind, Read as _, Result};
use std::path::Path;

/// The bytes of a plain file, and what is known of it.
///
/// # Errors
/// When it cannot be read, is no plain file, or is longer than `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<(Vec<u8>, Metadata)> {
    let file = open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "it is no plain file"));
    }
    let mut bytes = Vec::new();
    // One byte more than it may have: it may grow while it is read.
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is longer than {most} bytes")));
    }
    Ok((bytes, metadata))
}

/// The text of a plain file.
///
/// # Errors
/// As [`read`], and when it is no UTF-8.
pub fn read_text(path: &Path, most: u64) -> Result<String> {
    let (bytes, _) = read(path, most)?;
    String::from_utf8(bytes).map_err(|_| Error::new(ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(unix)]
fn open(path: &Path) -> Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    // A pipe that nobody writes to is opened without waiting; a terminal does not become ours.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).open(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::read;

    #[test]
    fn only_plain_files_of_a_known_length_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "12345").expect("it can be written");
        assert_eq!(read(&plain, 5).expect("it is short").0, b"12345");
        assert!(read(&plain, 4).is_err());
        assert!(read(folder.path(), 4).is_err());
        assert!(read(std::path::Path::new("/dev/zero"), 4).is_err());
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
        // Does not wait for a writer.
        assert!(read(&pipe, 4).is_err());
    }
}
