//! What a SQLite database says of its tables, by four catalog queries however many tables there are.
//!
//! The pragmas as table-valued functions: <https://www.sqlite.org/pragma.html#pragfunc>.

use crate::Result;
use crate::model::infer::{ForeignKeyFacts, TableFacts, listed};
use crate::model::secret::looks_secret;
use crate::model::{Column, ColumnDefault, DataType, EntityKind, Index, ReferentialAction};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use std::collections::HashMap;

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = BigInt)]
    without_rowid: i64,
    #[diesel(sql_type = BigInt)]
    strict: i64,
}

/// A column of a table or view, as `pragma_table_xinfo` has it.
#[derive(QueryableByName)]
pub(super) struct ColumnRow {
    #[diesel(sql_type = Text)]
    pub(super) table_name: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
    #[diesel(sql_type = Text)]
    pub(super) declared: String,
    #[diesel(sql_type = BigInt)]
    pub(super) not_null: i64,
    #[diesel(sql_type = Nullable<Text>)]
    pub(super) default_sql: Option<String>,
    #[diesel(sql_type = BigInt)]
    pub(super) key: i64,
    #[diesel(sql_type = BigInt)]
    pub(super) hidden: i64,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    is_unique: i64,
    #[diesel(sql_type = Text)]
    origin: String,
    #[diesel(sql_type = BigInt)]
    partial: i64,
    #[diesel(sql_type = BigInt)]
    column_index: i64,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = BigInt)]
    id: i64,
    #[diesel(sql_type = Text)]
    to_table: String,
    #[diesel(sql_type = Text)]
    from_column: String,
    #[diesel(sql_type = Nullable<Text>)]
    to_column: Option<String>,
    #[diesel(sql_type = Text)]
    on_update: String,
    #[diesel(sql_type = Text)]
    on_delete: String,
}

const TABLES: &str = "SELECT name, type AS kind, wr AS without_rowid, strict FROM pragma_table_list \
    WHERE schema = 'main' AND type IN ('table', 'view', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
    AND name NOT IN ('__diesel_schema_migrations', '__diesel_shell_migrations') ORDER BY name";

const COLUMNS: &str = "SELECT m.name AS table_name, c.name AS name, c.type AS declared, c.\"notnull\" AS not_null, \
    c.dflt_value AS default_sql, c.pk AS key, c.hidden AS hidden \
    FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) c WHERE m.type IN ('table', 'view') ORDER BY m.name, c.cid";

const INDEXES: &str = "SELECT m.name AS table_name, i.name AS name, i.\"unique\" AS is_unique, i.origin AS origin, \
    i.partial AS partial, c.cid AS column_index \
    FROM sqlite_schema m JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) c \
    WHERE m.type = 'table' ORDER BY m.name, i.seq, c.seqno";

const KEYS: &str = "SELECT m.name AS table_name, k.id AS id, k.\"table\" AS to_table, k.\"from\" AS from_column, \
    k.\"to\" AS to_column, k.on_update AS on_update, k.on_delete AS on_delete \
    FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) k WHERE m.type = 'table' \
    ORDER BY m.name, k.id DESC, k.seq";

/// Texts of tables with checks or collations, for which there is no pragma.
const TEXTS: &str = "SELECT name AS table_name, sql AS definition FROM sqlite_schema \
    WHERE type = 'table' AND (sql LIKE '%check%' OR sql LIKE '%collate%')";

#[derive(QueryableByName)]
struct TextRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    definition: String,
}

/// The columns of tables alone.
pub(super) fn table_columns(connection: &mut SqliteConnection) -> QueryResult<Vec<ColumnRow>> {
    diesel::sql_query(COLUMNS.replace("IN ('table', 'view')", "= 'table'")).load(connection)
}

/// All tables and views of the database.
///
/// # Errors
/// The database's own, such as a view that refers to a table that is gone; such a view alone is left out.
pub fn tables(connection: &mut SqliteConnection) -> Result<Vec<TableFacts>> {
    let wrong = |error: diesel::result::Error| super::error::translate(&error);
    let rows: Vec<TableRow> = diesel::sql_query(TABLES).load(connection).map_err(wrong)?;
    let mut tables: Vec<TableFacts> = Vec::with_capacity(rows.len());
    let mut at: HashMap<String, usize> = HashMap::with_capacity(rows.len());
    let mut rowids = Vec::with_capacity(rows.len());
    let mut stricts = Vec::with_capacity(rows.len());
    for row in rows {
        at.insert(row.name.clone(), tables.len());
        rowids.push(row.without_rowid == 0);
        stricts.push(row.strict != 0);
        tables.push(TableFacts {
            schema: None,
            name: row.name,
            kind: if row.kind == "view" { EntityKind::View } else { EntityKind::Table },
            columns: Vec::new(),
            key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
        });
    }
    let columns: Vec<ColumnRow> = if let Ok(rows) = diesel::sql_query(COLUMNS).load(connection) {
        rows
    } else {
        // A broken view spoils the one query for all: ask for the tables, then for each view by itself.
        let mut rows = table_columns(connection).map_err(wrong)?;
        let view = COLUMNS.replace("IN ('table', 'view')", "= 'view' AND m.name = ?");
        for facts in tables.iter().filter(|facts| facts.kind == EntityKind::View) {
            let one = diesel::sql_query(&view).bind::<Text, _>(&facts.name).load(connection);
            rows.extend(one.unwrap_or_default());
        }
        rows
    };
    let mut keys: HashMap<usize, Vec<(i64, usize)>> = HashMap::new();
    for row in columns {
        let Some(table) = at.get(&row.table_name) else { continue };
        // Hidden 1 is a hidden column of a virtual table; 2 and 3 are generated columns.
        if row.hidden == 1 {
            continue;
        }
        if row.key > 0 {
            keys.entry(*table).or_default().push((row.key, tables[*table].columns.len()));
        }
        let mut column = column(&row);
        if stricts[*table] && row.declared.eq_ignore_ascii_case("any") {
            // There it means that nothing is converted; elsewhere it would mean a number.
            "BLOB".clone_into(&mut column.declared);
        }
        tables[*table].columns.push(column);
    }
    for (table, mut key) in keys {
        key.sort_unstable();
        let facts = &mut tables[table];
        facts.key = key.iter().map(|(_, column)| *column).collect();
        for column in &facts.key {
            // SQLite lets NULL into primary keys other than INTEGER ones, by an old bug it keeps.
            if !rowids[table] {
                facts.columns[*column].nullable = false;
            }
        }
        if let ([only], true) = (facts.key.as_slice(), rowids[table]) {
            let column = &mut facts.columns[*only];
            // Only this spelling makes the key an alias of the rowid: <https://www.sqlite.org/lang_createtable.html#rowid>.
            if matches!(column.data_type, DataType::Int(_)) && column.default.is_none() {
                column.numbered = true;
                column.nullable = false;
            }
        }
    }
    for row in diesel::sql_query(INDEXES).load::<IndexRow>(connection).map_err(wrong)? {
        let (Some(table), false) = (at.get(&row.table_name), row.origin == "pk" || row.partial != 0) else { continue };
        // An expression has no column; an index with one is no help here, and must not count as a narrower one.
        let column = usize::try_from(row.column_index).unwrap_or(usize::MAX);
        let indexes = &mut tables[*table].indexes;
        match indexes.last_mut() {
            Some(last) if last.name.as_deref() == Some(&row.name) => last.columns.push(column),
            _ => indexes.push(Index { name: Some(row.name), columns: vec![column], unique: row.is_unique != 0 }),
        }
    }
    for table in &mut tables {
        let width = table.columns.len();
        table.indexes.retain(|index| index.columns.iter().all(|column| *column < width));
    }
    let mut last = (String::new(), -1);
    for row in diesel::sql_query(KEYS).load::<KeyRow>(connection).map_err(wrong)? {
        let Some(table) = at.get(&row.table_name) else { continue };
        let keys = &mut tables[*table].foreign_keys;
        let this = (row.table_name.clone(), row.id);
        if last != this {
            keys.push(ForeignKeyFacts {
                columns: Vec::new(),
                to: (None, row.to_table.clone()),
                to_columns: Vec::new(),
                on_delete: action(&row.on_delete),
                on_update: action(&row.on_update),
            });
            last = this;
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(row.from_column);
            key.to_columns.extend(row.to_column);
        }
    }
    for row in diesel::sql_query(TEXTS).load::<TextRow>(connection).map_err(wrong)? {
        let Some(table) = at.get(&row.table_name) else { continue };
        let collations = super::definition::collations(&row.definition);
        for column in &mut tables[*table].columns {
            column.choices = listed(&row.definition, &column.name);
            let found = collations.iter().find(|(name, _)| name.eq_ignore_ascii_case(&column.name));
            column.collation = found.map(|(_, collation)| collation.clone());
        }
    }
    tables.retain(|table| !table.columns.is_empty());
    Ok(tables)
}

fn action(text: &str) -> ReferentialAction {
    match text {
        "CASCADE" => ReferentialAction::Cascade,
        "SET NULL" => ReferentialAction::SetNull,
        "SET DEFAULT" => ReferentialAction::SetDefault,
        _ => ReferentialAction::Restrict,
    }
}

fn column(row: &ColumnRow) -> Column {
    let mut column = Column::new(row.name.clone(), data_type(&row.declared));
    column.declared.clone_from(&row.declared);
    column.nullable = row.not_null == 0;
    column.generated = matches!(row.hidden, 2 | 3);
    column.default = row
        .default_sql
        .as_ref()
        .filter(|sql| !sql.eq_ignore_ascii_case("null"))
        .map(|sql| ColumnDefault::Database(sql.clone()));
    column.masked = looks_secret(&row.name, &column.data_type);
    column
}

/// A declared type by SQLite's rules of affinity (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>),
/// with the names that mean more to people.
fn data_type(declared: &str) -> DataType {
    let upper = declared.to_uppercase();
    let (name, limit) = match upper.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.trim_end_matches(')').trim().parse::<u32>().ok()),
        None => (upper.trim(), None),
    };
    match name {
        "" => DataType::Any,
        "BOOL" | "BOOLEAN" => DataType::Bool,
        "SMALLINT" | "INT2" => DataType::Int(16),
        "DATE" => DataType::Date,
        "TIME" => DataType::Time,
        "DATETIME" | "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => DataType::Timestamp,
        "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" => DataType::TimestampTz,
        "NUMERIC" | "DECIMAL" => DataType::Numeric,
        "JSON" => DataType::Json,
        "UUID" => DataType::Uuid,
        _ if name.contains("INT") => DataType::Int(64),
        _ if ["CHAR", "CLOB", "TEXT"].iter().any(|part| name.contains(part)) => DataType::Text(limit),
        _ if name.contains("BLOB") => DataType::Bytes,
        _ if ["REAL", "FLOA", "DOUB"].iter().any(|part| name.contains(part)) => DataType::Float,
        _ => DataType::Any,
    }
}
