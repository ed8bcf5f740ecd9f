//! A table with lines around it, fitted to the width.

use super::super::Style;
use super::super::grid::{BOX, Grid, Look};
use super::{Page, Writer};
use crate::model::Cell;
use crate::outcome::{Header, Mark};

pub(super) fn open(header: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Table::new(&BOX, header))
}

/// A table in some look.
pub(super) struct Table {
    grid: Grid,
}

impl Table {
    pub(super) fn new(look: &'static Look, header: &Header) -> Self {
        Self { grid: Grid::new(look, header) }
    }
}

impl Writer for Table {
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark, page: &mut Page<'_>) {
        self.grid.row(cells, mark, page.style, page.out);
    }

    fn end(&mut self, page: &mut Page<'_>) -> Option<String> {
        self.grid.finish(page.style, page.out)
    }

    fn break_off(&mut self, page: &mut Page<'_>) {
        self.grid.finish(page.style, page.out);
    }
}
