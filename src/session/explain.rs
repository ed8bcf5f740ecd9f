//! What a refusal means: which row a new value collides with, which rows still refer to one that is to go, what someone
//! else changed meanwhile.

use super::Session;
use super::journal::Change;
use crate::language::ast::{CompareOp, Function};
use crate::language::quote::quote_shown;
use crate::model::{EntityId, Value};
use crate::outcome::HeaderColumn;
use crate::plan::named_by_key;
use crate::plan::query::{Alias, ColumnRef, Expr, From, Output, Select, Statement};
use crate::{Error, ErrorKind};

impl Session {
    /// A database's objection in the words of the models.
    pub(super) fn explained(&mut self, error: Error, change: &Change) -> Error {
        match error.kind {
            ErrorKind::Conflict => return self.conflict(change),
            ErrorKind::Constraint => {}
            _ => return error,
        }
        let mut better = self.collision(change).or_else(|| self.referred(change)).unwrap_or_else(|| error.clone());
        better.kind = ErrorKind::Constraint;
        if better.message != error.message {
            better.hints.push(format!("the database says: {}", error.message));
        }
        better
    }

    /// The row that already has a value that must be unique.
    fn collision(&mut self, change: &Change) -> Option<Error> {
        let entity = change.entity();
        let (columns, own): (Vec<(usize, Value)>, Option<Vec<Value>>) = match change {
            Change::Insert { columns, values, .. } => {
                (columns.iter().copied().zip(values.iter().cloned()).collect(), None)
            }
            Change::Update { set, key, .. } => (set.to_vec(), Some(key.clone())),
            Change::Delete { .. } => return None,
        };
        let model = self.catalog.get(entity).clone();
        let uniques = model
            .indexes
            .iter()
            .filter(|index| index.unique)
            .map(|index| index.columns.clone())
            .chain([model.key.clone()].into_iter().filter(|key| !key.is_empty()));
        for unique in uniques {
            let by: Option<Vec<(usize, Value)>> =
                unique.iter().map(|column| columns.iter().find(|(known, _)| known == column).cloned()).collect();
            let Some(by) = by.filter(|by| !by.iter().any(|(_, value)| value.is_null())) else { continue };
            let Some(row) = self.row(entity, &by) else { continue };
            let key: Vec<Value> = model.key.iter().map(|at| row[*at].clone()).collect();
            if own.as_ref() == Some(&key) {
                continue;
            }
            let what: Vec<String> = by
                .iter()
                .map(|(at, value)| format!("{} {}", model.columns[*at].name, quote_shown(&model.columns[*at], value)))
                .collect();
            let name = named_by_key(&model, &key);
            return Some(Error::new(
                ErrorKind::Constraint,
                format!("{} is taken by {name} {}", what.join(", "), model.repr(&row)),
            ));
        }
        None
    }

    /// The rows that refer to one that is to be deleted.
    fn referred(&mut self, change: &Change) -> Option<Error> {
        let Change::Delete { entity, key, base } = change else { return None };
        let model = self.catalog.get(*entity).clone();
        let value = |column: usize| {
            let at = model.key.iter().position(|known| *known == column);
            at.map(|at| key[at].clone())
                .or_else(|| base.iter().find(|(known, _)| *known == column).map(|(_, value)| value.clone()))
        };
        let referring: Vec<_> = self
            .catalog
            .iter()
            .flat_map(|(id, other)| other.foreign_keys.iter().map(move |key| (id, key.clone())))
            .filter(|(_, key)| key.to == *entity)
            .collect();
        let mut blocked = Vec::new();
        let mut with = Vec::new();
        for (id, foreign) in referring {
            let by: Option<Vec<(usize, Value)>> =
                foreign.columns.iter().zip(&foreign.to_columns).map(|(own, to)| Some((*own, value(*to)?))).collect();
            let count = by.map_or(0, |by| self.count(id, &by));
            if count > 0 {
                let other = self.catalog.get(id);
                blocked.push(format!("{count} {}", if count == 1 { &other.name } else { &other.plural }));
                let name = model
                    .relationships
                    .iter()
                    .find(|relationship| relationship.to == id && relationship.remote == foreign.columns);
                with.extend(name.map(|relationship| relationship.name.clone()));
            }
        }
        if blocked.is_empty() {
            return None;
        }
        let name = named_by_key(&model, key);
        let error =
            Error::new(ErrorKind::Constraint, format!("{name} is still referred to by {}", blocked.join(" and ")));
        Some(if with.is_empty() {
            error
        } else {
            error.hint(format!("delete them too: `delete {name} with {}`", with.join(", ")))
        })
    }

    /// The row that a change was about is not as it was read.
    fn conflict(&mut self, change: &Change) -> Error {
        let (entity, key, base, set) = match change {
            Change::Update { entity, key, base, set } => (*entity, key, base, &**set),
            Change::Delete { entity, key, base } => (*entity, key, base, [].as_slice()),
            Change::Insert { .. } => return Error::new(ErrorKind::Database, "the database inserted nothing"),
        };
        let model = self.catalog.get(entity).clone();
        let by: Vec<(usize, Value)> = model.key.iter().copied().zip(key.iter().cloned()).collect();
        let name = named_by_key(&model, key);
        let Some(theirs) = self.row(entity, &by) else {
            return Error::new(ErrorKind::Conflict, format!("{name} was deleted by someone else since it was read"));
        };
        let mut error =
            Error::new(ErrorKind::Conflict, format!("{name} was changed by someone else since it was read"));
        for (column, old) in base.iter().filter(|(column, old)| theirs[*column] != *old) {
            let known = &model.columns[*column];
            let mut line = format!(
                "{}: was {}, is now {}",
                known.name,
                quote_shown(known, old),
                quote_shown(known, &theirs[*column])
            );
            if let Some((_, yours)) = set.iter().find(|(changed, _)| changed == column) {
                line.push_str(&format!(", yours is {}", quote_shown(known, yours)));
            }
            error = error.hint(line);
        }
        error
    }

    /// The row with these values, in the transaction that is open.
    pub(super) fn row(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Option<Vec<Value>> {
        let mut found = None;
        let select = by_values(&self.catalog, entity, by, false);
        let asked = self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
            found = Some(cells.iter().map(|cell| cell.to_value()).collect());
            Ok(false)
        });
        asked.ok().and(found)
    }

    fn count(&mut self, entity: EntityId, by: &[(usize, Value)]) -> i64 {
        let mut count = 0;
        let select = by_values(&self.catalog, entity, by, true);
        let asked = self.store.query(&self.catalog, &Statement::Select(&select), &mut |cells| {
            if let crate::model::Cell::Int(number) = cells[0] {
                count = number;
            }
            Ok(false)
        });
        if asked.is_ok() { count } else { 0 }
    }
}

/// All columns, or the number, of the rows in which these columns have these values.
#[must_use]
pub fn by_values(catalog: &crate::model::Catalog, entity: EntityId, by: &[(usize, Value)], count: bool) -> Select {
    let alias = Alias(0);
    let model = catalog.get(entity);
    let mut select = if count {
        let column = HeaderColumn { name: "count".into(), data_type: crate::model::DataType::Int(64), masked: false };
        let number = Output { expr: Expr::Aggregate(Function::Count, None), column };
        Select::new(From { entity, alias, joins: Vec::new() }, vec![number])
    } else {
        Select::all(entity, catalog)
    };
    let filter = by
        .iter()
        .map(|(column, value)| {
            Expr::Compare(
                Box::new(Expr::Column(ColumnRef { alias, entity, column: *column })),
                CompareOp::Eq,
                Box::new(Expr::Value(value.clone(), model.columns[*column].data_type.clone())),
            )
        })
        .collect();
    select.filter = Some(Expr::And(filter));
    select
}
