//! Whose a file is. Other users of the machine are not trusted; root could do anything anyhow.

use std::fs::Metadata;

/// Whether a file belongs to this user or to root, so that what stands in it may be believed.
#[cfg(unix)]
#[must_use]
pub fn is_trusted(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.uid() == 0 || !belongs_to_other(metadata)
}

/// Whether a file belongs to somebody else.
#[cfg(unix)]
#[must_use]
pub fn belongs_to_other(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    metadata.uid() != rustix::process::geteuid().as_raw()
}

/// Whether a file belongs to this user, and nobody else can read or write it.
#[cfg(unix)]
#[must_use]
pub fn is_private(metadata: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let of_others = metadata.mode() & 0o077;
    !belongs_to_other(metadata) && of_others == 0
}

/// Where files have no numbered owners, the system's own rights decide.
#[cfg(not(unix))]
#[must_use]
pub fn is_trusted(_: &Metadata) -> bool {
    true
}

/// Where files have no numbered owners, the system's own rights decide.
#[cfg(not(unix))]
#[must_use]
pub fn belongs_to_other(_: &Metadata) -> bool {
    false
}

/// Where files have no numbered owners, the system's own rights decide.
#[cfg(not(unix))]
#[must_use]
pub fn is_private(_: &Metadata) -> bool {
    true
}
