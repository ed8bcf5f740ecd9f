//! The door: an application's models, commands and settings become a shell.

use super::app::Shell;
use super::console::{Ask, Console, Opened, Opener, Options, SANDBOXED};
use super::opening::Opening;
use super::settings::SETTINGS;
use super::status::Status;
use super::stdio;
#[cfg(feature = "editor")]
use super::{app::Prompting, editor::Keys};
use crate::command::{Context, Own, OwnCommand, Setting};
use crate::database::register::{Model, ModelBuilder, Models, Owned};
use crate::database::source::{AnyMigrations, Sources, SqliteMigrations};
use crate::database::url::Address;
use crate::database::{self, Connection, Open};
use crate::language::table;
use crate::migrations::project::Project;
use crate::migrations::run;
use crate::model::ReferentialAction;
use crate::outcome::{Level, Report};
use crate::render::{Mode, Renderer, Style, Theme};
use crate::session::LOCK_TIMEOUT;
use crate::store::Store;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// From how many rows on `set` and `delete` ask.
const CONFIRM: usize = 100;

/// What the shell is opened on.
enum Source {
    Url(String),
    Connection(Connection),
    Opened(Box<Opened>),
}

/// Puts a [`Shell`] together. Made by [`Shell::builder`].
///
/// Everything may be left out but the database. What goes wrong (two models of one name, a default that does not fit, a
/// database that is not there) is reported by [`build`](Self::build) and [`run`](Self::run), not on the way.
#[must_use = "a builder does nothing before `build` or `run`"]
pub struct Builder {
    models: Models,
    commands: Vec<OwnCommand>,
    settings: Vec<Setting>,
    source: Option<Source>,
    migrations: Sources,
    project: Option<PathBuf>,
    create: bool,
    upgrade: bool,
    name: Option<String>,
    pub(super) output: Option<Box<dyn Write>>,
    pub(super) messages: Option<Box<dyn Write>>,
    pub(super) style: Style,
    pub(super) colour: Option<bool>,
    options: Options,
    prompt: Option<String>,
    confirm: usize,
    lock_timeout: Duration,
    natural_keys: Vec<(String, String)>,
    clock: fn() -> chrono::NaiveDateTime,
    interrupt: Option<(fn() -> bool, fn())>,
    ask: Option<Ask>,
    opener: Option<Opener>,
    opening: Opening,
    pager: Vec<String>,
    no_programs: bool,
    banner: Option<String>,
    history: Option<PathBuf>,
    #[cfg(feature = "editor")]
    keys: Keys,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            models: Models::new(),
            commands: Vec::new(),
            settings: Vec::new(),
            source: None,
            migrations: Sources::default(),
            project: None,
            create: false,
            upgrade: false,
            name: None,
            output: None,
            messages: None,
            style: Style::default(),
            colour: None,
            options: Options::default(),
            prompt: None,
            confirm: CONFIRM,
            lock_timeout: LOCK_TIMEOUT,
            natural_keys: Vec::new(),
            clock: || chrono::Utc::now().naive_utc(),
            interrupt: None,
            ask: None,
            opener: None,
            opening: Opening::default(),
            pager: Vec::new(),
            no_programs: false,
            banner: None,
            history: None,
            #[cfg(feature = "editor")]
            keys: Keys::default(),
        }
    }
}

/// Models.
impl Builder {
    /// Registers a Diesel model under its singular name. Columns, types and NULLs come from its `table!`; what the
    /// database knows beyond that (numbered keys, lengths, defaults, unique columns) is read from it.
    pub fn model<M: Model>(mut self, name: &str) -> Self {
        self.models = self.models.model::<M>(name);
        self
    }

    /// Registers a Diesel model and says more about it: display, natural key, masked columns, defaults and checks in
    /// Rust.
    ///
    /// ```
    /// # use diesel::prelude::*;
    /// # diesel::table! { users (id) { id -> Integer, username -> Text, password -> Text, token -> Text } }
    /// # #[derive(Identifiable)] #[diesel(table_name = users)] struct User { id: i32 }
    /// # let connection = SqliteConnection::establish(":memory:").unwrap();
    /// diesel_shell::Shell::builder()
    ///     .model_with::<User>("user", |user| {
    ///         user.natural_key(users::username)
    ///             .masked(users::password)
    ///             .default_with(users::token, || "fresh".to_owned())
    ///             .validate(users::username, |name| match name.as_text() {
    ///                 Some("root") => Err("nobody is called root"),
    ///                 _ => Ok(()),
    ///             })
    ///     })
    /// #   .connection(connection).build()?;
    /// # Ok::<(), diesel_shell::Error>(())
    /// ```
    pub fn model_with<M: Model>(
        mut self,
        name: &str,
        adjust: impl FnOnce(ModelBuilder<M::Table>) -> ModelBuilder<M::Table>,
    ) -> Self {
        self.models = self.models.model_with::<M>(name, adjust);
        self
    }

    /// Registers that `Child` belongs to `Parent`, as `derive(Associations)` says: `child.to_one` leads to the parent,
    /// `parent.to_many` to the children. Both are registered before.
    pub fn belongs_to<Child, Parent>(mut self, to_one: &str, to_many: &str) -> Self
    where
        Child: Owned<Parent>,
        Parent: Model,
    {
        self.models = self.models.belongs_to::<Child, Parent>(to_one, to_many);
        self
    }

    /// What the database does with the children when their parent is deleted, which `db migrate` gives the foreign key.
    pub fn on_delete<Child, Parent>(mut self, action: ReferentialAction) -> Self
    where
        Child: Owned<Parent>,
        Parent: Model,
    {
        self.models = self.models.on_delete::<Child, Parent>(action);
        self
    }

    /// Takes a whole set of models, instead of those registered so far.
    pub fn models(mut self, models: Models) -> Self {
        self.models = models;
        self
    }

    /// Registered models count only where the database has all of their tables or could have (it is empty), and any other
    /// database is shown as it is. For a shell that opens databases of many sorts.
    pub const fn where_present(mut self) -> Self {
        self.opening.where_present = true;
        self
    }
}

/// The database.
impl Builder {
    /// The database: a path, `sqlite://PATH`, `:memory:`, or `postgres://USER@HOST/DATABASE`.
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.source = Some(Source::Url(url.into()));
        self
    }

    /// An existing connection, used as the application has set it up. No transaction may be open on it.
    pub fn connection(mut self, connection: impl Into<Connection>) -> Self {
        self.source = Some(Source::Connection(connection.into()));
        self
    }

    /// A SQLite file that does not exist is made.
    pub const fn create(mut self) -> Self {
        self.create = true;
        self
    }

    /// The migrations that `db upgrade` and its like work with: any Diesel `MigrationSource`, for all backends.
    pub fn migrations(mut self, source: impl AnyMigrations + 'static) -> Self {
        self.migrations.set_all(source);
        self
    }

    /// Migrations for SQLite only.
    pub fn sqlite_migrations(mut self, source: impl SqliteMigrations + 'static) -> Self {
        self.migrations.set_sqlite(source);
        self
    }

    /// Migrations for PostgreSQL only.
    #[cfg(feature = "postgres")]
    pub fn postgres_migrations(mut self, source: impl crate::database::source::PostgresMigrations + 'static) -> Self {
        self.migrations.set_postgres(source);
        self
    }

    /// Applies pending migrations when the shell is built.
    pub const fn upgrade(mut self) -> Self {
        self.upgrade = true;
        self
    }

    /// The folder of the application's diesel.toml: `db migrate` and `db revision` write to its folder of migrations, and
    /// the migrations are read from there instead of those that were compiled in, so that new ones count at once.
    pub fn project(mut self, folder: impl Into<PathBuf>) -> Self {
        self.project = Some(folder.into());
        self
    }

    /// Refuses what would empty the database: `.reset`, `db drop-all`.
    pub const fn protected(mut self) -> Self {
        self.opening.protected = true;
        self
    }

    /// Lets the database refuse every write.
    pub const fn read_only(mut self) -> Self {
        self.opening.read_only = true;
        self
    }

    /// Keeps masked fields masked, whatever is typed: `.unmask` is refused, and so are `.sql`, `.dump` and `.copy-to`, which
    /// show or write values as they are.
    pub const fn lock_masks(mut self) -> Self {
        self.opening.masks_locked = true;
        self
    }

    /// Refuses every commit.
    pub const fn sandbox(mut self) -> Self {
        self.opening.sandbox = true;
        self
    }

    /// Runs no programs: none behind a `|`, no pager. Nothing that is typed turns them on again. A [`sandbox`](Self::sandbox)
    /// has none either.
    pub const fn no_programs(mut self) -> Self {
        self.no_programs = true;
        self
    }

    /// Keeps what is staged in files of a folder until it is committed, so that a crash loses nothing (`.recover`). The
    /// folder is made; the files can be read by their owner only.
    pub fn recovery(mut self, folder: impl Into<PathBuf>) -> Self {
        self.opening.recovery = Some(folder.into());
        self
    }
}

/// Commands, settings and looks.
impl Builder {
    /// Adds a command of the application's own.
    pub fn command(mut self, command: OwnCommand) -> Self {
        self.commands.push(command);
        self
    }

    /// Adds a setting of the application's own, for `.set` and [`Call::setting`](crate::Call::setting).
    pub fn setting(mut self, setting: Setting) -> Self {
        self.settings.push(setting);
        self
    }

    /// What the prompt and messages call the database.
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// The prompt, with `{database}` and `{staged}` in it. Default: `{database}{staged}> `.
    pub fn prompt(mut self, template: &str) -> Self {
        self.prompt = Some(template.to_owned());
        self
    }

    /// What is said when the prompt begins.
    pub fn banner(mut self, banner: &str) -> Self {
        self.banner = Some(banner.to_owned());
        self
    }

    /// Where results go. Default: nowhere, but for [`Shell::run`], which writes to the standard output.
    pub fn output(mut self, output: impl Write + 'static) -> Self {
        self.output = Some(Box::new(output));
        self
    }

    /// Where notices, warnings and errors go. Default: nowhere, but for [`Shell::run`], which writes to the standard
    /// error.
    pub fn messages(mut self, messages: impl Write + 'static) -> Self {
        self.messages = Some(Box::new(messages));
        self
    }

    /// How results are shown.
    pub const fn mode(mut self, mode: Mode) -> Self {
        self.style.mode = mode;
        self
    }

    /// What stands for NULL.
    pub fn null(mut self, text: &str) -> Self {
        text.clone_into(&mut self.style.null);
        self
    }

    /// How many columns output may have; nothing is cut without. Default: those of the terminal, if there is one.
    pub const fn width(mut self, columns: usize) -> Self {
        self.style.width = Some(columns);
        self
    }

    /// Which colours are used.
    pub const fn theme(mut self, theme: Theme) -> Self {
        self.style.theme = theme;
        self
    }

    /// Whether colours are used. Default: at a terminal. The library does not read `NO_COLOR`; an application that does
    /// says so here.
    pub const fn colour(mut self, colour: bool) -> Self {
        self.colour = Some(colour);
        self
    }

    /// Says nothing but results, warnings and errors.
    pub const fn quiet(mut self) -> Self {
        self.style.quiet = true;
        self
    }

    /// Scripts go on after an error.
    pub const fn continue_on_error(mut self) -> Self {
        self.options.continue_on_error = true;
        self
    }

    /// From how many rows on `set` and `delete` ask at a terminal. Default: 100.
    pub const fn confirm(mut self, rows: usize) -> Self {
        self.confirm = rows;
        self
    }

    /// How long locks of others are waited for while a change is tried out at a prompt; zero is not at all. Default: a second.
    pub const fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout;
        self
    }

    /// The text field by which records of a model are named, where no unique index says so; a name that more than one
    /// record has is refused where it is used. `.set natural-key` for a session.
    pub fn natural_key(mut self, model: impl Into<String>, field: impl Into<String>) -> Self {
        self.natural_keys.push((model.into(), field.into()));
        self
    }

    /// The clock, in UTC: what `now` and [`default_now`](ModelBuilder::default_now) mean.
    pub fn clock(mut self, clock: fn() -> chrono::NaiveDateTime) -> Self {
        self.clock = clock;
        self
    }

    /// The library installs no signal handler. An application that has one says here whether Ctrl-C was pressed since a
    /// command began, and forgets it when one begins; [`Session::cancel`](crate::Session::cancel) gives what its handler
    /// may call to stop a running statement.
    pub fn interrupt(mut self, was_pressed: fn() -> bool, forget: fn()) -> Self {
        self.interrupt = Some((was_pressed, forget));
        self
    }

    /// Answers yes-or-no questions. Default: at a prompt a person is asked; elsewhere nobody answers, and what would ask
    /// goes ahead or is refused as in any script.
    pub fn ask(mut self, ask: impl FnMut(&str) -> Result<Option<bool>> + 'static) -> Self {
        self.ask = Some(Box::new(ask));
        self
    }

    /// The file in which the prompt keeps its history. Default: none.
    pub fn history(mut self, file: impl Into<PathBuf>) -> Self {
        self.history = Some(file.into());
        self
    }

    /// The program, with its arguments, that shows results longer than the screen. Default: none.
    pub fn pager<I: Into<String>>(mut self, program: impl IntoIterator<Item = I>) -> Self {
        self.pager = program.into_iter().map(Into::into).collect();
        self
    }

    /// How lines are edited at the prompt.
    #[cfg(feature = "editor")]
    pub const fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }
}

/// For the command `diesel-shell`, which opens databases by rules of its own.
#[doc(hidden)]
impl Builder {
    /// A database that is open already, instead of one to open.
    pub fn opened(mut self, opened: Opened) -> Self {
        self.source = Some(Source::Opened(Box::new(opened)));
        self
    }

    /// Opens what `.open` and `.copy-to` name.
    pub fn opener(mut self, opener: Opener) -> Self {
        self.opener = Some(opener);
        self
    }

    /// All of the looks at once.
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }

    /// Whether a script goes on after an error.
    pub const fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }
}

impl Builder {
    /// Opens the database and builds the shell.
    ///
    /// # Errors
    /// `Usage` when what was registered does not fit together, or no database was named; `Connection` when it cannot be
    /// opened; `Database` when a migration fails.
    pub fn build(mut self) -> Result<Shell> {
        check(&self.commands, &self.settings, &self.models)?;
        let own = Own::new(std::mem::take(&mut self.commands), std::mem::take(&mut self.settings));
        let project = match &self.project {
            Some(folder) => Some(Project::read(folder)?),
            None => self.opening.project,
        };
        let folder = self.project.or(self.opening.folder);
        let opening = Opening { models: self.models, extra: own.infos(), project, folder, ..self.opening };
        let (captured, colour) = (self.output.is_some(), self.colour);
        let output = self.output.unwrap_or_else(|| Box::new(std::io::sink()));
        let speaks = self.messages.is_some();
        let messages = self.messages.unwrap_or_else(|| Box::new(std::io::sink()));
        let mut renderer = Renderer::new(output, messages, self.style);
        if let Some(colour) = colour {
            renderer.style_mut().colour = colour;
        }
        let opened = match self.source {
            Some(Source::Opened(opened)) => *opened,
            Some(Source::Url(url)) => {
                let address = Address::parse(&url);
                let how = match (opening.read_only, self.create) {
                    // What is to be brought up to date is closed to writing afterwards.
                    (true, _) if !self.upgrade => Open::Reading,
                    (_, true) => Open::Create,
                    _ => Open::Existing,
                };
                let (store, name) = open(&address, how, &self.migrations)?;
                start(store, name, &address.key(), self.upgrade, &opening, &mut renderer)?
            }
            Some(Source::Connection(connection)) => {
                let (store, name) = database::adopt(connection, &self.migrations)?;
                start(store, name, ":memory:", self.upgrade, &opening, &mut renderer)?
            }
            None => {
                return Err(Error::new(ErrorKind::Usage, "no database was named")
                    .hint("`Builder::database` takes a URL, `Builder::connection` a connection"));
            }
        };
        if speaks {
            renderer.flush()?;
        }
        let mut session = opened.session;
        session.set_clock(self.clock);
        session.set_lock_timeout(self.lock_timeout);
        let name = self.name.unwrap_or_else(|| opened.name.clone());
        let mut context = Context {
            session,
            variables: HashMap::new(),
            added: false,
            confirm: self.confirm,
            models: opened.models,
            migrating: opened.migrating,
            protected: opened.protected,
            unmasked: Vec::new(),
            natural_keys: Vec::new(),
            exact: false,
            masks_locked: opened.masks_locked,
            version: opened.version,
            clock: self.clock,
            interactive: false,
            name: name.clone(),
            own,
        };
        for (model, field) in opened.natural_keys.iter().chain(&self.natural_keys) {
            context.name_by(model, field).map_err(|error| Error { kind: ErrorKind::Usage, ..error })?;
        }
        #[cfg(feature = "editor")]
        let prompting =
            Prompting { asks: self.ask.is_some(), banner: self.banner, history: self.history, keys: self.keys };
        let ask = self.ask.unwrap_or_else(|| Box::new(|_| Ok(None)));
        let migrations = self.migrations;
        let other = opening;
        let opener = self.opener.unwrap_or_else(|| {
            Box::new(move |url| {
                let address = Address::parse(url);
                let how = if other.read_only { Open::Reading } else { Open::Existing };
                let (mut store, name) = open(&address, how, &migrations)?;
                if let Some(project) = &other.project {
                    project.attach(&mut *store);
                }
                let mut silent = Renderer::new(Box::new(std::io::sink()), Box::new(std::io::sink()), Style::default());
                other.session(store, name, &address.key(), &mut silent)
            })
        });
        let mut console = Console::new(context, renderer, self.options, ask, opener);
        console.prompt = opened.prompt.replacen(&opened.name, &name, 1);
        console.template = self.prompt;
        if console.context.session.is_sandbox() {
            console.screen.forbid_programs(SANDBOXED);
        }
        if self.no_programs {
            console.screen.forbid_programs("programs are turned off");
        }
        if let Some((was_pressed, forget)) = self.interrupt {
            console.screen.interrupted = was_pressed;
            console.begin = forget;
        }
        Ok(Shell {
            console,
            captured,
            speaks,
            colour,
            pager: self.pager,
            #[cfg(feature = "editor")]
            prompting,
        })
    }

    /// Builds the shell and runs it: see [`Shell::run`]. What goes wrong before that is written where errors go.
    pub fn run(mut self) -> Status {
        // Kept for the error of a shell that cannot be built.
        let style = self.style.clone();
        let shared = self.messages.take().map(Shared::new);
        if let Some(shared) = &shared {
            self.messages = Some(Box::new(shared.clone()));
        }
        match self.build() {
            Ok(shell) => shell.run(),
            Err(error) => {
                let to = shared.map_or_else(stdio::messages, |shared| Box::new(shared) as Box<dyn Write>);
                let mut renderer = Renderer::new(Box::new(std::io::sink()), to, style);
                // If not even that can be written, the status says it.
                let _ = renderer.error(&error, &crate::outcome::ErrorContext::default());
                Status::of(error.kind)
            }
        }
    }
}

/// A `Write` that two have.
#[derive(Clone)]
struct Shared(std::rc::Rc<std::cell::RefCell<Box<dyn Write>>>);

impl Shared {
    fn new(inner: Box<dyn Write>) -> Self {
        Self(std::rc::Rc::new(std::cell::RefCell::new(inner)))
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.0.borrow_mut().flush()
    }
}

fn open(address: &Address, how: Open, migrations: &Sources) -> Result<(Box<dyn Store>, String)> {
    let (mut store, name) =
        database::open(address, how, migrations.for_connection(), database::network::Network::default())?;
    if !migrations.are_for(address) {
        store.forget_migrations();
    }
    Ok((store, name))
}

fn start(
    mut store: Box<dyn Store>,
    name: String,
    key: &str,
    upgrade: bool,
    opening: &Opening,
    renderer: &mut Renderer,
) -> Result<Opened> {
    if let Some(project) = &opening.project {
        project.attach(&mut *store);
    }
    if upgrade {
        for revision in store.revisions()?.iter().filter(|revision| !revision.applied) {
            run::run(&mut *store, revision, true)?;
            renderer.notice(Level::Info, &format!("applied {}", revision.name))?;
        }
    }
    opening.session(store, name, key, renderer)
}

/// Names that an application adds must be words, and nobody else's.
fn check(commands: &[OwnCommand], settings: &[Setting], models: &Models) -> Result<()> {
    let usage = |message: String| Error::new(ErrorKind::Usage, message);
    let catalog = models.clone().into_catalog()?;
    for (at, command) in commands.iter().enumerate() {
        let name = command.info().name.as_str();
        let bare = name.strip_prefix('.').unwrap_or(name);
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == '-' && bare.len() < name.len());
        if !bare.starts_with(|c: char| c.is_ascii_alphabetic()) || !bare.chars().all(inner) {
            return Err(usage(format!("`{name}` cannot be a command's name"))
                .hint("a command is one word, perhaps with a dot before it"));
        }
        let first = |known: &table::CommandInfo| known.name.split(' ').next() == Some(name);
        if table::COMMANDS.iter().any(first) || name == ".exit" {
            return Err(usage(format!("the shell itself has a command `{name}`")));
        }
        if catalog.is_model(name) {
            return Err(usage(format!("`{name}` is a model, so it cannot be a command")));
        }
        if commands[..at].iter().any(|earlier| earlier.info().name == name) {
            return Err(usage(format!("two commands are called `{name}`")));
        }
    }
    for (at, setting) in settings.iter().enumerate() {
        let name = setting.name();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) {
            return Err(usage(format!("`{name}` cannot be a setting's name")).hint("a setting is one word"));
        }
        if SETTINGS.iter().any(|known| known.name == name)
            || settings[..at].iter().any(|earlier| earlier.name() == name)
        {
            return Err(usage(format!("there is a setting `{name}` already")));
        }
    }
    Ok(())
}
