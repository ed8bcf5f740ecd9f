//! Migrations that are written from what differs: for each pair of schemas, on both databases, with rows in the tables:
//! write, apply, compare with what was wanted, revert, compare with what was there, by the databases' own words.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{Nullable, Text};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// `{pk}` is a key that the database numbers; lines that begin with `sqlite:` or `postgres:` are for that one alone.
struct Pair {
    name: &'static str,
    before: &'static str,
    after: &'static str,
    rows: &'static str,
    options: &'static [&'static str],
    /// Up loses what down cannot bring back.
    lossy: bool,
}

const fn pair(name: &'static str, before: &'static str, after: &'static str, rows: &'static str) -> Pair {
    Pair { name, before, after, rows, options: &[], lossy: false }
}

const fn lossy(name: &'static str, before: &'static str, after: &'static str, rows: &'static str) -> Pair {
    Pair { name, before, after, rows, options: &[], lossy: true }
}

const fn told(
    name: &'static str,
    before: &'static str,
    after: &'static str,
    rows: &'static str,
    options: &'static [&'static str],
) -> Pair {
    Pair { name, before, after, rows, options, lossy: false }
}

const USERS: &str = "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER)";
const ROWS: &str = "INSERT INTO users (id, name, age) VALUES (1, 'john', 30), (2, 'susan', NULL), (3, 'o''hara', 7)";
const FAMILY: &str = "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); \
    CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)";
const FAMILY_ROWS: &str = "INSERT INTO users (id, name, age) VALUES (1, 'john', 30), (2, 'susan', 4); \
    INSERT INTO posts (id, body, user_id) VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', NULL)";

const PAIRS: &[Pair] = &[
    pair(
        "add table",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE tags ({pk}, word TEXT NOT NULL)",
        ROWS,
    ),
    pair(
        "add tables that refer to each other",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); \
        CREATE TABLE a ({pk}, b_id INTEGER); CREATE TABLE b ({pk}, a_id INTEGER REFERENCES a (id)); \
        sqlite: DROP TABLE a; \
        sqlite: CREATE TABLE a ({pk}, b_id INTEGER REFERENCES b (id)); \
        postgres: ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b (id)",
        ROWS,
    ),
    lossy("drop table", FAMILY, "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER)", FAMILY_ROWS),
    lossy("drop tables that refer to each other", FAMILY, "CREATE TABLE other ({pk}, x TEXT)", FAMILY_ROWS),
    pair("add column", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, email TEXT)", ROWS),
    pair(
        "add column with a default",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, level INTEGER NOT NULL DEFAULT 7)",
        ROWS,
    ),
    pair(
        "add column with a text default",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, mood TEXT NOT NULL DEFAULT 'it''s ok')",
        ROWS,
    ),
    pair(
        "add column with the time",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP)",
        ROWS,
    ),
    told(
        "add column that needs a value",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, email TEXT NOT NULL)",
        ROWS,
        &["--fill", "users.email=name || '@example.com'"],
    ),
    pair(
        "add unique column",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, email TEXT UNIQUE)",
        ROWS,
    ),
    pair(
        "add column that refers",
        FAMILY,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE, editor_id INTEGER REFERENCES users (id))",
        FAMILY_ROWS,
    ),
    pair(
        "add computed column",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, twice INTEGER GENERATED ALWAYS AS (age * 2) STORED)",
        ROWS,
    ),
    lossy("drop column", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40))", ROWS),
    lossy("drop column in the middle", USERS, "CREATE TABLE users ({pk}, age INTEGER)", ROWS),
    lossy(
        "drop column of a parent",
        FAMILY,
        "CREATE TABLE users ({pk}, name VARCHAR(40)); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE)",
        FAMILY_ROWS,
    ),
    lossy(
        "drop column with an index",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE INDEX ix_age ON users (age)",
        "CREATE TABLE users ({pk}, name VARCHAR(40))",
        ROWS,
    ),
    lossy(
        "drop column that refers",
        FAMILY,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT)",
        FAMILY_ROWS,
    ),
    pair("longer", USERS, "CREATE TABLE users ({pk}, name VARCHAR(80), age INTEGER)", ROWS),
    pair("unlimited", USERS, "CREATE TABLE users ({pk}, name TEXT, age INTEGER)", ROWS),
    pair("wider number", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40), age BIGINT)", ROWS),
    pair("number to text", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40), age TEXT)", ROWS),
    pair(
        "text to number",
        "CREATE TABLE users ({pk}, name TEXT, age TEXT)",
        USERS,
        "INSERT INTO users (id, name, age) VALUES (1, 'john', '30'), (2, 'x', NULL)",
    ),
    pair(
        "type with a default",
        "CREATE TABLE users ({pk}, name TEXT, age INTEGER DEFAULT 1)",
        "CREATE TABLE users ({pk}, name TEXT, age BIGINT DEFAULT 2)",
        ROWS,
    ),
    told(
        "not null",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER NOT NULL)",
        ROWS,
        &["--fill", "users.age=0"],
    ),
    pair("null allowed", "CREATE TABLE users ({pk}, name VARCHAR(40) NOT NULL, age INTEGER)", USERS, ROWS),
    pair("add default", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER DEFAULT 18)", ROWS),
    pair(
        "change default",
        "CREATE TABLE users ({pk}, name VARCHAR(40) DEFAULT 'x', age INTEGER DEFAULT 18)",
        "CREATE TABLE users ({pk}, name VARCHAR(40) DEFAULT 'y', age INTEGER)",
        ROWS,
    ),
    pair("add unique", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40) UNIQUE, age INTEGER)", ROWS),
    pair(
        "add named unique of two",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, CONSTRAINT one_each UNIQUE (name, age))",
        ROWS,
    ),
    pair("drop unique", "CREATE TABLE users ({pk}, name VARCHAR(40) UNIQUE, age INTEGER)", USERS, ROWS),
    pair(
        "add index",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE INDEX users_name_idx ON users (name)",
        ROWS,
    ),
    pair(
        "add unique index of two",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE UNIQUE INDEX ix ON users (name, age)",
        ROWS,
    ),
    pair(
        "add partial index",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE INDEX ix ON users (name) WHERE age > 5",
        ROWS,
    ),
    pair(
        "add index on an expression",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE INDEX ix ON users (lower(name), age DESC)",
        ROWS,
    ),
    pair(
        "change index",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE INDEX ix ON users (name)",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE UNIQUE INDEX ix ON users (age, name)",
        ROWS,
    ),
    pair(
        "drop index",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE INDEX ix ON users (name)",
        USERS,
        ROWS,
    ),
    pair(
        "add foreign key",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER)",
        FAMILY,
        FAMILY_ROWS,
    ),
    pair(
        "change what a delete does",
        FAMILY,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER REFERENCES users (id) ON DELETE SET NULL ON UPDATE CASCADE)",
        FAMILY_ROWS,
    ),
    pair(
        "drop foreign key",
        FAMILY,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER)",
        FAMILY_ROWS,
    ),
    pair(
        "deferred foreign key",
        FAMILY,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER REFERENCES users (id) DEFERRABLE INITIALLY DEFERRED)",
        FAMILY_ROWS,
    ),
    pair(
        "refer to itself",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, boss INTEGER REFERENCES users (id))",
        ROWS,
    ),
    pair("add check", USERS, "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER CHECK (age > 0))", ROWS),
    pair(
        "add named check",
        USERS,
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, CONSTRAINT grown CHECK (age > 0 AND name <> ''))",
        ROWS,
    ),
    pair(
        "change check",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER CHECK (age > 0))",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER CHECK (age > 5))",
        ROWS,
    ),
    pair(
        "drop check",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER, CONSTRAINT grown CHECK (age > 0))",
        USERS,
        ROWS,
    ),
    pair(
        "key of two",
        "CREATE TABLE likes (user_id INTEGER NOT NULL, post_id INTEGER NOT NULL, PRIMARY KEY (user_id))",
        "CREATE TABLE likes (user_id INTEGER NOT NULL, post_id INTEGER NOT NULL, PRIMARY KEY (user_id, post_id))",
        "INSERT INTO likes VALUES (1, 1), (2, 1)",
    ),
    pair(
        "add key",
        "CREATE TABLE likes (user_id INTEGER NOT NULL, post_id INTEGER NOT NULL)",
        "CREATE TABLE likes (user_id INTEGER NOT NULL, post_id INTEGER NOT NULL, PRIMARY KEY (user_id, post_id))",
        "INSERT INTO likes VALUES (1, 1), (2, 1)",
    ),
    told(
        "rename column",
        USERS,
        "CREATE TABLE users ({pk}, username VARCHAR(40), age INTEGER)",
        ROWS,
        &["--rename", "users.name:username"],
    ),
    told(
        "rename column with all that is on it",
        "CREATE TABLE users ({pk}, name VARCHAR(40) UNIQUE, age INTEGER, CONSTRAINT named CHECK (name <> '')); CREATE INDEX ix ON users (name, age)",
        "CREATE TABLE users ({pk}, username VARCHAR(40) UNIQUE, age BIGINT, CONSTRAINT named CHECK (username <> '')); CREATE INDEX ix ON users (username, age)",
        ROWS,
        &["--rename", "name:username"],
    ),
    told(
        "rename table",
        FAMILY,
        "CREATE TABLE people ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE posts ({pk}, body TEXT, user_id INTEGER REFERENCES people (id) ON DELETE CASCADE)",
        FAMILY_ROWS,
        &["--rename", "users:people"],
    ),
    told(
        "rename table and column, and more",
        FAMILY,
        "CREATE TABLE people ({pk}, called VARCHAR(60) NOT NULL, age INTEGER); CREATE TABLE posts ({pk}, body TEXT NOT NULL, user_id INTEGER REFERENCES people (id) ON DELETE CASCADE)",
        FAMILY_ROWS,
        &["--rename", "users:people", "--rename", "people.name:called"],
    ),
    pair(
        "odd names",
        "CREATE TABLE \"Order Details\" ({pk}, \"group\" TEXT, \"a\"\"b\" INTEGER)",
        "CREATE TABLE \"Order Details\" ({pk}, \"group\" TEXT NOT NULL DEFAULT 'x', \"a\"\"b\" INTEGER CHECK (\"a\"\"b\" > 0)); CREATE INDEX \"an index\" ON \"Order Details\" (\"group\")",
        "INSERT INTO \"Order Details\" (id, \"group\", \"a\"\"b\") VALUES (1, 'y', 2)",
    ),
    pair(
        "triggers and views stay",
        "CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER); CREATE TABLE log (said TEXT); \
        CREATE VIEW grown AS SELECT id, name FROM users WHERE age > 17; \
        CREATE VIEW grown_names AS SELECT name FROM grown; \
        sqlite: CREATE TRIGGER noted AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('new ' || NEW.name); END; \
        sqlite: CREATE TRIGGER counted AFTER INSERT ON log BEGIN UPDATE users SET age = age + 1 WHERE id = 1; END",
        "CREATE TABLE users ({pk}, name TEXT NOT NULL, age BIGINT); CREATE TABLE log (said TEXT); \
        CREATE VIEW grown AS SELECT id, name FROM users WHERE age > 17; \
        CREATE VIEW grown_names AS SELECT name FROM grown; \
        sqlite: CREATE TRIGGER noted AFTER INSERT ON users BEGIN INSERT INTO log VALUES ('new ' || NEW.name); END; \
        sqlite: CREATE TRIGGER counted AFTER INSERT ON log BEGIN UPDATE users SET age = age + 1 WHERE id = 1; END",
        ROWS,
    ),
    pair(
        "what only one of them has",
        "sqlite: CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT COLLATE NOCASE); \
        postgres: CREATE TABLE t (id SERIAL PRIMARY KEY, x TEXT, tags TEXT[], at TIMESTAMPTZ)",
        "sqlite: CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT NOT NULL COLLATE NOCASE DEFAULT 'z'); \
        postgres: CREATE TABLE t (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY, x TEXT COLLATE \"C\", tags VARCHAR(9)[], at TIMESTAMP)",
        "INSERT INTO t (id, x) VALUES (7, 'a')",
    ),
    pair(
        "without a rowid, or numbered by a sequence",
        "sqlite: CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER) WITHOUT ROWID; postgres: CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER)",
        "sqlite: CREATE TABLE t (a TEXT PRIMARY KEY, b INTEGER NOT NULL) STRICT, WITHOUT ROWID; \
        postgres: CREATE TABLE t (a TEXT PRIMARY KEY, b SERIAL)",
        "INSERT INTO t (a, b) VALUES ('x', 1), ('y', 2)",
    ),
];

/// The SQL for the database at hand.
fn sql(text: &str) -> String {
    let key = if on_postgres() {
        "id INTEGER GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    } else {
        "id INTEGER NOT NULL PRIMARY KEY"
    };
    let (mine, other) = if on_postgres() { ("postgres: ", "sqlite: ") } else { ("sqlite: ", "postgres: ") };
    let mut out = String::new();
    for (at, part) in text.split(other).enumerate() {
        // What is for the other one ends where the next statement of ours begins.
        let part = if at == 0 { part } else { part.split_once(mine).map_or("", |(_, rest)| rest) };
        out.push_str(&part.replace(mine, ""));
    }
    out.replace("{pk}", key)
}

/// A database to work on, by its URL or path.
struct Database(String);

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = Nullable<Text>)]
    line: Option<String>,
}

impl Database {
    fn new(shell: &Shell, name: &str) -> Self {
        if on_postgres() {
            return Self(common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell"))));
        }
        Self(shell.path().join(format!("{name}.db")).to_str().unwrap().to_owned())
    }

    fn run(&self, sql: &str) {
        if on_postgres() {
            PgConnection::establish(&self.0).unwrap().batch_execute(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
        } else {
            SqliteConnection::establish(&self.0).unwrap().batch_execute(sql).unwrap_or_else(|e| panic!("{e}: {sql}"));
        }
    }

    /// `diesel-shell DATABASE db ...`
    fn db(&self, shell: &Shell, arguments: &[&str]) -> common::Run {
        shell.run(&[&[self.0.as_str(), "db"], arguments].concat(), "")
    }

    fn lines(&self, sql: &str) -> Vec<String> {
        let rows: Vec<Line> = if on_postgres() {
            diesel::sql_query(sql).load(&mut PgConnection::establish(&self.0).unwrap()).unwrap()
        } else {
            diesel::sql_query(sql).load(&mut SqliteConnection::establish(&self.0).unwrap()).unwrap()
        };
        rows.into_iter().map(|row| row.line.unwrap_or_default()).collect()
    }

    /// The schema in the database's own words, in no order: `pg_dump`, or what the pragmas and `sqlite_schema` say.
    fn schema(&self) -> BTreeSet<String> {
        if on_postgres() {
            let output = std::process::Command::new(common::postgres::binary("pg_dump"))
                .args(["--schema-only", "--exclude-table=__diesel*", "--dbname", &self.0])
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let text = String::from_utf8(output.stdout).unwrap();
            let lines = text.lines().map(|line| line.trim().trim_end_matches(',').to_owned());
            return lines
                .filter(|line| !line.is_empty() && !line.starts_with("--") && !line.starts_with('\\'))
                .collect();
        }
        let queries = [
            "SELECT 'column ' || s.name || ' ' || c.cid || ' ' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || \
                ifnull(c.dflt_value, '-') || ' ' || c.pk || ' ' || c.hidden AS line FROM sqlite_schema s, \
                pragma_table_xinfo(s.name) c WHERE s.type = 'table' AND s.name NOT LIKE '\\_\\_%' ESCAPE '\\'",
            "SELECT 'key ' || s.name || ' ' || k.\"from\" || ' ' || k.\"table\" || ' ' || ifnull(k.\"to\", 'id') || ' ' || k.on_delete \
                || ' ' || k.on_update AS line FROM sqlite_schema s, pragma_foreign_key_list(s.name) k WHERE s.type = 'table'",
            "SELECT 'index ' || s.name || ' ' || CASE i.origin WHEN 'c' THEN i.name ELSE i.origin END || ' ' || i.\"unique\" || ' ' \
                || i.partial || ' ' || (SELECT group_concat(ifnull(x.name, '?') || x.desc || x.coll) FROM \
                (SELECT * FROM pragma_index_xinfo(i.name) WHERE key ORDER BY seqno) x) AS line \
                FROM sqlite_schema s, pragma_index_list(s.name) i WHERE s.type = 'table' AND s.name NOT LIKE '\\_\\_%' ESCAPE '\\'",
            "SELECT type || ' ' || name || ' ' || sql AS line FROM sqlite_schema WHERE type IN ('view', 'trigger')",
            "SELECT 'index ' || name || substr(sql, instr(sql, '(')) AS line FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL",
            "SELECT 'kind ' || name || ' ' || strict || wr AS line FROM pragma_table_list WHERE schema = 'main' AND type = 'table' \
                AND name NOT LIKE '\\_\\_%' ESCAPE '\\'",
        ];
        let mut all: BTreeSet<String> = queries.iter().flat_map(|sql| self.lines(sql)).collect();
        let tables =
            "SELECT sql AS line FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\'";
        for table in self.lines(tables) {
            let upper = table.to_uppercase();
            for word in ["AUTOINCREMENT", "COLLATE", "DEFERRABLE", "GENERATED"] {
                all.insert(format!("{word} {}", upper.matches(word).count()));
            }
            for (at, _) in upper.match_indices("CHECK") {
                let rest = &table[at + 5..];
                let mut depth = 0;
                let end = rest.char_indices().find(|(_, c)| {
                    depth += i32::from(*c == '(') - i32::from(*c == ')');
                    depth == 0 && *c == ')'
                });
                all.insert(format!("check {}", rest[..=end.unwrap().0].split_whitespace().collect::<String>()));
            }
        }
        all
    }

    /// All rows of a table, by what its columns hold.
    fn rows(&self, table: &str) -> Vec<String> {
        let quoted = format!("\"{}\"", table.replace('"', "\"\""));
        let columns = if on_postgres() {
            format!(
                "SELECT quote_ident(attname) AS line FROM pg_attribute WHERE attrelid = '{quoted}'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname"
            )
        } else {
            format!(
                "SELECT '\"' || replace(name, '\"', '\"\"') || '\"' AS line FROM pragma_table_xinfo('{table}') ORDER BY name"
            )
        };
        let text = |column: String| format!("coalesce(CAST({column} AS TEXT), 'NULL')");
        let columns: Vec<String> = self.lines(&columns).into_iter().map(text).collect();
        let mut rows = self.lines(&format!("SELECT {} AS line FROM {quoted}", columns.join(" || '|' || ")));
        rows.sort();
        rows
    }

    fn tables(&self) -> Vec<String> {
        self.lines(if on_postgres() {
            "SELECT relname::text AS line FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname !~ '^__' ORDER BY 1"
        } else {
            "SELECT name AS line FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY 1"
        })
    }

    /// Every row of every table.
    fn data(&self) -> Vec<(String, Vec<String>)> {
        self.tables().into_iter().map(|table| (table.clone(), self.rows(&table))).collect()
    }
}

/// A project in the shell's folder, without a migration yet.
fn project(shell: &Shell) -> PathBuf {
    let folder = shell.path().join("migrations");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(shell.path().join("diesel.toml"), "[migrations_directory]\ndir = \"migrations\"\n").unwrap();
    folder
}

fn written(folder: &PathBuf) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// A shell that works on databases of its own.
fn bare() -> Shell {
    Shell::empty()
}

#[test]
fn pairs_of_schemas_lead_there_and_back() {
    assert!(PAIRS.len() >= 40);
    both(|| {
        for pair in PAIRS {
            let shell = bare();
            let folder = project(&shell);
            let (database, wanted) = (Database::new(&shell, "database"), Database::new(&shell, "wanted"));
            database.run(&sql(pair.before));
            database.run(&sql(pair.rows));
            wanted.run(&sql(pair.after));
            let (schema, data) = (database.schema(), database.data());
            let name = pair.name;
            let mut arguments = vec![database.0.as_str(), "db", "migrate", "a change", "--force", "--like", &wanted.0];
            arguments.extend_from_slice(pair.options);
            let run = shell.run(&arguments, "");
            assert_eq!(run.status, 0, "{name}: {}", run.stderr);
            assert!(run.stdout.starts_with("detected "), "{name}: {run:?}");
            let migrations = written(&folder);
            assert_eq!(migrations.len(), 1, "{name}");
            let up = std::fs::read_to_string(migrations[0].join("up.sql")).unwrap();

            let run = shell.run(&[&database.0, "db", "upgrade"], "");
            assert_eq!(run.status, 0, "{name}: {}\n{up}", run.stderr);
            let run = shell.run(&[&database.0, "db", "check", "--like", &wanted.0], "");
            assert_eq!(run.status, 0, "{name}: {}{}\n{up}", run.stdout, run.stderr);
            let run = shell.run(&[&database.0, "db", "migrate", "again", "--force", "--like", &wanted.0], "");
            assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{name}: {}", run.stderr);
            assert_eq!(written(&folder).len(), 1, "{name}");
            if pair.options.is_empty() {
                assert_eq!(database.schema(), wanted.schema(), "{name}\n{up}");
            }
            // No row is lost on the way.
            let rows = |data: &[(String, Vec<String>)]| data.iter().map(|(_, rows)| rows.len()).sum::<usize>();
            if !pair.lossy {
                assert_eq!(rows(&database.data()), rows(&data), "{name}\n{up}");
            }

            let down = std::fs::read_to_string(migrations[0].join("down.sql")).unwrap();
            let run = shell.run(&[&database.0, "db", "downgrade"], "");
            assert_eq!(run.status, 0, "{name}: {}\n{down}", run.stderr);
            assert_eq!(database.schema(), schema, "{name}\n{down}");
            // Values that were filled in stay; everything else is as it was.
            if !pair.lossy && !pair.options.contains(&"--fill") {
                assert_eq!(database.data(), data, "{name}\n{down}");
            }
        }
    });
}

/// `tests/print_schema` holds schemas, and what diesel_cli 2.3.14 printed for them with its default settings.
#[test]
fn db_schema_prints_what_diesel_cli_prints() {
    both(|| {
        let shell = bare();
        let database = Database::new(&shell, "database");
        let (sql, expected) = if on_postgres() {
            (include_str!("print_schema/postgres.sql"), include_str!("print_schema/postgres.rs.txt"))
        } else {
            (include_str!("print_schema/sqlite.sql"), include_str!("print_schema/sqlite.rs.txt"))
        };
        database.run(sql);
        shell.run(&[&database.0, "db", "schema"], "").ok().stdout(expected);
    });
}

/// Two tables, a trigger, and rows that a cascade would take.
fn family(shell: &Shell) -> Database {
    let database = Database::new(shell, "family");
    database.run(&sql(FAMILY));
    database.run(FAMILY_ROWS);
    if !on_postgres() {
        database.run("CREATE TRIGGER noted AFTER UPDATE ON users BEGIN UPDATE posts SET body = 'edited' WHERE user_id = NEW.id; END");
    }
    database
}

fn migration(folder: &std::path::Path, name: &str, up: &str, down: &str) {
    let place = folder.join(name);
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("up.sql"), up).unwrap();
    std::fs::write(place.join("down.sql"), down).unwrap();
}

/// Both losses are known of other tools: DROP TABLE with foreign keys on deletes the children by ON DELETE CASCADE, and
/// takes the table's triggers with it.
#[test]
fn making_a_table_anew_loses_no_child_and_no_trigger() {
    both(|| {
        let shell = bare();
        project(&shell);
        let (database, wanted) = (family(&shell), Database::new(&shell, "wanted"));
        wanted.run(&sql(&FAMILY.replace("name VARCHAR(40)", "name TEXT NOT NULL DEFAULT ''")));
        let arguments = ["db", "migrate", "names", "--like", &wanted.0];
        shell.run(&[&[database.0.as_str()], &arguments[..]].concat(), "").ok();
        shell.run(&[&database.0, "db", "upgrade"], "").ok();
        assert_eq!(database.rows("posts").len(), 3);
        database.run("UPDATE users SET name = 'johnny' WHERE id = 1");
        if !on_postgres() {
            assert_eq!(database.lines("SELECT count(*) || '' AS line FROM posts WHERE body = 'edited'"), ["2"]);
        }
    });
}

/// Each statement of a migration in turn is followed by one that fails.
#[test]
fn a_failure_in_the_middle_leaves_everything_as_it_was() {
    let kinds = [
        "add tables that refer to each other",
        "drop tables that refer to each other",
        "add column",
        "drop column in the middle",
        "number to text",
        "not null",
        "add unique",
        "add index on an expression",
        "add foreign key",
        "add check",
        "key of two",
        "rename table and column, and more",
        "triggers and views stay",
        "what only one of them has",
    ];
    both(|| {
        for kind in kinds {
            let pair = PAIRS.iter().find(|pair| pair.name == kind).unwrap();
            let shell = bare();
            let folder = project(&shell);
            let (database, wanted) = (Database::new(&shell, "database"), Database::new(&shell, "wanted"));
            database.run(&sql(pair.before));
            database.run(&sql(pair.rows));
            wanted.run(&sql(pair.after));
            migration(&folder, "2020-01-01-000000_first", "CREATE TABLE first (x INTEGER);", "DROP TABLE first;");
            shell.run(&[&database.0, "db", "upgrade"], "").ok();
            let mut arguments = vec![database.0.as_str(), "db", "migrate", "a change", "--force", "--like", &wanted.0];
            arguments.extend_from_slice(pair.options);
            shell.run(&arguments, "").ok();
            let place = written(&folder).pop().unwrap();
            let (schema, data) = (database.schema(), database.data());
            let whole = std::fs::read_to_string(place.join("up.sql")).unwrap();
            let ends: Vec<usize> = whole.match_indices(";\n").map(|(at, _)| at + 2).collect();
            assert!(!ends.is_empty());
            for end in ends {
                let line = whole[..end].matches('\n').count() + 1;
                let broken = format!("{}SELECT no_such_column FROM no_such_table;\n{}", &whole[..end], &whole[end..]);
                std::fs::write(place.join("up.sql"), broken).unwrap();
                let run = shell.run(&[&database.0, "db", "upgrade"], "").fails(1);
                // In a trigger's body the whole trigger is at fault.
                if !whole[..end].contains("TRIGGER") {
                    run.stderr_has(&format!("up.sql:{line}: ")).stderr_has("nothing was changed");
                }
                assert_eq!(database.schema(), schema, "{kind}, after {}", &whole[..end]);
                assert_eq!(database.data(), data, "{kind}, after {}", &whole[..end]);
                shell.run(&[&database.0, "db", "current"], "").ok().stdout("2020-01-01-000000_first\n");
            }
            std::fs::write(place.join("up.sql"), &whole).unwrap();
            shell.run(&[&database.0, "db", "upgrade"], "").ok();
            // The way back fails as cleanly.
            let (schema, data) = (database.schema(), database.data());
            let down = std::fs::read_to_string(place.join("down.sql")).unwrap();
            std::fs::write(place.join("down.sql"), format!("{down}SELECT no_such_column;")).unwrap();
            shell.run(&[&database.0, "db", "downgrade"], "").fails(1).stderr_has("down.sql:");
            assert_eq!((database.schema(), database.data()), (schema, data), "{kind}");
        }
    });
}

#[test]
fn rows_that_would_fail_are_named_beforehand_and_afterwards() {
    both(|| {
        let shell = bare();
        project(&shell);
        let (database, wanted) = (family(&shell), Database::new(&shell, "wanted"));
        database.run("INSERT INTO users (id, name, age) VALUES (4, NULL, 1), (9, NULL, 1), (12, 'john', -1)");
        if !on_postgres() {
            // It names what some of these drop, which would rightly be refused.
            database.run("DROP TRIGGER noted");
        }
        let run = |after: &str, warning: &str| {
            wanted.run("DROP TABLE IF EXISTS posts");
            wanted.run("DROP TABLE IF EXISTS users");
            wanted.run(&sql(after));
            let arguments = [database.0.as_str(), "db", "migrate", "a change", "--force", "--sql", "--like", &wanted.0];
            shell.run(&arguments, "").ok().stderr_has(warning);
        };
        run(
            &FAMILY.replace("name VARCHAR(40)", "name VARCHAR(40) NOT NULL"),
            "name becomes NOT NULL: 2 rows are NULL, ids 4, 9",
        );
        run(
            &FAMILY.replace("name VARCHAR(40)", "name VARCHAR(40) UNIQUE"),
            "users.name becomes unique: value 'john' is there more than once",
        );
        run(
            &FAMILY.replace("name VARCHAR(40)", "name VARCHAR(3)"),
            "users.name becomes VARCHAR(3)"
                .to_lowercase()
                .replace("varchar", if on_postgres() { "character varying" } else { "VARCHAR" })
                .as_str(),
        );
        run(&FAMILY.replace("age INTEGER", "age INTEGER CHECK (age > 0)"), ": 1 row does not hold, id 12");
        run(&FAMILY.replace(", age INTEGER", ""), "column users.age goes with 5 rows that have a value");
        run(
            &FAMILY.replace("age INTEGER", "age INTEGER, email TEXT NOT NULL"),
            "users.email is NOT NULL without a default: 5 rows are there and will fail",
        );
        run("CREATE TABLE users ({pk}, name VARCHAR(40), age INTEGER)", "table posts goes with 3 rows of data");
        run(&FAMILY.replace("name VARCHAR(40)", "name INTEGER"), "are no whole numbers");
        database.run("UPDATE users SET age = 99 WHERE id = 4");
        run(&FAMILY.replace("age INTEGER", "age INTEGER REFERENCES users (id)"), "users.age is to refer to users: ");
    });
}

#[test]
fn a_failing_migration_names_file_line_statement_and_rows() {
    both(|| {
        let shell = bare();
        let folder = project(&shell);
        let (database, wanted) = (family(&shell), Database::new(&shell, "wanted"));
        database.run("INSERT INTO users (id, name, age) VALUES (4, NULL, 1), (9, NULL, 1)");
        wanted.run(&sql(&FAMILY.replace("name VARCHAR(40)", "name VARCHAR(40) NOT NULL")));
        shell.run(&[&database.0, "db", "migrate", "names", "--like", &wanted.0], "").ok();
        shell
            .run(&[&database.0, "db", "upgrade"], "")
            .fails(1)
            .stderr_has("names/up.sql:")
            .stderr_has("in: ")
            .stderr_has("2 rows are NULL, ids 4, 9")
            .stderr_has("nothing was changed");
        shell.run(&[&database.0, "db", "current"], "").ok().stdout("base: no migration is applied\n");
        std::fs::remove_dir_all(written(&folder).pop().unwrap()).unwrap();
        // Foreign keys are checked before the end, and rows that were lost before are no obstacle.
        if !on_postgres() {
            database.run("PRAGMA foreign_keys = OFF; INSERT INTO posts (id, body, user_id) VALUES (50, 'x', 77)");
            migration(&folder, "2020-01-01-000000_fine", "-- nothing\nSELECT 1;", "SELECT 1;");
            migration(&folder, "2020-01-02-000000_loses", "DELETE FROM users WHERE id = 1;", "SELECT 1;");
            shell
                .run(&[&database.0, "db", "upgrade"], "")
                .fails(1)
                .stderr_has("upgraded: 2020-01-01-000000_fine")
                .stderr_has("cannot apply 2020-01-02-000000_loses at up.sql: it leaves 2 rows that refer to rows that are not there")
                .stderr_has("posts row 1: user_id 1 is not in users");
            assert_eq!(database.rows("users").len(), 4);
        }
    });
}

#[test]
fn what_was_edited_or_has_gone_is_known_and_can_be_undone() {
    both(|| {
        let shell = bare();
        let folder = project(&shell);
        let database = Database::new(&shell, "database");
        migration(&folder, "2020-01-01-000000_a", "CREATE TABLE a (x INTEGER);", "DROP TABLE a;");
        migration(&folder, "2020-01-02-000000_b", "CREATE TABLE b (x INTEGER);", "DROP TABLE b;");
        let db = |arguments: &[&str]| database.db(&shell, arguments);
        database.run("CREATE TABLE other (x INTEGER)");
        db(&["upgrade"]).ok().stderr_has("upgraded: 2020-01-01-000000_a").stderr_has("upgraded: 2020-01-02-000000_b");
        db(&["status"]).ok().stdout("at head: all 2 revisions are applied\n").stderr_lacks("warning");
        std::fs::write(folder.join("2020-01-01-000000_a/up.sql"), "CREATE TABLE a (x INTEGER, y INTEGER);").unwrap();
        std::fs::remove_dir_all(folder.join("2020-01-02-000000_b")).unwrap();
        db(&["status"])
            .ok()
            .stdout("at head: all 2 revisions are applied; 1 edited since; 1 with its folder gone\n")
            .stderr_has("2020-01-01-000000_a was edited after it was applied")
            .stderr_has("20200102000000 is applied, but its folder is gone: `db downgrade` can still revert it");
        db(&["history"]).ok().stdout_has("applied, edited since").stdout_has("applied, current, head, folder gone");
        db(&["downgrade"]).ok();
        assert_eq!(database.tables(), ["a", "other"]);
        db(&["downgrade", "base"]).ok();
        assert_eq!(database.tables(), ["other"]);
        // Nothing is on record of what another tool applied.
        migration(&folder, "2020-01-02-000000_b", "CREATE TABLE b (x INTEGER);", "DROP TABLE b;");
        db(&["upgrade"]).ok();
        database.run("DELETE FROM __diesel_shell_migrations");
        std::fs::remove_dir_all(folder.join("2020-01-02-000000_b")).unwrap();
        db(&["downgrade"])
            .fails(1)
            .stderr_has("its folder is gone and nothing of it is on record")
            .stderr_has("db stamp");
        db(&["stamp", "2020-01-01"]).ok();
        db(&["current"]).ok().stdout("2020-01-01-000000_a (head)\n");
    });
}

/// diesel_cli is this library with a command line.
#[test]
fn diesel_goes_on_where_we_stopped_and_the_other_way_round() {
    use diesel_migrations::{FileBasedMigrations, MigrationHarness};
    both(|| {
        let shell = bare();
        let folder = project(&shell);
        let database = Database::new(&shell, "database");
        database.run("CREATE TABLE other (x INTEGER)");
        for (name, table) in [("2020-01-01-000000_a", "a"), ("2020-01-02-000000_b", "b"), ("00000000000003_c", "c")] {
            migration(&folder, name, &format!("CREATE TABLE {table} (x INTEGER);"), &format!("DROP TABLE {table};"));
        }
        std::fs::write(folder.join("2020-01-02-000000_b/metadata.toml"), "run_in_transaction = false\n").unwrap();
        let theirs = |down: bool| -> Vec<String> {
            let source = FileBasedMigrations::from_path(&folder).unwrap();
            let names = |versions: Vec<diesel::migration::MigrationVersion<'_>>| {
                versions.iter().map(ToString::to_string).collect::<Vec<_>>()
            };
            if on_postgres() {
                let mut connection = PgConnection::establish(&database.0).unwrap();
                if down {
                    return vec![connection.revert_last_migration(source).unwrap().to_string()];
                }
                names(connection.run_pending_migrations(source).unwrap())
            } else {
                let mut connection = SqliteConnection::establish(&database.0).unwrap();
                if down {
                    return vec![connection.revert_last_migration(source).unwrap().to_string()];
                }
                names(connection.run_pending_migrations(source).unwrap())
            }
        };
        let db = |arguments: &[&str]| database.db(&shell, arguments);
        db(&["upgrade", "+1"]).ok().stderr_has("upgraded: 00000000000003_c");
        assert_eq!(theirs(false), ["20200101000000", "20200102000000"]);
        db(&["status"]).ok().stdout("at head: all 3 revisions are applied\n");
        db(&["downgrade", "2020-01-01"]).ok();
        assert_eq!(database.tables(), ["a", "c", "other"]);
        assert_eq!(theirs(true), ["20200101000000"]);
        db(&["upgrade", "head"]).ok();
        db(&["downgrade", "base"]).ok();
        assert_eq!(database.tables(), ["other"]);
        assert_eq!(theirs(false).len(), 3);
    });
}

#[test]
fn targets_are_what_people_write() {
    both(|| {
        let shell = bare();
        let folder = project(&shell);
        let database = Database::new(&shell, "database");
        database.run("CREATE TABLE other (x INTEGER)");
        for (name, table) in [("2020-01-01-000000_a", "a"), ("2020-01-02-000000_b", "b"), ("2020-01-03-000000_c", "c")]
        {
            migration(&folder, name, &format!("CREATE TABLE {table} (x INTEGER);"), &format!("DROP TABLE {table};"));
        }
        let db = |arguments: &[&str]| database.db(&shell, arguments);
        db(&["upgrade", "--sql"])
            .ok()
            .stdout_has("-- 2020-01-01-000000_a: up.sql")
            .stdout_has("INSERT INTO __diesel_schema_migrations (version) VALUES ('20200101000000');");
        db(&["upgrade", "--dry-run"]).ok().stderr_has("works: 2020-01-03-000000_c").stderr_has("nothing was changed");
        assert_eq!(database.tables(), ["other"]);
        db(&["upgrade", "20200102"]).ok();
        db(&["current"]).ok().stdout("2020-01-02-000000_b\n");
        db(&["upgrade", "2020-01-01"]).ok().stderr_has("2020-01-01-000000_a is applied already");
        db(&["upgrade", "2020"]).fails(1).stderr_has("`2020` is the beginning of 3 revisions");
        db(&["upgrade", "2021"]).fails(1).stderr_has("there is no revision `2021`");
        db(&["upgrade", "+2"]).fails(1).stderr_has("there are only 1 revisions to apply");
        db(&["downgrade", "-5"]).fails(1).stderr_has("there are only 2 revisions to revert");
        db(&["downgrade", "2020-01-03"]).fails(1).stderr_has("is not applied");
        db(&["downgrade", "--dry-run"]).ok().stderr_has("works: 2020-01-02-000000_b");
        db(&["downgrade", "-2"]).ok();
        db(&["current"]).ok().stdout("base: no migration is applied\n");
        db(&["downgrade"]).ok().stderr_has("already at base");
        db(&["stamp", "head"]).ok().stderr_has("nothing was run");
        db(&["stamp"]).ok().stderr_has("already at head");
        assert_eq!(database.tables(), ["other"]);
        db(&["downgrade"]).fails(1).stderr_has("down.sql:1:").stderr_has("nothing was changed");
        db(&["stamp", "base"]).ok();
        db(&["history"]).ok().stdout_has("pending, head");
        // An empty file is a slip.
        migration(&folder, "2020-01-04-000000_d", "-- Your SQL goes here\n", "");
        db(&["upgrade"]).fails(1).stderr_has("up.sql of 2020-01-04-000000_d has no statement in it");
        db(&["revision", "Add the Größe!"]).ok().stderr_has("2026-11-21-100300-0000_add_the_größe/up.sql");
        db(&["revision", "again"]).ok().stderr_has("2026-11-21-100300-0001_again");
        db(&["revision", "?"]).fails(1).stderr_has("needs a letter");
        db(&["migrate", "x"]).fails(1).stderr_has("are not applied");
    });
}

#[test]
fn a_project_is_begun_with_the_migrations_that_there_are() {
    let shell = Shell::new();
    shell.run(&["db", "revision", "x"], "").fails(1).stderr_has("`db init` begins one here");
    shell.run(&["db", "init"], "").ok().stderr_has("2 migrations of the models are in");
    shell.run(&["db", "init"], "").fails(1).stderr_has("this is a project already");
    shell.run(&["db", "status"], "").ok().stdout("at head: all 2 revisions are applied\n");
    shell.run(&["db", "check"], "").ok().stderr_has("models and database are the same");
    shell.run(&["db", "revision", "add age"], "").ok();
    let place = written(&shell.path().join("migrations")).pop().unwrap();
    std::fs::write(place.join("up.sql"), "ALTER TABLE users ADD COLUMN age INTEGER;").unwrap();
    std::fs::write(place.join("down.sql"), "ALTER TABLE users DROP COLUMN age;").unwrap();
    shell.script("db upgrade\ncount users\ndb downgrade\ndb status\n").ok();
    // Another database in the project has its migrations, and the models have the new column.
    shell.run(&["--create", "other.db", "db", "upgrade"], "").ok().stderr_has("add_age");
    shell
        .run(&["other.db", "-c", "add user username=x email=y age=3; commit; list users show age"], "")
        .ok()
        .stdout_has("3");
    shell.run(&["other.db", "db", "check"], "").ok().stderr_has("column users.age is only in the database");
    // A project of somebody else's tables, without a schema.rs, has nothing to be compared with.
    let shell = bare();
    project(&shell);
    shell
        .run(&["--create", "new.db", "db", "check"], "")
        .fails(1)
        .stderr_has("there are no models to compare the database with");
}

#[test]
fn a_projects_schema_rs_is_compared() {
    both(|| {
        let shell = bare();
        project(&shell);
        std::fs::write(
            shell.path().join("diesel.toml"),
            "[print_schema]\nfile = \"schema.rs\"\n[migrations_directory]\ndir = \"migrations\"\n",
        )
        .unwrap();
        let database = Database::new(&shell, "database");
        let rust = "diesel::table! { users (id) { id -> Integer, #[max_length = 40] name -> Varchar, at -> Nullable<Timestamp>, } }\n\
            diesel::table! { posts (id) { id -> BigInt, #[sql_name = \"type\"] type_ -> Text, user_id -> Integer, } }\n\
            diesel::joinable!(posts -> users (user_id));\n";
        std::fs::write(shell.path().join("schema.rs"), rust).unwrap();
        let shell = shell.with("--create");
        let db = |arguments: &[&str]| database.db(&shell, arguments);
        db(&["check"]).fails(1).stdout_has("models and database differ: added table users");
        db(&["migrate", "tables"])
            .ok()
            .stdout_has("detected added table users (id, name, at)")
            .stdout_has("detected added table posts (id, type, user_id)");
        db(&["upgrade"]).ok();
        db(&["check"]).ok().stderr_has("models and database are the same");
        db(&["migrate", "again"]).ok().stderr_has("nothing differs");
        database.run(
            "INSERT INTO users (id, name) VALUES (1, 'john'); INSERT INTO posts (id, type, user_id) VALUES (1, 'x', 1)",
        );
        // A key that leads nowhere is refused by the database: joinable! made it.
        shell.run(&[&database.0, "-c", "add post type=y user=99; commit"], "").fails(1);
        // What the file cannot say stays; what it says differently is changed.
        database.run("CREATE INDEX ix ON posts (type)");
        std::fs::write(
            shell.path().join("schema.rs"),
            rust.replace("= 40", "= 80")
                .replace("Nullable<Timestamp>", "Nullable<Date>")
                .replace("type_ -> Text", "type_ -> Nullable<Text>"),
        )
        .unwrap();
        let run = db(&["migrate", "more"])
            .ok()
            .stdout_has("detected changed posts.type to allow NULL")
            .stdout_has("users.name");
        assert!(run.stderr.contains("kept index ix of posts"), "{}", run.stderr);
        db(&["upgrade"]).ok();
        assert_eq!(database.rows("posts").len(), 1);
        db(&["migrate", "more"]).ok().stderr_has("nothing differs");
        // A table that is gone from the file is not dropped unless told.
        let end = rust.find("diesel::table! { posts").unwrap();
        std::fs::write(
            shell.path().join("schema.rs"),
            rust[..end].replace("= 40", "= 80").replace("Nullable<Timestamp>", "Nullable<Date>"),
        )
        .unwrap();
        db(&["check"]).fails(1).stdout_has("table posts is only in the database");
        db(&["migrate", "less"]).ok().stderr_has("kept table posts").stderr_has("nothing differs");
        db(&["migrate", "less", "--drop", "postts"]).fails(1).stderr_has("nothing called postts");
        db(&["migrate", "less", "--drop", "posts"])
            .ok()
            .stdout("detected removed table posts\n")
            .stderr_has("table posts goes with 1 row");
        db(&["upgrade"]).ok();
        assert_eq!(database.tables(), ["users"]);
        db(&["downgrade"]).ok();
        assert_eq!(database.tables(), ["posts", "users"]);
    });
}

#[test]
fn registered_models_are_compared() {
    both(|| {
        let shell = Shell::seeded();
        shell.run(&["db", "check"], "").ok().stderr_has("models and database are the same");
        shell.script(".sql drop index ix_posts_user_id;\ncommit\n").ok();
        shell.script(".sql create table visits (n integer);\ncommit\n").ok();
        shell
            .run(&["db", "check"], "")
            .fails(1)
            .stdout("models and database differ: added index ix_posts_user_id on posts (user_id)\n");
        shell.run(&["db", "drop-all", "--dry-run"], "").ok().stderr_has("nothing was changed");
        shell.run(&["db", "drop-all", "--sql"], "").ok().stdout("DROP TABLE posts;\nDROP TABLE users;\n");
        shell.run(&["db", "drop-all"], "").ok().stderr_has("dropped table users");
        shell.script("list visits\n").ok();
        shell.run(&["db", "create-all"], "").ok().stderr_has("created table users").stderr_has("created table posts");
        shell.run(&["db", "create-all"], "").ok().stderr_has("all tables are there");
        shell.run(&["db", "check"], "").ok();
        shell.script("add user username=a email=b\nadd post body=c author=a\ncommit\nuser a posts\n").ok();
    });
}

#[test]
fn what_empties_a_database_is_refused_where_it_is_protected() {
    let shell = Shell::seeded();
    let config = shell.path().join("config/diesel-shell");
    std::fs::create_dir_all(&config).unwrap();
    let url = shell.database().display().to_string();
    std::fs::write(config.join("config.toml"), format!("[connections.prod]\nurl = {url:?}\nprotected = true\n"))
        .unwrap();
    for arguments in [&["prod", "-c", ".reset"][..], &["prod", "db", "drop-all"]] {
        shell.run(arguments, "").fails(1).stderr_has("is protected");
    }
    // It is protected by whatever name it is opened.
    shell.run(&["-c", ".reset"], "").fails(1).stderr_has("is protected");
    let shell = Shell::seeded();
    for arguments in [&["--read-only", "-c", ".reset"][..], &["--read-only", "db", "drop-all"]] {
        shell.run(arguments, "").fails(1).stderr_has("is open for reading only");
    }
    shell.run(&["--sandbox", "-c", ".reset"], "").fails(1).stderr_has("this is a sandbox");
    shell.script("count users\n").ok().stdout("2\n");
    shell.script("add user username=x email=y\ndb downgrade\n").fails(1).stderr_has("changes are staged");
}

/// At a terminal a rename is asked about, and what would go as well.
#[test]
fn renames_are_asked_about_and_not_guessed() {
    use expectrl::{Expect as _, Regex, Session};
    both(|| {
        let shell = bare();
        let folder = project(&shell);
        let (database, wanted) = (Database::new(&shell, "database"), Database::new(&shell, "wanted"));
        database.run(&sql(USERS));
        database.run(ROWS);
        wanted.run(&sql("CREATE TABLE users ({pk}, username VARCHAR(40))"));
        let arguments = [database.0.as_str(), "db", "migrate", "names", "--like", &wanted.0];
        shell
            .run(&arguments, "")
            .fails(1)
            .stderr_has("users.name is gone and username is new: it may have been renamed")
            .stderr_has("--rename users.name:username keeps its data, --drop users.name drops it");
        assert!(written(&folder).is_empty());
        let mut command = shell.command();
        command.args(arguments).env("TERM", "dumb");
        let mut terminal = Session::spawn(command).unwrap();
        terminal.set_expect_timeout(Some(std::time::Duration::from_secs(30)));
        terminal.expect(Regex(r"was users\.name renamed to username\?")).unwrap();
        terminal.send_line("y").unwrap();
        terminal.expect(Regex(r"column users\.age is only in the database: drop it\?")).unwrap();
        terminal.send_line("").unwrap();
        terminal.expect(Regex("detected renamed column users.name to username")).unwrap();
        terminal.expect(expectrl::Eof).unwrap();
        shell.run(&[&database.0, "db", "upgrade"], "").ok();
        shell
            .run(&[&database.0, "-c", "list users show id, username, age order by id", "-m", "csv"], "")
            .ok()
            .stdout("id,username,age\n1,john,30\n2,susan,\n3,o'hara,7\n");
    });
}
