//! The command line and the environment: the only place where either is read.

use anyhow::{Context as _, bail};
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};
use diesel_shell::command::Context;
use diesel_shell::database::sqlite::{Open, SqliteStore};
use diesel_shell::microblog;
use diesel_shell::model::{Catalog, Entity, infer};
use diesel_shell::outcome::{Level, Report};
use diesel_shell::render::{Mode, Renderer, Style};
use diesel_shell::session::{Hold, Session, recovery};
use diesel_shell::shell::{Console, Editor, Ended, Options, Script, interact, run_script};
use diesel_shell::{Error, ErrorKind};
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// A database shell that thinks in models.
///
/// Without a database it opens the built-in microblog in your data folder.
#[derive(Debug, Parser)]
#[command(name = "diesel-shell", version, about)]
struct Arguments {
    /// The database: a path, `sqlite://PATH`, or `:memory:`. Default: `DATABASE_URL`, from the environment or a `.env`
    /// file; else the microblog in the data folder.
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
    /// How results are shown: table, vertical, list, csv, tsv, json, jsonl, markdown or repr.
    #[arg(short, long, value_name = "MODE")]
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
    /// Edit lines with vi's keys.
    #[arg(long)]
    vi: bool,
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
    File(PathBuf),
    Stdin,
}

/// Reads the command line and runs.
pub fn main() -> ExitCode {
    diesel_shell::database::sqlite::tune_process();
    match run() {
        Ok(code) => code,
        Err(error) => {
            let status = error.downcast_ref::<Error>().map_or(2, |error| error.kind.exit_status());
            if status != 0 {
                let mut stderr = std::io::stderr().lock();
                let _ = writeln!(stderr, "error: {error:#}");
                if let Some(known) = error.downcast_ref::<Error>() {
                    for hint in &known.hints {
                        let _ = writeln!(stderr, "  hint: {hint}");
                    }
                }
            }
            ExitCode::from(status)
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches)?;
    let tasks = tasks(&matches, &arguments);
    // A .env file counts for what the environment itself does not say.
    let _ = dotenvy::dotenv();
    let terminal = std::io::stdout().is_terminal();
    let interactive = tasks.is_empty() && std::io::stdin().is_terminal();

    let mut renderer = renderer(&arguments, terminal)?;
    let place = database(&arguments)?;
    let mut store = place.open(arguments.create)?;
    if place.fresh {
        store.set_migrations(Box::new(microblog::MIGRATIONS));
        migrate(&mut store)?;
        renderer.notice(Level::Info, &format!("created the microblog at {}", place.path.display()))?;
    }
    let catalog = Arc::new(models(&mut store)?);
    if arguments.read_only {
        diesel_shell::store::Store::set_read_only(&mut store)?;
    }
    let mut session = Session::new(Box::new(store), catalog, if interactive { Hold::No } else { Hold::Yes });
    if arguments.sandbox {
        session.set_sandbox();
    }
    if interactive && place.path != Path::new(":memory:") {
        keep_safe(&mut session, &place, &mut renderer)?;
    }
    let context = Context {
        session,
        variables: HashMap::new(),
        added: false,
        confirm: 100,
        clock: clock()?,
        interactive,
        name: place.name.clone(),
    };
    let options = Options { continue_on_error: arguments.on_error == OnError::Continue, ..Options::default() };
    let ask: Box<dyn FnMut(&str) -> diesel_shell::Result<Option<bool>>> =
        if interactive { Box::new(ask) } else { Box::new(|_| Ok(None)) };
    let mut console = Console::new(context, renderer, options, ask);

    if interactive {
        let history = data_folder().ok().map(|folder| folder.join("history"));
        let mut editor = Editor::new(history, arguments.vi)?;
        let mut prompt = place.name.clone();
        if let Some(label) = &arguments.label {
            prompt.push_str(&format!("[{label}]"));
        }
        if arguments.read_only {
            prompt.push_str("(read-only)");
        }
        if arguments.sandbox {
            prompt.push_str("(sandbox)");
        }
        console.prompt = prompt;
        interact(&mut editor, &mut console)?;
        console.flush()?;
        return Ok(ExitCode::SUCCESS);
    }
    let tasks = if tasks.is_empty() { vec![Task::Stdin] } else { tasks };
    let ended = scripts(tasks, &mut console)?;
    Ok(ExitCode::from(finish(ended, &mut console)?))
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

fn renderer(arguments: &Arguments, terminal: bool) -> anyhow::Result<Renderer> {
    let mode = match &arguments.mode {
        Some(name) => name.parse::<Mode>()?,
        None => Mode::Auto,
    };
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    // A fixed width for reproducible output; else the terminal's.
    let width = std::env::var("DIESEL_SHELL_WIDTH").ok().and_then(|text| text.parse().ok());
    let width = width.or_else(|| terminal.then(terminal_width).flatten());
    let style = Style { mode, null: "NULL".into(), width, terminal, colour, quiet: arguments.quiet };
    Ok(Renderer::new(Box::new(std::io::stdout()), Box::new(std::io::stderr()), style))
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size().map(|(width, _)| usize::from(width.0))
}

/// Where the database is.
struct Place {
    path: PathBuf,
    /// What the prompt calls it.
    name: String,
    /// The default database, which does not exist yet.
    fresh: bool,
}

impl Place {
    fn open(&self, create: bool) -> diesel_shell::Result<SqliteStore> {
        SqliteStore::open(&self.path, if create || self.fresh { Open::Create } else { Open::Existing })
    }
}

fn database(arguments: &Arguments) -> anyhow::Result<Place> {
    let named = arguments.database.clone().or_else(|| std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()));
    let Some(url) = named else {
        let path = data_folder()?.join("microblog.db");
        return Ok(Place { fresh: !path.exists(), path, name: "microblog".into() });
    };
    let path = match url.split_once("://") {
        Some(("sqlite" | "sqlite3" | "file", rest)) => rest,
        Some((scheme, _)) => bail!("this build has no backend for {scheme}:// URLs; it opens SQLite files"),
        None => url.as_str(),
    };
    let path = PathBuf::from(path);
    let name = path.file_stem().map_or_else(|| url.clone(), |stem| stem.to_string_lossy().into_owned());
    Ok(Place { path, name, fresh: false })
}

/// Keeps what is staged in a file of the state folder, and says what is left there from before.
fn keep_safe(session: &mut Session, place: &Place, renderer: &mut Renderer) -> anyhow::Result<()> {
    let Some(folder) = dirs::state_dir().or_else(dirs::data_local_dir) else { return Ok(()) };
    let database = std::fs::canonicalize(&place.path).unwrap_or_else(|_| place.path.clone());
    match recovery::open(&folder.join("diesel-shell").join("recovery"), &database.to_string_lossy()) {
        Ok((keeper, left)) => {
            let count: usize = left.iter().map(recovery::Left::count).sum();
            session.set_keeper(keeper, left);
            if count > 0 {
                let s = if count == 1 { "" } else { "s" };
                let text = format!(
                    "{count} change{s} of an earlier session were staged and not committed: `.recover` stages them again"
                );
                renderer.notice(Level::Warning, &text)?;
            }
        }
        // A full or read-only disk is no reason not to start, but it must be known.
        Err(error) => renderer.notice(Level::Warning, &format!("staged changes will not survive a crash: {error}"))?,
    }
    Ok(())
}

/// The folder for the microblog and the history, made private where it is new.
fn data_folder() -> anyhow::Result<PathBuf> {
    let folder = dirs::data_dir().context("there is no data folder for this user; name a database instead")?;
    let folder = folder.join("diesel-shell");
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// The models of a database: the microblog's where it is one, or could become one (it is empty); and every other table
/// by reflection.
fn models(store: &mut SqliteStore) -> anyhow::Result<Catalog> {
    use diesel_shell::store::Store;
    let tables = store.tables()?;
    let microblog = microblog::models().into_catalog()?;
    let has = |entity: &Entity| {
        tables.iter().any(|table| {
            table.name == entity.table
                && entity.columns.iter().all(|wanted| table.columns.iter().any(|column| column.name == wanted.name))
        })
    };
    store.set_migrations(Box::new(microblog::MIGRATIONS));
    let mut ours = || -> diesel_shell::Result<bool> {
        // Partly downgraded: its own versions are on record.
        Ok(store.has_migrations_table()? && store.revisions()?.iter().any(|known| known.known && known.applied))
    };
    let fits = tables.is_empty() || microblog.iter().all(|(_, entity)| has(entity)) || ours()?;
    let mut catalog = if fits { microblog } else { Catalog::default() };
    if !fits {
        store.clear_migrations();
    }
    infer::add_tables(&mut catalog, tables);
    Ok(catalog)
}

fn migrate(store: &mut SqliteStore) -> diesel_shell::Result<()> {
    use diesel_shell::store::Store;
    for revision in store.revisions()? {
        store.migrate(&revision.version, true)?;
    }
    Ok(())
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

fn ask(question: &str) -> diesel_shell::Result<Option<bool>> {
    let mut stderr = std::io::stderr().lock();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(Some(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")))
}

fn scripts(tasks: Vec<Task>, console: &mut Console) -> anyhow::Result<Ended> {
    let mut all = Ended::default();
    for task in tasks {
        let mut script = match task {
            Task::Command(text) => Script::new("-c", std::io::Cursor::new(text.into_bytes())),
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

/// The end of a script: what is staged and not committed is discarded, and that is said.
fn finish(ended: Ended, console: &mut Console) -> anyhow::Result<u8> {
    let mut status = ended.failed.map_or(0, ErrorKind::exit_status);
    if !console.context.session.is_clean() {
        let counts = console.context.session.rollback()?;
        console.screen.notice(Level::Warning, &format!("discarded at the end, not committed: {counts}"))?;
        if status == 0 {
            status = ErrorKind::Discarded.exit_status();
        }
    }
    console.flush()?;
    Ok(status)
}
