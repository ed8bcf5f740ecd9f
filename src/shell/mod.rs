//! The loop: text in, commands run, results out; and the door for applications. The only folder that names rustyline.

mod again;
mod app;
#[cfg(feature = "editor")]
mod assistant;
mod builder;
mod console;
#[cfg(feature = "editor")]
mod editor;
mod opening;
mod pager;
mod program;
#[cfg_attr(not(feature = "editor"), path = "no_progress.rs")]
mod progress;
mod reply;
mod script;
mod settings;
mod status;
mod stdio;
mod together;

pub use app::Shell;
pub use builder::Builder;
pub use console::{Ask, Console, Opened, Opener, Options};
#[cfg(feature = "editor")]
pub use editor::{Editor, Keys, confirm, interact};
pub use opening::Opening;
pub use pager::{Pager, Paging};
#[cfg(feature = "editor")]
pub use progress::undrawn;
pub use reply::Reply;
pub use script::{Ended, Script, finish, run_script};
pub use settings::{SETTINGS, Setting};
pub use status::Status;
