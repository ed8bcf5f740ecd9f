//! What goes by another name now: as it was said, or as a person answers. Nothing is guessed.

use super::ddl::name;
use super::declared::{Declared, fits};
use super::{Ask, Request};
use crate::model::definition::{Column, Dialect, Place, Schema, Table};
use crate::{Error, ErrorKind, Result};

/// A table or a column by another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rename {
    /// From, to.
    Table(String, String),
    /// The table by its new name, from, to.
    Column(String, String, String),
}

impl Rename {
    /// The statement that does it.
    pub fn sql(&self) -> String {
        match self {
            Self::Table(from, to) => format!("ALTER TABLE {} RENAME TO {}", name(from), name(to)),
            Self::Column(table, from, to) => {
                format!("ALTER TABLE {} RENAME COLUMN {} TO {}", name(table), name(from), name(to))
            }
        }
    }

    /// The way back.
    pub fn back(&self) -> Self {
        match self {
            Self::Table(from, to) => Self::Table(to.clone(), from.clone()),
            Self::Column(table, from, to) => Self::Column(table.clone(), to.clone(), from.clone()),
        }
    }

    /// In words.
    pub fn words(&self) -> String {
        match self {
            Self::Table(from, to) => format!("renamed table {from} to {to}"),
            Self::Column(table, from, to) => format!("renamed column {table}.{from} to {to}"),
        }
    }
}

/// Which tables and columns go by another name now: as said, or as asked.
pub fn renames(
    actual: &Schema,
    wanted: &Declared,
    request: &Request,
    dialect: Dialect,
    ask: &mut Ask<'_>,
) -> Result<Vec<Rename>> {
    let mut found = Vec::new();
    let table = |schema: &Schema, name: &str| schema.table(&Place::new(name)).cloned();
    // Tables first: columns are looked for under the new names.
    for (from, to) in request.renames.iter().filter(|(from, to)| !from.contains('.') && !to.contains('.')) {
        if let (Some(_), Some(_)) = (table(actual, from), table(&wanted.schema, to)) {
            found.push(Rename::Table(from.clone(), to.clone()));
        } else if !columns_named(actual, &wanted.schema, from, to).is_empty() {
            // A bare column, below.
        } else {
            return Err(nothing(from, to));
        }
    }
    let may_drop = |names: &[String]| {
        request.force || request.drops.iter().any(|drop| names.iter().any(|name| name.eq_ignore_ascii_case(drop)))
    };
    let told = |found: &[Rename], from: &str, to: &str| {
        found.iter().any(|rename| matches!(rename, Rename::Table(a, b) if a == from || b == to))
    };
    for old in
        actual.tables.iter().filter(|old| old.place.schema.is_none() && wanted.schema.table(&old.place).is_none())
    {
        let news = wanted.schema.tables.iter().filter(|new| actual.table(&new.place).is_none());
        for new in news.filter(|new| resembles(old, new, dialect)) {
            if told(&found, &old.place.name, &new.place.name) || may_drop(std::slice::from_ref(&old.place.name)) {
                continue;
            }
            match ask(&format!("was table {} renamed to {}?", old.place, new.place))? {
                Some(true) => found.push(Rename::Table(old.place.name.clone(), new.place.name.clone())),
                Some(false) => {}
                None if wanted.complete => {
                    return Err(undecided(&format!("table {}", old.place), &old.place.name, &new.place.name));
                }
                // Models beside other tables: the old one stays.
                None => {}
            }
        }
    }
    let old_name = |found: &[Rename], new: &str| {
        found.iter().find_map(|rename| match rename {
            Rename::Table(from, to) if to == new => Some(from.clone()),
            _ => None,
        })
    };
    for new in wanted.schema.tables.iter().filter(|new| new.place.schema.is_none()) {
        let at = new.place.name.clone();
        let before = old_name(&found, &at).unwrap_or_else(|| at.clone());
        let Some(old) = table(actual, &before) else { continue };
        for (from, to) in &request.renames {
            let from = match from.rsplit_once('.') {
                Some((table, column)) if table == at || table == before => column,
                Some(_) => continue,
                None => from,
            };
            let to = to.rsplit_once('.').map_or(to.as_str(), |(_, column)| column);
            if old.column(from).is_some() && new.column(from).is_none() && new.column(to).is_some() {
                found.push(Rename::Column(at.clone(), from.to_owned(), to.to_owned()));
            }
        }
        let done = |found: &[Rename], column: &Column| {
            found.iter().any(|rename| {
                matches!(rename, Rename::Column(table, a, b) if *table == at && (*a == column.name || *b == column.name))
            })
        };
        for gone in old.columns.iter().filter(|column| new.column(&column.name).is_none()) {
            let candidates = new.columns.iter().filter(|column| old.column(&column.name).is_none());
            for candidate in candidates.filter(|column| fits(&column.type_name, &gone.type_name, dialect)) {
                let names = [format!("{at}.{}", gone.name), format!("{before}.{}", gone.name)];
                if done(&found, gone) || done(&found, candidate) || may_drop(&names) {
                    continue;
                }
                match ask(&format!("was {at}.{} renamed to {}?", gone.name, candidate.name))? {
                    Some(true) => found.push(Rename::Column(at.clone(), gone.name.clone(), candidate.name.clone())),
                    Some(false) => {}
                    None => {
                        return Err(undecided(&names[0], &names[0], &candidate.name));
                    }
                }
            }
        }
    }
    for (from, to) in &request.renames {
        let column = from.rsplit('.').next().unwrap_or(from);
        let is_there = found.iter().any(|rename| match rename {
            Rename::Table(a, b) => a == from && b == to,
            Rename::Column(_, a, _) => a == column,
        });
        if !is_there {
            return Err(nothing(from, to));
        }
    }
    Ok(found)
}

fn columns_named(actual: &Schema, wanted: &Schema, from: &str, to: &str) -> Vec<Place> {
    let both = |table: &&Table| {
        table.column(from).is_some() && wanted.table(&table.place).is_some_and(|new| new.column(to).is_some())
    };
    actual.tables.iter().filter(both).map(|table| table.place.clone()).collect()
}

fn nothing(from: &str, to: &str) -> Error {
    Error::invalid(format!("nothing was renamed from {from} to {to}")).hint(
        "the old name is the database's, the new one the models': --rename users.name:username, --rename people:users",
    )
}

fn undecided(what: &str, from: &str, to: &str) -> Error {
    Error::new(ErrorKind::Refused, format!("{what} is gone and {to} is new: it may have been renamed"))
        .hint(format!("--rename {from}:{to} keeps its data, --drop {from} drops it"))
}

/// Half of the columns are the same.
fn resembles(old: &Table, new: &Table, dialect: Dialect) -> bool {
    let same = old
        .columns
        .iter()
        .filter(|column| {
            new.column(&column.name).is_some_and(|other| fits(&other.type_name, &column.type_name, dialect))
        })
        .count();
    same * 2 >= old.columns.len().max(new.columns.len())
}
