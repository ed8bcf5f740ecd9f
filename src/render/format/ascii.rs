//! A table of plain characters, as psql draws it by default.

use super::super::Style;
use super::super::grid::ASCII;
use super::Writer;
use super::table::Table;
use crate::outcome::Header;

pub(super) fn open(header: &Header, _: &Style) -> Box<dyn Writer> {
    Box::new(Table::new(&ASCII, header))
}
