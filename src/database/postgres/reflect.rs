//! What PostgreSQL says of its tables, by one catalog query however many there are.

use super::error::translate;
use super::own::own;
use crate::Result;
use crate::model::infer::{ForeignKeyFacts, TableFacts, listed};
use crate::model::secret::looks_secret;
use crate::model::{Column, ColumnDefault, DataType, EntityKind, Index, ReferentialAction};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Oid, SmallInt, Text};
use diesel::{PgConnection, Queryable, RunQueryDsl};
use std::collections::HashMap;

/// Tables, views, materialised views, partitioned and foreign tables of everybody's schemas; the schema is left out
/// where it is the first of the search path that exists. What Citus keeps its own books in is nobody's model.
const TABLES: &str = "SELECT 1 AS part, c.oid AS table_oid, 0::pg_catalog.int8 AS number, \
    0::pg_catalog.oid AS other, c.relname::pg_catalog.text AS a, c.relkind::pg_catalog.text AS b, \
    CASE WHEN n.nspname = pg_catalog.current_schema() THEN NULL ELSE n.nspname END::pg_catalog.text AS c, \
    NULL::pg_catalog.text AS d, NULL::pg_catalog.text AS e, NULL::pg_catalog.text AS f, false AS yes, false AS too, \
    NULL::pg_catalog.int2[] AS numbers, NULL::pg_catalog.int2[] AS others \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = ANY (ARRAY['r', 'v', 'm', 'p', 'f']) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    AND c.relname <> ALL (ARRAY['__diesel_schema_migrations', '__diesel_shell_migrations', '__diesel_shell_commits']) \
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_extension x ON x.oid = p.refobjid \
        AND p.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND p.deptype = 'e' \
        WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND p.objid = c.oid \
        AND x.extname = ANY (ARRAY['citus', 'citus_columnar']))";

/// Columns with their types: a domain counts as the type that it is made of. The last truth value says that the type has
/// no order, neither itself nor through what it is made of: no operator class for a btree, its own or that of a type that
/// it is stored like (<https://www.postgresql.org/docs/current/catalog-pg-opclass.html>). An engine that names no such
/// classes at all says nothing by it.
const COLUMNS: &str = "SELECT 2, a.attrelid, a.attnum, 0, a.attname::pg_catalog.text, \
    CASE WHEN t.typtype <> 'd' THEN pg_catalog.format_type(a.atttypid, a.atttypmod) ELSE \
        (WITH RECURSIVE made_of AS (SELECT t.typbasetype AS base, t.typtypmod AS modifier \
            UNION ALL SELECT b.typbasetype, CASE WHEN b.typtypmod < 0 THEN m.modifier ELSE b.typtypmod END \
                FROM made_of m JOIN pg_catalog.pg_type b ON b.oid = m.base AND b.typtype = 'd') \
            SELECT pg_catalog.format_type(m.base, m.modifier) FROM made_of m JOIN pg_catalog.pg_type b \
                ON b.oid = m.base AND b.typtype <> 'd') END::pg_catalog.text, \
    pg_catalog.pg_get_expr(d.adbin, d.adrelid)::pg_catalog.text, \
    a.attidentity::pg_catalog.text, a.attgenerated::pg_catalog.text, \
    CASE WHEN t.typtype = 'd' THEN pg_catalog.format_type(a.atttypid, a.atttypmod) END::pg_catalog.text, a.attnotnull, \
    a.atttypid = ANY (ARRAY(WITH RECURSIVE sorted AS (SELECT o.opcintype AS type FROM pg_catalog.pg_opclass o \
            JOIN pg_catalog.pg_am m ON m.oid = o.opcmethod WHERE m.amname = 'btree' AND o.opcdefault), \
        unsorted AS (SELECT s.oid AS type FROM pg_catalog.pg_type s WHERE s.typtype = 'b' AND s.typcategory <> 'A' \
                AND s.oid <> ALL (ARRAY(SELECT type FROM sorted)) AND EXISTS (SELECT type FROM sorted) \
                AND s.oid <> ALL (ARRAY(SELECT k.castsource FROM pg_catalog.pg_cast k JOIN sorted o ON o.type = k.casttarget \
                    WHERE k.castmethod = 'b' AND k.castcontext = 'i')) \
            UNION SELECT w.whole FROM unsorted u JOIN (SELECT e.typelem AS part, e.oid AS whole FROM pg_catalog.pg_type e \
                    WHERE e.typcategory = 'A' \
                UNION ALL SELECT e.typbasetype, e.oid FROM pg_catalog.pg_type e WHERE e.typtype = 'd' \
                UNION ALL SELECT f.atttypid, e.reltype FROM pg_catalog.pg_attribute f \
                    JOIN pg_catalog.pg_class e ON e.oid = f.attrelid AND e.relkind = 'c' \
                    WHERE f.attnum > 0 AND NOT f.attisdropped) AS w ON w.part = u.type) \
        SELECT type FROM unsorted)), NULL, NULL \
    FROM pg_catalog.pg_attribute a \
    JOIN pg_catalog.pg_class c ON c.oid = a.attrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind = ANY (ARRAY['r', 'v', 'm', 'p', 'f']) \
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// Labels of enumerations in their order.
const LABELS: &str = "SELECT 3, 0, pg_catalog.row_number() OVER (PARTITION BY l.enumtypid ORDER BY l.enumsortorder), 0, \
    pg_catalog.format_type(l.enumtypid, NULL)::pg_catalog.text, l.enumlabel::pg_catalog.text, NULL, NULL, NULL, NULL, false, false, \
    NULL, NULL FROM pg_catalog.pg_enum l";

/// Checks on one column.
const CHECKS: &str = "SELECT 4, conrelid, conkey[1], 0, NULL, pg_catalog.pg_get_constraintdef(oid)::pg_catalog.text, \
    NULL, NULL, NULL, NULL, false, false, NULL, NULL FROM pg_catalog.pg_constraint \
    WHERE contype = 'c' AND pg_catalog.array_length(conkey, 1) = 1 AND conrelid <> 0";

/// Indexes without those on expressions or with a condition: neither makes a column unique.
const INDEXES: &str = "SELECT 5, i.indrelid, i.indnkeyatts, 0, ic.relname::pg_catalog.text, NULL, NULL, NULL, NULL, NULL, \
    i.indisunique, i.indisprimary, i.indkey::pg_catalog.int2[], NULL \
    FROM pg_catalog.pg_index i \
    JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = ic.relnamespace \
    WHERE i.indexprs IS NULL AND i.indpred IS NULL AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

/// Foreign keys; those that partitions inherit are left to their parent.
const KEYS: &str = "SELECT 6, conrelid, 0, confrelid, conname::pg_catalog.text, confdeltype::pg_catalog.text, \
    confupdtype::pg_catalog.text, NULL, NULL, NULL, false, false, conkey, confkey \
    FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0";

/// The parts of the one query that they are sent as: each round trip counts on a distant server.
pub const QUERIES: [&str; 6] = [TABLES, COLUMNS, LABELS, CHECKS, INDEXES, KEYS];

/// A row of any of the parts; what its fields mean, each part says.
#[derive(Queryable)]
struct Row {
    part: i32,
    table_oid: u32,
    number: i64,
    other: u32,
    a: Option<String>,
    b: Option<String>,
    c: Option<String>,
    d: Option<String>,
    e: Option<String>,
    f: Option<String>,
    yes: bool,
    too: bool,
    numbers: Option<Vec<i16>>,
    others: Option<Vec<i16>>,
}

/// The types of a row.
type Columns = (
    Integer,
    Oid,
    BigInt,
    Oid,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Bool,
    Bool,
    Nullable<Array<SmallInt>>,
    Nullable<Array<SmallInt>>,
);

/// A table under construction: its facts, and where its column numbers stand (they have gaps after DROP COLUMN).
struct Building {
    facts: TableFacts,
    at: HashMap<i64, usize>,
}

/// All tables and views.
///
/// # Errors
/// The database's own.
pub fn tables(connection: &mut PgConnection) -> Result<Vec<TableFacts>> {
    let query = diesel::dsl::sql::<Columns>(&own(&QUERIES.join(" UNION ALL ")));
    let rows: Vec<Row> = query.load(connection).map_err(|e| translate(&e))?;
    let mut parts: [Vec<Row>; QUERIES.len()] = Default::default();
    for row in rows {
        if let Some(part) = usize::try_from(row.part - 1).ok().and_then(|at| parts.get_mut(at)) {
            part.push(row);
        }
    }
    let [mut named, mut columns, mut labels, checks, mut indexes, mut keys] = parts;
    // Those of the current schema first: none is less than any.
    named.sort_by(|x, y| (&x.c, &x.a).cmp(&(&y.c, &y.a)));
    columns.sort_by_key(|row| (row.table_oid, row.number));
    labels.sort_by_key(|row| row.number);
    indexes.sort_by(|x, y| (x.table_oid, &x.a).cmp(&(y.table_oid, &y.a)));
    keys.sort_by(|x, y| (x.table_oid, &x.a).cmp(&(y.table_oid, &y.a)));

    let mut places: HashMap<u32, usize> = HashMap::with_capacity(named.len());
    let mut tables: Vec<Building> = Vec::with_capacity(named.len());
    for row in named {
        places.insert(row.table_oid, tables.len());
        let kind = if matches!(row.b.as_deref(), Some("v" | "m")) { EntityKind::View } else { EntityKind::Table };
        tables.push(Building {
            facts: TableFacts {
                schema: row.c,
                name: row.a.unwrap_or_default(),
                kind,
                columns: Vec::new(),
                key: Vec::new(),
                indexes: Vec::new(),
                foreign_keys: Vec::new(),
            },
            at: HashMap::new(),
        });
    }
    for row in columns {
        let Some(table) = places.get(&row.table_oid).map(|at| &mut tables[*at]) else { continue };
        table.at.insert(row.number, table.facts.columns.len());
        table.facts.columns.push(column(row));
    }
    for row in checks {
        let Some(table) = places.get(&row.table_oid).map(|at| &mut tables[*at]) else { continue };
        if let (Some(at), Some(check)) = (table.at.get(&row.number), &row.b) {
            let column = &mut table.facts.columns[*at];
            column.choices = listed(check, &column.name);
        }
    }
    let mut enums: HashMap<String, Vec<String>> = HashMap::new();
    for row in labels {
        enums.entry(row.a.unwrap_or_default()).or_default().extend(row.b);
    }
    for column in tables.iter_mut().flat_map(|table| &mut table.facts.columns) {
        if let DataType::Other(name) = &column.data_type
            && let Some(labels) = enums.get(name)
        {
            column.choices.clone_from(labels);
        }
    }
    for row in indexes {
        let Some(table) = places.get(&row.table_oid).map(|at| &mut tables[*at]) else { continue };
        // Columns behind the keys are only INCLUDEd.
        let columns = row.numbers.unwrap_or_default();
        let keys = columns.iter().take(usize::try_from(row.number).unwrap_or(0));
        let found = keys.map(|number| table.at.get(&i64::from(*number)).copied()).collect::<Option<Vec<usize>>>();
        let Some(columns) = found else { continue };
        if row.too {
            table.facts.key = columns;
        } else {
            table.facts.indexes.push(Index { name: row.a, columns, unique: row.yes });
        }
    }
    for row in keys {
        let (Some(from), Some(to)) = (places.get(&row.table_oid), places.get(&row.other)) else { continue };
        let names = |at: usize, numbers: Option<Vec<i16>>| -> Vec<String> {
            let table = &tables[at];
            numbers
                .unwrap_or_default()
                .iter()
                .filter_map(|number| table.at.get(&i64::from(*number)))
                .map(|at| table.facts.columns[*at].name.clone())
                .collect()
        };
        let key = ForeignKeyFacts {
            columns: names(*from, row.numbers),
            to: (tables[*to].facts.schema.clone(), tables[*to].facts.name.clone()),
            to_columns: names(*to, row.others),
            on_delete: action(row.b.as_deref()),
            on_update: action(row.c.as_deref()),
        };
        tables[*from].facts.foreign_keys.push(key);
    }
    Ok(tables.into_iter().map(|table| table.facts).filter(|facts| !facts.columns.is_empty()).collect())
}

/// `pg_constraint.confdeltype`: <https://www.postgresql.org/docs/current/catalog-pg-constraint.html>.
fn action(code: Option<&str>) -> ReferentialAction {
    match code {
        Some("c") => ReferentialAction::Cascade,
        Some("n") => ReferentialAction::SetNull,
        Some("d") => ReferentialAction::SetDefault,
        _ => ReferentialAction::Restrict,
    }
}

fn column(row: Row) -> Column {
    let (identity, default_sql) = (row.d.unwrap_or_default(), row.c);
    let data_type = match data_type(row.b.as_deref().unwrap_or_default()) {
        DataType::Other(name) if row.too => DataType::Opaque(name),
        known => known,
    };
    let mut column = Column::new(row.a.unwrap_or_default(), data_type);
    // Only a domain is declared by another name than that of its type.
    column.declared = row.f.or(row.b).unwrap_or_default();
    column.nullable = !row.yes;
    column.generated = row.e.is_some_and(|generated| !generated.is_empty());
    column.always = identity == "a";
    let serial = default_sql.as_deref().is_some_and(|sql| sql.starts_with("nextval("));
    let whole = matches!(column.data_type, DataType::Int(_));
    column.numbered = whole && (serial || !identity.is_empty());
    if !column.generated && !column.numbered {
        column.default = default_sql.map(ColumnDefault::Database);
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
    // So is a built-in type spelled where another of its name comes first in the path.
    match name.strip_prefix("pg_catalog.").unwrap_or(name) {
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
