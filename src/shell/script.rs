//! Scripts: read as a stream, command by command.
//!
//! Not by rustyline, which on a pipe drops an unfinished last command and obeys backspaces in the text.

use super::console::Console;
use super::status::Status;
use crate::command::Flow;
use crate::language::{Scan, Scanner};
use crate::outcome::{Level, Report};
use crate::text::Place;
use crate::{Error, ErrorKind, Result};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long one command may be, in bytes.
const LONGEST: usize = 64 * 1024 * 1024;

/// How deep `.read` may go.
const DEPTH: usize = 32;

/// A source of commands.
pub struct Script<'r> {
    reader: BufReader<Box<dyn Read + 'r>>,
    name: Arc<str>,
    /// Text read and not yet run, from `start` on.
    buffer: Vec<u8>,
    start: usize,
    /// How much of the buffer is known to be valid text.
    valid: usize,
    /// One-based line on which the text at `start` stands, and its column.
    line: u32,
    column: u32,
    ended: bool,
    /// It has an end that can be read at once.
    finite: bool,
}

impl<'r> Script<'r> {
    /// A script with the name that errors show.
    pub fn new(name: &str, reader: impl Read + 'r) -> Self {
        Self {
            reader: BufReader::with_capacity(1 << 18, Box::new(reader)),
            name: name.into(),
            buffer: Vec::new(),
            start: 0,
            valid: 0,
            line: 1,
            column: 1,
            ended: false,
            finite: false,
        }
    }

    /// Opens a file.
    ///
    /// # Errors
    /// `Io` when it cannot be read.
    pub fn open(path: &Path) -> Result<Script<'static>> {
        let failed = |cause| Error::new(ErrorKind::Io, format!("cannot read {}: {cause}", path.display()));
        let file = std::fs::File::open(path).map_err(failed)?;
        let known = file.metadata().map_err(failed)?;
        if known.is_dir() {
            return Err(Error::new(ErrorKind::Io, format!("{} is a folder", path.display())));
        }
        Ok(Script { finite: known.is_file(), ..Script::new(&path.display().to_string(), file) })
    }

    /// Says how many lines of a file have not been run, where its end is known.
    fn left_out(&mut self, console: &mut Console) -> Result<()> {
        if !self.finite {
            return Ok(());
        }
        let mut lines = filled_lines(&self.buffer[self.start..]);
        let mut line = Vec::new();
        while self.reader.read_until(b'\n', &mut line)? > 0 {
            lines += filled_lines(&line);
            line.clear();
        }
        if lines == 0 {
            return Ok(());
        }
        console.screen.notice(Level::Warning, &format!("{}: {}", self.name, not_run(lines)))
    }

    /// Whether the next command has to be waited for, so that what is buffered had better be written first.
    fn waits(&self) -> bool {
        self.start == self.buffer.len() && memchr::memchr(b'\n', self.reader.buffer()).is_none()
    }

    /// This command and those behind it, as far as they have been read already.
    fn upcoming(&self, command: &str) -> String {
        let mut text = command.as_bytes().to_vec();
        text.push(b'\n');
        text.extend_from_slice(&self.buffer[self.start..]);
        text.extend_from_slice(self.reader.buffer());
        text.truncate(memchr::memrchr(b'\n', &text).map_or(0, |at| at + 1));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Reads one more line into the buffer; false at the end.
    fn more(&mut self) -> Result<bool> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.valid -= self.start;
            self.start = 0;
        }
        // No more than that is ever held.
        let room = (LONGEST + 1).saturating_sub(self.buffer.len());
        let read = self.reader.by_ref().take(room as u64).read_until(b'\n', &mut self.buffer)?;
        if self.buffer.len() > LONGEST {
            return Err(Error::new(ErrorKind::Syntax, "a command is longer than 64 MiB; is a quote not closed?"));
        }
        if read == 0 {
            self.ended = true;
            return Ok(false);
        }
        match std::str::from_utf8(&self.buffer[self.valid..]) {
            Ok(_) => self.valid = self.buffer.len(),
            Err(error) => {
                let at = self.valid + error.valid_up_to();
                let before = &self.buffer[self.start..at];
                let line = self.line + newlines(before);
                let last = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
                let column = u32::try_from(String::from_utf8_lossy(&before[last..]).chars().count()).unwrap_or(0) + 1;
                return Err(Error::new(ErrorKind::Syntax, format!("byte {:#04x} is not UTF-8 text", self.buffer[at]))
                    .hint("scripts are UTF-8; convert the file, with iconv for example")
                    .from_place(Some(Place { source: Arc::clone(&self.name), line, column })));
            }
        }
        Ok(true)
    }

    /// Puts the next command's text into `command` and gives its place, or none at the end.
    fn next(&mut self, command: &mut String) -> Result<Option<Place>> {
        if self.start == self.buffer.len() && (self.ended || !self.more()?) {
            return Ok(None);
        }
        let mut scanner = Scanner::new(self.start);
        loop {
            match scanner.scan(&self.buffer) {
                Scan::Complete { end, next } => return Ok(Some(self.take(end, next, command))),
                Scan::Incomplete { .. } => {
                    let before = self.start;
                    if !self.ended && self.more()? {
                        scanner.moved(before);
                        continue;
                    }
                    // The end: run what is there; if it is unfinished, the parser says so.
                    let end = self.buffer.len();
                    return Ok(Some(self.take(end, end, command)));
                }
            }
        }
    }

    /// Takes the command that ends at `end`, so that the next one begins at `next`.
    fn take(&mut self, end: usize, next: usize, command: &mut String) -> Place {
        let text = std::str::from_utf8(&self.buffer[self.start..end]).unwrap_or_default();
        let trimmed = text.trim_start();
        let skipped = &text[..text.len() - trimmed.len()];
        command.clear();
        command.push_str(trimmed);
        let (line, column) = advance(self.line, self.column, skipped.as_bytes());
        (self.line, self.column) = advance(self.line, self.column, &self.buffer[self.start..next]);
        self.start = next;
        Place { source: Arc::clone(&self.name), line, column }
    }
}

/// The place behind a piece of text that begins at this place.
fn advance(line: u32, column: u32, text: &[u8]) -> (u32, u32) {
    let chars = |bytes: &[u8]| {
        // Bytes that continue a character are not counted.
        u32::try_from(bytes.iter().filter(|byte| (**byte & 0xc0) != 0x80).count()).unwrap_or(u32::MAX)
    };
    match memchr::memrchr(b'\n', text) {
        Some(last) => (line + newlines(text), 1 + chars(&text[last + 1..])),
        None => (line, column + chars(text)),
    }
}

/// How many lines end in a text.
#[must_use]
pub fn newlines(text: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', text).count()).unwrap_or(u32::MAX)
}

/// Runs a script to its end, or to its first error. Gives whether it went through without any, and whether it quit.
///
/// # Errors
/// Only what cannot be shown: a closed pipe, a failing disk. Errors of commands are shown here.
pub fn run_script(script: &mut Script<'_>, console: &mut Console, depth: usize) -> Result<Ended> {
    let outermost = console.begin_run();
    let done = run_all(script, console, depth);
    let told = console.end_run();
    let mut ended = done?;
    if let Err(error) = told {
        let here = || Place { source: Arc::clone(&script.name), line: script.line, column: script.column };
        let place = error.place.clone().unwrap_or_else(here);
        console.show_error(&error, "", &place, true)?;
        ended = Ended { failed: Some(error.kind), quit: true };
    }
    console.tell_run(outermost)?;
    Ok(ended)
}

/// How long results may wait until they are seen.
const SEEN: Duration = Duration::from_millis(50);

fn run_all(script: &mut Script<'_>, console: &mut Console, depth: usize) -> Result<Ended> {
    let mut ended = Ended::default();
    let mut text = String::new();
    let mut flushed = Instant::now();
    loop {
        // However much of a script was read at once, its results are seen as they come.
        if script.waits() || flushed.elapsed() >= SEEN {
            console.flush()?;
            flushed = Instant::now();
        }
        if (console.screen.interrupted)() {
            // Between two commands, so that none of them says so.
            console.screen.notice(Level::Warning, "interrupted")?;
            script.left_out(console)?;
            ended.failed = Some(ErrorKind::Interrupted);
            ended.quit = true;
            return Ok(ended);
        }
        let place = match script.next(&mut text) {
            Ok(Some(place)) => place,
            Ok(None) => return Ok(ended),
            Err(error) => {
                let place = error.place.clone().unwrap_or(Place {
                    source: Arc::clone(&script.name),
                    line: script.line,
                    column: script.column,
                });
                console.show_error(&Error { place: None, ..error.clone() }, "", &place, true)?;
                ended.failed = Some(error.kind);
                return Ok(ended);
            }
        };
        let done =
            console.look_ahead(|| script.upcoming(&text)).and_then(|()| run_command(&text, &place, console, depth));
        match done {
            Ok(inner) => {
                ended.failed = ended.failed.or(inner.failed);
                let stops = !console.screen.options.continue_on_error || inner.failed == Some(ErrorKind::Interrupted);
                if inner.failed == Some(ErrorKind::Interrupted) {
                    script.left_out(console)?;
                }
                if inner.quit || (inner.failed.is_some() && stops) {
                    ended.quit = true;
                    return Ok(ended);
                }
            }
            Err(error) if matches!(error.kind, ErrorKind::ClosedPipe) => return Err(error),
            Err(error) => {
                console.show_error(&error, &text, &place, true)?;
                ended.failed = Some(error.kind);
                if error.kind == ErrorKind::Interrupted {
                    script.left_out(console)?;
                }
                if !console.screen.options.continue_on_error || error.kind == ErrorKind::Interrupted {
                    ended.quit = true;
                    return Ok(ended);
                }
            }
        }
    }
}

/// Runs one command and, where it names a file, the commands in that.
///
/// # Errors
/// The command's own, and those of its program; those of a file's commands are shown, and make how it ended.
pub fn run_command(text: &str, place: &Place, console: &mut Console, depth: usize) -> Result<Ended> {
    let open = console.screen.open_programs();
    let flow = match console.execute(text, place) {
        Err(error) => return Err(console.failed(error)?),
        Ok(flow) => flow,
    };
    match flow {
        Flow::Next | Flow::Open(_) | Flow::Watch(..) => Ok(Ended::default()),
        Flow::Quit => Ok(Ended { quit: true, failed: None }),
        Flow::Read(path) => {
            let done = if depth < DEPTH {
                Script::open(&path).and_then(|mut script| run_script(&mut script, console, depth + 1))
            } else {
                Err(Error::invalid(format!(".read goes deeper than {DEPTH} files; does a file read itself?")))
            };
            if console.screen.open_programs() > open { console.screen.close_program(done) } else { done }
        }
    }
}

/// What is said of lines behind a Ctrl-C or an error.
#[must_use]
pub fn not_run(lines: usize) -> String {
    if lines == 1 { "1 line was not run".to_owned() } else { format!("{lines} lines were not run") }
}

/// How many lines of a text have something in them beside a comment.
#[must_use]
pub fn filled_lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"--"))
        .count()
}

/// How a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ended {
    /// The kind of the (last) error, if there was one.
    pub failed: Option<ErrorKind>,
    /// It asked to leave, or stopped at an error.
    pub quit: bool,
}

/// The end of scripts: what is staged and not committed is discarded, and that is said.
///
/// # Errors
/// When the database cannot roll back, or writing fails.
pub fn finish(ended: Ended, console: &mut Console) -> Result<Status> {
    let mut status = ended.failed.map_or(Status::SUCCESS, Status::of);
    if console.context.session.is_in_doubt() {
        // Neither discarded nor written, as far as is known; the command that failed has said so.
        status = Status::of(ErrorKind::InDoubt);
    } else if !console.context.session.is_clean() {
        let session = &mut console.context.session;
        let text = if session.is_recovered() {
            // It was not this script's own. The change that failed is the session's no longer, but still on disk.
            let what = match ended.failed {
                Some(_) => "all that was staged again".to_owned(),
                None => session.counts().to_string(),
            };
            format!("not committed, and kept: {what}; `.recover` restores it again")
        } else {
            format!("discarded at the end, not committed: {}", session.rollback()?)
        };
        console.screen.notice(Level::Warning, &text)?;
        if status.is_success() {
            status = Status::of(ErrorKind::Discarded);
        }
    }
    console.flush()?;
    Ok(status)
}
