//! A real terminal session, and what the screen shows of it: text, colours, cursor.

use expectrl::Session;
use std::io::Write;
use std::num::NonZeroU16;
use std::process::Command;
use std::time::{Duration, Instant};

/// As many rows as no picture and no transcript has, so that nothing is scrolled away or paged.
const ROWS: u16 = 120;

/// How long nothing must come for the screen to be at rest.
const QUIET: Duration = Duration::from_millis(250);

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program in a terminal of its own.
pub struct Screen {
    session: expectrl::session::OsSession,
    parser: vt100::Parser,
}

impl Screen {
    /// Starts a program in a terminal of so many columns.
    pub fn start(program: &Command, columns: u16) -> Self {
        // The terminal has its size before the program looks: whoever starts it sets one of his own too, meanwhile.
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "read go; exec \"$@\"; exit 127", "sh"]);
        command.arg(program.get_program()).args(program.get_args()).env_clear();
        command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("TERM", "xterm-256color").env("PATH", "/usr/bin:/bin");
        if let Some(folder) = program.get_current_dir() {
            command.current_dir(folder);
        }
        let mut session = Session::spawn(command).unwrap();
        session.get_process_mut().set_window_size(columns, ROWS).unwrap();
        session.write_all(b"\n").unwrap();
        let parser = vt100::Parser::new(NonZeroU16::new(ROWS).unwrap(), NonZeroU16::new(columns).unwrap(), 0);
        let mut screen = Self { session, parser };
        screen.until(Self::asks);
        screen
    }

    /// Types without Enter, and waits until the screen has answered.
    pub fn keys(&mut self, keys: &str) {
        let before = self.parser.screen().contents();
        self.session.write_all(keys.as_bytes()).unwrap();
        self.until(|screen| screen.parser.screen().contents() != before);
    }

    /// Types a line, and waits for the next prompt or question.
    pub fn line(&mut self, line: &str) {
        let row = self.parser.screen().cursor_position().0;
        self.session.write_all(line.as_bytes()).unwrap();
        self.session.write_all(b"\r").unwrap();
        self.until(|screen| screen.parser.screen().cursor_position().0 > row && screen.asks());
    }

    /// The text, without blanks at the ends of lines and the last prompt's.
    pub fn text(&self) -> String {
        let (_, columns) = self.parser.screen().size();
        let lines: Vec<String> =
            self.parser.screen().rows(0, columns.get()).map(|row| row.trim_end().to_owned()).collect();
        lines.join("\n").trim_end().to_owned()
    }

    /// The screen itself.
    pub fn screen(&self) -> &vt100::Screen {
        self.parser.screen()
    }

    /// Whether the cursor stands behind a prompt or a question.
    fn asks(&self) -> bool {
        let screen = self.parser.screen();
        let (row, column) = screen.cursor_position();
        let line = screen.rows(0, column).nth(usize::from(row)).unwrap_or_default();
        // A row is given without the blanks at its end.
        column > 1 && [">", "?", "]", ":"].iter().any(|end| line.trim_end().ends_with(end)) && !line.contains("= ")
    }

    /// Reads until something holds and nothing more comes.
    fn until(&mut self, done: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        let mut last = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            match self.session.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(count) => {
                    self.parser.process(&buffer[..count]);
                    last = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if last.elapsed() >= QUIET && done(self) {
                        return;
                    }
                    assert!(begun.elapsed() < PATIENCE, "the screen waits for nothing:\n{}", self.text());
                    std::thread::sleep(Duration::from_millis(5));
                }
                // Linux: the program has ended.
                Err(_) => return,
            }
        }
    }
}
