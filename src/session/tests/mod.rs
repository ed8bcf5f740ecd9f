//! The session on a store in memory that counts what it is sent: "one statement" is a test here, and not a timing.

mod commits;
mod evaluate;
mod failures;
mod memory;
mod prompts;
mod schema;
mod scripts;
mod tables;
mod world;
