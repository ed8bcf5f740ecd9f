//! The pivot: syntax tree and catalog become resolved, typed queries and changes.

mod aggregate;
mod bare;
pub mod bulk;
mod change;
mod condition;
mod figures;
mod format;
mod masks;
mod naming;
mod order;
pub mod overlay;
pub mod query;
mod read;
mod resolve;
mod right;
mod scope;
pub mod seen;

pub use aggregate::{aggregate, distinct};
pub use change::{assignments, many, writable};
pub use masks::open_expr;
pub use naming::{By, Meanings, identify, meanings, missing, named, named_by_key, reference};
pub use read::{Level, Read, level_select, read};
pub use resolve::{Bound, Record, Resolver, column, lacking, literal};

#[cfg(test)]
pub(crate) mod tests;
