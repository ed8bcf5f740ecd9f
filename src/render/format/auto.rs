//! What fits best: one value alone, one record as fields, many as a table if it fits.

use super::super::Style;
use super::super::grid::{BOX, First, Grid};
use super::list::List;
use super::vertical::Vertical;
use super::{Page, Writer};
use crate::model::Cell;
use crate::outcome::{Header, Mark};

pub(super) fn open(header: &Header, _: &Style) -> Box<dyn Writer> {
    match (header.single, &header.title, header.columns.as_slice()) {
        (true, None, [_]) => Box::new(List { names: false }),
        (true, ..) => Box::new(Vertical::default()),
        _ => Box::new(Fitted { grid: Grid::new(&BOX, header), upright: None }),
    }
}

/// A table, or fields one under another where it turns out that not all columns fit beside each other.
struct Fitted {
    grid: Grid,
    upright: Option<Vertical>,
}

impl Fitted {
    /// Goes on with fields one under another, from the rows that settled it.
    fn turn(&mut self, rows: &First, page: &mut Page<'_>) {
        let mut upright = Vertical::default();
        for (mark, texts) in rows {
            upright.texts(texts, *mark, None, page);
        }
        self.upright = Some(upright);
    }
}

impl Writer for Fitted {
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark, page: &mut Page<'_>) {
        if let Some(upright) = &mut self.upright {
            upright.row(cells, mark, page);
            return;
        }
        self.grid.row(cells, mark, page.style, page.out);
        if self.grid.is_full()
            && let Some(rows) = self.grid.too_wide(page.style)
        {
            self.turn(&rows, page);
        }
    }

    fn end(&mut self, page: &mut Page<'_>) -> Option<String> {
        if self.upright.is_some() {
            return None;
        }
        if let Some(rows) = self.grid.too_wide(page.style) {
            self.turn(&rows, page);
            return None;
        }
        self.grid.finish(page.style, page.out)
    }

    fn break_off(&mut self, page: &mut Page<'_>) {
        if self.upright.is_none() {
            self.grid.finish(page.style, page.out);
        }
    }
}
