//! What differs between two schemas, thing by thing.

use crate::model::definition::{Check, Column, Dialect, ForeignKey, Index, Key, Schema, Table};

/// A table that only one of them has, or that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Only the later one has it.
    Added(Table),
    /// Only the earlier one has it.
    Removed(Table),
    /// Both have it, and not alike.
    Changed(Box<Changed>),
}

/// A table before and after, and how it differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// As it is.
    pub before: Table,
    /// As it is to be.
    pub after: Table,
    /// Thing by thing.
    pub items: Vec<Item>,
}

/// One thing in which a table differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// A new column.
    AddColumn(Column),
    /// A column that goes.
    DropColumn(Column),
    /// A column with another type, nullability, default, collation, numbering or expression.
    AlterColumn(Column, Column),
    /// The columns in another order.
    Order,
    /// The primary key.
    Key(Option<Key>, Option<Key>),
    /// A new unique constraint.
    AddUnique(Key),
    /// One that goes.
    DropUnique(Key),
    /// A new index.
    AddIndex(Index),
    /// One that goes.
    DropIndex(Index),
    /// A new foreign key.
    AddForeignKey(ForeignKey),
    /// One that goes.
    DropForeignKey(ForeignKey),
    /// A new check.
    AddCheck(Check),
    /// One that goes.
    DropCheck(Check),
    /// `STRICT`, `WITHOUT ROWID`.
    Suffix,
}

/// What has to happen to make `after` of `before`.
pub fn compare(before: &Schema, after: &Schema, dialect: Dialect) -> Vec<Difference> {
    let mut found = Vec::new();
    for table in &after.tables {
        match before.table(&table.place) {
            None => found.push(Difference::Added(table.clone())),
            Some(old) => {
                let items = items(old, table, dialect);
                if !items.is_empty() {
                    found.push(Difference::Changed(Box::new(Changed {
                        before: old.clone(),
                        after: table.clone(),
                        items,
                    })));
                }
            }
        }
    }
    for table in &before.tables {
        if after.table(&table.place).is_none() {
            found.push(Difference::Removed(table.clone()));
        }
    }
    found
}

fn items(before: &Table, after: &Table, dialect: Dialect) -> Vec<Item> {
    let mut items = Vec::new();
    for column in &before.columns {
        if after.column(&column.name).is_none() {
            items.push(Item::DropColumn(column.clone()));
        }
    }
    for column in &after.columns {
        match before.column(&column.name) {
            None => items.push(Item::AddColumn(column.clone())),
            Some(old) => {
                let rowid = dialect == Dialect::Sqlite && before.is_key(&old.name) && after.is_key(&column.name);
                if !same_column(old, column, rowid, dialect) {
                    items.push(Item::AlterColumn(old.clone(), column.clone()));
                }
            }
        }
    }
    // PostgreSQL has no way to put a column anywhere but at the end.
    let order = |table: &Table, other: &Table| -> Vec<String> {
        let both = table.columns.iter().filter(|column| other.column(&column.name).is_some());
        both.map(|column| column.name.to_lowercase()).collect()
    };
    let at_end = |table: &Table, other: &Table| {
        let first_new = table.columns.iter().position(|column| other.column(&column.name).is_none());
        first_new.is_none_or(|at| table.columns[at..].iter().all(|column| other.column(&column.name).is_none()))
    };
    if dialect == Dialect::Sqlite && (order(before, after) != order(after, before) || !at_end(after, before)) {
        items.push(Item::Order);
    }
    let same_key = match (&before.key, &after.key) {
        (Some(old), Some(new)) => same(old, new),
        (old, new) => old.is_none() && new.is_none(),
    };
    if !same_key {
        items.push(Item::Key(before.key.clone(), after.key.clone()));
    }
    pairs(&before.uniques, &after.uniques, &mut items, Item::DropUnique, Item::AddUnique, same);
    pairs(&before.checks, &after.checks, &mut items, Item::DropCheck, Item::AddCheck, same);
    pairs(&before.foreign_keys, &after.foreign_keys, &mut items, Item::DropForeignKey, Item::AddForeignKey, same);
    pairs(&before.indexes, &after.indexes, &mut items, Item::DropIndex, Item::AddIndex, |a, b| {
        a.name == b.name && a.unique == b.unique && squeezed(&a.definition) == squeezed(&b.definition)
    });
    if before.suffix != after.suffix {
        items.push(Item::Suffix);
    }
    items
}

fn pairs<T: Clone>(
    before: &[T],
    after: &[T],
    items: &mut Vec<Item>,
    drop: impl Fn(T) -> Item,
    add: impl Fn(T) -> Item,
    same: impl Fn(&T, &T) -> bool,
) {
    let mut left: Vec<&T> = after.iter().collect();
    for old in before {
        match left.iter().position(|new| same(old, new)) {
            Some(at) => {
                left.remove(at);
            }
            None => items.push(drop(old.clone())),
        }
    }
    items.extend(left.into_iter().map(|new| add(new.clone())));
}

/// A constraint: it is the same when it says the same, and its name counts where somebody gave it.
trait Constraint {
    fn name(&self) -> Option<&str>;
    fn says_the_same(&self, other: &Self) -> bool;
}

fn same<T: Constraint>(old: &T, new: &T) -> bool {
    let given = |constraint: &T| constraint.name().filter(|name| !is_automatic(name)).map(str::to_owned);
    let names = match (given(old), given(new)) {
        (Some(old), Some(new)) => old == new,
        // One that the database named says as much as one without a name.
        (None, None) => true,
        _ => false,
    };
    names && old.says_the_same(new)
}

/// Names that PostgreSQL gives by itself: `users_pkey`, `users_email_key`, `posts_user_id_fkey`, `users_age_check1`.
/// After a table is renamed they keep the old table's name, so only the ending counts.
fn is_automatic(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    ["_pkey", "_key", "_fkey", "_check", "_excl"].iter().any(|ending| stem.ends_with(ending))
}

impl Constraint for Key {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    fn says_the_same(&self, other: &Self) -> bool {
        alike(&self.columns, &other.columns) && self.rest == other.rest
    }
}

impl Constraint for ForeignKey {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    fn says_the_same(&self, other: &Self) -> bool {
        alike(&self.columns, &other.columns)
            && self.to.name.eq_ignore_ascii_case(&other.to.name)
            && self.to.schema == other.to.schema
            && (alike(&self.to_columns, &other.to_columns) || self.to_columns.is_empty() || other.to_columns.is_empty())
            && self.on_delete == other.on_delete
            && self.on_update == other.on_update
            && self.rest == other.rest
    }
}

impl Constraint for Check {
    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
    fn says_the_same(&self, other: &Self) -> bool {
        squeezed(&self.expression) == squeezed(&other.expression)
    }
}

/// Whether lists of names are the same but for case.
pub fn alike(a: &[String], b: &[String]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.eq_ignore_ascii_case(b))
}

fn same_column(old: &Column, new: &Column, rowid: bool, dialect: Dialect) -> bool {
    same_type(&old.type_name, &new.type_name, dialect)
        && (old.nullable == new.nullable || rowid)
        && old.default.as_deref().map(squeezed) == new.default.as_deref().map(squeezed)
        && old.generated.as_deref().map(squeezed) == new.generated.as_deref().map(squeezed)
        && old.collation == new.collation
        && old.numbering == new.numbering
}

/// Whether two spellings mean the same type.
pub fn same_type(a: &str, b: &str, dialect: Dialect) -> bool {
    canonical(a, dialect) == canonical(b, dialect)
}

/// A type's one spelling: its name and what stands in brackets behind it.
pub fn canonical(declared: &str, dialect: Dialect) -> (String, String) {
    let lower = squeezed(declared).to_lowercase();
    let (base, arguments) = match (lower.find('('), lower.find(')')) {
        (Some(open), Some(close)) if open < close => {
            let rest = &lower[close + 1..];
            (format!("{}{rest}", lower[..open].trim_end()), lower[open + 1..close].replace(' ', ""))
        }
        _ => (lower, String::new()),
    };
    if dialect == Dialect::Sqlite {
        return (base, arguments);
    }
    let (element, array) = base.split_once('[').map_or((base.as_str(), ""), |(element, _)| (element, "[]"));
    let element = match element.trim() {
        "int" | "int4" => "integer",
        "int8" => "bigint",
        "int2" => "smallint",
        "varchar" => "character varying",
        "char" | "bpchar" => "character",
        "bool" => "boolean",
        "float8" | "float" | "double" => "double precision",
        "float4" => "real",
        "decimal" => "numeric",
        "timestamp" => "timestamp without time zone",
        "timestamptz" => "timestamp with time zone",
        "time" => "time without time zone",
        "timetz" => "time with time zone",
        "varbit" => "bit varying",
        other => other,
    };
    (format!("{element}{array}"), arguments)
}

/// A text with single spaces, and none inside brackets' edges: how SQL is spaced means nothing.
pub fn squeezed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut space = false;
    for c in text.trim().chars() {
        if let Some(open) = quote {
            out.push(c);
            if c == open {
                quote = None;
            }
            continue;
        }
        if c.is_whitespace() {
            space = true;
            continue;
        }
        if space && !out.ends_with('(') && !matches!(c, ')' | ',') {
            out.push(' ');
        }
        space = false;
        if matches!(c, '\'' | '"') {
            quote = Some(c);
        }
        out.push(c);
    }
    out
}
