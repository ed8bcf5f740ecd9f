//! Values as formats spell them.

use super::Style;
use super::sanitise::sanitise;
use crate::model::{Cell, MASK};
use crate::outcome::{Header, HeaderColumn};
use std::borrow::Cow;
use std::io::Write as _;

/// Appends a value's plain spelling; NULL is nothing.
pub(super) fn plain(cell: Cell<'_>, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => {}
        Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
        Cell::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        // Writing into memory cannot fail.
        other => drop(write!(out, "{other}")),
    }
}

/// A value as a person reads it, on one line.
pub(super) fn shown<'v>(cell: Cell<'v>, column: Option<&HeaderColumn>, style: &'v Style) -> Cow<'v, str> {
    match cell {
        Cell::Null => sanitise(&style.null),
        _ if column.is_some_and(|column| column.masked) => Cow::Borrowed(MASK),
        Cell::Text(text) => sanitise(text),
        other => Cow::Owned(other.to_string()),
    }
}

/// Whether a value is hidden; NULL never is.
pub(super) fn is_masked(header: &Header, index: usize, cell: Cell<'_>) -> bool {
    !matches!(cell, Cell::Null) && header.columns.get(index).is_some_and(|column| column.masked)
}
