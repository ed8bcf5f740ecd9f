//! The prompt: rustyline with history, continuation, Ctrl-C and Ctrl-D.

use super::console::Console;
use super::script::{Script, run_script};
use crate::command::Flow;
use crate::language::{Scan, scan};
use crate::outcome::{Level, Report};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Completer, Config, EditMode, Editor as LineEditor, Helper, Highlighter, Hinter};
use std::path::PathBuf;

/// Answers rustyline's questions about a line. Completion, hints and highlighting have their place here.
#[derive(Completer, Helper, Hinter, Highlighter)]
struct Assistant;

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if open_at_end(context.input()) { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

/// Whether the text's last command is not finished: a quote or bracket is open, or its line ends in `\`.
fn open_at_end(text: &str) -> bool {
    let mut from = 0;
    let ended = format!("{text}\n");
    while from < ended.len() {
        match scan(&ended, from) {
            Scan::Complete { next, .. } => from = next.max(from + 1),
            Scan::Incomplete { open } => return open.is_some(),
        }
    }
    false
}

/// A line editor on the terminal.
pub struct Editor {
    inner: LineEditor<Assistant, FileHistory>,
    history: Option<PathBuf>,
}

impl Editor {
    /// An editor whose history lives in a file, or only in memory.
    ///
    /// # Errors
    /// `Io` when there is no terminal to edit on.
    pub fn new(history: Option<PathBuf>, vi: bool) -> Result<Self> {
        let config = Config::builder()
            .edit_mode(if vi { EditMode::Vi } else { EditMode::Emacs })
            .history_ignore_space(true)
            .history_ignore_dups(true)
            .map_err(|error| failed(&error))?
            .max_history_size(10_000)
            .map_err(|error| failed(&error))?
            .bracketed_paste(true)
            .auto_add_history(false)
            .build();
        let mut inner = LineEditor::with_config(config).map_err(|error| failed(&error))?;
        inner.set_helper(Some(Assistant));
        if let Some(path) = &history {
            private(path)?;
            // A history that cannot be read is no reason not to start.
            let _ = inner.load_history(path);
        }
        Ok(Self { inner, history })
    }

    fn remember(&mut self, text: &str) {
        // A line that names a secret is not kept.
        let lower = text.to_lowercase();
        if text.starts_with(' ') || lower.contains("password") {
            return;
        }
        let added = self.inner.add_history_entry(text);
        if let (Ok(true), Some(path)) = (added, &self.history) {
            // At once, so that it survives whatever happens next.
            let _ = self.inner.append_history(path);
        }
    }

    fn ask(&mut self, question: &str) -> Option<String> {
        self.inner.readline(question).ok()
    }
}

/// Asks a yes-or-no question on the terminal; anything but a yes is a no, Ctrl-C and Ctrl-D too.
///
/// # Errors
/// `Io` when there is no terminal.
pub fn confirm(question: &str) -> Result<bool> {
    let mut editor = rustyline::DefaultEditor::new().map_err(|error| failed(&error))?;
    let answer = editor.readline(&format!("{question} [y/N] ")).unwrap_or_default();
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

fn failed(error: &ReadlineError) -> Error {
    Error::new(ErrorKind::Io, format!("cannot edit lines on this terminal: {error}"))
}

/// Makes sure that the history file exists and that only its owner may read it.
fn private(path: &std::path::Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}

/// The loop at a terminal, until the person leaves.
///
/// # Errors
/// Only what cannot be shown at the prompt: a failing terminal.
pub fn interact(editor: &mut Editor, console: &mut Console) -> Result<()> {
    let mut line = 1;
    loop {
        console.flush()?;
        let prompt = prompt(console);
        match editor.inner.readline(&prompt) {
            Ok(text) => {
                if !text.trim().is_empty() {
                    editor.remember(&text);
                }
                if run_text(&text, line, console)? && leave(editor, console)? {
                    return Ok(());
                }
                line += 1;
            }
            // Ctrl-C clears the line.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => {
                if leave(editor, console)? {
                    return Ok(());
                }
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

fn prompt(console: &Console) -> String {
    let staged = console.context.session.staged();
    let star = if staged == 0 { String::new() } else { format!("*{staged}") };
    format!("{}{star}> ", console.prompt)
}

/// Runs all commands of what was typed; true when it asked to leave.
fn run_text(text: &str, line: u32, console: &mut Console) -> Result<bool> {
    let mut from = 0;
    while from < text.len() {
        let (end, next) = match scan(text, from) {
            Scan::Complete { end, next } => (end, next),
            Scan::Incomplete { .. } => (text.len(), text.len()),
        };
        let command = &text[from..end];
        from = next.max(from + 1);
        let place = Place { source: "prompt".into(), line, column: 1 };
        let done = console.execute(command, &place).and_then(|flow| match flow {
            Flow::Next => Ok(false),
            Flow::Quit => Ok(true),
            Flow::Open(_) => Ok(false),
            Flow::Read(path) => {
                let ended = run_script(&mut Script::open(&path)?, console, 1)?;
                Ok(ended.quit && ended.failed.is_none())
            }
        });
        match done {
            Ok(false) => {}
            Ok(true) => return Ok(true),
            Err(error) if error.kind == ErrorKind::ClosedPipe => return Err(error),
            Err(error) => {
                console.show_error(&error, command, &place, false)?;
                return Ok(false);
            }
        }
    }
    Ok(false)
}

/// What is said when staged changes stay on disk.
const KEPT: &str = "kept: the next start says what is there, and `.recover` stages it again";

/// Leaving with staged changes asks; there is always a way out. True when the shell may go.
fn leave(editor: &mut Editor, console: &mut Console) -> Result<bool> {
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
        let question = format!("staged and not committed: {counts}. [c]ommit, [d]iscard{keep} or [s]tay? ");
        let Some(answer) = editor.ask(&question) else {
            // Ctrl-D or Ctrl-C at the question: leave without writing anything, and lose nothing that can be kept.
            if kept {
                console.screen.notice(Level::Warning, KEPT)?;
            } else {
                let counts = console.context.session.rollback()?;
                console.screen.notice(Level::Warning, &format!("discarded: {counts}"))?;
            }
            return Ok(true);
        };
        match answer.trim().to_lowercase().as_str() {
            "c" | "commit" => match console.context.session.commit(false, &[]) {
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
