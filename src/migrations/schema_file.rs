//! The tables of a project's `src/schema.rs`, read as Diesel reads them.

use crate::model::definition::{Column, Dialect, ForeignKey, Key, Numbering, Place, Schema, Table};
use crate::{Error, ErrorKind, Result};
use diesel_table_macro_syntax::TableDecl;
use std::collections::HashMap;
use std::path::Path;

/// `joinable!(child -> parent (column))`
struct Joinable {
    child: syn::Ident,
    parent: syn::Ident,
    column: syn::Ident,
}

impl syn::parse::Parse for Joinable {
    fn parse(input: syn::parse::ParseStream<'_>) -> syn::Result<Self> {
        let child = input.parse()?;
        input.parse::<syn::Token![->]>()?;
        let parent = input.parse()?;
        let inner;
        syn::parenthesized!(inner in input);
        Ok(Self { child, parent, column: inner.parse()? })
    }
}

/// What the file has, by the names that Rust knows it by.
#[derive(Default)]
struct Found {
    tables: Vec<Table>,
    rust: HashMap<String, usize>,
    columns: HashMap<(String, String), String>,
    joins: Vec<Joinable>,
    custom: HashMap<String, String>,
}

/// How long the file may be, in bytes.
const LONGEST: u64 = 16 << 20;

/// Reads the file. It says nothing of defaults, indexes, uniques, checks and actions.
///
/// # Errors
/// `Io` when it cannot be read; `Syntax` when it is no Rust that Diesel would take.
pub fn read(path: &Path, dialect: Dialect) -> Result<Schema> {
    let text = crate::files::read_text(path, LONGEST)
        .map_err(|cause| Error::new(ErrorKind::Io, format!("cannot read {}: {cause}", path.display())))?;
    let wrong = |cause: syn::Error| Error::new(ErrorKind::Syntax, format!("{}: {cause}", path.display()));
    let file = syn::parse_file(&text).map_err(wrong)?;
    let mut found = Found::default();
    types(&file.items, &mut found);
    items(&file.items, &mut found, dialect).map_err(wrong)?;
    let Found { mut tables, rust, columns, joins, .. } = found;
    for join in joins {
        let (child, parent) = (join.child.to_string(), join.parent.to_string());
        let (Some(from), Some(to)) = (rust.get(&child), rust.get(&parent)) else { continue };
        let column = columns.get(&(child, join.column.to_string())).cloned().unwrap_or_else(|| join.column.to_string());
        let to_columns = tables[*to].key.as_ref().map_or_else(Vec::new, |key| key.columns.clone());
        let to = tables[*to].place.clone();
        tables[*from].foreign_keys.push(ForeignKey {
            name: None,
            columns: vec![column],
            to,
            to_columns,
            on_delete: String::new(),
            on_update: String::new(),
            rest: String::new(),
        });
    }
    Ok(Schema { tables, dependents: Vec::new() })
}

/// The SQL types that the file defines itself: `#[diesel(postgres_type(name = "mood"))] pub struct Mood;`
fn types(items: &[syn::Item], found: &mut Found) {
    for item in items {
        match item {
            syn::Item::Mod(module) => types(module.content.as_ref().map_or(&[][..], |(_, items)| items), found),
            syn::Item::Struct(item) => {
                for attribute in item.attrs.iter().filter(|attribute| attribute.path().is_ident("diesel")) {
                    let _ = attribute.parse_nested_meta(|meta| {
                        meta.parse_nested_meta(|meta| {
                            let value: syn::LitStr = meta.value()?.parse()?;
                            if meta.path.is_ident("name") {
                                found.custom.insert(item.ident.to_string(), value.value());
                            }
                            Ok(())
                        })
                    });
                }
            }
            _ => {}
        }
    }
}

fn items(items: &[syn::Item], found: &mut Found, dialect: Dialect) -> syn::Result<()> {
    for item in items {
        match item {
            syn::Item::Mod(module) => {
                if let Some((_, inner)) = &module.content {
                    self::items(inner, found, dialect)?;
                }
            }
            syn::Item::Macro(item) => match item.mac.path.segments.last().map(|last| last.ident.to_string()).as_deref()
            {
                Some("table") => table(&item.mac.parse_body::<TableDecl>()?, found, dialect)?,
                Some("joinable") => found.joins.push(item.mac.parse_body()?),
                _ => {}
            },
            _ => {}
        }
    }
    Ok(())
}

fn table(declared: &TableDecl, found: &mut Found, dialect: Dialect) -> syn::Result<()> {
    use syn::ext::IdentExt;
    let schema = declared.schema.as_ref().map(ToString::to_string);
    let mut table = Table::new(Place { schema, name: declared.sql_name.clone() });
    let rust = declared.table_name.unraw().to_string();
    let mut names = HashMap::new();
    for column in &declared.column_defs {
        let limit = column.max_length.as_ref().map(syn::LitInt::base10_parse::<u32>).transpose()?;
        let (type_name, nullable) = sql_type(&column.tpe, limit, &found.custom, dialect)?;
        names.insert(column.column_name.unraw().to_string(), column.sql_name.clone());
        let name = column.sql_name.clone();
        table.columns.push(Column { name, type_name, nullable, ..Column::default() });
    }
    // `table!` without a key means `id`.
    let keys: Vec<String> = declared
        .primary_keys
        .as_ref()
        .map_or_else(|| vec!["id".to_owned()], |key| key.keys.iter().map(|key| key.unraw().to_string()).collect());
    let keys: Vec<String> = keys.into_iter().map(|key| names.get(&key).cloned().unwrap_or(key)).collect();
    number(&mut table, &keys, dialect);
    table.key = Some(Key { name: None, columns: keys, rest: String::new() });
    found.columns.extend(names.into_iter().map(|(name, sql)| ((rust.clone(), name), sql)));
    found.rust.insert(rust, found.tables.len());
    found.tables.push(table);
    Ok(())
}

/// A key of one whole number is what the database numbers.
pub fn number(table: &mut Table, keys: &[String], dialect: Dialect) {
    let [key] = keys else { return };
    for column in table.columns.iter_mut().filter(|column| column.name == *key) {
        let whole = matches!(column.type_name.as_str(), "INTEGER" | "BIGINT" | "SMALLINT");
        match dialect {
            // Only this spelling is the rowid.
            Dialect::Sqlite if whole => column.type_name = "INTEGER".into(),
            Dialect::Postgres if whole => column.numbering = Numbering::Identity,
            _ => {}
        }
    }
}

/// The SQL of a type of `table!`, and whether it may be NULL.
fn sql_type(
    path: &syn::TypePath,
    limit: Option<u32>,
    custom: &HashMap<String, String>,
    dialect: Dialect,
) -> syn::Result<(String, bool)> {
    let Some(last) = path.path.segments.last() else { return Ok((String::new(), true)) };
    let name = last.ident.to_string();
    if let syn::PathArguments::AngleBracketed(arguments) = &last.arguments {
        let inner = arguments.args.first().and_then(|argument| match argument {
            syn::GenericArgument::Type(syn::Type::Path(path)) => Some(path),
            _ => None,
        });
        let inner = inner.ok_or_else(|| syn::Error::new_spanned(last, format!("the type `{name}` has no SQL name")))?;
        let (sql, nullable) = sql_type(inner, limit, custom, dialect)?;
        return match name.as_str() {
            "Nullable" => Ok((sql, true)),
            "Array" => Ok((format!("{sql}[]"), false)),
            "Range" => Ok((range(&sql, "range"), nullable)),
            "Multirange" => Ok((range(&sql, "multirange"), nullable)),
            _ => Err(syn::Error::new_spanned(last, format!("the type `{name}` has no SQL name"))),
        };
    }
    let sqlite = dialect == Dialect::Sqlite;
    let sql = match name.as_str() {
        "Bool" => "BOOLEAN",
        "SmallInt" | "Smallint" | "Int2" | "SmallSerial" => "SMALLINT",
        "Integer" | "Int4" | "Serial" => "INTEGER",
        "BigInt" | "Bigint" | "Int8" | "BigSerial" => "BIGINT",
        "Float" | "Float4" => "REAL",
        "Double" | "Float8" => {
            if sqlite {
                "DOUBLE"
            } else {
                "DOUBLE PRECISION"
            }
        }
        "Numeric" | "Decimal" => "NUMERIC",
        "VarChar" | "Varchar" | "Text" if limit.is_some() => {
            return Ok((format!("VARCHAR({})", limit.unwrap_or_default()), false));
        }
        "Varchar" | "VarChar" if !sqlite => "VARCHAR",
        "VarChar" | "Varchar" | "Text" => "TEXT",
        "Char" | "Bpchar" => return Ok((format!("CHAR({})", limit.unwrap_or(1)), false)),
        "Binary" | "Bytea" | "Blob" => {
            if sqlite {
                "BLOB"
            } else {
                "BYTEA"
            }
        }
        "Timestamp" => "TIMESTAMP",
        "Timestamptz" | "TimestamptzSqlite" => "TIMESTAMPTZ",
        "Macaddr" | "MacAddr" => "macaddr",
        "Macaddr8" | "MacAddr8" => "macaddr8",
        "PgLsn" => "pg_lsn",
        other => {
            let own = custom.get(other).cloned();
            return Ok((
                own.unwrap_or_else(|| if sqlite { other.to_uppercase() } else { other.to_lowercase() }),
                false,
            ));
        }
    };
    Ok((sql.to_owned(), false))
}

fn range(of: &str, ending: &str) -> String {
    let stem = match of {
        "INTEGER" => "int4",
        "BIGINT" => "int8",
        "NUMERIC" => "num",
        "TIMESTAMP" => "ts",
        "TIMESTAMPTZ" => "tstz",
        other => return format!("{}{ending}", other.to_lowercase()),
    };
    format!("{stem}{ending}")
}
