//! The door for an application's own Diesel types: `table!`, `derive(Identifiable)` and `derive(Associations)` say what
//! there is, and a few calls add what they cannot say.

use crate::model::{
    Cardinality, Catalog, Column, ColumnDefault, DataType, Entity, EntityKind, ForeignKey, Index, ReferentialAction,
    Relationship,
};
use crate::{Error, Result};
use diesel::Expression;
use diesel::associations::{BelongsTo, HasTable};
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::query_source::{Column as DieselColumn, Table};
use diesel::sql_types as sql;
use diesel::sqlite::Sqlite;
use diesel::sqlite::query_builder::SqliteQueryBuilder;
use std::marker::PhantomData;

/// A Diesel SQL type that the shell knows.
pub trait ShellType {
    /// What the shell calls it.
    fn data_type() -> DataType;
    /// Whether it admits NULL.
    const NULLABLE: bool = false;
}

macro_rules! shell_types {
    ($($sql:ty => $data:expr),* $(,)?) => {
        $(impl ShellType for $sql { fn data_type() -> DataType { $data } })*
    };
}

shell_types! {
    sql::Bool => DataType::Bool,
    sql::SmallInt => DataType::Int(16),
    sql::Integer => DataType::Int(32),
    sql::BigInt => DataType::Int(64),
    sql::Float => DataType::Float,
    sql::Double => DataType::Float,
    sql::Numeric => DataType::Numeric,
    sql::Text => DataType::Text(None),
    sql::Binary => DataType::Bytes,
    sql::Timestamp => DataType::Timestamp,
    sql::TimestamptzSqlite => DataType::TimestampTz,
    sql::Date => DataType::Date,
    sql::Time => DataType::Time,
    sql::Json => DataType::Json,
    sql::Jsonb => DataType::Json,
}

impl<T: ShellType + sql::SqlType<IsNull = sql::is_nullable::NotNull>> ShellType for sql::Nullable<T> {
    fn data_type() -> DataType {
        T::data_type()
    }
    const NULLABLE: bool = true;
}

/// The columns of a table: implemented for the tuples that `table!` makes.
pub trait ColumnList {
    /// Names, types and nullability, in order.
    fn columns() -> Vec<Column>;
}

macro_rules! column_lists {
    ($($name:ident)*) => {
        impl<$($name),*> ColumnList for ($($name,)*)
        where $($name: DieselColumn + Expression, <$name as Expression>::SqlType: ShellType),*
        {
            fn columns() -> Vec<Column> {
                vec![$(describe::<$name>()),*]
            }
        }
    };
}

macro_rules! all_column_lists {
    ($first:ident $($rest:ident)*) => {
        column_lists!($first $($rest)*);
        all_column_lists!($($rest)*);
    };
    () => {};
}

all_column_lists!(C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C27 C28 C29 C30 C31 C32);

fn describe<C>() -> Column
where
    C: DieselColumn + Expression,
    C::SqlType: ShellType,
{
    let mut column = Column::new(C::NAME, <C::SqlType as ShellType>::data_type());
    column.nullable = <C::SqlType as ShellType>::NULLABLE;
    column
}

/// The quoted names in a piece of SQL that Diesel built: the one way to a table's name and key that all Diesel tables
/// offer.
fn names_in(fragment: &impl QueryFragment<Sqlite>) -> Vec<String> {
    let mut builder = SqliteQueryBuilder::default();
    if fragment.to_sql(&mut builder, &Sqlite).is_err() {
        return Vec::new();
    }
    let sql = QueryBuilder::<Sqlite>::finish(builder);
    let mut names = Vec::new();
    let mut rest = sql.as_str();
    while let Some(start) = rest.find('`') {
        let mut name = String::new();
        rest = &rest[start + 1..];
        while let Some(end) = rest.find('`') {
            name.push_str(&rest[..end]);
            rest = &rest[end + 1..];
            if !rest.starts_with('`') {
                break;
            }
            name.push('`');
            rest = &rest[1..];
        }
        names.push(name);
    }
    names
}

/// What registration adds to one model.
pub struct ModelBuilder<T> {
    entity: Entity,
    table: PhantomData<T>,
}

impl<T: Table> ModelBuilder<T> {
    fn column<C: DieselColumn<Table = T>>(&mut self) -> Option<(usize, &mut Column)> {
        self.entity.columns.iter_mut().enumerate().find(|(_, column)| column.name == C::NAME)
    }

    /// The plural, where it is not the table's name.
    #[must_use]
    pub fn plural(mut self, plural: &str) -> Self {
        plural.clone_into(&mut self.entity.plural);
        self
    }

    /// The database numbers the key by itself (`INTEGER PRIMARY KEY`, `SERIAL`, identity).
    #[must_use]
    pub fn numbered(mut self) -> Self {
        if let [only] = self.entity.key[..] {
            self.entity.columns[only].numbered = true;
        }
        self
    }

    /// A text's limit in characters.
    #[must_use]
    pub fn max_length<C: DieselColumn<Table = T>>(mut self, _: C, limit: u32) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.data_type = DataType::Text(Some(limit));
        }
        self
    }

    /// The column gets the current time in UTC when none is named.
    #[must_use]
    pub fn default_now<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.default = Some(ColumnDefault::Now);
        }
        self
    }

    /// The column's values are hidden wherever they would be shown.
    #[must_use]
    pub fn masked<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.masked = true;
        }
        self
    }

    /// A unique index on the column. The first one on a text that cannot be NULL is the natural key.
    #[must_use]
    pub fn unique<C: DieselColumn<Table = T>>(self, _: C, name: &str) -> Self {
        self.add_index::<C>(name, true)
    }

    /// An index on the column.
    #[must_use]
    pub fn index<C: DieselColumn<Table = T>>(self, _: C, name: &str) -> Self {
        self.add_index::<C>(name, false)
    }

    fn add_index<C: DieselColumn<Table = T>>(mut self, name: &str, unique: bool) -> Self {
        if let Some((at, column)) = self.column::<C>() {
            let natural = unique && !column.nullable && matches!(column.data_type, DataType::Text(_));
            self.entity.indexes.push(Index { name: Some(name.to_owned()), columns: vec![at], unique });
            if natural {
                self.entity.natural_key.get_or_insert(at);
            }
        }
        self
    }

    /// The column that stands for a record: `<User john>`.
    #[must_use]
    pub fn display<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        self.entity.display = self.column::<C>().map(|(at, _)| at);
        self
    }
}

/// A set of registered models.
#[derive(Debug, Default, Clone)]
pub struct Models {
    catalog: Catalog,
    problems: Vec<String>,
}

impl Models {
    /// No models yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a Diesel model under its singular name; the plural is its table's name.
    #[must_use]
    pub fn model<M>(mut self, name: &str, adjust: impl FnOnce(ModelBuilder<M::Table>) -> ModelBuilder<M::Table>) -> Self
    where
        M: HasTable,
        M::Table: Table + QueryFragment<Sqlite>,
        <M::Table as Table>::AllColumns: ColumnList,
        <M::Table as Table>::PrimaryKey: QueryFragment<Sqlite>,
    {
        let table = M::table();
        let table_names = names_in(&table);
        let columns = <M::Table as Table>::AllColumns::columns();
        let key = names_in(&table.primary_key())
            .iter()
            .filter_map(|name| columns.iter().position(|column| column.name == *name))
            .collect();
        let (table, schema) = match table_names.as_slice() {
            [schema, table] => (table.clone(), Some(schema.clone())),
            [table, ..] => (table.clone(), None),
            [] => (name.to_owned(), None),
        };
        let entity = Entity {
            name: name.to_owned(),
            plural: table.clone(),
            title: std::any::type_name::<M>().rsplit("::").next().unwrap_or(name).to_owned(),
            schema,
            table,
            kind: EntityKind::Table,
            columns,
            key,
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            relationships: Vec::new(),
            display: None,
            natural_key: None,
        };
        self.catalog.insert(adjust(ModelBuilder { entity, table: PhantomData }).entity);
        self
    }

    /// Registers that `Child` belongs to `Parent`, as `derive(Associations)` says: `child.to_one` leads to the parent,
    /// `parent.to_many` to the children.
    #[must_use]
    pub fn belongs_to<Child, Parent>(mut self, to_one: &str, to_many: &str) -> Self
    where
        Child: HasTable + BelongsTo<Parent>,
        Parent: HasTable,
        Child::Table: QueryFragment<Sqlite>,
        Parent::Table: QueryFragment<Sqlite>,
        <Child as BelongsTo<Parent>>::ForeignKeyColumn: DieselColumn,
    {
        let named = |names: Vec<String>| names.last().cloned().unwrap_or_default();
        let child = self.catalog.resolve(&named(names_in(&Child::table())));
        let parent = self.catalog.resolve(&named(names_in(&Parent::table())));
        let (Ok(child), Ok(parent)) = (child, parent) else {
            self.problems.push(format!("belongs_to({to_one}, {to_many}): register both models first"));
            return self;
        };
        let column = <<Child as BelongsTo<Parent>>::ForeignKeyColumn as DieselColumn>::NAME;
        let Some((local, _)) = self.catalog.get(child).column(column) else { return self };
        let remote = self.catalog.get(parent).key.clone();
        let entity = self.catalog.get_mut(child);
        entity.foreign_keys.push(ForeignKey {
            columns: vec![local],
            to: parent,
            to_columns: remote.clone(),
            on_delete: ReferentialAction::Restrict,
            on_update: ReferentialAction::Restrict,
        });
        entity.relationships.push(Relationship {
            name: to_one.to_owned(),
            to: parent,
            cardinality: Cardinality::One,
            local: vec![local],
            remote: remote.clone(),
            owning: true,
            link: None,
        });
        self.catalog.get_mut(parent).relationships.push(Relationship {
            name: to_many.to_owned(),
            to: child,
            cardinality: Cardinality::Many,
            local: remote,
            remote: vec![local],
            owning: false,
            link: None,
        });
        self
    }

    /// The catalog of all that was registered.
    ///
    /// # Errors
    /// `Usage` when a relationship names a model that was not registered before it.
    pub fn into_catalog(self) -> Result<Catalog> {
        match self.problems.first() {
            Some(problem) => Err(Error::new(crate::ErrorKind::Usage, problem.clone())),
            None => Ok(self.catalog),
        }
    }
}
