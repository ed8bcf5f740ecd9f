//! A value read as a type that no database value is.

use diesel_shell::{Row, Result};

fn count(row: &Row) -> Result<usize> {
    row.read::<usize>("count")
}

fn main() {
    let _ = count;
}
