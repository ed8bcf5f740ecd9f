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
