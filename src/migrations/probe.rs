//! What the rows that are there have to say about a change: which would fail, and what would be lost.

use super::compare::{Changed, Difference, Item, canonical, same_type};
use super::ddl::{name, names, place};
use super::{Fills, rows, sqlite};
use crate::model::definition::{Dialect, Place, Schema, Table};
use crate::store::Store;
use crate::text::sql::{SqlToken, tokens};

/// How many rows a message names.
const FEW: usize = 5;

/// The column that names a row: a key of one column, else SQLite's rowid.
fn key(table: &Table, dialect: Dialect) -> Option<String> {
    match &table.key {
        Some(key) if key.columns.len() == 1 => Some(name(&key.columns[0])),
        _ if dialect == Dialect::Sqlite && !table.suffix.contains("WITHOUT ROWID") => Some("rowid".into()),
        _ => None,
    }
}

/// How many rows a condition holds for, and which.
fn where_(store: &mut dyn Store, table: &Table, condition: &str) -> Option<(usize, String)> {
    let at = place(&table.place);
    let counted = rows(store, &format!("SELECT count(*) FROM {at} WHERE {condition}")).ok()?;
    let count: usize = counted.first()?.first()?.as_ref()?.parse().ok()?;
    if count == 0 {
        return None;
    }
    let key = key(table, store.facts().dialect);
    let list = key.map_or_else(String::new, |key| {
        let sql = format!("SELECT {key} FROM {at} WHERE {condition} ORDER BY 1 LIMIT {}", FEW + 1);
        listed(&rows(store, &sql).unwrap_or_default(), key.trim_matches('"'))
    });
    Some((count, list))
}

/// `, ids 4, 9, 12`
fn listed(found: &[Vec<Option<String>>], key: &str) -> String {
    let mut ids: Vec<&str> = found.iter().filter_map(|row| row.first()?.as_deref()).collect();
    let more = ids.len() > FEW;
    ids.truncate(FEW);
    if ids.is_empty() {
        return String::new();
    }
    let s = if ids.len() == 1 { "" } else { "s" };
    format!(", {key}{s} {}{}", ids.join(", "), if more { ", ..." } else { "" })
}

fn counted(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 row {one}") } else { format!("{count} rows {many}") }
}

/// Warnings about differences, each a sentence.
pub fn warnings(store: &mut dyn Store, before: &Schema, found: &[Difference], fills: &Fills) -> Vec<String> {
    let mut said = Vec::new();
    for difference in found {
        match difference {
            Difference::Removed(table) => {
                said.extend(where_(store, table, "1 = 1").map(|(count, _)| {
                    format!("table {} goes with {}", table.place, counted(count, "of data", "of data"))
                }));
            }
            Difference::Changed(changed) => {
                for item in &changed.items {
                    said.extend(about(store, before, changed, item, fills));
                }
            }
            Difference::Added(_) => {}
        }
    }
    said
}

fn about(store: &mut dyn Store, before: &Schema, changed: &Changed, item: &Item, fills: &Fills) -> Vec<String> {
    let dialect = store.facts().dialect;
    let table = &changed.before;
    let at = &table.place;
    let mut said = Vec::new();
    match item {
        Item::DropColumn(column) => {
            let found = where_(store, table, &format!("{} IS NOT NULL", name(&column.name)));
            said.extend(found.map(|(count, _)| {
                format!(
                    "column {at}.{} goes with {}",
                    column.name,
                    counted(count, "that has a value", "that have a value")
                )
            }));
        }
        Item::AddColumn(column) => {
            let given = column.nullable
                || column.default.is_some()
                || column.generated.is_some()
                || column.numbering != crate::model::definition::Numbering::None
                || fills.get(&at.name, &column.name).is_some();
            if !given && let Some((count, _)) = where_(store, table, "1 = 1") {
                said.push(format!(
                    "{at}.{} is NOT NULL without a default: {} and will fail; give a value with --fill {at}.{}=SQL",
                    column.name,
                    counted(count, "is there", "are there"),
                    column.name
                ));
            }
        }
        Item::AlterColumn(old, new) => {
            let column = name(&old.name);
            if old.nullable && !new.nullable && fills.get(&at.name, &new.name).is_none() {
                said.extend(where_(store, table, &format!("{column} IS NULL")).map(|(count, which)| {
                    format!("{} becomes NOT NULL: {}{which}", new.name, counted(count, "is NULL", "are NULL"))
                }));
            }
            if !same_type(&old.type_name, &new.type_name, dialect) {
                said.extend(retyped(store, table, old, new, dialect));
            }
        }
        Item::AddUnique(key) => said.extend(duplicates(store, table, &key.columns)),
        Item::AddIndex(index) if index.unique && !index.columns.is_empty() => {
            said.extend(duplicates(store, table, &index.columns));
        }
        Item::Key(_, Some(key)) => {
            said.extend(duplicates(store, table, &key.columns));
            let nulls: Vec<String> = key.columns.iter().map(|column| format!("{} IS NULL", name(column))).collect();
            said.extend(where_(store, table, &nulls.join(" OR ")).map(|(count, which)| {
                format!(
                    "the key of {at} becomes ({}): {}{which}",
                    key.columns.join(", "),
                    counted(count, "is NULL there", "are NULL there")
                )
            }));
        }
        Item::AddForeignKey(key) => {
            let Some(parent) = before.table(&key.to) else { return said };
            let to = if key.to_columns.is_empty() {
                parent.key.as_ref().map_or_else(Vec::new, |key| key.columns.clone())
            } else {
                key.to_columns.clone()
            };
            let present: Vec<String> =
                key.columns.iter().map(|column| format!("{} IS NOT NULL", name(column))).collect();
            let equal: Vec<String> = key
                .columns
                .iter()
                .zip(&to)
                .map(|(from, to)| format!("p.{} = {}.{}", name(to), name(&at.name), name(from)))
                .collect();
            let condition = format!(
                "{} AND NOT EXISTS (SELECT 1 FROM {} p WHERE {})",
                present.join(" AND "),
                place(&key.to),
                equal.join(" AND ")
            );
            said.extend(where_(store, table, &condition).map(|(count, which)| {
                format!(
                    "{at}.{} is to refer to {}: {}{which}",
                    key.columns.join(", "),
                    key.to,
                    counted(count, "leads nowhere", "lead nowhere")
                )
            }));
        }
        Item::AddCheck(check) => {
            said.extend(where_(store, table, &format!("NOT ({})", check.expression)).map(|(count, which)| {
                format!(
                    "check ({}) on {at}: {}{which}",
                    check.expression,
                    counted(count, "does not hold", "do not hold")
                )
            }));
        }
        _ => {}
    }
    said
}

fn duplicates(store: &mut dyn Store, table: &Table, columns: &[String]) -> Option<String> {
    let list = names(columns);
    let present: Vec<String> = columns.iter().map(|column| format!("{} IS NOT NULL", name(column))).collect();
    let sql = format!(
        "SELECT {list} FROM {} WHERE {} GROUP BY {list} HAVING count(*) > 1 ORDER BY {list} LIMIT {}",
        place(&table.place),
        present.join(" AND "),
        FEW + 1
    );
    let found = rows(store, &sql).ok()?;
    if found.is_empty() {
        return None;
    }
    let text = |row: &Vec<Option<String>>| {
        row.iter().map(|value| format!("'{}'", value.as_deref().unwrap_or("NULL"))).collect::<Vec<_>>().join(", ")
    };
    let values: Vec<String> = found.iter().take(FEW).map(text).collect();
    let more = if found.len() > FEW { ", ..." } else { "" };
    let s = if found.len() == 1 { "" } else { "s" };
    Some(format!(
        "{}.{} becomes unique: value{s} {}{more} more than once",
        table.place,
        columns.join(", "),
        if found.len() == 1 { format!("{} is there", values[0]) } else { format!("{} are there", values.join("; ")) }
    ))
}

/// What another type does to what is there.
fn retyped(
    store: &mut dyn Store,
    table: &Table,
    old: &crate::model::definition::Column,
    new: &crate::model::definition::Column,
    dialect: Dialect,
) -> Vec<String> {
    let column = name(&old.name);
    let (base, limit) = canonical(&new.type_name, dialect);
    let what = format!("{}.{} becomes {}", table.place, new.name, new.type_name);
    let mut said = Vec::new();
    let textual = |base: &str| ["char", "text", "clob"].iter().any(|part| base.contains(part));
    if let (true, Ok(limit)) = (textual(&base), limit.parse::<u32>()) {
        let found = where_(store, table, &format!("length({column}) > {limit}"));
        said.extend(
            found.map(|(count, which)| format!("{what}: {}{which}", counted(count, "is longer", "are longer"))),
        );
    }
    let whole = base.contains("int");
    let number = whole || ["real", "doub", "floa", "numeric"].iter().any(|part| base.contains(part));
    if number {
        let condition = match dialect {
            // What SQLite's affinity leaves as it is was no number.
            Dialect::Sqlite if whole => format!(
                "{column} IS NOT NULL AND typeof({column} + 0) || CAST({column} AS TEXT) <> 'integer' || CAST({column} + 0 AS TEXT)"
            ),
            Dialect::Sqlite => format!(
                "typeof({column}) IN ('text', 'blob') AND CAST({column} AS REAL) = 0 AND trim({column}) NOT IN ('0', '0.0')"
            ),
            Dialect::Postgres if whole => format!("{column}::text !~ '^\\s*[-+]?[0-9]+\\s*$'"),
            Dialect::Postgres => {
                format!("{column}::text !~ '^\\s*[-+]?([0-9]+\\.?[0-9]*|\\.[0-9]+)([eE][-+]?[0-9]+)?\\s*$'")
            }
        };
        let kind = if whole { "whole number" } else { "number" };
        said.extend(where_(store, table, &condition).map(|(count, which)| {
            format!("{what}: {}{which}", counted(count, &format!("is no {kind}"), &format!("are no {kind}s")))
        }));
    }
    let (before, _) = canonical(&old.type_name, dialect);
    if !number && !textual(&base) && before != base && where_(store, table, &format!("{column} IS NOT NULL")).is_some()
    {
        said.push(format!("{what}: values that cannot be read as such will fail"));
    }
    said
}

/// The rows that made a statement fail, looked for in the database as it is before it.
pub fn offending(store: &mut dyn Store, statement: &str, message: &str) -> Vec<String> {
    let dialect = store.facts().dialect;
    let Some(words) = tokens(statement, dialect == Dialect::Sqlite) else { return Vec::new() };
    let Ok(schema) = store.definition() else { return Vec::new() };
    let named = |table: &str| {
        let table = table.strip_prefix(sqlite::ANEW).unwrap_or(table);
        schema.table(&Place::new(table)).cloned()
    };
    match dialect {
        Dialect::Sqlite => {
            let Some((kind, rest)) = message.split_once(" constraint failed: ") else { return Vec::new() };
            let columns: Vec<String> =
                rest.split(", ").filter_map(|part| part.split_once('.').map(|(_, column)| column.to_owned())).collect();
            let table = match rest.split_once('.') {
                Some((table, _)) => named(table),
                None => words
                    .iter()
                    .filter_map(SqlToken::name)
                    .find_map(|word| word.strip_prefix(sqlite::ANEW).and_then(named)),
            };
            let Some(table) = table else { return Vec::new() };
            match kind {
                "NOT NULL" => {
                    let Some(column) = columns.first().filter(|column| table.column(column).is_some()) else {
                        return Vec::new();
                    };
                    let found = where_(store, &table, &format!("{} IS NULL", name(column)));
                    found
                        .map(|(count, which)| format!("{}{which}", counted(count, "is NULL", "are NULL")))
                        .into_iter()
                        .collect()
                }
                "UNIQUE" => duplicates(store, &table, &columns).into_iter().collect(),
                "CHECK" => {
                    // The message has the check's name or its text; the statement before it made the table.
                    let found = where_(store, &table, &format!("NOT ({rest})"));
                    found
                        .map(|(count, which)| format!("{}{which}", counted(count, "does not hold", "do not hold")))
                        .into_iter()
                        .collect()
                }
                _ => Vec::new(),
            }
        }
        Dialect::Postgres => {
            // PostgreSQL names the row itself, but for SET NOT NULL.
            let Some(column) = message.strip_prefix("column \"").and_then(|rest| rest.split('"').next()) else {
                return Vec::new();
            };
            let table = words.get(2).and_then(|word| word.name()).and_then(named);
            let Some(table) = table.filter(|table| table.column(column).is_some()) else { return Vec::new() };
            let found = where_(store, &table, &format!("{} IS NULL", name(column)));
            found
                .map(|(count, which)| format!("{}{which}", counted(count, "is NULL", "are NULL")))
                .into_iter()
                .collect()
        }
    }
}
