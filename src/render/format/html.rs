//! A table for a web page, as psql's `\H` writes it: <https://www.postgresql.org/docs/current/app-psql.html>.

use super::super::Style;
use super::super::cells::{is_masked, plain};
use super::super::sanitise::sanitise_lines;
use super::{Page, Writer};
use crate::model::{Cell, MASK};
use crate::outcome::{Header, Mark};
use std::borrow::Cow;

pub(super) fn open(_: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Html)
}

struct Html;

impl Writer for Html {
    fn begin(&mut self, page: &mut Page<'_>) {
        page.out.extend_from_slice(b"<table border=\"1\">\n  <tr>\n");
        for column in &page.header.columns {
            page.out.extend_from_slice(b"    <th align=\"center\">");
            text(&page.name(&column.name), page.out);
            page.out.extend_from_slice(b"</th>\n");
        }
        page.out.extend_from_slice(b"  </tr>\n");
    }

    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        let (header, out) = (page.header, &mut *page.out);
        out.extend_from_slice(b"  <tr valign=\"top\">\n");
        for (index, cell) in cells.iter().enumerate() {
            let number = header.columns.get(index).is_some_and(|column| column.data_type.is_number());
            out.extend_from_slice(if number { b"    <td align=\"right\">" } else { b"    <td align=\"left\">" });
            match cell {
                Cell::Null => text(&shown(&page.style.null, page.style), out),
                _ if is_masked(header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
                Cell::Text(value) => text(&shown(value, page.style), out),
                other => plain(*other, out),
            }
            out.extend_from_slice(b"</td>\n");
        }
        out.extend_from_slice(b"  </tr>\n");
    }

    fn end(&mut self, page: &mut Page<'_>) -> Option<String> {
        page.out.extend_from_slice(b"</table>\n");
        None
    }

    fn break_off(&mut self, page: &mut Page<'_>) {
        self.end(page);
    }
}

/// A value as it is, but at a terminal.
fn shown<'v>(value: &'v str, style: &Style) -> Cow<'v, str> {
    if style.terminal { sanitise_lines(value) } else { Cow::Borrowed(value) }
}

/// A text between tags: what would be a tag or an entity is spelled out.
fn text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\n' => out.extend_from_slice(b"<br />\n"),
            _ => out.push(byte),
        }
    }
}
