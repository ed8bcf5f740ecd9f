use super::{parse, parse_line};
use crate::language::ast::*;
use crate::model::Catalog;
use proptest::prelude::*;

fn catalog() -> Catalog {
    crate::microblog::models().into_catalog().unwrap()
}

fn parsed(text: &str) -> Command<'_> {
    parse(text, &catalog()).unwrap_or_else(|error| panic!("{text}: {error} {:?}", error.hints))
}

#[track_caller]
fn refused(text: &str, message: &str, place: &str) -> crate::Error {
    let error = parse(text, &catalog()).expect_err(text);
    assert_eq!(error.message, message, "{text}");
    let span = error.span.unwrap();
    assert_eq!(&text[span.start..span.end], place, "{text}");
    error
}

#[test]
fn reading_commands() {
    let Command::Query(query) = parsed("list users where username like 's%' order by username desc limit 10 offset 20")
    else {
        panic!()
    };
    assert!(matches!(query.source, Source::Model(Name { ref text, .. }) if text == "users"));
    assert!(matches!(query.filter, Some(Condition::Text(_, TextOp::Like, _, false))));
    assert!(query.order[0].descending);
    assert_eq!((query.limit, query.offset), (Some(10), Some(20)));

    let Command::Query(query) = parsed("user 1 posts where body contains 'x'") else { panic!() };
    assert!(matches!(query.source, Source::Record(RecordRef::Key { .. }, ref steps) if steps.len() == 1));
    let Command::Query(query) = parsed("$u posts") else { panic!() };
    assert!(matches!(query.source, Source::Record(RecordRef::Variable(_), ref steps) if steps.len() == 1));
    assert!(matches!(parsed("$u.email"), Command::Attribute(_, path) if path.len() == 1));
    assert!(matches!(parsed("get playlist_track (1, 3402)"),
        Command::Query(Query { source: Source::Record(RecordRef::Key { key, .. }, _), .. }) if key.len() == 2));
    assert!(matches!(parsed("list `Order Details`"),
        Command::Query(Query { source: Source::Model(name), .. }) if name.text == "Order Details"));
}

#[test]
fn conditions_bind_as_in_sql() {
    let Command::Query(query) =
        parsed("list users where not (id > 10 or email is null) and username in (john, 'susan')")
    else {
        panic!()
    };
    let Some(Condition::And(parts)) = query.filter else { panic!() };
    assert!(matches!(&parts[0], Condition::Not(inner) if matches!(**inner, Condition::Or(_))));
    assert!(matches!(&parts[1], Condition::In(_, items, false) if items.len() == 2));
    let Command::Query(query) =
        parsed("list users where id between 1 and 3 and has posts (id=1) or count(posts where id=1) >= 2")
    else {
        panic!()
    };
    assert!(matches!(query.filter, Some(Condition::Or(_))));
}

#[test]
fn bare_values_run_to_the_next_blank() {
    let Command::Add(_, values) = parsed("add user username=o'brien email=a@b.c,") else { panic!() };
    let text = |index: usize| match &values[index].value[0].kind {
        LiteralKind::Word(text) => text.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!((text(0), text(1)), ("o'brien".into(), "a@b.c,".into()));
    let Command::Add(_, values) = parsed("add user username=john, email = 'x', password_hash=null") else { panic!() };
    assert!(matches!(&values[0].value[0].kind, LiteralKind::Word(text) if text == "john"));
    assert!(matches!(values[2].value[0].kind, LiteralKind::Null));
}

#[test]
fn numbers_keep_a_spelling_that_means_something() {
    let kind = |text: &str| {
        let command = format!("add user username={text}");
        match parse(&command, &catalog()).unwrap() {
            Command::Add(_, mut values) => format!("{:?}", values.remove(0).value.remove(0).kind),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(kind("12"), "Int(12)");
    assert_eq!(kind("-12"), "Int(-12)");
    assert_eq!(kind("0"), "Int(0)");
    assert_eq!(kind("007"), "Number(\"007\")");
    assert_eq!(kind("1.50"), "Number(\"1.50\")");
    assert_eq!(kind("99999999999999999999"), "Number(\"99999999999999999999\")");
    assert_eq!(kind("2026-11-21"), "Word(\"2026-11-21\")");
    assert_eq!(kind("x'00ff'"), "Bytes([0, 255])");
    assert_eq!(kind("\"a\\u{263a}\\n\""), "Text(\"a☺\\n\")");
    assert_eq!(kind("'it''s'"), "Text(\"it's\")");
}

#[test]
fn a_condition_ends_where_assignments_begin() {
    let Command::Set(Target::Where(_, Some(_)), values) = parsed("set posts where author = 1 body='x'") else {
        panic!()
    };
    assert_eq!(values[0].field.text, "body");
    assert!(matches!(parsed("set posts body=x"), Command::Set(Target::Where(_, None), _)));
    assert!(
        matches!(parsed("delete user john with posts"), Command::Delete(Target::Record(_), with) if with.len() == 1)
    );
    assert!(matches!(parsed("delete posts"), Command::Delete(Target::Where(_, None), _)));
}

#[test]
fn discard_takes_a_field_behind_the_key() {
    let field = |text| match parse(text, &catalog()).unwrap() {
        Command::Discard(RecordRef::Key { key, .. }, field) => {
            (format!("{:?}", key[0].kind), field.map(|name| name.text.to_string()))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(field("discard user 1.email"), ("Int(1)".into(), Some("email".into())));
    assert_eq!(field("discard user john.email"), ("Word(\"john\")".into(), Some("email".into())));
    assert_eq!(field("discard user 'a.b'.email"), ("Text(\"a.b\")".into(), Some("email".into())));
    assert_eq!(field("discard post 3"), ("Int(3)".into(), None));
}

#[test]
fn errors_name_the_place_and_what_was_expected() {
    let error = refused("list users wehre id=1", "`wehre` is not expected here", "wehre");
    assert_eq!(error.hints[0], "did you mean `where`?");
    refused("list users order", "the command ends too early", "");
    refused("count users where id >", "the command ends too early", "");
    refused("add user username", "`username` is not followed by =", "username");
}

#[test]
fn slips_are_explained() {
    let error = parse("lsit users", &catalog()).unwrap_err();
    assert_eq!(error.message, "there is no command or model `lsit`");
    assert!(error.hints.contains(&"did you mean `list`?".to_owned()), "{:?}", error.hints);
    let error = parse("add post body=my first post", &catalog()).unwrap_err();
    assert!(error.hints[0].contains("body='my first ...'"), "{:?}", error.hints);
    let error = parse("list users order username", &catalog()).unwrap_err();
    assert_eq!(error.hints, ["expected `by`"]);
    let error = parse("list users limit ten", &catalog()).unwrap_err();
    assert_eq!(error.message, "`ten` is not expected here");
    assert!(parse("add user username='john", &catalog()).unwrap_err().message.contains("not closed"));
    assert!(parse("help", &catalog()).unwrap_err().hints.contains(&"did you mean `.help`?".to_owned()));
}

#[test]
fn words_of_sql_are_named_and_the_command_is_made_right() {
    for (text, message, place, hint) in [
        (
            "count users group by username",
            "`group by` is called `by` here",
            "group by",
            "write `count users by username`",
        ),
        (
            "count users where id > 3 group by username | sort",
            "`group by` is called `by` here",
            "group by",
            "write `count users where id > 3 by username | sort`",
        ),
        (
            "list users group by username",
            "`group by` is called `by` here",
            "group by",
            "count, sum, avg, min and max give figures by groups",
        ),
        (
            "count posts by author order by count(*) desc",
            "the figure is called `count` here",
            "count(*)",
            "write `count posts by author order by count desc`",
        ),
        (
            "sum id of posts group by author order by sum(id) limit 3",
            "`group by` is called `by` here",
            "group by",
            "write `sum id of posts by author order by sum limit 3`",
        ),
        ("list users order by count(posts)", "`order by` takes fields", "count(posts)", ""),
        ("list users order by lower(username)", "`order by` takes fields", "lower(username)", ""),
        (
            "count posts by author where count > 5",
            "`count` is known for whole groups, and `where` picks records before that",
            "count",
            "groups are not picked by their figures; `order by count desc` puts the largest first",
        ),
        (
            "count posts by author having count > 5",
            "`having` is not known here",
            "having",
            "groups are not picked by their figures; `order by count desc` puts the largest first",
        ),
        ("set users set email='x'", "`set` stands before the model, once", "set", "write `set users email='x'`"),
        (
            "set users set email='x', username=y where id = 1",
            "`set` stands before the model, once",
            "set",
            "write `set users where id = 1 email='x', username=y`",
        ),
        (
            "set users email='x' where id = 1 or id in (2, 3) | cat",
            "`where` stands before what is set",
            "where",
            "write `set users where id = 1 or id in (2, 3) email='x' | cat`",
        ),
        (
            "update users set email = 'x' where id = 1",
            "there is no command or model `update`",
            "update",
            "write `set users where id = 1 email = 'x'`",
        ),
        ("delete from users where id = 1", "`from` is not needed here", "from", "write `delete users where id = 1`"),
        (
            "list users join posts",
            "nothing is joined here: a relationship is followed by its name",
            "join",
            "write `list users with posts`",
        ),
        (
            "count users inner join posts on posts.user_id = users.id",
            "nothing is joined here: a relationship is followed by its name",
            "inner join",
            "`where has posts (...)` asks about them",
        ),
        (
            "list posts left outer join users",
            "nothing is joined here: a relationship is followed by its name",
            "left outer join",
            "write `list posts with author`",
        ),
        (
            "list posts join users where id = 1",
            "nothing is joined here: a relationship is followed by its name",
            "join",
            "a path leads to its fields: author.username",
        ),
        (
            "list users join nothing where id = 1",
            "nothing is joined here: a relationship is followed by its name",
            "join",
            "user leads to posts",
        ),
    ] {
        let error = parse_line(text, &catalog()).expect_err(text);
        let span = error.span.unwrap();
        assert_eq!((error.message.as_str(), &text[span.start..span.end]), (message, place), "{text}");
        assert!(hint.is_empty() || error.hints.iter().any(|known| known == hint), "{text}: {:?}", error.hints);
    }
    // A condition that is not understood makes no command that changes more.
    let error = parse_line("set users set email='x' where id nonsense", &catalog()).unwrap_err();
    assert!(!error.hints.iter().any(|hint| hint.starts_with("write")), "{:?}", error.hints);
    // Records may be called so.
    for text in ["user 'join' posts", "user left", "user group posts", "user set", "user having"] {
        parsed(text);
    }
}

#[test]
fn what_was_given_is_not_expected_again() {
    let hints = |text: &str| parse_line(text, &catalog()).expect_err(text).hints.join(" ");
    for (text, given, open) in [
        ("list users where id = 1 !", "`where`", "`show`"),
        ("list users where id = 1 limit 3 !", "`limit`", "`offset`"),
        ("list users show id !", "`format`", "`with`"),
        ("list users show id with posts order by id !", "`order`", "`limit`"),
        ("list users format '{id}' !", "`show`", "`where`"),
        ("count users by id where id > 0 !", "`by`", "`limit`"),
        ("commit --dry-run user !", "`--dry-run`", "a model"),
        ("diff --sql user 1 !", "`--sql`", "the end of the command"),
    ] {
        let hints = hints(text);
        assert!(!hints.contains(given) && hints.contains(open), "{text}: {hints}");
    }
    // Nor is what the command does not take.
    assert!(hints("list users show username || email").contains("`format "));
    assert!(!hints("count users by username || email").contains("format"));
    let error = refused("list users shwo id !", "`shwo` is not expected here", "shwo");
    assert_eq!(error.hints, ["did you mean `show`?"]);
    let error = refused("count users shwo id !", "`shwo` is not expected here", "shwo");
    assert_eq!(error.hints, [""; 0]);
    refused("list users where id = 1 where id = 2", "`where` is given twice", "where");
    refused("list users show id format '{id}'", "`format` does not go with `show`", "format");
}

#[test]
fn deep_nesting_is_refused_without_harm() {
    let text = format!("list users where {}id=1", "(".repeat(100_000));
    assert!(parse(&text, &catalog()).is_err());
    let text = format!("list users where {}has posts", "not ".repeat(100_000));
    assert!(parse(&text, &catalog()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_text_is_parsed_or_refused(text in "\\PC*") {
        let _ = parse(&text, &catalog());
    }

    #[test]
    fn any_pieces_are_parsed_or_refused(pieces in proptest::collection::vec(
        prop::sample::select(vec!["list", "users", "where", "(", ")", "not", "and", "or", "=", "'", "\"", "`", "$u",
            ".", "has", "posts", "count", "set", "add", "delete", "with", "1", "x'0", "order", "by", ",", "db",
            "upgrade", "|", "||", "group", "join", ".explain", ".watch", "discard", "user", "1.email", "é", "let", "in", "between", "like", "format", "--sql", "diff", "\\"]), 0..14)) {
        let text = pieces.join(" ");
        if let Err(error) = parse(&text, &catalog())
            && let Some(span) = error.span {
                prop_assert!(text.get(span.start..span.end).is_some(), "{:?} in {:?}", span, text);
            }
        let tight = pieces.concat();
        let _ = parse_line(&tight, &catalog());
        let _ = parse(&tight, &catalog());
    }
}
