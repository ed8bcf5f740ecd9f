//! Values as bytes that tell their own end.

use crate::model::Cell;

const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const BYTES: u8 = 6;

/// Packed values, one after the other.
#[derive(Debug, Clone)]
pub struct Cells<'a>(pub(super) &'a [u8]);

/// Appends a value.
pub fn pack(out: &mut Vec<u8>, cell: Cell<'_>) {
    match cell {
        Cell::Null => out.push(NULL),
        Cell::Bool(false) => out.push(FALSE),
        Cell::Bool(true) => out.push(TRUE),
        Cell::Int(number) => {
            out.push(INT);
            // Small numbers of either sign are short.
            number_to(out, ((number << 1) ^ (number >> 63)) as u64);
        }
        Cell::Float(number) => {
            out.push(FLOAT);
            out.extend(number.to_le_bytes());
        }
        Cell::Text(text) => {
            out.push(TEXT);
            number_to(out, text.len() as u64);
            out.extend(text.as_bytes());
        }
        Cell::Bytes(bytes) => {
            out.push(BYTES);
            number_to(out, bytes.len() as u64);
            out.extend(bytes);
        }
    }
}

/// Appends a column's number and its value.
pub fn pack_pair(out: &mut Vec<u8>, column: usize, cell: Cell<'_>) {
    number_to(out, column as u64);
    pack(out, cell);
}

/// The first values, and what follows them.
pub fn split(packed: &[u8], count: usize) -> (&[u8], &[u8]) {
    let mut rest = Cells(packed);
    for _ in 0..count {
        rest.next();
    }
    packed.split_at(packed.len() - rest.0.len())
}

/// Seven bits a byte, the last without the eighth: <https://en.wikipedia.org/wiki/LEB128>.
fn number_to(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

impl<'a> Cells<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        Some(number)
    }

    fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// The number of a column, as [`pack_pair`] wrote it.
    pub(super) fn column(&mut self) -> Option<usize> {
        self.number().and_then(|number| usize::try_from(number).ok())
    }
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cell<'a>;

    fn next(&mut self) -> Option<Cell<'a>> {
        Some(match self.byte()? {
            FALSE => Cell::Bool(false),
            TRUE => Cell::Bool(true),
            INT => {
                let number = self.number()?;
                Cell::Int((number >> 1) as i64 ^ -((number & 1) as i64))
            }
            FLOAT => Cell::Float(f64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            TEXT => Cell::Text(std::str::from_utf8(self.sized()?).unwrap_or_default()),
            BYTES => Cell::Bytes(self.sized()?),
            _ => Cell::Null,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cells, pack, split};
    use crate::model::Cell;

    #[test]
    fn values_come_back() {
        let cells = [
            Cell::Null,
            Cell::Bool(true),
            Cell::Bool(false),
            Cell::Int(0),
            Cell::Int(-1),
            Cell::Int(i64::MIN),
            Cell::Int(i64::MAX),
            Cell::Float(-0.5),
            Cell::Text(""),
            Cell::Text("höhe"),
            Cell::Bytes(&[0, 255]),
        ];
        let mut packed = Vec::new();
        for cell in cells {
            pack(&mut packed, cell);
        }
        assert_eq!(Cells(&packed).collect::<Vec<_>>(), cells);
        let (first, rest) = split(&packed, 8);
        assert_eq!((Cells(first).count(), Cells(rest).next()), (8, Some(Cell::Text(""))));
    }
}
