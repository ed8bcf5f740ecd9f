//! What is written out reads back equal: files of every format, and dumps.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};

/// A shell on a new, empty database of the kind that is tested now.
fn empty(name: &str) -> Shell {
    let shell = Shell::empty();
    #[cfg(all(unix, feature = "postgres"))]
    if on_postgres() {
        return shell.with(&common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell"))));
    }
    std::fs::File::create(shell.path().join(name)).unwrap();
    shell.with(name)
}

fn in_dialect(sql: &str) -> String {
    if on_postgres() {
        sql.to_owned()
    } else {
        sql.replace("bytea", "blob").replace("serial primary key", "integer primary key")
    }
}

const TABLE: &str = ".sql create table things (id serial primary key, name text, needed text not null default 'x', raw bytea, \
    amount numeric, real_one double precision, yes boolean, seen timestamp, day date, doc json);\ncommit\n";

/// Rows that a careless file would change.
fn rows() -> String {
    let mut script = String::new();
    for row in [
        "name='' needed=''",
        "name=null raw=null",
        "name='null' needed='NULL' raw=x''",
        "name='\\N' raw=x'00ff' amount=1.50",
        "name='x''00ff''' raw=x'5c'",
        "name='a,b\tc' needed='two\nlines' amount=-0.000001",
        "name='\"quoted\"' needed=' blanks ' amount=12345678901234567890.12345",
        "name='back\\slash' needed='\\t' real_one=0.1 yes=true",
        "name='12' needed='007' real_one=1e300 yes=false",
        "name='true' needed='1.0' real_one=-2.0",
        "name='2026-01-02' seen='2026-01-02 03:04:05.678901' day='2024-02-29'",
        "name='json' doc='{\"a\":[1,2.50,null],\"b\":\"x\"}'",
        "name='scalar' doc='\"text\"'",
        "name='number' doc='12.50'",
        "name='truth' doc='true'",
        "name='cr\r' needed='é\u{1F600}'",
    ] {
        script.push_str(&format!("add thing {row}\n"));
    }
    // A decimal of SQLite's is a double.
    if !on_postgres() {
        script = script.replace("12345678901234567890.12345", "0.125");
    }
    script
}

#[test]
fn files_come_back_as_they_were() {
    both(|| {
        let here = empty("here.db");
        here.script(format!("{}{}commit", in_dialect(TABLE), rows())).ok();
        let whole = here.script(".dump").ok().stdout;
        for format in ["csv", "tsv", "json", "jsonl"] {
            here.script(format!(
                ".export all.{format} list things order by id\n.export some.{format} list things order by id show name"
            ))
            .ok();
            let there = empty("there.db");
            let file = here.path().join(format!("all.{format}"));
            there.script(format!("{}.import '{}' thing\ncommit", in_dialect(TABLE), file.display())).ok();
            assert_eq!(
                there.script(".dump").ok().stdout,
                whole,
                "{format}: {}",
                std::fs::read_to_string(&file).unwrap()
            );
            // One column: a row without anything is a row.
            let there = empty("one.db");
            let file = here.path().join(format!("some.{format}"));
            there.script(format!("{}.import '{}' thing\ncommit", in_dialect(TABLE), file.display())).ok();
            let names = |shell: &Shell| shell.script(".mode jsonl\nlist things order by id show name").ok().stdout;
            assert_eq!(names(&there), names(&here), "{format}");
        }
    });
}

#[test]
fn a_json_null_that_a_format_cannot_keep_is_said() {
    both(|| {
        let here = empty("here.db");
        here.script(format!(
            "{}add thing name=a doc='null'\nadd thing name=b doc=null\nadd thing name=c doc='[null]'\ncommit",
            in_dialect(TABLE)
        ))
        .ok();
        let nulls = "count things where doc is null\ncount things where doc is not null";
        for (format, kept) in [("csv", true), ("tsv", true), ("json", false), ("jsonl", false)] {
            let done = here.script(format!(".export all.{format} list things order by id")).ok();
            let said = format!("1 value is the json `null`, which comes back from {format} as NULL");
            assert_eq!(done.stderr.contains(&said), !kept, "{format}: {}", done.stderr);
            let there = empty("there.db");
            let file = here.path().join(format!("all.{format}"));
            there.script(format!("{}.import '{}' thing\ncommit", in_dialect(TABLE), file.display())).ok();
            assert_eq!(there.script(nulls).ok().stdout, if kept { "1\n2\n" } else { "2\n1\n" }, "{format}");
        }
    });
}

#[test]
fn columns_of_sqlite_without_a_type_keep_what_their_values_are() {
    let here = empty("here.db");
    let table = ".sql create table loose (id integer primary key, v);\n";
    here.script(format!(
        "{table}.sql insert into loose (v) values (1), (1.0), ('1'), ('1.5'), (1.5), (x'00'), ('x''00'''), (''), (null), ('007'), (9e999), (1e15), ('Infinity');\ncommit"
    ))
    .ok();
    let read = ".mode csv\n.sql select id, quote(v), typeof(v) from loose order by id;\n";
    let whole = here.script(read).ok().stdout;
    here.script(".export v.csv list loose order by id").ok();
    let there = empty("there.db");
    there.script(format!("{table}.import '{}' loose\ncommit", here.path().join("v.csv").display())).ok();
    assert_eq!(there.script(read).ok().stdout, whole);
    let dump = here.script(".dump").ok().stdout;
    let there = empty("dumped.db");
    there.script(format!("{table}{dump}")).ok();
    assert_eq!(there.script(read).ok().stdout, whole, "{dump}");
}

#[test]
fn values_of_other_types_than_their_columns_are_dumped_as_they_are() {
    let table = ".sql create table odd (id integer primary key, n integer, at datetime, b boolean, d numeric, t varchar(3), r real, x blob);\n";
    let rows = ".sql insert into odd values (1, 'seven', '1996-07-04T00:00:00Z', 'maybe', 'x', 'long text', 'no', 'text'), \
        (2, 1.5, 2450268.5, 7, '1.50', x'00', x'01', 12), (3, x'ff', 836438400, 1, null, null, 1, x'02'), \
        (4, 5, '1996-07-04', 0, 1e20, 'abc', 9e999, ''), (5, 6, '7/4/1996', null, -0.5, '', -9e999, null);\ncommit";
    let read = ".mode csv\n.sql select quote(n), quote(at), quote(b), quote(d), quote(t), quote(r), quote(x) from odd order by id;\n";
    let here = empty("here.db");
    here.script(format!("{table}{rows}")).ok();
    let whole = here.script(read).ok().stdout;
    let dump = here.script(".dump").ok().stdout;
    assert!(dump.contains(".set exact on\n") && dump.contains(".set exact off\n"), "{dump}");
    let there = empty("there.db");
    there.script(format!("{table}{dump}")).ok();
    assert_eq!(there.script(read).ok().stdout, whole, "{dump}");
    // Once more, as SQL.
    let sql = here.script(".dump --sql").ok().stdout;
    let there = empty("sql.db");
    let lines: Vec<String> =
        sql.lines().filter(|line| line.starts_with("INSERT")).map(|line| format!(".sql {line}")).collect();
    there.script(format!("{table}{}\ncommit", lines.join("\n"))).ok();
    assert_eq!(there.script(read).ok().stdout, whole, "{sql}");
}

#[test]
fn numbers_go_on_where_they_were() {
    both(|| {
        let tables = if on_postgres() {
            ".sql create table a (id serial primary key, v text);\n\
             .sql create table b (id bigint generated always as identity primary key, v text);\n\
             .sql create table c (id integer generated by default as identity primary key, v text);\ncommit\n"
        } else {
            ".sql create table a (id integer primary key autoincrement, v text);\n\
             .sql create table b (id integer primary key autoincrement, v text);\n\
             .sql create table c (id integer primary key autoincrement, v text);\ncommit\n"
        };
        let here = empty("here.db");
        here.script(format!("{tables}add a v=1\nadd a v=2\nadd a v=3\nadd b v=1\nadd b v=2\nadd c v=1\ncommit\ndelete a 3\ndelete b 2\ndelete c 1\ncommit")).ok();
        let dump = here.script(".dump").ok().stdout;
        let there = empty("there.db");
        there.script(format!("{tables}{dump}")).ok();
        assert_eq!(there.script(".dump").ok().stdout, dump);
        let next = "add a v=n\nadd b v=n\nadd c v=n\ncommit\n.mode csv\nlist as\nlist bs\nlist cs";
        let wanted = "id,v\n1,1\n2,2\n4,n\nid,v\n1,1\n3,n\nid,v\n2,n\n";
        there
            .script(next.replace("list as", "list a").replace("list bs", "list b").replace("list cs", "list c"))
            .ok()
            .stdout(wanted);
        here.script(next.replace("list as", "list a").replace("list bs", "list b").replace("list cs", "list c"))
            .ok()
            .stdout(wanted);
    });
}

#[test]
fn keys_that_are_brought_along_are_not_given_again() {
    both(|| {
        let tables = if on_postgres() {
            ".sql create table a (id serial primary key, v text);\n\
             .sql create table b (id bigint generated always as identity primary key, v text);\ncommit\n"
        } else {
            ".sql create table a (id integer primary key, v text);\n.sql create table b (id integer primary key, v text);\ncommit\n"
        };
        let shell = empty("here.db");
        shell.script(tables).ok();
        std::fs::write(shell.path().join("rows.csv"), "id,v\n7,seven\n9,nine\n").unwrap();
        shell
            .script("add a id=5 v=five\ncommit\nadd a v=next\ncommit\n.import rows.csv b\ncommit\nadd b v=next\ncommit")
            .ok();
        shell.script(".mode csv\nlist a\nlist b").ok().stdout("id,v\n5,five\n6,next\nid,v\n7,seven\n9,nine\n10,next\n");
        // Also by another program.
        let id = if on_postgres() { "overriding user value" } else { "" };
        shell
            .script(format!(".sql insert into b (v) {id} values ('other');\ncommit\n.mode csv\nlast b show id"))
            .ok()
            .stdout("id\n11\n");
        // What was taken back has moved nothing.
        shell.script("add a id=500 v=x\nrollback\nadd a v=y\ncommit\n.mode csv\nlast a show id").ok().stdout("id\n7\n");
        shell.script("set b 7 id=8").fails(if on_postgres() { 1 } else { 3 });
    });
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn an_import_above_the_bound_moves_the_sequence_too() {
    if !common::postgres::is_there() {
        return;
    }
    let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
    let shell = Shell::empty().with(&url);
    shell.script(".sql create table a (id serial primary key, v text);\ncommit").ok();
    let mut csv = String::from("id,v\n");
    for id in 1..=10_500 {
        csv.push_str(&format!("{id},x\n"));
    }
    std::fs::write(shell.path().join("many.csv"), csv).unwrap();
    shell.script(".import many.csv a\nadd a v=next\ncommit\n.mode csv\nlast a show id").ok().stdout("id\n10501\n");
}

#[test]
fn tables_in_a_circle_come_before_what_only_refers_to_them() {
    both(|| {
        let tables = ".sql create table notes (id integer primary key, shop_id integer not null, by_id integer not null);\n\
            .sql create table shops (id integer primary key, boss_id integer, name varchar(9));\n\
            .sql create table staff (id integer primary key, shop_id integer not null references shops (id), chief_id integer references staff (id));\n";
        // SQLite cannot add a foreign key to a table that is there.
        let more = if on_postgres() {
            ".sql alter table shops add foreign key (boss_id) references staff (id);\n\
             .sql alter table notes add foreign key (shop_id) references shops (id);\n\
             .sql alter table notes add foreign key (by_id) references staff (id);\ncommit\n"
                .to_owned()
        } else {
            "commit\n".to_owned()
        };
        let tables = if on_postgres() {
            tables.to_owned()
        } else {
            tables
                .replace(
                    "shop_id integer not null, by_id integer not null",
                    "shop_id integer not null references shops (id), by_id integer not null references staff (id)",
                )
                .replace("boss_id integer,", "boss_id integer references staff (id),")
        };
        let schema = format!("{tables}{more}");
        let here = empty("here.db");
        here.script(format!(
            "{schema}add shop id=1 name=a\nadd shop id=2 name=b\nadd staff id=1 shop_id=1 chief_id=null\nadd staff id=2 shop_id=2 chief_id=1\n\
             commit\nset shop 1 boss_id=2\nset shop 2 boss_id=1\nset staff 1 chief_id=2\nadd note id=1 shop_id=2 by_id=1\ncommit"
        ))
        .ok();
        let dump = here.script(".dump").ok().stderr_lacks("circle").stdout;
        let there = empty("there.db");
        there.script(format!("{schema}{dump}")).ok();
        assert_eq!(there.script(".dump").ok().stdout, dump);
        assert!(dump.find("add shop").unwrap() < dump.find("add staff").unwrap(), "{dump}");
        assert!(dump.find("add staff").unwrap() < dump.find("add note").unwrap(), "{dump}");
    });
}

#[test]
fn rows_that_cannot_be_without_each_other_come_back_by_sql() {
    let here = empty("here.db");
    let schema = ".sql create table a (id integer primary key, b_id integer not null references b (id));\n\
        .sql create table b (id integer primary key, a_id integer not null references a (id));\ncommit\n";
    here.script(schema).ok();
    let rows = |name: &str, sql: &str| {
        let file = here.path().join(name);
        let connection = enforcing(&file);
        diesel::connection::SimpleConnection::batch_execute(&mut { connection }, sql).unwrap();
    };
    rows(
        "here.db",
        "begin; pragma defer_foreign_keys = on; insert into a values (1, 1); insert into b values (1, 1); commit",
    );
    here.script(".dump").ok().stderr_has("refer in a circle").stderr_has(".dump --sql");
    let sql = here.script(".dump --sql").ok().stdout;
    assert!(sql.starts_with("BEGIN;\nPRAGMA defer_foreign_keys = ON;\n"), "{sql}");
    let there = empty("there.db");
    there.script(schema).ok();
    let file = there.path().join("there.db");
    diesel::connection::SimpleConnection::batch_execute(&mut enforcing(&file), &sql).unwrap();
    assert_eq!(there.script(".dump --sql").ok().stdout, sql);
}

/// A connection of the test's own that enforces foreign keys.
fn enforcing(file: &std::path::Path) -> diesel::SqliteConnection {
    use diesel::Connection as _;
    let mut connection = diesel::SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    diesel::connection::SimpleConnection::batch_execute(&mut connection, "pragma foreign_keys = on").unwrap();
    connection
}
