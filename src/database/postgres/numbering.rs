//! Keys that did not come from their sequence: it is moved past them, so that the next key that it gives is free.

use super::error::translate;
use super::own::own;
use crate::Result;
use crate::model::{Catalog, EntityId};
use crate::plan::query::Insert;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};
use std::collections::HashMap;

/// The sequence of a column; NULL where it has none of its own.
pub const SEQUENCE: &str = " FROM (SELECT pg_catalog.pg_get_serial_sequence(pg_catalog.format('%I.%I', \
    coalesce($1, pg_catalog.current_schema()), $2), $3)::pg_catalog.regclass AS sequence) AS own";

/// Moves a sequence that counts upwards to a number behind its last one, where the person may. A number is taken from it
/// first: what others take meanwhile is greater, so nothing is given twice.
pub const MOVE: &str = "SELECT CASE WHEN pg_catalog.pg_sequence_last_value(sequence) >= $4 THEN NULL \
    WHEN NOT pg_catalog.has_sequence_privilege(sequence, 'UPDATE') THEN NULL \
    WHEN EXISTS (SELECT 1 FROM pg_catalog.pg_sequence s WHERE s.seqrelid = sequence \
        AND (s.seqincrement < 0 OR s.seqmax < $4)) THEN NULL \
    WHEN pg_catalog.nextval(sequence) >= $4 THEN NULL \
    ELSE pg_catalog.setval(sequence, $4) END AS number";

/// Where a sequence stands, as a statement that puts another there.
pub const STATE: &str = "SELECT pg_catalog.concat('SELECT pg_catalog.setval(', \
    pg_catalog.quote_literal(sequence::pg_catalog.text), ', ', pg_catalog.pg_sequence_last_value(sequence), ')') AS sql";

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = Nullable<BigInt>)]
    #[expect(dead_code, reason = "only whether it worked counts")]
    number: Option<i64>,
}

#[derive(QueryableByName)]
struct State {
    #[diesel(sql_type = Text)]
    sql: String,
}

/// A numbered column: schema, table and name.
type Place = (Option<String>, String, String);

/// The greatest keys of the open transaction that its sequences have not given.
#[derive(Default)]
pub struct Numbering {
    given: HashMap<EntityId, i64>,
    brought: HashMap<Place, i64>,
}

impl Numbering {
    /// Notes numbers that a sequence gave.
    pub fn gave(&mut self, entity: EntityId, numbers: &[i64]) {
        if let Some(greatest) = numbers.iter().max() {
            let known = self.given.entry(entity).or_insert(*greatest);
            *known = (*known).max(*greatest);
        }
    }

    /// Notes the keys of rows that are inserted.
    pub fn wrote(&mut self, insert: &Insert<'_>, catalog: &Catalog) {
        let model = catalog.get(insert.entity);
        for (at, column) in insert.columns.iter().enumerate().filter(|(_, column)| model.columns[**column].numbered) {
            let greatest = insert.rows.iter().filter_map(|row| row[at].as_int()).max();
            let given = self.given.get(&insert.entity).copied().unwrap_or(i64::MIN);
            if let Some(number) = greatest.filter(|number| *number > given) {
                let place = (model.schema.clone(), model.table.clone(), model.columns[*column].name.clone());
                let known = self.brought.entry(place).or_insert(number);
                *known = (*known).max(number);
            }
        }
    }

    /// Forgets what was not committed.
    pub fn forget(&mut self) {
        self.brought.clear();
    }

    /// Moves the sequences behind the keys of the transaction that is about to be committed.
    ///
    /// # Errors
    /// The database's own.
    pub fn settle(&mut self, connection: &mut PgConnection) -> Result<()> {
        for ((schema, table, column), number) in std::mem::take(&mut self.brought) {
            let query = diesel::sql_query(own(&format!("{MOVE}{SEQUENCE} WHERE sequence IS NOT NULL")))
                .bind::<Nullable<Text>, _>(schema)
                .bind::<Text, _>(table)
                .bind::<Text, _>(column)
                .bind::<BigInt, _>(number);
            let _: Vec<Moved> = query.load(connection).map_err(|e| translate(&e))?;
        }
        Ok(())
    }
}

/// Statements that put the sequences of some tables where they are here.
///
/// # Errors
/// The database's own.
pub fn states(connection: &mut PgConnection, catalog: &Catalog, wanted: &[EntityId]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for model in wanted.iter().map(|id| catalog.get(*id)) {
        for column in model.columns.iter().filter(|column| column.numbered) {
            let used = "sequence IS NOT NULL AND pg_catalog.pg_sequence_last_value(sequence) IS NOT NULL";
            let rows: Vec<State> = diesel::sql_query(own(&format!("{STATE}{SEQUENCE} WHERE {used}")))
                .bind::<Nullable<Text>, _>(&model.schema)
                .bind::<Text, _>(&model.table)
                .bind::<Text, _>(&column.name)
                .load(connection)
                .map_err(|e| translate(&e))?;
            found.extend(rows.into_iter().map(|row| row.sql));
        }
    }
    Ok(found)
}
