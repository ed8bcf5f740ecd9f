//! Writers that change the same record at once lose nothing: a change that somebody else's commit has overtaken is a conflict.
//! `WRITER_ROUNDS` says how many commits each writer makes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both};
use diesel_shell::{Counts, ErrorKind, Hold, Result, Session};
use std::sync::Barrier;

/// Counts one up in a text, which nothing but the base of the change protects; gives how often it was overtaken.
fn count_up(url: &str, hold: Hold, rounds: u64, begin: &Barrier) -> u64 {
    let mut session = diesel_shell::Shell::builder().database(url).build().unwrap().into_session();
    session.set_hold(hold).unwrap();
    let (mut done, mut overtaken) = (0, 0);
    begin.wait();
    while done < rounds {
        match one_more(&mut session) {
            Ok(_) => done += 1,
            // On a busy machine SQLite's wait for the other writer may run out; nothing is lost by that either.
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::Busy) => {
                overtaken += 1;
                session.rollback().unwrap();
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    overtaken
}

/// What the record is when the change is staged is its base: one more than that.
fn one_more(session: &mut Session) -> Result<Counts> {
    session.set("user", 1).set("email", "counted").stage()?;
    let (_, base, _) = session.differences()?.remove(0).fields.remove(0);
    let base: u64 = base.to_string().parse().unwrap();
    session.set("user", 1).set("email", (base + 1).to_string()).stage()?;
    session.commit()
}

#[test]
fn two_writers_lose_no_update() {
    both(|| {
        for hold in [Hold::No, Hold::Yes] {
            let shell = Shell::seeded();
            shell.script("set user 1 email=0\ncommit").ok();
            let url = shell.url().unwrap_or_else(|| shell.database().display().to_string());
            let rounds = std::env::var("WRITER_ROUNDS").map_or(40, |text| text.parse().unwrap());
            let begin = Barrier::new(2);
            let overtaken: u64 = std::thread::scope(|scope| {
                let writers = [(); 2].map(|()| scope.spawn(|| count_up(&url, hold, rounds, &begin)));
                writers.into_iter().map(|writer| writer.join().unwrap()).sum()
            });
            shell.script(".mode list\nlist users where id = 1 show email").ok().stdout(&format!("{}\n", 2 * rounds));
            assert!(hold == Hold::Yes || overtaken > 0, "the writers never met");
        }
    });
}
