//! Before anything is written: is everything understood that would be made anew, and do both ways lead where they should?

use super::compare::{Difference, compare};
use super::ddl::{self, name, place};
use super::rename::Rename;
use super::scratch::{in_words, reflected, scratchable};
use super::{Fills, findings, statements};
use crate::model::definition::{DependentKind, Dialect, Schema};
use crate::store::Store;
use crate::text::sql::tokens;
use crate::{Error, ErrorKind, Result};
use std::collections::HashMap;

/// Whether a SQLite table that would be made anew says nothing beyond what was read of it: every word of its text must be
/// among those that would be written.
pub fn understood(found: &[Difference], dialect: Dialect) -> Result<()> {
    if dialect == Dialect::Postgres {
        return Ok(());
    }
    for difference in found {
        let Difference::Changed(changed) = difference else { continue };
        let table = &changed.before;
        let written = ddl::table(table, None, true, dialect);
        let words = |sql: &str| -> HashMap<String, usize> {
            let mut count = HashMap::new();
            for token in tokens(sql, true).unwrap_or_default() {
                let word = token.name().unwrap_or(token.text).to_lowercase();
                *count.entry(word).or_default() += 1;
            }
            count
        };
        let have = words(&written);
        // Said by default, or left to the order.
        let idle = [
            "(",
            ")",
            ",",
            "null",
            "asc",
            "no",
            "action",
            "on",
            "delete",
            "update",
            "constraint",
            "match",
            "simple",
            "if",
            "not",
            "exists",
            "virtual",
            "always",
            "generated",
            "deferrable",
            "initially",
            "immediate",
            "full",
            "partial",
        ];
        // A constraint on one column names it where it stands with the table, and not where it stands with the column.
        let enough = |word: &str| match have.get(word) {
            Some(_) if table.column(word).is_some() || word == "key" => usize::MAX,
            count => count.copied().unwrap_or(0),
        };
        let missing: Vec<String> = words(&table.text)
            .into_iter()
            .filter(|(word, count)| !idle.contains(&word.as_str()) && enough(word) < *count)
            .map(|(word, _)| word)
            .collect();
        // The name of a NOT NULL constraint is all that may be lost; it means nothing to SQLite.
        let named: Vec<String> = {
            let tokens = tokens(&table.text, true).unwrap_or_default();
            tokens
                .windows(3)
                .filter(|three| three[0].is("CONSTRAINT") && three[2].is("NOT"))
                .filter_map(|three| three[1].name().map(str::to_lowercase))
                .collect()
        };
        if let Some(word) = missing.iter().find(|word| !named.contains(word)) {
            return Err(Error::new(
                ErrorKind::Refused,
                format!("the definition of {} says `{word}` in a way that is not understood here", table.place),
            )
            .hint(
                "it would be lost by making the table anew: begin with `db revision` and write this migration by hand",
            ));
        }
    }
    Ok(())
}

/// Up and down on an empty copy of the schema: does up give what is asked for, and down what was there?
pub fn rehearse(
    store: &mut dyn Store,
    actual: &Schema,
    before: &Schema,
    after: &Schema,
    renames: &[Rename],
    (found, back): (&[Difference], &[Difference]),
) -> Result<()> {
    let dialect = store.facts().dialect;
    let own = scratchable(actual, dialect);
    let (before, after) = (scratchable(before, dialect), scratchable(after, dialect));
    // No rows, so no need of values for them.
    let fills = Fills::default();
    let mut up: Vec<String> = renames.iter().map(Rename::sql).collect();
    up.extend(statements(dialect, &before, &after, found, &fills));
    let mut down = statements(dialect, &after, &before, back, &fills);
    down.extend(renames.iter().rev().map(|rename| rename.back().sql()));
    store.scratch(&mut |scratch| {
        let run = |scratch: &mut dyn Store, statements: &[String]| {
            statements.iter().try_for_each(|sql| scratch.batch(sql).map_err(|error| in_words(sql, error)))
        };
        run(scratch, &ddl::everything(&own, dialect))?;
        run(scratch, &up)?;
        reached(&reflected(scratch)?, &after, "up.sql", dialect)?;
        usable(scratch)?;
        run(scratch, &down)?;
        reached(&reflected(scratch)?, &own, "down.sql", dialect)
    })
}

fn reached(reached: &Schema, wanted: &Schema, file: &str, dialect: Dialect) -> Result<()> {
    match findings::lines(&compare(reached, wanted, dialect), dialect).as_slice() {
        [] => Ok(()),
        [first, ..] => Err(Error::new(
            ErrorKind::Database,
            format!("nothing was written: {file} would not lead where it should ({first} is left)"),
        )
        .hint("this is a mistake of this program: please report it with the schema; `db revision` begins a migration by hand")),
    }
}

/// Views can be read and triggers can be compiled, on SQLite, which looks at neither when they are made.
fn usable(scratch: &mut dyn Store) -> Result<()> {
    if scratch.facts().dialect == Dialect::Postgres {
        return Ok(());
    }
    let schema = scratch.definition()?;
    for dependent in &schema.dependents {
        let (kind, probes) = match (dependent.kind, &dependent.on) {
            (DependentKind::View, _) => ("view", vec![format!("SELECT * FROM {} LIMIT 0", name(&dependent.name))]),
            (DependentKind::Trigger, Some(on)) => {
                let Some(column) =
                    schema.table(on).and_then(|table| table.columns.iter().find(|column| column.generated.is_none()))
                else {
                    continue;
                };
                let (at, column) = (place(on), name(&column.name));
                let all = [
                    "DELETE FROM {at}",
                    "UPDATE {at} SET {column} = {column}",
                    "INSERT INTO {at} ({column}) VALUES (NULL)",
                ];
                let filled =
                    all.iter().map(|sql| format!("EXPLAIN {}", sql.replace("{at}", &at).replace("{column}", &column)));
                ("trigger", filled.collect())
            }
            (DependentKind::Trigger, None) => continue,
        };
        for sql in probes {
            super::rows(scratch, &sql).map_err(|error| {
                Error::new(
                    ErrorKind::Refused,
                    format!("{kind} {} would no longer work: {}", dependent.name, error.message),
                )
                .hint("change or drop it first, in a migration of its own (`db revision`)")
            })?;
        }
    }
    Ok(())
}
