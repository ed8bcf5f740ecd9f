//! The only folder that names Diesel: backends behind the port of `store.rs`.

pub mod fragment;
pub mod migrations;
pub mod network;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod register;
mod secret;
pub mod source;
pub mod sqlite;
pub mod url;
mod version;

use crate::store::Store;
use crate::{Error, Result};
pub use sqlite::Open;
use sqlite::SqliteStore;
use url::Address;
pub use version::backends;

/// Migrations for each backend that is built in.
pub struct Builtin {
    /// For SQLite.
    pub sqlite: migrations::Migrations<diesel::sqlite::Sqlite>,
    /// For PostgreSQL.
    #[cfg(feature = "postgres")]
    pub postgres: migrations::Migrations<diesel::pg::Pg>,
}

/// A connection of the application's own, handed over as it is.
pub enum Connection {
    /// To SQLite.
    Sqlite(Box<diesel::SqliteConnection>),
    /// To PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Box<diesel::PgConnection>),
}

impl From<diesel::SqliteConnection> for Connection {
    fn from(connection: diesel::SqliteConnection) -> Self {
        Self::Sqlite(Box::new(connection))
    }
}

#[cfg(feature = "postgres")]
impl From<diesel::PgConnection> for Connection {
    fn from(connection: diesel::PgConnection) -> Self {
        Self::Postgres(Box::new(connection))
    }
}

/// Takes over a connection of the application's own. Gives the database's name, for the prompt.
///
/// # Errors
/// The database's own.
pub fn adopt(connection: Connection, migrations: &source::Sources) -> Result<(Box<dyn Store>, String)> {
    let builtin = migrations.for_connection();
    let (mut store, name, address): (Box<dyn Store>, String, Address) = match connection {
        Connection::Sqlite(connection) => {
            let mut store = SqliteStore::adopt(*connection)?;
            store.set_migrations(builtin.sqlite);
            (Box::new(store), "sqlite".into(), Address::Sqlite(":memory:".into()))
        }
        #[cfg(feature = "postgres")]
        Connection::Postgres(connection) => {
            let mut store = postgres::PgStore::adopt(*connection)?;
            store.set_migrations(builtin.postgres);
            let name = store.database()?;
            (Box::new(store), name, Address::Postgres(String::new()))
        }
    };
    if !migrations.are_for(&address) {
        store.forget_migrations();
    }
    Ok((store, name))
}

/// Opens a database with the migrations that `db` works with there. Gives its name, for the prompt.
///
/// # Errors
/// `Connection`, with the way out; passwords are left out.
pub fn open(
    address: &Address,
    how: Open,
    migrations: Builtin,
    #[cfg_attr(not(feature = "postgres"), allow(unused_variables, reason = "only servers are reached over a network"))]
    network: network::Network,
) -> Result<(Box<dyn Store>, String)> {
    match address {
        Address::Sqlite(path) => {
            let mut store = SqliteStore::open(path, how).map_err(|error| {
                // What was meant for libpq and is taken for a path may have a password in it.
                let path = path.to_string_lossy();
                let message = url::without_password(&error.message, &path);
                Error { message, ..error }
            })?;
            store.set_migrations(migrations.sqlite);
            let name = path.file_stem().map_or_else(|| "sqlite".into(), |stem| stem.to_string_lossy().into_owned());
            Ok((Box::new(store), name))
        }
        #[cfg(feature = "postgres")]
        Address::Postgres(url) => {
            let mut store = postgres::PgStore::open(url, how == Open::Reading, network)?;
            store.set_migrations(migrations.postgres);
            let name = store.database()?;
            Ok((Box::new(store), name))
        }
        #[cfg(not(feature = "postgres"))]
        Address::Postgres(_) => Err(Error::new(crate::ErrorKind::Usage, "this build has no PostgreSQL backend")
            .hint("build it with the feature `postgres`, which is on by default")),
        Address::Unknown(scheme) => {
            Err(Error::new(crate::ErrorKind::Usage, format!("there is no backend for {scheme}:// URLs"))
                .hint("write a path or sqlite://PATH for SQLite, postgres://USER@HOST/DATABASE for PostgreSQL"))
        }
    }
}
