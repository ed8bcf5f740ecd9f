//! Places in a text, and diagnostics as data.

pub mod sql;
mod suggest;

pub use suggest::nearest;

/// A half-open range of byte offsets into one command's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: usize,
    /// Offset just past the last byte.
    pub end: usize,
}

impl Span {
    /// The range from `start` up to, not including, `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The smallest range that covers both.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start.min(other.start), self.end.max(other.end))
    }
}

/// Where a command was typed: a source's name and the line it began on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `tour.dsh`, `stdin`, `-c`, or `prompt`.
    pub source: std::sync::Arc<str>,
    /// One-based line number.
    pub line: u32,
    /// One-based column in characters at which the command begins.
    pub column: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.source, self.line)
    }
}
