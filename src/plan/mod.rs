//! The pivot: syntax tree and catalog become resolved, typed queries and changes.

mod aggregate;
mod change;
mod condition;
mod format;
mod masks;
pub mod query;
mod read;
mod resolve;
mod scope;

pub use aggregate::{aggregate, distinct};
pub use change::{assignments, many, writable};
pub use masks::open_expr;
pub use read::{Level, Read, level_select, read};
pub use resolve::{Bound, Record, Resolver, column, key_columns, literal, missing, reference};
