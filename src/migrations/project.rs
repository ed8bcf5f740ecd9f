//! A folder with a diesel.toml: where its migrations are, and where its `schema.rs` is. As diesel_cli has it:
//! <https://docs.rs/diesel_cli/latest/diesel_cli/> and <https://diesel.rs/guides/configuring-diesel-cli>.

use crate::model::definition::Dialect;
use crate::store::{Script, Store};
use crate::{Error, ErrorKind, Result, files};
use std::path::{Path, PathBuf};

/// How long a diesel.toml may be, in bytes.
const LONGEST: u64 = 1 << 20;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// The folder that diesel.toml lies in.
    pub root: PathBuf,
    /// The folder of migrations.
    pub migrations: PathBuf,
    /// The file with `table!`, where one is named and there.
    pub schema: Option<PathBuf>,
}

fn failed(what: &str, path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("cannot {what} {}: {cause}", path.display()))
}

impl Project {
    /// The project that a folder is in: the nearest diesel.toml, as far up as [`files::upward`] goes.
    ///
    /// # Errors
    /// `Io` and `Usage` when there is one and it cannot be read.
    pub fn find(folder: &Path) -> Result<Option<Self>> {
        match files::upward(folder).iter().find(|folder| folder.join("diesel.toml").is_file()) {
            Some(root) => Self::read(root).map(Some),
            None => Ok(None),
        }
    }

    /// The project of a folder that has a diesel.toml.
    ///
    /// # Errors
    /// `Io` when it cannot be read, `Usage` when it is no TOML.
    pub fn read(root: &Path) -> Result<Self> {
        let file = root.join("diesel.toml");
        if !file.is_file() {
            return Err(Error::new(ErrorKind::Usage, format!("there is no {}", file.display()))
                .hint("`db init` in that folder, or `diesel setup`, makes one"));
        }
        let text = files::read_text(&file, LONGEST).map_err(|cause| failed("read", &file, &cause))?;
        let config: toml::Table = toml::from_str(&text).map_err(|cause| {
            Error::new(ErrorKind::Usage, format!("{} is not as it should be: {cause}", file.display()))
        })?;
        let named = |section: &str, key: &str| config.get(section)?.get(key)?.as_str().map(|path| root.join(path));
        Ok(Self {
            migrations: named("migrations_directory", "dir").unwrap_or_else(|| root.join("migrations")),
            schema: named("print_schema", "file").filter(|path| path.is_file()),
            root: root.to_owned(),
        })
    }

    /// The migrations for a dialect. Where the folder is named after the other one and has a sibling named after this
    /// one, that is meant: a project for two databases.
    #[must_use]
    pub fn folder(&self, dialect: Dialect) -> PathBuf {
        let named = self.migrations.file_name().and_then(|name| name.to_str());
        if matches!(named, Some("sqlite" | "postgres")) {
            let sibling = self.migrations.with_file_name(dialect.folder());
            if sibling.is_dir() {
                return sibling;
            }
        }
        self.migrations.clone()
    }

    /// Lets a store work with this project's migrations; false where it has no folder of them.
    pub fn attach(&self, store: &mut dyn Store) -> bool {
        let folder = self.folder(store.facts().dialect);
        let there = folder.is_dir();
        if there {
            store.set_folder(&folder);
        }
        there
    }
}

/// Begins a project in a folder: diesel.toml, and a folder of migrations with those that there are.
///
/// # Errors
/// `Refused` where there is a diesel.toml already; `Io` when nothing can be written.
pub fn init(root: &Path, scripts: &[Script]) -> Result<Project> {
    let file = root.join("diesel.toml");
    if file.exists() {
        return Err(Error::new(ErrorKind::Refused, format!("there is a {} already", file.display()))
            .hint("`db revision \"message\"` begins a migration"));
    }
    let folder = root.join("migrations");
    std::fs::create_dir_all(&folder).map_err(|cause| failed("make", &folder, &cause))?;
    // Git keeps no empty folders.
    write(&folder.join(".keep"), "")?;
    for script in scripts {
        let (Some(up), place) = (&script.up, folder.join(&script.name)) else { continue };
        if place.exists() {
            continue;
        }
        std::fs::create_dir(&place).map_err(|cause| failed("make", &place, &cause))?;
        write(&place.join("up.sql"), up)?;
        if let Some(down) = &script.down {
            write(&place.join("down.sql"), down)?;
        }
        if !script.transaction {
            write(&place.join("metadata.toml"), "run_in_transaction = false\n")?;
        }
    }
    write(
        &file,
        "# For documentation on how to configure this file, see https://diesel.rs/guides/configuring-diesel-cli\n\n\
        [print_schema]\nfile = \"src/schema.rs\"\n\n[migrations_directory]\ndir = \"migrations\"\n",
    )?;
    Project::read(root)
}

/// Writes a migration: its folder, up.sql and down.sql. The version is the time with a number behind it, as diesel_cli
/// makes it, and always after the newest that there is.
///
/// # Errors
/// `Invalid` for a message without a letter; `Io` when it cannot be written.
pub fn write_revision(
    folder: &Path,
    message: &str,
    now: chrono::NaiveDateTime,
    up: &str,
    down: &str,
) -> Result<PathBuf> {
    let mut slug = String::new();
    for c in message.chars().flat_map(char::to_lowercase) {
        if c.is_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    let slug = slug.trim_end_matches('_');
    if slug.is_empty() {
        return Err(Error::invalid("a message needs a letter in it: it becomes the folder's name"));
    }
    let entries = std::fs::read_dir(folder).map_err(|cause| failed("read", folder, &cause))?;
    let names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    let version = |name: &str| name.split('_').next().unwrap_or_default().replace('-', "");
    let newest = names.iter().map(|name| version(name)).filter(|v| v.chars().all(|c| c.is_ascii_digit())).max();
    // A clock that stands still, or behind the last migration, must not put the new one before it.
    let mut time = now;
    let name = loop {
        let stamp = time.format("%Y-%m-%d-%H%M%S");
        let free = (0..=u16::MAX).map(|number| format!("{stamp}-{number:04x}")).find(|candidate| {
            let own = version(candidate);
            newest.as_ref().is_none_or(|newest| own > *newest)
        });
        match free {
            Some(free) => break format!("{free}_{slug}"),
            None if time > now + chrono::TimeDelta::days(366 * 50) => {
                return Err(Error::invalid(format!("no version can follow {}", newest.unwrap_or_default())));
            }
            None => time += chrono::TimeDelta::days(1),
        }
    };
    let place = folder.join(&name);
    std::fs::create_dir(&place).map_err(|cause| failed("make", &place, &cause))?;
    let written = write(&place.join("up.sql"), up).and_then(|()| write(&place.join("down.sql"), down));
    if let Err(error) = written {
        // Half a migration is worse than none.
        let _ = std::fs::remove_dir_all(&place);
        return Err(error);
    }
    Ok(place)
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|cause| failed("write", path, &cause))
}
