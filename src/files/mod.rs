//! Files as the shell treats them: whose they are, how much of one is read, and writing so that nobody else can read it
//! or lead the writing elsewhere.

mod owner;
mod read;
mod same;
mod upward;
mod write;

pub use owner::{belongs_to_other, is_private, is_trusted};
pub use read::{read, read_text};
pub use same::is_one_of;
pub use upward::upward;
pub use write::{Replacement, lock, open_own, open_private, private_folder};
