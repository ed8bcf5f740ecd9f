//! `set ... where` and `delete ... where` of many rows, side by side with the UPDATE and DELETE of sqlite3 and psql: in a
//! script, where they are one statement, and at a prompt, where every row is staged with its old values.

use super::distance::Prompt;
use super::{Bench, Measure, SHELL, heading, pair, row, run};
use std::time::Duration;

/// Rows of the table, of which 56 of 100 are changed.
const ROWS: usize = 600_000;

const UPDATE: &str = "update lines set mode = 'RAIL' where quantity > 21";
const DELETE: &str = "delete from lines where quantity > 21";

/// On a file.
pub fn sqlite(bench: &Bench) {
    let (out, full) = (bench.file("out"), bench.file("bench-full.db"));
    let fill = format!(
        "create table lines (order_id int, line int, quantity int, mode varchar(10), comment varchar(44), primary key (order_id, line)); \
         with recursive n(i) as (select 0 union all select i + 1 from n where i < {ROWS} - 1) insert into lines \
         select i / 4, i % 4, i * 7919 % 50, case i % 3 when 0 then 'TRUCK' when 1 then 'SHIP' else 'AIR' end, \
         'a comment of some length ' || i from n"
    );
    run("sqlite3", &[full.to_str().unwrap(), &fill], None, &out);
    let fresh = |name: &str| {
        let path = bench.file(name);
        std::fs::copy(&full, &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    heading("336,000 of 600,000 rows, SQLite");
    for (ours, theirs) in
        [("set lines where quantity > 21 mode=RAIL", UPDATE), ("delete lines where quantity > 21", DELETE)]
    {
        let verb = ours.split(' ').next().unwrap();
        let other = || run("sqlite3", &[&fresh("bench-theirs.db"), theirs], None, &out);
        let script =
            pair(|| run(SHELL, &[&fresh("bench-ours.db"), "-q", "-c", ours, "-c", "commit"], None, &out), other);
        row(&format!("`{verb} ... where` in a script, and commit; sqlite3"), script, "1.30");
        let prompt = pair(|| staged(bench, &fresh("bench-ours.db"), ours), other);
        row(&format!("the same at a prompt, staged; sqlite3's {verb}"), prompt, "3.00");
        println!(
            "| memory of a row that is staged | {:.0} bytes, its values counted | | | | | |",
            prompt.0.memory as f64 * 1024.0 / (ROWS as f64 * 0.56)
        );
    }
}

/// Stages a command at a prompt; its memory is what it took beyond what the shell had before.
fn staged(bench: &Bench, database: &str, command: &str) -> Measure {
    let (mut prompt, _) = Prompt::start(&bench.folder, database);
    prompt.line(".set confirm 1000000");
    let before = peak(prompt.process());
    let time = prompt.line(command);
    let memory = peak(prompt.process()).saturating_sub(before);
    prompt.line("rollback");
    Measure { time, work: Duration::ZERO, memory }
}

/// The most memory that a process has had, in KiB; 0 where it cannot be told.
fn peak(process: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// On a server of its own, 100,000 of 200,000 rows.
#[cfg(feature = "postgres")]
pub fn postgres(url: &str, bench: &Bench) {
    let out = bench.file("out");
    let psql = |sql: &str| run("psql", &[url, "-q", "-c", sql], None, &out);
    let full = || {
        psql("truncate users, posts restart identity cascade");
        psql(
            "insert into users (username, email) select 'user' || n, 'user' || n || '@x' from generate_series(1, 200000) n",
        );
        psql("vacuum analyze users");
    };
    for (ours, theirs) in [
        ("set users where id > 100000 password_hash=x", "update users set password_hash = 'x' where id > 100000"),
        ("delete users where id > 100000", "delete from users where id > 100000"),
    ] {
        let verb = ours.split(' ').next().unwrap();
        let both = pair(
            || {
                full();
                run(SHELL, &[url, "-q", "-c", ours, "-c", "commit"], None, &out)
            },
            || {
                full();
                psql(theirs)
            },
        );
        row(&format!("`{verb} ... where` of 100,000 rows; psql"), both, "1.30");
    }
}
