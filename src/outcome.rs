//! What commands report, as a stream of typed events. Commands call a [`Report`]; only `render/` writes text.

use crate::model::definition::Place;
use crate::model::{Cell, Column, DataType, Entity, Value};
use crate::{Error, Result};

/// One column of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct HeaderColumn {
    /// Its heading: `username`, `author.username`, `count`.
    pub name: String,
    /// Its type, for alignment and for json.
    pub data_type: DataType,
    /// Whether its values are hidden; NULL is still shown as NULL.
    pub masked: bool,
}

/// What precedes the rows of a result.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Header {
    /// The columns in order.
    pub columns: Vec<HeaderColumn>,
    /// The name repr shows: `User`. None for results that are not records (aggregates, `.tables`).
    pub title: Option<String>,
    /// The column that repr shows.
    pub display: Option<usize>,
    /// The columns of the key, which repr shows where there is no display.
    pub key: Vec<usize>,
    /// Singular and plural, for "3 users", "no posts".
    pub noun: Option<(String, String)>,
    /// The table, where every column is one of its own.
    pub table: Option<Place>,
    /// The command asked for one record (`get`, `first`): a terminal shows it vertically.
    pub single: bool,
}

impl Header {
    /// The header of whole records of a model.
    #[must_use]
    pub fn of_records(model: &Entity) -> Self {
        let column = |column: &Column| HeaderColumn {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            masked: column.is_hidden(),
        };
        Self {
            columns: model.columns.iter().map(column).collect(),
            title: Some(model.title.clone()),
            display: model.display,
            key: model.key.clone(),
            noun: Some((model.name.clone(), model.plural.clone())),
            table: Some(model.place()),
            single: false,
        }
    }
}

/// How a row stands to what is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// As the database has it.
    #[default]
    None,
    /// Staged, not in the database yet.
    Added,
    /// Changed by what is staged.
    Changed,
}

/// A result that nests: each row with the rows its relationships lead to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tree {
    /// The columns of this level.
    pub header: Header,
    /// The rows of this level.
    pub rows: Vec<TreeRow>,
}

/// One row of a [`Tree`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TreeRow {
    /// The row's values, one for each column of the level's header.
    pub values: Vec<Value>,
    /// How it stands to what is staged.
    pub mark: Mark,
    /// Relationship name, whether it leads to one record at most, and the records under it.
    pub children: Vec<(String, bool, Tree)>,
}

/// How much a notice matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What happened; not written with `--quiet`.
    Info,
    /// Something to know about; always written.
    Warning,
}

/// Where commands report to. Implemented by the renderer, and by tests.
pub trait Report {
    /// A result begins.
    ///
    /// # Errors
    /// When writing fails; likewise for every other function here.
    fn begin(&mut self, header: &Header) -> Result<()>;

    /// One row of it.
    ///
    /// # Errors
    /// When writing fails.
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark) -> Result<()>;

    /// The result ends.
    ///
    /// # Errors
    /// When writing fails.
    fn end(&mut self) -> Result<()>;

    /// A nested result.
    ///
    /// # Errors
    /// When writing fails.
    fn tree(&mut self, tree: &Tree) -> Result<()>;

    /// One line that a person reads: control characters in it are escaped, wherever it is written.
    ///
    /// # Errors
    /// When writing fails.
    fn line(&mut self, text: &str) -> Result<()>;

    /// One line that a program may read as well: a formatted row, a value, an SQL text. Control characters in it are
    /// escaped at a terminal only.
    ///
    /// # Errors
    /// When writing fails.
    fn data(&mut self, text: &str) -> Result<()>;

    /// A result line about something that is new (`+`), changed (`~`) or to go (`-`).
    ///
    /// # Errors
    /// When writing fails.
    fn marked(&mut self, sign: char, text: &str) -> Result<()> {
        self.line(&format!("{sign} {text}"))
    }

    /// Whether notices of level [`Level::Info`] are written at all, so that they need not be put together.
    fn wants_notices(&self) -> bool {
        true
    }

    /// A line about what happened (to stderr).
    ///
    /// # Errors
    /// When writing fails.
    fn notice(&mut self, level: Level, text: &str) -> Result<()>;

    /// An error that does not end the run (to stderr).
    ///
    /// # Errors
    /// When writing fails.
    fn error(&mut self, error: &Error, context: &ErrorContext<'_>) -> Result<()>;
}

/// What is needed to show an error in place.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErrorContext<'a> {
    /// The command's whole text, which the error's span points into.
    pub command: &'a str,
    /// `FILE`, `stdin`, `-c`; none at the prompt, where no place is printed.
    pub source: Option<&'a str>,
    /// One-based line on which the command begins.
    pub line: u32,
    /// One-based column in characters at which it begins.
    pub column: u32,
}
