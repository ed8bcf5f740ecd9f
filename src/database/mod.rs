//! The only folder that names Diesel: backends behind the port of `store.rs`.

pub mod fragment;
pub mod migrations;
pub mod register;
pub mod sqlite;
