//! One command's way: parse, run, report. Shared by the prompt and by scripts.

use super::again::Unit;
use super::pager::Pager;
use super::program::Program;
use super::progress::{Bar, Busy};
use super::reply::Reply;
use super::settings::{self, SETTINGS};
use super::together::{Run, goes_on_unchecked};
use crate::command::{self, Context, Flow, Front, Migrating, Origin};
use crate::language;
use crate::language::ast::{Line, Name};
use crate::model::Cell;
use crate::outcome::{ErrorContext, Header, Level, Mark, Report, Tree};
use crate::render::{Mode, Renderer, Style, sanitise};
use crate::session::{REMADE, Session};
use crate::text::{Place, Span};
use crate::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::io::Write;
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

/// Why a sandbox runs no programs.
pub(super) const SANDBOXED: &str = "a sandbox runs no programs";

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
    /// What `db` works with beside the connection.
    pub migrating: Migrating,
    /// Whether what would empty the database is refused.
    pub protected: bool,
    /// Whether masked fields stay masked whatever is typed.
    pub masks_locked: bool,
    /// Models, and the fields by which their records are named, where no unique index says so.
    pub natural_keys: Vec<(String, String)>,
    /// Reads its models again.
    pub models: command::Models,
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
    /// Lines that arrive together are being run.
    pub(super) run: Option<Run>,
    /// What a script has run since its transaction began.
    pub(super) unit: Unit,
    /// How many of the next commands were looked at already.
    pub(super) ahead: usize,
    /// Called before what was typed at once runs, whether one command or many: forgets an earlier Ctrl-C.
    pub begin: fn(),
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
    /// Rows of results since the work began.
    rows: u64,
    /// The head of a result that has no row yet.
    pending: Option<Header>,
    /// Whether anything of a command's result has been shown.
    pub(super) shown: bool,
    bar: Option<Bar>,
    /// Opens other databases.
    opener: Opener,
    /// What is collected, and the mode from before.
    collecting: Option<(Rc<RefCell<Vec<u8>>>, Box<dyn Write>, Style)>,
    /// What is said of changes is kept back, to be said of all together.
    hushed: bool,
    /// Results are collected as data instead of being written.
    pub(super) reply: Option<Reply>,
    /// Results go to the process's own standard output, so that programs behind a `|` may write there too.
    pub is_process: bool,
    /// Messages go to a terminal, which has a clipboard.
    pub has_clipboard: bool,
    /// Why no programs run, if none do. What has been turned off stays off.
    no_programs: Option<&'static str>,
    /// The programs that results go to, innermost last: one that a whole file's results go to stays while it is read.
    programs: Vec<Piped>,
    /// Where results went before they were sent elsewhere, and before that.
    originals: Vec<(Box<dyn Write>, Style)>,
}

/// Results go to a program.
struct Piped {
    program: Program,
    /// Where it stands in the command.
    span: Span,
    /// Where they went before, and how they looked there.
    before: Box<dyn Write>,
    style: Style,
    /// How often results had been sent elsewhere.
    redirected: usize,
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
            rows: 0,
            pending: None,
            shown: false,
            shows_progress: false,
            bar: None,
            opener,
            collecting: None,
            hushed: false,
            reply: None,
            is_process: false,
            has_clipboard: false,
            no_programs: None,
            programs: Vec::new(),
            originals: Vec::new(),
        };
        Self {
            prompt,
            connections: Vec::new(),
            template: None,
            run: None,
            unit: Unit::default(),
            ahead: 0,
            begin: || {},
            context,
            screen,
        }
    }

    /// Runs one command's text.
    ///
    /// # Errors
    /// What the command gives; the caller shows it.
    pub fn execute(&mut self, text: &str, place: &Place) -> Result<Flow> {
        // At the prompt the line is the one that was just typed.
        self.screen.work(if &*place.source == "prompt" { 0 } else { place.line });
        let started = self.screen.options.timing.then(std::time::Instant::now);
        if self.context.session.is_lost() {
            // Nothing of this command was sent yet, and no transaction went with the connection.
            self.context.session.reconnect()?;
            self.screen.notice(Level::Warning, REMADE)?;
        }
        // While a transaction is open, nobody changes the schema of a SQLite file.
        if self.context.interactive && !self.context.session.is_together() && self.context.is_stale().unwrap_or(false) {
            self.reload()?;
        }
        let flow = match self.typed(text, place) {
            // A name that is not known may be known by now.
            Err(error) if error.unknown && self.context.reload().unwrap_or(false) => {
                self.screen.notice(Level::Warning, CHANGED)?;
                self.typed(text, place)?
            }
            Err(error) if error.kind == ErrorKind::Database && self.context.reload().unwrap_or(false) => {
                return Err(error.hint(CHANGED).hint("try again"));
            }
            done => done?,
        };
        if let Some(started) = started {
            let took = started.elapsed();
            self.screen.notice(Level::Warning, &format!("time: {:.3} ms", took.as_secs_f64() * 1000.0))?;
        }
        match flow {
            Flow::Open(url) => self.open(&url).map(|()| Flow::Next),
            Flow::Watch(every, command) => self.watch(every, &command, place),
            flow => Ok(flow),
        }
    }

    /// Runs a command again and again, until Ctrl-C.
    fn watch(&mut self, every: std::time::Duration, command: &str, place: &Place) -> Result<Flow> {
        loop {
            let now = (self.context.clock)().format("%H:%M:%S");
            self.screen.notice(Level::Info, &format!("{now}  {command}"))?;
            let open = self.screen.programs.len();
            match self.typed(command, place) {
                Err(error) if error.kind == ErrorKind::Interrupted => return Ok(Flow::Next),
                Ok(Flow::Next) => {}
                Ok(_) => {
                    while self.screen.programs.len() > open {
                        self.screen.close_program(Ok(Flow::Next))?;
                    }
                    return Err(Error::invalid(format!("`{command}` cannot be run again and again")));
                }
                Err(error) => return Err(error),
            }
            if self.context.interactive {
                self.end();
            } else {
                self.flush()?;
            }
            let next = std::time::Instant::now() + every;
            while std::time::Instant::now() < next {
                if (self.screen.interrupted)() {
                    return Ok(Flow::Next);
                }
                std::thread::sleep(std::time::Duration::from_millis(20).min(every));
            }
        }
    }

    /// Runs what was typed: a command, perhaps with a program behind it.
    fn typed(&mut self, text: &str, place: &Place) -> Result<Flow> {
        let catalog = Arc::clone(self.context.session.catalog());
        let line = language::parse_line(text, &catalog)?;
        self.join(&line)?;
        match &line.program {
            None => self.persist(&line, place),
            Some(program) => self.piped(&line, program, place),
        }
    }

    /// Runs a command whose results go to a program: `list users | sort`.
    fn piped(&mut self, line: &Line<'_>, program: &Name<'_>, place: &Place) -> Result<Flow> {
        self.screen.open_program(&program.text, program.span)?;
        match self.persist(line, place) {
            // The file's commands write to it; whoever runs them ends it.
            Ok(flow @ Flow::Read(_)) => {
                self.screen.programs.iter().for_each(|piped| piped.program.be_patient());
                Ok(flow)
            }
            done => self.screen.close_program(done),
        }
    }

    fn reload(&mut self) -> Result<()> {
        if self.context.reload()? {
            self.screen.notice(Level::Warning, CHANGED)?;
        }
        Ok(())
    }

    /// Runs a command one time.
    pub(super) fn once(&mut self, line: &Line<'_>, place: &Place) -> Result<Flow> {
        match self.dispatch(line, place) {
            Err(error) if goes_on_unchecked(&error, &mut self.context)? => self.dispatch(line, place),
            done => done,
        }
    }

    fn dispatch(&mut self, line: &Line<'_>, place: &Place) -> Result<Flow> {
        // What was to be shown of a command that failed.
        self.screen.pending = None;
        if self.screen.options.echo {
            self.context.session.store().set_echo(true);
        }
        self.screen.renderer.set_literal(self.context.session.store().facts().literal);
        let origin = Origin { text: line.text, place };
        let done = command::run(&line.command, origin, &mut self.context, &mut self.screen);
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
        self.screen.rest();
        let opened = (self.screen.opener)(url)?;
        let lock_timeout = self.context.session.lock_timeout();
        self.context.session = opened.session;
        self.context.session.set_lock_timeout(lock_timeout);
        if self.context.session.is_sandbox() {
            self.screen.forbid_programs(SANDBOXED);
        }
        self.context.session.set_clock(self.context.clock);
        self.context.version = opened.version;
        self.context.migrating = opened.migrating;
        self.context.protected = opened.protected;
        self.context.masks_locked = opened.masks_locked;
        self.context.unmasked.clear();
        self.context.natural_keys.clear();
        self.context.models = opened.models;
        self.context.name.clone_from(&opened.name);
        self.prompt = opened.prompt;
        self.context.variables.clear();
        self.context.added = false;
        for (model, field) in &opened.natural_keys {
            self.context.name_by(model, field)?;
        }
        let models = self.context.session.catalog().iter().count();
        self.screen.notice(Level::Info, &format!("{}: {models} models", opened.name))
    }

    /// Changes a setting.
    ///
    /// # Errors
    /// An unknown name, or a value that it cannot have.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        self.screen.set(name, value, &mut self.context)
    }

    /// Shows an error where it happened.
    ///
    /// # Errors
    /// When writing fails.
    pub fn show_error(&mut self, error: &Error, command: &str, place: &Place, script: bool) -> Result<()> {
        // A command that no file and no `-c` has in it stands nowhere.
        let source = (script && !place.source.is_empty()).then(|| place.source.to_string());
        let command = if place.source.is_empty() { "" } else { command };
        let context = ErrorContext { command, source: source.as_deref(), line: place.line, column: place.column };
        self.screen.error(error, &context)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// When writing fails.
    pub fn flush(&mut self) -> Result<()> {
        self.screen.rest();
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
        let database = sanitise(&self.prompt);
        match &self.template {
            // What the person wrote into it is hers, colours too.
            Some(template) => template.replace("{database}", &database).replace("{staged}", &staged),
            None => format!("{database}{staged}> "),
        }
    }
}

impl Screen {
    /// A command begins: if it, or a script's silent commands together, take long, that is shown until the first byte of
    /// results, a notice, or the end.
    fn work(&mut self, line: u32) {
        if self.shows_progress {
            self.rows = 0;
            self.busy.borrow_mut().get_or_insert_with(Busy::new).work(line);
            let busy = Rc::clone(&self.busy);
            self.pager.begin(Some(Box::new(move || {
                if let Some(busy) = &*busy.borrow() {
                    busy.rest();
                }
            })));
        }
    }

    /// Something of a result is shown: its head first.
    fn show(&mut self) -> Result<()> {
        self.shown = true;
        let Some(header) = self.pending.take() else { return Ok(()) };
        match self.reply() {
            Some(reply) => {
                reply.begin(&header);
                Ok(())
            }
            None => self.renderer.begin(&header),
        }
    }

    /// Keeps back what is said of changes, or no longer.
    pub(super) const fn hush(&mut self, hushed: bool) {
        self.hushed = hushed;
    }

    /// Pages results from now on.
    pub fn set_pager(&mut self, pager: Pager) {
        self.pager = pager;
        if self.no_programs.is_some() {
            self.pager.forget_program();
        }
    }

    /// Runs no program from now on, and says why: none behind a `|`, no pager.
    pub fn forbid_programs(&mut self, why: &'static str) {
        self.no_programs.get_or_insert(why);
        self.pager.forget_program();
    }

    /// How many programs results go through.
    #[must_use]
    pub const fn open_programs(&self) -> usize {
        self.programs.len()
    }

    /// Sends results to a program.
    fn open_program(&mut self, text: &str, span: Span) -> Result<()> {
        if self.reply.is_some() {
            return Err(Error::new(ErrorKind::Refused, "no program runs for a command from code").at(span));
        }
        if let Some(why) = self.no_programs {
            return Err(Error::new(ErrorKind::Refused, why).at(span));
        }
        self.rest();
        self.renderer.flush()?;
        let _ = self.pager.end();
        let direct = self.is_process && self.programs.is_empty() && self.originals.is_empty();
        let program = Program::new(text, !direct);
        let before = self.renderer.set_results(program.input());
        let style = self.renderer.style().clone();
        let plain = self.renderer.style_mut();
        (plain.terminal, plain.colour, plain.width) = (false, false, None);
        self.programs.push(Piped { program, span, before, style, redirected: self.originals.len() });
        Ok(())
    }

    /// Ends the input of the program that was opened last, once what writes to it is done, and waits for it.
    ///
    /// # Errors
    /// Those of what wrote to it; the program's own.
    pub fn close_program<T: Default>(&mut self, done: Result<T>) -> Result<T> {
        let flushed = self.renderer.flush();
        let Some(Piped { program, span, before, style, redirected }) = self.programs.pop() else { return done };
        // `.output` may have been among what was run.
        if self.originals.len() >= redirected {
            self.originals.truncate(redirected);
            drop(self.renderer.set_results(before));
        }
        let now = self.renderer.style_mut();
        (now.terminal, now.colour, now.width) = (style.terminal, style.colour, now.width.or(style.width));
        let done = done.and_then(|value| flushed.map(|()| value));
        let (output, ended) = program.end(done.is_ok());
        let ended = ended.map_err(|error| error.at(span));
        if !output.is_empty() {
            self.renderer.write_raw(&output)?;
        }
        match done {
            // It has read enough.
            Err(error) if error.kind == ErrorKind::ClosedPipe => ended.map(|()| T::default()),
            done => done.and_then(|value| ended.map(|()| value)),
        }
    }

    /// Where results go as data, unless a command collects its own text (`.export`, `.copy`).
    fn reply(&mut self) -> Option<&mut Reply> {
        self.reply.as_mut().filter(|_| self.collecting.is_none())
    }

    pub(super) fn rest(&self) {
        if let Some(busy) = &*self.busy.borrow() {
            busy.rest();
        }
    }

    /// Why no programs run, if none do.
    #[must_use]
    pub const fn forbidden(&self) -> Option<&'static str> {
        self.no_programs
    }
}

impl Report for Screen {
    fn begin(&mut self, header: &Header) -> Result<()> {
        // Shown with the first row: until then the command may fail, and run again.
        self.pending = Some(header.clone());
        Ok(())
    }
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark) -> Result<()> {
        if (self.interrupted)() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        self.show()?;
        self.rows += 1;
        if self.shows_progress
            && self.rows.is_multiple_of(4_096)
            && let Some(busy) = &*self.busy.borrow()
        {
            busy.rows(self.rows);
        }
        if let Some(reply) = self.reply() {
            reply.row(cells, mark);
            return Ok(());
        }
        self.renderer.row(cells, mark)
    }
    fn end(&mut self) -> Result<()> {
        self.show()?;
        if self.reply().is_some() {
            return Ok(());
        }
        self.renderer.end()
    }
    fn tree(&mut self, tree: &Tree) -> Result<()> {
        self.show()?;
        if let Some(reply) = self.reply() {
            reply.tree(tree);
            return Ok(());
        }
        self.renderer.tree(tree)
    }
    fn line(&mut self, text: &str) -> Result<()> {
        self.show()?;
        if let Some(reply) = self.reply() {
            reply.line(text);
            return Ok(());
        }
        self.renderer.line(text)
    }
    fn data(&mut self, text: &str) -> Result<()> {
        self.show()?;
        if let Some(reply) = self.reply() {
            reply.line(text);
            return Ok(());
        }
        self.renderer.data(text)
    }
    fn marked(&mut self, sign: char, text: &str) -> Result<()> {
        self.show()?;
        if self.reply().is_some() {
            return self.line(&format!("{sign} {text}"));
        }
        self.renderer.marked(sign, text)
    }
    fn wants_notices(&self) -> bool {
        self.reply.is_some() || (!self.hushed && self.renderer.wants_notices())
    }
    fn notice(&mut self, level: Level, text: &str) -> Result<()> {
        if self.hushed && level == Level::Info {
            return Ok(());
        }
        self.rest();
        if let Some(reply) = &mut self.reply {
            reply.notice(level, text);
            return Ok(());
        }
        self.renderer.notice(level, text)
    }
    fn error(&mut self, error: &Error, context: &ErrorContext<'_>) -> Result<()> {
        self.rest();
        self.renderer.error(error, context)
    }
}

/// How much is collected for the clipboard, in bytes.
const MOST_COLLECTED: usize = 64 << 20;

/// A `Write` into memory that is kept by somebody else too.
struct Collected(Rc<RefCell<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.borrow().len() + bytes.len() > MOST_COLLECTED {
            return Err(std::io::Error::other("more than 64 MiB are too much for a clipboard"));
        }
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Front for Screen {
    fn settings(&self, context: &Context) -> Vec<(&'static str, String)> {
        SETTINGS.iter().map(|setting| (setting.name, setting.get(self, context))).collect()
    }

    fn setting(&self, name: &str, context: &Context) -> Result<String> {
        Ok(settings::find(name)?.get(self, context))
    }

    fn set(&mut self, name: &str, value: &str, context: &mut Context) -> Result<()> {
        settings::find(name)?.set(self, context, value)
    }

    fn explain_settings(&self) -> Vec<(&'static str, String)> {
        SETTINGS.iter().map(|setting| (setting.name, setting.told())).collect()
    }

    fn mode_for(&self, file: &std::path::Path) -> Result<&'static str> {
        Mode::of_file(file).map(Mode::name)
    }

    fn redirect(&mut self, file: Option<std::fs::File>) -> Result<()> {
        self.renderer.flush()?;
        match file {
            Some(file) => {
                let before = self.renderer.set_results(Box::new(std::io::BufWriter::new(file)));
                let style = self.renderer.style().clone();
                // A file is no terminal: it gets the data as they are.
                let plain = self.renderer.style_mut();
                plain.width = plain.width.filter(|_| !style.terminal);
                (plain.terminal, plain.colour) = (false, false);
                self.originals.push((before, style));
            }
            None => {
                if let Some((original, style)) = self.originals.pop() {
                    self.renderer.set_results(original);
                    let known = self.renderer.style_mut();
                    (known.terminal, known.colour) = (style.terminal, style.colour);
                    if style.terminal {
                        known.width = style.width;
                    }
                }
            }
        }
        Ok(())
    }

    fn progress(&mut self, done: u64, total: u64, rows: u64) -> Result<()> {
        if (self.interrupted)() {
            return Err(Error::new(ErrorKind::Interrupted, "interrupted"));
        }
        if self.shows_progress {
            self.rest();
            self.bar.get_or_insert_with(Bar::new).update(done, total, rows);
        }
        Ok(())
    }

    fn progress_end(&mut self) {
        self.bar = None;
    }

    fn connect(&mut self, url: &str) -> Result<Session> {
        Ok((self.opener)(url)?.session)
    }

    fn collect(&mut self, mode: &str) -> Result<()> {
        let mode = mode.parse::<Mode>()?;
        self.renderer.flush()?;
        let collected = Rc::new(RefCell::new(Vec::new()));
        let before = self.renderer.set_results(Box::new(Collected(Rc::clone(&collected))));
        let style = self.renderer.style().clone();
        let plain = self.renderer.style_mut();
        (plain.mode, plain.terminal, plain.colour, plain.width) = (mode, false, false, None);
        self.collecting = Some((collected, before, style));
        Ok(())
    }

    fn collected(&mut self) -> Result<Vec<u8>> {
        self.renderer.flush()?;
        let Some((collected, before, style)) = self.collecting.take() else { return Ok(Vec::new()) };
        drop(self.renderer.set_results(before));
        *self.renderer.style_mut() = style;
        Ok(collected.take())
    }

    fn clipboard(&mut self, text: &[u8]) -> Result<()> {
        use base64::Engine as _;
        if !self.has_clipboard {
            return Err(Error::new(ErrorKind::Refused, "there is no terminal, so there is no clipboard")
                .hint("`.export FILE QUERY` writes a file"));
        }
        // Operating System Command 52, "Manipulate Selection Data": xterm's control sequences.
        let coded = base64::engine::general_purpose::STANDARD.encode(text);
        self.renderer.message_raw(format!("\x1b]52;c;{coded}\x07").as_bytes())
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
