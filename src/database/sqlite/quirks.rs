//! What SQLite's tables do beyond what changes say.

use crate::model::{Events, Quirk, QuirkKind};
use crate::text::sql::tokens;
use diesel::prelude::*;
use diesel::sql_types::Text;

/// `ON CONFLICT` and `COLLATE` stand in the text of a table or index and nowhere else; what merely looks like them is no
/// harm.
const QUIRKS: &str = "SELECT type AS kind, tbl_name AS table_name, sql FROM sqlite_schema \
    WHERE type = 'trigger' OR sql LIKE '%conflict%' OR sql LIKE '%collate%' OR sql LIKE 'create virtual%' \
    UNION ALL SELECT type, tbl_name, sql FROM sqlite_temp_schema WHERE type = 'trigger'";

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// All of them.
pub fn quirks(connection: &mut SqliteConnection) -> QueryResult<Vec<Quirk>> {
    let rows: Vec<Row> = diesel::sql_query(QUIRKS).load(connection)?;
    Ok(rows.iter().flat_map(of).collect())
}

fn of(row: &Row) -> Vec<Quirk> {
    let quirk = |kind| Quirk { schema: None, table: row.table_name.clone(), kind };
    if row.kind == "trigger" {
        return vec![quirk(QuirkKind::Trigger(events(&row.sql)))];
    }
    let text = row.sql.to_ascii_lowercase();
    let kinds = [
        (text.starts_with("create virtual"), QuirkKind::Virtual),
        (text.contains("conflict"), QuirkKind::Conflict),
        (text.contains("collate"), QuirkKind::Collation),
    ];
    kinds.into_iter().filter(|(found, _)| *found).map(|(_, kind)| quirk(kind)).collect()
}

/// What a trigger is on: the first such word behind its name. Where that cannot be told, everything.
fn events(sql: &str) -> Events {
    let all = Events { insert: true, update: true, delete: true };
    let Some(words) = tokens(sql, true) else { return all };
    let none = Events::default();
    words
        .iter()
        .find_map(|word| match word {
            word if word.is("INSERT") => Some(Events { insert: true, ..none }),
            word if word.is("UPDATE") => Some(Events { update: true, ..none }),
            word if word.is("DELETE") => Some(Events { delete: true, ..none }),
            _ => None,
        })
        .unwrap_or(all)
}
