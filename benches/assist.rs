//! How long Tab takes: `cargo bench --bench assist`.
//!
//! Pure completion on a thousand tables is to stay under 2 ms; with a lookup among a million users, under 50 ms.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on fails, and prints what it found"
)]

use diesel_shell::assist::{World, complete};
use diesel_shell::database::sqlite::{Open, SqliteStore};
use diesel_shell::model::{Catalog, Cell, EntityId, Value, infer};
use diesel_shell::store::{RawSink, Store};
use std::path::Path;
use std::time::{Duration, Instant};

struct Nothing;

impl World for Nothing {
    fn variables(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn variable(&self, _: &str) -> Option<EntityId> {
        None
    }
    fn settings(&self) -> Vec<(String, Vec<String>)> {
        Vec::new()
    }
    fn revisions(&self) -> Vec<(String, String)> {
        Vec::new()
    }
    fn savepoints(&self) -> Vec<String> {
        Vec::new()
    }
    fn connections(&self) -> Vec<String> {
        Vec::new()
    }
    fn files(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
    fn values(&self, _: EntityId, _: usize, _: &str) -> Vec<(Value, Option<String>)> {
        Vec::new()
    }
}

struct Silent;

impl RawSink for Silent {
    fn columns(&mut self, _: &[String]) -> diesel_shell::Result<()> {
        Ok(())
    }
    fn row(&mut self, _: &[Cell<'_>]) -> diesel_shell::Result<bool> {
        Ok(true)
    }
}

/// The median of many runs.
fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let mut store = SqliteStore::open(Path::new(":memory:"), Open::Create).unwrap();
    for n in 0..1_000 {
        let sql = format!(
            "create table t{n} (id integer primary key, name text unique, t{n}_id int references t{n}, a int, b text)"
        );
        store.raw(&sql, &mut Silent).unwrap();
    }
    let mut catalog = Catalog::default();
    infer::add_tables(&mut catalog, store.tables().unwrap());
    println!("| completion on 1,000 tables | median | goal |");
    println!("| --- | ---: | ---: |");
    for line in ["", "li", "list t99", "list t999 where na", "list t5 where t5.t5.t5.na", "add t7 name=x "] {
        let time = median(|| {
            std::hint::black_box(complete(line, line.len(), &catalog, &Nothing));
        });
        println!("| `{line}` | {:.3} ms | 2 ms |", time.as_secs_f64() * 1000.0);
    }
    let line = "list t999 where name like 'x%' and id in (1, 2, 3) order by name";
    let time = median(|| {
        std::hint::black_box(diesel_shell::assist::classes(line, &catalog, &|_| None));
    });
    println!("| colours of a line | {:.3} ms | 2 ms |", time.as_secs_f64() * 1000.0);
}
