//! Differences as PostgreSQL's SQL: <https://www.postgresql.org/docs/current/sql-altertable.html>.

use super::Fills;
use super::compare::{Changed, Difference, Item, alike, same_type};
use super::ddl::{self, literal, name, place};
use crate::model::definition::{Column, Dependent, Dialect, ForeignKey, Numbering, Place, Schema, Table};
use std::collections::HashSet;

const DIALECT: Dialect = Dialect::Postgres;

/// The statements that make `after` of `before`.
pub fn statements(before: &Schema, after: &Schema, found: &[Difference], fills: &Fills) -> Vec<String> {
    let mut out = Vec::new();
    let changed: Vec<&Changed> = found
        .iter()
        .filter_map(|d| if let Difference::Changed(changed) = d { Some(&**changed) } else { None })
        .collect();
    let added: Vec<&Table> =
        found.iter().filter_map(|d| if let Difference::Added(table) = d { Some(table) } else { None }).collect();
    let removed: Vec<&Table> =
        found.iter().filter_map(|d| if let Difference::Removed(table) = d { Some(table) } else { None }).collect();
    let alter = |table: &Place, what: &str| format!("ALTER TABLE {} {what}", place(table));
    let drop = |table: &Place, constraint: Option<&String>| {
        alter(table, &format!("DROP CONSTRAINT {}", constraint.map_or_else(String::new, |given| name(given))))
    };

    let aside = aside(before, &changed);
    out.extend(aside.iter().rev().map(|view| {
        let kind = if view.sql.starts_with("CREATE MATERIALIZED") { "MATERIALIZED VIEW" } else { "VIEW" };
        format!("DROP {kind} {}", name(&view.name))
    }));
    // A key that changes is in the way of whoever refers to it.
    let leaning = leaning(before, after, &changed);
    for (table, key) in &leaning {
        out.push(drop(table, key.name.as_ref()));
    }
    let stands_aside = |table: &Place, key: &ForeignKey| leaning.iter().any(|(t, k)| *t == table && *k == key);
    for each in &changed {
        for item in &each.items {
            if let Item::DropForeignKey(key) = item
                && !stands_aside(&each.before.place, key)
            {
                out.push(drop(&each.before.place, key.name.as_ref()));
            }
        }
    }
    // Children go before their parents; only in a circle a key is in the way.
    let going: Vec<&Table> = ddl::ordered(&removed).into_iter().rev().collect();
    for (at, table) in going.iter().enumerate() {
        let is_before = |key: &&ForeignKey| going[..at].iter().any(|other| other.place == key.to);
        out.extend(table.foreign_keys.iter().filter(is_before).map(|key| drop(&table.place, key.name.as_ref())));
    }
    for each in &changed {
        let table = &each.before.place;
        for item in &each.items {
            match item {
                Item::DropCheck(check) => out.push(drop(table, check.name.as_ref())),
                Item::DropUnique(key) => out.push(drop(table, key.name.as_ref())),
                Item::DropIndex(index) => {
                    let at = Place { schema: table.schema.clone(), name: index.name.clone() };
                    out.push(format!("DROP INDEX {}", place(&at)));
                }
                Item::Key(Some(key), _) => out.push(drop(table, key.name.as_ref())),
                _ => {}
            }
        }
    }
    out.extend(going.iter().map(|table| format!("DROP TABLE {}", place(&table.place))));
    out.extend(ddl::create(&added, DIALECT));
    for each in &changed {
        columns(each, fills, &mut out);
    }
    for each in &changed {
        let table = &each.after.place;
        for item in &each.items {
            match item {
                Item::Key(_, Some(key)) => out.push(alter(table, &format!("ADD {}", ddl::primary_key(key)))),
                Item::AddUnique(key) => out.push(alter(table, &format!("ADD {}", ddl::unique(key)))),
                Item::AddCheck(check) => out.push(alter(table, &format!("ADD {}", ddl::check(check)))),
                Item::AddIndex(index) => out.push(ddl::index(index, table)),
                _ => {}
            }
        }
    }
    for each in &changed {
        for item in &each.items {
            if let Item::AddForeignKey(key) = item {
                out.push(alter(&each.after.place, &format!("ADD {}", ddl::foreign_key(key))));
            }
        }
    }
    for (table, key) in &leaning {
        let still = after.table(table).is_some_and(|table| {
            table.foreign_keys.iter().any(|other| {
                other.to == key.to && alike(&other.columns, &key.columns) && alike(&other.to_columns, &key.to_columns)
            })
        });
        let again = changed.iter().filter(|each| each.after.place == **table).flat_map(|each| &each.items);
        let added =
            again.into_iter().any(|item| matches!(item, Item::AddForeignKey(new) if alike(&new.columns, &key.columns)));
        if still && !added {
            out.push(alter(table, &format!("ADD {}", ddl::foreign_key(key))));
        }
    }
    out.extend(aside.iter().map(|view| view.sql.clone()));
    out
}

/// Views that read a table whose columns get another type or go, and views on those.
fn aside<'a>(before: &'a Schema, changed: &[&Changed]) -> Vec<&'a Dependent> {
    let touched: HashSet<String> = changed
        .iter()
        .filter(|each| {
            each.items.iter().any(|item| match item {
                Item::DropColumn(_) => true,
                Item::AlterColumn(old, new) => {
                    !same_type(&old.type_name, &new.type_name, DIALECT)
                        || old.collation != new.collation
                        || old.generated != new.generated
                }
                Item::Key(..) => true,
                _ => false,
            })
        })
        .map(|each| each.before.place.name.to_lowercase())
        .collect();
    before.depending_on(touched)
}

/// Foreign keys of other tables that lean on a key or a unique constraint which goes or changes.
fn leaning<'a>(before: &'a Schema, after: &Schema, changed: &[&Changed]) -> Vec<(&'a Place, &'a ForeignKey)> {
    let mut found = Vec::new();
    for each in changed {
        let goes = |columns: &[String]| {
            each.items.iter().any(|item| match item {
                Item::Key(Some(key), _) | Item::DropUnique(key) => alike(&key.columns, columns),
                _ => false,
            })
        };
        for table in &before.tables {
            if after.table(&table.place).is_none() {
                continue;
            }
            let keys = table.foreign_keys.iter();
            found.extend(
                keys.filter(|key| key.to == each.before.place && goes(&key.to_columns)).map(|key| (&table.place, key)),
            );
        }
    }
    found
}

fn columns(each: &Changed, fills: &Fills, out: &mut Vec<String>) {
    let table = place(&each.after.place);
    for item in &each.items {
        if let Item::DropColumn(column) = item {
            out.push(format!("ALTER TABLE {table} DROP COLUMN {}", name(&column.name)));
        }
    }
    for item in &each.items {
        match item {
            Item::AddColumn(column) => add(&each.after.place, column, fills, out),
            Item::AlterColumn(old, new) => alter(&each.after.place, old, new, fills, out),
            _ => {}
        }
    }
}

fn add(table: &Place, column: &Column, fills: &Fills, out: &mut Vec<String>) {
    let at = place(table);
    match fills.get(&table.name, &column.name) {
        Some(fill) => {
            let nullable = Column { nullable: true, ..column.clone() };
            out.push(format!("ALTER TABLE {at} ADD COLUMN {}", ddl::column(&nullable, None, DIALECT)));
            out.push(format!("UPDATE {at} SET {} = {fill}", name(&column.name)));
            if !column.nullable {
                out.push(format!("ALTER TABLE {at} ALTER COLUMN {} SET NOT NULL", name(&column.name)));
            }
        }
        None => out.push(format!("ALTER TABLE {at} ADD COLUMN {}", ddl::column(column, None, DIALECT))),
    }
}

fn alter(table: &Place, old: &Column, new: &Column, fills: &Fills, out: &mut Vec<String>) {
    let at = place(table);
    let column = name(&new.name);
    if old.generated != new.generated && new.generated.is_some() {
        // An expression cannot be changed; what it computes is computed again.
        out.push(format!("ALTER TABLE {at} DROP COLUMN {column}"));
        out.push(format!("ALTER TABLE {at} ADD COLUMN {}", ddl::column(new, None, DIALECT)));
        return;
    }
    let mut change = |what: &str| out.push(format!("ALTER TABLE {at} ALTER COLUMN {column} {what}"));
    if old.generated.is_some() && new.generated.is_none() {
        change("DROP EXPRESSION");
    }
    if old.numbering != new.numbering {
        match old.numbering {
            Numbering::Identity | Numbering::IdentityAlways => change("DROP IDENTITY"),
            Numbering::Serial => change("DROP DEFAULT"),
            _ => {}
        }
    }
    let retyped = !same_type(&old.type_name, &new.type_name, DIALECT) || old.collation != new.collation;
    let defaults = old.default != new.default || (retyped && (old.default.is_some() || new.default.is_some()));
    if defaults && old.default.is_some() {
        change("DROP DEFAULT");
    }
    if retyped {
        let collation = new.collation.as_ref().map_or_else(String::new, |given| format!(" COLLATE {}", name(given)));
        change(&format!("TYPE {0}{collation} USING {column}::{0}", new.type_name));
    }
    if let (true, Some(default)) = (defaults, &new.default) {
        change(&format!("SET DEFAULT {default}"));
    }
    if old.nullable && !new.nullable {
        if let Some(fill) = fills.get(&table.name, &new.name) {
            out.push(format!("UPDATE {at} SET {column} = {fill} WHERE {column} IS NULL"));
        }
        out.push(format!("ALTER TABLE {at} ALTER COLUMN {column} SET NOT NULL"));
    } else if !old.nullable && new.nullable {
        out.push(format!("ALTER TABLE {at} ALTER COLUMN {column} DROP NOT NULL"));
    }
    if old.numbering != new.numbering {
        number(table, old, new, out);
    }
}

/// Numbers go on behind the highest that there is.
fn number(table: &Place, old: &Column, new: &Column, out: &mut Vec<String>) {
    let at = place(table);
    let column = name(&new.name);
    let sequence = Place { schema: table.schema.clone(), name: format!("{}_{}_seq", table.name, new.name) };
    if old.numbering == Numbering::Serial {
        out.push(format!("DROP SEQUENCE IF EXISTS {}", place(&sequence)));
    }
    match new.numbering {
        Numbering::Identity => {
            out.push(format!("ALTER TABLE {at} ALTER COLUMN {column} ADD GENERATED BY DEFAULT AS IDENTITY"));
        }
        Numbering::IdentityAlways => {
            out.push(format!("ALTER TABLE {at} ALTER COLUMN {column} ADD GENERATED ALWAYS AS IDENTITY"));
        }
        Numbering::Serial => {
            let kind = if new.type_name == "integer" { " AS integer" } else { "" };
            out.push(format!("CREATE SEQUENCE {}{kind} OWNED BY {at}.{column}", place(&sequence)));
            out.push(format!(
                "ALTER TABLE {at} ALTER COLUMN {column} SET DEFAULT nextval({}::regclass)",
                literal(&place(&sequence))
            ));
        }
        _ => return,
    }
    out.push(format!(
        "SELECT setval(pg_get_serial_sequence({}, {}), coalesce(max({column}), 0) + 1, false) FROM {at}",
        literal(&at),
        literal(&new.name)
    ));
}
