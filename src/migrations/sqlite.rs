//! Differences as SQLite's SQL. What ALTER TABLE cannot do is done by making the table anew, as the manual has it
//! (<https://www.sqlite.org/lang_altertable.html#otheralter>): new table, copy, drop, rename, then indexes, triggers and
//! views again. Foreign keys are off meanwhile, which is the runner's matter: no script can do it in its transaction.

use super::Fills;
use super::compare::{Changed, Difference, Item};
use super::ddl::{self, name, names, place};
use crate::model::definition::{Column, Dependent, DependentKind, Dialect, Numbering, Schema, Table};
use std::collections::HashSet;

const DIALECT: Dialect = Dialect::Sqlite;

/// The name of a table while it is made anew.
pub const ANEW: &str = "__new_";

/// The statements that make `after` of `before`.
pub fn statements(before: &Schema, after: &Schema, found: &[Difference], fills: &Fills) -> Vec<String> {
    let anew: HashSet<String> = found
        .iter()
        .filter_map(|difference| match difference {
            Difference::Changed(changed) if !is_simple(changed) => Some(changed.after.place.name.to_lowercase()),
            Difference::Removed(table) => Some(table.place.name.to_lowercase()),
            _ => None,
        })
        .collect();
    // A rename would stumble over what names these tables, and triggers go with their table.
    let aside = before.depending_on(anew.clone());
    let mut statements: Vec<String> = aside
        .iter()
        .rev()
        .filter(|dependent| dependent.on.as_ref().is_none_or(|on| !anew.contains(&on.name.to_lowercase())))
        .map(|dependent| {
            let kind = if dependent.kind == DependentKind::View { "VIEW" } else { "TRIGGER" };
            format!("DROP {kind} {}", name(&dependent.name))
        })
        .collect();
    let added: Vec<&Table> =
        found.iter().filter_map(|d| if let Difference::Added(table) = d { Some(table) } else { None }).collect();
    let removed: Vec<&Table> =
        found.iter().filter_map(|d| if let Difference::Removed(table) = d { Some(table) } else { None }).collect();
    // Index names are the whole database's: what goes makes room first.
    for difference in found {
        if let Difference::Changed(changed) = difference {
            if is_simple(changed) {
                simple(changed, &mut statements);
            } else {
                rebuild(changed, fills, &mut statements);
            }
        }
    }
    statements
        .extend(ddl::ordered(&removed).into_iter().rev().map(|table| format!("DROP TABLE {}", place(&table.place))));
    statements.extend(ddl::create(&added, DIALECT));
    let gone = |dependent: &Dependent| {
        dependent.on.as_ref().is_some_and(|on| after.table(on).is_none() && before.table(on).is_some())
    };
    statements.extend(aside.iter().filter(|dependent| !gone(dependent)).map(|dependent| dependent.sql.clone()));
    statements
}

/// Whether ALTER TABLE and CREATE INDEX can do it: <https://www.sqlite.org/lang_altertable.html#altertabaddcol>.
fn is_simple(changed: &Changed) -> bool {
    changed.items.iter().all(|item| match item {
        Item::AddIndex(_) | Item::DropIndex(_) => true,
        Item::AddColumn(column) => {
            let constant = column.default.as_deref().is_none_or(|sql| {
                let value = ddl::default_value(sql, DIALECT);
                !value.starts_with('(') && !value.to_ascii_lowercase().starts_with("current_")
            });
            let fills =
                column.nullable || column.default.as_deref().is_some_and(|sql| !sql.eq_ignore_ascii_case("null"));
            let is_key = changed.after.key.as_ref().is_some_and(|key| key.columns.contains(&column.name));
            constant && fills && !is_key && column.generated.as_deref().is_none_or(|text| text.ends_with("VIRTUAL"))
        }
        _ => false,
    })
}

fn simple(changed: &Changed, statements: &mut Vec<String>) {
    let table = &changed.after.place;
    for item in &changed.items {
        if let Item::DropIndex(index) = item {
            statements.push(format!("DROP INDEX {}", name(&index.name)));
        }
    }
    for item in &changed.items {
        if let Item::AddColumn(column) = item {
            statements.push(format!("ALTER TABLE {} ADD COLUMN {}", place(table), ddl::column(column, None, DIALECT)));
        }
    }
    for item in &changed.items {
        if let Item::AddIndex(index) = item {
            statements.push(ddl::index(index, table));
        }
    }
}

fn rebuild(changed: &Changed, fills: &Fills, statements: &mut Vec<String>) {
    let (before, after) = (&changed.before, &changed.after);
    let table = name(&after.place.name);
    let anew = format!("{ANEW}{}", after.place.name);
    statements.push(ddl::table(after, Some(&anew), true, DIALECT));
    let (mut into, mut from): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    // Rows keep their rowids, which others may hold on to, where no column is the rowid and none hides it.
    let hidden = |table: &Table| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case("rowid"));
    let plain = |table: &Table| !table.suffix.contains("WITHOUT ROWID") && !hidden(table);
    let rowid = plain(before) && plain(after) && !has_rowid_key(before) && !has_rowid_key(after);
    if rowid {
        into.push("rowid".into());
        from.push("rowid".into());
    }
    for column in after.columns.iter().filter(|column| column.generated.is_none()) {
        let fill = fills.get(&after.place.name, &column.name);
        match before.column(&column.name) {
            Some(old) => {
                into.push(column.name.clone());
                from.push(match fill {
                    Some(fill) if old.nullable && !column.nullable => {
                        format!("coalesce({}, {fill})", name(&old.name))
                    }
                    _ => name(&old.name),
                });
            }
            None => {
                if let Some(fill) = fill {
                    into.push(column.name.clone());
                    from.push(fill.to_owned());
                }
            }
        }
    }
    if !from.is_empty() {
        let order = if before.suffix.contains("WITHOUT ROWID") { "" } else { " ORDER BY rowid" };
        statements.push(format!(
            "INSERT INTO {} ({}) SELECT {} FROM {table}{order}",
            name(&anew),
            names(&into),
            from.join(", ")
        ));
    }
    if counts(before) && counts(after) {
        // The highest number ever given goes with the table.
        statements.push(format!("DELETE FROM sqlite_sequence WHERE name = {}", ddl::literal(&anew)));
        statements.push(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT {}, seq FROM sqlite_sequence WHERE name = {}",
            ddl::literal(&anew),
            ddl::literal(&after.place.name)
        ));
    }
    statements.push(format!("DROP TABLE {table}"));
    statements.push(format!("ALTER TABLE {} RENAME TO {table}", name(&anew)));
    statements.extend(after.indexes.iter().map(|index| ddl::index(index, &after.place)));
}

fn counts(table: &Table) -> bool {
    table.columns.iter().any(|column| column.numbering == Numbering::Autoincrement)
}

/// `INTEGER PRIMARY KEY` is the rowid itself: <https://www.sqlite.org/lang_createtable.html#rowid>.
pub fn has_rowid_key(table: &Table) -> bool {
    let is_rowid = |column: &Column| table.is_key(&column.name) && column.type_name.eq_ignore_ascii_case("integer");
    !table.suffix.contains("WITHOUT ROWID") && table.columns.iter().any(is_rowid)
}
