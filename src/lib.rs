//! `diesel-shell`: a database shell that thinks in models.

#[doc(hidden)]
pub mod assist;
#[doc(hidden)]
pub mod command;
#[doc(hidden)]
pub mod database;
mod error;
#[doc(hidden)]
pub mod language;
#[doc(hidden)]
pub mod microblog;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod outcome;
mod plan;
#[doc(hidden)]
pub mod render;
mod rows;
#[doc(hidden)]
pub mod schema;
#[doc(hidden)]
pub mod session;
#[doc(hidden)]
pub mod shell;
#[doc(hidden)]
pub mod store;
mod text;

pub use command::{Call, OwnCommand as Command, Setting};
pub use database::Connection;
pub use database::register::{ColumnList, Draft, Model, ModelBuilder, Models, Owned, ShellType};
#[cfg(feature = "postgres")]
pub use database::source::PostgresMigrations;
pub use database::source::{AnyMigrations, SqliteMigrations};
pub use error::{Error, ErrorKind, Result};
pub use language::table::Group;
pub use model::{DataType, FromValue, Value};
pub use render::{Mode, Theme};
pub use rows::{Row, Rows};
pub use session::journal::Counts;
pub use session::{Difference, DifferenceKind, Edit, Key, Session, State};
#[cfg(feature = "editor")]
pub use shell::Keys;
pub use shell::{Builder, Reply, Shell, Status};
pub use store::Cancel;
pub use text::{Place, Span};
