//! Comma-separated values: <https://www.rfc-editor.org/rfc/rfc4180>, with plain line ends.

use super::super::Style;
use super::super::cells::{is_masked, plain};
use super::super::sanitise::sanitise_lines;
use super::{Page, Writer};
use crate::model::{Cell, DataType, MASK, Value};
use crate::outcome::{Header, HeaderColumn, Mark};

pub(super) fn open(_: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Csv)
}

struct Csv;

impl Writer for Csv {
    fn begin(&mut self, page: &mut Page<'_>) {
        for (index, column) in page.header.columns.iter().enumerate() {
            if index > 0 {
                page.out.push(b',');
            }
            text(&page.name(&column.name), None, page.out);
        }
        page.out.push(b'\n');
    }

    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        let (header, out) = (page.header, &mut *page.out);
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            match cell {
                _ if is_masked(header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
                Cell::Text(value) if page.style.terminal => {
                    text(&sanitise_lines(value), header.columns.get(index), out);
                }
                Cell::Text(value) => text(value, header.columns.get(index), out),
                other => plain(*other, out),
            }
        }
        out.push(b'\n');
    }
}

/// Quoted where it must be; also when empty, so that '' differs from NULL, and where no type says that it is a text.
fn text(text: &str, column: Option<&HeaderColumn>, out: &mut Vec<u8>) {
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
