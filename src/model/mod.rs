//! What exists: values, columns, entities, relationships and the catalog. No SQL, no terminal.

mod catalog;
pub mod definition;
mod entity;
pub mod infer;
pub mod names;
mod value;

pub use catalog::{Catalog, EntityId};
pub use entity::{
    Cardinality, Column, ColumnDefault, Entity, EntityKind, ForeignKey, Index, Link, ReferentialAction, Relationship,
};
pub use value::{Cell, DataType, Value};
