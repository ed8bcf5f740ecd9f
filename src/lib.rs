//! `diesel-shell`: a database shell that thinks in models.

pub mod error;
pub mod language;
pub mod model;
pub mod outcome;
pub mod text;

pub use error::{Error, ErrorKind, Result};
