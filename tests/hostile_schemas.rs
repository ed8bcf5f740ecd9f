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

#[cfg(feature = "postgres")]
mod postgres {
    use super::common::{Shell, both, on_postgres};

    const TABLES: &str = ".sql create type mood as enum ('sad', 'ok');\n\
        .sql create table person (id serial primary key, name varchar(40) not null unique, code char(3), \
         mood mood, born date, boss_id integer references person (id), n smallint check (n in (1, 2, 3)), note text, \
         at timestamptz, tags text[], data jsonb, raw bytea);\n\
        .sql create index person_code on person (code) where n > 1;\n\
        .sql create view names as select name from person;\n\
        commit\n\
        add person name=ann code=abc mood=ok born=2000-01-01 n=1 note=x at='2026-01-01 00:00:00+00'\n\
        add person name=bob n=2 boss_id=1\n\
        commit\n";

    /// What somebody who may create things in a schema puts in the way of whoever looks: functions, operators, aggregates and
    /// types with the names of PostgreSQL's own, for every pair of types. Each says so when it runs.
    const PLANTED: &str = r#"do $plant$
declare
    kinds text[] := array['varchar', 'pg_catalog.text', 'pg_catalog.name', '"char"', 'bpchar', 'int2', 'int4', 'int8', 'pg_catalog.oid',
        'pg_catalog.regclass', 'pg_catalog.bool', 'float8', 'pg_catalog.date', 'pg_catalog.timestamptz', 'pg_catalog.bytea',
        'pg_catalog.jsonb'];
    signatures text[] := array['array_length(pg_catalog.int2[], int4)', 'unnest(pg_catalog.int2[])', 'unnest(pg_catalog.text[])',
        'format(pg_catalog.text, pg_catalog.text, pg_catalog.name, pg_catalog.name, pg_catalog.text)', 'format(pg_catalog.text, pg_catalog.text, pg_catalog.text)',
        'rtrim(pg_catalog.text, pg_catalog.text)', 'current_schema()', 'current_database()', 'pg_backend_pid()', 'pg_get_constraintdef(pg_catalog.oid)',
        'pg_get_expr(pg_node_tree, pg_catalog.oid)', 'format_type(pg_catalog.oid, int4)', 'to_regclass(pg_catalog.text)',
        'length(varchar)', 'length(pg_catalog.text)', 'length(bpchar)', 'substr(varchar, int4, int4)', 'substr(pg_catalog.text, int4, int4)',
        'strpos(varchar, pg_catalog.text)', 'strpos(pg_catalog.text, pg_catalog.text)', 'nextval(pg_catalog.regclass)',
        'pg_get_serial_sequence(pg_catalog.text, pg_catalog.text)', 'generate_series(int4, int8)', 'generate_series(int8, int8)',
        'current_setting(pg_catalog.text)', 'set_config(pg_catalog.text, pg_catalog.text, pg_catalog.bool)', 'pg_current_xact_id()',
        'pg_xact_status(xid8)', 'concat(pg_catalog.text)', 'pg_control_system()'];
    sign pg_catalog.text; a pg_catalog.text; b pg_catalog.text; op pg_catalog.text;
begin
    foreach sign in array signatures loop
        execute pg_catalog.format('create function public.%s returns pg_catalog.text language plpgsql as $f$ begin raise exception %L; end $f$', sign, 'planted function ' || sign);
    end loop;
    foreach a in array kinds loop
        execute pg_catalog.format('create function public.step(int8, %s) returns int8 language plpgsql as $f$ begin raise exception ''planted aggregate''; end $f$', a);
        execute pg_catalog.format('create aggregate public.count(%s) (sfunc = public.step, stype = int8)', a);
        execute pg_catalog.format('create aggregate public.max(%s) (sfunc = public.step, stype = int8)', a);
        execute pg_catalog.format('create aggregate public.sum(%s) (sfunc = public.step, stype = int8)', a);
        foreach b in array kinds loop
            execute pg_catalog.format('create function public.planted(%s, %s) returns pg_catalog.bool language plpgsql as $f$ begin raise exception ''planted operator''; end $f$', a, b);
            foreach op in array array['=', '<>', '<', '<=', '>', '>=', '~~', '~~*', '!~', '~', '+', '-', '||'] loop
                execute pg_catalog.format('create operator public.%s (leftarg = %s, rightarg = %s, function = public.planted)', op, a, b);
            end loop;
        end loop;
    end loop;
    create function public.refuse() returns pg_catalog.bool language plpgsql as $f$ begin raise exception 'planted type'; end $f$;
    foreach a in array array['text', 'oid', 'regclass', 'int2', 'name', 'date', 'timestamptz', 'uuid', 'json', 'bool', 'xid8', 'bytea'] loop
        execute pg_catalog.format('create domain public.%I as pg_catalog.%I check (public.refuse())', a, a);
    end loop;
end $plant$;
"#;

    #[test]
    fn nothing_planted_in_postgresql_is_called() {
        both(|| {
            if !on_postgres() {
                return;
            }
            for path in ["\"$user\", public", "public, pg_catalog"] {
                let shell = Shell::new();
                shell.script(TABLES).ok();
                let name = shell.url().unwrap();
                let name = name.split('?').next().unwrap().rsplit('/').next().unwrap();
                shell
                    .script(format!(
                        ".sql {PLANTED}\ncommit\n.sql alter database {name} set search_path = {path};\ncommit"
                    ))
                    .ok();
                // They do run where they are called.
                shell.script(".sql select name = 'ann'::varchar from person;").fails(1).stderr_has("planted operator");
                for command in [
                    ".tables",
                    ".models",
                    ".schema",
                    ".schema person",
                    ".reload",
                    "db schema",
                    "db status",
                    "db check",
                    "list people",
                    "count people",
                    "list names",
                    "person ann",
                    "person 1",
                    "list people where name = ann and code = abc",
                    "list people where name in (ann, bob) and n between 1 and 2",
                    "list people where name like 'a%' or note ilike 'X' or name contains n",
                    "list people where name starts with a or name ends with n",
                    "list people where mood = ok and born >= 1999-01-01 and at > '2020-01-01 00:00:00+00'",
                    "list people where boss.name = ann show name, boss.name",
                    "list people with boss",
                    "list people order by name desc limit 1",
                    "max name of people",
                    "sum n of people by code",
                    ".explain list people where name = ann",
                    ".dump",
                    ".dump --sql",
                ] {
                    for flags in [&[][..], &["--read-only"], &["--sandbox"]] {
                        let run = shell.run(&[flags, &["-c", command]].concat(), "");
                        assert!(!run.stderr.contains("planted"), "{path}: {command} {flags:?}\n{}", run.stderr);
                        assert!(
                            run.status == 0 || command.starts_with("db "),
                            "{path}: {command} {flags:?}\n{}",
                            run.stderr
                        );
                    }
                }
                // What is changed is found by PostgreSQL's own operators, too.
                shell
                    .script(
                        ".set hold off\nadd person name=cyd n=3\nset person ann note=y n=2\n\
                         set people where name = bob note=z\n\
                         count people where boss.name = ann or name = cyd\nlist people where n in (2, 3) show name, boss.name\n\
                         commit\nset person cyd code=xyz\ndelete person cyd\ncommit\ncount people",
                    )
                    .ok()
                    .stderr_lacks("planted");
            }
        });
    }
}
