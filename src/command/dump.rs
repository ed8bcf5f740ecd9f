//! `.dump`: every row as commands that read back, or as SQL.

use super::export::parents_first;
use super::{Context, Front, mask};
use crate::Result;
use crate::language::ast::Name;
use crate::language::quote::{quote_name, quote_value};
use crate::model::definition::Dialect;
use crate::model::{Catalog, Column, Entity, EntityId, Value};
use crate::outcome::Level;
use crate::plan::query::{Order, Select};
use crate::store::literal::Literal;
use crate::text::sql::quote_name as quoted;
use std::sync::Arc;

/// `.dump [MODEL] [--sql]`
pub fn dump(arguments: &[Name<'_>], context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let sql = arguments.iter().any(|argument| argument.text == "--sql");
    let catalog = Arc::clone(context.session.catalog());
    let mut wanted = Vec::new();
    for name in arguments.iter().filter(|argument| argument.text != "--sql") {
        wanted.push(catalog.resolve(&name.text).map_err(|e| e.at(name.span))?);
    }
    let order = parents_first(&catalog, &wanted);
    mask::unlocked(".dump", context)?;
    mask::warn(&order, &catalog, front)?;
    let literal = context.session.store().facts().literal;
    let dialect = context.session.dialect();
    let mut dump = Dump { sql, dialect, literal, exact: false, later: Vec::new(), line: String::new() };
    let bound = bound(&order, &catalog);
    if sql {
        front.data("BEGIN;")?;
        if !bound.is_empty() {
            front.data(match dump.dialect {
                Dialect::Sqlite => "PRAGMA defer_foreign_keys = ON;",
                Dialect::Postgres => "SET CONSTRAINTS ALL DEFERRED;",
            })?;
        }
    } else if !bound.is_empty() {
        let text =
            format!("rows of {} cannot be there before what they refer to, and refer in a circle", bound.join(", "));
        front.notice(Level::Warning, &format!("{text}: `.dump --sql` checks them at the end"))?;
    }
    for (position, id) in order.iter().copied().enumerate() {
        dump.table(id, &order[..position], context, &catalog, front)?;
    }
    // References to rows that came later, or to rows of the same table.
    for line in &dump.later {
        front.data(line)?;
    }
    let numbering = context.session.reading(|store, catalog| store.numbering(catalog, &order))?;
    if sql {
        for statement in numbering {
            front.data(&format!("{statement};"))?;
        }
        return front.data("COMMIT;");
    }
    if dump.exact {
        front.data(".set exact off")?;
    }
    front.data("commit")?;
    for statement in &numbering {
        front.data(&format!(".sql {statement};"))?;
    }
    if numbering.is_empty() { Ok(()) } else { front.data("commit") }
}

/// Tables with a foreign key that cannot be NULL to a table whose rows come later.
fn bound<'c>(order: &[EntityId], catalog: &'c Catalog) -> Vec<&'c str> {
    let is_bound = |(position, id): (usize, &EntityId)| {
        let model = catalog.get(*id);
        model.foreign_keys.iter().any(|key| {
            let later = order[position + 1..].contains(&key.to);
            later && key.columns.iter().all(|at| !model.columns[*at].nullable || model.key.contains(at))
        })
    };
    let bound = order.iter().enumerate().filter(|each| is_bound(*each));
    bound.map(|(_, id)| catalog.get(*id).plural.as_str()).collect()
}

struct Dump {
    sql: bool,
    dialect: Dialect,
    literal: Literal,
    /// From here on values are read as they are spelled, not as their columns would have them.
    exact: bool,
    /// What is written when all rows are there.
    later: Vec<String>,
    line: String,
}

impl Dump {
    fn table(
        &mut self,
        id: EntityId,
        done: &[EntityId],
        context: &mut Context,
        catalog: &Catalog,
        front: &mut dyn Front,
    ) -> Result<()> {
        let model = catalog.get(id);
        // Columns whose rows may not be there yet are set when all are.
        let late: Vec<usize> = model
            .foreign_keys
            .iter()
            .filter(|key| !done.contains(&key.to) && !model.key.is_empty())
            .flat_map(|key| key.columns.clone())
            .filter(|at| model.columns[*at].nullable && !model.key.contains(at))
            .collect();
        let mut select = Select::all(id, catalog);
        let by_key =
            |column: &usize| Order { expr: select.columns[*column].expr.clone(), descending: false, nulls_first: None };
        select.order = model.key.iter().map(by_key).collect();
        context.session.query(&select, &mut |cells| {
            let values: Vec<Value> = cells.iter().map(|cell| cell.to_value()).collect();
            if !(self.sql || self.exact) && self.dialect == Dialect::Sqlite && !reads_back(model, &values) {
                self.exact = true;
                front.data(".set exact on")?;
            }
            self.line.clear();
            if self.sql {
                self.insert(model, &values, &late);
            } else {
                self.add(model, &values, &late);
            }
            front.data(&self.line)?;
            let set: Vec<usize> = late.iter().copied().filter(|at| !values[*at].is_null()).collect();
            if !set.is_empty() {
                let line =
                    if self.sql { self.update(model, &values, &set) } else { self.set_line(model, &values, &set) };
                self.later.push(line);
            }
            Ok(true)
        })
    }

    fn add(&mut self, model: &Entity, values: &[Value], late: &[usize]) {
        self.line.push_str("add ");
        self.line.push_str(&model_name(model));
        for (at, column) in model.columns.iter().enumerate() {
            // NULL is said where leaving it out would mean a default.
            let silent = values[at].is_null() && column.default.is_none();
            if column.generated || silent || late.contains(&at) {
                continue;
            }
            self.line.push(' ');
            self.line.push_str(&quote_name(&column.name));
            self.line.push('=');
            self.line.push_str(&self.spelled(&values[at]));
        }
    }

    fn insert(&mut self, model: &Entity, values: &[Value], late: &[usize]) {
        let columns: Vec<usize> =
            (0..model.columns.len()).filter(|at| !model.columns[*at].generated && !late.contains(at)).collect();
        let names: Vec<String> = columns.iter().map(|at| quoted(&model.columns[*at].name)).collect();
        let literals: Vec<String> = columns.iter().map(|at| self.literal(&values[*at])).collect();
        let overriding =
            if columns.iter().any(|at| model.columns[*at].always) { " OVERRIDING SYSTEM VALUE" } else { "" };
        self.line.push_str(&format!(
            "INSERT INTO {} ({}){overriding} VALUES ({});",
            table(model),
            names.join(", "),
            literals.join(", ")
        ));
    }

    fn update(&self, model: &Entity, values: &[Value], set: &[usize]) -> String {
        let pair = |at: &usize| format!("{} = {}", quoted(&model.columns[*at].name), self.literal(&values[*at]));
        let sets: Vec<String> = set.iter().map(pair).collect();
        let keys: Vec<String> = model.key.iter().map(pair).collect();
        format!("UPDATE {} SET {} WHERE {};", table(model), sets.join(", "), keys.join(" AND "))
    }

    fn literal(&self, value: &Value) -> String {
        (self.literal)(value.as_cell())
    }

    fn set_line(&self, model: &Entity, values: &[Value], set: &[usize]) -> String {
        let parts: Vec<String> = set
            .iter()
            .map(|at| format!("{}={}", quote_name(&model.columns[*at].name), self.spelled(&values[*at])))
            .collect();
        let conditions: Vec<String> = model
            .key
            .iter()
            .map(|at| format!("{} = {}", quote_name(&model.columns[*at].name), self.spelled(&values[*at])))
            .collect();
        format!("set {} where {} {}", model_name(model), conditions.join(" and "), parts.join(" "))
    }

    /// A value as a literal of the language. SQLite's infinity is a number that has no other name.
    fn spelled(&self, value: &Value) -> String {
        match value {
            Value::Float(number) if number.is_infinite() && self.dialect == Dialect::Sqlite => {
                if *number > 0.0 { "9e999" } else { "-9e999" }.into()
            }
            other => quote_value(other),
        }
    }
}

/// Whether the columns of a row take its values for what they are.
fn reads_back(model: &Entity, values: &[Value]) -> bool {
    let same = |(column, value): (&Column, &Value)| {
        column.generated || value.is_null() || column.check(value.clone()).is_ok_and(|fitted| fitted == *value)
    };
    model.columns.iter().zip(values).all(same)
}

fn model_name(model: &Entity) -> String {
    match &model.schema {
        Some(schema) => format!("{}.{}", quote_name(schema), quote_name(&model.table)),
        None => quote_name(&model.name),
    }
}

fn table(model: &Entity) -> String {
    let schema = model.schema.as_ref().map_or_else(String::new, |schema| quoted(schema) + ".");
    format!("{schema}{}", quoted(&model.table))
}
