//! What a delete takes along, what forbids it, and the command that would do.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};

const SCHEMA: &[&str] = &[
    "create table customer (id integer primary key, name varchar(20) not null)",
    "create table invoice (id integer primary key, customer_id int not null references customer)",
    "create table invoice_line (id integer primary key, invoice_id int not null references invoice)",
    "create table remark (id integer primary key, invoice_id int not null references invoice on delete cascade)",
    "create table mention (id integer primary key, remark_id int not null references remark)",
    "create table visit (id integer primary key, customer_id int references customer on delete set null)",
    "insert into customer values (1, 'ann'), (2, 'bob'), (3, 'cyd'), (4, 'dan')",
    "insert into invoice values (1, 1), (2, 1), (3, 2), (4, 4)",
    "insert into invoice_line values (1, 1), (2, 1), (3, 2), (4, 3)",
    "insert into remark values (1, 4)",
    "insert into mention values (1, 1)",
    "insert into visit values (1, 1)",
];

fn made() -> Shell {
    let script: String = SCHEMA.iter().map(|sql| format!(".sql {sql};\n")).collect::<String>() + "commit\n";
    let shell = if on_postgres() { Shell::new() } else { Shell::new().with("x.db").with("--create") };
    shell.script(script).ok();
    shell.with("--mode=csv")
}

#[test]
fn each_level_is_counted_by_its_own_name() {
    both(|| {
        let shell = made();
        let said = |command: &str, text: &str| {
            shell.script(format!("{command}\nrollback")).ok().stderr_has(text);
        };
        said(
            "delete customer 1 with invoices.invoice_lines",
            "customer 1 deleted with 2 invoices and 3 invoice_lines; empties",
        );
        said("delete customer 1 with invoices, invoices.invoice_lines", "deleted with 2 invoices and 3 invoice_lines;");
        said("delete customer 2 with invoices.invoice_lines", "customer 2 deleted with 1 invoice and 1 invoice_line (");
        said(
            "delete customer 3 with invoices.invoice_lines",
            "customer 3 deleted with no invoices and no invoice_lines (",
        );
        said(
            "delete customers where id < 3 with invoices.invoice_lines",
            "2 of 4 customers deleted with 3 invoices and 4 invoice_lines;",
        );
        said("delete invoice 4 with remarks.mentions", "invoice 4 deleted with 1 remark and 1 mention (");
    });
}

#[test]
fn a_refused_delete_names_the_command_that_would_do() {
    both(|| {
        let shell = made();
        for (command, what, way) in [
            (
                "delete customer 1 with invoices",
                "customer 1 with invoices is still referred to by 3 invoice_lines",
                "delete customer 1 with invoices.invoice_lines",
            ),
            (
                "delete customers where name like '%b' with invoices  # all of them",
                "the customer with invoices is still referred to by 1 invoice_line",
                "delete customers where name like '%b' with invoices.invoice_lines",
            ),
            (
                "delete customers where id in (1, 2)  -- both",
                "one of the customers is still referred to by 3 invoices",
                "delete customers where id in (1, 2) with invoices.invoice_lines",
            ),
            // What goes along by itself may be kept by others.
            (
                "delete invoices where id = 4",
                "the invoice is still referred to by 1 mention",
                "delete invoices where id = 4 with remarks.mentions",
            ),
            (
                "delete customer 4 with invoices",
                "customer 4 with invoices is still referred to by 1 mention",
                "delete customer 4 with invoices.remarks.mentions",
            ),
        ] {
            let run = shell.script(command).fails(1).stderr_has(what);
            run.stderr_has(&format!("delete them too: `{way}`\n"));
            shell.script(format!("{way}\ncommit --dry-run\nrollback")).ok().stderr_has("would be committed");
        }
        shell.script("count invoice_lines").ok().stdout("count\n4\n");
    });
}
