//! Reports become text: the only folder that writes results and diagnostics, to any `Write`.

mod chart;
mod diagnostic;
mod fields;
mod json;
mod outline;
mod sanitise;
mod sink;
mod table;
mod theme;

use crate::model::Cell;
use crate::outcome::{ErrorContext, Header, Level, Mark, Report, Tree};
use crate::{Error, Result};
use chart::Chart;
pub use sanitise::{is_dangerous, sanitise, sanitise_lines};
use sink::Sink;
use std::io::Write;
use table::Table;
pub use theme::{Ink, Theme};

/// The widest that a screen is taken to be, in columns; a longer value is cut in tables and charts.
pub const WIDEST: usize = 10_000;

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// A table for many records, `vertical` for one, and one value by itself.
    #[default]
    Auto,
    /// A table.
    Table,
    /// One field a line.
    Vertical,
    /// Values with `|` between.
    List,
    /// Comma-separated, as RFC 4180 has it but with plain line ends; NULL is empty, '' is `""`.
    Csv,
    /// Tab-separated, escaped as PostgreSQL's COPY does; NULL is `\N`.
    Tsv,
    /// One array of objects.
    Json,
    /// One object a line.
    Jsonl,
    /// A table for Markdown.
    Markdown,
    /// `<User john>`, one a line.
    Repr,
    /// Bars for a label and a number.
    Chart,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 11] = [
        Self::Auto,
        Self::Table,
        Self::Vertical,
        Self::List,
        Self::Csv,
        Self::Tsv,
        Self::Json,
        Self::Jsonl,
        Self::Markdown,
        Self::Repr,
        Self::Chart,
    ];

    /// Whether programs read it: in a pipe or a file it keeps the data as they are.
    const fn is_data(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv | Self::Json | Self::Jsonl)
    }

    /// Its name, as `.mode` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Table => "table",
            Self::Vertical => "vertical",
            Self::List => "list",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Jsonl => "jsonl",
            Self::Markdown => "markdown",
            Self::Repr => "repr",
            Self::Chart => "chart",
        }
    }
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            Error::invalid(format!("there is no mode `{text}`"))
                .suggest(text, names)
                .hint(format!("the modes are {}", names.join(", ")))
        })
    }
}

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
    mode: Mode,
    rows: usize,
    table: Option<Table>,
    chart: Option<Chart>,
    names: Vec<Vec<u8>>,
    /// How many values so far are JSON's own `null`, which a reader of JSON takes for NULL.
    json_nulls: usize,
}

/// Writes results to one place and everything else to another.
pub struct Renderer {
    out: Sink,
    err: Sink,
    style: Style,
    open: Option<Open>,
}

impl Renderer {
    /// A renderer.
    #[must_use]
    pub fn new(out: Box<dyn Write>, err: Box<dyn Write>, style: Style) -> Self {
        Self { out: Sink::new(out), err: Sink::new(err), style, open: None }
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

    fn footer(&mut self, open: &Open) -> Result<()> {
        let Some((one, many)) = &open.header.noun else { return Ok(()) };
        if open.header.single && open.rows == 1 {
            return Ok(());
        }
        let text = match open.rows {
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

fn upright_page(header: &Header, page: &table::Page, style: &Style, out: &mut Vec<u8>) {
    for (index, (mark, texts)) in page.iter().enumerate() {
        fields::upright(header, texts, *mark, index + 1, &[], style, out);
    }
}

impl Report for Renderer {
    fn begin(&mut self, header: &Header) -> Result<()> {
        let mode = match self.style.mode {
            // One value alone, one record as fields, many as a table.
            Mode::Auto if header.single && header.title.is_none() && header.columns.len() == 1 => Mode::List,
            Mode::Auto if header.single => Mode::Vertical,
            Mode::Auto => Mode::Table,
            // Without a number there is nothing to draw.
            Mode::Chart if Chart::column(header).is_none() => Mode::Table,
            mode => mode,
        };
        let chart = (mode == Mode::Chart).then(Chart::default);
        let is_json = matches!(mode, Mode::Json | Mode::Jsonl);
        let names = if is_json { json::names(header, self.style.terminal) } else { Vec::new() };
        // Json has its own escapes.
        let spells = !mode.is_data() || (self.style.terminal && !is_json);
        let header = if spells { spelled(header) } else { header.clone() };
        let table = (mode == Mode::Table).then(|| Table::new(&header));
        let style = self.style.clone();
        let buffer = &mut self.results()?.buffer;
        match mode {
            Mode::Csv => fields::csv_header(&header, buffer),
            Mode::Tsv => fields::tsv_header(&header, buffer),
            Mode::Markdown => fields::markdown_header(&header, buffer),
            Mode::Json => buffer.extend_from_slice(b"["),
            Mode::List if style.terminal && style.mode == Mode::List => fields::list_header(&header, buffer),
            _ => {}
        }
        self.open = Some(Open { header, mode, rows: 0, table, chart, names, json_nulls: 0 });
        Ok(())
    }

    fn row(&mut self, cells: &[Cell<'_>], mark: Mark) -> Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        if self.err.is_dirty() {
            self.err.flush()?;
        }
        let (style, out) = (&self.style, &mut self.out.buffer);
        open.rows += 1;
        if !open.names.is_empty() {
            open.json_nulls += json::nulls(&open.header, cells);
        }
        match open.mode {
            Mode::Auto | Mode::Table => {
                if let Some(table) = &mut open.table {
                    table.row(cells, mark, style, out);
                    // Many columns on a small screen are better shown one under another.
                    if style.mode == Mode::Auto
                        && table.is_full()
                        && let Some(page) = table.too_wide(style)
                    {
                        open.table = None;
                        open.mode = Mode::Vertical;
                        upright_page(&open.header, &page, style, out);
                    }
                }
            }
            Mode::Chart => {
                if let Some(chart) = &mut open.chart {
                    chart.row(&open.header, cells, style);
                }
            }
            Mode::Vertical => fields::vertical(&open.header, cells, mark, open.rows, style, out),
            Mode::List => fields::list(&open.header, cells, style, out),
            Mode::Csv => fields::csv(&open.header, cells, style.terminal, out),
            Mode::Tsv => fields::tsv(&open.header, cells, style.terminal, out),
            Mode::Json => {
                out.extend_from_slice(if open.rows > 1 { b",\n " } else { b"" });
                json::object(&open.header, &open.names, cells, style.terminal, out);
            }
            Mode::Jsonl => {
                json::object(&open.header, &open.names, cells, style.terminal, out);
                out.push(b'\n');
            }
            Mode::Markdown => fields::markdown(&open.header, cells, style, out),
            Mode::Repr => fields::repr(&open.header, cells, style, out),
        }
        self.out.drain_if_full()
    }

    fn end(&mut self) -> Result<()> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let mut hidden = 0;
        let left_out = open.chart.as_ref().map_or(0, |chart| chart.draw(&self.style, &mut self.out.buffer));
        if let Some(table) = &mut open.table
            && self.style.mode == Mode::Auto
            && let Some(page) = table.too_wide(&self.style)
        {
            upright_page(&open.header, &page, &self.style, &mut self.out.buffer);
        } else if let Some(table) = &mut open.table {
            hidden = table.finish(&self.style, &mut self.out.buffer);
        }
        if open.mode == Mode::Json {
            self.out.buffer.extend_from_slice(b"]\n");
        }
        self.out.drain_if_full()?;
        if left_out > 0 {
            self.notice(
                Level::Warning,
                &format!("{left_out} more rows are not drawn: a chart has 10,000 bars at the most"),
            )?;
        }
        if hidden > 0 {
            let s = if hidden == 1 { "" } else { "s" };
            let text = format!("{hidden} more column{s} did not fit: `.mode vertical` shows all, `show` picks some");
            self.notice(Level::Warning, &text)?;
        }
        // What is in a file or a pipe may be read back.
        if open.json_nulls > 0 && !self.style.terminal {
            let count = open.json_nulls;
            let (values, are, come) = if count == 1 { ("value", "is", "comes") } else { ("values", "are", "come") };
            let text = format!(
                "{count} {values} {are} the json `null`, which {come} back from {} as NULL: csv and tsv keep the difference",
                open.mode.name()
            );
            self.notice(Level::Warning, &text)?;
        }
        self.footer(&open)
    }

    fn tree(&mut self, tree: &Tree) -> Result<()> {
        let style = self.style.clone();
        let rows = tree.rows.len();
        let buffer = &mut self.results()?.buffer;
        match style.mode {
            Mode::Json => json::tree(tree, style.terminal, buffer),
            Mode::Jsonl => json::tree_lines(tree, style.terminal, buffer),
            Mode::Csv | Mode::Tsv => {
                return Err(Error::invalid(format!("{} cannot show records under records", style.mode.name()))
                    .hint("use `.mode json` or `.mode jsonl`, or `show` with paths instead of `with`"));
            }
            _ => outline::tree(tree, 0, &style, buffer),
        }
        self.out.drain_if_full()?;
        self.footer(&Open {
            header: tree.header.clone(),
            mode: style.mode,
            rows,
            table: None,
            chart: None,
            names: Vec::new(),
            json_nulls: 0,
        })
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
        if let Some(mut open) = self.open.take()
            && let Some(table) = &mut open.table
        {
            table.finish(&self.style, &mut self.out.buffer);
        }
        let text = diagnostic::render(error, context, &self.style);
        let sink = self.messages()?;
        sink.buffer.extend_from_slice(text.as_bytes());
        sink.flush()
    }
}

#[cfg(test)]
mod tests;
