//! Tab-separated values, escaped as PostgreSQL's COPY does.

use super::super::Style;
use super::super::cells::{is_masked, plain};
use super::super::sanitise::sanitise_text;
use super::{Page, Writer};
use crate::model::{Cell, MASK};
use crate::outcome::{Header, Mark};

pub(super) fn open(_: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Tsv)
}

struct Tsv;

impl Writer for Tsv {
    fn begin(&mut self, page: &mut Page<'_>) {
        for (index, column) in page.header.columns.iter().enumerate() {
            if index > 0 {
                page.out.push(b'\t');
            }
            text(page.name(&column.name).as_bytes(), page.out);
        }
        page.out.push(b'\n');
    }

    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        let out = &mut *page.out;
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b'\t');
            }
            match cell {
                Cell::Null => out.extend_from_slice(b"\\N"),
                _ if is_masked(page.header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
                // Lines and tabs have a spelling of tsv's own.
                Cell::Text(value) if page.style.terminal => text(sanitise_text(value).as_bytes(), out),
                Cell::Text(value) => text(value.as_bytes(), out),
                other => plain(*other, out),
            }
        }
        out.push(b'\n');
    }
}

/// As PostgreSQL's COPY escapes: <https://www.postgresql.org/docs/current/sql-copy.html>, "Text Format".
fn text(text: &[u8], out: &mut Vec<u8>) {
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
