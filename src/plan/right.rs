//! The right side of a test: a value, or another column of the query.

use super::bare::{self, Bare};
use super::condition::{Conditions, Side, one_value};
use super::masks;
use super::query::{ColumnRef, Expr};
use super::scope::{Member, Scope};
use crate::language::ast::{CompareOp, Literal, LiteralKind, Operand, Path};
use crate::model::{DataType, Family};
use crate::text::Span;
use crate::{Error, Result};

/// What stands to the right of a test: a value, or a column.
pub(super) struct Right<'a> {
    pub(super) kind: RightKind<'a>,
    pub(super) span: Span,
}

pub(super) enum RightKind<'a> {
    Literal(&'a Literal<'a>),
    Column(Column),
}

/// An expression over the columns of the query, with the path that was typed for it.
pub(super) struct Column {
    pub(super) expr: Expr,
    pub(super) data_type: DataType,
    pub(super) path: Option<String>,
    pub(super) span: Span,
}

impl Conditions<'_> {
    pub(super) fn is_many(&mut self, path: &Path<'_>, scope: &mut Scope) -> bool {
        matches!(scope.follow(&path.names, self.resolver.catalog(), self.aliases), Ok(Member::ToMany(..)))
    }

    /// The path that a value is, where it is one.
    pub(super) fn path_of<'l>(&self, literal: &'l Literal<'_>, scope: &Scope) -> Result<Option<Path<'l>>> {
        let LiteralKind::Word(word) = &literal.kind else { return Ok(None) };
        let (_, entity) = scope.start;
        let catalog = self.resolver.catalog();
        match bare::read(word, literal.span, entity, catalog) {
            Bare::Path(path) => Ok(Some(path)),
            other => bare::in_condition(&other, word, literal.span, entity, catalog).map(|()| None),
        }
    }

    /// What stands to the right of a test.
    pub(super) fn right<'l>(&mut self, literal: &'l Literal<'l>, scope: &mut Scope) -> Result<Right<'l>> {
        let kind = match self.path_of(literal, scope)? {
            Some(path) => RightKind::Column(self.column(&path, scope)?),
            None => RightKind::Literal(literal),
        };
        Ok(Right { kind, span: literal.span })
    }

    /// The column that a path on the right leads to.
    pub(super) fn column(&mut self, path: &Path<'_>, scope: &mut Scope) -> Result<Column> {
        let typed = typed(path);
        let catalog = self.resolver.catalog();
        let column = scope.column(path, catalog, self.aliases).map_err(|error| error.hint(bare::as_text(&typed)))?;
        masks::open_at(catalog, column, path.span())?;
        let data_type = catalog.get(column.entity).columns[column.column].data_type.clone();
        Ok(Column { expr: Expr::Column(column), data_type, path: Some(typed), span: path.span() })
    }

    pub(super) fn compare_column(
        &mut self,
        left: &Operand<'_>,
        op: CompareOp,
        other: &Column,
        scope: &mut Scope,
    ) -> Result<Expr> {
        self.on(left, scope, false, &mut |this, side| {
            this.open(left, &side)?;
            let (expr, data_type) = this.single(side, other.span)?;
            comparable(&data_type, other)?;
            Ok(Expr::Compare(Box::new(expr), op, Box::new(other.expr.clone())))
        })
    }

    /// A side as one expression: a relationship stands for its foreign key.
    pub(super) fn single(&self, side: Side<'_>, span: Span) -> Result<(Expr, DataType)> {
        match side {
            Side::Expr(expr, data_type) => Ok((expr, data_type)),
            Side::Record(alias, entity, relationship) => match relationship.local.as_slice() {
                [column] => {
                    let data_type = self.resolver.catalog().get(entity).columns[*column].data_type.clone();
                    Ok((Expr::Column(ColumnRef { alias, entity, column: *column }), data_type))
                }
                _ => Err(Error::invalid(format!("{} has a key of several columns", relationship.name)).at(span)),
            },
            Side::Literal(literal) => Err(one_value(literal.span)),
        }
    }

    /// What stands to the right of a test of a column of this type, as an expression.
    pub(super) fn operand(&mut self, right: &Right<'_>, data_type: &DataType) -> Result<Expr> {
        match &right.kind {
            RightKind::Literal(literal) => self.value(literal, data_type),
            RightKind::Column(column) => {
                comparable(data_type, column)?;
                Ok(column.expr.clone())
            }
        }
    }
}

/// A path's names with dots between.
pub(super) fn typed(path: &Path<'_>) -> String {
    let names: Vec<&str> = path.names.iter().map(|name| name.text.as_ref()).collect();
    names.join(".")
}

/// Refuses to compare with a column whose values are of another sort.
pub(super) fn comparable(data_type: &DataType, other: &Column) -> Result<()> {
    let (a, b) = (data_type.family(), other.data_type.family());
    if a == b || a == Family::Any || b == Family::Any {
        return Ok(());
    }
    let (one, two) = (data_type.name(), other.data_type.name());
    let error =
        Error::invalid(format!("a value of type {one} cannot be compared with one of type {two}")).at(other.span);
    Err(match &other.path {
        Some(path) if a == Family::Text => error.hint(bare::as_text(path)),
        _ => error,
    })
}
