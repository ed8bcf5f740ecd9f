//! Where migrations come from: any source that Diesel knows, for one backend or for all.

use super::Builtin;
use super::url::Address;
use diesel::backend::Backend;
use diesel::migration::{Migration, MigrationSource};
#[cfg(feature = "postgres")]
use diesel::pg::Pg;
use diesel::sqlite::Sqlite;
use std::rc::Rc;

/// Migrations for every backend that is built in: what `embed_migrations!` gives, and `FileBasedMigrations`.
#[cfg(feature = "postgres")]
pub trait AnyMigrations: MigrationSource<Sqlite> + MigrationSource<Pg> {}
#[cfg(feature = "postgres")]
impl<M: MigrationSource<Sqlite> + MigrationSource<Pg>> AnyMigrations for M {}

/// Migrations for every backend that is built in: what `embed_migrations!` gives, and `FileBasedMigrations`.
#[cfg(not(feature = "postgres"))]
pub trait AnyMigrations: MigrationSource<Sqlite> {}
#[cfg(not(feature = "postgres"))]
impl<M: MigrationSource<Sqlite>> AnyMigrations for M {}

/// Migrations for SQLite.
pub trait SqliteMigrations: MigrationSource<Sqlite> {}
impl<M: MigrationSource<Sqlite>> SqliteMigrations for M {}

/// Migrations for PostgreSQL.
#[cfg(feature = "postgres")]
pub trait PostgresMigrations: MigrationSource<Pg> {}
#[cfg(feature = "postgres")]
impl<M: MigrationSource<Pg>> PostgresMigrations for M {}

/// One source for many connections.
struct Shared<DB>(Option<Rc<dyn MigrationSource<DB>>>);

impl<DB: Backend> MigrationSource<DB> for Shared<DB> {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<DB>>>> {
        self.0.as_ref().map_or_else(|| Ok(Vec::new()), |source| source.migrations())
    }
}

/// The migrations of an application, by backend.
#[derive(Clone, Default)]
pub struct Sources {
    sqlite: Option<Rc<dyn MigrationSource<Sqlite>>>,
    #[cfg(feature = "postgres")]
    postgres: Option<Rc<dyn MigrationSource<Pg>>>,
}

impl Sources {
    /// The same for every backend.
    pub fn set_all(&mut self, source: impl AnyMigrations + 'static) {
        let source = Rc::new(source);
        #[cfg(feature = "postgres")]
        {
            self.postgres = Some(Rc::clone(&source) as Rc<dyn MigrationSource<Pg>>);
        }
        self.sqlite = Some(source);
    }

    /// For SQLite.
    pub fn set_sqlite(&mut self, source: impl SqliteMigrations + 'static) {
        self.sqlite = Some(Rc::new(source));
    }

    /// For PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn set_postgres(&mut self, source: impl PostgresMigrations + 'static) {
        self.postgres = Some(Rc::new(source));
    }

    /// Whether there are any for the backend of an address.
    #[must_use]
    pub fn are_for(&self, address: &Address) -> bool {
        match address {
            Address::Sqlite(_) => self.sqlite.is_some(),
            #[cfg(feature = "postgres")]
            Address::Postgres(_) => self.postgres.is_some(),
            _ => false,
        }
    }

    /// For one connection.
    #[must_use]
    pub fn for_connection(&self) -> Builtin {
        Builtin {
            sqlite: Box::new(Shared(self.sqlite.clone())),
            #[cfg(feature = "postgres")]
            postgres: Box::new(Shared(self.postgres.clone())),
        }
    }
}
