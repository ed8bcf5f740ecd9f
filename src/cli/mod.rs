//! The command line and the environment: the only place where either is read.

mod config;
#[cfg(all(unix, feature = "postgres"))]
mod connecting;
mod db;
mod dotenv;
mod guards;
mod interrupt;
mod open;

use anyhow::Context as _;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter as _};
use config::Config;
use diesel_shell::migrations::project::Project;
use diesel_shell::outcome::{ErrorContext, Level, Report as _};
use diesel_shell::render::{Mode, Renderer, Style, Theme, WIDEST, sanitise_lines};
use diesel_shell::shell::{Ask, Console, Ended, Keys, Opener, Options, Pager, Script, confirm, finish, run_script};
use diesel_shell::{Error, ErrorKind, Shell};
use open::How;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::LazyLock;

/// What `--help` and the manual page say about the end.
const STATUSES: &str = "\
Exit statuses:
  0    everything ran
  1    a command failed
  2    the command line, the configuration or the connection is wrong
  3    the script ended with changes that were not committed; they were discarded
  4    the connection was lost during COMMIT, and whether it was written is not known
  130  stopped by Ctrl-C";

/// A database shell that thinks in models.
///
/// Without a database it opens the built-in microblog in your data folder.
#[derive(Debug, Parser)]
#[command(name = "diesel-shell", version, about, after_long_help = STATUSES)]
struct Arguments {
    /// The database: a path, `sqlite://PATH`, `:memory:`, or `postgres://USER@HOST/DATABASE`. Default: `DATABASE_URL`, from the environment or a `.env`
    /// file of yours here or above; else the microblog in the data folder.
    #[arg(add = ArgValueCompleter::new(databases))]
    database: Option<String>,
    /// Run these commands, then leave. May be repeated and mixed with -f; they run in order.
    #[arg(short, long = "command", value_name = "COMMANDS", action = ArgAction::Append)]
    command: Vec<String>,
    /// Run the commands in a file, then leave; `-` is standard input.
    #[arg(short, long = "file", value_name = "FILE", action = ArgAction::Append)]
    file: Vec<PathBuf>,
    /// Create the database where it does not exist.
    #[arg(long)]
    create: bool,
    /// What a script does after an error.
    #[arg(long, value_enum, default_value = "stop", value_name = "ACTION")]
    on_error: OnError,
    #[arg(short, long, value_name = "MODE", help = modes())]
    mode: Option<String>,
    /// Say nothing but results, warnings and errors.
    #[arg(short, long)]
    quiet: bool,
    /// Try anything: what is staged is never committed.
    #[arg(long)]
    sandbox: bool,
    /// Let the database refuse every write.
    #[arg(long)]
    read_only: bool,
    /// A label for the prompt: prod, staging, ...
    #[arg(long, value_name = "TEXT")]
    label: Option<String>,
    /// The folder with the diesel.toml whose migrations and schema.rs `db` works with. Default: the nearest, upwards from here.
    #[arg(long, value_name = "FOLDER")]
    project: Option<PathBuf>,
    /// Edit lines with vi's keys.
    #[arg(long)]
    vi: bool,
    /// Whether to use colours.
    #[arg(long, value_enum, default_value = "auto", value_name = "WHEN")]
    color: Colour,
    /// Print what makes a shell complete this command line, then leave: bash, zsh, fish, elvish or powershell.
    #[arg(long, value_name = "SHELL")]
    completions: Option<String>,
    /// Print the manual page, then leave.
    #[arg(long)]
    man: bool,
    #[command(subcommand)]
    verb: Option<Verb>,
}

/// What can be done instead of opening the shell.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Migrations: the commands that begin with `db`, from here. `diesel-shell db upgrade`
    #[command(subcommand)]
    Db(db::Verb),
}

/// What the help says of `--mode`.
fn modes() -> String {
    let names: Vec<&str> = Mode::ALL.iter().map(|mode| mode.name()).collect();
    format!("How results are shown: {}", names.join(", "))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// At a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnError {
    /// Stop, with status 1.
    Stop,
    /// Go on, and end with status 1.
    Continue,
}

/// What runs without a person, in the order it was given.
enum Task {
    Command(String),
    Verb(String),
    File(PathBuf),
    Stdin,
}

/// Reads the command line and runs.
pub fn main() -> ExitCode {
    diesel_shell::database::sqlite::tune_process();
    #[cfg(all(unix, feature = "postgres"))]
    {
        diesel_shell::database::postgres::around_connecting(connecting::quietly);
        diesel_shell::database::postgres::when_stuck(connecting::give_up);
    }
    std::panic::set_hook(Box::new(|info| {
        // What a panic says may have data in it.
        let _ = writeln!(std::io::stderr(), "error: the shell cannot go on: {}", sanitise_lines(&info.to_string()));
    }));
    let ended = std::panic::catch_unwind(run).unwrap_or_else(|_| {
        Err(Error::new(
            ErrorKind::Connection,
            "a database answered what cannot be understood, or this is a fault of the shell",
        )
        .hint("what was staged at a prompt is kept: the next start offers it")
        .into())
    });
    match ended {
        Ok(code) => code,
        Err(error) => {
            let status = error.downcast_ref::<Error>().map_or(2, |error| error.kind.exit_status());
            if status != 0 {
                let known = error.downcast_ref::<Error>();
                let kind = known.map_or(ErrorKind::Usage, |known| known.kind);
                let hints = known.map_or_else(Vec::new, |known| known.hints.clone());
                let shown = Error { hints, ..Error::new(kind, format!("{error:#}")) };
                // If not even that can be written, the status says it.
                let _ = messages().error(&shown, &ErrorContext::default());
            }
            ExitCode::from(status)
        }
    }
}

/// Messages before there is a console.
fn messages() -> Renderer {
    Renderer::new(Box::new(std::io::sink()), Box::new(std::io::stderr()), Style::default())
}

/// Connections by name, then files.
fn databases(current: &std::ffi::OsStr) -> Vec<CompletionCandidate> {
    let typed = current.to_string_lossy();
    let names = config::load().unwrap_or_default().connections.into_keys();
    let mut all: Vec<CompletionCandidate> =
        names.filter(|name| name.starts_with(typed.as_ref())).map(CompletionCandidate::new).collect();
    all.extend(PathCompleter::any().complete(current));
    all
}

/// Says what is wrong with the command line, or gives the help that it asks for, and leaves.
fn refused(error: &clap::Error) -> ! {
    let text = error.to_string();
    if sanitise_lines(&text) == text {
        error.exit();
    }
    // Without colours: they cannot be told from what was typed.
    let _ = writeln!(std::io::stderr(), "{}", sanitise_lines(text.trim_end()));
    std::process::exit(error.exit_code())
}

/// What only prints and leaves.
fn printed(arguments: &Arguments) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    if let Some(shell) = &arguments.completions {
        let shells = clap_complete::env::Shells::builtins();
        let completer = shells.completer(shell).with_context(|| {
            format!("there are no completions for `{shell}`; bash, zsh, fish, elvish and powershell have them")
        })?;
        completer.write_registration("COMPLETE", "diesel-shell", "diesel-shell", "diesel-shell", &mut out)?;
        return Ok(true);
    }
    if arguments.man {
        clap_mangen::Man::new(Arguments::command()).render(&mut out)?;
        return Ok(true);
    }
    Ok(false)
}

/// The command line, with the versions of what is built in behind our own.
fn command() -> clap::Command {
    static VERSION: LazyLock<String> = LazyLock::new(|| {
        format!("{}\n{}", env!("CARGO_PKG_VERSION"), diesel_shell::database::backends().replace(", ", "\n"))
    });
    Arguments::command().long_version(VERSION.as_str())
}

fn run() -> anyhow::Result<ExitCode> {
    clap_complete::CompleteEnv::with_factory(Arguments::command).complete();
    let matches = command().try_get_matches().unwrap_or_else(|error| refused(&error));
    let arguments = Arguments::from_arg_matches(&matches)?;
    if printed(&arguments)? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut tasks = tasks(&matches, &arguments);
    if let Some(Verb::Db(verb)) = &arguments.verb {
        tasks.push(Task::Verb(verb.command()));
    }
    let config = config::load()?;
    let terminal = std::io::stdout().is_terminal();
    let interactive = tasks.is_empty() && std::io::stdin().is_terminal();
    let pager = if interactive && terminal { pager() } else { Pager::new(None, None, Box::new(std::io::stdout())) };
    let mut renderer = renderer(&arguments, &config, terminal, &pager)?;

    let how = How {
        interactive,
        create: arguments.create,
        read_only: arguments.read_only,
        sandbox: arguments.sandbox,
        label: arguments.label.clone(),
        protected: false,
        network: config.network.bounds(None),
        project: match &arguments.project {
            Some(folder) => Some(Project::read(folder)?),
            None => Project::find(&std::env::current_dir()?)?,
        },
        guards: guards::Guards::of(&config),
    };
    let named = arguments.database.clone().or_else(|| std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()));
    let (opened, connection) = match &named {
        Some(name) => {
            let connection = config.connections.get(name);
            (connected(name, connection, &how, &mut renderer)?, connection)
        }
        None => match in_folder(&mut renderer)? {
            // Never the name of a connection: those are the person's to choose from.
            Some(url) => (open::open(&url, &how, &mut renderer)?, None),
            None => (open::default(&how, &mut renderer)?, None),
        },
    };
    interrupt::listen()?;
    interrupt::watch(opened.session.cancel());
    let options = Options { continue_on_error: arguments.on_error == OnError::Continue, ..Options::default() };
    // A verb typed at a terminal has somebody to ask, too.
    let asks = interactive || (arguments.verb.is_some() && std::io::stdin().is_terminal() && terminal);
    let ask: Ask = if asks { Box::new(|question| confirm(question).map(Some)) } else { Box::new(|_| Ok(None)) };
    let (connections, names) = (config.connections.clone(), config.connections.keys().cloned().collect());
    let opener: Opener = Box::new(move |name| {
        let mut messages = messages();
        // An existing database only: what is to be made is said when the shell starts.
        let how = How { create: false, ..how.clone() };
        let opened = connected(name, connections.get(name), &how, &mut messages)?;
        messages.flush()?;
        interrupt::watch(opened.session.cancel());
        Ok(opened)
    });
    let confirm = connection.and_then(|known| known.confirm).or(config.confirm).unwrap_or(100);
    let mut builder = Shell::builder()
        .opened(opened)
        .opener(opener)
        .options(options)
        .ask(ask)
        .confirm(confirm)
        .clock(clock()?)
        .interrupt(interrupt::was_pressed, if interactive { interrupt::forget } else { || {} })
        .keys(if arguments.vi || config.keys.as_deref() == Some("vi") { Keys::Vi } else { Keys::Emacs });
    if let Some(seconds) = config.lock_timeout {
        let timeout = std::time::Duration::try_from_secs_f64(seconds);
        builder = builder.lock_timeout(timeout.context("lock_timeout in the configuration is a number of seconds")?);
    }
    if let Some(template) = &config.prompt {
        builder = builder.prompt(template);
    }
    let history = if interactive { history(&config) } else { None };
    if let Some(path) = &history {
        builder = if path.exists() { builder } else { builder.banner(WELCOME) }.history(path);
    }
    let mut shell = builder.build()?;
    let console = shell.console();
    console.context.interactive = interactive;
    console.screen.renderer = renderer;
    console.screen.is_process = true;
    console.screen.has_clipboard = std::io::stderr().is_terminal();
    console.connections = names;
    console.screen.set_pager(pager);
    if let Some(paging) = &config.pager {
        console.set("pager", paging)?;
    }

    console.screen.shows_progress = std::io::stderr().is_terminal();
    if interactive {
        shell.interact()?;
        return Ok(ExitCode::SUCCESS);
    }
    let tasks = if tasks.is_empty() { vec![Task::Stdin] } else { tasks };
    let ended = scripts(tasks, console)?;
    Ok(finish(ended, console)?.into())
}

/// What a person who is here for the first time is told.
const WELCOME: &str = "`.help` lists the commands, Tab completes; try `list users` or `add user `.\n\
                       What you change is staged until `commit`. Ctrl-D leaves.";

/// The file of the history, unless none is wanted.
fn history(config: &Config) -> Option<PathBuf> {
    match config.history {
        Some(false) => None,
        _ => open::data_folder().ok().map(|folder| folder.join("history")),
    }
}

/// The database that the folder's `.env` names, which is said before it is opened.
fn in_folder(renderer: &mut Renderer) -> diesel_shell::Result<Option<String>> {
    let Ok(folder) = std::env::current_dir() else { return Ok(None) };
    let mut warnings = Vec::new();
    let named = dotenv::find(&folder, &mut warnings);
    for warning in warnings {
        renderer.notice(Level::Warning, &warning)?;
    }
    let Some(named) = named? else { return Ok(None) };
    renderer.notice(Level::Info, &named.notice())?;
    renderer.flush()?;
    Ok(Some(named.url))
}

/// Opens a connection of the configuration, or what a path or URL means.
fn connected(
    name: &str,
    connection: Option<&config::Connection>,
    how: &How,
    renderer: &mut Renderer,
) -> diesel_shell::Result<diesel_shell::shell::Opened> {
    let Some(known) = connection else { return open::open(name, how, renderer) };
    let how = How {
        network: diesel_shell::database::network::Network {
            pooler: known.pooler,
            commit_markers: known.commit_markers,
            ..how.network
        },
        read_only: how.read_only || known.read_only,
        protected: how.protected || known.protected,
        label: how.label.clone().or_else(|| known.label.clone()).or_else(|| Some(name.to_owned())),
        ..how.clone()
    };
    let mut opened = open::open(&known.url, &how, renderer)?;
    opened.natural_keys = known.natural_keys.clone().into_iter().collect();
    Ok(opened)
}

/// `$PAGER`, else less where it is installed; with the height of the screen.
fn pager() -> Pager {
    let words = std::env::var("PAGER").ok().filter(|text| !text.trim().is_empty());
    let program =
        words.map_or_else(|| vec!["less".to_owned()], |text| text.split_whitespace().map(str::to_owned).collect());
    let height = terminal_size::terminal_size().map(|(_, height)| usize::from(height.0));
    Pager::new(Some(program), height, Box::new(std::io::stdout()))
}

/// `-c` and `-f` in the order in which they were given.
fn tasks(matches: &clap::ArgMatches, arguments: &Arguments) -> Vec<Task> {
    let at = |name: &str| matches.indices_of(name).map(Iterator::collect::<Vec<usize>>).unwrap_or_default();
    let commands = at("command").into_iter().zip(arguments.command.iter().cloned().map(Task::Command));
    let files = at("file").into_iter().zip(
        arguments.file.iter().cloned().map(|path| if path == Path::new("-") { Task::Stdin } else { Task::File(path) }),
    );
    let mut all: Vec<(usize, Task)> = commands.chain(files).collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, task)| task).collect()
}

fn renderer(arguments: &Arguments, config: &Config, terminal: bool, pager: &Pager) -> anyhow::Result<Renderer> {
    // What a person prefers to look at is not what a script is written for.
    let preferred = config.mode.clone().filter(|_| terminal);
    let mode = match arguments.mode.as_ref().or(preferred.as_ref()) {
        Some(name) => name.parse::<Mode>()?,
        None => Mode::Auto,
    };
    let colour = match arguments.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
    };
    let theme = match &config.theme {
        Some(name) => {
            Theme::named(name).with_context(|| format!("there is no theme `{name}`; dark and light are there"))?
        }
        None => Theme::Dark,
    };
    let null = config.null.clone().filter(|_| terminal).unwrap_or_else(|| "NULL".into());
    // A fixed width for reproducible output; else the terminal's.
    let width = std::env::var("DIESEL_SHELL_WIDTH").ok().and_then(|text| text.parse().ok());
    let width = width.map(|width: usize| width.min(WIDEST));
    let width = width.or_else(|| terminal.then(terminal_width).flatten());
    let style = Style { mode, null, width, terminal, colour, theme, quiet: arguments.quiet };
    Ok(Renderer::new(
        if terminal { pager.writer() } else { Box::new(std::io::stdout()) },
        Box::new(std::io::stderr()),
        style,
    ))
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// The clock; `DIESEL_SHELL_NOW` stops it, for reproducible scripts.
fn clock() -> anyhow::Result<fn() -> chrono::NaiveDateTime> {
    static FIXED: std::sync::OnceLock<chrono::NaiveDateTime> = std::sync::OnceLock::new();
    match std::env::var("DIESEL_SHELL_NOW") {
        Ok(text) => {
            let now = chrono::NaiveDateTime::parse_from_str(&text, "%Y-%m-%d %H:%M:%S")
                .context("DIESEL_SHELL_NOW is written as 2026-11-21 10:03:00")?;
            FIXED.get_or_init(|| now);
            Ok(|| FIXED.get().copied().unwrap_or_default())
        }
        Err(_) => Ok(|| chrono::Utc::now().naive_utc()),
    }
}

fn scripts(tasks: Vec<Task>, console: &mut Console) -> anyhow::Result<Ended> {
    let mut all = Ended::default();
    for task in tasks {
        let mut script = match task {
            Task::Command(text) => Script::new("-c", std::io::Cursor::new(text.into_bytes())),
            Task::Verb(text) => Script::new("", std::io::Cursor::new(text.into_bytes())),
            Task::File(path) => Script::open(&path)?,
            Task::Stdin => Script::new("stdin", std::io::stdin()),
        };
        let ended = run_script(&mut script, console, 0)?;
        all.failed = all.failed.or(ended.failed);
        if ended.quit {
            break;
        }
    }
    Ok(all)
}
