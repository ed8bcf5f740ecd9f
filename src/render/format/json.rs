//! JSON: one array of objects, or one object a line.

use super::super::Style;
use super::super::cells::plain;
use super::super::sanitise::is_dangerous;
use super::{Page, Writer};
use crate::model::{Cell, DataType, MASK};
use crate::outcome::{Header, HeaderColumn, Mark, Tree};
use std::io::Write as _;

/// What stands around the objects, and between them.
struct Frame {
    /// As `.mode` calls it.
    name: &'static str,
    before: &'static str,
    between: &'static str,
    after: &'static str,
    after_all: &'static str,
}

const ARRAY: Frame = Frame { name: "json", before: "[", between: ",\n ", after: "", after_all: "]\n" };
const LINES: Frame = Frame { name: "jsonl", before: "", between: "", after: "\n", after_all: "" };

/// One array of objects.
pub(super) fn open(header: &Header, style: &Style) -> Box<dyn Writer> {
    Box::new(Json::new(&ARRAY, header, style.terminal))
}

/// One object a line.
pub(super) fn open_lines(header: &Header, style: &Style) -> Box<dyn Writer> {
    Box::new(Json::new(&LINES, header, style.terminal))
}

/// Writes objects in a frame.
struct Json {
    frame: &'static Frame,
    names: Vec<Vec<u8>>,
    rows: usize,
    /// How many values so far are JSON's own `null`, which a reader of JSON takes for NULL.
    nulls: usize,
}

impl Json {
    fn new(frame: &'static Frame, header: &Header, terminal: bool) -> Self {
        Self { frame, names: names(header, terminal), rows: 0, nulls: 0 }
    }

    /// What comes before the next object.
    fn next(&mut self, out: &mut Vec<u8>) {
        if self.rows > 0 {
            out.extend_from_slice(self.frame.between.as_bytes());
        }
        self.rows += 1;
    }
}

impl Writer for Json {
    fn begin(&mut self, page: &mut Page<'_>) {
        page.out.extend_from_slice(self.frame.before.as_bytes());
    }

    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        self.nulls += nulls(page.header, cells);
        self.next(page.out);
        page.out.push(b'{');
        members(page.header, &self.names, cells.iter().copied(), page.style.terminal, page.out);
        page.out.push(b'}');
        page.out.extend_from_slice(self.frame.after.as_bytes());
    }

    fn end(&mut self, page: &mut Page<'_>) -> Option<String> {
        page.out.extend_from_slice(self.frame.after_all.as_bytes());
        // What is in a file or a pipe may be read back.
        (self.nulls > 0 && !page.style.terminal).then(|| {
            let (values, are, come) =
                if self.nulls == 1 { ("value", "is", "comes") } else { ("values", "are", "come") };
            format!(
                "{} {values} {are} the json `null`, which {come} back from {} as NULL: csv and tsv keep the difference",
                self.nulls, self.frame.name
            )
        })
    }

    fn tree(&mut self, tree: &Tree, page: &mut Page<'_>) -> bool {
        self.begin(page);
        for index in 0..tree.rows.len() {
            self.next(page.out);
            node(tree, &self.names, index, page.style.terminal, page.out);
            page.out.extend_from_slice(self.frame.after.as_bytes());
        }
        page.out.extend_from_slice(self.frame.after_all.as_bytes());
        true
    }
}

/// Column names as JSON strings with their colons.
fn names(header: &Header, terminal: bool) -> Vec<Vec<u8>> {
    header
        .columns
        .iter()
        .map(|column| {
            let mut name = Vec::new();
            string(&column.name, terminal, &mut name);
            name.push(b':');
            name
        })
        .collect()
}

fn string(text: &str, terminal: bool, out: &mut Vec<u8>) {
    // Most texts need no escapes; the others go through the library.
    if terminal && text.chars().any(is_dangerous) {
        let mut quoted = Vec::new();
        string(text, false, &mut quoted);
        document(&String::from_utf8_lossy(&quoted), true, out);
    } else if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        // Writing into memory cannot fail.
        drop(serde_json::to_writer(out, text));
    }
}

/// A text that is JSON already. At a terminal what could drive it is spelled as JSON spells it within strings; outside of
/// them nothing of that can stand but white space.
fn document(text: &str, terminal: bool, out: &mut Vec<u8>) {
    if !terminal || !text.chars().any(is_dangerous) {
        // On one line: there are no line breaks within its texts.
        out.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
        return;
    }
    for c in text.chars() {
        if matches!(c, '\n' | '\r' | '\t') {
            out.push(b' ');
        } else if is_dangerous(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into memory cannot fail.
                drop(write!(out, "\\u{unit:04x}"));
            }
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

/// Whether a column's values are JSON documents.
fn holds_json(data_type: &DataType) -> bool {
    match data_type {
        DataType::Json => true,
        DataType::Other(name) => name == "jsonb",
        _ => false,
    }
}

/// Counts the values that are JSON's own `null`: written, they cannot be told from NULL.
fn nulls(header: &Header, cells: &[Cell<'_>]) -> usize {
    let is_null = |(column, cell): &(&HeaderColumn, &Cell<'_>)| {
        !column.masked && holds_json(&column.data_type) && matches!(cell, Cell::Text(text) if text.trim() == "null")
    };
    header.columns.iter().zip(cells).filter(is_null).count()
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text).is_ok()
}

/// Whether a decimal's text is a number as JSON spells it.
fn is_number(text: &str) -> bool {
    text.parse::<serde_json::Number>().is_ok()
}

fn value(cell: Cell<'_>, column: Option<&HeaderColumn>, terminal: bool, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.extend_from_slice(b"null"),
        _ if column.is_some_and(|column| column.masked) => string(MASK, false, out),
        Cell::Int(_) | Cell::Bool(_) => plain(cell, out),
        Cell::Float(number) if number.is_finite() => drop(serde_json::to_writer(out, &number)),
        // JSON has no word for them.
        Cell::Float(number) => string(&number.to_string(), false, out),
        Cell::Text(text) => match column.map(|column| &column.data_type) {
            Some(data_type) if holds_json(data_type) && is_json(text) => document(text, terminal, out),
            Some(DataType::Numeric) if is_number(text) => out.extend_from_slice(text.as_bytes()),
            _ => string(text, terminal, out),
        },
        Cell::Bytes(bytes) => {
            string(&Cell::Bytes(bytes).to_string(), false, out);
        }
    }
}

fn members<'c>(
    header: &Header,
    names: &[Vec<u8>],
    cells: impl Iterator<Item = Cell<'c>>,
    terminal: bool,
    out: &mut Vec<u8>,
) {
    for (index, (cell, name)) in cells.zip(names).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        value(cell, header.columns.get(index), terminal, out);
    }
}

fn node(tree: &Tree, names: &[Vec<u8>], index: usize, terminal: bool, out: &mut Vec<u8>) {
    let row = &tree.rows[index];
    out.push(b'{');
    members(&tree.header, names, row.values.iter().map(crate::model::Value::as_cell), terminal, out);
    for (name, one, below) in &row.children {
        if out.last() != Some(&b'{') {
            out.push(b',');
        }
        string(name, terminal, out);
        out.push(b':');
        let inner = self::names(&below.header, terminal);
        if *one {
            if below.rows.is_empty() {
                out.extend_from_slice(b"null");
            } else {
                node(below, &inner, 0, terminal, out);
            }
        } else {
            out.push(b'[');
            for at in 0..below.rows.len() {
                if at > 0 {
                    out.push(b',');
                }
                node(below, &inner, at, terminal, out);
            }
            out.push(b']');
        }
    }
    out.push(b'}');
}
