//! `count`, `sum`, `avg`, `min`, `max` with `by`, and `distinct`.

use super::condition::Conditions;
use super::masks;
use super::order::behind;
use super::query::{Expr, Order, Output, Select};
use super::read::{columns, conjunction, order, source};
use super::resolve::Resolver;
use super::scope::Aliases;
use crate::language::ast::{Aggregate, Distinct, Function};
use crate::model::DataType;
use crate::outcome::{Header, HeaderColumn};
use crate::{Error, Result};

/// Resolves `count`, `sum`, `avg`, `min` or `max`.
///
/// # Errors
/// Unknown names, or a function that the field's type does not have.
pub fn aggregate(command: &Aggregate<'_>, resolver: &mut dyn Resolver) -> Result<(Select, Header)> {
    let mut aliases = Aliases::default();
    let (mut scope, mut filter, _) = source(&command.source, resolver, &mut aliases)?;
    if let Some(condition) = &command.filter {
        filter.push(Conditions { resolver, aliases: &mut aliases }.resolve(condition, &mut scope)?);
    }
    let catalog = resolver.catalog();
    let name = command.function.name();
    let (of, data_type) = match &command.field {
        None => (None, DataType::Int(64)),
        Some(path) => {
            let column = scope.column(path, catalog, &mut aliases)?;
            masks::open_at(catalog, column, path.span())?;
            let known = &catalog.get(column.entity).columns[column.column];
            let adds = matches!(command.function, Function::Sum | Function::Avg);
            if adds && !known.data_type.is_number() && known.data_type != DataType::Any {
                return Err(Error::invalid(format!(
                    "{name} needs a number; {} is {}",
                    known.name,
                    known.data_type.name()
                ))
                .at(path.span()));
            }
            let data_type = match command.function {
                Function::Avg => DataType::Float,
                Function::Count => DataType::Int(64),
                Function::Sum | Function::Min | Function::Max => known.data_type.clone(),
            };
            (Some(Box::new(Expr::Column(column))), data_type)
        }
    };
    let mut outputs =
        masks::open_columns(catalog, &command.by, columns(&command.by, &mut scope, catalog, &mut aliases)?)?;
    let group_by: Vec<Expr> = outputs.iter().map(|output| output.expr.clone()).collect();
    let value = Expr::Aggregate(command.function, of);
    outputs
        .push(Output { expr: value.clone(), column: HeaderColumn { name: name.to_owned(), data_type, masked: false } });
    let mut keys = Vec::with_capacity(command.order.len());
    for key in &command.order {
        // `order by count` means the number itself.
        match key.path.names.as_slice() {
            [only] if only.text.eq_ignore_ascii_case(name) => {
                keys.push(Order { expr: value.clone(), descending: key.descending, nulls_first: key.nulls_first });
            }
            _ => {
                let found = order(std::slice::from_ref(key), &mut scope, catalog, &mut aliases)?;
                if !found.iter().all(|order| group_by.contains(&order.expr)) {
                    return Err(Error::invalid(format!("order by {name}, or by one of the fields after `by`"))
                        .at(key.path.span()));
                }
                keys.extend(found);
            }
        }
    }
    let ascending = |expr: &Expr| Order { expr: expr.clone(), descending: false, nulls_first: None };
    behind(&mut keys, group_by.iter().map(ascending));
    let select = Select {
        from: scope.from,
        columns: outputs,
        filter: conjunction(filter),
        group_by,
        distinct: false,
        order: keys,
        limit: command.limit,
        offset: command.offset,
    };
    let noun = (!command.by.is_empty()).then(|| ("group".into(), "groups".into()));
    let header = Header { noun, single: command.by.is_empty(), ..select.header() };
    Ok((select, header))
}

/// Resolves `distinct`.
///
/// # Errors
/// Unknown names; an order by a field that is not among the distinct ones.
pub fn distinct(command: &Distinct<'_>, resolver: &mut dyn Resolver) -> Result<(Select, Header)> {
    let mut aliases = Aliases::default();
    let (mut scope, mut filter, _) = source(&command.source, resolver, &mut aliases)?;
    if let Some(condition) = &command.filter {
        filter.push(Conditions { resolver, aliases: &mut aliases }.resolve(condition, &mut scope)?);
    }
    let catalog = resolver.catalog();
    let outputs =
        masks::open_columns(catalog, &command.fields, columns(&command.fields, &mut scope, catalog, &mut aliases)?)?;
    let mut keys = order(&command.order, &mut scope, catalog, &mut aliases)?;
    if let Some(at) = keys.iter().position(|key| !outputs.iter().any(|output| output.expr == key.expr)) {
        return Err(Error::invalid("order by one of the distinct fields").at(command.order[at].path.span()));
    }
    let ascending = |output: &Output| Order { expr: output.expr.clone(), descending: false, nulls_first: None };
    behind(&mut keys, outputs.iter().map(ascending));
    let select = Select {
        from: scope.from,
        columns: outputs,
        filter: conjunction(filter),
        group_by: Vec::new(),
        distinct: true,
        order: keys,
        limit: command.limit,
        offset: command.offset,
    };
    let header = Header { noun: Some(("value".into(), "values".into())), ..select.header() };
    Ok((select, header))
}
