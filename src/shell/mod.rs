//! The loop: text in, commands run, results out. The only folder that names rustyline.

mod console;
mod editor;
mod script;

pub use console::{Ask, Console, Opened, Opener, Options};
pub use editor::{Editor, confirm, interact};
pub use script::{Ended, Script, run_script};
