//! Something to see while a command takes longer than a second.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a command may take before it is worth a word.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows on stderr that a command is at work, from its second second on, until it is dropped.
pub(super) struct Busy {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Busy {
    pub(super) fn new() -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || show(&stopped));
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

fn show(stopped: &Receiver<()>) {
    let start = Instant::now();
    if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
        return;
    }
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        bar.set_style(style);
    }
    loop {
        bar.set_message(format!("{} s (Ctrl-C stops it)", start.elapsed().as_secs()));
        bar.tick();
        if stopped.recv_timeout(Duration::from_millis(120)) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}

impl Drop for Busy {
    fn drop(&mut self) {
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
