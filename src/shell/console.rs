//! One command's way: parse, run, report. Shared by the prompt and by scripts.

use super::pager::{Pager, Paging};
use super::progress::Busy;
use crate::command::{self, Context, Flow, Front, Origin};
use crate::language;
use crate::model::Cell;
use crate::outcome::{ErrorContext, Header, Level, Mark, Report, Tree};
use crate::render::{Mode, Renderer, Theme};
use crate::session::Session;
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// How a run behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Go on after an error in a script.
    pub continue_on_error: bool,
    /// Say how long each command took.
    pub timing: bool,
    /// Show the SQL of each command.
    pub echo: bool,
}

/// What is said when another program has changed the schema.
const CHANGED: &str = "the schema was changed by another program; it has been read again";

/// A database that was opened.
pub struct Opened {
    /// Its session.
    pub session: Session,
    /// What it is called in messages.
    pub name: String,
    /// What the prompt says.
    pub prompt: String,
    /// The version of the schema that its models were read at.
    pub version: Option<i64>,
}

/// Opens a database by its URL.
pub type Opener = Box<dyn FnMut(&str) -> Result<Opened>>;

/// Asks a person: the question, and whether the answer was yes.
pub type Ask = Box<dyn FnMut(&str) -> Result<Option<bool>>>;

/// The session with the renderer that shows what it does.
pub struct Console {
    /// What commands work on.
    pub context: Context,
    /// The screen and the settings.
    pub screen: Screen,
    /// What the prompt says before the number staged: the database, a label, whether it can be written.
    pub prompt: String,
    /// Names of connections from the configuration.
    pub connections: Vec<String>,
    /// How the prompt is put together: `{database}`, `{staged}`.
    pub template: Option<String>,
    /// Called before each command.
    pub begin: fn(),
    /// Opens other databases.
    opener: Opener,
}

/// The renderer, and what `.set` can change.
pub struct Screen {
    /// Writes results and notices.
    pub renderer: Renderer,
    /// How the run behaves.
    pub options: Options,
    /// Asks a person.
    pub ask: Ask,
    /// Whether Ctrl-C was pressed since the command began.
    pub interrupted: fn() -> bool,
    /// Pages results, where there is a screen.
    pub pager: Pager,
    /// What was typed, oldest first.
    pub history: Rc<RefCell<Vec<String>>>,
    /// Whether long commands show that they are at work.
    pub shows_progress: bool,
    busy: Rc<RefCell<Option<Busy>>>,
    original: Option<Box<dyn Write>>,
}

impl Console {
    /// A console over a session.
    #[must_use]
    pub fn new(context: Context, renderer: Renderer, options: Options, ask: Ask, opener: Opener) -> Self {
        let prompt = context.name.clone();
        let screen = Screen {
            renderer,
            options,
            ask,
            interrupted: || false,
            pager: Pager::default(),
            history: Rc::default(),
            busy: Rc::default(),
            shows_progress: false,
            original: None,
        };
        Self { prompt, connections: Vec::new(), template: None, begin: || {}, opener, context, screen }
    }

    /// Runs one command's text.
    ///
    /// # Errors
    /// What the command gives; the caller shows it.
    pub fn execute(&mut self, text: &str, place: &Place) -> Result<Flow> {
        (self.begin)();
        self.screen.work();
        let started = self.screen.options.timing.then(std::time::Instant::now);
        if self.context.interactive && self.context.is_stale().unwrap_or(false) {
            self.reload()?;
        }
        let flow = match self.once(text, place) {
            // A name that is not known may be known by now.
            Err(error) if error.unknown && self.context.reload().unwrap_or(false) => {
                self.screen.notice(Level::Warning, CHANGED)?;
                self.once(text, place)?
            }
            Err(error) if error.kind == ErrorKind::Database && self.context.reload().unwrap_or(false) => {
                return Err(error.hint(CHANGED).hint("try again"));
            }
            Err(error) if error.kind == ErrorKind::Connection => {
                // The journal is intact; whatever needs the connection next replays it.
                return Err(match self.context.session.reconnect() {
                    Ok(()) => error.hint("the connection has been made again, and what is staged is still staged"),
                    Err(cause) => error.hint(format!("and it cannot be made again: {cause}")),
                });
            }
            done => done?,
        };
        if let Some(started) = started {
            let took = started.elapsed();
            self.screen.notice(Level::Warning, &format!("time: {:.3} ms", took.as_secs_f64() * 1000.0))?;
        }
        match flow {
            Flow::Open(url) => self.open(&url).map(|()| Flow::Next),
            flow => Ok(flow),
        }
    }

    fn reload(&mut self) -> Result<()> {
        if self.context.reload()? {
            self.screen.notice(Level::Warning, CHANGED)?;
        }
        Ok(())
    }

    fn once(&mut self, text: &str, place: &Place) -> Result<Flow> {
        let catalog = Arc::clone(self.context.session.catalog());
        let command = language::parse(text, &catalog)?;
        if self.screen.options.echo {
            self.context.session.store().set_echo(true);
        }
        let done = command::run(&command, Origin { text, place }, &mut self.context, &mut self.screen);
        if self.screen.options.echo {
            for sql in self.context.session.store().take_echo() {
                self.screen.notice(Level::Warning, &sql)?;
            }
        } else {
            self.context.session.store().set_echo(false);
        }
        done
    }

    /// Goes on with another database.
    fn open(&mut self, url: &str) -> Result<()> {
        if !self.context.session.is_clean() {
            return Err(Error::new(ErrorKind::Refused, "changes are staged for this database")
                .hint("`commit` or `rollback` first"));
        }
        let opened = (self.opener)(url)?;
        self.context.session = opened.session;
        self.context.version = opened.version;
        self.context.name.clone_from(&opened.name);
        self.prompt = opened.prompt;
        self.context.variables.clear();
        self.context.added = false;
        let models = self.context.session.catalog().iter().count();
        self.screen.notice(Level::Info, &format!("{}: {models} models", opened.name))
    }

    /// Shows an error where it happened.
    ///
    /// # Errors
    /// When writing fails.
    pub fn show_error(&mut self, error: &Error, command: &str, place: &Place, script: bool) -> Result<()> {
        let source = script.then(|| place.source.to_string());
        let context = ErrorContext { command, source: source.as_deref(), line: place.line, column: place.column };
        self.screen.error(error, &context)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When writing fails.
    pub fn flush(&mut self) -> Result<()> {
        self.screen.renderer.flush()
    }

    /// A command at the prompt has ended: shows what was held back for the pager. That the pager was left early is no
    /// error.
    pub fn end(&mut self) {
        self.screen.rest();
        let _ = self.screen.renderer.flush();
        let _ = self.screen.pager.end();
    }

    /// The prompt: the database, its label and state, and how much is staged.
    #[must_use]
    pub fn prompt_text(&self) -> String {
        let staged = self.context.session.staged();
        let staged = if staged == 0 { String::new() } else { format!("*{staged}") };
        match &self.template {
            Some(template) => template.replace("{database}", &self.prompt).replace("{staged}", &staged),
            None => format!("{}{staged}> ", self.prompt),
        }
    }
}

impl Screen {
    /// A command begins: if it takes long, that is shown until the first byte of its results, or its end.
    fn work(&mut self) {
        if self.shows_progress {
            *self.busy.borrow_mut() = Some(Busy::new());
            let busy = Rc::clone(&self.busy);
            self.pager.begin(Some(Box::new(move || drop(busy.borrow_mut().take()))));
        }
    }

    fn rest(&self) {
        drop(self.busy.borrow_mut().take());
    }

    /// Settings with the values that they can have, for completion.
    #[must_use]
    pub fn choices(&self) -> Vec<(String, Vec<String>)> {
        let on_off = || vec!["on".to_owned(), "off".to_owned()];
        let mut all: Vec<(String, Vec<String>)> = self
            .settings()
            .into_iter()
            .map(|(name, _)| {
                let values = match name {
                    "mode" => Mode::ALL.map(|mode| mode.name().to_owned()).to_vec(),
                    "pager" => ["auto", "on", "off"].map(str::to_owned).to_vec(),
                    "theme" => ["dark", "light"].map(str::to_owned).to_vec(),
                    "on-error" => ["stop", "continue"].map(str::to_owned).to_vec(),
                    "echo" | "timing" | "quiet" => on_off(),
                    _ => Vec::new(),
                };
                (name.to_owned(), values)
            })
            .collect();
        all.push(("hold".to_owned(), on_off()));
        all.push(("confirm".to_owned(), Vec::new()));
        all
    }
}

impl Report for Screen {
    fn begin(&mut self, header: &Header) -> Result<()> {
        self.renderer.begin(header)
    }
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark) -> Result<()> {
        if (self.interrupted)() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        self.renderer.row(cells, mark)
    }
    fn end(&mut self) -> Result<()> {
        self.renderer.end()
    }
    fn tree(&mut self, tree: &Tree) -> Result<()> {
        self.renderer.tree(tree)
    }
    fn line(&mut self, text: &str) -> Result<()> {
        self.renderer.line(text)
    }
    fn marked(&mut self, sign: char, text: &str) -> Result<()> {
        self.renderer.marked(sign, text)
    }
    fn wants_notices(&self) -> bool {
        self.renderer.wants_notices()
    }
    fn notice(&mut self, level: Level, text: &str) -> Result<()> {
        self.rest();
        self.renderer.notice(level, text)
    }
    fn error(&mut self, error: &Error, context: &ErrorContext<'_>) -> Result<()> {
        self.renderer.error(error, context)
    }
}

const fn on_off(value: bool) -> &'static str {
    if value { "on" } else { "off" }
}

fn switch(value: &str) -> Result<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" => Ok(true),
        "off" | "false" | "no" | "0" => Ok(false),
        _ => Err(Error::invalid(format!("`{value}` is neither on nor off"))),
    }
}

impl Front for Screen {
    fn settings(&self) -> Vec<(&'static str, String)> {
        let style = self.renderer.style();
        vec![
            ("echo", on_off(self.options.echo).into()),
            ("mode", style.mode.name().into()),
            ("null", style.null.clone()),
            ("pager", self.pager.paging().name().into()),
            ("theme", style.theme.name().into()),
            ("on-error", if self.options.continue_on_error { "continue" } else { "stop" }.into()),
            ("quiet", on_off(style.quiet).into()),
            ("timing", on_off(self.options.timing).into()),
            ("width", style.width.map_or_else(|| "unlimited".into(), |width| width.to_string())),
        ]
    }

    fn set(&mut self, name: &str, value: &str) -> Result<()> {
        match name {
            "mode" => self.renderer.style_mut().mode = value.parse::<Mode>()?,
            "null" => value.clone_into(&mut self.renderer.style_mut().null),
            "quiet" => self.renderer.style_mut().quiet = switch(value)?,
            "pager" => self.pager.set_paging(match value {
                "auto" => Paging::Auto,
                "on" => Paging::On,
                "off" => Paging::Off,
                _ => return Err(Error::invalid(format!("`{value}` is neither auto, on nor off"))),
            }),
            "theme" => {
                self.renderer.style_mut().theme = Theme::named(value)
                    .ok_or_else(|| Error::invalid(format!("`{value}` is neither dark nor light")))?;
            }
            "timing" => self.options.timing = switch(value)?,
            "echo" => self.options.echo = switch(value)?,
            "on-error" => {
                self.options.continue_on_error = match value {
                    "continue" => true,
                    "stop" => false,
                    _ => return Err(Error::invalid(format!("`{value}` is neither stop nor continue"))),
                }
            }
            "width" => {
                self.renderer.style_mut().width =
                    match value {
                        "unlimited" => None,
                        number => Some(number.parse().ok().filter(|width| *width >= 10).ok_or_else(|| {
                            Error::invalid("a width is a number of columns from 10 up, or unlimited")
                        })?),
                    }
            }
            _ => {
                let settings = self.settings();
                return Err(Error::invalid(format!("there is no setting `{name}`"))
                    .suggest(name, settings.iter().map(|(name, _)| *name))
                    .hint("`.show` lists them"));
            }
        }
        Ok(())
    }

    fn redirect(&mut self, file: Option<&Path>) -> Result<()> {
        self.renderer.flush()?;
        match file {
            Some(path) => {
                let file = std::fs::File::create(path).map_err(|cause| {
                    Error::new(ErrorKind::Io, format!("cannot write to {}: {cause}", path.display()))
                })?;
                let before = self.renderer.set_results(Box::new(std::io::BufWriter::new(file)));
                self.original.get_or_insert(before);
            }
            None => {
                if let Some(original) = self.original.take() {
                    self.renderer.set_results(original);
                }
            }
        }
        Ok(())
    }

    fn history(&self) -> Vec<String> {
        self.history.borrow().clone()
    }

    fn ask(&mut self, question: &str) -> Result<Option<bool>> {
        self.rest();
        self.renderer.flush()?;
        let _ = self.pager.end();
        (self.ask)(question)
    }
}
