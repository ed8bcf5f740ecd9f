//! The session on a store in memory that counts what it is sent: "one statement" is a test here, and not a timing.

mod commits;
mod evaluate;
mod failures;
pub mod memory;
mod prompts;
pub mod random;
pub mod schema;
mod scripts;
mod settling;
mod states;
pub mod tables;
pub mod world;
