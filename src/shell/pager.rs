//! Paging: results longer than the screen go through `$PAGER` or `less`, in the manner of `less -FRSX`.

use std::cell::RefCell;
use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::rc::Rc;

/// How much is held back, in bytes, until it is known whether it fits the screen.
const MOST_HELD: usize = 1 << 20;

/// When results go through a pager.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Paging {
    /// When they are longer than the screen.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

impl Paging {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auto, Self::On, Self::Off];

    /// Its name, as `.pager` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// What was written of one command's results.
#[derive(Default)]
struct State {
    paging: Paging,
    /// The program and its arguments, in words.
    program: Option<Vec<String>>,
    /// Rows of the screen; none where there is no screen.
    height: Option<usize>,
    /// The screen itself.
    screen: Option<Box<dyn Write>>,
    held: Vec<u8>,
    lines: usize,
    running: Option<(Child, ChildStdin)>,
    /// Too long for a screen and no pager to be had: straight through.
    through: bool,
    /// Called before the first byte reaches the screen.
    first: Option<Box<dyn FnOnce()>>,
}

/// Pages what is written to [`Pager::writer`].
#[derive(Clone, Default)]
pub struct Pager(Rc<RefCell<State>>);

/// The results' way to the screen.
struct PagedOut(Rc<RefCell<State>>);

impl Pager {
    /// A pager before a screen of this height; nothing is held back where the height is not known.
    #[must_use]
    pub fn new(program: Option<Vec<String>>, height: Option<usize>, screen: Box<dyn Write>) -> Self {
        Self(Rc::new(RefCell::new(State { program, height, screen: Some(screen), ..State::default() })))
    }

    /// Where results are written to.
    #[must_use]
    pub fn writer(&self) -> Box<dyn Write> {
        Box::new(PagedOut(Rc::clone(&self.0)))
    }

    /// When results go through the pager.
    #[must_use]
    pub fn paging(&self) -> Paging {
        self.0.borrow().paging
    }

    /// Changes when results go through the pager.
    pub fn set_paging(&self, paging: Paging) {
        self.0.borrow_mut().paging = paging;
    }

    /// Runs no program from now on.
    pub fn forget_program(&self) {
        self.0.borrow_mut().program = None;
    }

    /// A command begins; `first` is called before the first byte of its results reaches the screen.
    pub fn begin(&self, first: Option<Box<dyn FnOnce()>>) {
        self.0.borrow_mut().first = first;
    }

    /// A command has ended: shows what was held back, and waits for the pager to be left.
    ///
    /// # Errors
    /// When the screen cannot be written.
    pub fn end(&self) -> std::io::Result<()> {
        let mut state = self.0.borrow_mut();
        if let Some((mut child, stdin)) = state.running.take() {
            drop(stdin);
            child.wait()?;
        } else {
            state.release()?;
        }
        state.lines = 0;
        state.through = false;
        state.first = None;
        Ok(())
    }
}

impl State {
    fn release(&mut self) -> std::io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        if let Some(first) = self.first.take() {
            first();
        }
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let written = screen.write_all(&self.held);
        self.held.clear();
        written?;
        screen.flush()
    }

    /// Starts the pager with what was held back; false when there is none.
    fn start(&mut self) -> std::io::Result<bool> {
        let Some((program, arguments)) = self.program.as_deref().and_then(<[String]>::split_first) else {
            return Ok(false);
        };
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped());
        if program.ends_with("less") && arguments.is_empty() {
            // Leave at once when it fits, pass colours on, do not fold lines, do not clear the screen.
            command.arg("-FRSX");
        }
        let Ok(mut child) = command.spawn() else { return Ok(false) };
        let Some(mut stdin) = child.stdin.take() else { return Ok(false) };
        if let Some(first) = self.first.take() {
            first();
        }
        stdin.write_all(&self.held)?;
        self.held.clear();
        self.running = Some((child, stdin));
        Ok(true)
    }
}

impl Write for PagedOut {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut state = self.0.borrow_mut();
        if let Some((_, stdin)) = &mut state.running {
            return stdin.write(bytes);
        }
        state.held.extend_from_slice(bytes);
        state.lines += memchr::memchr_iter(b'\n', bytes).count();
        let long = match (state.paging, state.height) {
            (Paging::On, Some(_)) => true,
            // The last row is the prompt's.
            (Paging::Auto, Some(height)) => state.lines >= height || state.held.len() > MOST_HELD,
            _ => false,
        };
        if long && !state.through {
            state.through = !state.start()?;
        }
        if state.through || state.paging == Paging::Off || state.height.is_none() {
            state.release()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let mut state = self.0.borrow_mut();
        match &mut state.running {
            Some((_, stdin)) => stdin.flush(),
            // Held back until the command ends, or is long enough.
            None => Ok(()),
        }
    }
}
