//! The loop: text in, commands run, results out. The only folder that names rustyline.

mod assistant;
mod console;
mod editor;
mod pager;
mod progress;
mod script;

pub use console::{Ask, Console, Opened, Opener, Options};
pub use editor::{Editor, Keys, confirm, interact};
pub use pager::{Pager, Paging};
pub use script::{Ended, Script, run_script};
