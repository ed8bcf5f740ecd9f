//! One field a line.

use super::super::cells::shown;
use super::super::{Ink, Style};
use super::{Page, Writer, repr};
use crate::model::Cell;
use crate::outcome::{Header, Mark};
use std::borrow::Cow;
use std::io::Write as _;
use unicode_width::UnicodeWidthStr;

pub(super) fn open(_: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Vertical::default())
}

#[derive(Default)]
pub(super) struct Vertical {
    rows: usize,
}

impl Writer for Vertical {
    fn row(&mut self, cells: &[Cell<'_>], mark: Mark, page: &mut Page<'_>) {
        let (header, style) = (page.header, page.style);
        let texts: Vec<Cow<'_, str>> =
            cells.iter().enumerate().map(|(index, cell)| shown(*cell, header.columns.get(index), style)).collect();
        let title = if header.single { repr::title(cells, page) } else { None };
        self.texts(&texts, mark, title.as_deref(), page);
    }
}

impl Vertical {
    /// Writes one row from texts that are ready to be shown.
    pub(super) fn texts<T: AsRef<str>>(&mut self, texts: &[T], mark: Mark, title: Option<&str>, page: &mut Page<'_>) {
        let (header, style, out) = (page.header, page.style, &mut *page.out);
        self.rows += 1;
        if self.rows > 1 {
            out.push(b'\n');
        }
        match mark {
            Mark::None => {}
            Mark::Added => out.extend_from_slice(b"+ staged, not committed\n"),
            Mark::Changed => out.extend_from_slice(b"~ changed, not committed\n"),
        }
        if let Some(title) = title {
            let _ = writeln!(out, "{title}");
        }
        let widest = header.columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
        for (index, text) in texts.iter().enumerate() {
            let name = header.columns.get(index).map_or("", |column| column.name.as_str());
            let pad = " ".repeat(widest.saturating_sub(name.width()));
            let name =
                if style.colour { Cow::Owned(style.theme.paint(Ink::Strong, name)) } else { Cow::Borrowed(name) };
            let _ = writeln!(out, "{name}{pad}  {}", text.as_ref());
        }
    }
}
