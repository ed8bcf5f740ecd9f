//! Migrations through diesel_migrations: the same folders and the same table as diesel_cli.

use crate::store::Revision;
use crate::{Error, ErrorKind, Result};
use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource, MigrationVersion};
use diesel_migrations::MigrationHarness;

/// Where a database's migrations come from.
pub type Migrations<DB> = Box<dyn MigrationSource<DB>>;

type Sorted<DB> = Vec<Box<dyn Migration<DB>>>;

fn known<DB: Backend>(source: Option<&Migrations<DB>>) -> Result<Sorted<DB>> {
    let source = source.ok_or_else(|| {
        Error::invalid("there are no migrations for this database")
            .hint("migrations belong to the built-in models, or to an application that embeds the shell")
    })?;
    let mut found = source.migrations().map_err(|cause| failed("read the migrations", &*cause))?;
    found.sort_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(found)
}

fn failed(what: &str, cause: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Database, format!("cannot {what}: {cause}"))
}

/// All migrations, oldest first, with those that only the database knows.
///
/// # Errors
/// Without migrations, and when the database or the source cannot be read.
pub fn revisions<DB, C>(connection: &mut C, source: Option<&Migrations<DB>>) -> Result<Vec<Revision>>
where
    DB: Backend,
    C: MigrationHarness<DB>,
{
    let known = known(source)?;
    let applied: Vec<MigrationVersion<'static>> =
        connection.applied_migrations().map_err(|cause| failed("read the table of applied migrations", &*cause))?;
    let mut all: Vec<Revision> = known
        .iter()
        .map(|migration| {
            let version = migration.name().version();
            Revision {
                version: version.to_string(),
                name: migration.name().to_string(),
                applied: applied.contains(&version),
                known: true,
            }
        })
        .collect();
    for version in applied {
        if !all.iter().any(|revision| revision.version == version.to_string()) {
            let version = version.to_string();
            all.push(Revision { name: version.clone(), version, applied: true, known: false });
        }
    }
    all.sort_by(|a, b| a.version.cmp(&b.version));
    Ok(all)
}

/// Applies or reverts one migration.
///
/// # Errors
/// An unknown version; what the database objects to, after rolling back.
pub fn migrate<DB, C>(connection: &mut C, source: Option<&Migrations<DB>>, version: &str, up: bool) -> Result<()>
where
    DB: Backend,
    C: MigrationHarness<DB>,
{
    let known = known(source)?;
    let migration = known
        .iter()
        .find(|migration| migration.name().version().to_string() == version)
        .ok_or_else(|| Error::invalid(format!("there is no migration {version} to run")))?;
    let run = if up { connection.run_migration(migration) } else { connection.revert_migration(migration) };
    run.map(drop).map_err(|cause| {
        failed(&format!("{} migration {}", if up { "apply" } else { "revert" }, migration.name()), &*cause)
    })
}
