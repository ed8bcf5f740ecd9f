//! The prompt: rustyline with history, continuation, Ctrl-C and Ctrl-D.

use super::assistant::Assistant;
use super::console::Console;
use super::script::{filled_lines, newlines, not_run, run_command};
use super::stdio::{self, Keeping};
use crate::assist::open_at_end;
use crate::language::{Scan, scan};
use crate::outcome::{Level, Report};
use crate::render::sanitise_lines;
use crate::text::Place;
use crate::{Error, ErrorKind, Result, files};
use rustyline::error::ReadlineError;
use rustyline::history::{FileHistory, History};
use rustyline::{CompletionType, Config, EditMode, Editor as LineEditor};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How lines are edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keys {
    /// As in Emacs.
    #[default]
    Emacs,
    /// As in vi.
    Vi,
}

/// How many lines that came at once a person may have typed ahead; more are a paste.
const TYPED_AHEAD: usize = 32;

/// A line editor on the terminal.
pub struct Editor {
    inner: LineEditor<Assistant, FileHistory>,
    config: Config,
    history: Option<PathBuf>,
    console: Rc<RefCell<Console>>,
}

/// What came from the terminal until a command has to be run.
struct Arrived {
    /// Commands, each over as many lines as it takes.
    commands: Vec<String>,
    /// Held as long as a paste may still be coming in.
    keeping: Option<Keeping>,
    /// How the last line ended that gave no command: Ctrl-C, Ctrl-D or a failing terminal.
    ended: Option<ReadlineError>,
}

impl Editor {
    /// An editor for a console, whose history lives in a file, or only in memory.
    ///
    /// # Errors
    /// `Io` when there is no terminal to edit on.
    pub fn new(console: Rc<RefCell<Console>>, history: Option<PathBuf>, keys: Keys) -> Result<Self> {
        let config = Config::builder()
            .edit_mode(if keys == Keys::Vi { EditMode::Vi } else { EditMode::Emacs })
            .completion_type(CompletionType::List)
            .history_ignore_space(true)
            .history_ignore_dups(true)
            .map_err(|error| failed(&error))?
            .max_history_size(10_000)
            .map_err(|error| failed(&error))?
            .bracketed_paste(true)
            .auto_add_history(false)
            .build();
        let history = history.filter(|path| match own(path) {
            Ok(()) => true,
            // A history that cannot be kept is no reason not to start.
            Err(cause) => {
                let text = format!("what is typed is not kept: {}: {cause}", path.display());
                let _ = console.borrow_mut().screen.notice(Level::Warning, &text);
                false
            }
        });
        let inner = line_editor(&config, &console, history.as_deref())?;
        console.borrow().screen.history.borrow_mut().extend(inner.history().iter().cloned());
        Ok(Self { inner, config, history, console })
    }

    /// Forgets what was typed or pasted ahead: rustyline keeps what it has read beyond a line for the next one, and lets
    /// nobody take it out, so the editor is made anew with the same history.
    fn forget_ahead(&mut self) -> Result<()> {
        let mut inner = line_editor(&self.config, &self.console, self.history.as_deref())?;
        if self.history.is_none() {
            for line in self.inner.history().iter() {
                let _ = inner.add_history_entry(line);
            }
        }
        self.inner = inner;
        Ok(())
    }

    fn remember(&mut self, text: &str) {
        if text.starts_with(' ') || names_secret(text, self.console.borrow().context.session.catalog()) {
            return;
        }
        let added = self.inner.add_history_entry(text);
        if let (Ok(true), Some(path)) = (added, &self.history) {
            // At once, so that it survives whatever happens next.
            let _ = self.inner.append_history(path);
        }
        let console = self.console.borrow();
        let mut history = console.screen.history.borrow_mut();
        history.retain(|known| known != text);
        history.push(text.to_owned());
    }

    /// One command, over as many lines as it takes; a line that goes on shows what is open.
    fn command(&mut self, prompt: &str) -> rustyline::Result<String> {
        let mut text = self.inner.readline(prompt)?;
        while let Some(open) = open_at_end(&text) {
            let indent = " ".repeat(prompt.chars().count().saturating_sub(4));
            let more = self.inner.readline(&format!("{indent} {}> ", open.symbol()))?;
            text.push('\n');
            text.push_str(&more);
        }
        Ok(text)
    }

    /// The next command, and all that has arrived behind it by then: a terminal that does not mark a paste sends it line by
    /// line, and a Ctrl-C behind these lines is seen only when they have been read.
    fn arrived(&mut self, prompt: &str) -> Arrived {
        let (mut commands, mut keeping) = (Vec::new(), None);
        let ended = loop {
            match self.command(prompt) {
                Ok(text) => commands.push(text),
                Err(error) => break Some(error),
            }
            if (self.console.borrow().screen.interrupted)() {
                break Some(ReadlineError::Interrupted);
            }
            let more = stdio::has_arrived();
            self.hasten(more);
            if !more {
                break None;
            }
            keeping.get_or_insert_with(stdio::keep);
        };
        self.hasten(false);
        let keeping = keeping.filter(|_| commands.len() > TYPED_AHEAD);
        Arrived { commands, keeping, ended }
    }

    fn hasten(&mut self, on: bool) {
        if let Some(assistant) = self.inner.helper_mut() {
            assistant.in_haste = on;
        }
    }

    /// The answer to a question; Ctrl-C gives the one that changes nothing, and Ctrl-D none.
    fn ask(&mut self, question: &str, unchanged: &str) -> Option<String> {
        match self.inner.readline(question) {
            Err(ReadlineError::Interrupted) => Some(unchanged.to_owned()),
            answer => answer.ok(),
        }
    }
}

/// A line editor that colours, hints and completes, with the lines of a history.
fn line_editor(
    config: &Config,
    console: &Rc<RefCell<Console>>,
    history: Option<&Path>,
) -> Result<LineEditor<Assistant, FileHistory>> {
    let (colour, theme) = {
        let console = console.borrow();
        let style = console.screen.renderer.style();
        (style.colour, style.theme)
    };
    let mut editor = LineEditor::with_config(config.clone()).map_err(|error| failed(&error))?;
    editor.set_helper(Some(Assistant { console: Rc::clone(console), colour, theme, in_haste: false }));
    if let Some(path) = history {
        let _ = editor.load_history(path);
        deduplicate(&mut editor);
    }
    Ok(editor)
}

/// Whether a line names a column whose values are hidden, or a password.
fn names_secret(text: &str, catalog: &crate::model::Catalog) -> bool {
    let lower = text.to_lowercase();
    ["password", "passwd", "secret", "token"].iter().any(|word| lower.contains(word))
        || lower.contains("://") && lower.contains('@')
        || catalog
            .iter()
            .flat_map(|(_, entity)| &entity.columns)
            .any(|column| column.masked && lower.contains(&column.name.to_lowercase()))
}

/// Each line once, where it was typed last.
fn deduplicate(editor: &mut LineEditor<Assistant, FileHistory>) {
    let mut seen = std::collections::HashSet::new();
    let mut kept: Vec<String> =
        editor.history().iter().rev().filter(|line| seen.insert((*line).clone())).cloned().collect();
    if kept.len() == editor.history().len() {
        return;
    }
    kept.reverse();
    if editor.clear_history().is_ok() {
        for line in kept {
            let _ = editor.add_history_entry(line);
        }
    }
}

/// Asks a yes-or-no question on the terminal; anything but a yes is a no, Ctrl-D too.
///
/// # Errors
/// `Interrupted` at Ctrl-C, which ends whatever asked, and all that was to come behind it; `Io` when there is no terminal.
pub fn confirm(question: &str) -> Result<bool> {
    let mut editor = rustyline::DefaultEditor::new().map_err(|error| failed(&error))?;
    let answer = match editor.readline(&format!("{} [y/N] ", sanitise_lines(question))) {
        Err(ReadlineError::Interrupted) => return Err(Error::new(ErrorKind::Interrupted, "interrupted")),
        answer => answer.unwrap_or_default(),
    };
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn failed(error: &ReadlineError) -> Error {
    Error::new(ErrorKind::Io, format!("cannot edit lines on this terminal: {error}"))
}

/// How long the history may be to be read, in bytes.
const LONGEST: u64 = 64 << 20;

/// Makes sure that the history file exists, that it is this user's, and that nobody else may read it.
fn own(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    files::open_own(path, LONGEST).map(drop)
}

/// The loop at a terminal, until the person leaves.
///
/// # Errors
/// Only what cannot be shown at the prompt: a failing terminal.
pub fn interact(editor: &mut Editor) -> Result<()> {
    let shared = Rc::clone(&editor.console);
    let mut line = 1;
    loop {
        let prompt = {
            let mut console = shared.borrow_mut();
            // From here on a Ctrl-C is for what comes next: also one between a line that was read and its run.
            (console.begin)();
            console.flush()?;
            console.prompt_text()
        };
        let Arrived { commands, keeping, ended } = editor.arrived(&prompt);
        for text in commands.iter().filter(|text| !text.trim().is_empty()) {
            editor.remember(text);
        }
        if let Some(ReadlineError::Interrupted) = ended {
            // Ctrl-C clears the line, and the lines before it that have not been run.
            left_out(&commands.join("\n"), &mut shared.borrow_mut())?;
            // Where the editor saw it, it has forgotten what it had read beyond the line.
            if (shared.borrow().screen.interrupted)() {
                editor.forget_ahead()?;
            }
            continue;
        }
        let quit = run_arrived(&commands, &mut line, editor)?;
        drop(keeping);
        match ended {
            _ if quit => return Ok(()),
            None | Some(ReadlineError::Interrupted) => {}
            Some(ReadlineError::Eof) => {
                if leave(editor, &shared)? {
                    return Ok(());
                }
            }
            Some(error) => return Err(failed(&error)),
        }
    }
}

/// Runs what has arrived: lines that were typed ahead one by one, more of them as the paste that they are. Ctrl-C ends all of
/// it. True when the person has left.
fn run_arrived(commands: &[String], line: &mut u32, editor: &mut Editor) -> Result<bool> {
    let shared = Rc::clone(&editor.console);
    let whole = [commands.join("\n")];
    let texts = if commands.len() > TYPED_AHEAD { &whole } else { commands };
    for (index, text) in texts.iter().enumerate() {
        let quit = run_text(text, *line, &mut shared.borrow_mut())?;
        if quit && leave(editor, &shared)? {
            return Ok(true);
        }
        *line += 1 + newlines(text.trim_end().as_bytes());
        let mut console = shared.borrow_mut();
        if (console.screen.interrupted)() {
            left_out(&texts[index + 1..].join("\n"), &mut console)?;
            drop(console);
            editor.forget_ahead()?;
            break;
        }
    }
    Ok(false)
}

/// Runs all commands of what was typed or pasted, to the first error or Ctrl-C; true when it asked to leave.
fn run_text(text: &str, line: u32, console: &mut Console) -> Result<bool> {
    // One command says what it did; several are staged together, and say it together.
    let several = filled_lines(text.as_bytes()) > 1 && has_several(text);
    let outermost = several && console.begin_run();
    let done = run_commands(text, line, console);
    let told = console.end_run();
    console.end();
    let mut quit = done?;
    if let Err(error) = told {
        let place = Place { source: "prompt".into(), line: 0, column: 1 };
        console.show_error(&error, "", &place, false)?;
        left_out(behind(text, line, &error).unwrap_or_default(), console)?;
        quit = false;
    }
    console.tell_run(outermost)?;
    Ok(quit)
}

/// Whether there is more than one command.
fn has_several(text: &str) -> bool {
    match scan(text, 0) {
        Scan::Complete { next, .. } => !text[next.min(text.len())..].trim().is_empty(),
        Scan::Incomplete { .. } => false,
    }
}

fn run_commands(text: &str, line: u32, console: &mut Console) -> Result<bool> {
    let (mut from, mut at) = (0, line);
    while from < text.len() {
        let (end, next) = match scan(text, from) {
            Scan::Complete { end, next } => (end, next),
            Scan::Incomplete { .. } => (text.len(), text.len()),
        };
        let (start, command) = (from, &text[from..end]);
        from = next.max(from + 1);
        let place = Place { source: "prompt".into(), line: at, column: 1 };
        at += newlines(&text.as_bytes()[start..from.min(text.len())]);
        let done = console.look_ahead(|| text[start..].to_owned() + "\n");
        let done = done.and_then(|()| run_command(command, &place, console, 0));
        console.end();
        let stopped = match done {
            Ok(ended) if ended.quit && ended.failed.is_none() => return Ok(true),
            Ok(ended) if ended.failed.is_some() => true,
            // It came too late for the command.
            Ok(_) if (console.screen.interrupted)() && from < text.len() => {
                console.screen.notice(Level::Warning, "interrupted")?;
                true
            }
            Ok(_) => false,
            // The pager was left before the result ended.
            Err(error) if error.kind == ErrorKind::ClosedPipe => true,
            Err(error) => {
                console.show_error(&error, command, &place, false)?;
                left_out(behind(text, line, &error).unwrap_or(&text[from.min(text.len())..]), console)?;
                return Ok(false);
            }
        };
        if stopped {
            left_out(&text[from.min(text.len())..], console)?;
            return Ok(false);
        }
    }
    Ok(false)
}

/// What stands behind the line that an error is about, where that is another one of this text.
fn behind<'t>(text: &'t str, line: u32, error: &Error) -> Option<&'t str> {
    let place = error.place.as_ref().filter(|place| &*place.source == "prompt")?;
    let lines = usize::try_from(place.line.checked_sub(line)?).ok()?;
    let mut ends = memchr::memchr_iter(b'\n', text.as_bytes());
    Some(ends.nth(lines).map_or("", |end| &text[end + 1..]))
}

/// Says how many lines were not run.
fn left_out(rest: &str, console: &mut Console) -> Result<()> {
    match filled_lines(rest.as_bytes()) {
        0 => Ok(()),
        lines => console.screen.notice(Level::Warning, &not_run(lines)),
    }
}

/// What is said when staged changes stay on disk.
const KEPT: &str = "kept: the next start says what is there, and `.recover` stages it again";

/// Leaving with staged changes asks; there is always a way out. True when the shell may go.
fn leave(editor: &mut Editor, shared: &Rc<RefCell<Console>>) -> Result<bool> {
    let mut console = shared.borrow_mut();
    if console.context.session.is_clean() {
        return Ok(true);
    }
    if console.context.session.is_sandbox() {
        let counts = console.context.session.rollback()?;
        console.screen.notice(Level::Info, &format!("the sandbox is gone: {counts}"))?;
        return Ok(true);
    }
    console.flush()?;
    let counts = console.context.session.counts();
    let kept = console.context.session.is_kept();
    let keep = if kept { ", [k]eep for next time" } else { "" };
    loop {
        let what = if console.context.session.is_in_doubt() {
            "it is not known whether this was committed"
        } else {
            "staged and not committed"
        };
        let question = format!("{what}: {counts}. [c]ommit, [d]iscard{keep} or [s]tay? ");
        // The editor looks at the console while it reads.
        drop(console);
        let answer = editor.ask(&question, "stay");
        console = shared.borrow_mut();
        let Some(answer) = answer else {
            // Ctrl-D at the question: leave without writing anything, and lose nothing that can be kept.
            if kept {
                console.screen.notice(Level::Warning, KEPT)?;
            } else {
                let counts = console.context.session.rollback()?;
                console.screen.notice(Level::Warning, &format!("discarded: {counts}"))?;
            }
            return Ok(true);
        };
        match answer.trim().to_lowercase().as_str() {
            "c" | "commit" => match console.context.session.commit() {
                Ok(counts) => {
                    console.screen.notice(Level::Info, &format!("committed: {counts}"))?;
                    return Ok(true);
                }
                Err(error) => {
                    let place = Place { source: "prompt".into(), line: 0, column: 1 };
                    console.show_error(&error, "", &place, false)?;
                    return Ok(false);
                }
            },
            "d" | "discard" => {
                let counts = console.context.session.rollback()?;
                console.screen.notice(Level::Info, &format!("discarded: {counts}"))?;
                return Ok(true);
            }
            "k" | "keep" if kept => {
                console.screen.notice(Level::Info, KEPT)?;
                return Ok(true);
            }
            "s" | "stay" => return Ok(false),
            _ => {}
        }
    }
}
