//! Programs behind a `|`, which results go to.

use crate::{Error, ErrorKind, Result};
use std::cell::RefCell;
use std::io::{Read as _, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::thread::JoinHandle;

/// The signal that ends a program whose own output nobody reads any more, and the one that Ctrl-C sends.
const SIGPIPE: i32 = 13;
const SIGINT: i32 = 2;

/// How a POSIX shell reports that a signal ended its program: this and the signal's number.
const SIGNALLED: i32 = 128;

/// One program. It starts with the first byte that is written to it, or at the end of a command that wrote nothing; a
/// command that fails before that starts none.
pub struct Program(Rc<RefCell<State>>);

struct State {
    text: String,
    /// What it writes is read, because it belongs to results that do not go to the process's own output.
    captured: bool,
    /// What it does not want to read is dropped, rather than ending what writes it.
    patient: bool,
    running: Option<Running>,
}

struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<JoinHandle<std::io::Result<Vec<u8>>>>,
}

/// The way into a program.
struct Input(Rc<RefCell<State>>);

impl Program {
    /// A program, as `sh -c` takes it.
    pub fn new(text: &str, captured: bool) -> Self {
        Self(Rc::new(RefCell::new(State { text: text.to_owned(), captured, patient: false, running: None })))
    }

    /// Where results are written to.
    pub fn input(&self) -> Box<dyn Write> {
        Box::new(Input(Rc::clone(&self.0)))
    }

    /// Whoever writes goes on when the program has read enough.
    pub fn be_patient(&self) {
        self.0.borrow_mut().patient = true;
    }

    /// Ends its input and waits for it. `starts` says whether to start it if it has not been started. Gives what it
    /// wrote, as far as that is read here.
    ///
    /// # Errors
    /// `Io` when it cannot be started, or says that it failed; `Interrupted` when Ctrl-C ended it.
    pub fn end(self, starts: bool) -> (Vec<u8>, Result<()>) {
        let mut state = self.0.borrow_mut();
        if starts && let Err(error) = state.start() {
            return (Vec::new(), Err(error.into()));
        }
        let Some(mut running) = state.running.take() else { return (Vec::new(), Ok(())) };
        drop(running.input.take());
        let output = running.output.take().and_then(|reader| reader.join().ok()).and_then(Result::ok);
        let ended = running.child.wait().map_err(Error::from).and_then(|status| failure(&state.text, status));
        (output.unwrap_or_default(), ended)
    }
}

impl State {
    fn start(&mut self) -> std::io::Result<&mut Running> {
        let running = match self.running.take() {
            Some(running) => running,
            None => self
                .spawn()
                .map_err(|cause| std::io::Error::new(cause.kind(), format!("cannot run `{}`: {cause}", self.text)))?,
        };
        Ok(self.running.insert(running))
    }

    fn spawn(&self) -> std::io::Result<Running> {
        let mut command = Command::new("sh");
        command.args(["-c", &self.text]).stdin(Stdio::piped());
        if self.captured {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let input = child.stdin.take();
        // Read while it is written to, so that neither waits for the other.
        let output = child.stdout.take().map(|mut stdout| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                stdout.read_to_end(&mut text).map(|_| text)
            })
        });
        Ok(Running { child, input, output })
    }
}

impl Write for Input {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut state = self.0.borrow_mut();
        let patient = state.patient;
        let Some(input) = &mut state.start()?.input else { return Ok(bytes.len()) };
        match input.write(bytes) {
            Err(error) if patient && error.kind() == std::io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            done => done,
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Whether a program did its work. That nobody reads what it writes is no failure of its own.
fn failure(text: &str, status: ExitStatus) -> Result<()> {
    let signal = signal(status).or_else(|| status.code().map(|code| code - SIGNALLED).filter(|signal| *signal > 0));
    let how = match (signal, status.code()) {
        (_, Some(0)) | (Some(SIGPIPE), _) => return Ok(()),
        (Some(SIGINT), _) => return Err(Error::new(ErrorKind::Interrupted, "interrupted")),
        (_, Some(code)) => format!("ended with exit status {code}"),
        (Some(signal), None) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    };
    Err(Error::new(ErrorKind::Io, format!("`{text}` {how}")))
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::Program;
    use crate::ErrorKind;

    fn run(text: &str, input: &[u8]) -> (String, Option<(ErrorKind, String)>) {
        let program = Program::new(text, true);
        if !input.is_empty() {
            let _ = program.input().write_all(input);
        }
        let (output, ended) = program.end(true);
        (String::from_utf8(output).unwrap(), ended.err().map(|error| (error.kind, error.message)))
    }

    #[test]
    fn it_starts_when_something_is_written_and_not_for_a_command_that_failed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("made");
        let touch = format!("touch {}", file.display());
        let (_, ended) = Program::new(&touch, true).end(false);
        assert!(ended.is_ok() && !file.exists());
        assert_eq!(run(&touch, b""), (String::new(), None));
        assert!(file.exists());
    }

    #[test]
    fn a_program_that_fails_is_an_error_and_one_that_has_read_enough_is_not() {
        assert_eq!(run("cat", b"text"), ("text".into(), None));
        assert_eq!(run("head -c 1", &vec![b'x'; 1_000_000]), ("x".into(), None));
        let failed = Some((ErrorKind::Io, "`exit 4` ended with exit status 4".to_owned()));
        assert_eq!(run("exit 4", b""), (String::new(), failed));
        assert_eq!(run("kill -PIPE $$", b""), (String::new(), None));
        assert_eq!(run("exit 130", b"").1.unwrap().0, ErrorKind::Interrupted);
        assert_eq!(run("kill -KILL $$", b"").1.unwrap().1, "`kill -KILL $$` was ended by signal 9");
    }
}
