//! What exists: values, columns, entities, relationships and the catalog. No SQL, no terminal.

mod catalog;
mod complete;
mod convert;
pub mod definition;
mod entity;
pub mod infer;
pub mod names;
mod quirk;
pub mod rule;
pub mod secret;
pub mod time;
mod value;

pub use catalog::{Catalog, EntityId, ExtraCommand};
pub use complete::{complete, widen};
pub use convert::FromValue;
pub use entity::{
    Cardinality, Column, ColumnDefault, Entity, EntityKind, ForeignKey, IN_DATABASE, Index, Link, MASK,
    ReferentialAction, Relationship,
};
pub use quirk::{Events, Quirk, QuirkKind};
pub use value::{Cell, DataType, Family, Value, timestamp_text, untyped};
