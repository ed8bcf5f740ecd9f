//! Where one command ends and the next begins.

use super::lexer::is_word_byte;
use super::table::{self, Rest, has_options};
use crate::text::sql::{is_closed, is_complete};

/// What keeps a command open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Open {
    /// Text in this quote: `'`, `"` or a backtick.
    Quote(char),
    /// Brackets, so many.
    Bracket(u32),
    /// A `\` at the end of the line.
    Backslash,
    /// SQL that has not come to its semicolon.
    Statement,
}

impl Open {
    /// What a continuation prompt shows.
    #[must_use]
    pub const fn symbol(self) -> char {
        match self {
            Self::Quote(quote) => quote,
            Self::Bracket(_) => '(',
            Self::Backslash => '\\',
            Self::Statement => ';',
        }
    }
}

/// What a scan found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// A command ends at `end`; the next begins at `next`, behind the line end or `;`.
    Complete {
        /// Offset of the command's end.
        end: usize,
        /// Offset of the next command's beginning.
        next: usize,
    },
    /// The text ends first; with what is still open, if anything is.
    Incomplete {
        /// What is open.
        open: Option<Open>,
    },
}

/// Finds the end of a command, and can go on where it stopped once there is more text.
#[derive(Debug, Clone)]
pub struct Scanner {
    start: usize,
    at: usize,
    quote: Option<u8>,
    brackets: u32,
    comment: bool,
    /// Kept until the first word is known: whether `--word` is an option, and whether `;` belongs to the command.
    shape: Option<(bool, bool)>,
}

impl Scanner {
    /// A scanner for the command that begins at an offset.
    #[must_use]
    pub const fn new(start: usize) -> Self {
        Self { start, at: start, quote: None, brackets: 0, comment: false, shape: None }
    }

    /// The command was moved to the beginning of its text, from this offset.
    pub const fn moved(&mut self, from: usize) {
        self.at -= from;
        self.start -= from;
    }

    /// Looks on for the end. `bytes` is what it was before, perhaps with more lines behind it: only the last line may be
    /// without its end, and then nothing follows.
    pub fn scan(&mut self, bytes: &[u8]) -> Scan {
        if self.shape(bytes).1 {
            return self.scan_sql(bytes);
        }
        while let Some(&byte) = bytes.get(self.at) {
            if let Some(quote) = self.quote {
                let found = if quote == b'"' {
                    memchr::memchr2(b'"', b'\\', &bytes[self.at..])
                } else {
                    memchr::memchr(quote, &bytes[self.at..])
                };
                let Some(found) = found else {
                    self.at = bytes.len();
                    break;
                };
                let at = self.at + found;
                if bytes[at] == b'\\' || bytes.get(at + 1) == Some(&quote) {
                    if at + 2 > bytes.len() {
                        // The escaped character is still to come.
                        self.at = at;
                        break;
                    }
                    self.at = at + 2;
                } else {
                    self.quote = None;
                    self.at = at + 1;
                }
                continue;
            }
            if self.comment {
                if let Some(found) = memchr::memchr(b'\n', &bytes[self.at..]) {
                    self.comment = false;
                    self.at += found;
                } else {
                    self.at = bytes.len();
                    break;
                }
                continue;
            }
            match byte {
                b'\n' if self.brackets == 0 && !self.continued(bytes) => {
                    let at = self.at;
                    return self.complete(bytes, at, at + 1);
                }
                b';' if self.brackets == 0 && !self.shape(bytes).1 => {
                    let at = self.at;
                    return self.complete(bytes, at, at + 1);
                }
                b'\'' | b'"' => {
                    // Inside a word it is an apostrophe; behind a lone x it opens bytes.
                    let word = self.at > self.start && is_word_byte(bytes[self.at - 1]);
                    let lone_x = word
                        && byte == b'\''
                        && matches!(bytes[self.at - 1], b'x' | b'X')
                        && !(self.at >= self.start + 2 && is_word_byte(bytes[self.at - 2]));
                    if !word || lone_x {
                        self.quote = Some(byte);
                    }
                }
                b'`' => self.quote = Some(b'`'),
                b'(' => self.brackets += u32::from(!self.within_value(bytes)),
                b')' => self.brackets = self.brackets.saturating_sub(1),
                b'#' if self.at_word_start(bytes) && !self.shape(bytes).1 => self.comment = true,
                b'-' if bytes.get(self.at + 1) == Some(&b'-') && self.at_word_start(bytes) => {
                    let option = bytes.get(self.at + 2).is_some_and(u8::is_ascii_alphabetic) && self.shape(bytes).0;
                    if option {
                        self.at += 1;
                    } else {
                        self.comment = true;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        Scan::Incomplete { open: self.open(bytes) }
    }

    /// SQL goes on over lines, to one that ends with its semicolon or has a program behind it, or to a line that begins with
    /// a dot command, as no SQL does.
    fn scan_sql(&mut self, bytes: &[u8]) -> Scan {
        while let Some(found) = memchr::memchr(b'\n', &bytes[self.at..]) {
            let (line, at) = (&bytes[self.at..self.at + found], self.at + found);
            let text = std::str::from_utf8(&bytes[self.start..at]).unwrap_or_default();
            let sql = text.trim_start().get(".sql".len()..).unwrap_or_default();
            let behind = memchr::memrchr(b';', line).map(|semicolon| line[semicolon + 1..].trim_ascii());
            let ends = match behind {
                Some(program) if program.starts_with(b"|") => {
                    sql.rfind(';').is_some_and(|semicolon| is_complete(&sql[..=semicolon]))
                }
                Some(behind) => (behind.is_empty() || behind.starts_with(b"-")) && is_complete(sql),
                None => false,
            };
            if ends {
                return self.complete(bytes, at, at + 1);
            }
            let next = bytes[at + 1..].trim_ascii_start();
            match next {
                // Whether a dot command follows is seen when its first two characters are there.
                [] | [b'.'] => {
                    self.at = if next.is_empty() { memchr::memrchr(b'\n', bytes).unwrap_or(at) } else { at };
                    return Scan::Incomplete { open: Some(Open::Statement) };
                }
                [b'.', letter, ..] if letter.is_ascii_alphabetic() && !sql.trim().is_empty() && is_closed(sql) => {
                    // Blank lines before it belong to the SQL, however they arrived.
                    let at = memchr::memrchr(b'\n', &bytes[..bytes.len() - next.len()]).unwrap_or(at);
                    return self.complete(bytes, at, at + 1);
                }
                _ => self.at = at + 1,
            }
        }
        let text = std::str::from_utf8(&bytes[self.start..]).unwrap_or_default();
        let sql = text.trim_start().get(".sql".len()..).unwrap_or_default();
        let open = !is_complete(sql) && !sql.trim_end().is_empty();
        Scan::Incomplete { open: open.then_some(Open::Statement) }
    }

    const fn complete(&mut self, bytes: &[u8], end: usize, next: usize) -> Scan {
        let end = if end > self.start && bytes[end] == b'\n' && bytes[end - 1] == b'\r' { end - 1 } else { end };
        Scan::Complete { end, next }
    }

    fn shape(&mut self, text: &[u8]) -> (bool, bool) {
        if let Some(shape) = self.shape {
            return shape;
        }
        // Of its first line: a blank one is a command by itself.
        let line = text[self.start..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = super::lexer::first_word(line);
        let is_sql = |first: &str| table::find(first).is_some_and(|command| command.rest == Rest::Sql);
        let is_sql = first.starts_with(b".") && std::str::from_utf8(first).is_ok_and(is_sql);
        let shape = (has_options(first), is_sql);
        self.shape = Some(shape);
        shape
    }

    /// Whether the line end at `at` is escaped.
    fn continued(&self, bytes: &[u8]) -> bool {
        let line = &bytes[self.start..self.at];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        line.ends_with(b"\\")
    }

    /// A bracket inside a bare value (`body=:(`) opens nothing.
    fn within_value(&self, bytes: &[u8]) -> bool {
        self.brackets == 0
            && self.at > self.start
            && !matches!(bytes[self.at - 1], b' ' | b'\t' | b'\n' | b'\r' | b'=' | b',' | b'(')
            && bytes[self.start..self.at]
                .iter()
                .rposition(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
                .map_or(&bytes[self.start..self.at], |space| &bytes[self.start + space..self.at])
                .contains(&b'=')
    }

    fn at_word_start(&self, bytes: &[u8]) -> bool {
        self.at == self.start || matches!(bytes[self.at - 1], b' ' | b'\t' | b'\n' | b'\r' | b')' | b'(' | b',')
    }

    fn open(&self, bytes: &[u8]) -> Option<Open> {
        if let Some(quote) = self.quote {
            return Some(Open::Quote(char::from(quote)));
        }
        if self.brackets > 0 {
            return Some(Open::Bracket(self.brackets));
        }
        let text = &bytes[self.start..];
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        (!self.comment && text.ends_with(b"\\")).then_some(Open::Backslash)
    }
}

/// Finds the end of the command that begins at `from`.
#[must_use]
pub fn scan(text: &str, from: usize) -> Scan {
    Scanner::new(from).scan(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{Open, Scan, Scanner, scan};

    fn commands(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        let mut from = 0;
        while let Scan::Complete { end, next } = scan(text, from) {
            found.push(&text[from..end]);
            from = next;
        }
        if from < text.len() {
            found.push(&text[from..]);
        }
        found
    }

    #[test]
    fn lines_and_semicolons_end_commands() {
        assert_eq!(commands("a; b\nc"), ["a", " b", "c"]);
        assert_eq!(commands("add x='a;b'\r\nb\n"), ["add x='a;b'", "b"]);
        assert_eq!(commands(".sql select 1; select 2;\nb"), [".sql select 1; select 2;", "b"]);
    }

    #[test]
    fn quotes_brackets_and_backslashes_keep_a_command_open() {
        assert_eq!(commands("x in (1,\n2)\nb"), ["x in (1,\n2)", "b"]);
        assert_eq!(commands("a \\\n b\nc"), ["a \\\n b", "c"]);
        assert_eq!(commands("a 'x\ny'\nb"), ["a 'x\ny'", "b"]);
        assert_eq!(scan("a 'x", 0), Scan::Incomplete { open: Some(Open::Quote('\'')) });
        assert_eq!(scan("a (", 0), Scan::Incomplete { open: Some(Open::Bracket(1)) });
        assert_eq!(scan("a \\", 0), Scan::Incomplete { open: Some(Open::Backslash) });
        assert_eq!(scan("a", 0), Scan::Incomplete { open: None });
    }

    #[test]
    fn comments_hide_quotes_and_words_hide_apostrophes() {
        assert_eq!(commands("list users -- don't\nb"), ["list users -- don't", "b"]);
        assert_eq!(commands("# don't; do\nb"), ["# don't; do", "b"]);
        assert_eq!(commands("user o'brien\nb"), ["user o'brien", "b"]);
        assert_eq!(commands("add x body=:(\nb"), ["add x body=:(", "b"]);
        assert_eq!(commands("commit --dry-run; b"), ["commit --dry-run", " b"]);
        assert_eq!(commands("add x url=http://a/#b\nb"), ["add x url=http://a/#b", "b"]);
    }

    #[test]
    fn sql_goes_on_to_its_semicolon() {
        assert_eq!(commands(".sql select 1,\n  ';\n'\n;\nb"), [".sql select 1,\n  ';\n'\n;", "b"]);
        assert_eq!(commands(".sql select 1; -- one\nb"), [".sql select 1; -- one", "b"]);
        assert_eq!(commands(".SQL\nselect 1; | wc\nb"), [".SQL\nselect 1; | wc", "b"]);
        assert_eq!(commands(".sql select '|;' | 1\n;\nb"), [".sql select '|;' | 1\n;", "b"]);
        assert_eq!(commands(".sql select 1\n\n  .mode csv\nb"), [".sql select 1\n", "  .mode csv", "b"]);
        assert_eq!(commands(".sql select 1\n.5;\nb"), [".sql select 1\n.5;", "b"]);
        assert_eq!(commands("\n.sql select 1\n;\nb"), ["", ".sql select 1\n;", "b"]);
        let trigger = ".sql create trigger t after insert on a begin\nselect 1;\nend;";
        assert_eq!(commands(&format!("{trigger}\nb")), [trigger, "b"]);
        let function = ".sql create function f() returns int as $$\n.x; it's;\n$$ language sql;";
        assert_eq!(commands(&format!("{function}\nb")), [function, "b"]);
        for open in [".sql select 1", ".sql select ';", ".sql select 1; select 2"] {
            assert_eq!(scan(open, 0), Scan::Incomplete { open: Some(Open::Statement) }, "{open}");
        }
        for whole in [".sql select 1;", ".sql", ".sql "] {
            assert_eq!(scan(whole, 0), Scan::Incomplete { open: None }, "{whole}");
        }
    }

    #[test]
    fn a_scan_goes_on_where_it_stopped() {
        let mut scanner = Scanner::new(0);
        assert_eq!(scanner.scan(b"a 'x\n"), Scan::Incomplete { open: Some(Open::Quote('\'')) });
        assert_eq!(scanner.scan(b"a 'x\ny'\nb"), Scan::Complete { end: 7, next: 8 });
        let mut scanner = Scanner::new(0);
        scanner.scan(b"a \"x\\");
        assert_eq!(scanner.scan(b"a \"x\\\"\"\n"), Scan::Complete { end: 7, next: 8 });
    }
}
