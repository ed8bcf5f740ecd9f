//! Values with `|` between, one record a line.

use super::super::Style;
use super::super::cells::{is_masked, plain};
use super::super::sanitise::{sanitise, sanitise_text};
use super::{Page, Writer};
use crate::model::{Cell, MASK};
use crate::outcome::{Header, Mark};

/// At a terminal the names of the columns stand above the rows.
pub(super) fn open(_: &Header, style: &Style) -> Box<dyn Writer> {
    Box::new(List { names: style.terminal })
}

/// With the columns' names above the rows or not.
pub(super) struct List {
    pub names: bool,
}

impl Writer for List {
    fn begin(&mut self, page: &mut Page<'_>) {
        if self.names {
            let names: Vec<&str> = page.header.columns.iter().map(|column| column.name.as_str()).collect();
            page.out.extend_from_slice(names.join("|").as_bytes());
            page.out.push(b'\n');
        }
    }

    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        let out = &mut *page.out;
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                out.push(b'|');
            }
            match cell {
                Cell::Null => out.extend_from_slice(sanitise(&page.style.null).as_bytes()),
                _ if is_masked(page.header, index, *cell) => out.extend_from_slice(MASK.as_bytes()),
                Cell::Text(text) if page.style.terminal => out.extend_from_slice(sanitise(text).as_bytes()),
                Cell::Text(text) => out.extend_from_slice(sanitise_text(text).as_bytes()),
                other => plain(*other, out),
            }
        }
        out.push(b'\n');
    }
}
