//! Migrations from diesel_migrations' sources, and the tables that say which are applied: diesel's own, and beside it
//! one that keeps the text of what was applied, so that what was edited or deleted since is known and can be undone.

use crate::store::Script;
use crate::{Error, ErrorKind, Result};
use diesel::backend::Backend;
use diesel::connection::{BoxableConnection, SimpleConnection};
use diesel::migration::{Migration, MigrationSource};
use diesel_migrations::{FileBasedMigrations, MigrationError};
use std::path::Path;

/// Where a database's migrations come from.
pub type Migrations<DB> = Box<dyn MigrationSource<DB>>;

/// What is kept of each migration that this program applied. `run_on` is diesel's own: a row of another time is of
/// another run, by another tool, and counts for nothing.
pub const RECORDS: &str = "CREATE TABLE IF NOT EXISTS __diesel_shell_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, \
    run_on TIMESTAMP NOT NULL, up_sql TEXT NOT NULL, down_sql TEXT)";

/// Diesel's own table, as `diesel::migration::CREATE_MIGRATIONS_TABLE` has it.
pub const TABLE: &str = diesel::migration::CREATE_MIGRATIONS_TABLE;

/// A row of diesel's table with what is kept of it.
#[derive(diesel::QueryableByName)]
pub struct AppliedRow {
    /// The version.
    #[diesel(sql_type = diesel::sql_types::Text)]
    pub version: String,
    /// The text of its `up.sql` when it was applied.
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    pub up_sql: Option<String>,
    /// The text of its `down.sql` when it was applied.
    #[diesel(sql_type = diesel::sql_types::Nullable<diesel::sql_types::Text>)]
    pub down_sql: Option<String>,
}

/// Stands for a connection and takes down what a migration would run.
struct Recorder(Vec<String>);

impl SimpleConnection for Recorder {
    fn batch_execute(&mut self, sql: &str) -> diesel::QueryResult<()> {
        self.0.push(sql.to_owned());
        Ok(())
    }
}

impl<DB: Backend> BoxableConnection<DB> for Recorder {
    fn as_any(&self) -> &dyn std::any::Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn std::any::Any {
        self
    }
}

fn failed(what: &str, cause: &dyn std::error::Error) -> Error {
    Error::new(ErrorKind::Database, format!("cannot {what}: {cause}"))
}

fn sorted<DB: Backend>(source: Option<&Migrations<DB>>) -> Result<Vec<Box<dyn Migration<DB>>>> {
    let source = source.ok_or_else(|| {
        Error::invalid("there are no migrations for this database")
            .hint("`db init` begins a folder of them; a folder with a diesel.toml is found by itself")
    })?;
    let mut found = source.migrations().map_err(|cause| failed("read the migrations", &*cause))?;
    found.sort_by(|a, b| a.name().version().cmp(&b.name().version()));
    Ok(found)
}

/// How long a file of a migration may be, in bytes.
const LONGEST: u64 = 64 << 20;

/// A folder of migrations that cannot be read as it is, and why. Whoever asks for them is told; whoever does not, works
/// on.
struct Unreadable(String);

impl<DB: Backend> MigrationSource<DB> for Unreadable {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<DB>>>> {
        Err(self.0.clone().into())
    }
}

/// A folder of migrations, as diesel_cli makes them. What is wrong with it is said when they are asked for.
pub fn folder<DB: Backend>(path: &Path) -> Migrations<DB>
where
    FileBasedMigrations: MigrationSource<DB>,
{
    let readable =
        strange(path).map_or_else(|| FileBasedMigrations::from_path(path).map_err(|cause| said(&cause)), Err);
    match readable {
        Ok(found) => Box::new(found),
        Err(cause) => Box::new(Unreadable(cause)),
    }
}

fn said(cause: &MigrationError) -> String {
    match cause {
        MigrationError::UnknownMigrationFormat(path) => format!(
            "{} is none: a migration is a folder with an up.sql whose name is a version, `_` and words",
            path.display()
        ),
        other => other.to_string(),
    }
}

/// What is no plain file, or too long, where a migration's text should be: a pipe would be waited for.
fn strange(path: &Path) -> Option<String> {
    let entries = std::fs::read_dir(path).ok()?;
    let files =
        entries.flatten().flat_map(|entry| ["up.sql", "down.sql", "metadata.toml"].map(|n| entry.path().join(n)));
    files.into_iter().find_map(|file| {
        let metadata = std::fs::metadata(&file).ok()?;
        match metadata.is_file() {
            true if metadata.len() <= LONGEST => None,
            true => Some(format!("{} is longer than {LONGEST} bytes", file.display())),
            false => Some(format!("{} is no plain file", file.display())),
        }
    })
}

/// All migrations as texts, oldest first. One that is code, and not SQL, has no text.
///
/// # Errors
/// Without migrations, and when they cannot be read.
pub fn scripts<DB: Backend + 'static>(source: Option<&Migrations<DB>>, folder: Option<&Path>) -> Result<Vec<Script>> {
    let texts = |run: &dyn Fn(&mut dyn BoxableConnection<DB>) -> diesel::migration::Result<()>| {
        let mut recorder = Recorder(Vec::new());
        run(&mut recorder).ok().map(|()| recorder.0.join("\n"))
    };
    Ok(sorted(source)?
        .iter()
        .map(|migration| {
            let name = migration.name().to_string();
            Script {
                version: migration.name().version().to_string(),
                up: texts(&|recorder| migration.run(recorder)),
                down: texts(&|recorder| migration.revert(recorder)),
                transaction: migration.metadata().run_in_transaction(),
                folder: folder.map(|folder| folder.join(&name)),
                name,
            }
        })
        .collect())
}

/// Runs a migration that is code, in whatever transaction is open.
///
/// # Errors
/// An unknown version; what the migration itself gives.
pub fn run_code<DB: Backend>(
    connection: &mut dyn BoxableConnection<DB>,
    source: Option<&Migrations<DB>>,
    version: &str,
    up: bool,
) -> Result<()> {
    let known = sorted(source)?;
    let migration = known
        .iter()
        .find(|migration| migration.name().version().to_string() == version)
        .ok_or_else(|| Error::invalid(format!("there is no migration {version} to run")))?;
    let run = if up { migration.run(connection) } else { migration.revert(connection) };
    run.map_err(|cause| Error::new(ErrorKind::Database, cause.to_string()))
}

/// What every backend's `Store` does with migrations in the same words: its connection has another type on each, and
/// Diesel's traits for what is the same about them fill more lines than they save.
macro_rules! methods {
    () => {
        fn scripts(&mut self) -> Result<Vec<Script>> {
            migrations::scripts(self.migrations.as_ref(), self.folder.as_deref())
        }

        fn set_folder(&mut self, folder: &Path) {
            self.migrations = Some(migrations::folder(folder));
            self.folder = Some(folder.to_owned());
        }

        fn applied(&mut self) -> Result<Vec<Applied>> {
            if !self.has_migrations_table()? {
                return Ok(Vec::new());
            }
            let recorded = self.has_table("__diesel_shell_migrations")?;
            let sql = if recorded {
                "SELECT d.version AS version, s.up_sql AS up_sql, s.down_sql AS down_sql FROM __diesel_schema_migrations d \
                    LEFT JOIN __diesel_shell_migrations s ON s.version = d.version AND s.run_on = d.run_on ORDER BY d.version"
            } else {
                "SELECT version, NULL AS up_sql, NULL AS down_sql FROM __diesel_schema_migrations ORDER BY version"
            };
            let rows: Vec<migrations::AppliedRow> =
                self.asked(|connection| diesel::sql_query(own(sql)).load(connection).map_err(|e| translate(&e)))?;
            Ok(rows
                .into_iter()
                .map(|row| Applied { version: row.version, texts: row.up_sql.map(|up| (up, row.down_sql)) })
                .collect())
        }

        fn prepare_migrations(&mut self) -> Result<()> {
            self.batch(migrations::TABLE)?;
            self.batch(migrations::RECORDS)
        }

        fn record(&mut self, version: &str, applied: bool, texts: Option<(&str, Option<&str>)>) -> Result<()> {
            use diesel::sql_types::{Nullable, Text};
            self.asked(|connection| {
                diesel::sql_query(own("DELETE FROM __diesel_shell_migrations WHERE version = $1"))
                    .bind::<Text, _>(version)
                    .execute(connection)
                    .map_err(|e| translate(&e))?;
                if !applied {
                    return diesel::sql_query(own("DELETE FROM __diesel_schema_migrations WHERE version = $1"))
                        .bind::<Text, _>(version)
                        .execute(connection)
                        .map(drop)
                        .map_err(|e| translate(&e));
                }
                diesel::sql_query("INSERT INTO __diesel_schema_migrations (version) VALUES ($1)")
                    .bind::<Text, _>(version)
                    .execute(connection)
                    .map_err(|e| translate(&e))?;
                let Some((up, down)) = texts else { return Ok(()) };
                diesel::sql_query(own(
                    "INSERT INTO __diesel_shell_migrations (version, run_on, up_sql, down_sql) \
                        SELECT version, run_on, $1, $2 FROM __diesel_schema_migrations WHERE version = $3",
                ))
                .bind::<Text, _>(up)
                .bind::<Nullable<Text>, _>(down)
                .bind::<Text, _>(version)
                .execute(connection)
                .map(drop)
                .map_err(|e| translate(&e))
            })
        }

        fn run_code(&mut self, version: &str, up: bool) -> Result<()> {
            migrations::run_code(&mut self.connection, self.migrations.as_ref(), version, up)
        }

        fn definition(&mut self) -> Result<Schema> {
            self.asked(definition::schema)
        }
    };
}

pub(super) use methods;
