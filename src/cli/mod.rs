//! The command line and the environment: the only place where either is read.

mod interrupt;
mod open;

use anyhow::Context as _;
use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, ValueEnum};
use diesel_shell::command::Context;
use diesel_shell::outcome::{Level, Report};
use diesel_shell::render::{Mode, Renderer, Style};
use diesel_shell::shell::{Ask, Console, Editor, Ended, Opener, Options, Script, confirm, interact, run_script};
use diesel_shell::{Error, ErrorKind, microblog};
use open::How;
use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// A database shell that thinks in models.
///
/// Without a database it opens the built-in microblog in your data folder.
#[derive(Debug, Parser)]
#[command(name = "diesel-shell", version, about)]
struct Arguments {
    /// The database: a path, `sqlite://PATH`, `:memory:`, or `postgres://USER@HOST/DATABASE`. Default: `DATABASE_URL`, from the environment or a `.env`
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

    let how = How {
        interactive,
        create: arguments.create,
        read_only: arguments.read_only,
        sandbox: arguments.sandbox,
        label: arguments.label.clone(),
    };
    let named = arguments.database.clone().or_else(|| std::env::var("DATABASE_URL").ok().filter(|url| !url.is_empty()));
    let opened = match &named {
        Some(url) => open::open(url, &how, &mut renderer)?,
        None => open::default(&how, &mut renderer)?,
    };
    interrupt::listen()?;
    interrupt::watch(opened.session.cancel());
    let context = Context {
        session: opened.session,
        variables: HashMap::new(),
        added: false,
        confirm: 100,
        models: Box::new(|store| microblog::catalog(store)),
        version: opened.version,
        clock: clock()?,
        interactive,
        name: opened.name,
    };
    let options = Options { continue_on_error: arguments.on_error == OnError::Continue, ..Options::default() };
    let ask: Ask = if interactive { Box::new(|question| confirm(question).map(Some)) } else { Box::new(|_| Ok(None)) };
    let opener: Opener = Box::new(move |url| {
        let mut messages = Renderer::new(Box::new(std::io::sink()), Box::new(std::io::stderr()), Style::default());
        // An existing database only: what is to be made is said when the shell starts.
        let opened = open::open(url, &How { create: false, ..how.clone() }, &mut messages)?;
        messages.flush()?;
        interrupt::watch(opened.session.cancel());
        Ok(opened)
    });
    let mut console = Console::new(context, renderer, options, ask, opener);
    console.screen.interrupted = interrupt::was_pressed;
    console.prompt = opened.prompt;

    if interactive {
        console.begin = interrupt::forget;
        let history = open::data_folder().ok().map(|folder| folder.join("history"));
        let mut editor = Editor::new(history, arguments.vi)?;
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
