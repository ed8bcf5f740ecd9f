//! What is fuzzed, and what must hold for any bytes at all. The targets in `fuzz_targets/` run these functions under
//! libFuzzer; `tests/fuzz.rs` runs the same ones on stable Rust, with the seeds and with random bytes.

mod looking;
mod outside;
mod staging;

use diesel_shell::assist::{self, World};
use diesel_shell::database::url::{Address, without_password};
use diesel_shell::language::ast::Command;
use diesel_shell::language::{self, Lexer, Scan, Scanner, scan};
use diesel_shell::microblog;
use diesel_shell::model::{Catalog, EntityId};
use diesel_shell::outcome::{ErrorContext, Report as _};
use diesel_shell::render::{Renderer, Style};
use diesel_shell::{Span, Value};
#[cfg(feature = "postgres")]
pub use outside::server;
pub use outside::{config, dotenv, sqlite};
pub use staging::{import, journal, sql};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::LazyLock;

/// One fuzz target's function.
pub type Target = fn(&[u8]);

/// All targets by name, as their files and their seeds are called.
pub const TARGETS: &[(&str, Target)] = &[
    ("lexer", lexer),
    ("splitter", splitter),
    ("parser", parser),
    ("completion", completion),
    ("url", url),
    ("import", import),
    ("sql", sql),
    ("dotenv", dotenv),
    ("config", config),
    ("journal", journal),
    ("sqlite", sqlite),
    #[cfg(feature = "postgres")]
    ("server", server),
];

static CATALOG: LazyLock<Catalog> =
    LazyLock::new(|| microblog::models().into_catalog().expect("the microblog's models fit each other"));

/// Text from any bytes: what is no UTF-8 becomes the replacement character, as long as it is.
fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).into_owned()
}

#[track_caller]
fn within(span: Span, text: &str) {
    assert!(span.start <= span.end && span.end <= text.len(), "{span:?} is not in {text:?}");
    assert!(text.is_char_boundary(span.start) && text.is_char_boundary(span.end), "{span:?} cuts a character");
}

/// The lexer is lossless: its tokens cover every byte, in order, and none is empty.
pub fn lexer(data: &[u8]) {
    let text = text(data);
    let mut at = 0;
    for token in Lexer::new(&text) {
        within(token.span, &text);
        assert_eq!(token.span.start, at, "a gap or an overlap in {text:?}");
        assert!(token.span.end > at, "an empty token in {text:?}");
        at = token.span.end;
    }
    assert_eq!(at, text.len(), "{text:?} is not read to its end");
}

/// Where a command ends does not depend on how many lines have arrived, and every command gets on.
pub fn splitter(data: &[u8]) {
    let text = text(data);
    let mut from = 0;
    loop {
        let whole = scan(&text, from);
        let mut scanner = Scanner::new(from);
        let mut arrived = from;
        let piecewise = loop {
            arrived = text[arrived..].find('\n').map_or(text.len(), |length| arrived + length + 1);
            let found = scanner.scan(&text.as_bytes()[..arrived]);
            if matches!(found, Scan::Complete { .. }) || arrived == text.len() {
                break found;
            }
        };
        assert_eq!(whole, piecewise, "line by line from {from} in {text:?}");
        match whole {
            Scan::Complete { end, next } => {
                within(Span::new(from, end), &text);
                within(Span::new(end, next), &text);
                assert!(next > from, "no progress in {text:?}");
                from = next;
            }
            Scan::Incomplete { .. } => break,
        }
    }
    let _ = assist::open_at_end(&text);
}

/// Any text is a command or an error whose place is in the text; what is shown of it cannot drive a terminal.
pub fn parser(data: &[u8]) {
    let text = text(data);
    let line = language::parse_line(&text, &CATALOG);
    if let Some(program) = line.as_ref().ok().and_then(|line| line.program.as_ref()) {
        // It stands behind a blank and a `|`, and those behind a whole command.
        within(program.span, &text);
        let before = text[..program.span.start].trim_end().strip_suffix('|').expect("a program follows a `|`");
        assert!(before.ends_with([' ', '\t', '\n', '\r']), "{text:?}");
        assert!(language::parse(before, &CATALOG).is_ok_and(|command| command != Command::Empty), "{text:?}");
    }
    if let Err(error) = line {
        if let Some(span) = error.span {
            within(span, &text);
        }
        let shown = Rc::new(RefCell::new(Vec::new()));
        let style = Style { terminal: true, width: Some(80), ..Style::default() };
        let mut renderer = Renderer::new(Box::new(std::io::sink()), Box::new(Shared(Rc::clone(&shown))), style);
        let context = ErrorContext { command: &text, source: Some("fuzz"), line: 1, column: 1 };
        renderer.error(&error, &context).expect("memory can be written");
        renderer.flush().expect("memory can be written");
        drop(renderer);
        let shown = String::from_utf8(shown.take()).expect("what is shown is text");
        let driving = shown.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(driving, None, "{shown:?} of {text:?}");
    }
    for (span, _) in language::trace(&text, &CATALOG).roles {
        within(span, &text);
    }
}

/// Bytes written, for who looks at them later.
struct Shared(Rc<RefCell<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What completion finds beside the language: one of each.
struct Fixed;

impl World for Fixed {
    fn variables(&self) -> Vec<(String, String)> {
        vec![("u".into(), "<User john>".into())]
    }
    fn variable(&self, name: &str) -> Option<EntityId> {
        CATALOG.resolve(if name == "u" { "user" } else { name }).ok()
    }
    fn settings(&self) -> Vec<(String, Vec<String>)> {
        vec![("mode".into(), vec!["table".into(), "json".into()])]
    }
    fn revisions(&self) -> Vec<(String, String)> {
        vec![("20261121000000".into(), "create_users".into())]
    }
    fn savepoints(&self) -> Vec<String> {
        vec!["before".into()]
    }
    fn connections(&self) -> Vec<String> {
        vec!["prod".into()]
    }
    fn files(&self, prefix: &str) -> Vec<String> {
        vec![format!("{prefix}tour.dsh"), "it's here.csv".into()]
    }
    fn values(&self, _: EntityId, _: usize, prefix: &str) -> Vec<(Value, Option<String>)> {
        let values = [prefix.to_owned(), "john".into(), "o'brien".into(), "two words".into()];
        values.into_iter().map(|value| (Value::Text(value), Some("1".into()))).collect()
    }
}

/// At any cursor: what would be replaced ends at the cursor, and colours and hints stay in the text.
pub fn completion(data: &[u8]) {
    let text = text(&data[..data.len().min(256)]);
    for cursor in 0..=text.len() {
        let at = (0..=cursor).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        let completion = assist::complete(&text, cursor, &CATALOG, &Fixed);
        within(Span::new(completion.start, at), &text);
        for candidate in completion.candidates {
            assert!(!candidate.text.is_empty(), "an empty candidate at {cursor} in {text:?}");
        }
        if let Some(other) = assist::matching_bracket(&text, cursor) {
            assert!(matches!(text.as_bytes()[other], b'(' | b')'), "no bracket at {other} in {text:?}");
        }
    }
    let mut last = 0;
    for (span, _) in assist::classes(&text, &CATALOG, &|name| Fixed.variable(name)) {
        within(span, &text);
        assert!(span.start >= last, "colours overlap at {} in {text:?}", span.start);
        last = span.end;
    }
    let _ = assist::hint(&text, &CATALOG, &|name| Fixed.variable(name));
    let _ = assist::only_reads(&text, &CATALOG);
}

/// Any text is an address, and a password in a URL is never shown, whatever stands around it.
pub fn url(data: &[u8]) {
    const SECRET: &str = "s3cr3t-w0rd";
    let text = text(data);
    let _ = Address::parse(&text);
    let _ = without_password(&text, &text);
    if text.contains(SECRET) {
        // What is no password is shown.
        return;
    }
    for url in [
        format!("postgres://u:{SECRET}@{text}"),
        format!("postgres:///d?{text}&password={SECRET}"),
        format!("postgres:///d?password={SECRET}&{text}"),
    ] {
        let hidden = without_password(&url, &url);
        assert!(!hidden.contains(SECRET), "{url:?} is shown as {hidden:?}");
    }
}
