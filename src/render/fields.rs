//! Modes that write one row at a time.

use super::sanitise::{sanitise, sanitise_lines, sanitise_text};
use super::{Ink, Style};
use crate::model::{Cell, DataType, MASK, Value};
use crate::outcome::{Header, HeaderColumn, Mark};
use std::borrow::Cow;
use std::io::Write as _;

/// Appends a value's plain spelling; NULL is nothing.
pub(super) fn plain(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        // Writing into memory cannot fail.
        other => drop(write!(out, "{other}")),
    }
}

/// A value as a person reads it, on one line.
pub(super) fn shown<'v>(cell: Cell<'v>, column: Option<&HeaderColumn>, style: &'v Style) -> Cow<'v, str> {
    match cell {
        Cell::Null => sanitise(&style.null),
        _ if column.is_some_and(|column| column.masked) => Cow::Borrowed(MASK),
        Cell::Text(text) => sanitise(text),
        other => Cow::Owned(other.to_string()),
    }
}

fn masked(header: &Header, index: usize, cell: Cell<'_>) -> bool {
    !matches!(cell, Cell::Null) && header.columns.get(index).is_some_and(|column| column.masked)
}

pub(super) fn csv_header(header: &Header, out: &mut Vec<u8>) {
    for (index, column) in header.columns.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        csv_text(&column.name, None, out);
    }
    out.push(b'\n');
}

/// Quoted where it must be; also when empty, so that '' differs from NULL, and where no type says that it is a text.
fn csv_text(text: &str, column: Option<&HeaderColumn>, out: &mut Vec<u8>) {
    let otherwise = column.is_some_and(|column| column.data_type == DataType::Any)
        && !matches!(crate::model::untyped(text), Value::Text(_));
    let text = text.as_bytes();
    let special = otherwise
        || text.is_empty()
        || memchr::memchr3(b',', b'"', b'\n', text).is_some()
        || memchr::memchr(b'\r', text).is_some();
    if !special {
        out.extend_from_slice(text);
        return;
    }
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

pub(super) fn csv(header: &Header, cells: &[Cell<'_>], terminal: bool, out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match cell {
            _ if masked(header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
            Cell::Text(text) if terminal => csv_text(&sanitise_lines(text), header.columns.get(index), out),
            Cell::Text(text) => csv_text(text, header.columns.get(index), out),
            other => plain(*other, out),
        }
    }
    out.push(b'\n');
}

pub(super) fn tsv_header(header: &Header, out: &mut Vec<u8>) {
    for (index, column) in header.columns.iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        tsv_text(column.name.as_bytes(), out);
    }
    out.push(b'\n');
}

/// As PostgreSQL's COPY escapes: <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format".
fn tsv_text(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\\' => out.extend_from_slice(b"\\\\"),
            _ => out.push(*byte),
        }
    }
}

pub(super) fn tsv(header: &Header, cells: &[Cell<'_>], terminal: bool, out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b'\t');
        }
        match cell {
            Cell::Null => out.extend_from_slice(b"\\N"),
            _ if masked(header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
            // Lines and tabs have a spelling of tsv's own.
            Cell::Text(text) if terminal => tsv_text(sanitise_text(text).as_bytes(), out),
            Cell::Text(text) => tsv_text(text.as_bytes(), out),
            other => plain(*other, out),
        }
    }
    out.push(b'\n');
}

pub(super) fn list_header(header: &Header, out: &mut Vec<u8>) {
    let names: Vec<&str> = header.columns.iter().map(|column| column.name.as_str()).collect();
    out.extend_from_slice(names.join("|").as_bytes());
    out.push(b'\n');
}

pub(super) fn list(header: &Header, cells: &[Cell<'_>], style: &Style, out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(b'|');
        }
        match cell {
            Cell::Null => out.extend_from_slice(sanitise(&style.null).as_bytes()),
            _ if masked(header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
            Cell::Text(text) if style.terminal => out.extend_from_slice(sanitise(text).as_bytes()),
            Cell::Text(text) => out.extend_from_slice(sanitise_text(text).as_bytes()),
            other => plain(*other, out),
        }
    }
    out.push(b'\n');
}

pub(super) fn vertical(
    header: &Header,
    cells: &[Cell<'_>],
    mark: Mark,
    number: usize,
    style: &Style,
    out: &mut Vec<u8>,
) {
    let texts: Vec<Cow<'_, str>> =
        cells.iter().enumerate().map(|(index, cell)| shown(*cell, header.columns.get(index), style)).collect();
    let mut title = Vec::new();
    if let (true, Some(_)) = (header.single, &header.title) {
        repr(header, cells, style, &mut title);
    }
    upright(header, &texts, mark, number, &title, style, out);
}

/// One field a line, from texts that are ready to be shown.
pub(super) fn upright<T: AsRef<str>>(
    header: &Header,
    texts: &[T],
    mark: Mark,
    number: usize,
    title: &[u8],
    style: &Style,
    out: &mut Vec<u8>,
) {
    use unicode_width::UnicodeWidthStr;
    if number > 1 {
        out.push(b'\n');
    }
    match mark {
        Mark::None => {}
        Mark::Added => out.extend_from_slice(b"+ staged, not committed\n"),
        Mark::Changed => out.extend_from_slice(b"~ changed, not committed\n"),
    }
    out.extend_from_slice(title);
    let widest = header.columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
    for (index, text) in texts.iter().enumerate() {
        let name = header.columns.get(index).map_or("", |column| column.name.as_str());
        let pad = " ".repeat(widest.saturating_sub(name.width()));
        let name = if style.colour { Cow::Owned(style.theme.paint(Ink::Strong, name)) } else { Cow::Borrowed(name) };
        let _ = writeln!(out, "{name}{pad}  {}", text.as_ref());
    }
}

pub(super) fn markdown_header(header: &Header, out: &mut Vec<u8>) {
    for column in &header.columns {
        out.extend_from_slice(b"| ");
        markdown_text(&column.name, out);
        out.push(b' ');
    }
    out.extend_from_slice(b"|\n");
    for column in &header.columns {
        out.extend_from_slice(if column.data_type.is_number() { b"| ---: " } else { b"| --- " });
    }
    out.extend_from_slice(b"|\n");
}

fn markdown_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'|' => out.extend_from_slice(b"\\|"),
            b'\n' => out.extend_from_slice(b"<br>"),
            _ => out.push(byte),
        }
    }
}

pub(super) fn markdown(header: &Header, cells: &[Cell<'_>], style: &Style, out: &mut Vec<u8>) {
    for (index, cell) in cells.iter().enumerate() {
        out.extend_from_slice(b"| ");
        match cell {
            Cell::Null => out.extend_from_slice(sanitise(&style.null).as_bytes()),
            _ if masked(header, index, *cell) => out.extend_from_slice(MASK.replace('*', "\\*").as_bytes()),
            Cell::Text(text) => markdown_text(&sanitise_text(text), out),
            other => plain(*other, out),
        }
        out.push(b' ');
    }
    out.extend_from_slice(b"|\n");
}

/// `<User john>`; rows that are no records are shown as in `list`.
pub(super) fn repr(header: &Header, cells: &[Cell<'_>], style: &Style, out: &mut Vec<u8>) {
    let Some(title) = &header.title else { return list(header, cells, style, out) };
    let value = |at: usize| cells.get(at).map_or(Cow::Borrowed(""), |cell| shown(*cell, header.columns.get(at), style));
    let display = header.display.filter(|at| cells.get(*at).is_some_and(|cell| !matches!(cell, Cell::Null)));
    let text = match display {
        Some(at) => value(at),
        None if header.key.is_empty() => value(0),
        None => match header.key.as_slice() {
            [only] => value(*only),
            several => Cow::Owned(format!("({})", several.iter().map(|at| value(*at)).collect::<Vec<_>>().join(", "))),
        },
    };
    let _ = writeln!(out, "<{title} {text}>");
}
