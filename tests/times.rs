//! Times in SQLite files: compared as times, whatever their spelling, and written as those beside them are.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;

/// The same five times in a column of each spelling, and in one where all are mixed.
const SPELLINGS: [(&str, [&str; 5]); 9] = [
    (
        "blank",
        [
            "'1996-12-31 23:59:59'",
            "'1997-01-01 00:00:00'",
            "'1997-06-15 10:03:00'",
            "'1997-12-31 00:00:00'",
            "'1998-01-01 00:00:00'",
        ],
    ),
    (
        "fractions",
        [
            "'1996-12-31 23:59:59.000'",
            "'1997-01-01 00:00:00.000'",
            "'1997-06-15 10:03:00.000'",
            "'1997-12-31 00:00:00.000'",
            "'1998-01-01 00:00:00.000'",
        ],
    ),
    (
        "iso",
        [
            "'1996-12-31T23:59:59'",
            "'1997-01-01T00:00:00'",
            "'1997-06-15T10:03:00'",
            "'1997-12-31T00:00:00'",
            "'1998-01-01T00:00:00'",
        ],
    ),
    (
        "utc",
        [
            "'1996-12-31T23:59:59.000000Z'",
            "'1997-01-01T00:00:00.000000Z'",
            "'1997-06-15T10:03:00.000000Z'",
            "'1997-12-31T00:00:00.000000Z'",
            "'1998-01-01T00:00:00.000000Z'",
        ],
    ),
    (
        "zone",
        [
            "'1997-01-01 01:59:59+02:00'",
            "'1997-01-01 02:00:00+02:00'",
            "'1997-06-15 12:03:00+02:00'",
            "'1997-12-31 02:00:00+02:00'",
            "'1998-01-01 02:00:00+02:00'",
        ],
    ),
    ("unix", ["852076799", "852076800", "866368980", "883526400", "883612800"]),
    ("millis", ["852076799000", "852076800000", "866368980000", "883526400000", "883612800000"]),
    ("julian", ["2450449.499988426", "2450449.5", "2450614.91875", "2450813.5", "2450814.5"]),
    (
        "mixed",
        ["852076799", "'1997-01-01'", "'1997-06-15T12:03:00+02:00'", "'1997-12-31 00:00'", "'1998-01-01 00:00:00.000'"],
    ),
];

/// A table for each spelling, with an index on its times.
fn shell(rows_more: usize) -> Shell {
    let shell = Shell::empty().with("times.db");
    let mut script = String::new();
    for (name, times) in SPELLINGS {
        script.push_str(&format!(
            ".sql create table {name} (id integer primary key, at datetime, n integer)\n.sql create index {name}_at on {name} (at)\n"
        ));
        for (index, time) in times.iter().enumerate() {
            script.push_str(&format!(".sql insert into {name} values ({}, {time}, 1)\n", index + 1));
        }
        if rows_more > 0 {
            script.push_str(&format!(
                ".sql with recursive s (v) as (select 1 union all select v + 1 from s where v < {rows_more}) \
                  insert into {name} select 5 + v, at, 2 from {name}, s where id = 3\n"
            ));
        }
    }
    script.push_str(";\ncommit\n");
    shell.run(&["--create"], script).ok();
    shell
}

#[test]
fn conditions_find_every_spelling() {
    let shell = shell(0);
    for (name, _) in SPELLINGS {
        let model = if name == "fractions" { "fraction" } else { name };
        for (condition, wanted) in [
            ("at between '1997-01-01' and '1997-12-31'", "2,3,4"),
            ("at not between '1997-01-01' and '1997-12-31'", "1,5"),
            ("at = '1997-01-01'", "2"),
            ("at = '1997-06-15 10:03'", "3"),
            ("at = '1997-06-15T12:03:00+02:00'", "3"),
            ("at != '1997-01-01'", "1,3,4,5"),
            ("at < '1997-01-01'", "1"),
            ("at <= '1997-01-01'", "1,2"),
            ("at > '1997-12-31'", "5"),
            ("at >= '1997-12-31'", "4,5"),
            ("'1997-12-31' <= at", "4,5"),
            ("at in ('1997-01-01', '1998-01-01 00:00:00')", "2,5"),
            ("at not in ('1997-01-01', '1998-01-01 00:00:00')", "1,3,4"),
            ("not (at = '1997-01-01')", "1,3,4,5"),
            ("at = 852076800", "2"),
            ("at is not null and (at = '1997-01-01' or n = 7)", "2"),
        ] {
            let run = shell.script(format!(".mode csv\nlist {model} where {condition} order by id show id")).ok();
            let found: Vec<&str> = run.stdout.lines().skip(1).collect();
            assert_eq!(found.join(","), wanted, "{name}: {condition}");
        }
        // What is read from the file is found again.
        for (pick, count) in [("first", 1), ("last", 1)] {
            let run = shell.script(format!("let o = {pick} {model}\ncount {model} where at = $o.at")).ok();
            assert_eq!(run.stdout, format!("{count}\n"), "{name}");
        }
        let run = shell.script(format!("let all = list {model}\ncount {model} where at in ($all.at)")).ok();
        assert_eq!(run.stdout, "5\n", "{name}");
    }
}

#[test]
fn orders_groups_and_figures_are_those_of_times() {
    for more in [0, 6_000] {
        let shell = shell(more);
        for (name, times) in SPELLINGS {
            let model = if name == "fractions" { "fraction" } else { name };
            let run = shell.script(format!(".mode csv\nlist {model} where n = 1 order by at desc show id\nfirst {model} order by at show id\nlast {model} order by at show id")).ok();
            let found: Vec<&str> = run.stdout.lines().filter(|line| *line != "id").collect();
            assert_eq!(found, ["5", "4", "3", "2", "1", "1", "5"], "{name}");
            // The same time twice, in other words.
            let twice = format!(
                ".sql insert into {name} values (900001, '1997-01-01T01:00:00.0+01:00', 1), (900002, {}, 1);\n\
                 .mode csv\ncount {model} by at order by count, at\ndistinct at of {model}\nmin at of {model}\nmax at of {model}\nrollback\n",
                times[3]
            );
            let run = shell.script(twice).ok();
            let lines: Vec<&str> = run.stdout.lines().collect();
            let counts: Vec<&str> = lines[1..6].iter().map(|line| line.rsplit(',').next().unwrap()).collect();
            let many = (more + 1).to_string();
            let wanted = if more == 0 { ["1", "1", "1", "2", "2"] } else { ["1", "1", "2", "2", many.as_str()] };
            assert_eq!(counts, wanted, "{name}: {}", run.stdout);
            assert_eq!(lines[6..12].len(), 6, "{name}: {}", run.stdout);
            assert_eq!(lines[12], "min", "{name}: {}", run.stdout);
            assert_eq!(&lines[13][..18], "1996-12-31 23:59:5", "{name}: {}", run.stdout);
            assert_eq!(lines[15], "1998-01-01 00:00:00", "{name}: {}", run.stdout);
        }
    }
}

#[test]
fn indexes_serve_times() {
    let shell = shell(6_000);
    for (name, _) in SPELLINGS {
        let model = if name == "fractions" { "fraction" } else { name };
        for command in [
            "where at = '1997-01-01'",
            "where at between '1997-01-01' and '1997-12-31'",
            "where at > '1997-12-31' order by at",
            "where at in ('1997-01-01', '1998-01-01')",
        ] {
            if name == "mixed" {
                continue;
            }
            let plan = shell.script(format!(".explain list {model} {command}")).ok().stdout;
            assert!(plan.contains(&format!("USING INDEX {name}_at")), "{name} {command}: {plan}");
            assert!(!plan.contains("SCAN"), "{name} {command}: {plan}");
        }
        let plan = shell.script(format!(".explain list {model} order by at limit 10")).ok().stdout;
        assert_eq!(!plan.contains("TEMP B-TREE"), name != "mixed", "{name}: {plan}");
    }
}

#[test]
fn values_are_written_as_those_beside_them_are() {
    let shell = shell(0);
    for (name, _) in SPELLINGS {
        let model = match name {
            "fractions" => "fraction",
            other => other,
        };
        let script = format!(
            "add {model} id=6 at='1999-02-03 04:05:06' n=3\nadd {model} id=7 at=now n=3\nset {model} 1 at='1999-02-03T04:05:06Z'\ncommit\n\
             .mode csv\n.sql select at from {name} where id in (1, 6) order by id\n\
             .sql select count(distinct typeof(at) || length(at) || substr(at, 11, 1)) from {name};\n\
             list {model} where at = '1999-02-03 04:05:06' show id\n"
        );
        let run = shell.script(script).ok();
        let lines: Vec<&str> = run.stdout.lines().collect();
        let text = lines[1];
        let wanted = match name {
            "blank" | "mixed" => "1999-02-03 04:05:06",
            "fractions" => "1999-02-03 04:05:06.000",
            "iso" => "1999-02-03T04:05:06",
            "utc" => "1999-02-03T04:05:06.000000Z",
            "zone" => "1999-02-03 06:05:06+02:00",
            "unix" => "918014706",
            "millis" => "918014706000",
            _ => "2451212.67020",
        };
        assert!(text.starts_with(wanted), "{name}: {}", run.stdout);
        if !matches!(name, "mixed" | "julian" | "unix" | "millis") {
            assert_eq!(lines[4], "1", "{name}: {}", run.stdout);
        }
        assert_eq!(&lines[5..], ["id", "1", "6"], "{name}: {}", run.stdout);
    }
}

#[test]
fn changes_of_times_conflict_only_with_other_times() {
    for (name, _) in SPELLINGS {
        let shell = shell(0);
        let model = if name == "fractions" { "fraction" } else { name };
        let script = format!(
            "set {model} 3 at='1997-06-16'\nset {model} 3 at='1997-06-17'\nset {model} 3 n=5\nset {model} 2 at=null\ncommit\n\
             delete {model} 4\ncommit\ncount {model} where at = '1997-06-17' and n = 5\ncount {model}"
        );
        shell.script(script).ok().stdout("1\n4\n");
    }
}

#[test]
fn days_and_times_of_day_have_spellings_too() {
    let shell = Shell::empty().with("days.db");
    shell
        .run(
            &["--create"],
            ".sql create table days (id integer primary key, day date, hour time)\n\
             .sql insert into days values (1, '1997-01-01', '09:30'), (2, '1997-01-01 00:00:00', '09:30:00'), (3, '1997-01-01T10:00:00', '09:30:00.000'), \
              (4, 19970101, '09:30:01'), (5, 852076800, null), (6, 2450449.5, null), (7, '1997-01-02', '10:00');\ncommit\n",
        )
        .ok();
    for (condition, count) in [
        ("day = '1997-01-01'", 6),
        ("day > '1997-01-01'", 1),
        ("day <= '1997-01-01'", 6),
        ("day between '1997-01-01' and '1997-01-01'", 6),
        ("day in ('1997-01-01')", 6),
        ("day = 19970101", 6),
        ("hour = '09:30'", 3),
        ("hour > '09:30'", 2),
        ("hour between '09:30' and '09:31'", 4),
    ] {
        shell.script(format!("count days where {condition}")).ok().stdout(&format!("{count}\n"));
    }
    // Relationships, functions and several columns.
    shell
        .script("count days where day = day\ndistinct day of days where id in (7, 1)\nlist days where id = 1 and day = '1997-01-01' format '{day}'")
        .ok()
        .stdout_has("1997-01-01\n");
}

#[test]
fn what_is_no_time_stays_what_it_is() {
    let shell = Shell::empty().with("odd.db");
    shell
        .run(
            &["--create"],
            ".sql create table odd (id integer primary key, at datetime)\n\
             .sql insert into odd values (1, '7/4/1996'), (2, 'soon'), (3, x'00ff'), (4, '1996-07-04'), (5, null), (6, '');\ncommit\n",
        )
        .ok();
    shell.script("count odd where at = '1996-07-04'").ok().stdout("1\n");
    shell.script("count odd where at is null").ok().stdout("1\n");
    shell.script(".mode csv\nlist odd where id < 3").ok().stdout("id,at\n1,7/4/1996\n2,soon\n");
    shell.script("list odd order by at").ok();
    shell.script("set odd 1 at='1997-01-01'\nset odd 2 at=null\ndelete odd 3\ncommit\ncount odd").ok().stdout("5\n");
}
