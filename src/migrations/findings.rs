//! Differences in words.

use super::compare::{Changed, Difference, Item, same_type};
use crate::model::definition::{Column, Dialect, ForeignKey, Key, Numbering, Table};

/// Every difference as a line: `added table users`, `added index users_email_idx on users (email)`.
pub fn lines(found: &[Difference], dialect: Dialect) -> Vec<String> {
    let mut lines = Vec::new();
    for difference in found {
        match difference {
            Difference::Added(table) => added(table, &mut lines),
            Difference::Removed(table) => lines.push(format!("removed table {}", table.place)),
            Difference::Changed(changed) => {
                for item in &changed.items {
                    lines.extend(line(changed, item, dialect));
                }
            }
        }
    }
    lines
}

fn added(table: &Table, lines: &mut Vec<String>) {
    let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    lines.push(format!("added table {} ({})", table.place, columns.join(", ")));
    let unique = |unique: bool| if unique { "unique index" } else { "index" };
    lines.extend(
        table.indexes.iter().map(|index| {
            format!("added {} {} on {} {}", unique(index.unique), index.name, table.place, index.definition)
        }),
    );
}

fn named(name: Option<&String>) -> String {
    name.map_or_else(String::new, |name| format!("{name} "))
}

fn key(key: &Key) -> String {
    if key.columns.is_empty() { key.rest.clone() } else { format!("({})", key.columns.join(", ")) }
}

fn reference(key: &ForeignKey) -> String {
    let mut text = format!("({}) to {}", key.columns.join(", "), key.to);
    if key.on_delete != "NO ACTION" {
        text.push_str(&format!(" on delete {}", key.on_delete.to_lowercase()));
    }
    if key.on_update != "NO ACTION" {
        text.push_str(&format!(" on update {}", key.on_update.to_lowercase()));
    }
    text
}

fn line(changed: &Changed, item: &Item, dialect: Dialect) -> Vec<String> {
    let table = &changed.after.place;
    let one = |text: String| vec![text];
    match item {
        Item::AddColumn(column) => one(format!("added column {table}.{}{}", column.name, described(column))),
        Item::DropColumn(column) => one(format!("removed column {table}.{}", column.name)),
        Item::AlterColumn(old, new) => altered(&format!("{table}.{}", new.name), old, new, dialect),
        Item::Order => one(format!("changed order of the columns of {table}")),
        Item::Key(None, Some(new)) => one(format!("added primary key {} on {table}", key(new))),
        Item::Key(Some(old), None) => one(format!("removed primary key {} of {table}", key(old))),
        Item::Key(old, new) => {
            let text = |side: &Option<Key>| side.as_ref().map_or_else(String::new, key);
            one(format!("changed primary key of {table} from {} to {}", text(old), text(new)))
        }
        Item::AddUnique(new) => one(format!("added unique {}{} on {table}", named(new.name.as_ref()), key(new))),
        Item::DropUnique(old) => one(format!("removed unique {}{} of {table}", named(old.name.as_ref()), key(old))),
        Item::AddIndex(index) => {
            let unique = if index.unique { "unique " } else { "" };
            one(format!("added {unique}index {} on {table} {}", index.name, index.definition))
        }
        Item::DropIndex(index) => one(format!("removed index {} of {table}", index.name)),
        Item::AddForeignKey(new) => {
            one(format!("added foreign key {}of {table} {}", named(new.name.as_ref()), reference(new)))
        }
        Item::DropForeignKey(old) => {
            one(format!("removed foreign key {}of {table} {}", named(old.name.as_ref()), reference(old)))
        }
        Item::AddCheck(check) => {
            one(format!("added check {}on {table} ({})", named(check.name.as_ref()), check.expression))
        }
        Item::DropCheck(check) => {
            one(format!("removed check {}of {table} ({})", named(check.name.as_ref()), check.expression))
        }
        Item::Suffix => one(format!(
            "changed {table} from `{}` to `{}`",
            changed.before.suffix.to_lowercase(),
            changed.after.suffix.to_lowercase()
        )),
    }
}

fn described(column: &Column) -> String {
    let mut text = String::new();
    if !column.type_name.is_empty() {
        text.push_str(&format!(" {}", column.type_name));
    }
    if !column.nullable {
        text.push_str(" not null");
    }
    if let Some(default) = &column.default {
        text.push_str(&format!(" default {default}"));
    }
    text
}

fn altered(place: &str, old: &Column, new: &Column, dialect: Dialect) -> Vec<String> {
    let mut lines = Vec::new();
    if !same_type(&old.type_name, &new.type_name, dialect) {
        lines.push(format!("changed type of {place} from {} to {}", old.type_name, new.type_name));
    }
    match (old.nullable, new.nullable) {
        (true, false) => lines.push(format!("changed {place} to NOT NULL")),
        (false, true) => lines.push(format!("changed {place} to allow NULL")),
        _ => {}
    }
    match (&old.default, &new.default) {
        (None, Some(new)) => lines.push(format!("added default {new} of {place}")),
        (Some(old), None) => lines.push(format!("removed default {old} of {place}")),
        (Some(old), Some(new)) if old != new => lines.push(format!("changed default of {place} from {old} to {new}")),
        _ => {}
    }
    if old.generated != new.generated {
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "an ordinary column".into());
        lines.push(format!("changed {place} from {} to {}", text(&old.generated), text(&new.generated)));
    }
    if old.collation != new.collation {
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "the type's own".into());
        lines.push(format!("changed collation of {place} from {} to {}", text(&old.collation), text(&new.collation)));
    }
    if old.numbering != new.numbering {
        let text = |numbering: Numbering| match numbering {
            Numbering::None => "nothing",
            Numbering::Autoincrement => "AUTOINCREMENT",
            Numbering::Serial => "a serial",
            Numbering::Identity => "an identity",
            Numbering::IdentityAlways => "an identity always",
        };
        lines.push(format!("changed numbering of {place} from {} to {}", text(old.numbering), text(new.numbering)));
    }
    lines
}
