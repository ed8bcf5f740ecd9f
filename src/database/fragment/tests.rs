//! The SQL of every construct of the language, in both dialects, by a table of cases.

use super::Dynamic;
use crate::cases;
use crate::language::ast::{Command, Target};
use crate::language::parse;
use crate::model::{Cell, Value};
use crate::plan::query::{Bulk, ChangedRow, Delete, Insert, RowSet, Statement, Update};
use crate::plan::tests::world::World;
use crate::plan::{self, Resolver as _};
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::sqlite::Sqlite;

fn sqlite(statement: &Statement<'_>, world: &World) -> String {
    let mut builder = diesel::sqlite::query_builder::SqliteQueryBuilder::default();
    match Dynamic::new(&world.catalog, statement, None).to_sql(&mut builder, &Sqlite) {
        Ok(()) => QueryBuilder::<Sqlite>::finish(builder).replace('`', "\""),
        Err(error) => error.to_string(),
    }
}

#[cfg(feature = "postgres")]
fn postgres(statement: &Statement<'_>, world: &World) -> String {
    let text: fn(Cell<'_>) -> Option<String> = |cell| (cell != Cell::Null).then(|| cell.to_string());
    let mut builder = diesel::pg::PgQueryBuilder::default();
    let query = Dynamic::new(&world.catalog, statement, Some(text));
    match QueryFragment::<diesel::pg::Pg>::to_sql(&query, &mut builder, &diesel::pg::Pg) {
        Ok(()) => {
            // Operators and functions are named in whole: `pg.=` stands for `OPERATOR(pg_catalog.=)`.
            let sql = QueryBuilder::<diesel::pg::Pg>::finish(builder);
            let mut short = String::new();
            let mut rest = sql.as_str();
            while let Some((before, behind)) = rest.split_once("OPERATOR(pg_catalog.") {
                let (symbol, behind) = behind.split_once(')').unwrap();
                short.push_str(before);
                short.push_str("pg.");
                short.push_str(symbol);
                rest = behind;
            }
            (short + rest).replace("pg_catalog.", "pg.")
        }
        Err(error) => error.to_string(),
    }
}

fn both(statement: &Statement<'_>, world: &World) -> Vec<String> {
    let mut lines = vec![format!("sqlite:   {}", sqlite(statement, world))];
    #[cfg(feature = "postgres")]
    lines.push(format!("postgres: {}", postgres(statement, world)));
    lines
}

/// Without PostgreSQL only the lines of SQLite are there to compare.
#[cfg(feature = "postgres")]
#[test]
fn reads() {
    let mut world = World::new();
    let count = cases::hold("database/fragment/cases/reads.txt", &mut |text| match world.planned(text) {
        Ok(selects) => selects.iter().flat_map(|select| both(&Statement::Select(select), &world)).collect(),
        Err(error) => cases::refused(text, &error),
    });
    assert!(count >= 120, "{count}");
}

/// `add`, `set` and `delete` as the session sends them: for one row, for several at once, and for all that a condition means.
#[cfg(feature = "postgres")]
#[test]
fn changes() {
    let mut world = World::new();
    let count = cases::hold("database/fragment/cases/changes.txt", &mut |text| {
        changed(text, &mut world).unwrap_or_else(|error| cases::refused(text, &error))
    });
    assert!(count >= 25, "{count}");
}

#[cfg(feature = "postgres")]
fn changed(text: &str, world: &mut World) -> crate::Result<Vec<String>> {
    let catalog = world.catalog.clone();
    Ok(match parse(text, &catalog)? {
        Command::Add(model, given) => {
            let entity = catalog.resolve(&model.text)?;
            let values = plan::assignments(entity, &given, true, world)?;
            let columns: Vec<usize> = values.iter().map(|(at, _)| *at).collect();
            let row: Vec<Value> = values.into_iter().map(|(_, value)| value).collect();
            let key = world.catalog().get(entity).key.clone();
            let one = Insert { entity, columns: &columns, rows: &[&row], returning: &key };
            let two = Insert { entity, columns: &columns, rows: &[&row, &row], returning: &[] };
            [one, two].into_iter().flat_map(|insert| both(&Statement::Insert(insert), world)).collect()
        }
        Command::Set(Target::Record(_), given) => {
            let entity = catalog.resolve(text.split(' ').nth(1).unwrap())?;
            let set = plan::assignments(entity, &given, false, world)?;
            let key: Vec<Value> = catalog.get(entity).key.iter().map(|_| Value::Int(1)).collect();
            let base: Vec<(usize, Value)> = set.iter().map(|(at, _)| (*at, Value::Null)).collect();
            let row = ChangedRow { key: &key, set: &set, base: &base };
            let one = Statement::Update(Update { entity, set: &set, key: &key, base: &base });
            let two = Statement::Updates(RowSet { entity, rows: &[row, row] });
            [one, two].iter().flat_map(|update| both(update, world)).collect()
        }
        Command::Delete(Target::Record(_), _) => {
            let entity = catalog.resolve(text.split(' ').nth(1).unwrap())?;
            let key: Vec<Value> = catalog.get(entity).key.iter().map(|_| Value::Int(1)).collect();
            let base = [(catalog.get(entity).columns.len() - 1, Value::Null)];
            let row = ChangedRow { key: &key, set: &[], base: &base };
            let one = Statement::Delete(Delete { entity, key: &key, base: &base });
            let two = Statement::Deletes(RowSet { entity, rows: &[row, row] });
            [one, two].iter().flat_map(|delete| both(delete, world)).collect()
        }
        Command::Set(Target::Where(model, condition), given) => {
            let entity = catalog.resolve(&model.text)?;
            let set = Some(plan::assignments(entity, &given, false, world)?);
            let rows = plan::many(entity, condition.as_ref(), world)?;
            both(&Statement::Bulk(&Bulk { rows, set }), world)
        }
        Command::Delete(Target::Where(model, condition), _) => {
            let entity = catalog.resolve(&model.text)?;
            let rows = plan::many(entity, condition.as_ref(), world)?;
            both(&Statement::Bulk(&Bulk { rows, set: None }), world)
        }
        other => panic!("{other:?}"),
    })
}
