//! How a run ended.

use crate::ErrorKind;
use std::process::{ExitCode, Termination};

/// How a run ended, as a process says it. A `main` may return it.
///
/// | status | what happened |
/// | ---: | --- |
/// | 0 | all went well |
/// | 1 | a command failed |
/// | 2 | the database could not be opened, or the shell was built wrong |
/// | 3 | a script ended with changes staged and not committed; they were discarded |
/// | 4 | the connection was lost during COMMIT, and whether it was written is not known |
/// | 130 | interrupted by Ctrl-C |
#[must_use = "a script that failed says so here only"]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    /// All went well.
    pub const SUCCESS: Self = Self(0);

    pub(super) const fn of(kind: ErrorKind) -> Self {
        Self(kind.exit_status())
    }

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self.0
    }

    /// Whether all went well.
    #[must_use]
    pub const fn is_success(self) -> bool {
        self.0 == 0
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.0)
    }
}

impl Termination for Status {
    fn report(self) -> ExitCode {
        self.into()
    }
}
