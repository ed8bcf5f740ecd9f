//! `diesel-shell`: a database shell that thinks in models.
//!
//! As a library it gives an application that already has Diesel models a console of its own: what
//! `@app.shell_context_processor` is to Flask. There is no second schema to write: columns, types and NULLs come from
//! `table!`, foreign keys from `derive(Associations)`, and what only the database knows (lengths, defaults, unique
//! columns) is read from it.
//!
//! ```no_run
//! use diesel::prelude::*;
//! use diesel_shell::{Shell, Status};
//!
//! # mod schema {
//! diesel::table! {
//!     users (id) {
//!         id -> Integer,
//!         username -> Text,
//!         password -> Text,
//!     }
//! }
//! diesel::table! {
//!     posts (id) {
//!         id -> Integer,
//!         body -> Text,
//!         user_id -> Integer,
//!     }
//! }
//! # }
//! # use schema::{posts, users};
//!
//! #[derive(Identifiable)]
//! #[diesel(table_name = users)]
//! struct User {
//!     id: i32,
//! }
//!
//! #[derive(Identifiable, Associations)]
//! #[diesel(table_name = posts, belongs_to(User))]
//! struct Post {
//!     id: i32,
//!     user_id: i32,
//! }
//!
//! fn main() -> Status {
//!     Shell::builder()
//!         .model_with::<User>("user", |user| user.masked(users::password))
//!         .model::<Post>("post")
//!         .belongs_to::<Post, User>("author", "posts")
//!         .database("blog.db")
//!         .run()
//! }
//! ```
//!
//! # Where to find things
//!
//! | to | see |
//! | --- | --- |
//! | put a shell together | [`Shell::builder`], [`Builder`] |
//! | register models: display, keys, masks, defaults and checks in Rust | [`Builder::model_with`], [`ModelBuilder`], [`Models`] |
//! | let columns of an SQL type of your own take part | [`ShellType`] |
//! | hand over a connection, or name a database | [`Builder::connection`], [`Builder::database`] |
//! | hand over migrations, or let them be written | [`Builder::migrations`], [`Builder::project`] |
//! | add commands and settings | [`Command`], [`Call`], [`Setting`] |
//! | run it at a terminal, from a script, from code | [`Shell::run`], [`Shell::script`], [`Shell::execute`] |
//! | stage, look, commit and query from code | [`Session`] |
//! | read results | [`Rows`], [`Row`], [`Reply`], [`Value`] |
//! | see what went wrong | [`Error`], [`ErrorKind`], [`Status`] |
//!
//! # States
//!
//! A [`Session`] is a journal of typed changes, not a transaction. It is in one of these states ([`Session::state`]):
//!
//! | state | what it means | who sees the changes |
//! | --- | --- | --- |
//! | clean | nothing is staged | |
//! | staged | changes are checked and in the journal; no transaction is open, nothing is locked | this session's own reads |
//! | flushed | changes are sent, in a transaction that is held open; scripts work so, since nobody waits | likewise |
//! | committed | written, all or nothing; the session is clean again | everybody |
//!
//! ```
//! # use diesel::prelude::*;
//! # let mut connection = SqliteConnection::establish(":memory:").unwrap();
//! # diesel::sql_query("CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE)").execute(&mut connection).unwrap();
//! use diesel_shell::{Shell, State};
//!
//! let mut session = Shell::builder().connection(connection).build()?.into_session();
//! assert_eq!(session.state(), State::Clean);
//!
//! let john = session.add("user").set("username", "john").stage()?;
//! assert_eq!(session.state(), State::Staged);
//! assert_eq!(john.read::<i32>("id")?, 1);
//!
//! // Reads see what is staged; values are bound, never pasted.
//! let found = session.read_with("list users where username = $name", &[("name", "john".into())])?;
//! assert_eq!(found.len(), 1);
//!
//! for change in session.differences()? {
//!     println!("{:?} {} {:?}", change.kind, change.model, change.key);
//! }
//! assert_eq!(session.commit()?.added, 1);
//! assert_eq!(session.state(), State::Clean);
//!
//! session.set("user", "john").set("username", "johnny").stage()?;
//! session.rollback()?;
//! # Ok::<(), diesel_shell::Error>(())
//! ```
//!
//! What is staged from code goes by the same rules as at the prompt: names, types, lengths, references, the application's
//! own checks, and the database's constraints. A commit that fails keeps everything that is staged.
//!
//! # What the library does not do
//!
//! It never prints, but for [`Shell::run`], which uses the process's standard streams where nothing else is said; never
//! ends the process; never reads the environment; and installs no signal handler.
//!
//! # Features
//!
//! | feature | what it is for |
//! | --- | --- |
//! | `editor` | the prompt: line editing, completion, history, progress (rustyline, indicatif) |
//! | `postgres` | the PostgreSQL backend and its types; libpq is compiled in |
//! | `cli` | the command `diesel-shell` itself (clap and the like); not for libraries |
//! | `64-column-tables`, `128-column-tables` | wider models, as Diesel's features of the same names |
//!
//! All but the last two are on by default. An application that wants scripts and sessions on SQLite only takes
//! `default-features = false`.

// What an application needs is re-exported below. These modules are public for the command `diesel-shell`, the tests, the
// benches and the fuzz targets, which look at parts that an application does not; they may change in any version.
#[doc(hidden)]
pub mod assist;
#[cfg(test)]
mod cases;
#[doc(hidden)]
pub mod command;
#[doc(hidden)]
pub mod database;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod files;
#[doc(hidden)]
pub mod language;
#[doc(hidden)]
pub mod microblog;
#[doc(hidden)]
pub mod migrations;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod outcome;
#[doc(hidden)]
pub mod plan;
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
#[doc(hidden)]
pub mod text;

pub use command::{Call, OwnCommand as Command, Setting};
pub use database::Connection;
pub use database::register::{ColumnList, Draft, Model, ModelBuilder, Models, Owned, ShellType};
#[cfg(feature = "postgres")]
pub use database::source::PostgresMigrations;
pub use database::source::{AnyMigrations, SqliteMigrations};
pub use error::{Error, ErrorKind, Result};
pub use language::table::Group;
pub use model::{DataType, FromValue, ReferentialAction, Value};
pub use render::{Mode, Theme};
pub use rows::{Row, Rows};
pub use session::journal::Counts;
pub use session::{Difference, DifferenceKind, Edit, Hold, Key, Session, State};
#[cfg(feature = "editor")]
pub use shell::Keys;
pub use shell::{Builder, Reply, Shell, Status};
pub use store::Cancel;
pub use text::{Place, Span};

/// The guide's Rust is compiled and run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../docs/src/embedding.md")]
struct Guide;
