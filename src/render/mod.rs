//! Reports become text: the only folder that writes results and diagnostics, to any `Write`.

mod cells;
mod diagnostic;
mod format;
mod grid;
mod outline;
mod sanitise;
mod sink;
mod theme;

use crate::model::Cell;
use crate::outcome::{ErrorContext, Header, Level, Mark, Report, Tree};
use crate::store::literal::{self, Literal};
use crate::{Error, Result};
pub use format::Mode;
use format::{Page, Writer};
pub use sanitise::{is_dangerous, sanitise, sanitise_lines};
use sink::Sink;
use std::io::Write;
pub use theme::{Ink, Theme};

/// The widest that a screen is taken to be, in columns; a longer value is cut in tables and charts.
pub const WIDEST: usize = 10_000;

/// How output looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Style {
    /// How results are shown.
    pub mode: Mode,
    /// What stands for NULL in tables, lists and vertical output.
    pub null: String,
    /// Columns of the screen; nothing is cut without.
    pub width: Option<usize>,
    /// Whether results go to a terminal, which data must not drive.
    pub terminal: bool,
    /// Whether colours are used.
    pub colour: bool,
    /// Which colours.
    pub theme: Theme,
    /// Leave out notices about what happened.
    pub quiet: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            null: "NULL".into(),
            width: None,
            terminal: false,
            colour: false,
            theme: Theme::Dark,
            quiet: false,
        }
    }
}

/// The result that is being written.
struct Open {
    header: Header,
    rows: usize,
    writer: Box<dyn Writer>,
}

/// Writes results to one place and everything else to another.
pub struct Renderer {
    out: Sink,
    err: Sink,
    style: Style,
    literal: Literal,
    open: Option<Open>,
}

impl Renderer {
    /// A renderer.
    #[must_use]
    pub fn new(out: Box<dyn Write>, err: Box<dyn Write>, style: Style) -> Self {
        Self { out: Sink::new(out), err: Sink::new(err), style, literal: literal::standard, open: None }
    }

    /// How output looks.
    #[must_use]
    pub const fn style(&self) -> &Style {
        &self.style
    }

    /// Changes how output looks.
    pub const fn style_mut(&mut self) -> &mut Style {
        &mut self.style
    }

    /// Spells values as the database at hand does, where a format is SQL.
    pub const fn set_literal(&mut self, literal: Literal) {
        self.literal = literal;
    }

    /// Sends results elsewhere from now on; gives where they went before. Call [`Renderer::flush`] first.
    pub fn set_results(&mut self, to: Box<dyn Write>) -> Box<dyn Write> {
        self.out.replace(to)
    }

    /// An error as it would be shown.
    #[must_use]
    pub fn explain(&self, error: &Error, context: &ErrorContext<'_>) -> String {
        diagnostic::render(error, context, &self.style)
    }

    /// Writes bytes to the results as they are.
    ///
    /// # Errors
    /// `ClosedPipe` or `Io`.
    pub fn write_raw(&mut self, bytes: &[u8]) -> Result<()> {
        let sink = self.results()?;
        sink.buffer.extend_from_slice(bytes);
        sink.drain_if_full()
    }

    /// Writes bytes to the messages as they are, at once.
    ///
    /// # Errors
    /// `ClosedPipe` or `Io`.
    pub fn message_raw(&mut self, bytes: &[u8]) -> Result<()> {
        let sink = self.messages()?;
        sink.buffer.extend_from_slice(bytes);
        sink.flush()
    }

    /// Sends messages elsewhere from now on; gives where they went before. Call [`Renderer::flush`] first.
    pub fn set_messages(&mut self, to: Box<dyn Write>) -> Box<dyn Write> {
        self.err.replace(to)
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// `ClosedPipe` or `Io`.
    pub fn flush(&mut self) -> Result<()> {
        self.out.flush()?;
        self.err.flush()
    }

    /// What was reported first is also written first where both go to the same place.
    fn results(&mut self) -> Result<&mut Sink> {
        self.err.flush()?;
        Ok(&mut self.out)
    }

    /// A line of results that is as it should be.
    fn write_line(&mut self, text: &str) -> Result<()> {
        let sink = self.results()?;
        sink.buffer.extend_from_slice(text.as_bytes());
        sink.buffer.push(b'\n');
        sink.drain_if_full()
    }

    fn messages(&mut self) -> Result<&mut Sink> {
        self.out.flush()?;
        Ok(&mut self.err)
    }

    fn footer(&mut self, header: &Header, rows: usize) -> Result<()> {
        let Some((one, many)) = &header.noun else { return Ok(()) };
        if header.single && rows == 1 {
            return Ok(());
        }
        let text = match rows {
            0 => format!("no {many}"),
            1 => format!("1 {one}"),
            rows => format!("{rows} {many}"),
        };
        self.notice(Level::Info, &text)
    }
}

/// A header whose names cannot drive a terminal.
fn spelled(header: &Header) -> Header {
    let mut header = header.clone();
    for column in &mut header.columns {
        column.name = sanitise(&column.name).into_owned();
    }
    header.title = header.title.map(|title| sanitise(&title).into_owned());
    header
}

impl Report for Renderer {
    fn begin(&mut self, header: &Header) -> Result<()> {
        let mode = self.style.mode;
        let header = if mode.is_data() { header.clone() } else { spelled(header) };
        let mut writer = mode.open(&header, &self.style);
        self.results()?;
        writer.begin(&mut Page {
            header: &header,
            style: &self.style,
            literal: self.literal,
            out: &mut self.out.buffer,
        });
        self.open = Some(Open { header, rows: 0, writer });
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>], mark: Mark) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if self.err.is_dirty() {
            self.err.flush()?;
        }
        open.rows += 1;
        let (header, style, out) = (&open.header, &self.style, &mut self.out.buffer);
        open.writer.row(cells, mark, &mut Page { header, style, literal: self.literal, out });
        self.out.drain_if_full()
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let (header, style, out) = (&open.header, &self.style, &mut self.out.buffer);
        let warning = open.writer.end(&mut Page { header, style, literal: self.literal, out });
        self.out.drain_if_full()?;
        if let Some(warning) = warning {
            self.notice(Level::Warning, &warning)?;
        }
        self.footer(&open.header, open.rows)
    }

    fn tree(&mut self, tree: &Tree) -> Result<()> {
        self.results()?;
        let (header, style, mode, out) = (&tree.header, &self.style, self.style.mode, &mut self.out.buffer);
        let mut writer = mode.open(header, style);
        if !writer.tree(tree, &mut Page { header, style, literal: self.literal, out }) {
            if mode.is_data() {
                return Err(Error::invalid(format!("{} cannot show records under records", mode.name()))
                    .hint("use `.mode json` or `.mode jsonl`, or `show` with paths instead of `with`"));
            }
            outline::tree(tree, 0, style, out);
        }
        self.out.drain_if_full()?;
        self.footer(header, tree.rows.len())
    }

    fn line(&mut self, text: &str) -> Result<()> {
        self.write_line(&sanitise_lines(text))
    }

    fn data(&mut self, text: &str) -> Result<()> {
        if self.style.terminal { self.line(text) } else { self.write_line(text) }
    }

    fn marked(&mut self, sign: char, text: &str) -> Result<()> {
        let text = format!("{sign} {}", sanitise_lines(text));
        if !self.style.colour {
            return self.write_line(&text);
        }
        let ink = match sign {
            '+' => Ink::Added,
            '-' => Ink::Removed,
            _ => Ink::Changed,
        };
        let text = self.style.theme.paint(ink, &text);
        self.write_line(&text)
    }

    fn wants_notices(&self) -> bool {
        !self.style.quiet
    }

    fn notice(&mut self, level: Level, text: &str) -> Result<()> {
        if level == Level::Info && self.style.quiet {
            return Ok(());
        }
        let (colour, theme) = (self.style.colour, self.style.theme);
        let sink = self.messages()?;
        let text = sanitise(text);
        if colour {
            let ink = match (level, text.as_bytes().first()) {
                (Level::Info, Some(b'+')) => Ink::Added,
                (Level::Info, Some(b'~')) => Ink::Changed,
                (Level::Info, Some(b'-')) => Ink::Removed,
                (Level::Info, _) => Ink::Notice,
                (Level::Warning, _) => Ink::Warning,
            };
            sink.buffer.extend_from_slice(theme.paint(ink, &text).as_bytes());
            sink.buffer.push(b'\n');
        } else {
            sink.buffer.extend_from_slice(text.as_bytes());
            sink.buffer.push(b'\n');
        }
        sink.drain_if_full()
    }

    fn error(&mut self, error: &Error, context: &ErrorContext<'_>) -> Result<()> {
        // A result that broke off is ended first.
        if let Some(mut open) = self.open.take() {
            let (header, style, out) = (&open.header, &self.style, &mut self.out.buffer);
            open.writer.break_off(&mut Page { header, style, literal: self.literal, out });
        }
        let text = diagnostic::render(error, context, &self.style);
        let sink = self.messages()?;
        sink.buffer.extend_from_slice(text.as_bytes());
        sink.flush()
    }
}

#[cfg(test)]
mod tests;
