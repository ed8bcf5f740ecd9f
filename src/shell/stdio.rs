//! The process's own standard streams. The one file of the library that names them: [`Shell::run`](crate::Shell::run)
//! is the one function that uses them, and only where the application has not said where to write.

use std::io::{IsTerminal, Read, Write};

/// Where a script comes from.
pub(super) fn input() -> impl Read {
    std::io::stdin()
}

/// Where results go.
pub(super) fn results() -> Box<dyn Write> {
    Box::new(std::io::stdout())
}

/// Where everything else goes.
pub(super) fn messages() -> Box<dyn Write> {
    Box::new(std::io::stderr())
}

/// Whether a person sits there: what is typed and what is shown are both on a terminal.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && shows()
}

/// Whether results are shown on a terminal.
pub(super) fn shows() -> bool {
    std::io::stdout().is_terminal()
}

/// Whether messages are shown on a terminal.
pub(super) fn tells() -> bool {
    std::io::stderr().is_terminal()
}

/// The terminal's columns and rows.
#[cfg(feature = "editor")]
pub(super) fn size() -> Option<(usize, usize)> {
    terminal_size::terminal_size().map(|(width, height)| (width.0.into(), height.0.into()))
}

/// Not asked for without the prompt: nothing is cut then.
#[cfg(not(feature = "editor"))]
pub(super) const fn size() -> Option<(usize, usize)> {
    None
}
