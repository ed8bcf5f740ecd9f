//! A table for Markdown: <https://github.github.com/gfm/#tables-extension->.

use super::super::Style;
use super::super::cells::{is_masked, plain};
use super::super::sanitise::{sanitise, sanitise_text};
use super::{Page, Writer};
use crate::model::{Cell, MASK};
use crate::outcome::{Header, Mark};

pub(super) fn open(_: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Markdown)
}

struct Markdown;

impl Writer for Markdown {
    fn begin(&mut self, page: &mut Page<'_>) {
        let out = &mut *page.out;
        for column in &page.header.columns {
            out.extend_from_slice(b"| ");
            text(&column.name, out);
            out.push(b' ');
        }
        out.extend_from_slice(b"|\n");
        for column in &page.header.columns {
            out.extend_from_slice(if column.data_type.is_number() { b"| ---: " } else { b"| --- " });
        }
        out.extend_from_slice(b"|\n");
    }

    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        let out = &mut *page.out;
        for (index, cell) in cells.iter().enumerate() {
            out.extend_from_slice(b"| ");
            match cell {
                Cell::Null => out.extend_from_slice(sanitise(&page.style.null).as_bytes()),
                _ if is_masked(page.header, index, *cell) => {
                    out.extend_from_slice(MASK.replace('*', "\\*").as_bytes());
                }
                Cell::Text(value) => text(&sanitise_text(value), out),
                other => plain(*other, out),
            }
            out.push(b' ');
        }
        out.extend_from_slice(b"|\n");
    }
}

fn text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'|' => out.extend_from_slice(b"\\|"),
            b'\n' => out.extend_from_slice(b"<br>"),
            _ => out.push(byte),
        }
    }
}
