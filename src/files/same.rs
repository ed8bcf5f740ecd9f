//! Whether two names mean one file: hard links, links and detours included.

use std::path::{Path, PathBuf};

/// How many links are followed from a name to a file that is not there yet, as the system does.
const LINKS: usize = 40;

/// Whether a path leads to one of these files, or would make one of them where it is not there yet.
#[must_use]
pub fn is_one_of(path: &Path, files: &[PathBuf]) -> bool {
    let (place, identity) = (place(path), identity(path));
    files.iter().any(|file| {
        let known = self::identity(file);
        (known.is_some() && known == identity) || self::place(file) == place
    })
}

/// Where a path leads, also if nothing is there yet.
fn place(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        if let Ok(real) = std::fs::canonicalize(&path) {
            return real;
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        let Ok(link) = std::fs::read_link(&path) else {
            let folder = std::fs::canonicalize(&folder).unwrap_or(folder);
            return path.file_name().map_or_else(|| folder.clone(), |name| folder.join(name));
        };
        path = folder.join(link);
    }
    path
}

#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::is_one_of;
    use std::os::unix::fs::symlink;

    #[test]
    fn every_name_of_a_file_is_known() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("shop.db"), "x").expect("it can be written");
        std::fs::create_dir(at("sub")).expect("it can be made");
        symlink(at("shop.db"), at("link")).expect("it can be linked");
        symlink("shop.db-wal", at("dangling")).expect("it can be linked");
        std::fs::hard_link(at("shop.db"), at("hard")).expect("it can be linked");
        let files = [at("shop.db"), at("shop.db-wal")];
        for name in ["shop.db", "link", "hard", "sub/../shop.db", "shop.db-wal", "dangling", "sub/../shop.db-wal"] {
            assert!(is_one_of(&at(name), &files), "{name}");
        }
        for name in ["other.db", "sub/shop.db", "shop.db-journal"] {
            assert!(!is_one_of(&at(name), &files), "{name}");
        }
    }
}
