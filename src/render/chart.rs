//! Bars for a label and a number.

use super::table::{Short, cut};
use super::{Style, WIDEST};
use crate::model::Cell;
use crate::outcome::Header;
use std::io::Write as _;
use unicode_width::UnicodeWidthStr;

/// Columns of the screen where none is known.
const WIDTH: usize = 100;

/// How wide a label is at the most.
const LABEL: usize = 40;

/// How many bars are drawn: no more are held, and nobody looks at more.
const MOST: usize = 10_000;

/// Collects the rows of a chart, which is drawn when the greatest number is known.
#[derive(Default)]
pub(super) struct Chart {
    bars: Vec<(String, Option<f64>, String)>,
    /// Rows that came after the last bar.
    left_out: usize,
}

impl Chart {
    /// The column that the bars are drawn for: the last that holds numbers.
    pub(super) fn column(header: &Header) -> Option<usize> {
        header.columns.iter().rposition(|column| column.data_type.is_number() && !column.masked)
    }

    pub(super) fn row(&mut self, header: &Header, cells: &[Cell<'_>], style: &Style) {
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

    /// Draws it; gives how many rows were left out.
    pub(super) fn draw(&self, style: &Style, out: &mut Vec<u8>) -> usize {
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
        self.left_out
    }
}
