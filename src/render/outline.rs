//! Records under records, indented.

use super::Style;
use super::cells::shown;
use super::sanitise::sanitise;
use crate::outcome::{Mark, Tree};
use std::io::Write as _;

pub(super) fn tree(tree: &Tree, depth: usize, style: &Style, out: &mut Vec<u8>) {
    let indent = "  ".repeat(depth);
    for row in &tree.rows {
        let mark = match row.mark {
            Mark::None => "",
            Mark::Added => "+ ",
            Mark::Changed => "~ ",
        };
        let _ = write!(out, "{indent}{mark}");
        let header = &tree.header;
        let display = header.display.filter(|at| row.values.get(*at).is_some_and(|value| !value.is_null()));
        if let (Some(title), Some(at)) = (&header.title, display) {
            let value = shown(row.values[at].as_cell(), header.columns.get(at), style);
            let (on, off) = if style.colour { ("\x1b[1m", "\x1b[0m") } else { ("", "") };
            let _ = write!(out, "{on}<{} {value}>{off} ", sanitise(title));
        }
        let mut first = true;
        for (index, value) in row.values.iter().enumerate().filter(|(index, _)| Some(*index) != display) {
            let column = header.columns.get(index);
            let name = column.map_or("", |column| column.name.as_str());
            let blank = if std::mem::take(&mut first) { "" } else { "  " };
            let _ = write!(out, "{blank}{}={}", sanitise(name), shown(value.as_cell(), column, style));
        }
        out.push(b'\n');
        for (name, _, below) in &row.children {
            let name = sanitise(name);
            if below.rows.is_empty() {
                let _ = writeln!(out, "{indent}  {name}: none");
            } else {
                let _ = writeln!(out, "{indent}  {name}:");
                self::tree(below, depth + 2, style, out);
            }
        }
    }
}
