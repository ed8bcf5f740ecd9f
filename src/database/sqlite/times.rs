//! Times compared as times, however a file spells them.
//!
//! A condition on a column of times finds every spelling: a range of days that holds them all, which an index serves, and
//! within it a function of ours that reads each value. To sort and to group, the column itself will do where all of it is
//! spelled one way; that is looked up once, and again when somebody else has written.

use super::spelling::Ends;
use crate::language::ast::{CompareOp, Function};
use crate::model::time::{Around, around, is_time, normal_value};
use crate::model::{Catalog, DataType, Value};
use crate::plan::query::{ColumnRef, Expr, Select};
use diesel::sqlite::SqliteConnection;
use std::borrow::Cow;

/// The function that gives every spelling of a time as one.
pub const TIME: &str = "diesel_shell_time";

/// The function that gives the day of a time.
const DAY: &str = "diesel_shell_day";

/// How many values of a list are looked up one by one; more are looked for between the least and the greatest.
const FEW: usize = 8;

mod functions {
    #[diesel::declare_sql_function]
    extern "SQL" {
        fn diesel_shell_time(
            value: diesel::sql_types::Nullable<diesel::sql_types::Binary>,
        ) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
        fn diesel_shell_day(
            value: diesel::sql_types::Nullable<diesel::sql_types::Binary>,
        ) -> diesel::sql_types::Nullable<diesel::sql_types::Text>;
    }
}

/// Gives a connection the functions.
///
/// # Errors
/// When SQLite refuses them.
pub fn register(connection: &mut SqliteConnection) -> diesel::QueryResult<()> {
    use crate::model::time::{normal, normal_day};
    functions::diesel_shell_time_utils::register_impl(connection, |value: Option<Vec<u8>>| read_by(normal, value))?;
    functions::diesel_shell_day_utils::register_impl(connection, |value: Option<Vec<u8>>| read_by(normal_day, value))
}

/// The text that SQLite makes of a value, read; what is no time stays as it is, and bytes that are no text are spelled.
fn read_by(read: fn(&str) -> Option<String>, value: Option<Vec<u8>>) -> Option<String> {
    let bytes = value?;
    Some(match String::from_utf8(bytes) {
        Ok(text) => read(&text).unwrap_or(text),
        Err(other) => Value::Bytes(other.into_bytes()).to_string(),
    })
}

/// The columns of times that a query has conditions on.
pub fn conditions(select: &Select, catalog: &Catalog) -> Vec<ColumnRef> {
    let mut found = Vec::new();
    if let Some(filter) = &select.filter {
        asked(filter, catalog, &mut found);
    }
    found
}

/// The columns of times in a condition.
fn asked(expr: &Expr, catalog: &Catalog, found: &mut Vec<ColumnRef>) {
    match expr {
        Expr::Column(_) => found.extend(column(expr, catalog)),
        Expr::Value(..) | Expr::Constant(_) | Expr::IsNull(_) => {}
        Expr::Compare(left, _, right) | Expr::Same(left, right) | Expr::Text(left, _, right) => {
            asked(left, catalog, found);
            asked(right, catalog, found);
        }
        Expr::In(value, _) | Expr::Between(value, ..) | Expr::Not(value) | Expr::Call(_, value) => {
            asked(value, catalog, found);
        }
        Expr::And(parts) | Expr::Or(parts) => parts.iter().for_each(|part| asked(part, catalog, found)),
        Expr::Exists(subquery) => asked(&subquery.filter, catalog, found),
        Expr::Scalar(_, of, subquery) => {
            if let Some(of) = of {
                asked(of, catalog, found);
            }
            asked(&subquery.filter, catalog, found);
        }
        Expr::Aggregate(_, of) => of.iter().for_each(|of| asked(of, catalog, found)),
    }
}

/// The columns whose one spelling decides how a query is sorted and grouped.
pub fn sorted(select: &Select, catalog: &Catalog) -> Vec<ColumnRef> {
    let mut found = Vec::new();
    let mut take = |expr: &Expr| {
        let of = match expr {
            Expr::Aggregate(Function::Min | Function::Max, Some(of)) | Expr::Scalar(_, Some(of), _) => of,
            other => other,
        };
        if let Some(column) = column(of, catalog) {
            found.push(column);
        }
    };
    select.order.iter().for_each(|order| take(&order.expr));
    select.group_by.iter().for_each(&mut take);
    for output in &select.columns {
        if select.distinct || !matches!(output.expr, Expr::Column(_)) {
            take(&output.expr);
        }
    }
    found
}

/// The column of times that an expression is.
fn column(expr: &Expr, catalog: &Catalog) -> Option<ColumnRef> {
    match expr {
        Expr::Column(column) => {
            is_time(&catalog.get(column.entity).columns[column.column].data_type).then_some(*column)
        }
        _ => None,
    }
}

/// The query with its times read; as it is where it has none.
pub fn read<'s>(
    select: &'s Select,
    catalog: &Catalog,
    uniform: &dyn Fn(ColumnRef) -> bool,
    ends: &Ends,
) -> Cow<'s, Select> {
    let times = Times { catalog, uniform, ends };
    let plain = |expr: &Expr| {
        let mut found = Vec::new();
        asked(expr, catalog, &mut found);
        found.is_empty()
    };
    if select.filter.as_ref().is_none_or(plain)
        && select.order.iter().all(|order| plain(&order.expr))
        && select.group_by.iter().all(plain)
        && select.columns.iter().all(|output| !select.distinct && plain_output(&output.expr, &plain))
    {
        return Cow::Borrowed(select);
    }
    let mut read = select.clone();
    if let Some(filter) = &mut read.filter {
        times.condition(filter);
    }
    for order in &mut read.order {
        times.sorted(&mut order.expr);
    }
    if read.distinct {
        // Different as times, shown as one of them is spelled.
        let mut keys: Vec<Expr> = read.columns.iter().map(|output| output.expr.clone()).collect();
        for key in &mut keys {
            times.sorted(key);
        }
        if keys.iter().zip(&read.columns).any(|(key, output)| *key != output.expr) {
            (read.distinct, read.group_by) = (false, keys);
        }
    } else {
        read.group_by.iter_mut().for_each(|key| times.sorted(key));
        for output in &mut read.columns {
            if !matches!(output.expr, Expr::Column(_)) {
                times.sorted(&mut output.expr);
            }
        }
    }
    Cow::Owned(read)
}

fn plain_output(expr: &Expr, plain: &dyn Fn(&Expr) -> bool) -> bool {
    matches!(expr, Expr::Column(_)) || plain(expr)
}

struct Times<'a> {
    catalog: &'a Catalog,
    uniform: &'a dyn Fn(ColumnRef) -> bool,
    ends: &'a Ends,
}

impl Times<'_> {
    /// The type of an expression that is a time.
    fn time_type(&self, expr: &Expr) -> Option<DataType> {
        let of = match expr {
            Expr::Scalar(Function::Min | Function::Max, Some(of), _)
            | Expr::Aggregate(Function::Min | Function::Max, Some(of)) => of,
            other => other,
        };
        let column = column(of, self.catalog)?;
        Some(self.catalog.get(column.entity).columns[column.column].data_type.clone())
    }

    /// An expression to sort and to group by.
    fn sorted(&self, expr: &mut Expr) {
        match expr {
            Expr::Aggregate(Function::Min | Function::Max, Some(of)) => self.sorted(of),
            Expr::Scalar(function, of, subquery) => {
                self.condition(&mut subquery.filter);
                if let (Function::Min | Function::Max, Some(of)) = (function, of) {
                    self.sorted(of);
                }
            }
            other => {
                if column(other, self.catalog).is_some_and(|column| !(self.uniform)(column)) {
                    call(TIME, other);
                }
            }
        }
    }

    fn condition(&self, expr: &mut Expr) {
        match expr {
            Expr::Compare(left, op, right) => {
                if let (None, Some(_)) = (self.time_type(left), self.time_type(right)) {
                    // What turns round is only how it is read, not what it says.
                    let (mut turned_left, mut turned_right) = (right.clone(), left.clone());
                    if let Some(read) = self.compared(&mut turned_left, turned(*op), &mut turned_right) {
                        *expr = read;
                        return;
                    }
                } else if let Some(read) = self.compared(left, *op, right) {
                    *expr = read;
                    return;
                }
                self.inner(left);
                self.inner(right);
            }
            Expr::Same(left, right) => {
                let found = self.time_type(left).or_else(|| self.time_type(right));
                if let Some(data_type) = found {
                    for side in [left, right] {
                        self.side(side, &data_type);
                    }
                }
            }
            Expr::In(value, items) => {
                let Some(data_type) = self.time_type(value) else { return self.inner(value) };
                let read: Option<Vec<Value>> = items
                    .iter()
                    .map(|item| match item {
                        Expr::Value(value, _) => normal_value(value, &data_type),
                        _ => None,
                    })
                    .collect();
                let range = read.as_ref().and_then(|values| self.ranges(value, values));
                if let Some(read) = read {
                    *items = read.into_iter().map(|value| Expr::Value(value, DataType::Text(None))).collect();
                }
                self.inner(value);
                call(function(&data_type), value);
                if let Some(range) = range {
                    *expr = Expr::And(vec![range, expr.clone()]);
                }
            }
            Expr::Between(value, low, high) => {
                let Some(data_type) = self.time_type(value) else { return self.inner(value) };
                let bounds = [&*low, &*high].map(|bound| Self::bound(bound, &data_type));
                let range = match &bounds {
                    [Some(low), Some(high)] => {
                        around(Some(low), Some(high)).and_then(|around| self.within(value, &around))
                    }
                    _ => None,
                };
                for bound in [low, high] {
                    self.side(bound, &data_type);
                }
                self.inner(value);
                call(function(&data_type), value);
                if let Some(range) = range {
                    *expr = Expr::And(vec![range, expr.clone()]);
                }
            }
            Expr::And(parts) | Expr::Or(parts) => parts.iter_mut().for_each(|part| self.condition(part)),
            Expr::Not(inner) => self.condition(inner),
            Expr::Exists(subquery) => self.condition(&mut subquery.filter),
            other => self.inner(other),
        }
    }

    /// Conditions within an operand.
    fn inner(&self, expr: &mut Expr) {
        if let Expr::Scalar(_, of, subquery) = expr {
            self.condition(&mut subquery.filter);
            if let Some(of) = of.as_mut().filter(|of| column(of, self.catalog).is_some()) {
                call(TIME, of);
            }
        }
    }

    /// The text that a bound has in the one spelling.
    fn bound(expr: &Expr, data_type: &DataType) -> Option<String> {
        match expr {
            Expr::Value(value, _) => {
                normal_value(value, data_type).and_then(|value| value.as_text().map(str::to_owned))
            }
            _ => None,
        }
    }

    /// One side of a comparison in the one spelling.
    fn side(&self, expr: &mut Expr, data_type: &DataType) {
        if let Expr::Value(value, known) = expr {
            if let Some(read) = normal_value(value, data_type) {
                (*value, *known) = (read, DataType::Text(None));
            }
            return;
        }
        self.inner(expr);
        call(function(data_type), expr);
    }

    /// `column op value`, read; none where neither is a time.
    fn compared(&self, left: &mut Expr, op: CompareOp, right: &mut Expr) -> Option<Expr> {
        let data_type = self.time_type(left)?;
        let range = Self::bound(right, &data_type).and_then(|value| {
            let value = Some(value.as_str());
            let around = match op {
                CompareOp::Eq => around(value, value),
                CompareOp::Gt | CompareOp::Ge => around(value, None),
                CompareOp::Lt | CompareOp::Le => around(None, value),
                CompareOp::Ne => None,
            };
            self.within(left, &around?)
        });
        // Two columns of times meet as times, unless both are days.
        let data_type = match self.time_type(right) {
            Some(other) if other != data_type => DataType::Timestamp,
            _ => data_type,
        };
        self.side(left, &data_type);
        self.side(right, &data_type);
        let compared = Expr::Compare(Box::new(left.clone()), op, Box::new(right.clone()));
        Some(match range {
            Some(range) => Expr::And(vec![range, compared]),
            None => compared,
        })
    }

    /// Where a column's values may stand, for an index to go there; none where there is no index.
    fn within(&self, expr: &Expr, around: &Around) -> Option<Expr> {
        let column = column(expr, self.catalog)?;
        let entity = self.catalog.get(column.entity);
        let indexes = entity.indexes.iter().map(|index| &index.columns).chain([&entity.key]);
        if !indexes.into_iter().any(|columns| columns.contains(&column.column)) {
            return None;
        }
        let text = |op, text: &str| {
            let value = Expr::Value(Value::Text(text.to_owned()), DataType::Text(None));
            Expr::Compare(Box::new(expr.clone()), op, Box::new(value))
        };
        let (least, greatest) = self
            .ends
            .get(&(column.entity, column.column))
            .map_or((f64::NEG_INFINITY, f64::INFINITY), |(least, greatest)| (number(least), number(greatest)));
        let mut parts = Vec::new();
        // Every text is greater than every number.
        if greatest == f64::INFINITY {
            let from = text(CompareOp::Ge, around.from.as_deref().unwrap_or(""));
            let to = around.to.as_deref().map(|to| text(CompareOp::Lt, to));
            parts.push(Expr::And(std::iter::once(from).chain(to).collect()));
        }
        let bound = |number: f64| Box::new(Expr::Value(Value::Float(number), DataType::Float));
        for (from, to) in around.numbers.iter().filter(|(from, to)| *to >= least && *from <= greatest) {
            parts.push(Expr::Between(Box::new(expr.clone()), bound(*from), bound(*to)));
        }
        Some(if parts.len() == 1 { parts.remove(0) } else { Expr::Or(parts) })
    }

    /// [`Times::within`] for any of several values.
    fn ranges(&self, column: &Expr, values: &[Value]) -> Option<Expr> {
        let mut texts: Vec<&str> = values.iter().map(Value::as_text).collect::<Option<_>>()?;
        texts.sort_unstable();
        if texts.len() > FEW {
            return self.within(column, &around(texts.first().copied(), texts.last().copied())?);
        }
        let each: Option<Vec<Expr>> =
            texts.into_iter().map(|text| self.within(column, &around(Some(text), Some(text))?)).collect();
        let flat = each?.into_iter().flat_map(|part| match part {
            Expr::Or(parts) => parts,
            other => vec![other],
        });
        Some(Expr::Or(flat.collect()))
    }
}

/// A number, and infinity for every text.
fn number(value: &Value) -> f64 {
    match value {
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        _ => f64::INFINITY,
    }
}

const fn function(data_type: &DataType) -> &'static str {
    if matches!(data_type, DataType::Date) { DAY } else { TIME }
}

const fn turned(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Le => CompareOp::Ge,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Ge => CompareOp::Le,
        same => same,
    }
}

fn call(function: &'static str, expr: &mut Expr) {
    let inner = std::mem::replace(expr, Expr::Constant(true));
    *expr = Expr::Call(function, Box::new(inner));
}
