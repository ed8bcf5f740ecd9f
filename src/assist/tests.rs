use super::{Candidate, Class, World, classes, complete, hint, open_at_end};
use crate::language::Open;
use crate::model::{Catalog, EntityId, Value};
use proptest::prelude::*;

struct Fixed;

impl World for Fixed {
    fn variables(&self) -> Vec<(String, String)> {
        vec![("u".into(), "<User john>".into())]
    }
    fn variable(&self, name: &str) -> Option<EntityId> {
        (name == "u").then(|| catalog().resolve("user").unwrap())
    }
    fn settings(&self) -> Vec<(String, Vec<String>)> {
        vec![("mode".into(), vec!["table".into(), "json".into()]), ("timing".into(), vec!["on".into(), "off".into()])]
    }
    fn revisions(&self) -> Vec<(String, String)> {
        vec![("20261121000000".into(), "create_users".into())]
    }
    fn savepoints(&self) -> Vec<String> {
        vec!["before".into()]
    }
    fn connections(&self) -> Vec<String> {
        vec!["prod".into()]
    }
    fn files(&self, prefix: &str) -> Vec<String> {
        ["tour.dsh", "other.txt"].into_iter().filter(|file| file.starts_with(prefix)).map(str::to_owned).collect()
    }
    fn values(&self, entity: EntityId, column: usize, prefix: &str) -> Vec<(Value, Option<String>)> {
        let model = catalog();
        let name = format!("{}.{}", model.get(entity).name, model.get(entity).columns[column].name);
        if name != "user.username" {
            return Vec::new();
        }
        ["john", "johanna", "o'brien", "two words"]
            .into_iter()
            .filter(|value| value.starts_with(prefix))
            .map(|value| (Value::Text(value.into()), Some("1".into())))
            .collect()
    }
}

fn catalog() -> Catalog {
    crate::microblog::models().into_catalog().unwrap()
}

/// The candidates at the end of a text, as the whole text would be.
fn after(text: &str) -> Vec<String> {
    let completion = complete(text, text.len(), &catalog(), &Fixed);
    completion.candidates.iter().map(|candidate| candidate.text.clone()).collect()
}

#[test]
fn commands_and_models_begin_a_line() {
    assert_eq!(after("li"), ["list"]);
    assert_eq!(after("us"), ["user"]);
    assert!(after("").contains(&"commit".to_owned()) && after("").contains(&"$u".to_owned()));
    assert_eq!(after(".mo"), [".models", ".mode"]);
    assert_eq!(after("list users; cou"), ["count"]);
}

#[test]
fn models_fields_operators_and_paths_of_any_depth() {
    assert_eq!(after("list us"), ["users"]);
    assert_eq!(after("add us"), ["user"]);
    assert_eq!(after("list users wh"), ["where"]);
    assert_eq!(after("list users where user"), ["username"]);
    assert_eq!(after("list users where username li")[0], "like");
    assert_eq!(after("list posts where author.user"), ["username"]);
    assert_eq!(after("list posts show id, author.posts.author.em"), ["email"]);
    assert_eq!(after("list users where has posts (bo"), ["body"]);
    assert_eq!(after("list users where count(posts where bo"), ["body"]);
    assert_eq!(after("count posts by author order by co"), ["count"]);
    assert!(!after("list users limit 3 ").contains(&"limit".to_owned()));
    assert_eq!(after("list users | wh"), [""; 0]);
    assert_eq!(after("list users with po"), ["posts"]);
    assert_eq!(after("user 1 po"), ["posts"]);
    assert_eq!(after("$u po"), ["posts"]);
    assert_eq!(after("$u.em"), ["email"]);
    assert_eq!(after("count posts by author.user"), ["username"]);
    assert_eq!(after("list users order by us"), ["username"]);
    assert_eq!(after("list users order by username d"), ["desc"]);
    let fields = after("add post ");
    assert!(fields.contains(&"author=".to_owned()) && fields.contains(&"body=".to_owned()), "{fields:?}");
    assert_eq!(
        after("add user username=x us"),
        Vec::<String>::new(),
        "a field that has its value is not offered again"
    );
}

#[test]
fn values_are_quoted_where_they_must_be() {
    assert_eq!(after("add post author=jo"), ["john", "johanna"]);
    assert_eq!(after("user jo"), ["john", "johanna"]);
    assert_eq!(after("list users where username = 'jo"), ["'john'", "'johanna'"]);
    assert_eq!(after("list users where username = two"), ["'two words'"]);
    assert_eq!(after("list posts where author = $"), ["$u"]);
    assert_eq!(after("list posts where timestamp > n"), ["now"]);
    let completion = complete("user jo", 7, &catalog(), &Fixed);
    assert_eq!(completion.start, 5);
    assert_eq!(completion.candidates[0], Candidate { text: "john".into(), note: "1".into() });
}

#[test]
fn settings_revisions_files_and_help() {
    assert_eq!(after(".mode j"), ["json"]);
    assert_eq!(after(".set mo"), ["mode"]);
    assert_eq!(after(".set mode t"), ["table"]);
    assert_eq!(after(".timing o"), ["on", "off"]);
    assert_eq!(after(".read to"), ["tour.dsh"]);
    assert_eq!(after(".open pr"), ["prod"]);
    assert_eq!(after(".help sav"), ["savepoint"]);
    assert_eq!(after(".schema po"), ["post"]);
    assert_eq!(after(".explain list us"), ["users"]);
    assert_eq!(after("db up"), ["upgrade"]);
    assert_eq!(after("db upgrade 2026"), ["20261121000000"]);
    assert_eq!(after("rollback to be"), ["before"]);
}

#[test]
fn near_names_when_none_begins_so() {
    assert_eq!(after("list users where pwh"), ["password_hash"]);
    assert_eq!(after("list users where name"), ["username"]);
}

#[test]
fn colours_mark_what_is_not_known() {
    let class = |text: &str, word: &str| {
        let at = text.rfind(word).unwrap();
        classes(text, &catalog(), &|_| None).into_iter().find(|(span, _)| span.start == at).map(|(_, class)| class)
    };
    assert_eq!(class("list users where username = 'x' # c", "list"), Some(Class::Keyword));
    assert_eq!(class("list users where username = 'x' # c", "users"), Some(Class::Model));
    assert_eq!(class("list users where username = 'x' # c", "username"), Some(Class::Field));
    assert_eq!(class("list users where username = 'x' # c", "'x'"), Some(Class::Text));
    assert_eq!(class("list users where username = 'x' # c", "# c"), Some(Class::Comment));
    assert_eq!(class("list usrs where", "usrs"), Some(Class::Wrong));
    assert_eq!(class("list users where usrname = 1", "usrname"), Some(Class::Wrong));
    assert_eq!(class("list users where username = 'x", "'x"), Some(Class::Wrong));
    assert_eq!(class("lsit users", "lsit"), Some(Class::Wrong));
    assert_eq!(class("li", "li"), None, "what is being typed is not wrong yet");
    assert_eq!(class(".mdoe csv", ".mdoe"), Some(Class::Wrong));
    // What a group's figure is called is no field, and what stands behind a `|` is no part of the command.
    assert_eq!(class("count posts by author order by count desc", "count"), Some(Class::Keyword));
    assert_eq!(class("sum id of posts by author order by sum", "sum"), Some(Class::Keyword));
    assert_eq!(class("list posts order by count", "count"), Some(Class::Field), "still being typed");
    assert_eq!(class("list posts order by count desc", "count"), Some(Class::Wrong));
    assert_eq!(class("list users | grep 'x", "'x"), None);
    assert_eq!(class("list users where username = 'a | b", "'a | b"), Some(Class::Wrong));
}

#[test]
fn hints_show_the_slots_to_come() {
    let hint = |text: &str| hint(text, &catalog(), &|_| None);
    assert_eq!(hint("add user ").unwrap(), "username= email= [password_hash=]");
    assert_eq!(hint("add user username=john").unwrap(), " email= [password_hash=]");
    assert_eq!(hint("add user username=john email=x ").unwrap(), "[password_hash=]");
    assert_eq!(hint("add post body='x'").unwrap(), " author= [timestamp=]");
    assert_eq!(hint("list users"), None);
}

#[test]
fn what_is_open_is_known() {
    assert_eq!(open_at_end("list users"), None);
    assert_eq!(open_at_end("add user username='a"), Some(Open::Quote('\'')));
    assert_eq!(open_at_end("list users where (id = 1"), Some(Open::Bracket(1)));
    assert_eq!(open_at_end("list users \\"), Some(Open::Backslash));
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,60}", cursor in 0_usize..70) {
        let catalog = catalog();
        let completion = complete(&text, cursor, &catalog, &Fixed);
        prop_assert!(completion.start <= text.len() && text.is_char_boundary(completion.start));
        let mut end = 0;
        for (span, _) in classes(&text, &catalog, &|_| None) {
            prop_assert!(span.start >= end && text.get(span.start..span.end).is_some());
            end = span.end;
        }
        let _ = hint(&text, &catalog, &|_| None);
    }
}

/// People by a text key and a natural key beside it, and badges that refer to them.
fn people() -> Catalog {
    use crate::model::infer::{ForeignKeyFacts, TableFacts, add_tables};
    use crate::model::{Column, DataType, EntityKind, Index, ReferentialAction};
    let text = |name: &str| Column { nullable: false, ..Column::new(name, DataType::Text(None)) };
    let table = |name: &str, columns: Vec<Column>| TableFacts {
        schema: None,
        name: name.into(),
        kind: EntityKind::Table,
        columns,
        key: vec![0],
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    };
    let mut people = table("people", vec![text("uuid"), text("email")]);
    people.indexes.push(Index { name: None, columns: vec![1], unique: true });
    let mut badges = table("badges", vec![text("id"), text("holder")]);
    badges.foreign_keys.push(ForeignKeyFacts {
        columns: vec!["holder".into()],
        to: (None, "people".into()),
        to_columns: vec!["uuid".into()],
        on_delete: ReferentialAction::Restrict,
        on_update: ReferentialAction::Restrict,
    });
    let mut catalog = Catalog::default();
    add_tables(&mut catalog, vec![people, badges]);
    catalog
}

#[test]
fn a_record_is_completed_by_each_of_its_names() {
    /// What people are called.
    struct Named(Catalog);
    impl World for Named {
        fn variables(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn variable(&self, _: &str) -> Option<EntityId> {
            None
        }
        fn settings(&self) -> Vec<(String, Vec<String>)> {
            Vec::new()
        }
        fn revisions(&self) -> Vec<(String, String)> {
            Vec::new()
        }
        fn savepoints(&self) -> Vec<String> {
            Vec::new()
        }
        fn connections(&self) -> Vec<String> {
            Vec::new()
        }
        fn files(&self, _: &str) -> Vec<String> {
            Vec::new()
        }
        fn values(&self, entity: EntityId, column: usize, prefix: &str) -> Vec<(Value, Option<String>)> {
            let model = self.0.get(entity);
            let value = match (model.name.as_str(), model.columns[column].name.as_str()) {
                ("person", "uuid") => "u-1",
                ("person", "email") => "up@x",
                _ => return Vec::new(),
            };
            value.starts_with(prefix).then(|| (Value::Text(value.into()), None)).into_iter().collect()
        }
    }
    let world = Named(people());
    for line in ["person u", "add badge holder=u", "set badge x holder=u", "list badges where holder = u"] {
        let found = complete(line, line.len(), &world.0, &world).candidates;
        let texts: Vec<&str> = found.iter().map(|candidate| candidate.text.as_str()).collect();
        assert!(texts.contains(&"u-1") && texts.contains(&"up@x"), "{line}: {texts:?}");
    }
}
