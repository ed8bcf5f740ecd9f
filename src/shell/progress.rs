//! Something to see while a command takes longer than a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a command may take before it is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// How often what is shown is drawn again.
const BEAT: Duration = Duration::from_millis(120);

/// Held by whoever draws, and by whoever leads the standard error elsewhere meanwhile.
static DRAWING: Mutex<()> = Mutex::new(());

/// Does something while nothing is drawn: what leads the standard error elsewhere must not catch what is for the screen.
pub fn undrawn(work: &mut dyn FnMut()) {
    let _held = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    work();
}

/// Shows on stderr that the shell is at work, from the second second on, until something else is shown.
///
/// One thread for as long as the shell lives: a script's commands are too short for one each.
pub(super) struct Busy {
    state: Arc<Mutex<State>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    since: Option<Instant>,
    /// The line of the script that runs; 0 outside of scripts.
    line: u32,
    rows: u64,
    bar: Option<ProgressBar>,
}

impl Busy {
    pub(super) fn new() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let (stop, stopped) = channel();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                shared.lock().unwrap_or_else(PoisonError::into_inner).draw();
            }
        });
        Self { state, stop: Some(stop), thread: Some(thread) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At work from now on, or still.
    pub(super) fn work(&self, line: u32) {
        let mut state = self.state();
        state.line = line;
        if state.since.is_none() {
            state.rows = 0;
            state.since = Some(Instant::now());
        }
    }

    /// So many rows of results so far.
    pub(super) fn rows(&self, rows: u64) {
        self.state().rows = rows;
    }

    /// Something else is shown, or the work is done.
    pub(super) fn rest(&self) {
        let mut state = self.state();
        state.since = None;
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl State {
    fn draw(&mut self) {
        let Some(elapsed) = self.since.map(|since| since.elapsed()).filter(|elapsed| *elapsed >= PATIENCE) else {
            return;
        };
        let Ok(_held) = DRAWING.try_lock() else { return };
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        let mut text = format!("{} s", elapsed.as_secs());
        if self.line > 0 {
            text.push_str(&format!(", line {}", self.line));
        }
        if self.rows > 0 {
            text.push_str(&format!(", {} rows", self.rows));
        }
        bar.set_message(format!("{text} (Ctrl-C stops it)"));
        bar.tick();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.rest();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends as soon as it hears that nobody sends any more.
            let _ = thread.join();
        }
    }
}

/// A bar for something whose length is known: rows, rate and time left.
pub(super) struct Bar {
    bar: ProgressBar,
    start: Instant,
}

impl Bar {
    pub(super) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {eta} left") {
            bar.set_style(style);
        }
        Self { bar, start: Instant::now() }
    }

    /// Shown only once it has lasted longer than a second.
    pub(super) fn update(&self, done: u64, total: u64, rows: u64) {
        let seconds = self.start.elapsed().as_secs_f64();
        if seconds < PATIENCE.as_secs_f64() {
            return;
        }
        self.bar.set_length(total.max(1));
        self.bar.set_position(done.min(total));
        self.bar.set_message(format!("{rows} rows, {:.0} a second", rows as f64 / seconds));
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
