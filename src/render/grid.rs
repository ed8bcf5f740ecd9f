//! Tables, fitted to the width. The first page settles the widths; what comes after it streams.

use super::cells::shown;
use super::{Style, WIDEST as SCREEN};
use crate::model::Cell;
use crate::outcome::{Header, HeaderColumn, Mark};
use comfy_table::{
    Attribute, Cell as Drawn, CellAlignment, ContentArrangement, ContentLineStyle, LineStyle, Table as Drawing,
    TableStyle, presets,
};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How many rows settle the widths of the columns.
const PAGE: usize = 500;

/// No column is made narrower than this, in columns of the screen.
const NARROWEST: usize = 8;

/// A cell that may be long is cut to this many columns even where there is room for more on the screen.
const WIDEST: usize = 100;

/// More bytes than a text of so many columns has, unless most of it takes no room.
const MOST_BYTES: usize = 8 * SCREEN;

/// Rows that settle the widths.
pub(super) type First = Vec<(Mark, Vec<Short>)>;

/// The characters that a table is drawn with.
pub(super) struct Look {
    /// As the library draws the first page.
    style: TableStyle,
    /// What stands at the left, between the columns and at the right of a row.
    row: [&'static str; 3],
    /// The last line: left, along a column, between columns, right.
    bottom: Option<[&'static str; 4]>,
    /// Whether the names stand in the middle of their columns.
    centred: bool,
}

/// Lines all around.
pub(super) const BOX: Look = Look {
    style: presets::UTF8_FULL_CONDENSED,
    row: ["│", "┆", "│"],
    bottom: Some(["└", "─", "┴", "┘"]),
    centred: false,
};

/// As psql draws by default: <https://www.postgresql.org/docs/current/app-psql.html>, `\pset linestyle ascii` with border 1.
pub(super) const ASCII: Look = Look {
    style: TableStyle::new()
        .header_lines(ContentLineStyle::none().junction('|'))
        .header_separator(LineStyle::none().fill('-').junction('+'))
        .content_lines(ContentLineStyle::none().junction('|')),
    row: ["", "|", ""],
    bottom: None,
    centred: true,
};

/// Draws a table row by row.
pub(super) struct Grid {
    look: &'static Look,
    header: Header,
    page: First,
    /// Widths of the columns once they are settled; hidden ones are left out.
    widths: Option<Vec<usize>>,
    marked: bool,
    hidden: usize,
}

impl Grid {
    pub(super) fn new(look: &'static Look, header: &Header) -> Self {
        Self { look, header: header.clone(), page: Vec::new(), widths: None, marked: false, hidden: 0 }
    }

    pub(super) fn row(&mut self, cells: &[Cell<'_>], mark: Mark, style: &Style, out: &mut Vec<u8>) {
        if let Some(widths) = &self.widths {
            self.stream(cells, mark, widths, style, out);
            return;
        }
        let texts = cells
            .iter()
            .enumerate()
            .map(|(index, cell)| Short::new(*cell, self.header.columns.get(index), style))
            .collect();
        self.page.push((mark, texts));
        if self.page.len() == PAGE {
            self.settle(style, out, false);
        }
    }

    /// The rows of the first page, if not all columns fit beside each other: they are better shown one under another.
    pub(super) fn too_wide(&mut self, style: &Style) -> Option<First> {
        let screen = style.width?;
        if self.widths.is_some() {
            return None;
        }
        let mut widths = self.measured();
        (fit(&mut widths, screen) < widths.len()).then(|| std::mem::take(&mut self.page))
    }

    /// The widths that names and the first page's values ask for.
    fn measured(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.columns.iter().map(|column| column.name.width()).collect();
        for (_, texts) in &self.page {
            for (width, text) in widths.iter_mut().zip(texts) {
                *width = (*width).max(measure(text.as_ref()));
            }
        }
        widths
    }

    /// Whether the next row settles the widths.
    pub(super) const fn is_full(&self) -> bool {
        self.widths.is_none() && self.page.len() + 1 >= PAGE
    }

    /// Ends the table; returns a warning where columns did not fit.
    pub(super) fn finish(&mut self, style: &Style, out: &mut Vec<u8>) -> Option<String> {
        match &self.widths {
            None if self.page.is_empty() => {}
            None => self.settle(style, out, true),
            Some(widths) => bottom(self.look, widths, self.marked, out),
        }
        let s = if self.hidden == 1 { "" } else { "s" };
        (self.hidden > 0).then(|| {
            format!("{} more column{s} did not fit: `.mode vertical` shows all, `show` picks some", self.hidden)
        })
    }

    fn settle(&mut self, style: &Style, out: &mut Vec<u8>, last: bool) {
        self.marked = self.page.iter().any(|(mark, _)| *mark != Mark::None);
        let mut widths = self.measured();
        if let Some(screen) = style.width {
            let shown = fit(&mut widths, screen.saturating_sub(if self.marked { 4 } else { 0 }));
            self.hidden = widths.len() - shown;
            widths.truncate(shown);
        }
        let mut drawing = Drawing::new();
        drawing.load_style(self.look.style).set_content_arrangement(ContentArrangement::Disabled).force_no_tty();
        if style.colour {
            drawing.enforce_styling();
        }
        let mut head: Vec<Drawn> = Vec::with_capacity(widths.len() + 1);
        if self.marked {
            head.push(Drawn::new(" "));
        }
        for (column, width) in self.header.columns.iter().zip(&widths) {
            let cell = Drawn::new(padded(&cut(&column.name, *width), *width, self.look.centred));
            head.push(if style.colour { cell.add_attribute(Attribute::Bold) } else { cell });
        }
        drawing.set_header(head);
        for (mark, texts) in self.page.drain(..) {
            let mut row = Vec::with_capacity(widths.len() + 1);
            if self.marked {
                row.push(Drawn::new(sign(mark)));
            }
            for ((text, width), column) in texts.iter().zip(&widths).zip(&self.header.columns) {
                let cell = Drawn::new(text.cut(*width));
                row.push(if column.data_type.is_number() { cell.set_alignment(CellAlignment::Right) } else { cell });
            }
            drawing.add_row(row);
        }
        let mut text = drawing.to_string();
        if !last {
            // More rows follow: the closing line comes after them.
            let end = text.rfind('\n').unwrap_or(text.len());
            text.truncate(end);
        }
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
        self.widths = Some(widths);
        if last {
            self.page.clear();
        }
    }

    /// One row behind the first page, in the same look.
    fn stream(&self, cells: &[Cell<'_>], mark: Mark, widths: &[usize], style: &Style, out: &mut Vec<u8>) {
        let [left, between, end] = self.look.row;
        out.extend_from_slice(left.as_bytes());
        if self.marked {
            out.push(b' ');
            out.extend_from_slice(sign(mark).as_bytes());
            out.push(b' ');
            out.extend_from_slice(between.as_bytes());
        }
        for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
            if index > 0 {
                out.extend_from_slice(between.as_bytes());
            }
            out.push(b' ');
            let column = self.header.columns.get(index);
            let right = column.is_some_and(|column| column.data_type.is_number());
            let text = Short::new(*cell, column, style);
            let mut taken = measure(text.as_ref());
            let pad = |out: &mut Vec<u8>, taken: usize| out.resize(out.len() + width.saturating_sub(taken), b' ');
            if taken > *width && style.width.is_some() {
                let short = text.cut(*width);
                taken = measure(&short);
                out.extend_from_slice(short.as_bytes());
                pad(out, taken);
            } else if right {
                pad(out, taken);
                out.extend_from_slice(text.as_ref().as_bytes());
            } else {
                out.extend_from_slice(text.as_ref().as_bytes());
                pad(out, taken);
            }
            out.push(b' ');
        }
        out.extend_from_slice(end.as_bytes());
        out.push(b'\n');
    }
}

const fn sign(mark: Mark) -> &'static str {
    match mark {
        Mark::None => " ",
        Mark::Added => "+",
        Mark::Changed => "~",
    }
}

/// The columns a text takes on the screen.
fn measure(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// Shrinks the widest columns until all fit, then leaves out the last ones. Gives how many are shown.
fn fit(widths: &mut [usize], screen: usize) -> usize {
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + 3 * widths.len() + 1;
    for width in widths.iter_mut() {
        *width = (*width).min(WIDEST.max(screen / 2));
    }
    while total(widths) > screen {
        let over = total(widths) - screen;
        let Some(widest) = widths.iter().copied().max().filter(|widest| *widest > NARROWEST) else { break };
        let second = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(NARROWEST);
        let many = widths.iter().filter(|width| **width == widest).count();
        let down = over.div_ceil(many).min(widest - second.max(NARROWEST)).max(1);
        for width in widths.iter_mut().filter(|width| **width == widest) {
            *width -= down;
        }
    }
    let mut shown = widths.len();
    while shown > 1 && total(&widths[..shown]) > screen {
        shown -= 1;
    }
    shown
}

/// A value as a table or a chart holds it: one that is wider than any screen is cut before it is copied.
pub(super) struct Short {
    text: String,
    /// The characters of the whole.
    chars: usize,
}

impl Short {
    pub(super) fn new(cell: Cell<'_>, column: Option<&HeaderColumn>, style: &Style) -> Self {
        let long = matches!(cell, Cell::Text(text) if text.len() > MOST_BYTES) && column.is_none_or(|c| !c.masked);
        if let (true, Cell::Text(text)) = (long, cell) {
            let end = (0..=MOST_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let chars = text.chars().count();
            return Self { text: cut_of(&shown(Cell::Text(&text[..end]), column, style), SCREEN, chars), chars };
        }
        if let Cell::Bytes(bytes) = cell
            && bytes.len() > MOST_BYTES
        {
            // Two digits each, between x' and '.
            let chars = 2 * bytes.len() + 3;
            return Self {
                text: cut_of(&shown(Cell::Bytes(&bytes[..MOST_BYTES]), column, style), SCREEN, chars),
                chars,
            };
        }
        let text = shown(cell, column, style);
        let chars = text.chars().count();
        Self { text: cut_of(&text, SCREEN, chars), chars }
    }

    /// It, cut to a width.
    pub(super) fn cut(&self, width: usize) -> String {
        if measure(&self.text) <= width { self.text.clone() } else { cut_of(&self.text, width, self.chars) }
    }
}

impl AsRef<str> for Short {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// The text cut to a width, visibly.
pub(super) fn cut(text: &str, width: usize) -> String {
    if measure(text) <= width { text.to_owned() } else { cut_of(text, width, text.chars().count()) }
}

/// A text cut to a width, of which the whole has so many characters.
fn cut_of(text: &str, width: usize, chars: usize) -> String {
    if measure(text) <= width {
        return text.to_owned();
    }
    // Where there is room, with the length of the whole.
    let length = format!("…({chars})");
    let end = if width >= 3 * length.len() { length.as_str() } else { "…" };
    let room = width.saturating_sub(end.width());
    let mut out = String::with_capacity(width + 3);
    let mut used = 0;
    for grapheme in text.graphemes(true) {
        let next = grapheme.width();
        if used + next > room {
            break;
        }
        used += next;
        out.push_str(grapheme);
    }
    out.push_str(end);
    out
}

fn padded(text: &str, width: usize, centred: bool) -> String {
    let pad = width.saturating_sub(measure(text));
    let before = if centred { pad / 2 } else { 0 };
    format!("{}{text}{}", " ".repeat(before), " ".repeat(pad - before))
}

/// The last line of a table whose rows were streamed.
fn bottom(look: &Look, widths: &[usize], marked: bool, out: &mut Vec<u8>) {
    let Some([left, along, between, right]) = look.bottom else { return };
    out.extend_from_slice(left.as_bytes());
    let mark = marked.then_some(1);
    for (index, width) in mark.iter().chain(widths).enumerate() {
        if index > 0 {
            out.extend_from_slice(between.as_bytes());
        }
        out.extend_from_slice(along.repeat(width + 2).as_bytes());
    }
    out.extend_from_slice(right.as_bytes());
    out.push(b'\n');
}
