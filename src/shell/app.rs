//! A shell around an application's models: run at a terminal, from a script, or from code.

use super::builder::Builder;
use super::console::Console;
#[cfg(feature = "editor")]
use super::editor::{Editor, Keys, confirm, interact};
use super::pager::Pager;
use super::reply::Reply;
use super::script::{Script, finish, run_script};
use super::status::Status;
use super::stdio;
use crate::command::Flow;
use crate::outcome::ErrorContext;
#[cfg(feature = "editor")]
use crate::outcome::Report as _;
use crate::session::{Hold, Session};
use crate::text::Place;
use crate::{Error, Result};
use std::io::Read;

/// A console for an application's own models.
///
/// ```no_run
/// # use diesel::prelude::*;
/// # diesel::table! { users (id) { id -> Integer, username -> Text } }
/// # diesel::table! { posts (id) { id -> Integer, body -> Text, user_id -> Integer } }
/// #[derive(Identifiable)]
/// #[diesel(table_name = users)]
/// struct User {
///     id: i32,
/// }
///
/// #[derive(Identifiable, Associations)]
/// #[diesel(table_name = posts, belongs_to(User))]
/// struct Post {
///     id: i32,
///     user_id: i32,
/// }
///
/// fn main() -> diesel_shell::Status {
///     diesel_shell::Shell::builder()
///         .model::<User>("user")
///         .model::<Post>("post")
///         .belongs_to::<Post, User>("author", "posts")
///         .database("blog.db")
///         .run()
/// }
/// ```
pub struct Shell {
    pub(super) console: Console,
    /// The application has said where results go.
    pub(super) captured: bool,
    /// The application has said where messages go.
    pub(super) speaks: bool,
    pub(super) colour: Option<bool>,
    pub(super) pager: Vec<String>,
    #[cfg(feature = "editor")]
    pub(super) prompting: Prompting,
}

/// What a prompt needs beyond what a script does.
#[cfg(feature = "editor")]
pub(super) struct Prompting {
    /// The application answers questions.
    pub(super) asks: bool,
    pub(super) banner: Option<String>,
    pub(super) history: Option<std::path::PathBuf>,
    pub(super) keys: Keys,
}

impl Shell {
    /// Begins to put a shell together.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs the shell on the process's own standard streams: a prompt where a person sits at a terminal, else the script
    /// that comes in on the standard input.
    ///
    /// This is the one function of the library that uses the standard streams, and only where
    /// [`output`](Builder::output) and [`messages`](Builder::messages) do not say otherwise; with an output of its own
    /// there is never a prompt. Errors are written to the messages. Without the feature `editor` there is no prompt: what
    /// is typed is read as a script.
    pub fn run(mut self) -> Status {
        let shows = !self.captured && stdio::shows();
        let prompts = cfg!(feature = "editor") && !self.captured && stdio::is_interactive();
        let screen = &mut self.console.screen;
        if !self.speaks {
            screen.renderer.set_messages(stdio::messages());
            screen.has_clipboard = stdio::tells();
        }
        if !self.captured {
            screen.is_process = true;
            let size = if shows { stdio::size() } else { None };
            let program = Some(std::mem::take(&mut self.pager)).filter(|words| prompts && !words.is_empty());
            let height = size.map(|(_, height)| height).filter(|_| program.is_some());
            screen.set_pager(Pager::new(program, height, stdio::results()));
            let to = if shows { screen.pager.writer() } else { stdio::results() };
            screen.renderer.set_results(to);
            let style = screen.renderer.style_mut();
            style.terminal = shows;
            style.colour = self.colour.unwrap_or(shows);
            style.width = style.width.or(size.map(|(width, _)| width));
            screen.shows_progress = prompts && stdio::tells();
        }
        let done = if prompts { self.prompt() } else { self.script(stdio::input()) };
        done.unwrap_or_else(|error| Status::of(error.kind))
    }

    /// The prompt, until the person leaves.
    #[cfg(feature = "editor")]
    fn prompt(mut self) -> Result<Status> {
        self.console.context.interactive = true;
        if !self.prompting.asks {
            self.console.screen.ask = Box::new(|question| confirm(question).map(Some));
        }
        self.interact().map(|()| Status::SUCCESS)
    }

    #[cfg(not(feature = "editor"))]
    fn prompt(mut self) -> Result<Status> {
        self.script(stdio::input())
    }

    /// Shows the banner and the prompt, with everything set up.
    ///
    /// # Errors
    /// Only what cannot be shown at the prompt: a failing terminal.
    #[cfg(feature = "editor")]
    #[doc(hidden)]
    pub fn interact(mut self) -> Result<()> {
        if let Some(banner) = &self.prompting.banner {
            self.console.screen.line(banner)?;
            self.console.end();
        }
        let shared = std::rc::Rc::new(std::cell::RefCell::new(self.console));
        let mut editor = Editor::new(std::rc::Rc::clone(&shared), self.prompting.history, self.prompting.keys)?;
        interact(&mut editor)?;
        shared.borrow_mut().end();
        Ok(())
    }

    /// Runs a script to its end, or to its first error. Results and messages are written where the builder said.
    ///
    /// What is staged and not committed at its end is discarded, and the status says so. The text is read as it comes, so
    /// it may be of any length.
    ///
    /// # Errors
    /// Only what cannot be shown: output that cannot be written. Errors of commands are shown, and make the status.
    pub fn script(&mut self, reader: impl Read) -> Result<Status> {
        let session = &mut self.console.context.session;
        // What was staged from code before is no part of the script's own transaction.
        let switches = session.is_clean() && session.hold() == Hold::No;
        if switches {
            session.set_scripted(true)?;
        }
        (self.console.begin)();
        let done = run_script(&mut Script::new("script", reader), &mut self.console, 0)
            .and_then(|ended| finish(ended, &mut self.console));
        if switches {
            self.console.context.session.set_scripted(false)?;
        }
        done
    }

    /// Runs one command and gives what it reports as data. Nothing is written anywhere.
    ///
    /// What it stages stays staged, until `commit` or `rollback`.
    ///
    /// ```
    /// # use diesel::prelude::*;
    /// # let mut connection = SqliteConnection::establish(":memory:").unwrap();
    /// # diesel::sql_query("CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT NOT NULL UNIQUE)").execute(&mut connection).unwrap();
    /// let mut shell = diesel_shell::Shell::builder().connection(connection).build()?;
    /// shell.execute("add user username=john")?;
    /// let users = shell.execute("list users where username like 'j%'")?;
    /// let names: Vec<String> = users.rows().into_iter().flatten().map(|user| user.read("username")).collect::<Result<_, _>>()?;
    /// assert_eq!(names, ["john"]);
    /// assert_eq!(shell.execute("count users")?.single::<i64>()?, 1);
    /// # Ok::<(), diesel_shell::Error>(())
    /// ```
    ///
    /// # Errors
    /// The command's own. `Invalid` for `.read`, which is for scripts.
    pub fn execute(&mut self, command: &str) -> Result<Reply> {
        let place = Place { source: "code".into(), line: 1, column: 1 };
        self.console.screen.reply = Some(Reply::default());
        (self.console.begin)();
        let done = self.console.execute(command, &place);
        let reply = self.console.screen.reply.take().unwrap_or_default();
        match done? {
            Flow::Read(_) => Err(Error::invalid("`.read` is for scripts").hint("give the file to `Shell::script`")),
            _ => Ok(reply),
        }
    }

    /// An error as the shell shows it: with a mark under its place in the command, and its hints.
    #[must_use]
    pub fn explain(&self, error: &Error, command: &str) -> String {
        let context = ErrorContext { command, source: None, line: 1, column: 1 };
        self.console.screen.renderer.explain(error, &context)
    }

    /// The session: what is staged, and queries from code.
    pub const fn session(&mut self) -> &mut Session {
        &mut self.console.context.session
    }

    /// The session alone.
    #[must_use]
    pub fn into_session(self) -> Session {
        self.console.context.session
    }

    /// The console, for the command `diesel-shell`.
    #[doc(hidden)]
    pub const fn console(&mut self) -> &mut Console {
        &mut self.console
    }
}
