//! Databases that somebody else made: whatever stands in a schema is data. Each name, type, default, check, index, trigger
//! and comment tries to be a statement; afterwards the victim has its rows and no other file was made.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(unix)]

mod common;

use common::Shell;
use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use std::path::Path;

/// Closes what is open and goes on as a statement.
const BREAKOUT: &str = "INT); ATTACH 'evil.db' AS y; CREATE TABLE y.gone (x); DELETE FROM victim; --";

/// The same for what stands between double quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

fn hostile(path: &Path) -> SqliteConnection {
    let mut connection = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
    let out = BREAKOUT;
    let schema = [
        "CREATE TABLE victim (id INTEGER PRIMARY KEY, name TEXT NOT NULL)".to_owned(),
        "INSERT INTO victim (name) VALUES ('ann'), ('bob')".to_owned(),
        format!("CREATE TABLE by_type (id INTEGER PRIMARY KEY, a {}, b {})", quoted(out), quoted("CHECK (1), c INT")),
        format!("CREATE TABLE by_line (id INTEGER PRIMARY KEY, a {})", quoted("INT\n); DELETE FROM victim; --\n")),
        format!("CREATE TABLE {} (id INTEGER PRIMARY KEY, {} TEXT)", quoted(&format!("t\" ({out}")), quoted(out)),
        format!("CREATE TABLE {} (id INTEGER PRIMARY KEY)", quoted("a\nfn main() {} //`; DELETE FROM victim")),
        "CREATE TABLE by_default (id INTEGER PRIMARY KEY, a INT DEFAULT (1 -- ); DELETE FROM victim;\n), \
         b TEXT DEFAULT ');DELETE FROM victim;--', c INT DEFAULT (1 /* */ + 2 /* never), */), d INT DEFAULT ((1) + (2)))"
            .to_owned(),
        format!(
            "CREATE TABLE by_check (id INTEGER PRIMARY KEY, a INT, \
             CONSTRAINT {} CHECK (a <> 1 -- ) );\n /* ) */ OR 'x);' <> ''), CHECK (a IS NOT 7 /* )) */))",
            quoted(out)
        ),
        "CREATE TABLE by_generated (id INTEGER PRIMARY KEY, a INT, g TEXT AS (a || ');DELETE FROM victim;--' -- ;\n))".to_owned(),
        format!("CREATE INDEX {} ON by_check (a) WHERE a > 1 -- ; DELETE FROM victim\n", quoted(out)),
        format!("CREATE INDEX {} ON by_check (id, abs(a /* ) */))", quoted("i USING x (y); DELETE FROM victim; --")),
        format!(
            "CREATE TRIGGER {} AFTER DELETE ON by_check BEGIN SELECT 1; -- END; DELETE FROM victim\n SELECT ';'; END",
            quoted(out)
        ),
        format!("CREATE VIEW {} AS SELECT id, ';' AS x FROM victim /* ; */ -- DELETE FROM victim", quoted(&format!("v{out}"))),
    ];
    for sql in schema {
        connection.batch_execute(&sql).unwrap_or_else(|error| panic!("{error} in {sql}"));
    }
    connection
}

/// What stands behind each statement in the file itself, where SQLite does not read it.
fn trailing(mut connection: SqliteConnection) {
    connection
        .batch_execute(
            "PRAGMA writable_schema = ON; \
             UPDATE sqlite_schema SET sql = sql || '; ATTACH ''evil.db'' AS y; DELETE FROM victim; --' \
                WHERE name <> 'victim' AND sql IS NOT NULL; \
             PRAGMA writable_schema = RESET;",
        )
        .unwrap();
}

/// The same schema, and each table has one column more.
fn wider(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
    let mut connection = SqliteConnection::establish(to.to_str().unwrap()).unwrap();
    for table in ["by_type", "by_line", "by_default", "by_check", "by_generated"] {
        connection.batch_execute(&format!("ALTER TABLE {table} ADD COLUMN more TEXT")).unwrap();
    }
}

#[track_caller]
fn unharmed(shell: &Shell, database: &Path) {
    let mut connection = SqliteConnection::establish(database.to_str().unwrap()).unwrap();
    let rows = diesel::select(diesel::dsl::sql::<diesel::sql_types::BigInt>("(SELECT count(*) FROM victim)"));
    assert_eq!(rows.get_result::<i64>(&mut connection).unwrap(), 2, "the victim lost rows");
    assert!(!shell.path().join("evil.db").exists(), "another file was made");
}

#[test]
fn a_schema_of_sqlite_is_data() {
    let shell = Shell::empty();
    let (database, other) = (shell.path().join("a.db"), shell.path().join("b.db"));
    trailing(hostile(&database));
    wider(&database, &other);
    let (one, two) = (database.to_str().unwrap(), other.to_str().unwrap());
    let commands = [
        ".tables".to_owned(),
        ".models".to_owned(),
        ".schema".to_owned(),
        ".dump".to_owned(),
        ".dump --sql".to_owned(),
        ".reload".to_owned(),
        "db schema".to_owned(),
        "list victim".to_owned(),
        ".explain list victim".to_owned(),
    ];
    for flags in [&[][..], &["--read-only"], &["--sandbox"]] {
        for command in &commands {
            let run = shell.run(&[flags, &[one, "-c", command]].concat(), "").ok();
            assert!(!run.stdout.is_empty() || command == ".reload", "{command}");
            unharmed(&shell, &database);
        }
        for (from, to) in [(one, two), (two, one)] {
            for verb in [&["db", "check"][..], &["db", "migrate", "m", "--sql", "--force"]] {
                let run = shell.run(&[flags, &[from], verb, &["--like", to]].concat(), "");
                assert!(run.status <= 1, "{}", run.stderr);
                unharmed(&shell, &database);
                unharmed(&shell, &other);
            }
        }
    }
    // A table that says more than is understood is not made anew.
    shell.run(&[one, "db", "migrate", "m", "--sql", "--like", two], "").fails(1).stderr_has("is not understood here");
}

#[test]
fn a_migration_from_a_hostile_schema_does_what_it_says() {
    let shell = Shell::empty();
    let (database, other) = (shell.path().join("a.db"), shell.path().join("b.db"));
    hostile(&database);
    wider(&database, &other);
    let (one, two) = (database.to_str().unwrap(), other.to_str().unwrap());
    shell.run(&[one, "db", "init"], "").ok();
    shell.run(&[one, "db", "migrate", "more", "--like", two], "").ok().stdout_has("added column by_type.more");
    shell.run(&[one, "db", "upgrade"], "").ok();
    unharmed(&shell, &database);
    shell.run(&[one, "db", "downgrade"], "").ok();
    unharmed(&shell, &database);
    let mut connection = SqliteConnection::establish(one).unwrap();
    let declared = "(SELECT type FROM pragma_table_info('by_type') WHERE name = 'a')";
    let declared = diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(declared));
    assert_eq!(declared.get_result::<String>(&mut connection).unwrap(), BREAKOUT);
}

#[test]
fn rust_code_from_a_hostile_schema_is_definitions_and_comments() {
    let shell = Shell::empty();
    let database = shell.path().join("a.db");
    hostile(&database);
    let code = shell.run(&[database.to_str().unwrap(), "db", "schema"], "").ok().stdout;
    let file = syn::parse_file(&code).unwrap();
    assert!(file.items.iter().all(|item| matches!(item, syn::Item::Macro(_))), "{code}");
}
