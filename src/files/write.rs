//! Writing files that only their owner may read, where nobody else can have laid a trap.

use super::owner::belongs_to_other;
use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Opens a file to be written from its beginning. A plain file can only be read by its owner from then on, also where it
/// was there before.
///
/// # Errors
/// When it cannot be opened, or it or a link to it belongs to somebody else.
pub fn open_private(path: &Path) -> Result<File> {
    let link = std::fs::symlink_metadata(path);
    if link.is_ok_and(|link| link.is_symlink() && belongs_to_other(&link) && !super::is_trusted(&link)) {
        return Err(Error::new(ErrorKind::PermissionDenied, "it is a link that somebody else has made"));
    }
    let mut options = OpenOptions::new();
    // Emptied only once it is known whose it is.
    options.write(true).create(true).truncate(false);
    let file = private(&mut options).open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        if belongs_to_other(&metadata) {
            return Err(Error::new(ErrorKind::PermissionDenied, "it belongs to somebody else"));
        }
        restrict(&file)?;
        file.set_len(0)?;
    }
    Ok(file)
}

/// Opens a file of the shell's own, with what is in it. Only its owner may read it from then on.
///
/// # Errors
/// When it cannot be opened, is no plain file of this user's, or is longer than `most` bytes.
pub fn open_own(path: &Path, most: u64) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    flags(&mut options, rustix::fs::OFlags::empty());
    let file = private(&mut options).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || belongs_to_other(&metadata) {
        return Err(Error::new(ErrorKind::PermissionDenied, "it is no plain file of yours"));
    }
    if metadata.len() > most {
        return Err(Error::new(ErrorKind::InvalidData, format!("it is longer than {most} bytes")));
    }
    restrict(&file)?;
    Ok(file)
}

/// A file under a random name that takes another one's place when it is whole. Gone if it never does.
pub struct Replacement {
    file: tempfile::NamedTempFile,
    path: PathBuf,
}

impl Replacement {
    /// A new file in the same folder, which only its owner may read.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn of(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = tempfile::Builder::new().prefix(".diesel-shell-").suffix(".part").tempfile_in(folder)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// A second handle, to write with.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn handle(&self) -> Result<File> {
        self.file.as_file().try_clone()
    }

    /// Takes the place of the file that was meant. Gives the file, which goes by that name now.
    ///
    /// # Errors
    /// When the system refuses; what was there is still there then.
    pub fn take_place(self) -> Result<File> {
        self.file.persist(&self.path).map_err(|failed| failed.error)
    }
}

/// Opens a file to read and to write, which is made where it is not there; a link is not followed.
///
/// # Errors
/// When it cannot be opened, or is a link.
pub fn lock(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    flags(&mut options, rustix::fs::OFlags::NOFOLLOW);
    private(&mut options).open(path)
}

/// Never waits for the other end of a pipe.
#[cfg(unix)]
fn flags(options: &mut OpenOptions, more: rustix::fs::OFlags) {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY | more;
    options.custom_flags(flags.bits().cast_signed());
}

/// Makes a folder that only its owner may use, and those above it, where they are not there yet.
///
/// # Errors
/// When it cannot be made.
pub fn private_folder(folder: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn private(options: &mut OpenOptions) -> &OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(unix)]
fn restrict(file: &File) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
fn restrict(_: &File) -> Result<()> {
    Ok(())
}
