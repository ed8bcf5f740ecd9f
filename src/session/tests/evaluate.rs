//! Queries answered row by row, as plainly as can be: every combination of the tables' rows is tried.

use crate::language::ast::{CompareOp, Function, TextOp};
use crate::model::{Catalog, EntityId, Value};
use crate::plan::query::{Alias, Expr, From, Select, Subquery};
use std::cmp::Ordering;

/// The rows of a table as the query is to see it.
pub type Rows<'r> = dyn Fn(EntityId) -> Vec<Vec<Value>> + 'r;

/// One row of each table that is named so far.
type Scope = Vec<(Alias, Vec<Value>)>;

/// The rows that a query gives.
pub fn select(select: &Select, rows: &Rows<'_>, catalog: &Catalog) -> Vec<Vec<Value>> {
    let query = Query { rows, catalog };
    let mut found: Vec<Scope> = query.scopes(&select.from, &Scope::new());
    found.retain(|scope| select.filter.as_ref().is_none_or(|filter| query.holds(filter, scope)));
    let aggregates = !select.group_by.is_empty() || select.columns.iter().any(|output| aggregates(&output.expr));
    let groups: Vec<Vec<Scope>> = if aggregates {
        let mut groups: Vec<(Vec<Value>, Vec<Scope>)> = Vec::new();
        if select.group_by.is_empty() {
            groups.push((Vec::new(), Vec::new()));
        }
        for scope in found {
            let by: Vec<Value> =
                select.group_by.iter().map(|expr| query.value(expr, std::slice::from_ref(&scope))).collect();
            match groups.iter_mut().find(|(known, _)| *known == by) {
                Some((_, group)) => group.push(scope),
                None => groups.push((by, vec![scope])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    } else {
        found.into_iter().map(|scope| vec![scope]).collect()
    };
    let mut lines: Vec<(Vec<Value>, Vec<Value>)> = groups
        .iter()
        .map(|group| {
            let order = select.order.iter().map(|order| query.value(&order.expr, group)).collect();
            (order, select.columns.iter().map(|output| query.value(&output.expr, group)).collect())
        })
        .collect();
    lines.sort_by(|(one, _), (two, _)| {
        let each = one.iter().zip(two).zip(&select.order).map(|((one, two), order)| {
            let nulls = one.is_null().cmp(&two.is_null());
            if nulls != Ordering::Equal {
                let first = order.nulls_first.unwrap_or(!order.descending);
                return if first { nulls.reverse() } else { nulls };
            }
            let way = compare(one, two).unwrap_or(Ordering::Equal);
            if order.descending { way.reverse() } else { way }
        });
        each.into_iter().find(|way| *way != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
    let mut result: Vec<Vec<Value>> = lines.into_iter().map(|(_, line)| line).collect();
    if select.distinct {
        let mut known: Vec<Vec<Value>> = Vec::new();
        result.retain(|line| !known.contains(line) && (known.push(line.clone()), true).1);
    }
    let skipped = usize::try_from(select.offset.unwrap_or(0)).unwrap();
    let taken = usize::try_from(select.limit.unwrap_or(u64::from(u32::MAX))).unwrap();
    result.into_iter().skip(skipped).take(taken).collect()
}

fn aggregates(expr: &Expr) -> bool {
    let mut found = matches!(expr, Expr::Aggregate(..));
    expr.children(&mut |inner| found |= aggregates(inner));
    found
}

/// How two values that are there are ordered; none where one of them is NULL.
fn compare(one: &Value, two: &Value) -> Option<Ordering> {
    let number = |value: &Value| match value {
        Value::Bool(value) => Some(f64::from(u8::from(*value))),
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    };
    match (one, two) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Text(one), Value::Text(two)) => Some(one.cmp(two)),
        (Value::Bytes(one), Value::Bytes(two)) => Some(one.cmp(two)),
        (one, two) => number(one)?.partial_cmp(&number(two)?),
    }
}

fn function(function: Function, values: Vec<Value>) -> Value {
    let numbers = || {
        values.iter().map(|value| match value {
            Value::Int(number) => *number as f64,
            Value::Float(number) => *number,
            other => other.to_string().parse().unwrap_or_default(),
        })
    };
    match function {
        Function::Count => Value::Int(values.len() as i64),
        _ if values.is_empty() => Value::Null,
        Function::Sum if values.iter().all(|value| matches!(value, Value::Int(_))) => {
            Value::Int(values.iter().filter_map(Value::as_int).sum())
        }
        Function::Sum => Value::Float(numbers().sum()),
        Function::Avg => Value::Float(numbers().sum::<f64>() / values.len() as f64),
        Function::Min | Function::Max => {
            let mut values = values.clone();
            values.sort_by(|one, two| compare(one, two).unwrap_or(Ordering::Equal));
            if function == Function::Min { values.swap_remove(0) } else { values.pop().unwrap() }
        }
    }
}

struct Query<'q> {
    rows: &'q Rows<'q>,
    catalog: &'q Catalog,
}

impl Query<'_> {
    /// Every combination of the tables' rows.
    fn scopes(&self, from: &From, outer: &Scope) -> Vec<Scope> {
        let with = |scope: &Scope, alias, row| scope.iter().cloned().chain([(alias, row)]).collect::<Scope>();
        let mut scopes: Vec<Scope> =
            (self.rows)(from.entity).into_iter().map(|row| with(outer, from.alias, row)).collect();
        for join in &from.joins {
            let rows = (self.rows)(join.entity);
            scopes = scopes
                .iter()
                .flat_map(|scope| {
                    let meets = |row: &&Vec<Value>| {
                        let scope = with(scope, join.alias, (*row).clone());
                        join.on.iter().all(|(left, right)| {
                            let both = [left, right]
                                .map(|column| self.value(&Expr::Column(*column), std::slice::from_ref(&scope)));
                            compare(&both[0], &both[1]) == Some(Ordering::Equal)
                        })
                    };
                    let mut met: Vec<Vec<Value>> = rows.iter().filter(meets).cloned().collect();
                    if met.is_empty() {
                        met.push(vec![Value::Null; self.catalog.get(join.entity).columns.len()]);
                    }
                    met.into_iter().map(|row| with(scope, join.alias, row)).collect::<Vec<Scope>>()
                })
                .collect();
        }
        scopes
    }

    fn holds(&self, filter: &Expr, scope: &Scope) -> bool {
        self.truth(filter, std::slice::from_ref(scope)) == Some(true)
    }

    fn within(&self, subquery: &Subquery, scope: &Scope) -> Vec<Scope> {
        let mut found = self.scopes(&subquery.from, scope);
        found.retain(|scope| self.holds(&subquery.filter, scope));
        found
    }

    fn over(&self, which: Function, of: Option<&Expr>, scopes: &[Scope]) -> Value {
        let values = scopes.iter().map(|scope| match of {
            None => Value::Bool(true),
            Some(expr) => self.value(expr, std::slice::from_ref(scope)),
        });
        function(which, values.filter(|value| !value.is_null()).collect())
    }

    /// What an expression is for a group of rows; of one row alone where it is no aggregate.
    fn value(&self, expr: &Expr, group: &[Scope]) -> Value {
        match expr {
            Expr::Column(column) => {
                let known =
                    group.first().and_then(|scope| scope.iter().rev().find(|(alias, _)| *alias == column.alias));
                known.map_or(Value::Null, |(_, row)| row[column.column].clone())
            }
            Expr::Value(value, _) => value.clone(),
            Expr::Aggregate(which, of) => self.over(*which, of.as_deref(), group),
            Expr::Scalar(which, of, subquery) => self.over(*which, of.as_deref(), &self.within(subquery, &group[0])),
            Expr::Call(..) => panic!("no function of a backend is known here: {expr:?}"),
            _ => self.truth(expr, group).map_or(Value::Null, Value::Bool),
        }
    }

    /// Whether a condition holds; none where a NULL keeps that from being known.
    fn truth(&self, expr: &Expr, group: &[Scope]) -> Option<bool> {
        let value = |expr: &Expr| self.value(expr, group);
        match expr {
            Expr::Constant(truth) => Some(*truth),
            Expr::Compare(left, op, right) => {
                let way = compare(&value(left), &value(right))?;
                Some(match op {
                    CompareOp::Eq => way == Ordering::Equal,
                    CompareOp::Ne => way != Ordering::Equal,
                    CompareOp::Lt => way == Ordering::Less,
                    CompareOp::Le => way != Ordering::Greater,
                    CompareOp::Gt => way == Ordering::Greater,
                    CompareOp::Ge => way != Ordering::Less,
                })
            }
            Expr::Same(left, right) => {
                let (left, right) = (value(left), value(right));
                Some((left.is_null() && right.is_null()) || compare(&left, &right) == Some(Ordering::Equal))
            }
            Expr::Text(left, op, right) => match (value(left), value(right)) {
                (Value::Text(text), Value::Text(part)) => Some(match op {
                    TextOp::Contains => text.contains(&part),
                    TextOp::StartsWith => text.starts_with(&part),
                    TextOp::EndsWith => text.ends_with(&part),
                    TextOp::Like | TextOp::Ilike => panic!("no patterns are known here"),
                }),
                _ => None,
            },
            Expr::In(left, items) => {
                let left = value(left);
                any(items.iter().map(|item| Some(compare(&left, &value(item))? == Ordering::Equal)))
            }
            Expr::Between(inner, low, high) => {
                let inner = value(inner);
                all([
                    compare(&inner, &value(low)).map(|way| way != Ordering::Less),
                    compare(&inner, &value(high)).map(|way| way != Ordering::Greater),
                ])
            }
            Expr::IsNull(inner) => Some(value(inner).is_null()),
            Expr::And(parts) => all(parts.iter().map(|part| self.truth(part, group))),
            Expr::Or(parts) => any(parts.iter().map(|part| self.truth(part, group))),
            Expr::Not(inner) => self.truth(inner, group).map(|truth| !truth),
            Expr::Exists(subquery) => Some(!self.within(subquery, &group[0]).is_empty()),
            other => match value(other) {
                Value::Bool(truth) => Some(truth),
                Value::Null => None,
                value => panic!("{value:?} is no condition"),
            },
        }
    }
}

/// Whether all hold, as far as is known.
fn all(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    let mut known = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => known = None,
        }
    }
    known
}

/// Whether one holds, as far as is known.
fn any(parts: impl IntoIterator<Item = Option<bool>>) -> Option<bool> {
    all(parts.into_iter().map(|part| part.map(|truth| !truth))).map(|none| !none)
}
