use super::super::Dynamic;
use crate::language::ast::{CompareOp, Function};
use crate::model::{Catalog, Cell, Column, DataType, Entity, EntityId, EntityKind, Value};
use crate::outcome::HeaderColumn;
use crate::plan::overlay::Overlay;
use crate::plan::query::{Alias, ColumnRef, Expr, From, Join, Order, Output, Select, Statement, Subquery};
use diesel::query_builder::{QueryBuilder, QueryFragment};
use diesel::sqlite::Sqlite;

fn entity(name: &str, columns: Vec<Column>) -> Entity {
    Entity {
        name: name.into(),
        plural: format!("{name}s"),
        title: name.into(),
        schema: None,
        table: format!("{name}s"),
        kind: EntityKind::Table,
        columns,
        key: vec![0],
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        relationships: Vec::new(),
        display: None,
        natural_key: None,
        checks: Vec::new(),
        constraints: Vec::new(),
    }
}

/// users (id, email, age) and posts (id, user_id).
fn catalog() -> (Catalog, EntityId, EntityId) {
    let column = |name: &str, data_type: DataType, declared: &str| {
        let mut column = Column::new(name, data_type);
        column.nullable = false;
        declared.clone_into(&mut column.declared);
        column
    };
    let mut catalog = Catalog::default();
    let mut email = column("email", DataType::Text(Some(80)), "character varying(80)");
    email.collation = Some("NOCASE".into());
    let id = || column("id", DataType::Int(32), "integer");
    let users = catalog.insert(entity("user", vec![id(), email, column("age", DataType::Int(32), "integer")]));
    let posts = catalog.insert(entity("post", vec![id(), column("user_id", DataType::Int(32), "integer")]));
    (catalog, users, posts)
}

const T0: Alias = Alias(0);
const T1: Alias = Alias(1);

fn column(alias: Alias, entity: EntityId, column: usize) -> Expr {
    Expr::Column(ColumnRef { alias, entity, column })
}

fn select(from: From, columns: Vec<Expr>) -> Select {
    let output =
        |expr| Output { expr, column: HeaderColumn { name: "x".into(), data_type: DataType::Int(32), masked: false } };
    Select::new(from, columns.into_iter().map(output).collect())
}

fn sqlite(catalog: &Catalog, select: &Select, overlay: &Overlay) -> String {
    let statement = Statement::Seen(select, overlay);
    let mut builder = diesel::sqlite::query_builder::SqliteQueryBuilder::default();
    Dynamic::new(catalog, &statement, None).to_sql(&mut builder, &Sqlite).unwrap();
    QueryBuilder::<Sqlite>::finish(builder).replace('`', "\"")
}

#[cfg(feature = "postgres")]
fn postgres(catalog: &Catalog, select: &Select, overlay: &Overlay) -> (String, Vec<Vec<Option<String>>>) {
    let statement = Statement::Seen(select, overlay);
    let mut builder = diesel::pg::PgQueryBuilder::default();
    let text: fn(Cell<'_>) -> Option<String> = |cell| if cell == Cell::Null { None } else { Some(cell.to_string()) };
    let query = Dynamic::new(catalog, &statement, Some(text));
    QueryFragment::<diesel::pg::Pg>::to_sql(&query, &mut builder, &diesel::pg::Pg).unwrap();
    // Operators and functions are named in whole, which nobody wants to read here.
    let sql = QueryBuilder::<diesel::pg::Pg>::finish(builder).replace("pg_catalog.count(", "count(");
    let sql = ["=", ">", "<", ">=", "-", "+"]
        .iter()
        .fold(sql, |sql, symbol| sql.replace(&format!("OPERATOR(pg_catalog.{symbol})"), symbol));
    (sql, query.arrays)
}

/// One user's email and another's age changed, a third gone, a fourth new.
fn staged(catalog: &Catalog, users: EntityId) -> Overlay {
    let mut overlay = Overlay::default();
    overlay.update(users, &[Value::Int(1)], &[(1, Value::Text("a@x".into()))], catalog);
    overlay.update(users, &[Value::Int(2)], &[(2, Value::Int(30))], catalog);
    overlay.delete(users, &[Value::Int(3)], catalog);
    let row = [Value::Int(9), Value::Text("n@x".into()), Value::Int(5)];
    overlay.insert(users, Some(&row[..1]), &row, catalog);
    overlay
}

fn by_email(users: EntityId) -> Select {
    let mut select = select(From { entity: users, alias: T0, joins: Vec::new() }, vec![column(T0, users, 1)]);
    let value = Expr::Value(Value::Text("a@x".into()), DataType::Text(None));
    select.filter = Some(Expr::Compare(Box::new(column(T0, users, 1)), CompareOp::Eq, Box::new(value)));
    select.order = vec![Order { expr: column(T0, users, 0), descending: false, nulls_first: None }];
    select.limit = Some(3);
    select.offset = Some(2);
    select
}

fn of_posts(users: EntityId, posts: EntityId) -> Select {
    let on =
        vec![(ColumnRef { alias: T0, entity: posts, column: 1 }, ColumnRef { alias: T1, entity: users, column: 0 })];
    let from = From { entity: posts, alias: T0, joins: vec![Join { entity: users, alias: T1, on }] };
    let mut select = select(from, vec![column(T1, users, 1)]);
    let value = Expr::Value(Value::Int(3), DataType::Int(32));
    select.filter = Some(Expr::Compare(Box::new(column(T1, users, 2)), CompareOp::Gt, Box::new(value)));
    select
}

#[test]
fn sqlite_looks_into_temporary_tables() {
    let (catalog, users, posts) = catalog();
    let overlay = staged(&catalog, users);
    assert_eq!(
        sqlite(&catalog, &by_email(users), &overlay),
        "SELECT t0.\"email\" FROM (SELECT t0.\"id\", t0.\"email\" FROM \"users\" AS t0 \
         WHERE NOT EXISTS (SELECT 1 FROM temp.\"hidden users\" AS h WHERE h.\"id\" = t0.\"id\") \
         UNION ALL SELECT t0.\"id\", t0.\"email\" FROM temp.\"staged users\" AS t0) AS t0 \
         WHERE t0.\"email\" = ? ORDER BY t0.\"id\" LIMIT 3 OFFSET 2"
    );
    // A comparison is made where a column's type and collation are its own.
    assert_eq!(
        sqlite(&catalog, &of_posts(users, posts), &overlay),
        "SELECT coalesce(s1.\"email\", t1.\"email\") COLLATE \"NOCASE\" FROM \"posts\" AS t0 \
         LEFT JOIN temp.\"staged users\" AS s1 ON t0.\"user_id\" = s1.\"id\" \
         LEFT JOIN \"users\" AS t1 ON t0.\"user_id\" = t1.\"id\" \
         AND NOT EXISTS (SELECT 1 FROM temp.\"hidden users\" AS h WHERE h.\"id\" = t1.\"id\") \
         WHERE CASE WHEN s1.\"id\" IS NOT NULL THEN s1.\"age\" > ? ELSE t1.\"age\" > ? END"
    );
}

#[test]
fn tables_without_changes_are_spelled_as_ever() {
    let (catalog, users, posts) = catalog();
    let mut overlay = Overlay::default();
    overlay.delete(posts, &[Value::Int(1)], &catalog);
    let sql = sqlite(&catalog, &by_email(users), &overlay);
    assert_eq!(
        sql,
        "SELECT t0.\"email\" FROM \"users\" AS t0 WHERE t0.\"email\" = ? ORDER BY t0.\"id\" LIMIT 3 OFFSET 2"
    );
}

/// Where rows are only deleted there is nothing to join.
#[test]
fn what_is_only_hidden_is_only_hidden() {
    let (catalog, users, posts) = catalog();
    let mut overlay = Overlay::default();
    overlay.delete(users, &[Value::Int(1)], &catalog);
    assert_eq!(
        sqlite(&catalog, &of_posts(users, posts), &overlay),
        "SELECT t1.\"email\" FROM \"posts\" AS t0 LEFT JOIN \"users\" AS t1 ON t0.\"user_id\" = t1.\"id\" \
         AND NOT EXISTS (SELECT 1 FROM temp.\"hidden users\" AS h WHERE h.\"id\" = t1.\"id\") WHERE t1.\"age\" > ?"
    );
    let count =
        select(From { entity: users, alias: T0, joins: Vec::new() }, vec![Expr::Aggregate(Function::Count, None)]);
    assert_eq!(
        sqlite(&catalog, &count, &overlay),
        "SELECT (SELECT count(*) FROM \"users\") - (SELECT count(*) FROM temp.\"hidden users\" AS h \
         CROSS JOIN \"users\" AS o WHERE o.\"id\" = h.\"id\")"
    );
}

#[cfg(feature = "postgres")]
#[test]
fn postgres_takes_arrays() {
    let (catalog, users, posts) = catalog();
    let overlay = staged(&catalog, users);
    let with = "WITH hidden1(\"id\") AS (SELECT v.column1::integer FROM ROWS FROM (pg_catalog.unnest((SELECT $1))) \
        AS v(column1)), \
        staged1(\"id\", \"email\") AS (SELECT v.column1::integer, v.column2::character varying(80) \
        FROM ROWS FROM (pg_catalog.unnest((SELECT $2)), pg_catalog.unnest((SELECT $3))) AS v(column1, column2) \
        UNION ALL SELECT o.\"id\", CASE WHEN v.column3::pg_catalog.bool THEN v.column2::character varying(80) ELSE o.\"email\" END \
        FROM ROWS FROM (pg_catalog.unnest((SELECT $4)), pg_catalog.unnest((SELECT $5)), pg_catalog.unnest((SELECT $6))) \
        AS v(column1, column2, column3) JOIN \"users\" AS o ON o.\"id\" = v.column1::integer) ";
    let (sql, arrays) = postgres(&catalog, &by_email(users), &overlay);
    assert_eq!(
        sql,
        String::from(with)
            + "SELECT t0.\"email\" FROM ((SELECT t0.\"id\", t0.\"email\" FROM \"users\" AS t0 \
               WHERE NOT ((t0.\"id\") = ANY (SELECT \"id\" FROM hidden1)) AND t0.\"email\" = $7 ORDER BY t0.\"id\" LIMIT 5) \
               UNION ALL SELECT t0.\"id\", t0.\"email\" FROM staged1 AS t0 WHERE t0.\"email\" = $8) AS t0 \
               ORDER BY t0.\"id\" LIMIT 3 OFFSET 2"
    );
    let shown: Vec<String> = arrays
        .iter()
        .map(|array| array.iter().map(|text| text.as_deref().unwrap_or("-")).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(shown, ["1 2 3 9", "9", "n@x", "1 2", "a@x -", "t -"]);
    let (sql, _) = postgres(&catalog, &of_posts(users, posts), &overlay);
    assert!(
        sql.ends_with(
            "SELECT coalesce(s1.\"email\", t1.\"email\") FROM \"posts\" AS t0 \
             LEFT JOIN staged1 AS s1 ON t0.\"user_id\" = s1.\"id\" \
             LEFT JOIN \"users\" AS t1 ON t0.\"user_id\" = t1.\"id\" AND NOT ((t1.\"id\") = ANY (SELECT \"id\" FROM hidden1)) \
             WHERE coalesce(s1.\"age\", t1.\"age\") > $10"
        ),
        "{sql}"
    );
}

/// An index is reached where the condition is on a table that is joined twice.
#[test]
fn keys_are_looked_up_first() {
    let (mut catalog, users, posts) = catalog();
    let index = crate::model::Index { name: None, columns: vec![1], unique: true };
    catalog.get_mut(users).indexes.push(index);
    let overlay = staged(&catalog, users);
    let mut by_email = of_posts(users, posts);
    let value = Expr::Value(Value::Text("a@x".into()), DataType::Text(None));
    by_email.filter = Some(Expr::Compare(Box::new(column(T1, users, 1)), CompareOp::Eq, Box::new(value)));
    let sql = sqlite(&catalog, &by_email, &overlay);
    assert!(
        sql.ends_with(
            " WHERE CASE WHEN s1.\"id\" IS NOT NULL THEN s1.\"email\" = ? ELSE t1.\"email\" = ? END \
             AND (t0.\"user_id\") IN (SELECT t1.\"id\" FROM \"users\" AS t1 WHERE t1.\"email\" = ? \
             AND NOT EXISTS (SELECT 1 FROM temp.\"hidden users\" AS h WHERE h.\"id\" = t1.\"id\") \
             UNION ALL SELECT s1.\"id\" FROM temp.\"staged users\" AS s1 WHERE s1.\"email\" = ?)"
        ),
        "{sql}"
    );
}

/// Subqueries are asked of either part by itself, for PostgreSQL to reach an index or to hash.
#[cfg(feature = "postgres")]
#[test]
fn postgres_asks_subqueries_in_parts() {
    let (catalog, users, posts) = catalog();
    let mut overlay = Overlay::default();
    overlay.update(posts, &[Value::Int(1)], &[(1, Value::Int(2))], &catalog);
    let inner = |kind: fn(Box<Subquery>) -> Expr| {
        let own = Expr::Compare(Box::new(column(T1, posts, 1)), CompareOp::Eq, Box::new(column(T0, users, 0)));
        let from = From { entity: posts, alias: T1, joins: Vec::new() };
        let mut select = select(From { entity: users, alias: T0, joins: Vec::new() }, vec![column(T0, users, 0)]);
        select.filter = Some(kind(Box::new(Subquery { from, filter: Expr::And(vec![own]) })));
        postgres(&catalog, &select, &overlay).0
    };
    let own = "FROM \"posts\" AS t1 WHERE NOT ((t1.\"id\") = ANY (SELECT \"id\" FROM hidden1)) AND (t1.\"user_id\" = t0.\"id\"))";
    let staged = "FROM staged1 AS t1 WHERE (t1.\"user_id\" = t0.\"id\"))";
    let sql = inner(Expr::Exists);
    assert!(sql.ends_with(&format!(" WHERE (EXISTS (SELECT 1 {own} OR EXISTS (SELECT 1 {staged})")), "{sql}");
    let sql = inner(|subquery| {
        let one = Expr::Value(Value::Int(1), DataType::Int(64));
        Expr::Compare(Box::new(Expr::Scalar(Function::Count, None, subquery)), CompareOp::Gt, Box::new(one))
    });
    assert!(
        sql.contains(
            " WHERE CASE WHEN (t0.\"id\") = ANY (SELECT \"user_id\" FROM staged1) THEN (SELECT count(*) FROM ("
        ),
        "{sql}"
    );
    assert!(sql.ends_with(&format!(" ELSE (SELECT count(*) {own} END > $4")), "{sql}");
}

/// The SQL is the same for any number of rows, so that it is prepared once.
#[cfg(feature = "postgres")]
#[test]
fn the_sql_does_not_tell_how_many() {
    let (catalog, users, _) = catalog();
    let text = |rows: i64| {
        let mut overlay = staged(&catalog, users);
        for key in 100..100 + rows {
            overlay.update(users, &[Value::Int(key)], &[(2, Value::Int(1))], &catalog);
        }
        postgres(&catalog, &by_email(users), &overlay).0
    };
    assert_eq!(text(1), text(500));
}

/// What is asked for by its key needs no other row along.
#[cfg(feature = "postgres")]
#[test]
fn one_row_takes_one_row_along() {
    let (catalog, users, _) = catalog();
    let overlay = staged(&catalog, users);
    let ask = |key: i64| {
        let mut select = select(From { entity: users, alias: T0, joins: Vec::new() }, vec![column(T0, users, 1)]);
        let value = Expr::Value(Value::Int(key), DataType::Int(32));
        select.filter = Some(Expr::Compare(Box::new(column(T0, users, 0)), CompareOp::Eq, Box::new(value)));
        postgres(&catalog, &select, &overlay)
    };
    let (sql, arrays) = ask(1);
    assert!(sql.starts_with("WITH hidden1(\"id\") AS ("), "{sql}");
    assert_eq!(arrays, [["1"], ["1"], ["a@x"]].map(|array| array.map(|text| Some(text.to_owned())).to_vec()));
    // Deleted: only hidden.
    assert_eq!(ask(3).1.len(), 1);
    let (sql, arrays) = ask(7);
    assert!(arrays.is_empty());
    assert_eq!(
        sql,
        "SELECT t0.\"email\" FROM (SELECT t0.\"id\", t0.\"email\" FROM \"users\" AS t0 WHERE t0.\"id\" = $1) AS t0"
    );
}
