//! Three nodes of Citus: reading, changing, conflicts, keys, trying again, a COMMIT in doubt, migrations, a node that is away.
//!
//! They run where `DIESEL_SHELL_CITUS` names the folder with the programs (`initdb`, `pg_ctl`, `psql`) of a PostgreSQL that has
//! Citus. What only asks the catalog is tested everywhere: see `a_catalog_that_says_how_tables_are_spread`.
#![cfg(all(unix, feature = "postgres"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "tests that did not run must be heard of")]

mod common;

use common::Shell as Process;
use common::cluster::{Cluster, Setup, over_tcp};
use common::proxy::{Fault, Moment, Proxy};
use diesel_shell::{ErrorKind, Shell};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A coordinator and two workers.
struct Nodes {
    coordinator: Cluster,
    workers: [Cluster; 2],
    databases: usize,
}

/// The nodes; each test has them for itself. None, and said so, where Citus is not there.
fn nodes() -> Option<MutexGuard<'static, Nodes>> {
    static NODES: OnceLock<Option<Mutex<Nodes>>> = OnceLock::new();
    let nodes = NODES.get_or_init(|| {
        let Some(folder) = std::env::var_os("DIESEL_SHELL_CITUS") else {
            eprintln!(
                "\n*** DIESEL_SHELL_CITUS names no folder with the programs of a PostgreSQL that has Citus: \
                 the tests on three nodes did NOT run ***\n"
            );
            return None;
        };
        let node = || {
            Setup::default()
                .with(Path::new(&folder))
                .setting("shared_preload_libraries", "citus")
                .setting("max_prepared_transactions", "100")
                .setting("citus.shard_count", "8")
                // Each database has a process that finds deadlocks.
                .setting("max_worker_processes", "40")
                .start()
                .expect("a node of Citus")
        };
        Some(Mutex::new(Nodes { coordinator: node(), workers: [node(), node()], databases: 0 }))
    });
    nodes.as_ref().map(|nodes| nodes.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Users and their posts on a node by the user, countries on all of them.
const TABLES: &str = "create table users (id bigserial primary key, name text not null, age int); \
    create table posts (id bigserial, user_id bigint not null references users (id), body text, primary key (user_id, id)); \
    create table countries (code text primary key, name text not null); \
    create table events (at int, what text);";

const SPREAD: &str = "select create_distributed_table('users', 'id'); \
    select create_distributed_table('posts', 'user_id', colocate_with => 'users'); \
    select create_reference_table('countries'); select create_distributed_table('events', 'at', colocate_with => 'none')";

impl Nodes {
    /// A new database on all three; with the tables, or empty.
    fn database(&mut self, tables: bool) -> String {
        self.databases += 1;
        let name = format!("shop_{}", self.databases);
        for node in [&self.coordinator, &self.workers[0], &self.workers[1]] {
            node.sql("postgres", "set citus.enable_create_database_propagation = off");
            node.sql("postgres", &format!("create database {name}"));
            node.sql(&name, "create extension citus");
        }
        self.coordinator
            .sql(&name, &format!("select citus_set_coordinator_host('127.0.0.1', {})", self.coordinator.port()));
        for worker in &self.workers {
            self.coordinator.sql(&name, &format!("select citus_add_node('127.0.0.1', {})", worker.port()));
        }
        if tables {
            // A foreign key between tables is there before they are spread.
            let (tables, spread) = (TABLES.replace(" references users (id)", ""), SPREAD);
            self.coordinator.sql(&name, &tables);
            self.coordinator.sql(&name, spread);
            self.coordinator.sql(&name, "alter table posts add foreign key (user_id) references users (id)");
        }
        name
    }

    fn process(&self, database: &str) -> Process {
        Process::empty().with(&self.coordinator.url(database)).with("--quiet")
    }

    fn shell(&self, database: &str) -> Shell {
        Shell::builder().database(self.coordinator.url(database)).build().unwrap()
    }
}

/// Users n1, n2 and so on, in one script.
fn users(count: usize) -> String {
    (1..=count).map(|at| format!("add user name=n{at} age={}\n", at % 50)).collect::<String>() + "commit\n"
}

#[test]
fn keys_are_those_of_their_own_records() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    let process = nodes.process(&database);
    let mut script = String::new();
    for at in 1..=200 {
        let _ = writeln!(script, "add user name=n{at}\nadd post user=n{at} body=n{at}");
    }
    process.script(script + "commit").ok();
    let wrong = "select count(*) from posts join users on users.id = user_id where body <> name";
    assert_eq!(nodes.coordinator.sql(&database, wrong), "0");
    assert_eq!(nodes.coordinator.sql(&database, "select count(*), count(distinct user_id) from posts"), "200|200");
    // A file that names the users, small enough to be staged and large enough to be streamed.
    for rows in [300, 10_500] {
        nodes.coordinator.sql(&database, "delete from posts");
        let mut csv = String::from("user,body\n");
        (0..rows).for_each(|at| csv.push_str(&format!("n{0},n{0}\n", at % 200 + 1)));
        std::fs::write(process.path().join("posts.csv"), csv).unwrap();
        process.script(".import posts.csv post\ncommit").ok();
        assert_eq!(nodes.coordinator.sql(&database, wrong), "0");
        assert_eq!(nodes.coordinator.sql(&database, "select count(*) from posts"), rows.to_string());
    }
    // At a prompt the key that is shown is the one that is written.
    let mut shell = nodes.shell(&database);
    for at in 0..20 {
        shell.execute(&format!("add user name=p{at}")).unwrap();
        shell.execute(&format!("add post user=p{at} body=p{at}")).unwrap();
    }
    shell.execute("commit").unwrap();
    assert_eq!(nodes.coordinator.sql(&database, wrong), "0");
    // Keys that are brought along are not given again.
    process.script("add user id=5000 name=brought\ncommit\nadd user name=next\ncommit").ok();
    assert_eq!(nodes.coordinator.sql(&database, "select id from users where name = 'next'"), "5001");
}

#[test]
fn every_list_has_an_order_to_its_end() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    let process = nodes.process(&database);
    process.script(users(400)).ok();
    nodes.coordinator.sql(&database, "insert into events select n % 7, 'w' || n from generate_series(1, 400) n");
    for command in [
        "list users show id",
        "list users order by age show id",
        "list events show what",
        "list events order by at show what",
    ] {
        let pages: String = (0..8).map(|page| format!("{command} limit 50 offset {}\n", page * 50)).collect();
        let output = process.run(&["-m", "tsv"], pages).ok().stdout;
        let rows: Vec<&str> = output.lines().filter(|line| !matches!(*line, "id" | "what")).collect();
        assert_eq!((rows.len(), rows.iter().collect::<BTreeSet<_>>().len()), (400, 400), "{command}");
    }
}

#[test]
fn reading_and_changing() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    let process = nodes.process(&database);
    process.script(format!("{}add country code=de name=Germany\nadd post user=n1 body=one\nadd post user=n1 body=two\nadd post user=n2 body=three\ncommit", users(100))).ok();
    process
        .run(
            &["-m", "csv"],
            "count users\ncount posts by user.name order by count desc\nlist posts where user.name = n2 show body, user.name\n\
             sum age of users where age > 40",
        )
        .ok()
        .stdout_has("100\nuser.name,count\nn1,2\nn2,1\nbody,user.name\nthree,n2\n");
    // What is staged is seen, and taken back.
    process
        .script(
            "set user n3 age=99\nadd user name=new\ndelete post where body = two\ncount users\ncount posts\nundo\ncount posts\nredo\n\
             set country de name=Deutschland\nset users where age = 7 age=8\ncommit\ncount users where age = 7\ncount posts\nrollback",
        )
        .ok()
        .stdout("101\n2\n3\n0\n2\n");
    assert_eq!(nodes.coordinator.sql(&database, "select name from countries"), "Deutschland");
    process.script("delete users where id > 50\ncommit\ncount users").ok().stdout("50\n");
    // The column that says on which node a row is cannot change: the database says so.
    process.script("set user n3 id=9999\ncommit").fails(1);
    process
        .script("let u = first users order by name\ndelete user n2 with posts\ncommit\ncount posts")
        .ok()
        .stdout("1\n");
}

#[test]
fn conflicts_are_found() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    nodes.process(&database).script(users(20)).ok();
    let mut shell = nodes.shell(&database);
    shell.execute("set user 1 age=91").unwrap();
    shell.execute("set user 2 age=92").unwrap();
    nodes.coordinator.sql(&database, "update users set age = 77 where id = 1");
    assert_eq!(shell.execute("commit").unwrap_err().kind, ErrorKind::Conflict);
    assert_eq!(nodes.coordinator.sql(&database, "select age from users where id = 2"), "2", "all or nothing");
    shell.execute("keep mine").unwrap();
    shell.execute("commit").unwrap();
    assert_eq!(nodes.coordinator.sql(&database, "select age from users where id in (1, 2) order by id"), "91\n92");
    // Forty changes beside one that somebody else made.
    let mut script: String = (3..=20).map(|id| format!("set user {id} age=40\n")).collect();
    script.push_str(&format!(".sql update users set age = 5 where id = 7;\n{}", "commit\n"));
    nodes.process(&database).script(script).ok();
}

#[test]
fn what_may_be_tried_again_is() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    nodes.process(&database).script(users(10)).ok();
    nodes.coordinator.sql(&database, "update users set age = 0");
    // Each holds its transaction and takes the same rows, which are on several nodes, in another order.
    let runs: Vec<_> = (0..6_usize)
        .map(|writer| {
            let process = nodes.process(&database);
            std::thread::spawn(move || {
                (0..4)
                    .map(|round| {
                        let row = |at: usize| {
                            let id = (at * (2 * writer + 1) + round) % 10 + 1;
                            format!("set users where id = {id} age = {}\n", writer + 1)
                        };
                        process.script((0..10).map(row).collect::<String>() + "commit\n")
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    for run in runs {
        for run in run.join().unwrap() {
            run.ok();
        }
    }
    assert_eq!(nodes.coordinator.sql(&database, "select count(*) from users where age between 1 and 6"), "10");
}

#[test]
fn a_commit_in_doubt_is_looked_up() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    let proxy = Proxy::to(nodes.coordinator.port());
    for (round, moment) in [Moment::Before, Moment::At, Moment::After].into_iter().enumerate() {
        for refused in [0, 2] {
            let mut shell = Shell::builder().database(over_tcp(proxy.port(), &database)).build().unwrap();
            // Rows of several nodes: the transaction is in two phases.
            for at in 0..8 {
                shell.execute(&format!("add user name=d{round}_{refused} age={at}")).unwrap();
            }
            proxy.fault(Fault::at("commit", moment).refusing(refused));
            for _ in 0..20 {
                match shell.execute("commit") {
                    Ok(_) => break,
                    Err(error) => {
                        assert!(matches!(error.kind, ErrorKind::InDoubt | ErrorKind::Connection), "{error:?}");
                    }
                }
            }
            proxy.refuse(0);
            let asked = format!("select count(*) from users where name = 'd{round}_{refused}'");
            assert_eq!(nodes.coordinator.sql(&database, &asked), "8", "{moment:?} {refused}");
        }
    }
}

#[test]
fn migrations_spread_tables_and_keep_them_so() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(false);
    let process = nodes.process(&database);
    let write = |path: &str, text: &str| {
        let path = process.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("diesel.toml", "[print_schema]\nfile = \"src/schema.rs\"\n\n[migrations_directory]\ndir = \"migrations\"\n");
    write(
        "migrations/2026-11-01-000000_users/up.sql",
        "create table users (id bigserial primary key, name text not null);\nselect create_distributed_table('users', 'id');\n",
    );
    write("migrations/2026-11-01-000000_users/down.sql", "drop table users;\n");
    write("migrations/2026-11-02-000000_age/up.sql", "alter table users add column age integer;\n");
    write("migrations/2026-11-02-000000_age/down.sql", "alter table users drop column age;\n");
    process.script("db upgrade").ok();
    process.script(".schema users").ok().stdout_has("User (users), distributed by id\n");
    // What is there is what the project's schema says, and nothing is to be done.
    let schema = process.script("db schema").ok().stdout;
    assert!(
        schema.contains("age -> Nullable<Int4>") && !schema.contains("pg_dist") && !schema.contains("citus"),
        "{schema}"
    );
    write("src/schema.rs", &schema);
    process.script("db check").ok();
    // A change of the models becomes a migration; the table stays where it is.
    write(
        "src/schema.rs",
        &schema.replace("age -> Nullable<Int4>,", "age -> Nullable<Int4>,\n        email -> Nullable<Text>,"),
    );
    process.script("db migrate \"add email\"").ok();
    process.script("db upgrade").ok();
    process.script("add user name=ann email=a@x\ncommit\ndb downgrade").ok();
    let spread = "select partmethod from pg_dist_partition where logicalrelid = 'users'::regclass";
    assert_eq!(nodes.coordinator.sql(&database, spread), "h");
    process.script(".schema users").ok().stdout_has("distributed by id");
    process.script("list users show name").ok().stdout_has("ann");
}

#[test]
fn a_dump_is_read_into_distributed_tables() {
    let Some(mut nodes) = nodes() else { return };
    let (from, to) = (nodes.database(true), nodes.database(true));
    let here = nodes.process(&from);
    here.script(format!(
        "{}add post user=n3 body=x\nadd country code=fr name=France\ncommit\ndelete user n50\ncommit",
        users(50)
    ))
    .ok();
    let dump = here.script(".dump").ok().stdout;
    let there = nodes.process(&to);
    there.script(&dump).ok();
    assert_eq!(there.script(".dump").ok().stdout, dump);
    there.script("add user name=next\ncommit\nlast user show id").ok().stdout_has("51");
}

#[test]
fn a_node_that_is_away_is_named() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    let process = nodes.process(&database);
    process.script(users(20)).ok();
    let mut shell = nodes.shell(&database);
    for at in 0..8 {
        shell.execute(&format!("add user name=away age={at}")).unwrap();
    }
    nodes.workers[1].crash();
    let read = process.script("count users");
    let refused = shell.execute("commit");
    nodes.workers[1].start();
    let port = nodes.workers[1].port().to_string();
    read.fails(1).stderr_has(&port).stderr_has("a server behind it").stderr_lacks("\\t");
    let error = refused.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Database, "{error:?}");
    assert!(error.message.contains(&port), "{error:?}");
    // What was staged is staged.
    shell.execute("commit").unwrap();
    assert_eq!(nodes.coordinator.sql(&database, "select count(*) from users where name = 'away'"), "8");
}

#[test]
fn its_own_tables_are_no_models_and_the_schema_shows_how_others_are_spread() {
    let Some(mut nodes) = nodes() else { return };
    let database = nodes.database(true);
    let process = nodes.process(&database);
    process
        .script(".tables")
        .ok()
        .stdout_has("users")
        .stdout
        .lines()
        .for_each(|line| assert!(!line.contains("citus") && !line.contains("pg_dist"), "{line}"));
    let schema = process.script(".schema").ok().stdout;
    for line in [
        "Country (countries), on every node (a reference table)\n",
        "Event (events), distributed by at\n",
        "Post (posts), distributed by user_id, together with users\n",
    ] {
        assert!(schema.contains(line), "no {line} in\n{schema}");
    }
}

/// The tables that Citus keeps of others, made by hand: what asks them does not need Citus.
#[test]
fn a_catalog_that_says_how_tables_are_spread() {
    let Some(cluster) = Setup::default().setting("allow_system_table_mods", "on").start() else { return };
    let process = Process::empty().with(&cluster.url("postgres")).with("--quiet");
    cluster.sql(
        "postgres",
        "create table users (name text, id int primary key); create table posts (user_id int primary key); \
         create table countries (code text primary key); create table plain (id int primary key); create table tenants (id int primary key); create table kept (id int primary key)",
    );
    process.script(".schema user").ok().stdout_has("User (users)\n");
    cluster.sql(
        "postgres",
        "create table pg_catalog.pg_dist_partition (logicalrelid regclass, partmethod \"char\", partkey text, colocationid int, repmodel \"char\"); \
         insert into pg_catalog.pg_dist_partition values \
         ('users', 'h', '{VAR :varno 1 :varattno 2 :vartype 23 :location -1}', 1, 's'), \
         ('posts', 'h', '{VAR :varno 1 :varattno 1 :vartype 23 :location -1}', 1, 's'), \
         ('countries', 'n', null, 2, 't'), ('tenants', 'n', null, 3, 's'), ('kept', 'n', null, 0, 's')",
    );
    process.script(".schema user").ok().stdout_has("User (users), distributed by id, together with posts\n");
    process.script(".schema country").ok().stdout_has("Country (countries), on every node (a reference table)\n");
    process.script(".schema plain").ok().stdout_has("Plain (plain)\n");
    process.script(".schema tenant").ok().stdout_has("Tenant (tenants), on one node\n");
    process.script(".schema kept").ok().stdout_has("Kept (kept), on the coordinator\n");
}
