//! `<User john>`, one a line; rows that are no records are shown as in `list`.

use super::super::Style;
use super::super::cells::shown;
use super::list::List;
use super::{Page, Writer};
use crate::model::Cell;
use crate::outcome::{Header, Mark};
use std::borrow::Cow;
use std::io::Write as _;

pub(super) fn open(_: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Repr)
}

struct Repr;

impl Writer for Repr {
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark, page: &mut Page<'_>) {
        match title(cells, page) {
            Some(title) => drop(writeln!(page.out, "{title}")),
            None => List { names: false }.row(cells, mark, page),
        }
    }
}

/// How a record is called: by its display column, or else by its key. None for a row that is no record.
pub(super) fn title(cells: &[Cell<'_>], page: &Page<'_>) -> Option<String> {
    let (header, style) = (page.header, page.style);
    let title = header.title.as_ref()?;
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
    Some(format!("<{title} {text}>"))
}
