//! `.export`, `.dump`, `.copy`, `.watch`.

use super::{Context, Flow, Front, Origin, dispatch, mask, target};
use crate::language::ast::{Command, Name};
use crate::language::quote::{quote_name, quote_value};
use crate::language::{self};
use crate::model::{Catalog, Entity, EntityId, EntityKind, Value};
use crate::outcome::Level;
use crate::plan::query::Select;
use crate::text::Span;
use crate::{Error, Result, files};
use std::path::Path;
use std::sync::Arc;

/// Runs a reading command that stands within another.
fn inner(text: &str, offset: usize, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let shift = |error: Error| error.moved(offset);
    let command = language::parse(text, &catalog).map_err(shift)?;
    if !matches!(command, Command::Query(_) | Command::Attribute(..) | Command::Aggregate(_) | Command::Distinct(_)) {
        return Err(Error::invalid("a command that reads is needed here").at(Span::new(offset, offset + text.len())));
    }
    dispatch(&command, origin, context, front).map(drop).map_err(shift)
}

/// `.export FILE QUERY`
pub fn export(rest: &Name<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let usage =
        || Error::invalid(".export needs a file and a query").at(rest.span).hint(".export users.csv list users");
    let text = rest.text.as_ref();
    let (file, query) = match text.strip_prefix('\'') {
        Some(quoted) => quoted.split_once('\'').ok_or_else(usage)?,
        None => text.split_once(char::is_whitespace).ok_or_else(usage)?,
    };
    let query = query.trim_start();
    let path = Path::new(file);
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    let mode = match ending.as_str() {
        "csv" => "csv",
        "tsv" | "tab" => "tsv",
        "json" => "json",
        "jsonl" | "ndjson" => "jsonl",
        "md" => "markdown",
        "txt" => "table",
        _ => {
            return Err(Error::invalid(format!("the name {file} does not say how to write it"))
                .at(rest.span)
                .hint("it ends in .csv, .tsv, .json, .jsonl, .md or .txt"));
        }
    };
    let before = front.settings().into_iter().find(|(name, _)| *name == "mode").map(|(_, mode)| mode);
    target::spares_database(path, context).map_err(|e| e.at(rest.span))?;
    // Beside the file, which takes its place when all is written: a query that fails leaves what was there before.
    let plain = std::fs::symlink_metadata(path).map_or(true, |known| known.is_file());
    let failed = |cause: std::io::Error| target::failed(path, &cause).at(rest.span);
    let new = if plain { Some(files::Replacement::of(path).map_err(failed)?) } else { None };
    let to = match &new {
        Some(new) => new.handle().map_err(failed)?,
        None => target::open(path, context).map_err(|e| e.at(rest.span))?,
    };
    front.redirect(Some(to))?;
    front.set("mode", mode)?;
    let offset = rest.span.end - query.len();
    let done = inner(query, offset, origin, context, front);
    front.set("mode", before.as_deref().unwrap_or("auto"))?;
    let done = done.and(front.redirect(None));
    if done.is_err() {
        // Also where the error was that the rest could not be written.
        let _ = front.redirect(None);
    }
    match new {
        Some(new) => done.and_then(|()| new.take_place().map(drop).map_err(failed)),
        None => done,
    }
}

/// `.copy [QUERY]`
pub fn copy(rest: &Name<'_>, origin: Origin<'_>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let text = if rest.text.is_empty() { "$_" } else { rest.text.as_ref() };
    let mode =
        front.settings().into_iter().find(|(name, _)| *name == "mode").map_or_else(String::new, |(_, mode)| mode);
    front.collect(if mode == "auto" { "tsv" } else { &mode })?;
    let done = inner(text, rest.span.start, origin, context, front);
    let collected = front.collected()?;
    done?;
    front.clipboard(&collected)?;
    front.notice(Level::Info, &format!("{} bytes are in the clipboard", collected.len()))
}

/// `.watch SECONDS COMMAND`
pub fn watch(rest: &Name<'_>) -> Result<Flow> {
    let usage =
        || Error::invalid(".watch needs a number of seconds and a command").at(rest.span).hint(".watch 2 count users");
    let (seconds, command) = rest.text.split_once(char::is_whitespace).ok_or_else(usage)?;
    let seconds: f64 = seconds.parse().map_err(|_| usage())?;
    if !(0.1..=86_400.0).contains(&seconds) {
        return Err(Error::invalid("between 0.1 seconds and a day").at(rest.span));
    }
    Ok(Flow::Watch(std::time::Duration::from_secs_f64(seconds), command.trim().to_owned()))
}

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
    if sql {
        front.data("BEGIN;")?;
    }
    let postgres = context.session.store().facts().sequences;
    let mut later = Vec::new();
    for (position, id) in order.iter().copied().enumerate() {
        let done = &order[..position];
        rows(id, done, sql, postgres, context, &catalog, front, &mut later)?;
    }
    // References to rows that came later, or to rows of the same table.
    for line in &later {
        front.data(line)?;
    }
    front.data(if sql { "COMMIT;" } else { "commit" })
}

/// Tables so that what is referred to comes before what refers to it, as far as that is possible.
pub fn parents_first(catalog: &Catalog, wanted: &[EntityId]) -> Vec<EntityId> {
    let mut order: Vec<EntityId> = Vec::new();
    let mut rest: Vec<EntityId> = catalog
        .iter()
        .filter(|(id, model)| model.kind == EntityKind::Table && (wanted.is_empty() || wanted.contains(id)))
        .map(|(id, _)| id)
        .collect();
    while !rest.is_empty() {
        let free =
            |id: &EntityId| catalog.get(*id).foreign_keys.iter().all(|key| key.to == *id || !rest.contains(&key.to));
        let next = rest.iter().position(free).unwrap_or(0);
        order.push(rest.remove(next));
    }
    order
}

#[expect(clippy::too_many_arguments, reason = "one table's part of one dump")]
fn rows(
    id: EntityId,
    done: &[EntityId],
    sql: bool,
    postgres: bool,
    context: &mut Context,
    catalog: &Catalog,
    front: &mut dyn Front,
    later: &mut Vec<String>,
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
    select.order = model
        .key
        .iter()
        .map(|column| crate::plan::query::Order {
            expr: select.columns[*column].expr.clone(),
            descending: false,
            nulls_first: None,
        })
        .collect();
    let mut line = String::new();
    context.session.query(&select, &mut |cells| {
        let values: Vec<Value> = cells.iter().map(|cell| cell.to_value()).collect();
        line.clear();
        if sql {
            insert(model, &values, &late, postgres, &mut line);
        } else {
            add(model, &values, &late, &mut line);
        }
        front.data(&line)?;
        let set: Vec<usize> = late.iter().copied().filter(|at| !values[*at].is_null()).collect();
        if !set.is_empty() {
            later.push(if sql { update(model, &values, &set, postgres) } else { set_line(model, &values, &set) });
        }
        Ok(true)
    })
}

fn add(model: &Entity, values: &[Value], late: &[usize], line: &mut String) {
    line.push_str("add ");
    line.push_str(&model_name(model));
    for (at, column) in model.columns.iter().enumerate() {
        // NULL is said where leaving it out would mean a default.
        let silent = values[at].is_null() && column.default.is_none();
        if column.generated || column.always || silent || late.contains(&at) {
            continue;
        }
        line.push(' ');
        line.push_str(&quote_name(&column.name));
        line.push('=');
        line.push_str(&quote_value(&values[at]));
    }
}

fn set_line(model: &Entity, values: &[Value], set: &[usize]) -> String {
    let key: Vec<String> = model.key.iter().map(|at| quote_value(&values[*at])).collect();
    // The first column of the key in brackets is the key itself, never a natural one.
    let parts: Vec<String> = set
        .iter()
        .map(|at| format!("{}={}", quote_name(&model.columns[*at].name), quote_value(&values[*at])))
        .collect();
    let conditions: Vec<String> = model
        .key
        .iter()
        .zip(key)
        .map(|(at, value)| format!("{} = {value}", quote_name(&model.columns[*at].name)))
        .collect();
    format!("set {} where {} {}", model_name(model), conditions.join(" and "), parts.join(" "))
}

fn model_name(model: &Entity) -> String {
    match &model.schema {
        Some(schema) => format!("{}.{}", quote_name(schema), quote_name(&model.table)),
        None => quote_name(&model.name),
    }
}

fn table(model: &Entity) -> String {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    match &model.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&model.table)),
        None => quoted(&model.table),
    }
}

fn literal(value: &Value, postgres: bool) -> String {
    match value {
        Value::Null => "NULL".into(),
        Value::Text(text) if text.contains('\0') => {
            format!("CAST({} AS TEXT)", Value::Bytes(text.clone().into_bytes()))
        }
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Bool(value) => if *value { "TRUE" } else { "FALSE" }.into(),
        Value::Bytes(bytes) if postgres => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("'\\x{hex}'::bytea")
        }
        Value::Float(number) if number.is_infinite() && !postgres => {
            if *number > 0.0 { "9e999" } else { "-9e999" }.into()
        }
        Value::Float(number) if !number.is_finite() => format!("'{number}'::float8"),
        // With a point or an exponent, so that it reads back as a float.
        Value::Float(number) => format!("{number:?}"),
        other => other.to_string(),
    }
}

fn insert(model: &Entity, values: &[Value], late: &[usize], postgres: bool, line: &mut String) {
    let columns: Vec<usize> =
        (0..model.columns.len()).filter(|at| !model.columns[*at].generated && !late.contains(at)).collect();
    let names: Vec<String> =
        columns.iter().map(|at| format!("\"{}\"", model.columns[*at].name.replace('"', "\"\""))).collect();
    let literals: Vec<String> = columns.iter().map(|at| literal(&values[*at], postgres)).collect();
    let overriding = if columns.iter().any(|at| model.columns[*at].always) { " OVERRIDING SYSTEM VALUE" } else { "" };
    line.push_str(&format!(
        "INSERT INTO {} ({}){overriding} VALUES ({});",
        table(model),
        names.join(", "),
        literals.join(", ")
    ));
}

fn update(model: &Entity, values: &[Value], set: &[usize], postgres: bool) -> String {
    let pair = |at: &usize| {
        format!("\"{}\" = {}", model.columns[*at].name.replace('"', "\"\""), literal(&values[*at], postgres))
    };
    let sets: Vec<String> = set.iter().map(pair).collect();
    let keys: Vec<String> = model.key.iter().map(pair).collect();
    format!("UPDATE {} SET {} WHERE {};", table(model), sets.join(", "), keys.join(" AND "))
}
