//! `diesel-shell`: a database shell that thinks in models.

pub mod assist;
pub mod command;
pub mod database;
pub mod error;
pub mod language;
pub mod microblog;
pub mod model;
pub mod outcome;
pub mod plan;
pub mod render;
pub mod schema;
pub mod rows;
pub mod session;
pub mod shell;
pub mod store;
pub mod text;

pub use error::{Error, ErrorKind, Result};
