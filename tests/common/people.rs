//! Questions about persons and their books, for whoever compares two ways of answering them.

/// Questions, each with whether its order is a total one; `key` is that of the persons, whose `boss` has a path only where
/// the key has one column.
pub fn questions(key: &str) -> Vec<(String, bool)> {
    let down = key.replace(", ", " desc, ") + " desc";
    let ordered = [
        format!("list persons order by {key}"),
        format!("list persons order by {key} limit 3 offset 2"),
        format!("list persons order by name desc, {key} limit 4"),
        format!("list persons order by amount, {down} limit 5 offset 1"),
        format!("list persons where name = 'bob' order by {down} limit 2"),
        format!("list persons where has books order by {key} limit 3"),
        format!("list persons order by day nulls last, {key} show name, day"),
    ];
    let mut all: Vec<(String, bool)> = ordered.into_iter().map(|text| (text, true)).collect();
    let bosses: &[&str] = if key.contains(',') { &[] } else { &BOSSES };
    all.extend(ANY_ORDER.iter().chain(bosses).map(|text| ((*text).to_owned(), false)));
    all
}

const ANY_ORDER: [&str; 35] = [
    "list persons where name like 'b%'",
    "list persons where name in ('Ann', 'bob')",
    "list persons where amount > 10",
    "list persons where amount between 1 and 8.5",
    "list persons where day >= '2026-02-11'",
    "list persons where flag",
    "list persons where not flag",
    "list persons where size < 1.5 or email is null",
    "list persons where name contains 'n'",
    "list books where person.name = 'BOB' show title, person.name, person.amount",
    "list books where person.name in ('Bob', 'ann')",
    "list books where person.amount >= 1.5",
    "list books where person.flag",
    "list books where person is null",
    "list books order by person.name show title, person.name",
    "list books where title = 'bob'",
    "list persons where has books",
    "list persons where not has books (title like 'a%')",
    "list persons where has books (n > 4) and amount > 2",
    "list persons where count(books) > 1",
    "list persons where sum(books.n) > 3",
    "list persons where books.title = 'bob'",
    "count persons",
    "count books",
    "count books where person.flag",
    "count books by person.name",
    "count persons by flag order by count desc",
    "sum n of books by person.name",
    "avg n of books",
    "min title of books",
    "max day of persons by flag",
    "max amount of persons",
    "distinct name of persons",
    "distinct person.name of books order by person.name desc",
    "distinct flag, day of persons",
];

const BOSSES: [&str; 3] = [
    "list persons where boss.name = 'ann' show name, boss.name",
    "list books show title, person.boss.name",
    "count persons by boss.name",
];
