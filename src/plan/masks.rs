//! What a command may ask of a masked column: whether it is NULL, and whether it has a value that the person knows. An order,
//! a group, a figure or a pattern would give the value away piece by piece.

use super::query::{ColumnRef, Expr, Output};
use crate::language::ast::Path;
use crate::model::{Catalog, Column, Entity};
use crate::text::Span;
use crate::{Error, ErrorKind, Result};

/// Refuses a column whose values are hidden.
///
/// # Errors
/// `Refused`, with what can be asked of it and how it is shown.
pub fn open(entity: &Entity, column: &Column) -> Result<()> {
    if !column.is_hidden() {
        return Ok(());
    }
    let (entity, column) = (&entity.name, &column.name);
    Err(Error::new(ErrorKind::Refused, format!("{column} is masked, so this would show what it holds"))
        .hint("of a masked field you can ask `is null`, `= VALUE` and `in (VALUES)`")
        .hint(format!("`.unmask {entity}.{column}` shows it in this session")))
}

/// [`open`] for a column of a query.
///
/// # Errors
/// As there, at the span.
pub fn open_at(catalog: &Catalog, column: ColumnRef, span: Span) -> Result<()> {
    let entity = catalog.get(column.entity);
    open(entity, &entity.columns[column.column]).map_err(|error| error.at(span))
}

/// The same for whatever an operand is.
///
/// # Errors
/// As there, at the span.
pub fn open_expr(catalog: &Catalog, expr: &Expr, span: Span) -> Result<()> {
    match expr {
        Expr::Column(column) => open_at(catalog, *column, span),
        _ => Ok(()),
    }
}

/// The columns that paths led to, if none of them is hidden.
///
/// # Errors
/// As [`open`], at the path.
pub fn open_columns(catalog: &Catalog, paths: &[Path<'_>], columns: Vec<Output>) -> Result<Vec<Output>> {
    for (output, path) in columns.iter().zip(paths) {
        open_expr(catalog, &output.expr, path.span())?;
    }
    Ok(columns)
}
