//! Errors in place: what, where, why, and what to type next.

use super::sanitise::{sanitise, sanitise_lines};
use super::{Ink, Style};
use crate::Error;
use crate::outcome::ErrorContext;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// Columns of the line around the place, where no width is known.
const WIDTH: usize = 120;

/// Beginnings of colours; empty where there are none.
struct Paint {
    red: String,
    bold: String,
    cyan: String,
    off: &'static str,
}

impl Paint {
    fn new(style: &Style) -> Self {
        let on = |ink| if style.colour { format!("\x1b[{}m", style.theme.sgr(ink)) } else { String::new() };
        Self {
            red: on(Ink::Error),
            bold: on(Ink::Strong),
            cyan: on(Ink::Hint),
            off: if style.colour { "\x1b[0m" } else { "" },
        }
    }
}

pub(super) fn render(error: &Error, context: &ErrorContext<'_>, style: &Style) -> String {
    let paint = Paint::new(style);
    let mut out = String::new();
    let elsewhere = error
        .place
        .as_ref()
        .filter(|place| context.source != Some(place.source.as_ref()) || context.line != place.line);
    let span = error.span.filter(|span| elsewhere.is_none() && span.start <= context.command.len());
    let (line, column) = span.map_or((context.line, context.column.max(1)), |span| position(context, span.start));
    match (context.source, elsewhere) {
        // A change that was staged on another line: that line is the one to mend.
        (Some(_), Some(place)) => {
            let _ = write!(out, "{}:{}:{}: ", sanitise(&place.source), place.line, place.column.max(1));
        }
        (Some(source), None) => {
            let source = sanitise(source);
            let _ = write!(out, "{source}:{line}:{column}: ");
        }
        (None, _) => {}
    }
    let _ = writeln!(out, "{}error:{} {}{}{}", paint.red, paint.off, paint.bold, clean(&error.message), paint.off);
    match (context.source, elsewhere) {
        (Some(source), Some(_)) => {
            let (source, command) = (sanitise(source), clean(first_line(context.command)));
            let _ = writeln!(out, "  found at {source}:{}, `{command}`", context.line);
        }
        (None, Some(place)) => {
            let _ = writeln!(out, "  staged at {}", sanitise(&place.to_string()));
        }
        (_, None) => {}
    }
    if let Some(span) = span {
        excerpt(&mut out, context.command, span.start, span.end, style.width.unwrap_or(WIDTH).max(20), &paint);
    }
    for hint in &error.hints {
        let _ = writeln!(out, "  {}hint:{} {}", paint.cyan, paint.off, clean(hint));
    }
    out
}

/// Messages may have several lines, but nothing that drives a terminal.
fn clean(text: &str) -> String {
    sanitise_lines(text).replace('\n', "\n  ")
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// One-based line, and column in characters.
fn position(context: &ErrorContext<'_>, offset: usize) -> (u32, u32) {
    let before = context.command.get(..offset).unwrap_or(context.command);
    let lines = u32::try_from(before.matches('\n').count()).unwrap_or(u32::MAX);
    let last = before.rsplit('\n').next().unwrap_or_default();
    let column = u32::try_from(last.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
    let first = if lines == 0 { context.column.max(1) - 1 } else { 0 };
    (context.line + lines, column + first)
}

/// The line with carets under the place; a long line is cut around it.
fn excerpt(out: &mut String, text: &str, start: usize, end: usize, width: usize, paint: &Paint) {
    let Some(before) = text.get(..start) else { return };
    let from = before.rfind('\n').map_or(0, |at| at + 1);
    let line = text[from..].lines().next().unwrap_or_default();
    if line.trim().is_empty() {
        return;
    }
    let until = end.min(from + line.len()).max(start);
    let (head, rest) = line.split_at((start - from).min(line.len()));
    let marked = rest.get(..until.saturating_sub(start).min(rest.len())).unwrap_or(rest);
    let tail = &rest[marked.len()..];
    let room = width.saturating_sub(6);
    let head = sanitise(head);
    let head = if head.width() > room / 2 { format!("…{}", tail_of(&head, room / 2)) } else { head.into_owned() };
    let marked = sanitise(marked);
    let marked = head_of(&marked, room / 2);
    let tail = sanitise(tail);
    let left = room.saturating_sub(head.width() + marked.width());
    let short = head_of(&tail, left);
    let cut = if short.len() < tail.len() { "…" } else { "" };
    let _ = writeln!(out, "  {head}{marked}{short}{cut}");
    let carets = "^".repeat(marked.width().max(1));
    let _ = writeln!(out, "  {}{}{carets}{}", " ".repeat(head.width()), paint.red, paint.off);
}

fn head_of(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > columns {
            return &text[..at];
        }
    }
    text
}

fn tail_of(text: &str, columns: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += unicode_width::UnicodeWidthChar::width(c).unwrap_or(0);
        if used > columns {
            return &text[at + c.len_utf8()..];
        }
    }
    text
}
