//! The folders that a person's project may reach up to.

use std::path::{Path, PathBuf};

/// A folder and those above it that may say something about it, nearest first: up to the one with a `.git`, and no
/// further than where a folder belongs to somebody else than the first, or everybody may write.
#[must_use]
pub fn upward(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let first = std::fs::metadata(folder).ok();
    for (index, folder) in folder.ancestors().filter(|folder| !folder.as_os_str().is_empty()).enumerate() {
        if index > 0 && !std::fs::metadata(folder).is_ok_and(|metadata| is_trustworthy(&metadata, first.as_ref())) {
            break;
        }
        found.push(folder.to_owned());
        if folder.join(".git").exists() {
            break;
        }
    }
    found
}

#[cfg(unix)]
fn is_trustworthy(above: &std::fs::Metadata, first: Option<&std::fs::Metadata>) -> bool {
    use std::os::unix::fs::MetadataExt;
    let everybody = above.mode() & 0o002 != 0;
    !everybody && first.is_some_and(|first| first.uid() == above.uid())
}

#[cfg(not(unix))]
fn is_trustworthy(_: &std::fs::Metadata, _: Option<&std::fs::Metadata>) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::upward;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_way_up_ends_at_the_project_and_where_everybody_writes() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let root = std::fs::canonicalize(folder.path()).expect("it is there");
        let deep = root.join("a/b/c");
        std::fs::create_dir_all(&deep).expect("it can be made");
        // The temporary folder itself lies in one that everybody may write to.
        assert_eq!(upward(&deep), [deep.clone(), root.join("a/b"), root.join("a"), root.clone()]);
        std::fs::create_dir(root.join("a/.git")).expect("it can be made");
        assert_eq!(upward(&deep), [deep.clone(), root.join("a/b"), root.join("a")]);
        std::fs::set_permissions(root.join("a/b"), std::fs::Permissions::from_mode(0o777)).expect("it is ours");
        assert_eq!(upward(&deep), std::slice::from_ref(&deep));
        // A person may well be in such a folder.
        assert_eq!(upward(&root.join("a/b")), [root.join("a/b"), root.join("a")]);
    }
}
