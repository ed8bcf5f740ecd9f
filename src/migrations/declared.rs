//! The schema that the models ask for. What they cannot say is taken from the database as it is, so that the rest of the
//! way two whole schemas are compared.

use super::compare::{alike, canonical, same_type};
use super::schema_file;
use crate::Result;
use crate::model::definition::{Check, Column, Dialect, ForeignKey, Index, Key, Place, Schema, Table};
use crate::model::{Catalog, ColumnDefault, DataType, Entity, EntityKind, IN_DATABASE, ReferentialAction};
use std::path::Path;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Declared {
    /// The tables.
    pub schema: Schema,
    /// Whether everything is said: types to the letter, defaults, indexes, constraints. So it is with another database.
    pub exact: bool,
    /// Whether all tables are meant. Models that are registered may stand beside tables that are not.
    pub complete: bool,
}

/// Something that only the database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// In words: `column users.age`.
    pub what: String,
    /// What `--drop` may call it.
    pub names: Vec<String>,
    /// Whether the models say that it is not there, rather than nothing.
    pub unwanted: bool,
}

impl Declared {
    /// Registered models.
    #[must_use]
    pub fn models(catalog: &Catalog, dialect: Dialect) -> Self {
        let tables = catalog
            .iter()
            .filter(|(_, entity)| entity.kind == EntityKind::Table)
            .map(|(_, entity)| table(entity, catalog, dialect))
            .collect();
        Self { schema: Schema { tables, dependents: Vec::new() }, exact: false, complete: false }
    }

    /// A project's `schema.rs`.
    ///
    /// # Errors
    /// `Io`, `Syntax`.
    pub fn file(path: &Path, dialect: Dialect) -> Result<Self> {
        Ok(Self { schema: schema_file::read(path, dialect)?, exact: false, complete: true })
    }

    /// Another database.
    #[must_use]
    pub const fn database(schema: Schema) -> Self {
        Self { schema, exact: true, complete: true }
    }

    /// Adds what the models leave open, as the database has it, and keeps what only the database has unless `drop` says
    /// that it goes.
    ///
    /// # Errors
    /// Whatever `drop` gives.
    pub fn fill(
        &mut self,
        actual: &Schema,
        dialect: Dialect,
        drop: &mut dyn FnMut(&Only) -> Result<bool>,
    ) -> Result<()> {
        let mut gone: Vec<Place> = Vec::new();
        for table in &actual.tables {
            if self.schema.table(&table.place).is_some() {
                continue;
            }
            let only = Only {
                what: format!("table {}", table.place),
                names: vec![table.place.to_string()],
                unwanted: self.complete,
            };
            if drop(&only)? {
                gone.push(table.place.clone());
            } else {
                self.schema.tables.push(table.clone());
            }
        }
        let exact = self.exact;
        for wanted in &mut self.schema.tables {
            if let Some(table) = actual.table(&wanted.place) {
                fill_table(wanted, table, exact, dialect, &gone, drop)?;
            }
            for key in &mut wanted.foreign_keys {
                for action in [&mut key.on_delete, &mut key.on_update] {
                    if action.is_empty() {
                        "NO ACTION".clone_into(action);
                    }
                }
            }
        }
        // A key to a table that goes goes with it.
        for table in &mut self.schema.tables {
            table.foreign_keys.retain(|key| !gone.contains(&key.to));
        }
        Ok(())
    }
}

fn fill_table(
    wanted: &mut Table,
    actual: &Table,
    exact: bool,
    dialect: Dialect,
    gone: &[Place],
    drop: &mut dyn FnMut(&Only) -> Result<bool>,
) -> Result<()> {
    let at = wanted.place.clone();
    let mut dropped: Vec<String> = Vec::new();
    let mut kept = Vec::new();
    for column in &actual.columns {
        match wanted.columns.iter_mut().find(|known| known.name.eq_ignore_ascii_case(&column.name)) {
            Some(known) if !exact => fill_column(known, column, dialect),
            Some(_) => {}
            None => {
                let only = Only {
                    what: format!("column {at}.{}", column.name),
                    names: vec![format!("{at}.{}", column.name)],
                    unwanted: exact,
                };
                if drop(&only)? {
                    dropped.push(column.name.to_lowercase());
                } else {
                    kept.push(column.clone());
                }
            }
        }
    }
    // The order is the database's wherever it is not said, and where columns are kept that it is not said of.
    if !exact || !kept.is_empty() {
        wanted.columns.extend(kept);
        let place =
            |column: &Column| actual.columns.iter().position(|known| known.name.eq_ignore_ascii_case(&column.name));
        wanted.columns.sort_by_key(|column| place(column).unwrap_or(usize::MAX));
    }
    let lost = |columns: &[String]| columns.iter().any(|column| dropped.contains(&column.to_lowercase()));
    let mut only = |kind: &str, name: Option<&String>, columns: &[String]| {
        let list = format!("({})", columns.join(","));
        let text = name.cloned().unwrap_or_else(|| list.clone());
        let mut names = vec![format!("{at}.{list}")];
        names.extend(name.map(|name| format!("{at}.{name}")));
        names.extend(name.cloned());
        drop(&Only { what: format!("{kind} {text} of {at}"), names, unwanted: exact })
    };

    if !exact {
        wanted.suffix.clone_from(&actual.suffix);
        if let (Some(key), Some(known)) = (&mut wanted.key, &actual.key)
            && alike(&key.columns, &known.columns)
        {
            key.clone_from(known);
        }
    }
    for known in &actual.foreign_keys {
        if lost(&known.columns) || gone.contains(&known.to) {
            continue;
        }
        let same = |key: &&mut ForeignKey| alike(&key.columns, &known.columns) && key.to == known.to;
        match wanted.foreign_keys.iter_mut().find(same) {
            Some(key) if !exact => {
                let (on_delete, on_update) = (key.on_delete.clone(), key.on_update.clone());
                key.clone_from(known);
                for (action, said) in [(&mut key.on_delete, on_delete), (&mut key.on_update, on_update)] {
                    if !said.is_empty() {
                        *action = said;
                    }
                }
            }
            Some(_) => {}
            None => {
                if !only("foreign key", known.name.as_ref(), &known.columns)? {
                    wanted.foreign_keys.push(known.clone());
                }
            }
        }
    }
    // A unique constraint and a unique index say the same; whichever the database has will do.
    for known in &actual.uniques {
        if lost(&known.columns) {
            continue;
        }
        if !exact
            && let Some(index) =
                wanted.indexes.iter().position(|index| index.unique && alike(&index.columns, &known.columns))
        {
            wanted.indexes.remove(index);
            wanted.uniques.push(known.clone());
            continue;
        }
        let told = wanted.uniques.iter().any(|key| alike(&key.columns, &known.columns) && key.rest == known.rest);
        if !told && !only("unique", known.name.as_ref(), &known.columns)? {
            wanted.uniques.push(known.clone());
        }
    }
    for known in &actual.indexes {
        if lost(&known.columns) {
            continue;
        }
        let same = |index: &&mut Index| {
            index.unique == known.unique
                && !index.columns.is_empty()
                && alike(&index.columns, &known.columns)
                && (exact || index.name == known.name || index.name.is_empty())
        };
        if let Some(index) = wanted.indexes.iter_mut().find(same) {
            if !exact {
                index.clone_from(known);
            }
            continue;
        }
        let told = wanted.indexes.iter().any(|index| index.name == known.name);
        if !told && !only("index", Some(&known.name), &known.columns)? {
            wanted.indexes.push(known.clone());
        }
    }
    for known in &actual.checks {
        let told = wanted
            .checks
            .iter()
            .any(|check| check.expression == known.expression || (check.name.is_some() && check.name == known.name));
        if told {
            continue;
        }
        let columns: Vec<String> =
            dropped.iter().filter(|column| mentions(&known.expression, column)).cloned().collect();
        if columns.is_empty() && !only("check", known.name.as_ref(), std::slice::from_ref(&known.expression))? {
            wanted.checks.push(known.clone());
        }
    }
    Ok(())
}

fn mentions(sql: &str, column: &str) -> bool {
    sql.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word.eq_ignore_ascii_case(column))
}

fn fill_column(wanted: &mut Column, actual: &Column, dialect: Dialect) {
    if fits(&wanted.type_name, &actual.type_name, dialect) {
        wanted.type_name.clone_from(&actual.type_name);
    }
    if wanted.default.is_none() {
        wanted.default.clone_from(&actual.default);
    }
    wanted.name.clone_from(&actual.name);
    wanted.numbering = actual.numbering;
    wanted.generated.clone_from(&actual.generated);
    wanted.collation.clone_from(&actual.collation);
}

/// Whether a column of one type holds what a model of the other means: models have fewer types than databases.
pub fn fits(wanted: &str, actual: &str, dialect: Dialect) -> bool {
    if same_type(wanted, actual, dialect) {
        return true;
    }
    let ((wanted, limit), (actual, has)) = (canonical(wanted, dialect), canonical(actual, dialect));
    let text = |base: &str| ["char", "text", "clob", "citext"].iter().any(|part| base.contains(part));
    if text(&wanted) && text(&actual) && !wanted.ends_with("[]") && !actual.ends_with("[]") {
        // A length counts where the model has one.
        return limit.is_empty() || limit == has;
    }
    let kind = |base: &str| match dialect {
        Dialect::Sqlite if base.contains("int") => "whole".to_owned(),
        Dialect::Sqlite if ["real", "floa", "doub"].iter().any(|part| base.contains(part)) => "float".to_owned(),
        _ => match base {
            "decimal" => "numeric".to_owned(),
            "datetime" => "timestamp".to_owned(),
            "bool" => "boolean".to_owned(),
            "json" => "jsonb".to_owned(),
            // A model without a type takes any.
            other => other.to_owned(),
        },
    };
    kind(&wanted) == kind(&actual) && (limit.is_empty() || limit == has)
}

fn table(entity: &Entity, catalog: &Catalog, dialect: Dialect) -> Table {
    let name = |at: &usize| entity.columns[*at].name.clone();
    let mut table = Table::new(Place { schema: entity.schema.clone(), name: entity.table.clone() });
    for column in &entity.columns {
        table.columns.push(Column {
            name: column.name.clone(),
            type_name: type_name(&column.data_type, dialect),
            nullable: column.nullable,
            default: match &column.default {
                Some(ColumnDefault::Database(sql)) if sql != IN_DATABASE => Some(sql.clone()),
                // The shell's own defaults are no concern of the database.
                _ => None,
            },
            ..Column::default()
        });
    }
    let keys: Vec<String> = entity.key.iter().map(name).collect();
    if entity.key.iter().any(|at| entity.columns[*at].numbered) {
        schema_file::number(&mut table, &keys, dialect);
    }
    if !keys.is_empty() {
        table.key = Some(Key { name: None, columns: keys, rest: String::new() });
    }
    for index in &entity.indexes {
        let columns: Vec<String> = index.columns.iter().map(name).collect();
        let ending = if index.unique { "key" } else { "idx" };
        let own = index.name.clone().unwrap_or_else(|| format!("{}_{}_{ending}", entity.table, columns.join("_")));
        let definition = format!("({})", super::ddl::names(&columns));
        table.indexes.push(Index { name: own, unique: index.unique, definition, columns });
    }
    for (own, expression) in &entity.constraints {
        table.checks.push(Check { name: Some(own.clone()), expression: expression.clone() });
    }
    let action = |action: ReferentialAction| match action {
        ReferentialAction::Restrict => "",
        ReferentialAction::Cascade => "CASCADE",
        ReferentialAction::SetNull => "SET NULL",
        ReferentialAction::SetDefault => "SET DEFAULT",
    };
    for key in &entity.foreign_keys {
        let to = catalog.get(key.to);
        table.foreign_keys.push(ForeignKey {
            name: None,
            columns: key.columns.iter().map(name).collect(),
            to: Place { schema: to.schema.clone(), name: to.table.clone() },
            to_columns: key.to_columns.iter().map(|at| to.columns[*at].name.clone()).collect(),
            on_delete: action(key.on_delete).into(),
            on_update: action(key.on_update).into(),
            rest: String::new(),
        });
    }
    table
}

fn type_name(data_type: &DataType, dialect: Dialect) -> String {
    let sqlite = dialect == Dialect::Sqlite;
    match data_type {
        DataType::Bool => "BOOLEAN".into(),
        DataType::Int(16) => "SMALLINT".into(),
        DataType::Int(32) => "INTEGER".into(),
        DataType::Int(_) => "BIGINT".into(),
        DataType::Float => if sqlite { "DOUBLE" } else { "DOUBLE PRECISION" }.into(),
        DataType::Numeric => "NUMERIC".into(),
        DataType::Text(Some(limit)) => format!("VARCHAR({limit})"),
        DataType::Text(None) => "TEXT".into(),
        DataType::Bytes => if sqlite { "BLOB" } else { "BYTEA" }.into(),
        DataType::Timestamp => "TIMESTAMP".into(),
        DataType::TimestampTz => "TIMESTAMPTZ".into(),
        DataType::Date => "DATE".into(),
        DataType::Time => "TIME".into(),
        DataType::Json => if sqlite { "JSON" } else { "JSONB" }.into(),
        DataType::Uuid => "UUID".into(),
        DataType::Other(name) | DataType::Opaque(name) => name.clone(),
        DataType::Any => String::new(),
    }
}
