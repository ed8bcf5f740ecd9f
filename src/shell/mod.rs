//! The loop: text in, commands run, results out. The only folder that names rustyline.

mod console;
mod editor;
mod script;

pub use console::{Console, Options};
pub use editor::{Editor, interact};
pub use script::{Ended, Script, run_script};
