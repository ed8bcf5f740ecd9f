//! What is asked and hinted at a terminal before rows go.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::Shell;
use expectrl::{Eof, Expect as _, Regex, Session};
use std::time::Duration;

/// Two buyers; ann (1) has two orders with three lines, and a note on each of two papers that go with her.
fn shop() -> Shell {
    let shell = Shell::new();
    shell
        .script(
            ".sql create table buyers (id integer primary key, name text unique not null);\n\
             .sql create table orders (id integer primary key, buyer_id int not null references buyers);\n\
             .sql create table lines (id integer primary key, order_id int not null references orders);\n\
             .sql create table papers (id integer primary key, buyer_id int references buyers on delete cascade);\n\
             .sql create table notes (id integer primary key, paper_id int references papers on delete set null);\n\
             commit\n\
             add buyer id=1 name=ann\nadd buyer id=2 name=bob\nadd buyer id=3 name=cid\n\
             add order id=1 buyer_id=1\nadd order id=2 buyer_id=1\nadd order id=3 buyer_id=2\n\
             add line id=1 order_id=1\nadd line id=2 order_id=1\nadd line id=3 order_id=2\n\
             add paper id=1 buyer_id=3\nadd paper id=2 buyer_id=3\n\
             add note id=1 paper_id=1\nadd note id=2 paper_id=2\n\
             commit\n",
        )
        .ok();
    shell
}

struct Terminal(expectrl::session::OsSession);

impl Terminal {
    fn start(shell: &Shell) -> Self {
        let mut command = shell.command();
        command.env("TERM", "dumb");
        let mut session = Session::spawn(command).unwrap();
        session.set_expect_timeout(Some(Duration::from_secs(20)));
        let mut terminal = Self(session);
        terminal.rest();
        terminal
    }

    /// What comes before the next prompt or question.
    fn rest(&mut self) -> String {
        let found = self.0.expect(Regex(r"(microblog(\*\d+)?> |\[y/N\] )(\x1b\[[0-9;?]*[A-Za-z])*$")).unwrap();
        let text = String::from_utf8_lossy(found.before()).into_owned();
        text + &String::from_utf8_lossy(found.get(0).unwrap())
    }

    fn line(&mut self, text: &str) -> String {
        self.0.send_line(text).unwrap();
        self.rest()
    }

    #[track_caller]
    fn says(&mut self, text: &str, expected: &str) {
        let got = self.line(text);
        assert!(got.contains(expected), "{text}: no {expected:?} in\n{got}");
    }

    fn leave(mut self) {
        self.0.send_line(".quit").unwrap();
        self.0.expect(Eof).unwrap();
    }
}

#[test]
fn a_hint_is_the_command_itself_with_all_that_it_takes() {
    let shell = shop();
    let mut terminal = Terminal::start(&shell);
    for (command, hint) in [
        ("delete buyer 1", "`delete buyer 1 with orders.lines`"),
        ("delete buyer ann   # gone", "`delete buyer ann with orders.lines`"),
        ("delete buyer 1 with orders", "`delete buyer 1 with orders.lines`"),
        ("delete buyer 1 with papers, orders", "`delete buyer 1 with papers, orders.lines`"),
        ("delete buyer 2", "`delete buyer 2 with orders`"),
        ("delete buyers where name like 'b%'", "`delete buyers where name like 'b%' with orders`"),
        ("delete buyers where id < 3 | cat", "`delete buyers where id < 3 with orders.lines`"),
        ("delete buyers", "`delete buyers with orders.lines`"),
        ("delete order 1", "`delete order 1 with lines`"),
    ] {
        let got = terminal.line(command);
        assert!(got.contains(&format!("delete them too: {hint}")), "{command}: {got}");
    }
    terminal.says("delete buyer 1 with orders", "buyer ann with orders is still referred to by 3 lines");
    terminal.says("delete buyer 1 with orders.lines", "staged: buyer ann deleted");
    terminal.says("rollback", "rolled back: 6 deleted");
    // Nobody but the one record: nothing wider is recommended.
    terminal.says("delete buyer 3", "also deletes 2 papers; empties the reference of 2 notes");
    terminal.line("rollback");
    terminal.leave();
}

#[test]
fn it_is_asked_from_so_many_rows_on_with_all_that_go_along() {
    let shell = shop();
    let mut terminal = Terminal::start(&shell);
    // The buyer, two papers that go, two notes that change.
    terminal.line(".set confirm 6");
    terminal.says("delete buyer 3", "staged: buyer cid deleted");
    terminal.line("rollback");
    terminal.line(".set confirm 5");
    terminal
        .says("delete buyer 3", "delete buyer cid; also deletes 2 papers; empties the reference of 2 notes? [y/N] ");
    terminal.says("n", "nothing is staged");
    // The buyer, two orders, three lines.
    terminal.line(".set confirm 7");
    terminal.says("delete buyer 1 with orders.lines", "staged: buyer ann deleted");
    terminal.line("rollback");
    terminal.line(".set confirm 6");
    terminal.says("delete buyer 1 with orders.lines", "delete buyer ann with ");
    terminal.says("n", "nothing is staged");
    // Exactly so many.
    terminal.line(".set confirm 2");
    terminal.says("set buyers where id < 3 name=null", "name cannot be NULL");
    terminal.says("set lines where order_id = 1 order_id=2", "set 2 lines (2 of 3 rows)? [y/N] ");
    terminal.says("n", "nothing is staged");
    terminal.line(".set confirm 3");
    terminal.says("set lines where order_id = 1 order_id=2", "staged: 2 of 3 lines");
    terminal.line("rollback");
    // Always.
    terminal.line(".set confirm 0");
    terminal.says("set buyer 1 name=eve", "set buyer ann? [y/N] ");
    terminal.says("n", "nothing is staged");
    terminal.says("delete line 1", "delete line 1? [y/N] ");
    terminal.says("y", "staged: line 1 deleted");
    terminal.says("rollback", "rolled back: 1 deleted");
    terminal.leave();
}

#[test]
fn hints_recommend_what_is_taken() {
    let shell = Shell::new();
    shell
        .script(
            ".sql create table shops (code text primary key);\n\
             .sql create table sales (nr integer primary key, shop_code text references shops, price int);\n\
             commit\n\
             add shop code=a\nadd sale nr=1 shop=a price=2\ncommit\n",
        )
        .ok();
    for (command, hint, taken) in [
        ("list sales where shop > b", "`shop.code`", "list sales where shop.code > 'A'"),
        ("list shops show sales", "`list shops with sales` shows them", "list shops with sales"),
        ("list shops show sales", "count(sales)", "list shops where count(sales) > 0 and has sales (price = 2)"),
        ("list shops order by sales", "`list shops with sales` shows them", "list shops with sales"),
        ("count sales group by shop", "write `count sales by shop`", "count sales by shop"),
        ("list shops join sales", "write `list shops with sales`", "list shops with sales"),
        (
            "set sales set price=3 where nr = 1",
            "write `set sales where nr = 1 price=3`",
            "set sales where nr = 1 price=3; rollback",
        ),
        (
            "let s = sale 1; count sales where shop_code = $s.shops",
            "did you mean `shop`?",
            "let s = sale 1; count sales where shop = $s.shop",
        ),
    ] {
        shell.script(command).fails(1).stderr_has(hint);
        shell.script(taken).ok();
    }
}
