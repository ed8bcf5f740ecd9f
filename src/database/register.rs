//! The door for an application's own Diesel types: `table!`, `derive(Identifiable)` and `derive(Associations)` say what
//! there is, and a few calls add what they cannot say.

use crate::model::rule::{ColumnCheck, Computed, Proposed, RecordCheck};
use crate::model::secret::looks_secret;
use crate::model::{
    Cardinality, Catalog, Column, ColumnDefault, DataType, Entity, EntityKind, ForeignKey, IN_DATABASE, Index,
    ReferentialAction, Relationship, Value, complete, infer, widen,
};
use crate::store::Store;
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
#[diagnostic::on_unimplemented(
    message = "the shell does not know the SQL type `{Self}`",
    label = "a column of this model has the SQL type `{Self}`",
    note = "a type of your own takes part with `impl diesel_shell::ShellType for {Self}`, which names the built-in type that its values are spelled as",
    note = "the types of PostgreSQL (`Uuid`, `Timestamptz`, `Array`, `Jsonb`, ...) are there with the feature `postgres`"
)]
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
    sql::Interval => DataType::Other("interval".into()),
}

/// What only PostgreSQL has; types without a variant travel as text, with a cast to the name that they have there.
#[cfg(feature = "postgres")]
mod postgres {
    use super::ShellType;
    use crate::model::DataType;
    use diesel::pg::sql_types as pg;
    use diesel::sql_types as sql;

    shell_types! {
        pg::Uuid => DataType::Uuid,
        pg::Timestamptz => DataType::TimestampTz,
        pg::Inet => DataType::Other("inet".into()),
        pg::Cidr => DataType::Other("cidr".into()),
        pg::MacAddr => DataType::Other("macaddr".into()),
        pg::MacAddr8 => DataType::Other("macaddr8".into()),
        pg::Money => DataType::Other("money".into()),
        pg::Oid => DataType::Other("oid".into()),
        pg::PgLsn => DataType::Other("pg_lsn".into()),
        pg::Citext => DataType::Other("citext".into()),
        pg::Int4range => DataType::Other("int4range".into()),
        pg::Int8range => DataType::Other("int8range".into()),
        pg::Numrange => DataType::Other("numrange".into()),
        pg::Daterange => DataType::Other("daterange".into()),
        pg::Tsrange => DataType::Other("tsrange".into()),
        pg::Tstzrange => DataType::Other("tstzrange".into()),
        pg::Int4multirange => DataType::Other("int4multirange".into()),
        pg::Int8multirange => DataType::Other("int8multirange".into()),
        pg::Nummultirange => DataType::Other("nummultirange".into()),
        pg::Datemultirange => DataType::Other("datemultirange".into()),
        pg::Tsmultirange => DataType::Other("tsmultirange".into()),
        pg::Tstzmultirange => DataType::Other("tstzmultirange".into()),
        sql::CChar => DataType::Other("\"char\"".into()),
    }

    impl<T: ShellType + 'static> ShellType for sql::Array<T> {
        fn data_type() -> DataType {
            DataType::Other(format!("{}[]", postgres_name(&T::data_type())))
        }
    }

    /// A type's name in PostgreSQL.
    fn postgres_name(data_type: &DataType) -> String {
        match data_type {
            DataType::Bool => "boolean".into(),
            DataType::Int(16) => "smallint".into(),
            DataType::Int(64) => "bigint".into(),
            DataType::Int(_) => "integer".into(),
            DataType::Float => "double precision".into(),
            DataType::Bytes => "bytea".into(),
            DataType::Text(_) | DataType::Any => "text".into(),
            DataType::Json => "jsonb".into(),
            other => other.name(),
        }
    }
}

impl<T: ShellType + sql::SqlType<IsNull = sql::is_nullable::NotNull>> ShellType for sql::Nullable<T> {
    fn data_type() -> DataType {
        T::data_type()
    }
    const NULLABLE: bool = true;
}

/// The columns of a table: implemented for the tuples that `table!` makes, of up to 32 columns; of up to 64 or 128 with
/// the features `64-column-tables` and `128-column-tables`.
#[diagnostic::on_unimplemented(
    message = "the shell cannot read the columns of this table",
    label = "its columns are `{Self}`",
    note = "a table may have up to 32 columns; the features `64-column-tables` and `128-column-tables` admit more"
)]
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

/// Tuples of more columns than 32, down to 33.
#[cfg(feature = "64-column-tables")]
mod wide {
    use super::{Column, ColumnList, DieselColumn, Expression, ShellType, describe};

    macro_rules! wide_column_lists {
        ([$($base:ident)*] $first:ident $($rest:ident)*) => {
            column_lists!($($base)* $first $($rest)*);
            wide_column_lists!([$($base)*] $($rest)*);
        };
        ([$($base:ident)*]) => {};
    }

    wide_column_lists!([C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C27 C28 C29 C30 C31 C32] C33 C34 C35 C36 C37 C38 C39 C40 C41 C42 C43 C44 C45 C46 C47 C48 C49 C50 C51 C52 C53 C54 C55 C56 C57 C58 C59 C60 C61 C62 C63 C64);

    #[cfg(feature = "128-column-tables")]
    wide_column_lists!([C1 C2 C3 C4 C5 C6 C7 C8 C9 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20 C21 C22 C23 C24 C25 C26 C27 C28 C29 C30 C31 C32 C33 C34 C35 C36 C37 C38 C39 C40 C41 C42 C43 C44 C45 C46 C47 C48 C49 C50 C51 C52 C53 C54 C55 C56 C57 C58 C59 C60 C61 C62 C63 C64] C65 C66 C67 C68 C69 C70 C71 C72 C73 C74 C75 C76 C77 C78 C79 C80 C81 C82 C83 C84 C85 C86 C87 C88 C89 C90 C91 C92 C93 C94 C95 C96 C97 C98 C99 C100 C101 C102 C103 C104 C105 C106 C107 C108 C109 C110 C111 C112 C113 C114 C115 C116 C117 C118 C119 C120 C121 C122 C123 C124 C125 C126 C127 C128);
}

fn describe<C>() -> Column
where
    C: DieselColumn + Expression,
    C::SqlType: ShellType,
{
    let mut column = Column::new(C::NAME, <C::SqlType as ShellType>::data_type());
    column.nullable = <C::SqlType as ShellType>::NULLABLE;
    column.masked = looks_secret(&column.name, &column.data_type);
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

/// A Diesel model: a struct that `derive(Identifiable)` or `derive(HasQuery)` ties to its `table!`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a model of the shell",
    label = "not a model",
    note = "a model is a struct with `#[derive(Identifiable)]` and `#[diesel(table_name = ...)]`, of a table with a primary key"
)]
pub trait Model:
    HasTable<Table: Table<AllColumns: ColumnList, PrimaryKey: QueryFragment<Sqlite>> + QueryFragment<Sqlite>>
{
}

impl<M> Model for M
where
    M: HasTable,
    M::Table: Table + QueryFragment<Sqlite>,
    <M::Table as Table>::AllColumns: ColumnList,
    <M::Table as Table>::PrimaryKey: QueryFragment<Sqlite>,
{
}

/// A model that belongs to another, as `derive(Associations)` says.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not belong to `{Parent}`",
    label = "no such association",
    note = "`#[derive(Associations)]` with `#[diesel(belongs_to({Parent}))]` on `{Self}` says so"
)]
pub trait Owned<Parent>: Model + BelongsTo<Parent, ForeignKeyColumn: DieselColumn> {}

impl<Child, Parent> Owned<Parent> for Child
where
    Child: Model + BelongsTo<Parent>,
    <Child as BelongsTo<Parent>>::ForeignKeyColumn: DieselColumn,
{
}

/// A type's own name, without its path and parameters.
fn title<M>(otherwise: &str) -> String {
    let path = std::any::type_name::<M>().split('<').next().unwrap_or_default();
    path.rsplit("::").next().filter(|name| !name.is_empty()).unwrap_or(otherwise).to_owned()
}

/// What registration adds to one model. `T` is its table; columns are named as `table!` names them, so that the compiler
/// knows each.
pub struct ModelBuilder<T> {
    entity: Entity,
    problems: Vec<String>,
    table: PhantomData<T>,
}

/// A record as it will be, for a check in Rust.
pub struct Draft<'a, T> {
    proposed: Proposed<'a>,
    names: &'a [String],
    table: PhantomData<T>,
}

impl<T: Table> Draft<'_, T> {
    /// The value that a column will have; NULL where none is given, also where the database itself will fill it in.
    #[must_use]
    pub fn get<C: DieselColumn<Table = T>>(&self, _: C) -> &Value {
        const NULL: &Value = &Value::Null;
        let at = self.names.iter().position(|name| name == C::NAME);
        at.and_then(|at| self.proposed.values.get(at)).unwrap_or(NULL)
    }

    /// Whether it is a new record.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.proposed.is_new
    }
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

    /// The column gets this value when none is named.
    #[must_use]
    pub fn default_value<C: DieselColumn<Table = T>>(mut self, _: C, value: impl Into<Value>) -> Self {
        let fitted = self.column::<C>().map(|(_, column)| {
            let fitted = column.check(value.into())?;
            column.default = Some(ColumnDefault::Value(fitted));
            Ok::<(), Error>(())
        });
        if let Some(Err(error)) = fitted {
            self.problems.push(format!("the default of {}: {error}", self.entity.name));
        }
        self
    }

    /// The column gets what the closure gives when none is named: a token, a number from elsewhere.
    #[must_use]
    pub fn default_with<C, V>(mut self, _: C, value: impl Fn() -> V + Send + Sync + 'static) -> Self
    where
        C: DieselColumn<Table = T>,
        V: Into<Value>,
    {
        if let Some((_, column)) = self.column::<C>() {
            column.default = Some(ColumnDefault::Computed(Computed::new(move || value().into())));
        }
        self
    }

    /// The database fills the column in when none is named (a DEFAULT of the table's own).
    #[must_use]
    pub fn default_in_database<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.default = Some(ColumnDefault::Database(IN_DATABASE.into()));
        }
        self
    }

    /// The column's DEFAULT as SQL, which `db migrate` gives the table.
    #[must_use]
    pub fn default_sql<C: DieselColumn<Table = T>>(mut self, _: C, sql: &str) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.default = Some(ColumnDefault::Database(sql.to_owned()));
        }
        self
    }

    /// A check constraint of the table by its name, as SQL, which `db migrate` gives the table.
    #[must_use]
    pub fn check_sql(mut self, name: &str, sql: &str) -> Self {
        self.entity.constraints.push((name.to_owned(), sql.to_owned()));
        self
    }

    /// Refuses values of the column with a message. NULL is not asked about: whether a column admits it is the table's
    /// matter.
    ///
    /// Asked wherever a value is given or computed: `add`, `set`, `.import`, and changes from code. The message is shown
    /// with the column's name before it, and a mark under the value.
    #[must_use]
    pub fn validate<C, E>(mut self, _: C, check: impl Fn(&Value) -> Result<(), E> + Send + Sync + 'static) -> Self
    where
        C: DieselColumn<Table = T>,
        E: std::fmt::Display,
    {
        if let Some((_, column)) = self.column::<C>() {
            column.checks.push(ColumnCheck::new(move |value| check(value).map_err(|why| why.to_string())));
        }
        self
    }

    /// Refuses records with a message, whenever one is staged: looks at all columns as they will be.
    #[must_use]
    pub fn validate_record<E>(mut self, check: impl Fn(&Draft<'_, T>) -> Result<(), E> + Send + Sync + 'static) -> Self
    where
        E: std::fmt::Display,
        T: 'static,
    {
        let names: Vec<String> = self.entity.columns.iter().map(|column| column.name.clone()).collect();
        self.entity.checks.push(RecordCheck::new(move |proposed| {
            let draft = Draft { proposed: *proposed, names: &names, table: PhantomData::<T> };
            check(&draft).map_err(|why| why.to_string())
        }));
        self
    }

    /// The column's values are hidden wherever they would be shown. Columns whose names are those of secrets are hidden
    /// anyway: `password_hash`, `api_key`, `refresh_token`.
    #[must_use]
    pub fn masked<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.masked = true;
        }
        self
    }

    /// The column's values are shown, though its name is that of a secret.
    #[must_use]
    pub fn not_masked<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.masked = false;
        }
        self
    }

    /// The values that a column can have, which Tab offers and nothing else passes.
    #[must_use]
    pub fn choices<C: DieselColumn<Table = T>>(mut self, _: C, choices: &[&str]) -> Self {
        if let Some((_, column)) = self.column::<C>() {
            column.choices = choices.iter().map(|choice| (*choice).to_owned()).collect();
            let allowed = column.choices.clone();
            column.checks.push(ColumnCheck::new(move |value| {
                let text = value.to_string();
                let known = allowed.contains(&text);
                if known { Ok(()) } else { Err(format!("'{text}' is none of {}", allowed.join(", "))) }
            }));
        }
        self
    }

    /// The column by which a record can be named: `user john`. A text that is unique and not NULL.
    ///
    /// The first [`unique`](Self::unique) column of that sort is it anyway.
    #[must_use]
    pub fn natural_key<C: DieselColumn<Table = T>>(mut self, _: C) -> Self {
        self.entity.natural_key = self.column::<C>().map(|(at, _)| at);
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

/// A set of registered models: what a [`Shell`](crate::Shell) is built around.
///
/// `model` takes what Diesel's derives say; `model_with` adds what they cannot say.
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

    /// Registers a Diesel model under its singular name; the plural is its table's name. A single integer key is taken to
    /// be numbered by the database.
    #[must_use]
    pub fn model<M: Model>(self, name: &str) -> Self {
        self.model_with::<M>(name, |model| {
            let integer = |at: &usize| matches!(model.entity.columns[*at].data_type, DataType::Int(_));
            if model.entity.key.iter().all(integer) { model.numbered() } else { model }
        })
    }

    /// Registers a Diesel model and says more about it: display, keys, lengths, defaults, checks, what is hidden.
    #[must_use]
    pub fn model_with<M: Model>(
        mut self,
        name: &str,
        adjust: impl FnOnce(ModelBuilder<M::Table>) -> ModelBuilder<M::Table>,
    ) -> Self {
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
        if self.catalog.iter().any(|(_, known)| known.name == name) {
            self.problems.push(format!("two models are registered as `{name}`"));
        }
        let entity = Entity {
            name: name.to_owned(),
            plural: table.clone(),
            title: title::<M>(name),
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
            checks: Vec::new(),
            constraints: Vec::new(),
        };
        let built = adjust(ModelBuilder { entity, problems: Vec::new(), table: PhantomData });
        self.problems.extend(built.problems);
        let mut entity = built.entity;
        // What is hidden names no record.
        entity.natural_key = entity.natural_key.filter(|at| !entity.columns[*at].masked);
        self.catalog.insert(entity);
        self
    }

    /// Registers that `Child` belongs to `Parent`, as `derive(Associations)` says: `child.to_one` leads to the parent,
    /// `parent.to_many` to the children.
    #[must_use]
    pub fn belongs_to<Child, Parent>(mut self, to_one: &str, to_many: &str) -> Self
    where
        Child: Owned<Parent>,
        Parent: Model,
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

    /// What the database does with the children when their parent is deleted, which `db migrate` gives the foreign key.
    /// Where it is not said, that is as the database has it.
    #[must_use]
    pub fn on_delete<Child, Parent>(mut self, action: ReferentialAction) -> Self
    where
        Child: Owned<Parent>,
        Parent: Model,
    {
        let named = |names: Vec<String>| names.last().cloned().unwrap_or_default();
        let column = <<Child as BelongsTo<Parent>>::ForeignKeyColumn as DieselColumn>::NAME;
        let key = self.catalog.resolve(&named(names_in(&Child::table()))).ok().and_then(|child| {
            let entity = self.catalog.get_mut(child);
            let (local, _) = entity.column(column)?;
            entity.foreign_keys.iter_mut().find(|key| key.columns == [local])
        });
        match key {
            Some(key) => key.on_delete = action,
            None => self.problems.push(format!("on_delete of {column}: say belongs_to first")),
        }
        self
    }

    /// The models of a database: those that are registered, completed by what the database knows of their tables, and
    /// every other table by reflection.
    ///
    /// With `where_present`, registered models count only where the database has all of them, or could have (it is empty,
    /// or some of its own migrations are applied); a database without them is parted from their migrations.
    ///
    /// # Errors
    /// `Usage` as [`Models::into_catalog`]; the database's own.
    pub(crate) fn catalog_of(&self, store: &mut dyn Store, where_present: bool) -> Result<Catalog> {
        let tables = store.tables()?;
        let mut catalog = self.clone().into_catalog()?;
        if where_present {
            let has = |entity: &Entity| {
                tables.iter().any(|table| {
                    table.name == entity.table
                        && entity
                            .columns
                            .iter()
                            .all(|wanted| table.columns.iter().any(|column| column.name == wanted.name))
                })
            };
            let whole = tables.is_empty() || catalog.iter().all(|(_, entity)| has(entity));
            // Partly downgraded: its own versions are on record.
            let fits = whole
                || (store.has_migrations_table()?
                    && store
                        .revisions()
                        .is_ok_and(|all| all.iter().any(|known| known.script.is_some() && known.applied)));
            if !fits {
                store.forget_migrations();
                catalog = Catalog::default();
            }
            widen(&mut catalog, &tables);
        } else {
            complete(&mut catalog, &tables);
        }
        infer::add_tables(&mut catalog, tables);
        Ok(catalog)
    }

    /// Whether nothing was registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.catalog.is_empty()
    }

    /// The catalog of all that was registered.
    ///
    /// # Errors
    /// `Usage` when a relationship names a model that was not registered before it.
    #[doc(hidden)]
    pub fn into_catalog(self) -> Result<Catalog> {
        match self.problems.first() {
            Some(problem) => Err(Error::new(crate::ErrorKind::Usage, problem.clone())),
            None => Ok(self.catalog),
        }
    }
}
