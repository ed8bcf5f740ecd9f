//! Every built-in type of PostgreSQL with its edge values: shown, asked for, set, used as a key, exported, imported and dumped
//! as psql has them. One table has a column of each type, so that a few commands try them all; what fails there is then
//! tried column by column, and named.
#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// A type and values of it, spelled for a cast.
type Case = (&'static str, &'static [&'static str]);

const TYPES: &[Case] = &[
    ("boolean", &["true", "false"]),
    ("smallint", &["0", "-32768", "32767"]),
    ("integer", &["0", "-2147483648", "2147483647"]),
    ("bigint", &["0", "-9223372036854775808", "9223372036854775807"]),
    ("oid", &["0", "4294967295"]),
    ("real", &["0", "1.1", "-0", "3.4028235e38", "1e-45", "Infinity", "-Infinity", "NaN"]),
    (
        "double precision",
        &[
            "0",
            "0.1",
            "-0",
            "1.7976931348623157e308",
            "5e-324",
            "1e15",
            "123456789012345680",
            "Infinity",
            "-Infinity",
            "NaN",
        ],
    ),
    (
        "numeric",
        &[
            "0",
            "-0.000000000000000000001",
            "12345678901234567890123456789.123456789",
            "1e1000",
            "1e-1000",
            "NaN",
            "Infinity",
            "-Infinity",
        ],
    ),
    ("numeric(10,2)", &["12345678.90", "-0.01", "0"]),
    ("money", &["0", "-92233720368547758.08", "92233720368547758.07", "12.34"]),
    (
        "text",
        &[
            "",
            " ",
            "a",
            "null",
            "'quoted'",
            "two\nlines",
            "back\\slash",
            "é\u{1F600}",
            "12",
            "true",
            "x'00'",
            "\\N",
            "a,b;c|d\te",
        ],
    ),
    ("character varying", &["", "abc ", "NULL"]),
    ("character varying(5)", &["", "abcde", "  "]),
    ("character(5)", &["", "ab", "abcde"]),
    ("character", &["", "x"]),
    ("\"char\"", &["a", "", "\\200"]),
    ("name", &["", "a_name", "With Blank"]),
    ("bytea", &["", "\\xdeadbeef", "\\x00", "\\x5c27"]),
    (
        "date",
        &[
            "2024-02-29",
            "0001-01-01",
            "9999-12-31",
            "10000-01-01",
            "5874897-12-31",
            "4713-01-01 BC",
            "infinity",
            "-infinity",
        ],
    ),
    ("time", &["00:00:00", "23:59:59.999999", "24:00:00", "12:34:56.7"]),
    ("time(0)", &["12:34:56"]),
    ("time with time zone", &["00:00:00+00", "24:00:00-15:59", "12:34:56.789+05:30"]),
    (
        "timestamp",
        &[
            "2024-02-29 12:34:56.789",
            "infinity",
            "-infinity",
            "4713-01-01 00:00:00 BC",
            "294276-12-31 23:59:59.999999",
            "0001-01-01 00:00:00",
            "1999-12-31 23:59:59.000001",
        ],
    ),
    ("timestamp(3)", &["2024-02-29 12:34:56.789"]),
    (
        "timestamp with time zone",
        &[
            "2024-02-29 12:34:56.789+02",
            "infinity",
            "-infinity",
            "4713-01-02 00:00:00+00 BC",
            "294276-12-31 00:00:00+00",
        ],
    ),
    (
        "interval",
        &[
            "0",
            "1 year 2 mons 3 days 04:05:06.789",
            "-1 year",
            "178000000 years",
            "-00:00:00.000001",
            "1 mon -1 day",
            "P1Y2M",
        ],
    ),
    ("interval day to second", &["3 days 04:05:06"]),
    (
        "uuid",
        &[
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        ],
    ),
    ("json", &["{}", "[]", "\"text\"", "12.50", "true", "{\"b\": 1,  \"a\": [null, 2.50e3], \"b\": 2}", "\"\\u00e9\""]),
    ("jsonb", &["{}", "[1, 2]", "\"text\"", "12.50", "false", "{\"a\": {\"b\": null}}"]),
    ("jsonpath", &["$.a[*] ? (@ > 1)", "$"]),
    ("xml", &["<a/>", "<a b=\"c\">d &amp; e</a>", "text"]),
    ("inet", &["0.0.0.0", "192.168.1.5/24", "::1", "fe80::1/64"]),
    ("cidr", &["0.0.0.0/0", "10.0.0.0/8", "2001:db8::/32"]),
    ("macaddr", &["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"]),
    ("macaddr8", &["00:00:00:00:00:00:00:00", "08:00:2b:01:02:03:04:05"]),
    ("bit(4)", &["0000", "1111"]),
    ("bit varying", &["", "10101"]),
    ("bit varying(3)", &["1", "111"]),
    ("point", &["(0,0)", "(-1.5,2.25)", "(Infinity,NaN)", "(1e300,-1e-300)"]),
    ("line", &["{1,2,3}", "{0,-1,0}"]),
    ("lseg", &["[(0,0),(1,1)]", "[(-1,2),(3.5,4)]"]),
    ("box", &["(1,1),(0,0)", "(3,4),(-1,-2)"]),
    ("path", &["[(0,0),(1,1)]", "((0,0),(1,1),(2,0))"]),
    ("polygon", &["((0,0),(1,1),(2,0))", "((0,0))"]),
    ("circle", &["<(0,0),1>", "<(1.5,-2),0>"]),
    ("tsvector", &["'a' 'b':1,2A", ""]),
    ("tsquery", &["'a' & !'b'", "'a':*A <-> 'b'"]),
    ("int4range", &["empty", "[1,10)", "(,)", "[5,)"]),
    ("int8range", &["empty", "[-9223372036854775808,0)", "(,5)"]),
    ("numrange", &["empty", "[1.5,2.5]", "(,)"]),
    ("tsrange", &["empty", "[\"2024-01-01 00:00:00\",infinity)", "(,\"2024-01-01 00:00:00\"]"]),
    ("tstzrange", &["empty", "[\"2024-01-01 00:00:00+00\",)"]),
    ("daterange", &["empty", "[2024-01-01,2024-02-01)", "(,infinity)"]),
    ("int4multirange", &["{}", "{[1,3),[5,8)}"]),
    ("int8multirange", &["{}", "{(,0),[10,)}"]),
    ("nummultirange", &["{}", "{[1.5,2.5],(3,4)}"]),
    ("tsmultirange", &["{}", "{[\"2024-01-01 00:00:00\",\"2024-01-02 00:00:00\")}"]),
    ("tstzmultirange", &["{}", "{[\"2024-01-01 00:00:00+00\",\"2024-01-02 00:00:00+00\")}"]),
    ("datemultirange", &["{}", "{[2024-01-01,2024-01-02)}"]),
    ("pg_lsn", &["0/0", "FFFFFFFF/FFFFFFFF"]),
    ("txid_snapshot", &["1:1:", "10:20:10,14,15"]),
    ("pg_snapshot", &["1:1:", "10:20:10,14,15"]),
    ("xid", &["0", "4294967295"]),
    ("xid8", &["0", "18446744073709551615"]),
    ("cid", &["0", "4294967295"]),
    ("tid", &["(0,0)", "(4294967295,65535)"]),
    ("oidvector", &["", "1 2 3"]),
    ("int2vector", &["", "-1 2 3"]),
    ("regclass", &["pg_class", "pg_type"]),
    ("regtype", &["integer", "double precision"]),
    ("regproc", &["now", "pg_sleep"]),
    ("regprocedure", &["sum(integer)", "now()"]),
    ("regoper", &["||/", "|/"]),
    ("regoperator", &["+(integer,integer)", "-(NONE,integer)"]),
    ("regrole", &["pg_monitor"]),
    ("regnamespace", &["pg_catalog", "public"]),
    ("regconfig", &["english", "simple"]),
    ("regdictionary", &["simple"]),
    ("regcollation", &["\"C\"", "\"default\""]),
    ("refcursor", &["", "cursor one"]),
    ("aclitem", &["tester=arwdDxt/tester"]),
    ("boolean[]", &["{}", "{t,f,NULL}"]),
    ("smallint[]", &["{}", "{-32768,32767}"]),
    ("integer[]", &["{}", "{1,2,NULL}", "{{1,2},{3,4}}", "[0:1]={5,6}"]),
    ("bigint[]", &["{}", "{9223372036854775807}"]),
    ("oid[]", &["{}", "{1,4294967295}"]),
    ("real[]", &["{}", "{1.1,Infinity,NaN}"]),
    ("double precision[]", &["{}", "{0.1,-0,-Infinity}"]),
    ("numeric[]", &["{}", "{1.50,NaN}"]),
    ("money[]", &["{}", "{$1.00}"]),
    ("text[]", &["{}", "{a,\"b c\",\"\",NULL,\"NULL\",\"q\\\"uote\",\"back\\\\slash\"}"]),
    ("character varying(5)[]", &["{}", "{abc,\" \"}"]),
    ("character(3)[]", &["{}", "{\"a  \",abc}"]),
    ("name[]", &["{}", "{a,\"b c\"}"]),
    ("bytea[]", &["{}", "{\"\\\\x00ff\",\"\\\\x\"}"]),
    ("date[]", &["{}", "{2024-02-29,infinity,\"0044-03-15 BC\"}"]),
    ("time[]", &["{}", "{24:00:00}"]),
    ("time with time zone[]", &["{}", "{12:00:00+05:30}"]),
    ("timestamp[]", &["{}", "{\"2024-02-29 12:34:56\",infinity}"]),
    ("timestamp with time zone[]", &["{}", "{\"2024-02-29 12:34:56+00\"}"]),
    ("interval[]", &["{}", "{\"1 day\",00:00:01}"]),
    ("uuid[]", &["{}", "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}"]),
    ("json[]", &["{}", "{\"{\\\"a\\\": 1}\"}"]),
    ("jsonb[]", &["{}", "{\"{\\\"a\\\": 1}\",NULL}"]),
    ("xml[]", &["{}", "{<a/>}"]),
    ("inet[]", &["{}", "{10.0.0.1,::1}"]),
    ("cidr[]", &["{}", "{10.0.0.0/8}"]),
    ("macaddr[]", &["{}", "{08:00:2b:01:02:03}"]),
    ("bit(4)[]", &["{}", "{1010}"]),
    ("bit varying[]", &["{}", "{1,10}"]),
    ("point[]", &["{}", "{\"(1,2)\",\"(3,4)\"}"]),
    ("line[]", &["{}", "{\"{1,2,3}\"}"]),
    ("lseg[]", &["{}", "{\"[(0,0),(1,1)]\"}"]),
    ("box[]", &["{}", "{(1,1),(0,0);(3,3),(2,2)}"]),
    ("path[]", &["{}", "{\"[(0,0),(1,1)]\"}"]),
    ("polygon[]", &["{}", "{\"((0,0),(1,1))\"}"]),
    ("circle[]", &["{}", "{\"<(0,0),1>\"}"]),
    ("tsvector[]", &["{}", "{\"'a' 'b'\"}"]),
    ("tsquery[]", &["{}", "{\"'a' & 'b'\"}"]),
    ("int4range[]", &["{}", "{\"[1,3)\",empty}"]),
    ("tsrange[]", &["{}", "{\"[\\\"2024-01-01 00:00:00\\\",)\"}"]),
    ("int4multirange[]", &["{}", "{\"{[1,3)}\"}"]),
    ("pg_lsn[]", &["{}", "{0/1}"]),
    ("xid8[]", &["{}", "{1,2}"]),
    ("regclass[]", &["{}", "{pg_class}"]),
    ("\"char\"[]", &["{}", "{a,b}"]),
    // Types that people make of them.
    ("mood", &["sad", "so-so", "it's ok", ""]),
    ("mood[]", &["{}", "{sad,\"it's ok\"}"]),
    ("percent", &["0", "100"]),
    ("mood_domain", &["sad"]),
    ("padded", &["ab"]),
    ("pair", &["(1,a)", "(,\"b c\")", "(2,)"]),
    ("pair[]", &["{}", "{\"(1,a)\"}"]),
    ("spans", &["empty", "[1,2]"]),
];

const OWN: &str = "create type mood as enum ('sad', 'so-so', 'it''s ok', '');
    create domain percent as integer check (value between 0 and 100);
    create domain mood_domain as mood;
    create domain padded as character(5);
    create type pair as (n integer, t text);
    create type spans as range (subtype = float8);\n";

/// What the server has in its rows, NULL and the empty text told apart.
type Rows = Vec<Vec<Option<String>>>;

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Lines of csv, line breaks within quotes and all; a field that is nothing is NULL, one that is `""` is empty.
fn csv(text: &str) -> Rows {
    let (mut rows, mut row, mut field, mut inside, mut was) = (Vec::new(), Vec::new(), String::new(), false, false);
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if inside && chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            '"' => (inside, was) = (!inside, true),
            ',' | '\n' if !inside => {
                let value = std::mem::take(&mut field);
                row.push((was || !value.is_empty()).then_some(value));
                was = false;
                if c == '\n' {
                    rows.push(std::mem::take(&mut row));
                }
            }
            c => field.push(c),
        }
    }
    rows
}

/// A database of its own, with a table `t` that has a column of each type, and one `k` for each type that can be a key.
struct Database {
    url: String,
    shell: Shell,
}

impl Database {
    fn new() -> Self {
        let url = common::postgres::database(Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
        let here = Self { shell: Shell::empty().with(&url).with("--quiet"), url };
        let columns: Vec<String> = TYPES.iter().enumerate().map(|(at, (name, _))| format!("v{at} {name}")).collect();
        here.psql(&format!("{OWN}; create table t (id integer primary key, {});", columns.join(", ")));
        here
    }

    /// What psql answers.
    #[track_caller]
    fn psql(&self, sql: &str) -> String {
        let mut script = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut script, sql.as_bytes()).unwrap();
        let output = Command::new(common::postgres::binary("psql"))
            .env_clear()
            .env("PGOPTIONS", "-c TimeZone=UTC -c DateStyle=ISO,YMD -c client_min_messages=warning")
            .args(["-X", "-q", "--csv", "-P", "null=~", "-v", "ON_ERROR_STOP=1", "-f"])
            .arg(script.path())
            .arg(&self.url)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The rows as psql shows them.
    #[track_caller]
    fn rows(&self) -> Rows {
        let mut rows = csv(&self.psql("select * from t order by id"));
        rows.remove(0);
        let value =
            |value: Option<String>| if value.as_deref() == Some("~") { None } else { value.or(Some(String::new())) };
        rows.into_iter().map(|row| row.into_iter().map(value).collect()).collect()
    }

    /// Rows that have all values; types with fewer begin again. The last has none.
    fn fill(&self) {
        let most = TYPES.iter().map(|(_, values)| values.len()).max().unwrap();
        let mut script = String::new();
        for row in 0..most {
            let value = |(name, values): &Case| format!("{}::{name}", quoted(values[row % values.len()]));
            let values: Vec<String> = TYPES.iter().map(value).collect();
            let _ = writeln!(script, "insert into t values ({}, {});", row + 1, values.join(", "));
        }
        self.psql(&format!("{script} insert into t (id) values (99);"));
    }
}

/// How the shell spells what psql spells otherwise: booleans are words, bytes are as in the language, and a double has a
/// point.
fn as_shown(name: &str, text: &str) -> String {
    match name {
        "boolean" => if text == "t" { "true" } else { "false" }.to_owned(),
        "bytea" => format!("x'{}'", text.trim_start_matches("\\x")),
        "real" | "double precision" => diesel_shell::Value::Float(text.parse().unwrap()).to_string(),
        _ => text.to_owned(),
    }
}

/// What differs between two states of the table.
fn compare(what: &str, wanted: &Rows, found: &Rows, wrong: &mut Vec<String>) {
    if wanted.len() != found.len() {
        wrong.push(format!("{what}: {} rows, not {}", found.len(), wanted.len()));
    }
    for (one, two) in wanted.iter().zip(found) {
        for (at, (one, two)) in one.iter().zip(two).enumerate().skip(1).filter(|(_, (one, two))| one != two) {
            wrong.push(format!("{what}: {} is {two:?}, not {one:?}", TYPES[at - 1].0));
        }
    }
}

#[track_caller]
fn judge(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

/// Each type beside its value in a row.
fn cells(row: &[Option<String>]) -> impl Iterator<Item = (usize, &'static str, &str)> {
    let cell = |(at, value): (usize, &'static Case)| (at, value.0);
    TYPES
        .iter()
        .enumerate()
        .map(cell)
        .zip(&row[1..])
        .filter_map(|((at, name), value)| Some((at, name, value.as_deref()?)))
}

#[test]
fn there_are_enough_of_them() {
    let values: usize = TYPES.iter().map(|(_, values)| values.len()).sum();
    assert!(TYPES.len() >= 120 && values >= 350, "{} types, {values} values", TYPES.len());
}

#[test]
fn every_value_is_shown_as_psql_shows_it() {
    if !common::postgres::is_there() {
        return;
    }
    let here = Database::new();
    here.fill();
    let mut wanted = here.rows();
    for row in &mut wanted {
        for (value, (name, _)) in row[1..].iter_mut().zip(TYPES) {
            *value = value.take().map(|text| as_shown(name, &text));
        }
    }
    let mut wrong = Vec::new();
    let mut shown = csv(&here.shell.script(".mode csv\nlist t order by id").ok().stdout);
    shown.remove(0);
    compare("shown", &wanted, &shown, &mut wrong);
    // What `.sql` gives is the server's own text, but for numbers with a point.
    for (row, own) in wanted.iter_mut().zip(here.rows()) {
        for (at, (value, own)) in row.iter_mut().zip(own).enumerate().skip(1) {
            if matches!(TYPES[at - 1].0, "bytea" | "real" | "double precision" | "boolean") {
                *value = own;
            }
        }
    }
    let mut raw = csv(&here.shell.script(".mode csv\n.sql select * from t order by id;").ok().stdout);
    raw.remove(0);
    for value in raw.iter_mut().flat_map(|row| &mut row[1..2]) {
        *value = value.take().map(|truth| truth[..1].to_owned());
    }
    compare("shown by .sql", &wanted, &raw, &mut wrong);
    judge(&wrong);
}

#[test]
fn every_value_is_found_by_what_is_shown() {
    if !common::postgres::is_there() {
        return;
    }
    let here = Database::new();
    here.fill();
    let all = here.rows();
    let forms = |at: usize, value: &str, id: &str| {
        let value = quoted(value);
        [
            format!("v{at} = {value}"),
            format!("v{at} in ({value})"),
            format!("not v{at} != {value}"),
            format!("v{at} = $x{id}.v{at}"),
        ]
    };
    let mut script = String::new();
    for row in all.iter().filter(|row| row[0].as_deref() != Some("99")) {
        let id = row[0].as_deref().unwrap();
        let _ = writeln!(script, "let x{id} = t {id}");
        for form in 0..4 {
            let conditions: Vec<String> = cells(row).map(|(at, _, value)| forms(at, value, id)[form].clone()).collect();
            let _ = writeln!(script, "count t where id = {id} and {}", conditions.join(" and "));
        }
    }
    let run = here.shell.script(&script);
    if run.status == 0
        && run.stdout.lines().all(|line| line == "1")
        && run.stdout.lines().count() == 4 * (all.len() - 1)
    {
        return;
    }
    let mut wrong = Vec::new();
    for row in all.iter().filter(|row| row[0].as_deref() != Some("99")) {
        let id = row[0].as_deref().unwrap();
        for (at, name, value) in cells(row) {
            for form in forms(at, value, id) {
                let run = here.shell.script(format!("let x{id} = t {id}\ncount t where id = {id} and {form}"));
                if run.stdout != "1\n" {
                    wrong.push(format!("{name} {value:?} is not found by {form}: {}{}", run.stdout, run.stderr));
                }
            }
        }
    }
    judge(&wrong);
    panic!("found one by one, but not together: {}{}", run.stdout, run.stderr);
}

#[test]
fn every_value_is_set_and_is_the_base_of_the_next_change() {
    if !common::postgres::is_there() {
        return;
    }
    let here = Database::new();
    here.fill();
    let all = here.rows();
    let there = Database::new();
    let mut script: String =
        all.iter().map(|row| format!("add t id={} v0=null\n", row[0].as_deref().unwrap())).collect();
    script.push_str("commit\n");
    let rows = all.len() - 1;
    // First every row gets the values of the one behind it, then its own: each value is the base of a change.
    for step in [1, 0] {
        for (place, row) in all[..rows].iter().enumerate() {
            let sets: Vec<String> =
                cells(&all[(place + step) % rows]).map(|(at, _, value)| format!("v{at}={}", quoted(value))).collect();
            let _ = writeln!(script, "set t {} {}", row[0].as_deref().unwrap(), sets.join(" "));
        }
        script.push_str("commit\n");
    }
    let mut wrong = Vec::new();
    let run = there.shell.script(&script);
    if run.status != 0 {
        for row in &all[..rows] {
            for (at, name, value) in cells(row) {
                let script = format!(
                    "set t {0} v{at}=null\ncommit\nset t {0} v{at}={1}\ncommit",
                    row[0].as_deref().unwrap(),
                    quoted(value)
                );
                let run = there.shell.script(script);
                if run.status != 0 {
                    wrong.push(format!("{name} {value:?} cannot be set: {}", run.stderr));
                }
            }
        }
        judge(&wrong);
        panic!("set one by one, but not together: {}", run.stderr);
    }
    compare("set", &all, &there.rows(), &mut wrong);
    // What is staged is seen by a query before it is in the table.
    let there = Database::new();
    let adds: String = all
        .iter()
        .map(|row| {
            let sets: Vec<String> = cells(row).map(|(at, _, value)| format!(" v{at}={}", quoted(value))).collect();
            format!("add t id={}{}\n", row[0].as_deref().unwrap(), sets.concat())
        })
        .collect();
    let read = ".mode csv\nlist t order by id\n";
    let run = there.shell.script(format!("{adds}{read}commit\n{read}")).ok();
    let shown = csv(&run.stdout);
    let (staged, written) = shown.split_at(shown.len() / 2);
    compare("staged", &written.to_vec(), &staged.to_vec(), &mut wrong);
    compare("added", &all, &there.rows(), &mut wrong);
    // The base of a deletion is what was read.
    let run = there.shell.script("delete t\ncommit\ncount t").ok();
    if run.stdout != "0\n" {
        wrong.push(format!("not deleted: {}{}", run.stdout, run.stderr));
    }
    judge(&wrong);
}

#[test]
fn files_and_dumps_lose_nothing() {
    if !common::postgres::is_there() {
        return;
    }
    let here = Database::new();
    here.fill();
    let all = here.rows();
    let mut wrong = Vec::new();
    for format in ["csv", "tsv", "json", "jsonl"] {
        let file = here.shell.path().join(format!("all.{format}"));
        here.shell.script(format!(".export all.{format} list t order by id")).ok();
        let there = Database::new();
        let run = there.shell.script(format!(".import '{}' t\ncommit", file.display()));
        if run.status != 0 {
            wrong.push(format!("cannot be imported from {format}: {}", run.stderr));
        }
        compare(format, &all, &there.rows(), &mut wrong);
        // Once more, over what is there: nothing differs.
        let again = there.shell.script(format!(".import '{}' t --on-conflict update\ndiff", file.display()));
        if again.status != 0 || again.stderr.contains("updated") || again.stdout.contains("changed") {
            wrong.push(format!("{format} differs from itself: {}{}", again.stdout, again.stderr));
        }
    }
    let there = Database::new();
    there.shell.script(here.shell.script(".dump").ok().stdout).ok();
    compare("dumped", &all, &there.rows(), &mut wrong);
    let there = Database::new();
    there.psql(&here.shell.script(".dump --sql").ok().stdout);
    compare("dumped as SQL", &all, &there.rows(), &mut wrong);
    let there = Database::new();
    here.shell.script(format!(".copy-to {} t", there.url)).ok();
    compare("copied", &all, &there.rows(), &mut wrong);
    judge(&wrong);
}

#[test]
fn every_type_that_can_be_a_key_is_one() {
    if !common::postgres::is_there() {
        return;
    }
    let here = Database::new();
    let mut script = String::new();
    for (at, (name, values)) in TYPES.iter().enumerate() {
        // A type without an order cannot be a primary key, nor an array of such values.
        let _ = write!(script, "do $do$ begin create table k{at} (v {name} primary key, n integer); ");
        for value in *values {
            let _ = write!(script, "insert into k{at} values ({}::{name}, 1) on conflict do nothing; ", quoted(value));
        }
        script.push_str("exception when others then null; end $do$;\n");
    }
    here.psql(&script);
    let tables = here.psql("select relname from pg_class where relname ~ '^k[0-9]+$' and relkind = 'r'");
    let tables: Vec<usize> = tables.lines().skip(1).map(|name| name[1..].parse().unwrap()).collect();
    assert!(tables.len() > 80, "{}", tables.len());
    let read: String = tables.iter().map(|at| format!("select {at}, v from k{at};\n")).collect();
    let keys: Vec<(usize, String)> = csv(&here.psql(&read))
        .into_iter()
        .filter(|row| row[1].as_deref() != Some("v") || row[0].as_deref() != Some("?column?"))
        .map(|row| (row[0].as_deref().unwrap().parse().unwrap(), row[1].clone().unwrap_or_default()))
        .collect();
    let commands = |at: usize, key: &str| {
        let key = quoted(key);
        [
            format!("set k{at} {key} n=2"),
            format!("count k{at} where v = {key} and n = 2"),
            format!("delete k{at} {key}"),
            format!("add k{at} v={key} n=3"),
        ]
    };
    let mut script = String::new();
    for step in 0..4 {
        for (at, key) in &keys {
            let _ = writeln!(script, "{}", commands(*at, key)[step]);
        }
        script.push_str("commit\n");
    }
    let run = here.shell.script(&script);
    let after = here.psql(&read);
    let mut wrong = Vec::new();
    if run.status != 0 || run.stdout != "1\n".repeat(keys.len()) {
        for (at, key) in &keys {
            let run = here.shell.script(commands(*at, key).join("\ncommit\n") + "\ncommit");
            if run.status != 0 || run.stdout != "1\n" {
                wrong.push(format!("{} {key:?} is no key: {}{}", TYPES[*at].0, run.stdout, run.stderr));
            }
        }
        judge(&wrong);
        panic!("keys one by one, but not together: {}", run.stderr);
    }
    let sorted = |text: &str| {
        let mut rows = csv(text);
        rows.sort();
        rows
    };
    let before: Rows = sorted(&after);
    let known: Vec<Option<String>> = before.iter().map(|row| row[1].clone()).collect();
    for (at, key) in &keys {
        let key = (!key.is_empty()).then(|| key.clone());
        if !known.contains(&key) {
            wrong.push(format!("{} {key:?} was not added again", TYPES[*at].0));
        }
    }
    judge(&wrong);
}
