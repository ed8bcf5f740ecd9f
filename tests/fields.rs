//! Fields on both sides of a condition, values along paths, and words that are never silently taken for text.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{Shell, both, on_postgres};

const SCHEMA: &[&str] = &[
    "create table customer (id integer primary key, city varchar(20), country varchar(20), alias varchar(20), age int, visits int)",
    "create table invoice (id integer primary key, customer_id int references customer, billing_country varchar(20), total numeric(8,2))",
    "create table film (id integer primary key, rate numeric(8,2), name text)",
    "create table copy (id integer primary key, film_id int references film)",
    "create table rental (id integer primary key, copy_id int references copy, customer_id int references customer)",
    "create table tag (id integer primary key, name text)",
    "create table film_tag (film_id int references film, tag_id int references tag, primary key (film_id, tag_id))",
    "create table odd (id integer primary key, u uuid, t text, j json, k json)",
    "insert into odd values (1, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{}', '{}'), (2, null, 'x', '{}', '[]')",
    "insert into customer values (1, 'Bonn', 'Bonn', 'b', 30, 40), (2, 'Ulm', 'Peru', 'U%', 50, 7), (3, null, 'Chad', 'x', 5, 5)",
    "insert into invoice values (1, 1, 'Bonn', 10), (2, 1, 'Peru', 20), (3, 2, 'Peru', 30), (4, 3, null, 5)",
    "insert into film values (1, 2.5, 'A'), (2, 4, 'B'), (3, 1, 'C')",
    "insert into copy values (1, 1), (2, 1), (3, 2), (4, 3)",
    "insert into rental values (1, 1, 1), (2, 1, 1), (3, 2, 1), (4, 3, 1), (5, 3, 2), (6, 4, 2), (7, null, 3)",
    "insert into tag values (1, 'old'), (2, 'new')",
    "insert into film_tag values (1, 1), (2, 1), (2, 2), (3, 2)",
];

fn made() -> Shell {
    let script: String = SCHEMA.iter().map(|sql| format!(".sql {sql};\n")).collect::<String>() + "commit\n";
    let shell = if on_postgres() { Shell::new() } else { Shell::new().with("x.db").with("--create") };
    shell.script(script).ok();
    shell.with("--mode=csv")
}

/// Counts by commands as SQL counts.
#[track_caller]
fn counts(shell: &Shell, pairs: &[(String, String)]) {
    let ours: String = pairs.iter().map(|(command, _)| format!("count {command}\n")).collect();
    let theirs: String = pairs.iter().map(|(_, sql)| format!(".sql select count(*) as count from {sql};\n")).collect();
    let (ours, theirs) = (shell.script(ours).ok().stdout, shell.script(theirs).ok().stdout);
    let numbers = |text: &str| text.lines().filter(|line| *line != "count").map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (numbers(&ours), numbers(&theirs));
    assert_eq!(ours.len(), pairs.len());
    for ((ours, theirs), (command, sql)) in ours.iter().zip(&theirs).zip(pairs) {
        assert_eq!(ours, theirs, "{command}\n{sql}");
    }
}

fn pair(command: &str, sql: &str) -> (String, String) {
    (command.to_owned(), sql.to_owned())
}

#[test]
fn a_condition_compares_two_fields() {
    both(|| {
        let shell = made();
        let mut pairs = Vec::new();
        let joined = "invoice i join customer c on c.id = i.customer_id where";
        for (command, sql) in [
            ("customers where city = country", "customer where city = country"),
            ("customers where City != country", "customer where city <> country"),
            ("customers where age < visits", "customer where age < visits"),
            ("customers where age >= `visits`", "customer where age >= visits"),
            ("customers where not city = country", "customer where not city = country"),
            ("invoices where billing_country = customer.country", &format!("{joined} billing_country = country")),
            ("invoices where billing_country = customer.`country`", &format!("{joined} billing_country = country")),
            ("invoices where customer.country = billing_country", &format!("{joined} billing_country = country")),
            ("invoices where customer.city = customer.country", &format!("{joined} city = country")),
            ("invoices where total > customer.age", &format!("{joined} total > age")),
            ("invoices where total in (customer.age, 20)", &format!("{joined} total in (age, 20)")),
            ("invoices where customer in (id, 2)", &format!("{joined} i.customer_id in (i.id, 2)")),
            ("invoices where customer = id", "invoice where customer_id = id"),
            ("invoices where id = customer", "invoice where customer_id = id"),
            (
                "invoices where billing_country not in (customer.country)",
                &format!("{joined} billing_country not in (country)"),
            ),
            (
                "invoices where total between customer.visits and customer.age",
                &format!("{joined} total between visits and age"),
            ),
            ("customers where city like alias", "customer where city like alias"),
            ("customers where city starts with country", "customer where city = country"),
            ("customers where country contains city", "customer where city = country"),
            (
                "customers where country = invoices.billing_country",
                "customer c where exists (select 1 from invoice where customer_id = c.id and billing_country = country)",
            ),
            (
                "customers where invoices.billing_country = country",
                "customer c where exists (select 1 from invoice where customer_id = c.id and billing_country = country)",
            ),
            (
                "customers where age < invoices.total",
                "customer c where exists (select 1 from invoice where customer_id = c.id and age < total)",
            ),
            (
                "customers where has invoices (billing_country = customer.country)",
                "customer c where exists (select 1 from invoice where customer_id = c.id and billing_country = country)",
            ),
            (
                "customers where sum(invoices.total) >= age",
                "customer c where (select sum(total) from invoice where customer_id = c.id) >= age",
            ),
            (
                "customers where age <= sum(invoices.total)",
                "customer c where (select sum(total) from invoice where customer_id = c.id) >= age",
            ),
        ] {
            pairs.push(pair(command, sql));
        }
        counts(&shell, &pairs);
    });
}

#[test]
fn fields_that_travel_as_text_are_compared_as_text() {
    both(|| {
        let shell = made();
        for condition in ["u = t", "t = u", "j = k"] {
            shell.script(format!("list odds where {condition} show id")).ok().stdout("id\n1\n");
        }
        shell.script("list odds where j != k show id").ok().stdout("id\n2\n");
    });
}

#[test]
fn fields_of_different_sorts_are_not_compared() {
    both(|| {
        let shell = made();
        for command in [
            "count customers where city = age",
            "count customers where age in (city)",
            "count invoices where customer = billing_country",
        ] {
            shell.script(command).fails(1).stderr_has("cannot be compared with one of type");
        }
        shell.script("count customers where city = age").fails(1).stderr_has("for the text write 'age'");
        counts(&shell, &[pair("customers where city = 'age'", "customer where city = 'age'")]);
    });
}

#[test]
fn a_word_that_names_nothing_is_text() {
    both(|| {
        let shell = made();
        for word in ["john", "john@example.com", "a.b", "v1.2", "well-known", "c++", "it.s", "a/b"] {
            let script = format!(
                "set customer 1 city={word}\ncount customers where city = {word}\ncount customers where city in ({word})\nrollback"
            );
            shell.script(script).ok().stdout("count\n1\ncount\n1\n");
        }
    });
}

#[test]
fn what_looks_like_a_field_a_path_a_call_or_an_expression_is_never_text() {
    both(|| {
        let shell = made();
        for (word, what) in [
            ("country", "a field of customer"),
            ("Country", "a field of customer"),
            ("invoices", "a field of customer"),
            ("invoices.total", "a path from customer"),
            ("invoices.nothing", "a path from customer"),
            ("film.rate", "a field of film"),
            ("customer.country", "a field of customer"),
            ("upper(city)", "a call"),
            ("city+country", "an expression"),
            ("age*2", "an expression"),
        ] {
            let quoted = word.replace('\'', "''");
            for command in ["set customer 1", "set customers", "set customers where id = 1", "add customer id=9"] {
                let run = shell.script(format!("{command} city={word}")).fails(1);
                let run = run.stderr_has(&format!("`{word}` looks like {what}, and city takes a value"));
                run.stderr_has(&format!("for the text write city='{quoted}'"));
            }
            shell
                .script(format!("set customer 1 city='{quoted}'\ncount customers where city = '{quoted}'\nrollback"))
                .ok()
                .stdout("count\n1\n");
        }
        shell.script("set invoice 1 billing_country=customer.country").fails(1).stderr_has(
            "for its value in one record: `let x = invoice KEY customer`, then `billing_country=$x.country`",
        );
        let way_out = "let x = invoice 3 customer\nset invoice 1 billing_country=$x.country\ninvoice 1 show billing_country\nrollback";
        shell.script(way_out).ok().stdout("billing_country\nPeru\n");
        // No text is meant where none fits.
        let run =
            shell.script("set customer 1 age=visits").fails(1).stderr_has("`visits` looks like a field of customer");
        run.stderr_lacks("for the text");
        for (condition, message) in [
            ("city = upper(country)", "`upper(country)` looks like a call"),
            ("city = country+'x'", "`country+'x'` looks like an expression"),
            ("city = film.rate", "`film.rate` looks like a field of film, and a path begins at customer"),
            ("city = customer.country", "for the field write country"),
            ("city in (x, film.rate)", "looks like a field of film"),
            ("city like film.name", "looks like a field of film"),
            ("city = invoices", "cannot be compared with one of type"),
            ("city = invoices.total", "cannot be compared with one of type"),
            ("city in (invoices)", "`invoices` leads to many invoices"),
            ("city = invoices.nothing", "invoice has no field or relationship `nothing`"),
            ("city = country.x", "`country` is a field of customer, it leads nowhere"),
        ] {
            let run = shell.script(format!("count customers where {condition}")).fails(1).stderr_has(message);
            run.stderr_has("for the text write '");
        }
    });
}

#[test]
fn sums_run_over_the_rows_of_a_path_and_counts_over_records() {
    both(|| {
        let shell = made();
        let rows = "from rental r left join copy p on p.id = r.copy_id left join film f on f.id = p.film_id where r.customer_id = c.id";
        let mut pairs = Vec::new();
        let tags = "from film_tag l join film f on f.id = l.film_id where l.tag_id = c.id";
        for function in ["sum", "avg", "min", "max"] {
            for value in ["1", "2", "2.5", "3", "5", "11", "11.5", "12"] {
                for op in ["<", "=", ">"] {
                    pairs.push(pair(
                        &format!("customers where {function}(rentals.copy.film.rate) {op} {value}"),
                        &format!("customer c where (select {function}(f.rate) {rows}) {op} {value}"),
                    ));
                    pairs.push(pair(
                        &format!("customers where {function}(rentals.copy.film.rate where name != 'A') {op} {value}"),
                        &format!("customer c where (select {function}(f.rate) {rows} and f.name <> 'A') {op} {value}"),
                    ));
                    pairs.push(pair(
                        &format!("tags where {function}(films.rate) {op} {value}"),
                        &format!("tag c where (select {function}(f.rate) {tags}) {op} {value}"),
                    ));
                }
            }
        }
        // Through two that lead to many, and through a link at the far end.
        pairs.push(pair(
            "customers where sum(rentals.copy.film.tags.id) = 6",
            "customer c where (select sum(t.tag_id) from rental r join copy p on p.id = r.copy_id \
             join film_tag t on t.film_id = p.film_id where r.customer_id = c.id) = 6",
        ));
        pairs.push(pair(
            "tags where sum(films.copies.rentals.id) > 9",
            "tag c where (select sum(r.id) from film_tag l join copy p on p.film_id = l.film_id \
             join rental r on r.copy_id = p.id where l.tag_id = c.id) > 9",
        ));
        for number in 0..4 {
            pairs.push(pair(
                &format!("customers where count(rentals.copy.film) = {number}"),
                &format!("customer c where (select count(distinct f.id) {rows}) = {number}"),
            ));
        }
        counts(&shell, &pairs);
    });
}

#[test]
fn texts_put_together_are_no_value_of_a_change() {
    let shell = Shell::seeded();
    for change in ["set post 1 body = body || 'x'", "set post 1 body = 'x' || body"] {
        let run = shell.script(format!("{change}\n")).fails(1);
        run.stderr_has("for a text").stderr_has(".sql update");
    }
}
