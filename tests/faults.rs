//! Faults at random moments, some hundreds of each kind: of what was acknowledged everything is there once; of what was not,
//! all or nothing, and once after the next commit that is acknowledged; what was staged is staged; the words say what is
//! known and what is not; the next command works.
//!
//! `FAULTS=2000 cargo test --test faults` runs as many of each kind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(unix, feature = "postgres"))]

mod common;

use common::cluster::{Cluster, Setup, USER, german, over_tcp};
use common::observer::{Observer, Random, Said, script};
use common::pooler::Pooler;
use common::proxy::{Fault, Moment, Proxy};
use diesel_shell::session::State;
use diesel_shell::{Error, ErrorKind, Shell};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, Instant};

/// How many faults of each kind.
fn rounds() -> usize {
    std::env::var("FAULTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// Does the same on several servers at once, each with its share of the faults: most of the time is spent waiting.
fn spread(servers: usize, work: impl Fn(u64, usize) + Sync) {
    std::thread::scope(|scope| {
        for seed in 0..servers {
            let work = &work;
            scope.spawn(move || work(seed as u64, rounds().div_ceil(servers)));
        }
    });
}

const MOMENTS: [Moment; 3] = [Moment::Before, Moment::At, Moment::After];

/// Keys by a sequence, by the database's own making, and none at all.
const TABLES: &str = "create table items (id serial primary key, name text not null, price numeric(10,2)); \
    create table tokens (id uuid primary key default gen_random_uuid(), name text not null); \
    create table notes (name text not null)";

/// Everything that the tables hold.
fn state(observer: &mut Observer) -> Vec<String> {
    let text = observer.ask(
        "select coalesce(string_agg(t, ',' order by t collate \"C\"), '') as text from (select 'items ' || name as t from items \
         union all select 'tokens ' || name from tokens union all select 'notes ' || name from notes) as t",
    );
    text.split(',').filter(|row| !row.is_empty()).map(str::to_owned).collect()
}

/// What a round does, and what there is before and behind it.
#[derive(Debug)]
struct Work {
    commands: Vec<String>,
    before: Vec<String>,
    after: Vec<String>,
}

impl Work {
    /// New records of all sorts, one that changes and one that goes.
    fn new(round: usize, random: &mut Random, observer: &mut Observer) -> Self {
        for table in ["items", "tokens", "notes"] {
            observer.run(&format!("delete from {table}"));
        }
        let base = round * 10 + 1_000_000;
        observer.run(&format!(
            "insert into items (id, name) values ({base}, 'kept'), ({}, 'old'), ({}, 'gone')",
            base + 1,
            base + 2
        ));
        let before = vec!["items gone".to_owned(), "items kept".into(), "items old".into()];
        let (mut after, mut commands) = (before.clone(), Vec::new());
        for add in 0..=random.below(3) {
            let (table, name) = (random.of(&["items", "tokens", "notes"]), format!("r{round}n{add}"));
            commands.push(format!("add {table} name={name}"));
            after.push(format!("{table} {name}"));
        }
        if random.below(2) == 0 {
            commands.push(format!("set item {} name=new price=1.5", base + 1));
            after[2] = "items new".into();
        }
        if random.below(2) == 0 {
            commands.push(format!("delete item {}", base + 2));
            after.remove(0);
        }
        after.sort();
        Self { commands, before, after }
    }

    /// Whether its tables without a key keep anybody from telling by the rows.
    fn is_untellable(&self, error: &Error) -> bool {
        let untellable = error.hints.iter().any(|hint| hint.starts_with("cannot be told: "));
        assert!(!untellable || self.commands.iter().any(|command| command.starts_with("add notes")), "{error:?}");
        untellable
    }
}

fn shell(url: &str) -> Shell {
    let began = Instant::now();
    loop {
        match Shell::builder().database(url).build() {
            Ok(shell) => return shell,
            Err(error) => assert!(began.elapsed() < Duration::from_secs(60), "{error:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a command until it works; the connection alone may be in its way.
fn insist(shell: &mut Shell, command: &str) {
    let began = Instant::now();
    while let Err(error) = shell.execute(command) {
        assert!(matches!(error.kind, ErrorKind::Connection | ErrorKind::Busy), "{command}: {error:?}");
        assert!(began.elapsed() < Duration::from_secs(60), "{command}: {error:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Stages what a round does. A fault may be in the way of a change; it is then not staged, and can be staged again.
fn stage(shell: &mut Shell, work: &Work) {
    for (at, command) in work.commands.iter().enumerate() {
        insist(shell, command);
        assert_eq!(shell.session().staged(), at + 1, "{command} of {work:?}");
    }
}

/// Commits until that is acknowledged, and looks at everything that is promised on the way.
fn commit(shell: &mut Shell, work: &Work, observer: &mut Observer, calm: impl Fn()) {
    let began = Instant::now();
    let mut answer = shell.execute("commit");
    calm();
    while let Err(error) = answer {
        let found = state(observer);
        let in_doubt = error.kind == ErrorKind::InDoubt;
        assert!(in_doubt || matches!(error.kind, ErrorKind::Connection | ErrorKind::Busy), "{error:?}");
        assert_eq!(shell.session().state() == State::InDoubt, in_doubt, "{error:?}");
        // All or nothing; and what is known not to be written is staged.
        assert!(found == work.before || (in_doubt && found == work.after), "{found:?}\n{work:?}\n{error:?}");
        assert_eq!(shell.session().staged(), work.commands.len(), "{error:?}");
        if in_doubt {
            let hints = error.hints.join("\n");
            assert!(error.message.contains("not known") && hints.contains("`rollback`"), "{error:?}");
        }
        if work.is_untellable(&error) {
            // A person looks, and decides.
            insist(shell, "status");
            if found == work.after {
                shell.execute("rollback").unwrap();
                break;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it is never acknowledged: {error:?}");
        std::thread::sleep(Duration::from_millis(10));
        answer = shell.execute("commit");
    }
    assert_eq!(state(observer), work.after, "{work:?}");
    assert_eq!(shell.session().state(), State::Clean);
    insist(shell, "count items");
}

/// What stands between the shell and the server, and how they speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    /// The server's messages are in German.
    German,
    /// Whoever comes must encrypt.
    Encrypted,
    /// Through PgBouncer, in transaction mode.
    Pooled,
}

/// A server, and how it is reached: through a proxy, whatever else is on the way.
struct Place {
    cluster: Arc<Cluster>,
    _pooler: Option<Pooler>,
    proxy: Proxy,
    url: String,
}

impl Place {
    /// None, and said so, where something for it is not installed.
    fn new(way: Way) -> Option<Self> {
        let setup = match way {
            Way::German => Setup::default().setting("lc_messages", german()?),
            Way::Encrypted => Setup::default().tls(),
            Way::Plain | Way::Pooled => Setup::default(),
        };
        let cluster = setup.start()?;
        cluster.sql("postgres", TABLES);
        let pooler = if way == Way::Pooled { Some(Pooler::to(&cluster)?) } else { None };
        let proxy = Proxy::to(pooler.as_ref().map_or(cluster.port(), Pooler::port));
        let url = match way {
            Way::Encrypted => format!("postgresql://{USER}@127.0.0.1:{}/postgres?sslmode=require", proxy.port()),
            _ => over_tcp(proxy.port(), "postgres"),
        };
        Some(Self { cluster: Arc::new(cluster), _pooler: pooler, proxy, url })
    }
}

fn each_way(work: fn(Way)) {
    std::thread::scope(|scope| {
        for way in [Way::Plain, Way::German, Way::Encrypted, Way::Pooled] {
            scope.spawn(move || work(way));
        }
    });
}

/// Kills the shell's backend somewhere in what it sends.
fn killed(way: Way) {
    let Some(place) = Place::new(way) else { return };
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(1));
    let killer = Arc::new(Mutex::new(Observer::new(&place.cluster)));
    let mut shell = shell(&place.url);
    let mut round = 0;
    while place.proxy.fired() < rounds() {
        round += 1;
        let work = Work::new(round, &mut random, &mut observer);
        let (killer, late) = (Arc::clone(&killer), random.below(4) as u64);
        let kill = move || {
            let killer = Arc::clone(&killer);
            let kill = move || killer.lock().unwrap().kill();
            if late == 0 {
                kill();
            } else {
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_micros(late * 300));
                    kill();
                });
            }
        };
        place.proxy.fault(Fault::at("", Moment::Never).skipping(random.below(30)).doing(kill));
        stage(&mut shell, &work);
        commit(&mut shell, &work, &mut observer, || place.proxy.calm());
    }
}

#[test]
fn a_backend_is_killed() {
    each_way(killed);
}

/// Stops the server as a power cut would, somewhere in what the shell sends, and starts it again.
fn restarted(seed: u64, rounds: usize) {
    let Some(place) = Place::new(Way::Plain) else { return };
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(seed));
    let mut shell = shell(&place.url);
    let mut round = 0;
    while place.proxy.fired() < rounds {
        round += 1;
        let work = Work::new(round, &mut random, &mut observer);
        let cluster = Arc::clone(&place.cluster);
        let restart = move || {
            cluster.crash();
            cluster.start();
        };
        // As likely at COMMIT as anywhere before it.
        let (statement, skip) = if random.below(2) == 0 { ("commit", 0) } else { ("", random.below(30)) };
        let moment = random.of(&[Moment::Never, Moment::At, Moment::After]);
        place.proxy.fault(Fault::at(statement, moment).skipping(skip).doing(restart));
        stage(&mut shell, &work);
        commit(&mut shell, &work, &mut observer, || place.proxy.calm());
    }
}

#[test]
fn a_server_is_restarted_at_once() {
    spread(4, restarted);
}

/// Loses the answer to COMMIT at a prompt, or COMMIT itself.
fn doubted(way: Way) {
    let Some(place) = Place::new(way) else { return };
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(3));
    let mut shell = shell(&place.url);
    let mut round = 0;
    while place.proxy.fired() < rounds() {
        round += 1;
        let work = Work::new(round, &mut random, &mut observer);
        stage(&mut shell, &work);
        let refused = random.of(&[0, 0, 1, 1, 2, 4]);
        // What is encrypted has no text: then it is somewhere in what a commit sends.
        let (statement, skip) = if way == Way::Encrypted { ("", random.below(12)) } else { ("commit", 0) };
        place.proxy.fault(Fault::at(statement, random.of(&MOMENTS)).skipping(skip).refusing(refused));
        commit(&mut shell, &work, &mut observer, || place.proxy.calm());
    }
}

#[test]
fn a_commit_at_a_prompt_is_in_doubt() {
    each_way(doubted);
}

/// What came of a script whose COMMIT was in doubt; whether it has to be run again.
#[track_caller]
fn judge<T: PartialEq + std::fmt::Debug>(run: &(u8, String), found: &T, before: &T, after: &T) -> bool {
    let (status, said) = run;
    match status {
        0 => assert_eq!(found, after, "{said}"),
        4 => assert!(said.contains("not known") && (found == before || found == after), "{found:?}\n{said}"),
        _ => assert_eq!(found, before, "{status}: {said}"),
    }
    found == before
}

#[test]
fn a_commit_in_a_script_is_in_doubt() {
    spread(2, scripted);
}

fn scripted(seed: u64, rounds: usize) {
    let Some(place) = Place::new(Way::Plain) else { return };
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(seed + 40));
    for round in 0..rounds {
        let work = Work::new(round, &mut random, &mut observer);
        let text = format!("{}\ncommit\n", work.commands.join("\n"));
        // One that refuses for longer than it is asked for takes long.
        let refused = if random.below(100) == 0 { 100_000 } else { random.of(&[0, 1, 2, 4]) };
        place.proxy.fault(Fault::at("commit", random.of(&MOMENTS)).refusing(refused));
        let run = script(&place.url, &text);
        place.proxy.calm();
        let found = state(&mut observer);
        if judge(&run, &found, &work.before, &work.after) {
            assert_eq!(script(&place.url, &text).0, 0);
            assert_eq!(state(&mut observer), work.after);
        }
    }
    assert_eq!(place.proxy.fired(), rounds);
}

#[test]
fn a_commit_of_an_import_is_in_doubt() {
    spread(2, imported);
}

fn imported(seed: u64, rounds: usize) {
    let Some(place) = Place::new(Way::Plain) else { return };
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(seed + 50));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.csv");
    // More than is staged, so that it is written in a transaction of its own.
    let rows = 10_001;
    std::fs::write(&file, format!("name\n{}", "imported\n".repeat(rows))).unwrap();
    let text = format!(".import {} notes\n", file.display());
    let count = |observer: &mut Observer| observer.ask("select count(*)::text as text from notes");
    let (before, after) = ("0".to_owned(), rows.to_string());
    while place.proxy.fired() < rounds {
        observer.run("delete from notes");
        place.proxy.fault(Fault::at("commit", random.of(&MOMENTS)).refusing(random.of(&[0, 1, 4])));
        let run = script(&place.url, &text);
        place.proxy.calm();
        let found = count(&mut observer);
        judge(&run, &found, &before, &after);
    }
}

#[test]
fn a_commit_of_a_copy_is_in_doubt() {
    spread(3, copied);
}

fn copied(seed: u64, rounds: usize) {
    let (Some(place), Some(from)) = (Place::new(Way::Plain), Cluster::new()) else { return };
    from.sql("postgres", TABLES);
    from.sql("postgres", "insert into items (name) values ('one'), ('two')");
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(seed + 60));
    let (before, after) = (Vec::new(), vec!["items one".to_owned(), "items two".into()]);
    for _ in 0..rounds {
        observer.run("delete from items");
        place.proxy.fault(Fault::at("commit", random.of(&MOMENTS)).refusing(random.of(&[0, 1, 4])));
        let run = script(&from.url("postgres"), &format!(".copy-to {} items\n", place.url));
        place.proxy.calm();
        let found = state(&mut observer);
        judge(&run, &found, &before, &after);
    }
    assert_eq!(place.proxy.fired(), rounds);
}

/// How many sessions are in doubt at a failover.
const SESSIONS: usize = 20;

#[test]
fn a_server_fails_over() {
    let Some(mut first) = Cluster::new() else { return };
    first.sql("postgres", TABLES);
    for round in 0..rounds().div_ceil(SESSIONS) {
        let second = first.replica();
        let proxies: Vec<Proxy> = (0..SESSIONS).map(|_| Proxy::to(first.port())).collect();
        let (cut, gone) = (Barrier::new(SESSIONS / 2 + 1), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for (at, proxy) in proxies.iter().enumerate() {
                let (cut, gone, second) = (&cut, &gone, &second);
                scope.spawn(move || {
                    let late = (at % 2 == 1).then_some(cut);
                    fail_over(round * SESSIONS + at, late, gone, proxy, second);
                });
            }
            let fired = |late: usize| {
                while proxies.iter().enumerate().any(|(at, proxy)| at % 2 == late && proxy.fired() == 0) {
                    std::thread::sleep(Duration::from_millis(5));
                }
                std::thread::sleep(Duration::from_millis(50));
            };
            // Half of them are replicated, half of them are not.
            fired(0);
            first.wait_for(&second);
            second.sql("postgres", "alter system set primary_conninfo = ''");
            second.sql("postgres", "select pg_reload_conf()");
            while second.sql("postgres", "select count(*) from pg_stat_wal_receiver") != "0" {
                std::thread::sleep(Duration::from_millis(20));
            }
            cut.wait();
            fired(1);
            gone.store(true, Ordering::SeqCst);
            first.crash();
            second.promote();
        });
        first = second;
    }
}

/// One session over a failover: it is in doubt before its server is gone.
fn fail_over(number: usize, late: Option<&Barrier>, gone: &AtomicBool, proxy: &Proxy, second: &Cluster) {
    let mut random = Random::new(number as u64 + 100);
    let url = format!(
        "postgresql://{USER}@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable&target_session_attrs=read-write",
        second.port(),
        proxy.port()
    );
    let mut shell = shell(&url);
    let mut adds = Vec::new();
    for add in 0..=random.below(3) {
        let (table, name) = (random.of(&["items", "tokens", "notes"]), format!("f{number}n{add}"));
        insist(&mut shell, &format!("add {table} name={name}"));
        adds.push((table, name));
    }
    late.map(Barrier::wait);
    proxy.fault(Fault::at("commit", random.of(&MOMENTS)).refusing(100_000));
    let first = shell.execute("commit");
    if first.is_ok() && !gone.load(Ordering::SeqCst) {
        // Its answer came through all the same; the failover may lose it, and nobody here can know.
        return;
    }
    if let Err(error) = first {
        assert_eq!(error.kind, ErrorKind::InDoubt, "{error:?}");
    }
    while !gone.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut observer = Observer::new(second);
    let mut count = || {
        let mut found = 0;
        for (table, name) in &adds {
            let sql = format!("select count(*)::text as text from {table} where name = '{name}'");
            found += observer.ask(&sql).parse::<usize>().unwrap();
        }
        found
    };
    let began = Instant::now();
    while !shell.session().is_clean() {
        assert!(began.elapsed() < Duration::from_secs(60), "it is never known");
        let found = count();
        assert!(found == 0 || found == adds.len(), "{found} of {adds:?}");
        let Err(error) = shell.execute("commit") else { break };
        assert!(matches!(error.kind, ErrorKind::Connection | ErrorKind::InDoubt), "{error:?}");
        let hints = error.hints.join("\n");
        if hints.contains("cannot be told") {
            insist(&mut shell, "status");
            if found > 0 {
                shell.execute("rollback").unwrap();
                break;
            }
        }
    }
    assert_eq!(count(), adds.len(), "{adds:?}");
    insist(&mut shell, "count items");
}

/// What the test below runs in another process, and kills there.
#[test]
fn inside_another_process() {
    let (Ok(url), Ok(folder), Ok(commands)) =
        (std::env::var("FAULT_URL"), std::env::var("FAULT_FOLDER"), std::env::var("FAULT_COMMANDS"))
    else {
        return;
    };
    let mut shell = Shell::builder().database(url).recovery(folder).build().unwrap();
    for command in commands.lines() {
        shell.execute(command).unwrap();
    }
    shell.execute("commit").unwrap();
}

#[test]
fn a_shell_is_killed_inside_commit() {
    spread(3, killed_inside_commit);
}

fn killed_inside_commit(seed: u64, rounds: usize) {
    let Some(place) = Place::new(Way::Plain) else { return };
    let (mut observer, mut random) = (Observer::new(&place.cluster), Random::new(seed + 70));
    for round in 0..rounds {
        let work = Work::new(round, &mut random, &mut observer);
        let folder = tempfile::tempdir().unwrap();
        let moment = random.of(&MOMENTS);
        let process = Arc::new(Mutex::new(0_u32));
        let victim = Arc::clone(&process);
        // COMMIT is held back while the process is killed.
        place.proxy.fault(Fault::at("commit", moment).doing(move || {
            let process = i32::try_from(*victim.lock().unwrap()).unwrap();
            let process = rustix::process::Pid::from_raw(process).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        }));
        let mut child = {
            let mut process = process.lock().unwrap();
            let child = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "inside_another_process"])
                .env("FAULT_URL", &place.url)
                .env("FAULT_FOLDER", folder.path())
                .env("FAULT_COMMANDS", work.commands.join("\n"))
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap();
            *process = child.id();
            child
        };
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9), "{status:?}");
        place.proxy.calm();
        let said = Said::default();
        let open = || Shell::builder().database(&place.url).recovery(folder.path()).messages(said.clone()).build();
        let mut shell = open().unwrap();
        let told = said.text();
        let known = told.contains("not arrived") || told.contains("has arrived") || told.contains("not known");
        assert!(known, "{told}");
        let began = Instant::now();
        while let Err(error) = shell.execute(".recover") {
            assert!(matches!(error.kind, ErrorKind::InDoubt | ErrorKind::Connection), "{error:?}");
            assert!(began.elapsed() < Duration::from_secs(60), "{error:?}");
        }
        let (found, staged) = (state(&mut observer), shell.session().staged());
        match moment {
            Moment::Before => assert_eq!((&found, staged), (&work.before, work.commands.len())),
            Moment::After => assert_eq!((&found, staged), (&work.after, 0)),
            _ => assert!((found == work.after) == (staged == 0) && (found == work.before || found == work.after)),
        }
        if staged > 0 {
            shell.execute("commit").unwrap();
        }
        assert_eq!(state(&mut observer), work.after, "{work:?}");
        insist(&mut shell, "count items");
    }
    assert_eq!(place.proxy.fired(), rounds);
}
