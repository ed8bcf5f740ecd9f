//! What a command gave, as data.

use crate::model::{Cell, FromValue};
use crate::outcome::{Header, Level, Mark, Tree};
use crate::rows::Rows;
use crate::{Error, ErrorKind, Result};

/// What [`Shell::execute`](crate::Shell::execute) gives: results and what was said beside them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reply {
    rows: Vec<Rows>,
    lines: Vec<String>,
    notices: Vec<String>,
    warnings: Vec<String>,
}

impl Reply {
    /// The rows of the command's result; none for a command that does not give rows.
    #[must_use]
    pub fn rows(&self) -> Option<&Rows> {
        self.rows.first()
    }

    /// The only value of the result: what `count users` gives.
    ///
    /// # Errors
    /// `NotFound` when there are no rows; `Invalid` when the value is of another type.
    pub fn single<T: FromValue>(&self) -> Result<T> {
        let none = || Error::new(ErrorKind::NotFound, "the command gives no rows");
        self.rows().ok_or_else(none)?.single()
    }

    /// Results that are lines of text: of `format`, `diff`, `.schema`.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// What was said about what happened: `+ <User john>  staged: user john (1 change; commit to write)`.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What there is to know about.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn begin(&mut self, header: &Header) {
        self.rows.push(Rows::new(header.clone()));
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>], mark: Mark) {
        if let Some(rows) = self.rows.last_mut() {
            let width = rows.columns().count();
            rows.push(cells.iter().take(width).map(|cell| cell.to_value()).collect(), mark);
        }
    }

    pub(super) fn tree(&mut self, tree: &Tree) {
        self.rows.push(Rows::of_tree(tree));
    }

    pub(super) fn line(&mut self, text: &str) {
        self.lines.push(text.to_owned());
    }

    pub(super) fn notice(&mut self, level: Level, text: &str) {
        match level {
            Level::Info => self.notices.push(text.to_owned()),
            Level::Warning => self.warnings.push(text.to_owned()),
        }
    }
}
