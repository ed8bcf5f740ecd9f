//! What PostgreSQL's tables do beyond what changes say.

use super::own::own;
use crate::model::{Events, Quirk, QuirkKind};
use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text};

/// Triggers with what they are on (<https://www.postgresql.org/docs/current/catalog-pg-trigger.html>), rules, policies,
/// texts that differ and are equal, tables that share their rows.
pub(super) const QUIRKS: &str = "SELECT f.kind::pg_catalog.text AS kind, f.detail AS detail, \
        c.relname::pg_catalog.text AS table_name, \
    CASE WHEN n.nspname = pg_catalog.current_schema() THEN NULL ELSE n.nspname END::pg_catalog.text AS schema FROM ( \
    SELECT 'trigger' AS kind, tgrelid AS relation, tgtype::pg_catalog.int4 AS detail FROM pg_catalog.pg_trigger \
        WHERE NOT tgisinternal AND tgenabled <> 'D' \
    UNION ALL SELECT 'rule', r.ev_class, 0 FROM pg_catalog.pg_rewrite r \
    UNION ALL SELECT DISTINCT 'policy', polrelid, 0 FROM pg_catalog.pg_policy \
    UNION ALL SELECT DISTINCT 'collation', a.attrelid, 0 FROM pg_catalog.pg_attribute a \
        JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation WHERE NOT l.collisdeterministic \
    UNION ALL SELECT DISTINCT 'family', inhrelid, 0 FROM pg_catalog.pg_inherits \
    UNION ALL SELECT DISTINCT 'family', inhparent, 0 FROM pg_catalog.pg_inherits) AS f \
    JOIN pg_catalog.pg_class c ON c.oid = f.relation \
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = ANY (ARRAY['r', 'p', 'f'])";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Integer)]
    detail: i32,
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Nullable<Text>)]
    schema: Option<String>,
}

/// All of them.
pub fn quirks(connection: &mut PgConnection) -> QueryResult<Vec<Quirk>> {
    let rows: Vec<Row> = diesel::sql_query(own(QUIRKS)).load(connection)?;
    let quirk = |row: Row| {
        let on = |bit: i32| row.detail & bit != 0;
        let kind = match row.kind.as_str() {
            "trigger" => QuirkKind::Trigger(Events { insert: on(4), delete: on(8), update: on(16) }),
            "rule" => QuirkKind::Rule,
            "policy" => QuirkKind::RowSecurity,
            "collation" => QuirkKind::Collation,
            _ => QuirkKind::Family,
        };
        Quirk { schema: row.schema, table: row.table_name, kind }
    };
    Ok(rows.into_iter().map(quirk).collect())
}
