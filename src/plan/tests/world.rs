//! Models of every sort of column and relationship, and a resolver that has no database behind it.

use crate::language::ast::{Command, Name, Target};
use crate::language::parse;
use crate::model::infer::{ForeignKeyFacts, TableFacts, add_tables};
use crate::model::{Catalog, Column, ColumnDefault, DataType, EntityId, EntityKind, Index, ReferentialAction, Value};
use crate::plan::query::Select;
use crate::plan::{self, Bound, Record, Resolver};
use crate::{Error, Result};

pub struct World {
    pub catalog: Catalog,
}

/// A column by words: `email text unique not null`.
fn column(words: &[&str], facts: &mut TableFacts) -> Column {
    let at = facts.columns.len();
    let has = |word: &str| words.contains(&word);
    let mut column = Column::new(
        words[0],
        match words[1] {
            "bool" => DataType::Bool,
            "small" => DataType::Int(16),
            "int" => DataType::Int(32),
            "big" => DataType::Int(64),
            "float" => DataType::Float,
            "numeric" => DataType::Numeric,
            "text" => DataType::Text(None),
            "text5" => DataType::Text(Some(5)),
            "bytes" => DataType::Bytes,
            "timestamp" => DataType::Timestamp,
            "timestamptz" => DataType::TimestampTz,
            "date" => DataType::Date,
            "time" => DataType::Time,
            "json" => DataType::Json,
            "uuid" => DataType::Uuid,
            "any" => DataType::Any,
            other => DataType::Other(other.into()),
        },
    );
    column.nullable = !has("not") && !has("key");
    column.numbered = has("numbered");
    column.generated = has("generated");
    column.always = has("always");
    column.masked = has("masked");
    if let Some(at) = words.iter().position(|word| *word == "default") {
        column.default = Some(ColumnDefault::Database(words[at + 1].into()));
    }
    if has("key") {
        facts.key.push(at);
    }
    if has("unique") {
        facts.indexes.push(Index { name: None, columns: vec![at], unique: true });
    }
    if let Some(to) = words.iter().position(|word| *word == "->") {
        facts.foreign_keys.push(ForeignKeyFacts {
            columns: vec![words[0].into()],
            to: (None, words[to + 1].into()),
            to_columns: Vec::new(),
            on_delete: ReferentialAction::Restrict,
            on_update: ReferentialAction::Restrict,
        });
    }
    column
}

fn table(name: &str, kind: EntityKind, columns: &[&str]) -> TableFacts {
    let mut facts = TableFacts {
        schema: None,
        name: name.into(),
        kind,
        columns: Vec::new(),
        key: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    };
    for line in columns {
        let words: Vec<&str> = line.split(' ').collect();
        let column = column(&words, &mut facts);
        facts.columns.push(column);
    }
    facts
}

impl World {
    pub fn new() -> Self {
        let mut rack = table("racks", EntityKind::Table, &["room text key", "number int key", "label text"]);
        rack.schema = Some("store".into());
        let mut item = table("items", EntityKind::Table, &["id int key", "room text", "number int"]);
        item.foreign_keys.push(ForeignKeyFacts {
            columns: vec!["room".into(), "number".into()],
            to: (Some("store".into()), "racks".into()),
            to_columns: Vec::new(),
            on_delete: ReferentialAction::Restrict,
            on_update: ReferentialAction::Restrict,
        });
        let tables = vec![
            table(
                "users",
                EntityKind::Table,
                &["id int key numbered", "name text unique not null", "email text", "age int", "secret text masked"],
            ),
            table(
                "posts",
                EntityKind::Table,
                &[
                    "id int key numbered",
                    "body text not null",
                    "score int",
                    "author_id int not null -> users",
                    "at timestamp",
                ],
            ),
            table(
                "comments",
                EntityKind::Table,
                &["id int key", "text text", "post_id int -> posts", "user_id int -> users"],
            ),
            table(
                "things",
                EntityKind::Table,
                &[
                    "id big key numbered always",
                    "yes bool",
                    "small small",
                    "big big",
                    "ratio float",
                    "price numeric",
                    "code text5",
                    "raw bytes",
                    "at timestamp",
                    "zoned timestamptz",
                    "day date",
                    "hour time",
                    "doc json",
                    "tag uuid",
                    "whatever any",
                    "address inet",
                    "own public.mood",
                    "sum int generated",
                    "state text not null default 'new'",
                ],
            ),
            table("persons", EntityKind::Table, &["id int key", "name text", "boss_id int -> persons"]),
            table("logs", EntityKind::Table, &["line text", "n int"]),
            table("totals", EntityKind::View, &["user_id int", "total big"]),
            rack,
            item,
        ];
        let mut catalog = Catalog::default();
        add_tables(&mut catalog, tables);
        Self { catalog }
    }

    /// The queries that a command comes to: its own, and one for each relationship that `with` names.
    pub fn planned(&mut self, text: &str) -> Result<Vec<Select>> {
        let catalog = self.catalog.clone();
        match parse(text, &catalog)? {
            Command::Query(query) => {
                let read = plan::read(&query, self)?;
                let key = vec![vec![Value::Int(1)], vec![Value::Int(2)]];
                let levels = read.with.iter().map(|level| plan::level_select(&level.relationship, &key, &catalog));
                Ok(std::iter::once(read.select).chain(levels).collect())
            }
            Command::Aggregate(aggregate) => Ok(vec![plan::aggregate(&aggregate, self)?.0]),
            Command::Distinct(distinct) => Ok(vec![plan::distinct(&distinct, self)?.0]),
            Command::Set(Target::Where(model, condition), _) | Command::Delete(Target::Where(model, condition), _) => {
                let entity = catalog.resolve(&model.text).map_err(|error| error.at(model.span))?;
                Ok(vec![plan::many(entity, condition.as_ref(), self)?])
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Resolver for World {
    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// `$u` is a user, `$us` are users, `$n` is a number.
    fn variable(&self, name: &Name<'_>) -> Result<Bound> {
        let user = self.catalog.resolve("user")?;
        let row =
            |id: i64| vec![Value::Int(id), Value::Text(format!("u{id}")), Value::Null, Value::Int(30), Value::Null];
        match name.text.as_ref() {
            "u" => Ok(Bound::Record(Record { entity: user, values: row(7) })),
            "us" => Ok(Bound::Records(user, vec![row(7), row(8)])),
            "n" => Ok(Bound::Value(Value::Int(5))),
            other => Err(Error::invalid(format!("there is no variable ${other}")).at(name.span)),
        }
    }

    /// Records with a key below 100 are there, and users whose name begins with a `j`.
    fn find(&mut self, entity: EntityId, by: &[(usize, Value)]) -> Result<Option<Record>> {
        let model = self.catalog.get(entity);
        let found = by.iter().all(|(_, value)| match value {
            Value::Int(number) => *number < 100,
            Value::Text(text) => text.starts_with('j') || text.parse::<i64>().is_ok_and(|number| number < 100),
            _ => false,
        });
        Ok(found.then(|| {
            let mut values = vec![Value::Null; model.columns.len()];
            for at in &model.key {
                values[*at] = Value::Int(1);
            }
            for (at, value) in by {
                values[*at] = value.clone();
            }
            Record { entity, values }
        }))
    }

    fn find_several(&mut self, entity: EntityId, by: &[(usize, Value)], _: u64) -> Result<Vec<Record>> {
        Ok(self.find(entity, by)?.into_iter().collect())
    }

    fn now(&self) -> chrono::NaiveDateTime {
        chrono::NaiveDate::from_ymd_opt(2026, 11, 21).unwrap().and_hms_opt(10, 3, 0).unwrap()
    }
}
