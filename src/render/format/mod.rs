//! The formats of results: one file each, and one line in the table below.

mod ascii;
mod auto;
mod chart;
mod csv;
mod html;
mod insert;
mod json;
mod list;
mod markdown;
mod repr;
mod table;
mod tsv;
mod vertical;

use super::Style;
use super::sanitise::sanitise;
use crate::model::Cell;
use crate::outcome::{Header, Mark, Tree};
use crate::store::literal::Literal;
use crate::{Error, Result};
use std::borrow::Cow;
use std::path::Path;

/// Makes the modes from one line each: its name, whether programs read it (in a pipe or a file it keeps the data as they
/// are), the endings of files that mean it, what opens it, and what `.help .mode` says.
macro_rules! formats {
    ($($mode:ident = $name:literal, $is_data:literal, $endings:expr, $open:expr, $help:literal;)*) => {
        /// How results are shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        #[non_exhaustive]
        pub enum Mode {
            #[default]
            $(#[doc = $help] $mode,)*
        }

        impl Mode {
            /// All modes.
            pub const ALL: &[Self] = &[$(Self::$mode),*];

            const fn format(self) -> &'static Format {
                match self {
                    $(Self::$mode => &Format {
                        name: $name,
                        is_data: $is_data,
                        endings: &$endings,
                        open: $open,
                        help: $help,
                    },)*
                }
            }
        }
    };
}

formats! {
    Auto = "auto", false, [], auto::open, "a table for many records, and fields one under another for one record or where a table does not fit";
    Table = "table", false, ["txt"], table::open, "a table with lines around it";
    Ascii = "ascii", false, [], ascii::open, "a table of `-`, `+` and `|`, as psql draws it";
    Vertical = "vertical", false, [], vertical::open, "one field a line";
    List = "list", false, [], list::open, "values with `|` between";
    Csv = "csv", true, ["csv"], csv::open, "comma-separated, as RFC 4180 has it but with plain line ends; NULL is empty, '' is `\"\"`";
    Tsv = "tsv", true, ["tsv", "tab"], tsv::open, "tab-separated, escaped as PostgreSQL's COPY does; NULL is `\\N`";
    Json = "json", true, ["json"], json::open, "one array of objects";
    Jsonl = "jsonl", true, ["jsonl", "ndjson"], json::open_lines, "one object a line";
    Markdown = "markdown", false, ["md"], markdown::open, "a table for Markdown";
    Html = "html", true, ["html", "htm"], html::open, "a table for a web page";
    Insert = "insert", true, ["sql"], insert::open, "INSERT statements in the database's SQL";
    Repr = "repr", false, [], repr::open, "`<User john>`, one a line";
    Chart = "chart", false, [], chart::open, "bars for a label and a number";
}

/// A row of the table.
struct Format {
    name: &'static str,
    is_data: bool,
    endings: &'static [&'static str],
    open: fn(&Header, &Style) -> Box<dyn Writer>,
    help: &'static str,
}

impl Mode {
    /// Its name, as `.mode` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.format().name
    }

    /// What it looks like, in a few words.
    #[must_use]
    pub const fn help(self) -> &'static str {
        self.format().help
    }

    /// Whether programs read it: in a pipe or a file it keeps the data as they are.
    #[must_use]
    pub const fn is_data(self) -> bool {
        self.format().is_data
    }

    /// The ending of files in this format, as `.export` names it.
    #[must_use]
    pub fn ending(self) -> Option<&'static str> {
        self.format().endings.first().copied()
    }

    /// The mode that the name of a file asks for by its ending.
    ///
    /// # Errors
    /// `Invalid` for an ending that says nothing.
    pub fn of_file(path: &Path) -> Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        let meant = Self::ALL.iter().find(|mode| mode.format().endings.contains(&ending.as_str()));
        meant.copied().ok_or_else(|| {
            let mut endings: Vec<String> =
                Self::ALL.iter().filter_map(|mode| mode.ending()).map(|ending| format!(".{ending}")).collect();
            let last = endings.pop().unwrap_or_default();
            Error::invalid(format!("the name {} does not say how to write it", path.display()))
                .hint(format!("it ends in {} or {last}", endings.join(", ")))
        })
    }

    /// What writes a result with this header.
    pub(super) fn open(self, header: &Header, style: &Style) -> Box<dyn Writer> {
        (self.format().open)(header, style)
    }
}

impl std::str::FromStr for Mode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.iter().copied().find(|mode| mode.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|mode| mode.name()).collect();
            Error::invalid(format!("there is no mode `{text}`"))
                .suggest(text, names.iter().copied())
                .hint(format!("the modes are {}", names.join(", ")))
        })
    }
}

/// What a result is written with, and where it goes.
pub(super) struct Page<'p> {
    /// Its columns. Where people read it, their names cannot drive a terminal any more.
    pub header: &'p Header,
    /// How output looks.
    pub style: &'p Style,
    /// How the database spells values in SQL.
    pub literal: Literal,
    /// Where it goes.
    pub out: &'p mut Vec<u8>,
}

impl Page<'_> {
    /// A column's name as data: escaped at a terminal only.
    fn name<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.style.terminal { sanitise(name) } else { Cow::Borrowed(name) }
    }
}

/// Writes one result in a format.
pub(super) trait Writer {
    /// Writes what stands before the rows.
    fn begin(&mut self, _page: &mut Page<'_>) {}

    /// Writes a row, or keeps it until the end.
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark, page: &mut Page<'_>);

    /// Writes what stands behind the rows; returns a warning, where there is something to know.
    fn end(&mut self, _page: &mut Page<'_>) -> Option<String> {
        None
    }

    /// Writes what was kept of a result that broke off with an error.
    fn break_off(&mut self, _page: &mut Page<'_>) {}

    /// Writes records under records; false where the format has no way of its own to do so.
    fn tree(&mut self, _tree: &Tree, _page: &mut Page<'_>) -> bool {
        false
    }
}
