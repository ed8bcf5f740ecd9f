//! The connection to PostgreSQL: how it is made, what happens when it is lost, what Ctrl-C does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::cluster::{Cluster, Setup, USER, binaries, german, over_tcp};
use common::pooler::Pooler;
use common::proxy::{Fault, Moment, Proxy};
use common::{Run, Shell};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// A shell that is told one line after the other.
struct Typing {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Typing {
    fn start(url: &str) -> (Shell, Self) {
        let shell = Shell::empty();
        let mut child = shell
            .command()
            .args([url, "-m", "csv"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        (shell, Self { child, stdin, stdout })
    }

    fn send(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits until a command has said a word of its own.
    fn say(&mut self, word: &str) {
        self.send(&format!(".sql select '{word}' as said;"));
        self.read_until(word);
    }

    fn read_until(&mut self, word: &str) -> String {
        let mut seen = String::new();
        while !seen.contains(word) {
            assert!(self.stdout.read_line(&mut seen).unwrap() > 0, "{seen}{}", self.rest().stderr);
        }
        seen
    }

    fn interrupt(&self) {
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends its input, and gives what it said since.
    fn rest(&mut self) -> Run {
        drop(self.stdin.take());
        let mut stdout = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut stdout).unwrap();
        let mut stderr = String::new();
        std::io::Read::read_to_string(self.child.stderr.as_mut().unwrap(), &mut stderr).unwrap();
        Run { stdout, stderr, status: self.child.wait().unwrap().code().unwrap_or(-1) }
    }
}

fn shell(url: &str, script: &str) -> Run {
    Shell::empty().with(url).run(&["-m", "csv"], script)
}

/// A server with a microblog, john and susan.
fn microblog(setup: Setup) -> Option<Cluster> {
    let cluster = setup.start()?;
    cluster.sql("postgres", "create database shop");
    let script = "db upgrade\nadd user username=john email=j@x\nadd user username=susan email=s@x\ncommit\n";
    shell(&cluster.url("shop"), script).ok();
    Some(cluster)
}

#[test]
fn from_start_to_prompt_in_few_round_trips() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    let proxy = Proxy::to(cluster.port());
    shell(&over_tcp(proxy.port(), "shop"), "").ok();
    let (trips, statements) = (proxy.round_trips(), proxy.statements());
    assert!(trips <= 8, "{trips} round trips:\n{}", statements.join("\n"));
    // The session's parameters go with the first packet. Two are Diesel's own.
    let sets = statements.iter().filter(|sql| sql.to_lowercase().starts_with("set "));
    assert_eq!(sets.count(), 2, "{}", statements.join("\n"));
}

#[test]
fn a_session_says_who_it_is_and_how_it_spells() {
    let Some(cluster) = Setup::default().setting("datestyle", "SQL, DMY").setting("intervalstyle", "iso_8601").start()
    else {
        return;
    };
    cluster.sql("postgres", &format!("alter role {USER} set bytea_output = 'escape'"));
    let asked = ".sql select current_setting('application_name'), current_setting('DateStyle'), \
                 current_setting('IntervalStyle'), current_setting('TimeZone'), current_setting('bytea_output'), \
                 current_setting('work_mem');";
    let url = format!("{}&options=-c%20work_mem%3D5MB", cluster.url("postgres"));
    shell(&url, asked).ok().stdout_has("diesel-shell,\"ISO, YMD\",postgres,UTC,hex,5MB");
    let named = format!("{}&application_name=mine", cluster.url("postgres"));
    shell(&named, asked).ok().stdout_has("mine,\"ISO, YMD\",postgres,UTC,hex,4MB");
    let by_environment = Shell::empty().with(&cluster.url("postgres"));
    let mut command = by_environment.command();
    command.env("PGAPPNAME", "theirs").env("PGOPTIONS", "-c work_mem=6MB").env("PGDATESTYLE", "German");
    let output = command.args(["-m", "csv", "-c", asked]).output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    assert!(seen.contains("theirs,\"ISO, YMD\",postgres,UTC,hex,6MB"), "{seen}");
}

#[test]
fn a_connection_that_is_found_dead_is_made_again_and_the_command_runs() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    let (_folder, mut typing) = Typing::start(&cluster.url("shop"));
    typing.send("count users");
    typing.say("before");
    cluster.kill_backends();
    typing.send("count users");
    typing.say("between");
    cluster.stop();
    cluster.start();
    // Several lines at once.
    typing.send("count users\nadd user username=zoe email=z@x\ncommit\ncount users");
    let run = typing.rest().ok();
    assert_eq!(run.stdout, "count\n2\ncount\n3\n");
    assert_eq!(run.stderr.matches("the connection was lost; it has been made again").count(), 2, "{}", run.stderr);
    assert_eq!(cluster.sql("shop", "select count(*) from users"), "3");
}

#[test]
fn a_server_that_restarts_is_waited_for_and_ctrl_c_ends_that() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    let (_folder, mut typing) = Typing::start(&cluster.url("shop"));
    typing.say("ready");
    cluster.crash();
    typing.send("count users");
    std::thread::sleep(Duration::from_millis(500));
    cluster.start();
    assert_eq!(typing.read_until("2"), "count\n2\n");
    cluster.crash();
    typing.send("count users");
    std::thread::sleep(Duration::from_millis(700));
    let pressed = Instant::now();
    typing.interrupt();
    let run = typing.rest();
    assert!(pressed.elapsed() < Duration::from_secs(5), "{:?}", pressed.elapsed());
    assert_eq!(run.status, 2, "{}", run.stderr);
    run.stderr_has("waiting up to 30 s for it (Ctrl-C gives up)");
}

#[test]
fn of_several_hosts_the_one_that_can_be_written_is_taken_also_after_a_failover() {
    let Some(first) = microblog(Setup::default()) else { return };
    let second = first.replica();
    first.wait_for(&second);
    let url =
        format!("postgresql://{USER}@127.0.0.1:{},127.0.0.1:{}/shop?sslmode=disable", second.port(), first.port());
    let (_folder, mut typing) = Typing::start(&url);
    typing.send("add user username=zoe email=z@x\ncommit");
    typing.say("written");
    first.wait_for(&second);
    first.crash();
    second.promote();
    typing.send("add user username=yan email=y@x\ncommit");
    typing.rest().ok().stderr_has("the connection was lost; it has been made again");
    assert_eq!(second.sql("shop", "select string_agg(username, ' ' order by id) from users"), "john susan zoe yan");
}

#[test]
fn ctrl_c_stops_a_statement_also_after_the_connection_was_made_again() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    for again in [false, true] {
        let (_folder, mut typing) = Typing::start(&cluster.url("shop"));
        typing.say("ready");
        if again {
            cluster.kill_backends();
        }
        typing.send(".sql select pg_sleep(60);");
        wait_until(&cluster, "query like '%pg_sleep(60)%'", 1);
        let pressed = Instant::now();
        typing.interrupt();
        typing.rest().fails(130).stderr_has("interrupted");
        assert!(pressed.elapsed() < Duration::from_secs(5), "{:?}", pressed.elapsed());
        wait_until(&cluster, "query like '%pg_sleep(60)%'", 0);
    }
}

/// Waits until that many other backends are at work with something.
#[track_caller]
fn wait_until(cluster: &Cluster, condition: &str, count: usize) {
    wait_for(cluster, &format!("state = 'active' and {condition}"), count);
}

/// Waits until that many other backends are as described.
#[track_caller]
fn wait_for(cluster: &Cluster, condition: &str, count: usize) {
    let sql = format!("select count(*) from pg_stat_activity where pid <> pg_backend_pid() and {condition}");
    for _ in 0..250 {
        if cluster.sql("postgres", &sql) == count.to_string() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("not {count} with {condition}");
}

#[test]
fn ctrl_c_gives_up_a_connection_on_which_nothing_comes_back() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    let proxy = Proxy::to(cluster.port());
    let (_folder, mut typing) = Typing::start(&over_tcp(proxy.port(), "shop"));
    typing.say("ready");
    proxy.silent(true);
    typing.send("count users");
    std::thread::sleep(Duration::from_millis(300));
    let pressed = Instant::now();
    typing.interrupt();
    std::thread::sleep(Duration::from_millis(200));
    // The second time it is urgent.
    typing.interrupt();
    std::thread::sleep(Duration::from_millis(200));
    proxy.silent(false);
    let run = typing.rest();
    assert!(pressed.elapsed() < Duration::from_secs(8), "{:?}", pressed.elapsed());
    run.stderr_has("the server did not answer to Ctrl-C, so the connection was given up");
}

#[test]
fn what_a_timeout_of_the_server_stopped_is_not_called_interrupted() {
    let Some(cluster) = Cluster::new() else { return };
    let run = shell(&cluster.url("postgres"), ".sql set statement_timeout = 50;\n.sql select pg_sleep(5);").fails(1);
    run.stderr_has("canceling statement due to statement timeout");
}

/// Two transactions that want each other's row: the shell's is the victim, and tries again.
fn deadlock(cluster: &Cluster) -> Run {
    let mut other = Command::new(common::cluster::binaries().unwrap().join("psql"))
        .env_clear()
        .args(["-X", "-q", &cluster.url("shop")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = other.stdin.take().unwrap();
    let (_folder, mut typing) = Typing::start(&cluster.url("shop"));
    typing.send(".set hold off\nset user 1 username=one\nset user 2 username=two");
    typing.say("staged");
    // It waits long before it looks for a deadlock.
    writeln!(stdin, "set deadlock_timeout = '20s'; begin; update users set email = 'other@2' where id = 2;").unwrap();
    wait_for(cluster, "state = 'idle in transaction'", 1);
    typing.send("commit");
    wait_until(cluster, "wait_event_type = 'Lock'", 1);
    writeln!(stdin, "update users set email = 'other@1' where id = 1; commit;").unwrap();
    drop(stdin);
    let run = typing.rest();
    other.wait().unwrap();
    run
}

#[test]
fn errors_are_known_by_their_code_in_any_language() {
    for language in [Some("C"), german()].into_iter().flatten() {
        let Some(cluster) = microblog(Setup::default().setting("lc_messages", language)) else { return };
        let translated = language != "C";
        let run = shell(&cluster.url("shop"), ".sql select * from nowhere;").fails(1);
        assert_eq!(run.stderr.contains("does not exist"), !translated, "{}", run.stderr);
        run.stderr_has("`.tables` lists those that are there");
        let url = cluster.url("shop");
        let run = shell(&url, "add user username=john email=other@x\ncommit").fails(1);
        run.stderr_has("john");
        deadlock(&cluster).ok();
        assert_eq!(cluster.sql("shop", "select deadlocks from pg_stat_database where datname = 'shop'"), "1");
        let rows = cluster.sql("shop", "select string_agg(username || email, ' ' order by id) from users");
        assert_eq!(rows, "oneother@1 twoother@2");
    }
}

#[test]
fn a_connection_that_must_be_encrypted_is() {
    let Some(cluster) = Setup::default().tls().start() else { return };
    let place = |mode: &str, more: &str| {
        format!("postgresql://{USER}@localhost:{}/postgres?hostaddr=127.0.0.1&sslmode={mode}{more}", cluster.port())
    };
    let asked = ".sql select ssl from pg_stat_ssl where pid = pg_backend_pid();";
    shell(&place("require", ""), asked).ok().stdout_has("true");
    std::fs::write(cluster.folder().join("root.crt"), cluster.certificate()).unwrap();
    let root = format!("&sslrootcert={}/root.crt", cluster.folder().display());
    shell(&place("verify-full", &root), asked).ok().stdout_has("true");
    shell(&place("disable", ""), asked).fails(2);
    // Ctrl-C and a lost connection are the same under encryption.
    let (_folder, mut typing) = Typing::start(&place("require", ""));
    typing.say("ready");
    cluster.kill_backends();
    typing.send(".sql select pg_sleep(60);");
    wait_until(&cluster, "query like '%pg_sleep(60)%'", 1);
    typing.interrupt();
    typing.rest().fails(130).stderr_has("the connection was lost; it has been made again").stderr_has("interrupted");
}

#[test]
fn through_a_pooler_in_transaction_mode_no_statement_has_a_name() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    let Some(pooler) = Pooler::to(&cluster) else { return };
    let url = pooler.url("shop");
    // Two sessions at once, whose transactions come to each of two backends.
    let script = "count users\nlist users\nuser 1\nuser 2\ncount users where id > 1\n".repeat(10);
    let sessions: Vec<_> = (0..4)
        .map(|_| {
            let (url, script) = (url.clone(), script.clone());
            std::thread::spawn(move || shell(&url, &script))
        })
        .collect();
    let seen: Vec<String> = sessions.into_iter().map(|session| session.join().unwrap().ok().stdout).collect();
    assert!(seen.iter().all(|text| *text == seen[0]), "sessions saw each other's statements");
    let named = "select count(*) from pg_prepared_statements";
    assert_eq!(shell(&url, &format!(".sql {named};")).ok().stdout, "count\n0\n");
    shell(&url, "add user username=zoe email=z@x\nset user 1 email=new@x\ncommit\ncount users").ok().stdout_has("3");
}

#[test]
fn a_fault_of_the_network_happens_where_it_is_told_to() {
    let Some(cluster) = microblog(Setup::default()) else { return };
    let proxy = Proxy::to(cluster.port());
    let url = over_tcp(proxy.port(), "shop");
    for (moment, arrived) in [(Moment::Before, false), (Moment::At, true), (Moment::After, true)] {
        cluster.sql("shop", "drop table if exists marks");
        proxy.fault(Fault::at("create table marks", moment));
        // By another client, which sends it alone: the shell's own waits for its commit.
        let psql = Command::new(binaries().unwrap().join("psql"))
            .args(["-X", "-c", "create table marks (id int)", &url])
            .output()
            .unwrap();
        assert!(!psql.status.success(), "{moment:?}");
        std::thread::sleep(Duration::from_millis(100));
        let there = cluster.sql("shop", "select to_regclass('marks') is not null");
        assert_eq!(there == "t", arrived, "{moment:?}");
    }
    assert_eq!(proxy.fired(), 3);
    proxy.fault(Fault::at("select", Moment::After).skipping(1).refusing(3));
    shell(&url, ".sql select 1;").fails(2);
}
