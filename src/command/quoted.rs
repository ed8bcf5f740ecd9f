//! Marks in a csv or tsv file what its reader does not tell: which fields stand in quotes, and lines without anything.

use std::io::{BufRead, BufReader, Read};

/// Stands first in a field that is quoted. No byte of a text is like it.
pub const QUOTED: u8 = 0xff;

/// Stands alone in a line that is empty, which the reader would leave out.
pub const EMPTY: u8 = 0xfe;

/// Where in a row the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Line,
    Field,
    Plain,
    Quoted,
    /// Behind a quote within quotes: the end, or half of a doubled one.
    Quote,
}

/// Reads a file with the marks put in.
pub struct Marking<R> {
    inner: BufReader<R>,
    /// What separates fields, and whether some stand in quotes.
    delimiter: u8,
    quoting: bool,
    at: At,
    /// What is marked and not taken yet.
    ready: Vec<u8>,
    taken: usize,
}

impl<R: Read> Marking<R> {
    /// Over a file whose fields this byte separates.
    pub fn new(inner: R, delimiter: u8, quoting: bool) -> Self {
        let inner = BufReader::with_capacity(1 << 16, inner);
        Self { inner, delimiter, quoting, at: At::Line, ready: Vec::new(), taken: 0 }
    }

    fn fill(&mut self) -> std::io::Result<()> {
        let bytes = self.inner.fill_buf()?;
        self.ready.clear();
        self.taken = 0;
        for byte in bytes.iter().copied() {
            self.at = match (self.at, byte) {
                (At::Line | At::Field, b'"') if self.quoting => {
                    self.ready.extend_from_slice(&[b'"', QUOTED]);
                    self.at = At::Quoted;
                    continue;
                }
                (At::Line, b'\n') => {
                    self.ready.push(EMPTY);
                    At::Line
                }
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, _) | (At::Quote, b'"') => At::Quoted,
                (_, byte) if byte == self.delimiter => At::Field,
                (at, b'\r') => at,
                (_, b'\n') => At::Line,
                // A mark at the beginning of a file is no part of its first name.
                (At::Line, 0xef | 0xbb | 0xbf) => At::Line,
                _ => At::Plain,
            };
            // What looks like a mark and is none is no text either: another such byte takes its place.
            self.ready.push(if byte >= EMPTY { 0xc0 } else { byte });
        }
        let count = bytes.len();
        self.inner.consume(count);
        Ok(())
    }
}

impl<R: Read> Read for Marking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.ready.len() {
            self.fill()?;
        }
        let count = buffer.len().min(self.ready.len() - self.taken);
        buffer[..count].copy_from_slice(&self.ready[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::Marking;
    use std::io::Read as _;

    fn marked(text: &str) -> String {
        // A few bytes at a time, as a file may come.
        let pieces = text.as_bytes().chunks(3).map(std::io::Cursor::new);
        let mut whole: Box<dyn std::io::Read> = Box::new(std::io::empty());
        for piece in pieces {
            whole = Box::new(whole.chain(piece));
        }
        let mut out = Vec::new();
        Marking::new(whole, b',', true).read_to_end(&mut out).unwrap();
        out.iter()
            .map(|byte| match *byte {
                super::QUOTED => '!',
                super::EMPTY => '?',
                byte => char::from(byte),
            })
            .collect()
    }

    #[test]
    fn quotes_and_empty_lines_are_marked() {
        assert_eq!(marked("a,\"b\",\"\"\n\"\",c\n"), "a,\"!b\",\"!\"\n\"!\",c\n");
        assert_eq!(marked("a\n\nb\n\n"), "a\n?\nb\n?\n");
        assert_eq!(marked("a\r\n\r\nb\r\n"), "a\r\n\r?\nb\r\n");
        assert_eq!(marked("\"a\"\"b\",\"\"\"\",\"x\ny\n\nz\"\n"), "\"!a\"\"b\",\"!\"\"\",\"!x\ny\n\nz\"\n");
        assert_eq!(marked("a\"b\",c\n"), "a\"b\",c\n");
    }
}
