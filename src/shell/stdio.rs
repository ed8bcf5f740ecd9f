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

/// Whether more has arrived from the terminal than was read, as while a paste comes in.
#[cfg(all(feature = "editor", unix))]
pub(super) fn has_arrived() -> bool {
    rustix::io::ioctl_fionread(std::io::stdin()).is_ok_and(|bytes| bytes > 0)
}

/// Not asked for: what was typed ahead is read line by line.
#[cfg(all(feature = "editor", not(unix)))]
pub(super) const fn has_arrived() -> bool {
    false
}

/// Keeps all that arrives from the terminal until dropped. A terminal that edits lines itself drops what is beyond 4 KB
/// (`N_TTY_BUF_SIZE` in Linux), and shows it a second time.
#[cfg(feature = "editor")]
pub(super) struct Keeping {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

#[cfg(all(feature = "editor", unix))]
pub(super) fn keep() -> Keeping {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let before = tcgetattr(std::io::stdin()).ok();
    if let Some(before) = &before {
        let mut mode = before.clone();
        mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
        // Where that fails the terminal is as it was.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &mode);
    }
    Keeping { before }
}

#[cfg(all(feature = "editor", not(unix)))]
pub(super) const fn keep() -> Keeping {
    Keeping {}
}

#[cfg(all(feature = "editor", unix))]
impl Drop for Keeping {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, before);
        }
    }
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
