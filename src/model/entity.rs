//! Entities: one table or view, its columns and its relationships.

use super::definition::Place;
use super::rule::{ColumnCheck, Computed, Proposed, RecordCheck};
use super::{DataType, EntityId, Value};
use crate::{Error, Result};

/// What gives a column its value when none is named.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnDefault {
    /// The current time in UTC, taken when the change is staged.
    Now,
    /// A fixed value, set by the shell.
    Value(Value),
    /// A value that the application computes when the change is staged.
    Computed(Computed),
    /// The database's own default, by its SQL text; the shell leaves the column out.
    Database(String),
}

/// Stands for a default that the database has and the application did not spell.
pub const IN_DATABASE: &str = "of the database";

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// The column's name in the database.
    pub name: String,
    /// Its type.
    pub data_type: DataType,
    /// The type as the database spells it, with lengths and domains; empty where the database was not asked.
    pub declared: String,
    /// How SQLite compares its texts, where that is not by their bytes.
    pub collation: Option<String>,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// What gives it a value when none is named.
    pub default: Option<ColumnDefault>,
    /// Whether the database computes it, so that it cannot be written.
    pub generated: bool,
    /// Whether the database numbers it (rowid, identity, serial).
    pub numbered: bool,
    /// Whether only the database numbers it (GENERATED ALWAYS AS IDENTITY).
    pub always: bool,
    /// The values it can have, where an enumeration or a check lists them.
    pub choices: Vec<String>,
    /// Whether its values are secret: hidden wherever they would be shown, and kept in no file of the shell's own.
    pub masked: bool,
    /// Whether a person asked to see the values of a masked column all the same.
    pub unmasked: bool,
    /// What the application demands of its values.
    pub checks: Vec<ColumnCheck>,
}

impl Column {
    /// A nullable column without a default.
    #[must_use]
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self {
            name: name.into(),
            data_type,
            declared: String::new(),
            collation: None,
            nullable: true,
            default: None,
            generated: false,
            numbered: false,
            always: false,
            choices: Vec::new(),
            masked: false,
            unmasked: false,
            checks: Vec::new(),
        }
    }

    /// The type that its domain is made of, where that travels by its name.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        match &self.data_type {
            DataType::Other(name) if !self.declared.is_empty() && self.declared != *name => Some(name),
            _ => None,
        }
    }

    /// Whether its values are hidden now.
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.masked && !self.unmasked
    }

    /// Whether `add` must name it.
    #[must_use]
    pub fn required(&self) -> bool {
        !self.nullable && self.default.is_none() && !self.generated && !self.numbered
    }

    /// The value fitted to the column's type, or why it does not fit.
    ///
    /// # Errors
    /// A value of another type, NULL where it is not allowed, a text longer than the column's limit (both in
    /// characters), or what the application's own checks say, each naming the column.
    pub fn check(&self, value: Value) -> Result<Value> {
        if self.generated {
            return Err(Error::invalid(format!("{} is computed by the database and cannot be set", self.name)));
        }
        if value.is_null() {
            if !self.nullable && !self.numbered {
                return Err(Error::invalid(format!("{} cannot be NULL", self.name)));
            }
            return Ok(value);
        }
        let fitted = self.data_type.fit(value).map_err(|mut error| {
            error.message = format!("{}: {}", self.name, error.message);
            error
        })?;
        if let (DataType::Text(Some(limit)), Value::Text(text)) = (&self.data_type, &fitted) {
            // A text of no more bytes than the limit cannot have more characters.
            if text.len() > *limit as usize {
                let length = text.chars().count();
                if length > *limit as usize {
                    return Err(Error::invalid(format!(
                        "{} is too long: {length} characters, at most {limit} are allowed",
                        self.name
                    )));
                }
            }
        }
        for check in &self.checks {
            check.run(&fitted).map_err(|why| Error::invalid(format!("{}: {why}", self.name)))?;
        }
        Ok(fitted)
    }
}

/// What stands for a hidden value.
pub const MASK: &str = "********";

/// What the database does to referring rows when a referred row goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReferentialAction {
    /// Refuse.
    #[default]
    Restrict,
    /// Delete or update them too.
    Cascade,
    /// Set their columns to NULL.
    SetNull,
    /// Set their columns to their defaults.
    SetDefault,
}

/// A foreign key of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Indexes of the referring columns, in this entity.
    pub columns: Vec<usize>,
    /// The entity referred to.
    pub to: EntityId,
    /// Indexes of the columns referred to, in that entity.
    pub to_columns: Vec<usize>,
    /// What happens when the referred row is deleted.
    pub on_delete: ReferentialAction,
    /// What happens when the referred key changes.
    pub on_update: ReferentialAction,
}

/// An index or a unique constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name in the database, where it has one.
    pub name: Option<String>,
    /// Indexes of the columns it covers, in order.
    pub columns: Vec<usize>,
    /// Whether it forbids equal values.
    pub unique: bool,
}

/// Whether following a relationship gives one record or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cardinality {
    /// At most one record: the foreign key is on this side, or is unique on the other.
    One,
    /// Any number of records.
    Many,
}

/// The link table of a many-to-many relationship.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The link table.
    pub entity: EntityId,
    /// Its columns that refer to this side.
    pub near: Vec<usize>,
    /// Its columns that refer to the other side.
    pub far: Vec<usize>,
}

/// A named way from one entity to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// The name that paths use: `author`, `posts`.
    pub name: String,
    /// Where it leads.
    pub to: EntityId,
    /// One record or many.
    pub cardinality: Cardinality,
    /// Columns on this side.
    pub local: Vec<usize>,
    /// Columns on the other side that equal them (through `link`, where there is one).
    pub remote: Vec<usize>,
    /// Whether the foreign key is on this side, so that setting the relationship sets `local`.
    pub owning: bool,
    /// The link table between, for many-to-many.
    pub link: Option<Link>,
}

/// A name's characters without case and underscores.
fn letters(name: &str) -> impl Iterator<Item = char> + '_ {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase)
}

/// Whether two names are the same but for case and underscores.
fn alike(one: &str, two: &str) -> bool {
    let first = |name: &str| name.bytes().find(|byte| *byte != b'_');
    match (first(one), first(two)) {
        // Most names differ from the start.
        (Some(a), Some(b)) if a.is_ascii() && b.is_ascii() && !a.eq_ignore_ascii_case(&b) => false,
        (None, _) | (_, None) => false,
        _ => letters(one).eq(letters(two)),
    }
}

/// Whether an entity can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntityKind {
    /// A table.
    Table,
    /// A view: read only.
    View,
}

/// One table or view as a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// The singular name that commands use: `user`.
    pub name: String,
    /// The plural: `users`.
    pub plural: String,
    /// The name that `repr` shows: `User`.
    pub title: String,
    /// The database schema, where it is not the default one.
    pub schema: Option<String>,
    /// The table's name in the database.
    pub table: String,
    /// Table or view.
    pub kind: EntityKind,
    /// All columns, in the table's order.
    pub columns: Vec<Column>,
    /// Indexes of the primary key's columns.
    pub key: Vec<usize>,
    /// Indexes and unique constraints other than the primary key.
    pub indexes: Vec<Index>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Relationships, both directions.
    pub relationships: Vec<Relationship>,
    /// The column that `repr` shows.
    pub display: Option<usize>,
    /// The unique text column by which a record can be named.
    pub natural_key: Option<usize>,
    /// What the application demands of a record as a whole.
    pub checks: Vec<RecordCheck>,
    /// Check constraints that the table is to have: name and condition.
    pub constraints: Vec<(String, String)>,
}

impl Entity {
    /// The table's place in the database.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { schema: self.schema.clone(), name: self.table.clone() }
    }

    /// The column with this name, else the one whose name differs only in case or underscores (`artist_id` means
    /// `ArtistId`): its index and itself.
    #[must_use]
    pub fn column(&self, name: &str) -> Option<(usize, &Column)> {
        let by = |same: &dyn Fn(&str) -> bool| self.columns.iter().enumerate().find(|(_, column)| same(&column.name));
        by(&|known| known == name)
            .or_else(|| by(&|known| known.eq_ignore_ascii_case(name)))
            .or_else(|| by(&|known| alike(known, name)))
    }

    /// The relationship with this name, case-insensitively. Other names of it are
    /// [`Catalog::relationship`](super::Catalog::relationship)'s matter.
    pub(super) fn relationship(&self, name: &str) -> Option<&Relationship> {
        self.relationships.iter().find(|relationship| relationship.name.eq_ignore_ascii_case(name))
    }

    /// The single columns by which a text names a record, and whether each finds one record at most: its key, its natural
    /// key, and the text that messages call it by.
    #[must_use]
    pub fn names(&self) -> Vec<(usize, bool)> {
        let key = if let [only] = self.key.as_slice() { Some(*only) } else { None };
        // A number is no text's meaning where there is a name.
        let key = key.filter(|at| self.natural_key.is_none() || !self.columns[*at].data_type.is_wordless());
        let natural = self.natural_key.filter(|at| Some(*at) != key);
        let unique: Vec<usize> = key.into_iter().chain(natural).collect();
        let label = self.display.filter(|at| {
            let column = &self.columns[*at];
            !unique.contains(at) && !column.masked && matches!(column.data_type, DataType::Text(_))
        });
        unique.into_iter().map(|at| (at, true)).chain(label.map(|at| (at, false))).collect()
    }

    /// Names of columns and relationships, for suggestions.
    pub fn member_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.columns
            .iter()
            .map(|column| column.name.as_str())
            .chain(self.relationships.iter().map(|relationship| relationship.name.as_str()))
    }

    /// What the application's own checks say of a record as it will be; `values` has one for each column.
    ///
    /// # Errors
    /// `Invalid`, in the application's words.
    pub fn validate(&self, values: &[Value], is_new: bool) -> Result<()> {
        let record = Proposed { values, is_new };
        let refused = self.checks.iter().find_map(|check| check.run(&record).err());
        refused.map_or(Ok(()), |why| Err(Error::invalid(format!("{}: {why}", self.name))))
    }

    /// [`Entity::validate`] for a new record, of which some columns are given.
    ///
    /// # Errors
    /// As there.
    pub fn validate_new(&self, given: &[(usize, Value)]) -> Result<()> {
        if self.checks.is_empty() {
            return Ok(());
        }
        let mut values = vec![Value::Null; self.columns.len()];
        for (at, value) in given {
            values[*at] = value.clone();
        }
        self.validate(&values, true)
    }

    /// [`Entity::validate`] for new values of some columns of a record.
    ///
    /// # Errors
    /// As there.
    pub fn validate_change(&self, row: &[Value], set: &[(usize, Value)]) -> Result<()> {
        if self.checks.is_empty() {
            return Ok(());
        }
        let mut values = row.to_vec();
        for (at, value) in set {
            values[*at] = value.clone();
        }
        self.validate(&values, false)
    }

    /// Whether this column alone is the primary key, an integer that the database numbers.
    #[must_use]
    pub fn numbered_key(&self) -> Option<usize> {
        match self.key.as_slice() {
            [only] if self.columns[*only].numbered => Some(*only),
            _ => None,
        }
    }

    /// `<User john>`: the record as its display column shows it, or by its key.
    #[must_use]
    pub fn repr(&self, values: &[Value]) -> String {
        self.repr_of(|at| values.get(at))
    }

    /// [`Entity::repr`] with the values taken from elsewhere; none is NULL.
    pub fn repr_of<'v>(&self, value: impl Fn(usize) -> Option<&'v Value>) -> String {
        match self.display.and_then(&value).filter(|value| !value.is_null()) {
            Some(_) if self.display.is_some_and(|at| self.columns[at].is_hidden()) => {
                format!("<{} {MASK}>", self.title)
            }
            Some(Value::Text(text)) => ["<", &self.title, " ", text, ">"].concat(),
            Some(value) => format!("<{} {value}>", self.title),
            None => {
                let shown = |at: &usize| {
                    value(*at).map(|value| if self.columns[*at].is_hidden() { MASK.into() } else { value.to_string() })
                };
                let key: Vec<String> = self.key.iter().filter_map(shown).collect();
                match key.len() {
                    0 => format!("<{}>", self.title),
                    1 => format!("<{} {}>", self.title, key.concat()),
                    _ => format!("<{} ({})>", self.title, key.join(", ")),
                }
            }
        }
    }
}
