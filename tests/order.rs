//! Every list has an order to its end, so that pages neither repeat a row nor leave one out.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both};
use std::collections::BTreeSet;

/// A shell on a database with a table that a statement makes, and 200 rows of it.
fn with(table: &str, row: impl Fn(usize) -> String) -> Shell {
    let shell = Shell::new();
    // In no order of any column.
    let rows: Vec<String> = (0..200).map(|at| format!("({})", row(at * 77 % 200))).collect();
    let name = table.split(' ').nth(2).unwrap();
    shell.script(format!(".sql {table};\n.sql insert into {name} values {};\ncommit\n", rows.join(", "))).ok();
    shell
}

/// Reads pages of ten until one is empty; each row must come once.
#[track_caller]
fn all_pages(shell: &Shell, command: &str) -> Vec<String> {
    let pages: Vec<String> = (0..20).map(|page| format!("{command} limit 10 offset {}", page * 10)).collect();
    let seen = shell.run(&["-m", "tsv"], pages.join("\n")).ok().stdout;
    let mut lines = seen.lines();
    let header = lines.next().unwrap().to_owned();
    let rows: Vec<String> = lines.filter(|line| *line != header).map(str::to_owned).collect();
    let distinct: BTreeSet<&String> = rows.iter().collect();
    assert_eq!((rows.len(), distinct.len()), (200, 200), "{command}: pages repeat rows or leave some out");
    rows
}

#[test]
fn behind_what_was_asked_for_stands_the_key() {
    both(|| {
        let shell = with("create table parcels (code varchar(20) primary key, sort varchar(20) not null)", |at| {
            format!("'c{at:03}', 's{}'", at % 3)
        });
        let rows = all_pages(&shell, "list parcels order by sort");
        assert_eq!(rows[..2], ["c000\ts0", "c003\ts0"]);
        let rows = all_pages(&shell, "list parcels order by sort desc");
        assert_eq!(rows[..2], ["c197\ts2", "c194\ts2"]);
        let rows = all_pages(&shell, "list parcels");
        assert_eq!(rows[..2], ["c000\ts0", "c001\ts1"]);
        let last = shell.run(&["-m", "tsv"], "last parcels order by sort show code").ok();
        assert_eq!(last.stdout, "code\nc197\n");
    });
}

#[test]
fn keys_of_several_columns_are_an_order_too() {
    both(|| {
        let shell =
            with("create table seats (line varchar(9), number int, free int, primary key (line, number))", |at| {
                format!("'r{}', {at}, {}", at % 7, at % 2)
            });
        let rows = all_pages(&shell, "list seats order by free");
        assert_eq!(rows[..3], ["r0\t0\t0", "r0\t14\t0", "r0\t28\t0"]);
    });
}

#[test]
fn a_table_without_a_key_is_paged_by_all_its_columns() {
    both(|| {
        let shell = with("create table events (kind varchar(9), at int, what varchar(20))", |at| {
            format!("'k{}', {}, 'w{at}'", at % 2, at % 5)
        });
        let rows = all_pages(&shell, "list events");
        assert_eq!(rows[..2], ["k0\t0\tw0", "k0\t0\tw10"]);
        let rows = all_pages(&shell, "list events order by at desc");
        assert_eq!(rows[..2], ["k1\t4\tw99", "k1\t4\tw9"]);
    });
}

#[test]
fn groups_and_distinct_values_have_an_order_to_their_end() {
    both(|| {
        let shell = with("create table visits (id int primary key, page varchar(9), site varchar(9))", |at| {
            format!("{at}, 'p{}', 's{}'", at % 20, at % 4)
        });
        let counts = shell.run(&["-m", "tsv"], "count visits by page order by count limit 3").ok().stdout;
        assert_eq!(counts, "page\tcount\np0\t10\np1\t10\np10\t10\n");
        let distinct = shell.run(&["-m", "tsv"], "distinct site, page of visits order by site limit 2").ok().stdout;
        assert_eq!(distinct, "site\tpage\ns0\tp0\ns0\tp12\n");
    });
}

#[cfg(all(unix, feature = "postgres"))]
#[test]
fn types_that_have_no_order_are_left_out_of_it() {
    if !common::postgres::is_there() {
        return;
    }
    let url = common::postgres::database(std::path::Path::new(env!("CARGO_BIN_EXE_diesel-shell")));
    let shell = Shell::empty().with(&url);
    let script = ".sql create type mood as enum ('sad', 'happy');\n\
        .sql create table odds (place point, data json, more jsonb, tags text[], mood mood, number int);\n\
        .sql insert into odds select point(1, n), '{}', '{}', '{}', 'sad', n from generate_series(1, 30) n;\n\
        commit\nlist odds limit 3 show number\nlast odds show number";
    shell.run(&["-m", "tsv"], script).ok().stdout_has("number\n1\n2\n3\n").stdout_has("number\n30\n");
}
