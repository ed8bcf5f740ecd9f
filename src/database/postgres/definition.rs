//! Tables as PostgreSQL defines them, in its own words: `format_type`, `pg_get_expr`, `pg_get_constraintdef`,
//! `pg_get_indexdef` (<https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG>).

use super::error::translate;
use super::own::own;
use crate::Result;
use crate::model::definition::{
    Check, Column, Dependent, DependentKind, ForeignKey, Index, Key, Numbering, Place, Schema, Table,
};
use crate::text::sql::tokens;
use diesel::sql_types::{Array, Bool, Nullable, Oid, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};

/// Ordinary and partitioned tables; names with two underscores are the tools' own, as diesel_cli has it, and what came with
/// an extension is that extension's.
const TABLES: &str = "SELECT c.oid, c.relname::pg_catalog.text AS name, CASE WHEN n.nspname = \
        pg_catalog.current_schema() THEN NULL ELSE n.nspname END::pg_catalog.text AS schema \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = ANY (ARRAY['r', 'p']) AND NOT c.relispartition AND n.nspname <> 'information_schema' AND \
        n.nspname !~ '^pg_' \
    AND c.relname !~ '^__' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend p WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        AND p.objid = c.oid AND p.deptype = 'e') \
    ORDER BY (n.nspname = pg_catalog.current_schema()) DESC, n.nspname, c.relname";

const COLUMNS: &str = "SELECT a.attrelid AS table_oid, a.attname::pg_catalog.text AS name, a.attnotnull AS not_null, \
    pg_catalog.format_type(a.atttypid, a.atttypmod)::pg_catalog.text AS type_name, \
    pg_catalog.pg_get_expr(d.adbin, d.adrelid)::pg_catalog.text AS default_sql, \
    (SELECT coalesce(b.typname, t.typname)::pg_catalog.text FROM pg_catalog.pg_type t \
        LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype WHERE t.oid = a.atttypid) AS \
            short_type, \
    (SELECT CASE WHEN n.nspname = pg_catalog.current_schema() THEN NULL ELSE n.nspname END::pg_catalog.text FROM \
        pg_catalog.pg_type t \
        LEFT JOIN pg_catalog.pg_type b ON t.typtype = 'd' AND b.oid = t.typbasetype \
        JOIN pg_catalog.pg_namespace n ON n.oid = coalesce(b.typnamespace, t.typnamespace) \
        WHERE t.oid = a.atttypid) AS type_schema, \
    a.attidentity::pg_catalog.text AS identity, a.attgenerated::pg_catalog.text AS generated, \
    (SELECT c.collname::pg_catalog.text FROM pg_catalog.pg_collation c, pg_catalog.pg_type t \
        WHERE c.oid = a.attcollation AND t.oid = a.atttypid AND a.attcollation <> t.typcollation) AS collation, \
    EXISTS (SELECT 1 FROM pg_catalog.pg_depend p JOIN pg_catalog.pg_class s ON s.oid = p.objid AND s.relkind = 'S' \
        WHERE p.refobjid = a.attrelid AND p.refobjsubid = a.attnum AND p.deptype = 'a' \
        AND p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) AS owns_sequence \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class r ON r.oid = a.attrelid AND r.relkind = ANY (ARRAY['r', \
        'p']) \
    LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
    WHERE a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum";

const CONSTRAINTS: &str = "SELECT c.conrelid AS table_oid, c.conname::pg_catalog.text AS name, \
        c.contype::pg_catalog.text AS kind, \
    pg_catalog.pg_get_constraintdef(c.oid)::pg_catalog.text AS definition, \
    pg_catalog.pg_get_expr(c.conbin, c.conrelid)::pg_catalog.text AS expression, \
    c.condeferrable AS is_deferrable, c.condeferred AS is_deferred, \
    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k(n, at) \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY k.at) AS columns, \
    ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k(n, at) \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY k.at) AS to_columns, \
    r.relname::pg_catalog.text AS to_name, CASE WHEN n.nspname = pg_catalog.current_schema() THEN NULL ELSE \
        n.nspname END::pg_catalog.text AS to_schema, \
    c.confdeltype::pg_catalog.text AS on_delete, c.confupdtype::pg_catalog.text AS on_update \
    FROM pg_catalog.pg_constraint c LEFT JOIN pg_catalog.pg_class r ON r.oid = c.confrelid \
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace \
    WHERE c.conrelid <> 0 AND c.contype = ANY (ARRAY['p', 'u', 'f', 'c', 'x']) AND c.conparentid = 0 ORDER BY c.oid";

/// Indexes that no constraint made.
const INDEXES: &str = "SELECT i.indrelid AS table_oid, c.relname::pg_catalog.text AS name, i.indisunique AS is_unique, \
    pg_catalog.pg_get_indexdef(i.indexrelid)::pg_catalog.text AS definition, \
    CASE WHEN i.indexprs IS NULL AND i.indpred IS NULL THEN ARRAY(SELECT a.attname::pg_catalog.text \
        FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY k(n, at) \
        JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n ORDER BY k.at) \
        ELSE '{}'::pg_catalog.text[] END AS columns \
    FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid \
    WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype = ANY \
        (ARRAY['p', 'u', 'x'])) \
    ORDER BY c.relname";

/// Views, with every table and view that they read, and the text that makes them again.
const VIEWS: &str = "SELECT c.relname::pg_catalog.text AS name, \
    pg_catalog.format('CREATE %sVIEW %I.%I AS %s', CASE WHEN c.relkind = 'm' THEN 'MATERIALIZED ' ELSE '' END, \
        n.nspname, c.relname, \
        pg_catalog.rtrim(pg_catalog.pg_get_viewdef(c.oid), ';'))::pg_catalog.text AS sql, \
    ARRAY(SELECT DISTINCT t.relname::pg_catalog.text FROM pg_catalog.pg_rewrite w JOIN pg_catalog.pg_depend d \
        ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid AND d.refclassid = \
            'pg_catalog.pg_class'::pg_catalog.regclass \
        JOIN pg_catalog.pg_class t ON t.oid = d.refobjid WHERE w.ev_class = c.oid AND t.oid <> c.oid) AS names \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = ANY (ARRAY['v', 'm']) AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend p WHERE p.classid = 'pg_catalog.pg_class'::pg_catalog.regclass \
        AND p.objid = c.oid AND p.deptype = 'e') ORDER BY c.oid";

/// All of them, for the test that nothing in them is found by the path.
#[cfg(test)]
pub const QUERIES: [&str; 5] = [TABLES, COLUMNS, CONSTRAINTS, INDEXES, VIEWS];

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Oid)]
    oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
}

#[derive(QueryableByName)]
struct ColumnRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    not_null: bool,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Text)]
    short_type: String,
    #[diesel(sql_type = Nullable<Text>)]
    type_schema: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    default_sql: Option<String>,
    #[diesel(sql_type = Text)]
    identity: String,
    #[diesel(sql_type = Text)]
    generated: String,
    #[diesel(sql_type = Nullable<Text>)]
    collation: Option<String>,
    #[diesel(sql_type = Bool)]
    owns_sequence: bool,
}

#[derive(QueryableByName)]
struct ConstraintRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    definition: String,
    #[diesel(sql_type = Nullable<Text>)]
    expression: Option<String>,
    #[diesel(sql_type = Bool)]
    is_deferrable: bool,
    #[diesel(sql_type = Bool)]
    is_deferred: bool,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
    #[diesel(sql_type = Array<Text>)]
    to_columns: Vec<String>,
    #[diesel(sql_type = Nullable<Text>)]
    to_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    to_schema: Option<String>,
    #[diesel(sql_type = Text)]
    on_delete: String,
    #[diesel(sql_type = Text)]
    on_update: String,
}

#[derive(QueryableByName)]
struct IndexRow {
    #[diesel(sql_type = Oid)]
    table_oid: u32,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    is_unique: bool,
    #[diesel(sql_type = Text)]
    definition: String,
    #[diesel(sql_type = Array<Text>)]
    columns: Vec<String>,
}

#[derive(QueryableByName)]
struct ViewRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
    #[diesel(sql_type = Array<Text>)]
    names: Vec<String>,
}

/// The whole schema.
///
/// # Errors
/// The database's own.
pub fn schema(connection: &mut PgConnection) -> Result<Schema> {
    let wrong = |error: diesel::result::Error| translate(&error);
    let rows: Vec<TableRow> = diesel::sql_query(own(TABLES)).load(connection).map_err(wrong)?;
    let mut tables: Vec<(u32, Table)> =
        rows.into_iter().map(|row| (row.oid, Table::new(Place { schema: row.schema, name: row.name }))).collect();
    let places: std::collections::HashMap<u32, usize> =
        tables.iter().enumerate().map(|(at, (oid, _))| (*oid, at)).collect();
    for row in diesel::sql_query(own(COLUMNS)).load::<ColumnRow>(connection).map_err(wrong)? {
        if let Some(at) = places.get(&row.table_oid) {
            tables[*at].1.columns.push(column(row));
        }
    }
    for row in diesel::sql_query(own(CONSTRAINTS)).load::<ConstraintRow>(connection).map_err(wrong)? {
        if let Some(at) = places.get(&row.table_oid) {
            constraint(&mut tables[*at].1, row);
        }
    }
    for row in diesel::sql_query(own(INDEXES)).load::<IndexRow>(connection).map_err(wrong)? {
        let Some(at) = places.get(&row.table_oid) else { continue };
        // A name may have the word in it, in quotes.
        let words = tokens(&row.definition, false).unwrap_or_default();
        let definition = words.iter().find(|word| word.is("USING")).map_or("", |word| &row.definition[word.start..]);
        // The method that everybody means needs no word.
        let definition = definition.strip_prefix("USING btree ").unwrap_or(definition).to_owned();
        let mut columns = row.columns;
        // An operator class, an order or an INCLUDE makes it more than its columns.
        if definition.trim_start_matches('(').trim_end_matches(')').split(", ").count() != columns.len()
            || definition.contains("DESC")
            || definition.contains("INCLUDE")
            || definition.contains("_ops")
        {
            columns.clear();
        }
        tables[*at].1.indexes.push(Index { name: row.name, unique: row.is_unique, definition, columns });
    }
    let views = with_catalog_first(connection, |connection| {
        diesel::sql_query(own(VIEWS)).load::<ViewRow>(connection).map_err(wrong)
    })?;
    let dependents = views
        .into_iter()
        .map(|row| Dependent {
            name: row.name,
            kind: DependentKind::View,
            on: None,
            sql: row.sql,
            names: row.names.iter().map(|name| name.to_lowercase()).collect(),
        })
        .collect();
    Ok(Schema { tables: tables.into_iter().map(|(_, table)| table).collect(), dependents })
}

/// Does something while PostgreSQL's own schema comes first in the path, as it does unless the path says otherwise:
/// `pg_get_viewdef` is a query in itself, whose operators are found by the path.
fn with_catalog_first<T>(
    connection: &mut PgConnection,
    work: impl FnOnce(&mut PgConnection) -> Result<T>,
) -> Result<T> {
    let set = |path: &str, connection: &mut PgConnection| {
        let set = diesel::dsl::sql::<Text>("pg_catalog.set_config('search_path', ").bind::<Text, _>(path.to_owned());
        diesel::select(set.sql(", false)")).get_result::<String>(connection).map_err(|error| translate(&error))
    };
    let path: String = diesel::select(diesel::dsl::sql::<Text>("pg_catalog.current_setting('search_path')"))
        .get_result(connection)
        .map_err(|error| translate(&error))?;
    if !path.contains("pg_catalog") {
        return work(connection);
    }
    set(&format!("pg_catalog, {path}"), connection)?;
    let done = work(connection);
    // Where the work has failed, the transaction that is given up takes the setting back.
    let back = set(&path, connection);
    done.and_then(|done| back.map(|_| done))
}

fn column(row: ColumnRow) -> Column {
    let mut column = Column {
        name: row.name,
        type_name: row.type_name,
        short_type: row.short_type,
        type_schema: row.type_schema,
        nullable: !row.not_null,
        collation: row.collation,
        ..Column::default()
    };
    column.numbering = match row.identity.as_str() {
        "a" => Numbering::IdentityAlways,
        "d" => Numbering::Identity,
        _ if row.owns_sequence && row.default_sql.as_deref().is_some_and(|sql| sql.starts_with("nextval(")) => {
            Numbering::Serial
        }
        _ => Numbering::None,
    };
    if !row.generated.is_empty() {
        column.generated = row.default_sql.map(|sql| format!("GENERATED ALWAYS AS ({}) STORED", unbracketed(&sql)));
    } else if column.numbering == Numbering::None {
        column.default = row.default_sql;
    }
    column
}

/// An expression without the brackets that PostgreSQL puts around it.
fn unbracketed(sql: &str) -> &str {
    let Some(inner) = sql.strip_prefix('(').and_then(|sql| sql.strip_suffix(')')) else { return sql };
    let mut depth = 0_i32;
    for c in inner.chars() {
        depth += match c {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if depth < 0 {
            return sql;
        }
    }
    inner
}

fn constraint(table: &mut Table, row: ConstraintRow) {
    let rest = match (row.is_deferrable, row.is_deferred) {
        (true, true) => "DEFERRABLE INITIALLY DEFERRED",
        (true, false) => "DEFERRABLE",
        _ => "",
    }
    .to_owned();
    match row.kind.as_str() {
        "p" => table.key = Some(Key { name: Some(row.name), columns: row.columns, rest }),
        "u" => table.uniques.push(Key { name: Some(row.name), columns: row.columns, rest }),
        "c" => {
            let expression = unbracketed(&row.expression.unwrap_or_default()).to_owned();
            table.checks.push(Check { name: Some(row.name), expression });
        }
        "f" => table.foreign_keys.push(ForeignKey {
            name: Some(row.name),
            columns: row.columns,
            to: Place { schema: row.to_schema, name: row.to_name.unwrap_or_default() },
            to_columns: row.to_columns,
            on_delete: action(&row.on_delete).into(),
            on_update: action(&row.on_update).into(),
            rest,
        }),
        // An exclusion constraint is its definition.
        _ => table.uniques.push(Key { name: Some(row.name), columns: Vec::new(), rest: row.definition }),
    }
}

/// `pg_constraint.confdeltype`: <https://www.postgresql.org/docs/current/catalog-pg-constraint.html>.
fn action(code: &str) -> &'static str {
    match code {
        "c" => "CASCADE",
        "n" => "SET NULL",
        "d" => "SET DEFAULT",
        "r" => "RESTRICT",
        _ => "NO ACTION",
    }
}
