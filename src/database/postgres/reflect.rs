//! What PostgreSQL says of its tables, by five catalog queries however many there are.

use super::error::translate;
use super::own::own;
use crate::Result;
use crate::model::infer::{ForeignKeyFacts, TableFacts, listed};
use crate::model::secret::looks_secret;
use crate::model::{Column, ColumnDefault, DataType, EntityKind, Index, ReferentialAction};
use diesel::sql_types::{Array, Bool, Nullable, Oid, SmallInt, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use std::collections::HashMap;

/// Tables, views, materialised views, partitioned and foreign tables of everybody's schemas; the schema is left out
/// where it is the first of the search path that exists.
const TABLES: &str = "SELECT c.oid, c.relname::pg_catalog.text AS name, c.relkind::pg_catalog.text AS kind, \
    CASE WHEN n.nspname = pg_catalog.current_schema() THEN NULL ELSE n.nspname END::pg_catalog.text AS schema \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = ANY (ARRAY['r', 'v', 'm', 'p', 'f']) AND n.nspname <> 'information_schema' AND n.nspname !~ \
        '^pg_' \
    AND c.relname <> ALL (ARRAY['__diesel_schema_migrations', '__diesel_shell_migrations']) \
    ORDER BY (n.nspname = pg_catalog.current_schema()) DESC, n.nspname, c.relname";

/// Columns with their types: a domain counts as the type that it is made of.
const COLUMNS: &str = "SELECT a.attrelid AS table_oid, a.attnum AS number, a.attname::pg_catalog.text AS name, \
        a.attnotnull AS not_null, \
    pg_catalog.format_type(CASE WHEN t.typbasetype <> 0 THEN t.typbasetype ELSE a.atttypid END, \
        CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END)::pg_catalog.text AS type_name, \
    pg_catalog.format_type(a.atttypid, a.atttypmod)::pg_catalog.text AS declared, \
    pg_catalog.pg_get_expr(d.adbin, d.adrelid)::pg_catalog.text AS default_sql, \
    a.attidentity::pg_catalog.text AS identity, a.attgenerated::pg_catalog.text AS generated \
    FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = ANY (ARRAY['r', 'v', 'm', 'p', 'f']) \
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    ORDER BY a.attrelid, a.attnum";

/// Indexes without those on expressions or with a condition: neither makes a column unique.
const INDEXES: &str = "SELECT i.indrelid AS table_oid, ic.relname::pg_catalog.text AS name, i.indisunique AS is_unique, \
    i.indisprimary AS is_primary, i.indkey::pg_catalog.int2[] AS columns, i.indnkeyatts AS keys \
    FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = ic.relnamespace \
    WHERE i.indexprs IS NULL AND i.indpred IS NULL AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    ORDER BY i.indrelid, ic.relname";

/// Foreign keys; those that partitions inherit are left to their parent.
const KEYS: &str = "SELECT conrelid AS table_oid, confrelid AS to_oid, conkey AS columns, confkey AS to_columns, \
    confdeltype::pg_catalog.text AS on_delete, confupdtype::pg_catalog.text AS on_update \
    FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY conrelid, conname";

/// Labels of enumerations, and checks on one column.
const CHOICES: &str = "SELECT 0::pg_catalog.oid AS table_oid, 0::pg_catalog.int2 AS number, \
        pg_catalog.format_type(e.enumtypid, NULL)::pg_catalog.text AS name, \
    e.enumlabel::pg_catalog.text AS choice FROM pg_catalog.pg_enum e \
    UNION ALL SELECT conrelid, conkey[1], '', pg_catalog.pg_get_constraintdef(oid)::pg_catalog.text FROM \
        pg_catalog.pg_constraint \
    WHERE contype = 'c' AND pg_catalog.array_length(conkey, 1) = 1 AND conrelid <> 0";

/// All of them, for the test that nothing in them is found by the path.
#[cfg(test)]
pub const QUERIES: [&str; 5] = [TABLES, COLUMNS, INDEXES, KEYS, CHOICES];

#[derive(QueryableByName)]
struct ChoiceRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = SmallInt)]
    number: i16,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    choice: String,
}

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Oid)]
    oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = SmallInt)]
    number: i16,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    not_null: bool,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Text)]
    declared: String,
    #[diesel(sql_type = Nullable<Text>)]
    default_sql: Option<String>,
    #[diesel(sql_type = Text)]
    identity: String,
    #[diesel(sql_type = Text)]
    generated: String,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Bool)]
    is_primary: bool,
    #[diesel(sql_type = Array<SmallInt>)]
    columns: Vec<i16>,
    #[diesel(sql_type = SmallInt)]
    keys: i16,
}

#[derive(QueryableByName)]
struct KeyRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = Oid)]
    to_oid: u32,
    #[diesel(sql_type = Array<SmallInt>)]
    columns: Vec<i16>,
    #[diesel(sql_type = Array<SmallInt>)]
    to_columns: Vec<i16>,
    #[diesel(sql_type = Text)]
    on_delete: String,
    #[diesel(sql_type = Text)]
    on_update: String,
}

/// A table under construction: its facts, and where its column numbers stand (they have gaps after DROP COLUMN).
struct Building {
    facts: TableFacts,
    at: HashMap<i16, usize>,
}

/// All tables and views.
///
/// # Errors
/// The database's own.
pub fn tables(connection: &mut PgConnection) -> Result<Vec<TableFacts>> {
    let wrong = |error: diesel::result::Error| translate(&error);
    let rows: Vec<TableRow> = diesel::sql_query(own(TABLES)).load(connection).map_err(wrong)?;
    let mut places: HashMap<u32, usize> = HashMap::with_capacity(rows.len());
    let mut tables: Vec<Building> = Vec::with_capacity(rows.len());
    for row in rows {
        places.insert(row.oid, tables.len());
        let kind = if matches!(row.kind.as_str(), "v" | "m") { EntityKind::View } else { EntityKind::Table };
        tables.push(Building {
            facts: TableFacts {
                schema: row.schema,
                name: row.name,
                kind,
                columns: Vec::new(),
                key: Vec::new(),
                indexes: Vec::new(),
                foreign_keys: Vec::new(),
            },
            at: HashMap::new(),
        });
    }
    for row in diesel::sql_query(own(COLUMNS)).load::<ColumnRow>(connection).map_err(wrong)? {
        let Some(table) = places.get(&row.table_oid).map(|at| &mut tables[*at]) else { continue };
        table.at.insert(row.number, table.facts.columns.len());
        table.facts.columns.push(column(row));
    }
    let mut enums: HashMap<String, Vec<String>> = HashMap::new();
    for row in diesel::sql_query(own(CHOICES)).load::<ChoiceRow>(connection).map_err(wrong)? {
        if row.table_oid == 0 {
            enums.entry(row.name).or_default().push(row.choice);
        } else if let Some(table) = places.get(&row.table_oid).map(|at| &mut tables[*at])
            && let Some(at) = table.at.get(&row.number)
        {
            let column = &mut table.facts.columns[*at];
            column.choices = listed(&row.choice, &column.name);
        }
    }
    for column in tables.iter_mut().flat_map(|table| &mut table.facts.columns) {
        if let DataType::Other(name) = &column.data_type
            && let Some(labels) = enums.get(name)
        {
            column.choices.clone_from(labels);
        }
    }
    for row in diesel::sql_query(own(INDEXES)).load::<IndexRow>(connection).map_err(wrong)? {
        let Some(table) = places.get(&row.table_oid).map(|at| &mut tables[*at]) else { continue };
        // Columns behind the keys are only INCLUDEd.
        let keys = row.columns.iter().take(usize::try_from(row.keys).unwrap_or(0));
        let Some(columns) = keys.map(|number| table.at.get(number).copied()).collect::<Option<Vec<usize>>>() else {
            continue;
        };
        if row.is_primary {
            table.facts.key = columns;
        } else {
            table.facts.indexes.push(Index { name: Some(row.name), columns, unique: row.is_unique });
        }
    }
    for row in diesel::sql_query(own(KEYS)).load::<KeyRow>(connection).map_err(wrong)? {
        let (Some(from), Some(to)) = (places.get(&row.table_oid), places.get(&row.to_oid)) else { continue };
        let names = |at: usize, numbers: &[i16]| -> Vec<String> {
            let table = &tables[at];
            numbers
                .iter()
                .filter_map(|number| table.at.get(number))
                .map(|at| table.facts.columns[*at].name.clone())
                .collect()
        };
        let key = ForeignKeyFacts {
            columns: names(*from, &row.columns),
            to: (tables[*to].facts.schema.clone(), tables[*to].facts.name.clone()),
            to_columns: names(*to, &row.to_columns),
            on_delete: action(&row.on_delete),
            on_update: action(&row.on_update),
        };
        tables[*from].facts.foreign_keys.push(key);
    }
    Ok(tables.into_iter().map(|table| table.facts).filter(|facts| !facts.columns.is_empty()).collect())
}

/// `pg_constraint.confdeltype`: <https://www.postgresql.org/docs/current/catalog-pg-constraint.html>.
fn action(code: &str) -> ReferentialAction {
    match code {
        "c" => ReferentialAction::Cascade,
        "n" => ReferentialAction::SetNull,
        "d" => ReferentialAction::SetDefault,
        _ => ReferentialAction::Restrict,
    }
}

fn column(row: ColumnRow) -> Column {
    let mut column = Column::new(row.name, data_type(&row.type_name));
    column.declared = row.declared;
    column.nullable = !row.not_null;
    column.generated = !row.generated.is_empty();
    column.always = row.identity == "a";
    let serial = row.default_sql.as_deref().is_some_and(|sql| sql.starts_with("nextval("));
    let whole = matches!(column.data_type, DataType::Int(_));
    column.numbered = whole && (serial || !row.identity.is_empty());
    if !column.generated && !column.numbered {
        column.default = row.default_sql.map(ColumnDefault::Database);
    }
    column.masked = looks_secret(&column.name, &column.data_type);
    column
}

/// A type by the name that `format_type` gives it.
fn data_type(name: &str) -> DataType {
    let limit = |prefix: &str| {
        let rest = name.strip_prefix(prefix)?.strip_prefix('(')?.strip_suffix(')')?;
        rest.parse::<u32>().ok()
    };
    match name {
        "boolean" => DataType::Bool,
        "smallint" => DataType::Int(16),
        "integer" => DataType::Int(32),
        "bigint" => DataType::Int(64),
        // `real` keeps its own name: comparing it with a double needs a cast.
        "double precision" => DataType::Float,
        "text" | "character varying" | "name" => DataType::Text(None),
        "bytea" => DataType::Bytes,
        "date" => DataType::Date,
        "json" => DataType::Json,
        "uuid" => DataType::Uuid,
        _ if name.starts_with("numeric") && !name.ends_with(']') => DataType::Numeric,
        _ if name.starts_with("timestamp") && name.ends_with("without time zone") => DataType::Timestamp,
        _ if name.starts_with("timestamp") && name.ends_with("with time zone") => DataType::TimestampTz,
        _ if name.starts_with("time") && name.ends_with("without time zone") => DataType::Time,
        _ => match limit("character varying") {
            Some(limit) => DataType::Text(Some(limit)),
            None => DataType::Other(name.to_owned()),
        },
    }
}
