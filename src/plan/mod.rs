//! The pivot: syntax tree and catalog become resolved, typed queries and changes.

pub mod query;
