//! Spellings, targets and differences by tables of cases; SQLite's are told by a database in memory.

use super::compare::{canonical, compare, squeezed};
use super::{Fills, Request, ddl, findings, print, target};
use crate::cases;
use crate::database::Open;
use crate::database::sqlite::SqliteStore;
use crate::model::definition::{Dialect, Schema};
use crate::store::{Revision, Store as _};

#[test]
fn spellings() {
    let count = cases::hold("migrations/cases/spellings.txt", &mut |text| {
        let (what, given) = text.split_once(' ').unwrap();
        let both = |spell: &dyn Fn(Dialect) -> String| {
            vec![format!("sqlite: {}  postgres: {}", spell(Dialect::Sqlite), spell(Dialect::Postgres))]
        };
        match what {
            "name" => vec![ddl::name(given)],
            "text" => vec![ddl::literal(given)],
            "default" => both(&|dialect| ddl::default_value(given, dialect)),
            "type" => both(&|dialect| {
                let (name, arguments) = canonical(given, dialect);
                if arguments.is_empty() { name } else { format!("{name} of {arguments}") }
            }),
            "spaces" => vec![squeezed(given)],
            "fill" => {
                let mut fills = Fills::default();
                match fills.add(given) {
                    Ok(()) => vec![format!("{fills:?}")],
                    Err(error) => cases::refused(given, &error),
                }
            }
            other => panic!("{other}"),
        }
    });
    assert!(count >= 80, "{count}");
}

#[test]
fn targets() {
    let revision = |version: &str, name: &str, applied| Revision {
        version: version.into(),
        name: format!("{name}_{version}"),
        applied,
        script: None,
        texts: None,
    };
    let all = [
        revision("20260101000000", "2026-01-01-000000", true),
        revision("20260201000000", "2026-02-01-000000", true),
        revision("20260301000000", "2026-03-01-000000", false),
        revision("20260301000001", "2026-03-01-000001", false),
    ];
    let count = cases::hold("migrations/cases/targets.txt", &mut |text| {
        let (way, word) = text.split_once(' ').map_or((text, None), |(way, word)| (way, Some(word)));
        let found = match way {
            "upgrade" => target::upgrade(word, &all),
            "downgrade" => target::downgrade(word, &all),
            _ => target::named(word.unwrap_or_default(), &all).map(|found| vec![found]),
        };
        match found {
            Ok(found) => vec![found.iter().map(|revision| revision.version.as_str()).collect::<Vec<_>>().join(" ")],
            Err(error) => cases::refused(text, &error),
        }
    });
    assert!(count >= 25, "{count}");
}

fn schema(sql: &str) -> Schema {
    let mut store = SqliteStore::open(std::path::Path::new(":memory:"), Open::Create).unwrap();
    for statement in crate::text::sql::statements(sql, true) {
        store.batch(statement.text).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    store.definition().unwrap()
}

/// What was, `=>`, what is to be: in words, there and back.
#[test]
fn differences() {
    let count = cases::hold("migrations/cases/differences.txt", &mut |text| {
        let (before, after) = text.split_once("=>").unwrap();
        let (before, after) = (schema(before), schema(after));
        let mut lines = Vec::new();
        for (sign, before, after) in [("+", &before, &after), ("-", &after, &before)] {
            let found = compare(before, after, Dialect::Sqlite);
            lines.extend(findings::lines(&found, Dialect::Sqlite).into_iter().map(|line| format!("{sign} {line}")));
            let statements = super::statements(Dialect::Sqlite, before, after, &found, &Request::default().fills);
            lines.extend(statements.into_iter().map(|sql| format!("{sign}   {sql}")));
        }
        lines
    });
    assert!(count >= 30, "{count}");
}

/// A table of SQLite as Diesel's `table!`.
#[test]
fn tables_of_diesel() {
    let count = cases::hold("migrations/cases/tables.txt", &mut |text| {
        let printed = print::schema(&schema(text), Dialect::Sqlite);
        printed.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
    });
    assert!(count >= 25, "{count}");
}
