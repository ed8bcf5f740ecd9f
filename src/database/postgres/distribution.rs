//! How an engine of many nodes spreads its tables: Citus says it in tables of its own catalog
//! (<https://docs.citusdata.com/en/stable/develop/api_metadata.html>).

use super::error::translate;
use super::own::own;
use crate::Result;
use crate::store::{Distribution, Spread};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};

/// Whether there is such a catalog.
pub const THERE: &str = "SELECT pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL AS yes";

/// A table that is spread: by which method, by which column (its number stands in the text of an expression), together
/// with which others, and how often it is kept.
pub const SPREAD: &str = "SELECT c.relname::pg_catalog.text AS name, CASE WHEN n.nspname = pg_catalog.current_schema() \
        THEN NULL ELSE n.nspname END::pg_catalog.text AS schema, p.partmethod::pg_catalog.text AS method, \
    p.repmodel::pg_catalog.text AS kept, p.colocationid::pg_catalog.int8 AS together, \
    (SELECT a.attname::pg_catalog.text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum::pg_catalog.text \
        = pg_catalog.substring(p.partkey::pg_catalog.text, ':varattno ([0-9]+)')) AS by \
    FROM pg_catalog.pg_dist_partition p JOIN pg_catalog.pg_class c ON c.oid = p.logicalrelid \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY n.nspname, c.relname";

#[derive(QueryableByName)]
struct There {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Text)]
    kept: String,
    #[diesel(sql_type = BigInt)]
    together: i64,
    #[diesel(sql_type = Nullable<Text>)]
    by: Option<String>,
}

/// How tables are spread; none on a server that has but itself.
///
/// # Errors
/// The database's own.
pub fn of(connection: &mut PgConnection) -> Result<Vec<Distribution>> {
    let there: There = diesel::sql_query(own(THERE)).get_result(connection).map_err(|e| translate(&e))?;
    if !there.yes {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = diesel::sql_query(own(SPREAD)).load(connection).map_err(|e| translate(&e))?;
    let spread = |row: &Row| match (row.by.clone(), row.method.as_str(), row.kept.as_str()) {
        (Some(column), ..) => {
            let others = rows.iter().filter(|other| other.together == row.together && other.by.is_some());
            let with = others.filter(|other| (&other.schema, &other.name) != (&row.schema, &row.name));
            Spread::By { column, with: with.map(|other| other.name.clone()).collect() }
        }
        (None, _, "t") => Spread::Everywhere,
        // Neither a column nor a group: a table of the coordinator that Citus knows of.
        (None, "n", _) if row.together == 0 => Spread::Here,
        _ => Spread::OneNode,
    };
    Ok(rows
        .iter()
        .map(|row| Distribution { schema: row.schema.clone(), table: row.name.clone(), spread: spread(row) })
        .collect())
}
