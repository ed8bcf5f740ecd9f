//! A schema as Diesel's `table!`, equal to what `diesel print-schema` gives with its default settings.

use super::compare::canonical;
use crate::model::definition::{Column, Dialect, ForeignKey, Place, Schema, Table};
use std::collections::BTreeMap;

/// The lines of a `src/schema.rs`. Tables that Diesel cannot use (no key, a type it does not know) become comments that
/// say why.
pub fn schema(schema: &Schema, dialect: Dialect) -> String {
    let mut out = String::from("// @generated automatically by Diesel CLI.\n\n");
    let mut tables: Vec<&Table> = schema.tables.iter().filter(|table| table.place.schema.is_none()).collect();
    tables.sort_by(|a, b| a.place.name.cmp(&b.place.name));
    let custom = custom_types(&tables, dialect);
    if !custom.is_empty() {
        out.push_str("pub mod sql_types {\n");
        for (at, (rust, sql)) in custom.iter().enumerate() {
            if at > 0 {
                out.push('\n');
            }
            out.push_str("    #[derive(diesel::sql_types::SqlType)]\n");
            out.push_str(&format!("    #[diesel(postgres_type({sql}))]\n    pub struct {rust};\n"));
        }
        out.push_str("}\n\n");
    }
    let mut shown: Vec<&Table> = Vec::new();
    let mut parts = Vec::new();
    for table in tables {
        match definition(table, dialect, &custom) {
            Ok(text) => {
                shown.push(table);
                parts.push(text);
            }
            Err(why) => parts.push(comment(&format!("The table `{}` is left out: {why}.", table.place.name))),
        }
    }
    out.push_str(&parts.join("\n"));
    let joinable = joinable(&shown);
    if !joinable.is_empty() {
        out.push('\n');
        out.push_str(&joinable.join(""));
    }
    if shown.len() > 1 {
        let names: Vec<String> = shown.iter().map(|table| rust_name(&table.place.name, None)).collect();
        let line = names.join(", ") + ",";
        // As rustfmt lays out what diesel_cli writes.
        if line.chars().count() <= 60 {
            out.push_str(&format!("\ndiesel::allow_tables_to_appear_in_same_query!({line});\n"));
        } else {
            out.push_str("\ndiesel::allow_tables_to_appear_in_same_query!(\n");
            out.push_str(&names.iter().map(|name| format!("    {name},\n")).collect::<String>());
            out.push_str(");\n");
        }
    }
    out
}

/// A comment of one line, whatever the names in it are.
fn comment(text: &str) -> String {
    let line: String = text
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    format!("// {line}\n")
}

/// The columns of a table, with the rowid before them where it is the only key that there is.
fn columns(table: &Table, dialect: Dialect) -> (Vec<String>, Vec<Column>) {
    let mut columns = table.columns.clone();
    let key = table.key.as_ref().map_or_else(Vec::new, |key| key.columns.clone());
    if !key.is_empty() || dialect == Dialect::Postgres {
        return (key, columns);
    }
    let aliases = ["rowid", "oid", "_rowid_"];
    let free = aliases.into_iter().find(|alias| table.columns.iter().all(|column| column.name != *alias));
    let Some(alias) = free else { return (Vec::new(), columns) };
    columns.insert(0, Column { name: alias.into(), type_name: "Integer".into(), ..Column::default() });
    (vec![alias.into()], columns)
}

fn definition(table: &Table, dialect: Dialect, custom: &BTreeMap<String, String>) -> Result<String, String> {
    let (key, columns) = columns(table, dialect);
    if key.is_empty() {
        return Err("Diesel needs a primary key".into());
    }
    let name = rust_name(&table.place.name, None);
    let mut text = String::from("diesel::table! {\n");
    let mut own: Vec<&str> = Vec::new();
    for column in &columns {
        let (base, _) = element(column, dialect)?;
        if let Some((rust, _)) = custom.get_key_value(&base).filter(|(rust, _)| !own.contains(&rust.as_str())) {
            own.push(rust);
        }
    }
    if !own.is_empty() {
        text.push_str("    use diesel::sql_types::*;\n");
        text.push_str(&own.iter().map(|rust| format!("    use super::sql_types::{rust};\n")).collect::<String>());
        text.push('\n');
    }
    if name != table.place.name {
        text.push_str(&format!("    #[sql_name = {:?}]\n", table.place.name));
    }
    let keys: Vec<String> = key.iter().map(|column| rust_name(column, Some(&name))).collect();
    text.push_str(&format!("    {name} ({}) {{\n", keys.join(", ")));
    for column in &columns {
        let (base, array) = element(column, dialect)?;
        let mut declared = if array { format!("Array<Nullable<{base}>>") } else { base };
        if column.nullable {
            declared = format!("Nullable<{declared}>");
        }
        let rust = rust_name(&column.name, Some(&name));
        if rust != column.name {
            text.push_str(&format!("        #[sql_name = {:?}]\n", column.name));
        }
        if let Some(limit) = limit(column, dialect) {
            text.push_str(&format!("        #[max_length = {limit}]\n"));
        }
        text.push_str(&format!("        {rust} -> {declared},\n"));
    }
    text.push_str("    }\n}\n");
    Ok(text)
}

/// The name of the Rust type, and whether it is an array of it.
fn element(column: &Column, dialect: Dialect) -> Result<(String, bool), String> {
    match dialect {
        Dialect::Sqlite => sqlite_type(&column.type_name)
            .map(|name| (name.to_owned(), false))
            .ok_or_else(|| format!("Diesel has no type for `{}` of its column `{}`", column.type_name, column.name)),
        Dialect::Postgres => {
            let (name, array) = match column.short_type.strip_prefix('_') {
                Some(element) => (element, true),
                None => (column.short_type.as_str(), false),
            };
            Ok((camel(name), array))
        }
    }
}

/// By the rules of diesel_cli, in its order.
fn sqlite_type(declared: &str) -> Option<&'static str> {
    let name = declared.to_lowercase();
    let has = |part: &str| name.contains(part);
    Some(if matches!(name.as_str(), "boolean" | "bool") || (has("tiny") && has("int")) {
        "Bool"
    } else if name == "int2" || (has("small") && has("int")) {
        "SmallInt"
    } else if name == "int8" || (has("big") && has("int")) {
        "BigInt"
    } else if has("int") {
        "Integer"
    } else if has("char") || has("clob") || has("text") {
        "Text"
    } else if has("blob") || has("binary") || name.is_empty() || name == "generated always" {
        "Binary"
    } else if has("float") || has("real") {
        "Float"
    } else if has("double") || has("num") || has("dec") {
        "Double"
    } else if matches!(name.as_str(), "datetime" | "timestamp") {
        "Timestamp"
    } else if name == "date" {
        "Date"
    } else if name == "time" {
        "Time"
    } else {
        return None;
    })
}

/// diesel_cli has lengths from PostgreSQL alone.
fn limit(column: &Column, dialect: Dialect) -> Option<u32> {
    if dialect == Dialect::Sqlite {
        return None;
    }
    let (base, limit) = canonical(&column.type_name, dialect);
    matches!(base.as_str(), "character varying" | "character" | "bit" | "bit varying")
        .then(|| limit.parse().ok())
        .flatten()
}

/// Types of PostgreSQL that Diesel has by the name that its short name gives.
const KNOWN: [&str; 58] = [
    "Bool",
    "Integer",
    "SmallInt",
    "BigInt",
    "Binary",
    "Text",
    "Double",
    "Float",
    "Numeric",
    "Timestamp",
    "Date",
    "Time",
    "Float4",
    "Smallint",
    "Int2",
    "Int4",
    "Int8",
    "Bigint",
    "Float8",
    "Decimal",
    "VarChar",
    "Varchar",
    "Char",
    "Bit",
    "Cidr",
    "Citext",
    "Inet",
    "Jsonb",
    "MacAddr",
    "MacAddr8",
    "Money",
    "Oid",
    "Range",
    "Timestamptz",
    "Uuid",
    "Json",
    "PgLsn",
    "Record",
    "Interval",
    "Int4range",
    "Int8range",
    "Daterange",
    "Numrange",
    "Tsrange",
    "Tstzrange",
    "Int4multirange",
    "Int8multirange",
    "Datemultirange",
    "Nummultirange",
    "Tsmultirange",
    "Tstzmultirange",
    "SmallSerial",
    "BigSerial",
    "Serial",
    "Bytea",
    "Bpchar",
    "Macaddr",
    "Macaddr8",
];

/// Types that Diesel has no name for: by Rust name, with what says which type of the database it is.
fn custom_types(tables: &[&Table], dialect: Dialect) -> BTreeMap<String, String> {
    if dialect == Dialect::Sqlite {
        return BTreeMap::new();
    }
    tables
        .iter()
        .flat_map(|table| &table.columns)
        .map(|column| {
            let sql = column.short_type.trim_start_matches('_');
            let schema =
                column.type_schema.as_ref().map_or_else(String::new, |schema| format!(", schema = {schema:?}"));
            (camel(sql), format!("name = {sql:?}{schema}"))
        })
        .filter(|(rust, _)| !KNOWN.contains(&rust.as_str()))
        .collect()
}

/// `int4` becomes `Int4`, `pg_lsn` becomes `PgLsn`.
fn camel(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
        })
        .collect()
}

/// A name as Rust can have it, as diesel_cli makes it.
fn rust_name(sql: &str, table: Option<&str>) -> String {
    let mut name = String::with_capacity(sql.len() + 1);
    let mut underscore = sql.starts_with(|c: char| c.is_ascii_digit());
    if underscore {
        name.push('_');
    }
    for c in sql.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            name.push(c);
            underscore = false;
        } else {
            if !underscore {
                name.push('_');
            }
            underscore = true;
        }
    }
    let reserved = syn::parse_str::<syn::Ident>(&name).is_err()
        || matches!(name.as_str(), "table" | "columns" | "is_nullable")
        || (name.starts_with("__") && !name.ends_with('_'));
    if reserved || Some(name.as_str()) == table {
        name.push('_');
    }
    name
}

/// `joinable!` for each pair of tables with exactly one key of one column between them, to the other's primary key.
fn joinable(tables: &[&Table]) -> Vec<String> {
    let pair = |table: &Table, key: &ForeignKey| {
        let (a, b): (Place, Place) = (table.place.clone(), key.to.clone());
        if a < b { (a, b) } else { (b, a) }
    };
    let all: Vec<(&Table, &ForeignKey)> =
        tables.iter().flat_map(|table| table.foreign_keys.iter().map(move |key| (*table, key))).collect();
    let mut found: Vec<(String, String, String)> = all
        .iter()
        .filter(|(table, key)| {
            let parent = tables.iter().find(|other| other.place == key.to);
            let to_key = parent.is_some_and(|parent| {
                parent.key.as_ref().is_some_and(|own| {
                    own.columns.len() == 1 && key.to_columns.first().is_none_or(|to| *to == own.columns[0])
                })
            });
            let same = all.iter().filter(|(other, others)| pair(other, others) == pair(table, key)).count();
            key.columns.len() == 1 && key.to != table.place && same == 1 && to_key
        })
        .map(|(table, key)| {
            let child = rust_name(&table.place.name, None);
            let column = rust_name(&key.columns[0], Some(&child));
            (child, rust_name(&key.to.name, None), column)
        })
        .collect();
    found.sort();
    found
        .into_iter()
        .map(|(child, parent, column)| format!("diesel::joinable!({child} -> {parent} ({column}));\n"))
        .collect()
}
