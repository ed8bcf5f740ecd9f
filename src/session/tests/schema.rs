//! Tables for tests, a column a line: `email text unique not null`, `author_id int -> users on delete cascade`.

use crate::model::infer::{ForeignKeyFacts, TableFacts, add_tables};
use crate::model::{Catalog, Column, ColumnDefault, DataType, EntityKind, Index, ReferentialAction};

/// A table of these columns; several with the word `key` make a composite key.
pub fn table(name: &str, columns: &[&str]) -> TableFacts {
    let mut facts = TableFacts {
        schema: None,
        name: name.into(),
        kind: EntityKind::Table,
        columns: Vec::new(),
        key: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    };
    for line in columns {
        let (own, refers) = line.split_once(" -> ").map_or((*line, None), |(own, to)| (own, Some(to)));
        let words: Vec<&str> = own.split(' ').collect();
        let has = |word: &str| words.contains(&word);
        let at = facts.columns.len();
        let mut column = Column::new(words[0], data_type(words[1]));
        column.nullable = !has("not") && !has("key");
        column.numbered = has("numbered");
        column.generated = has("generated");
        column.masked = has("masked");
        let default = words.iter().position(|word| *word == "default").map(|at| words[at + 1]);
        column.default = default.map(|text| ColumnDefault::Database(text.into()));
        if has("key") {
            facts.key.push(at);
        }
        if has("unique") {
            facts.indexes.push(Index { name: None, columns: vec![at], unique: true });
        }
        if let Some(to) = refers {
            let action = |event: &str| match to.split_once(event).map_or("", |(_, action)| action.trim()) {
                action if action.starts_with("cascade") => ReferentialAction::Cascade,
                action if action.starts_with("set null") => ReferentialAction::SetNull,
                action if action.starts_with("set default") => ReferentialAction::SetDefault,
                _ => ReferentialAction::Restrict,
            };
            facts.foreign_keys.push(ForeignKeyFacts {
                columns: vec![words[0].into()],
                to: (None, to.split(' ').next().unwrap().into()),
                to_columns: Vec::new(),
                on_delete: action("on delete"),
                on_update: action("on update"),
            });
        }
        facts.columns.push(column);
    }
    facts
}

fn data_type(name: &str) -> DataType {
    match name {
        "int" => DataType::Int(64),
        "bool" => DataType::Bool,
        "decimal" => DataType::Numeric,
        "text" => DataType::Text(None),
        other => panic!("{other} is no type of these tests"),
    }
}

/// The models of some tables.
pub fn catalog(tables: &[TableFacts]) -> Catalog {
    let mut catalog = Catalog::default();
    add_tables(&mut catalog, tables.to_vec());
    catalog
}

/// Users with a unique email, their posts, the posts' comments, and memberships with a key of two columns.
pub fn blog() -> Vec<TableFacts> {
    vec![
        table(
            "users",
            &["id int key numbered", "email text unique not null", "name text", "age int", "plan text default 'free'"],
        ),
        table("posts", &["id int key numbered", "title text not null", "author_id int not null -> users"]),
        table("comments", &["id int key numbered", "body text", "post_id int not null -> posts on delete cascade"]),
        table("memberships", &["user_id int key -> users", "club text key", "since int"]),
        table("logs", &["line text"]),
    ]
}
