//! A schema as its database defines it: what migrations compare and write. Models are read from `infer` instead; they
//! know less of the database and more of the person.

use std::collections::HashSet;

/// Which SQL a database speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL, and what speaks its protocol.
    Postgres,
}

impl Dialect {
    /// The name of the folder that has this dialect's migrations, where a project has several.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// The tables of a database, and what depends on them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schema {
    /// Tables, by name.
    pub tables: Vec<Table>,
    /// Views, and SQLite's triggers: what is lost or stands in the way when a table is made anew.
    pub dependents: Vec<Dependent>,
}

impl Schema {
    /// The table with this name.
    #[must_use]
    pub fn table(&self, name: &Place) -> Option<&Table> {
        self.tables.iter().find(|table| table.place == *name)
    }

    /// What belongs to or names one of these tables (in lower case), and what names that in turn, in the order in which it
    /// was made.
    #[must_use]
    pub fn depending_on(&self, mut touched: HashSet<String>) -> Vec<&Dependent> {
        let mut chosen: HashSet<&str> = HashSet::new();
        loop {
            let known = chosen.len();
            for dependent in &self.dependents {
                let on = dependent.on.as_ref().is_some_and(|on| touched.contains(&on.name.to_lowercase()));
                if (on || dependent.names.iter().any(|name| touched.contains(name))) && chosen.insert(&dependent.name) {
                    touched.insert(dependent.name.to_lowercase());
                }
            }
            if chosen.len() == known {
                break;
            }
        }
        self.dependents.iter().filter(|dependent| chosen.contains(dependent.name.as_str())).collect()
    }
}

/// A table's name, with its schema where that is not the default one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The schema.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
}

impl Place {
    /// A table of the default schema.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { schema: None, name: name.into() }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(out, "{schema}.{}", self.name),
            None => out.write_str(&self.name),
        }
    }
}

/// A view or a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: DependentKind,
    /// The table that it belongs to, for a trigger.
    pub on: Option<Place>,
    /// The statement that makes it, without a final semicolon.
    pub sql: String,
    /// The tables and views that its text names, in lower case.
    pub names: Vec<String>,
}

/// What a [`Dependent`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependentKind {
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

/// One table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub place: Place,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// The primary key.
    pub key: Option<Key>,
    /// Unique constraints.
    pub uniques: Vec<Key>,
    /// Indexes that no constraint made.
    pub indexes: Vec<Index>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Check constraints.
    pub checks: Vec<Check>,
    /// What stands behind the brackets: `STRICT`, `WITHOUT ROWID`.
    pub suffix: String,
    /// SQLite's own text of it, which may say more than all of this.
    pub text: String,
}

impl Table {
    /// An empty table.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self {
            place,
            columns: Vec::new(),
            key: None,
            uniques: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            checks: Vec::new(),
            suffix: String::new(),
            text: String::new(),
        }
    }

    /// The column with this name; SQLite ignores case, and no PostgreSQL schema that people write differs by case alone.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// Whether a column is the whole primary key.
    #[must_use]
    pub fn is_key(&self, name: &str) -> bool {
        self.key.as_ref().is_some_and(|key| key.columns.len() == 1 && key.columns[0].eq_ignore_ascii_case(name))
    }
}

/// One column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as the database spells it; empty where SQLite has none.
    pub type_name: String,
    /// PostgreSQL's short name of the type, of what a domain is made of, or of an array: `int4`, `_text`.
    pub short_type: String,
    /// The schema of that type, where it is not the default one.
    pub type_schema: Option<String>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// The default, as SQL.
    pub default: Option<String>,
    /// What computes it: `GENERATED ALWAYS AS (...) STORED`.
    pub generated: Option<String>,
    /// The collation, where it is not the type's own.
    pub collation: Option<String>,
    /// How the database numbers it.
    pub numbering: Numbering,
}

/// How a column gets its numbers, beyond SQLite's rowid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Numbering {
    /// It does not.
    #[default]
    None,
    /// SQLite's AUTOINCREMENT.
    Autoincrement,
    /// PostgreSQL's serial: a sequence of its own.
    Serial,
    /// GENERATED BY DEFAULT AS IDENTITY.
    Identity,
    /// GENERATED ALWAYS AS IDENTITY.
    IdentityAlways,
}

/// A primary key or a unique constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its columns.
    pub columns: Vec<String>,
    /// What else it says: `ON CONFLICT IGNORE`, `DEFERRABLE`.
    pub rest: String,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether it forbids equal values.
    pub unique: bool,
    /// What stands behind the table's name: `(email)`, `USING gin (body)`, `(email) WHERE active`.
    pub definition: String,
    /// Its columns, where it is on nothing but columns.
    pub columns: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to.
    pub to: Place,
    /// The columns referred to; empty for the primary key.
    pub to_columns: Vec<String>,
    /// `CASCADE`, `SET NULL`, `SET DEFAULT`, `RESTRICT` or `NO ACTION`.
    pub on_delete: String,
    /// Likewise.
    pub on_update: String,
    /// What else it says: `DEFERRABLE INITIALLY DEFERRED`.
    pub rest: String,
}

/// A check constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The condition, without the brackets around it.
    pub expression: String,
}

/// A row that refers to a row that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its table.
    pub table: String,
    /// Its rowid; none in a table without.
    pub rowid: Option<i64>,
    /// The table referred to.
    pub parent: String,
    /// The referring columns with their values, for a message.
    pub values: String,
}
