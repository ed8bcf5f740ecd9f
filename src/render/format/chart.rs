//! Bars for a label and a number.

use super::super::grid::{Short, cut};
use super::super::{Style, WIDEST};
use super::{Page, Writer, table};
use crate::model::Cell;
use crate::outcome::{Header, Mark};
use std::io::Write as _;
use unicode_width::UnicodeWidthStr;

/// Columns of the screen where none is known.
const WIDTH: usize = 100;

/// How wide a label is at the most.
const LABEL: usize = 40;

/// How many bars are drawn: no more are held, and nobody looks at more.
const MOST: usize = 10_000;

/// Without a number there is nothing to draw: then it is a table.
pub(super) fn open(header: &Header, style: &Style) -> Box<dyn Writer> {
    if Chart::column(header).is_none() {
        return table::open(header, style);
    }
    Box::new(Chart::default())
}

/// Collects the rows of a chart, which is drawn when the greatest number is known.
#[derive(Default)]
struct Chart {
    bars: Vec<(String, Option<f64>, String)>,
    /// Rows that came after the last bar.
    left_out: usize,
}

impl Chart {
    /// The column that the bars are drawn for: the last that holds numbers.
    fn column(header: &Header) -> Option<usize> {
        header.columns.iter().rposition(|column| column.data_type.is_number() && !column.masked)
    }
}

impl Writer for Chart {
    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        let (header, style) = (page.header, page.style);
        if self.bars.len() == MOST {
            self.left_out += 1;
            return;
        }
        let at = Self::column(header);
        let number = at.and_then(|at| match cells.get(at) {
            Some(Cell::Int(number)) => Some(*number as f64),
            Some(Cell::Float(number)) => Some(*number),
            Some(Cell::Text(text)) => text.parse().ok(),
            _ => None,
        });
        let value =
            at.and_then(|at| cells.get(at)).map_or_else(String::new, |cell| Short::new(*cell, None, style).cut(LABEL));
        let label: Vec<String> = cells
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != at)
            .map(|(index, cell)| Short::new(*cell, header.columns.get(index), style).cut(LABEL))
            .collect();
        self.bars.push((cut(&label.join(" "), LABEL), number.filter(|number| number.is_finite()), value));
    }

    fn end(&mut self, page: &mut Page<'_>) -> Option<String> {
        let (style, out) = (page.style, &mut *page.out);
        let labels = self.bars.iter().map(|(label, ..)| label.width()).max().unwrap_or(0);
        let values = self.bars.iter().map(|(.., value)| value.width()).max().unwrap_or(0);
        let room = style.width.unwrap_or(WIDTH).min(WIDEST).saturating_sub(labels + values + 4).max(8);
        let greatest = self.bars.iter().filter_map(|(_, number, _)| number.map(f64::abs)).fold(0.0, f64::max);
        for (label, number, value) in &self.bars {
            let pad = " ".repeat(labels.saturating_sub(label.width()));
            let before = " ".repeat(values.saturating_sub(value.width()));
            let eighths = match number {
                Some(number) if greatest > 0.0 => (number.abs() / greatest * (room * 8) as f64).round() as usize,
                _ => 0,
            };
            // A number below zero is drawn in another shade, and has its sign beside it.
            let full = if number.is_some_and(|number| number < 0.0) { "▒" } else { "█" };
            let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8];
            let bar = full.repeat(eighths / 8);
            let _ = writeln!(out, "{label}{pad}  {before}{value}  {bar}{}", if full == "█" { part } else { "" });
        }
        (self.left_out > 0)
            .then(|| format!("{} more rows are not drawn: a chart has 10,000 bars at the most", self.left_out))
    }
}
