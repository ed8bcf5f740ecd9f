//! Errors as data: what went wrong, where, why, and what to type next.

use crate::text::{Place, Span};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of thing went wrong. The kind decides the process's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is not a command of the language.
    Syntax,
    /// A name or a value does not fit the models.
    Invalid,
    /// No record, or not exactly one, where one was asked for.
    NotFound,
    /// The database refused: a constraint was violated.
    Constraint,
    /// A row was changed or deleted by someone else since it was read.
    Conflict,
    /// The database reported an error of another sort.
    Database,
    /// The database is locked or busy; trying again may help.
    Busy,
    /// The database could not be reached or opened.
    Connection,
    /// Reading a script or writing a result failed.
    Io,
    /// The reader of our output has gone away (a closed pipe).
    ClosedPipe,
    /// The command was stopped by Ctrl-C.
    Interrupted,
    /// The command line or the configuration is wrong.
    Usage,
    /// It was refused to protect data (read-only, sandbox, an unanswered question).
    Refused,
    /// Staged changes were discarded at the end of a script.
    Discarded,
    /// The answer to COMMIT was lost: whether it was written is not known.
    InDoubt,
}

impl ErrorKind {
    /// Whether trying again may help: the database was busy, or the connection was lost.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Connection)
    }

    /// The process's exit status when a run ends with an error of this kind.
    #[must_use]
    pub const fn exit_status(self) -> u8 {
        match self {
            Self::Usage | Self::Connection => 2,
            Self::Discarded => 3,
            Self::InDoubt => 4,
            Self::Interrupted => 130,
            Self::ClosedPipe => 0,
            _ => 1,
        }
    }
}

/// One error: what, where, why, and the way out.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The sort of error.
    pub kind: ErrorKind,
    /// One sentence, without a final full stop: what went wrong.
    pub message: String,
    /// Where in the command's text, if it has a place there.
    pub span: Option<Span>,
    /// What would help, one line each: "did you mean `username`?", "expected a field name".
    pub hints: Vec<String>,
    /// The database's own code for it, where it has one that is the same in every language (SQLSTATE).
    pub code: Option<[u8; 5]>,
    /// A name in it is not known; reading the schema again may help.
    pub unknown: bool,
    /// Where the command was typed, when that is not the command now running (a staged change that fails later).
    pub place: Option<Place>,
}

impl Error {
    /// An error with a kind and a message.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), span: None, hints: Vec::new(), code: None, unknown: false, place: None }
    }

    /// A name or value that does not fit the models.
    #[must_use]
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A name that is not known.
    #[must_use]
    pub fn unknown(message: impl Into<String>) -> Self {
        Self { unknown: true, ..Self::invalid(message) }
    }

    /// Sets the place in the command's text, unless it is known already.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }

    /// Moves its place: it was found in a text that begins at this offset of the whole one.
    #[must_use]
    pub fn moved(mut self, offset: usize) -> Self {
        self.span = self.span.map(|span| Span::new(span.start + offset, span.end + offset));
        self
    }

    /// Adds one line of help.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Whether the database undid the transaction because of what others did at the same time: a serialization failure or
    /// a deadlock. The same in a new transaction may go well: <https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html>.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        matches!(self.code.as_ref(), Some(b"40001" | b"40P01"))
    }

    /// Adds a "did you mean" line when a candidate is near.
    #[must_use]
    pub fn suggest<'a>(self, typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        match crate::text::nearest(typed, candidates) {
            Some(name) => self.hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }

    /// Sets where the failing change was typed.
    #[must_use]
    pub fn from_place(mut self, place: Option<Place>) -> Self {
        if self.place.is_none() {
            self.place = place;
        }
        self
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::BrokenPipe => ErrorKind::ClosedPipe,
            _ => ErrorKind::Io,
        };
        Self::new(kind, error.to_string())
    }
}
