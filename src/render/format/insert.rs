//! INSERT statements, as sqlite3's `.mode insert` writes them: <https://www.sqlite.org/cli.html>.

use super::super::Style;
use super::super::cells::is_masked;
use super::super::sanitise::sanitise_lines;
use super::{Page, Writer};
use crate::model::{Cell, MASK};
use crate::outcome::{Header, Mark};
use crate::text::sql::quote_name;

/// What stands for the table where a result is not of one table, as sqlite3 has it.
const NO_TABLE: &str = "table";

pub(super) fn open(header: &Header, style: &Style) -> Box<dyn Writer> {
    let table = match &header.table {
        Some(place) => {
            let schema = place.schema.as_ref().map_or_else(String::new, |schema| quote_name(schema) + ".");
            format!("{schema}{}", quote_name(&place.name))
        }
        None => quote_name(NO_TABLE),
    };
    let names: Vec<String> = header.columns.iter().map(|column| quote_name(&column.name)).collect();
    let start = format!("INSERT INTO {table} ({}) VALUES (", names.join(", "));
    Box::new(Insert { start: if style.terminal { sanitise_lines(&start).into_owned() } else { start } })
}

struct Insert {
    /// Up to the first value.
    start: String,
}

impl Writer for Insert {
    fn row(&mut self, cells: &[Cell<'_>], _: Mark, page: &mut Page<'_>) {
        page.out.extend_from_slice(self.start.as_bytes());
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                page.out.extend_from_slice(b", ");
            }
            let cell = if is_masked(page.header, index, *cell) { Cell::Text(MASK) } else { *cell };
            let literal = (page.literal)(cell);
            let literal = if page.style.terminal { sanitise_lines(&literal) } else { literal.into() };
            page.out.extend_from_slice(literal.as_bytes());
        }
        page.out.extend_from_slice(b");\n");
    }
}
