//! Plans as Diesel query fragments: identifiers quoted by Diesel, values bound, nothing pasted.

mod bulk;
mod seen;
mod sets;

pub use seen::Overlaid;
use seen::Part;
pub use sets::arrays;

use crate::language::ast::{CompareOp, Function, TextOp};
use crate::model::time::is_time;
use crate::model::{Catalog, Cell, DataType, Family, Value};
use crate::plan::query::{Alias, ColumnRef, Delete, Expr, From, Insert, Order, Select, Statement, Subquery, Update};
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::Untyped;
use diesel::{QueryResult, RunQueryDsl};
use std::borrow::Cow;

/// What the SQL of a backend needs beyond what Diesel's own `Backend` knows.
pub trait Dialect: Backend {
    /// Binds a value as this type.
    ///
    /// # Errors
    /// When Diesel cannot serialise it.
    fn bind<'b>(pass: &mut AstPass<'_, 'b, Self>, value: &'b Value, data_type: &DataType) -> QueryResult<()>;

    /// What is the same, NULL and NULL included, by an operator of its own; none where it is spelled out.
    const SAME: Option<&'static str>;

    /// What stands before the name of a function, so that no other can take its place.
    const CATALOG: &'static str;

    /// The function that reads times, where they have more than one spelling.
    const TIME: Option<&'static str>;

    /// `instr(x, y) > 0` as a function name: position of the second in the first.
    const POSITION: &'static str;

    /// LIKE, and LIKE that ignores case.
    const LIKE: (&'static str, &'static str);

    /// The collation that compares texts byte by byte.
    const BYTEWISE: &'static str;

    /// Whether lists and ranges are spelled by operators, which can be named in whole, as `IN` and `BETWEEN` cannot.
    const BY_OPERATORS: bool;

    /// Whether a type is the database's own, and so are its operators; a type that somebody made may have others.
    fn is_own(data_type: &DataType) -> bool;

    /// An operator between blanks; `own` says whether it is the database's own that is meant.
    fn operator(symbol: &'static str, own: bool) -> Cow<'static, str>;

    /// Whether NULLs sort before all values in ascending order.
    const NULLS_FIRST: bool;

    /// What before and behind a value of a type makes it the text that people know it by.
    fn spelled(data_type: &DataType) -> (&'static str, &'static str);

    /// Whether blanks at the end of a text of this type mean nothing where it is compared with other texts.
    fn is_padded(data_type: &DataType) -> bool;

    /// What an INSERT says before VALUES to give a key to an identity column that is always generated.
    const OVERRIDING: &'static str;

    /// Whether rows that a statement brings along come as one array a column; otherwise as `VALUES`.
    const BY_ARRAYS: bool;

    /// Binds a column of such rows.
    ///
    /// # Errors
    /// Where rows do not come as arrays.
    fn bind_array<'b>(pass: &mut AstPass<'_, 'b, Self>, values: &'b [Option<String>]) -> QueryResult<()>;

    /// The type's name in a cast from text; none for text itself.
    fn type_name(data_type: &DataType) -> Option<&str>;

    /// Whether a result may have columns of this type as they are; others are cast to text.
    fn is_native(data_type: &DataType) -> bool;

    /// Whether what was read of this type is compared as it is; otherwise as text, which is exact.
    fn is_comparable(data_type: &DataType) -> bool;

    /// Whether this type has an equality to go by; other values are equal where their texts are.
    fn has_equality(data_type: &DataType) -> bool;
}

/// A statement on its way to Diesel.
///
/// It must not derive `QueryId`: its SQL is known only at run time, and a type-level identity would let Diesel's cache
/// hand one table's prepared statement to another.
pub struct Dynamic<'a> {
    /// The names.
    pub catalog: &'a Catalog,
    /// The statement.
    pub statement: &'a Statement<'a>,
    /// The rows that it brings along, where they come as arrays: see [`arrays`].
    pub arrays: Vec<Vec<Option<String>>>,
    /// What is staged, for a query that is to see it.
    pub overlaid: Option<Overlaid<'a>>,
}

impl<'a> Dynamic<'a> {
    /// A statement; `text` gives a value as an element of an array, where rows come as such.
    #[must_use]
    pub fn new(
        catalog: &'a Catalog,
        statement: &'a Statement<'a>,
        text: Option<fn(Cell<'_>) -> Option<String>>,
    ) -> Self {
        let overlaid = match statement {
            Statement::Seen(select, overlay) => Some(Overlaid::new(select, overlay, text.is_some(), catalog)),
            _ => None,
        };
        let arrays = match (text, &overlaid) {
            (Some(text), Some(overlaid)) => overlaid.arrays(catalog, text),
            (Some(text), None) => arrays(statement, |value| text(value.as_cell())),
            (None, _) => Vec::new(),
        };
        Self { catalog, statement, arrays, overlaid }
    }
}

impl QueryId for Dynamic<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Dynamic<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Dynamic<'_> {}

/// A statement with EXPLAIN before it, its values bound as ever.
pub struct Explain<'a> {
    /// `EXPLAIN `, `EXPLAIN QUERY PLAN `.
    pub prefix: &'static str,
    /// The statement.
    pub inner: Dynamic<'a>,
}

impl QueryId for Explain<'_> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for Explain<'_> {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Explain<'_> {}

impl<DB: Dialect> QueryFragment<DB> for Explain<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.unsafe_to_cache_prepared();
        out.push_sql(self.prefix);
        self.inner.walk_ast(out)
    }
}

impl<DB: Dialect> QueryFragment<DB> for Dynamic<'_> {
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let mut walker = Walker {
            catalog: self.catalog,
            arrays: &self.arrays,
            overlaid: self.overlaid.as_ref(),
            sides: Vec::new(),
            limited: matches!(self.statement, Statement::Seen(Select { limit: Some(_), .. }, _)),
            out,
        };
        match self.statement {
            Statement::Select(select) => walker.select(select),
            Statement::Seen(select, _) => {
                walker.with_arrays()?;
                walker.select(select)
            }
            Statement::Insert(insert) => walker.insert(insert),
            Statement::Update(update) => walker.update(update),
            Statement::Delete(delete) => walker.delete(delete),
            Statement::Updates(set) => walker.updates(set),
            Statement::Deletes(set) => walker.deletes(set),
            Statement::Bulk(bulk) => walker.bulk(bulk),
        }
    }
}

struct Walker<'a, 'o, 'b, DB: Dialect> {
    catalog: &'a Catalog,
    arrays: &'b [Vec<Option<String>>],
    overlaid: Option<&'b Overlaid<'b>>,
    /// The aliases of tables that are joined twice of which one join is meant just now, and whether it is the staged rows.
    sides: Vec<(Alias, bool)>,
    /// Whether only some of the rows are wanted.
    limited: bool,
    out: AstPass<'o, 'b, DB>,
}

impl<'b, DB: Dialect> Walker<'_, '_, 'b, DB> {
    fn table(&mut self, entity: crate::model::EntityId) -> QueryResult<()> {
        let entity = self.catalog.get(entity);
        if let Some(schema) = &entity.schema {
            self.out.push_identifier(schema)?;
            self.out.push_sql(".");
        }
        self.out.push_identifier(&entity.table)
    }

    fn alias(&mut self, alias: Alias) {
        // Aliases are our own numbers, so they need no quoting.
        self.out.push_sql(&format!("t{}", alias.0));
    }

    fn name(&mut self, entity: crate::model::EntityId, column: usize) -> QueryResult<()> {
        self.out.push_identifier(&self.catalog.get(entity).columns[column].name)
    }

    /// Behind a column that is compared: of a domain, the type that it is made of. An enumeration's operators do not take
    /// a domain of it.
    fn based(&mut self, entity: crate::model::EntityId, column: usize) {
        if let Some(base) = self.catalog.get(entity).columns[column].base() {
            self.out.push_sql("::");
            self.out.push_sql(base);
        }
    }

    fn column(&mut self, column: ColumnRef) -> QueryResult<()> {
        if self.is_pair(column) {
            self.either(column)?;
        } else {
            self.alias(column.alias);
            self.out.push_sql(".");
            self.name(column.entity, column.column)?;
        }
        self.based(column.entity, column.column);
        Ok(())
    }

    /// FROM, of all or some rows of the first table; `whole` is the query that it belongs to, where it is no subquery.
    fn from(&mut self, from: &'b From, part: Part, whole: Option<&'b Select>) -> QueryResult<()> {
        self.out.push_sql(" FROM ");
        self.occurrence(from.entity, from.alias, part, whole)?;
        for join in &from.joins {
            if self.overlaid.is_some_and(|overlaid| overlaid.seen.is_pair(join.alias)) {
                self.pair(join)?;
                continue;
            }
            self.out.push_sql(" LEFT JOIN ");
            self.occurrence(join.entity, join.alias, Part::All, None)?;
            self.out.push_sql(" ON ");
            for (index, (left, right)) in join.on.iter().enumerate() {
                if index > 0 {
                    self.out.push_sql(" AND ");
                }
                self.column(*left)?;
                let own = self.is_own_column(*left) && self.is_own_column(*right);
                self.operator(" = ", own);
                self.column(*right)?;
            }
        }
        Ok(())
    }

    fn select(&mut self, select: &'b Select) -> QueryResult<()> {
        if self.counted(select)? {
            return Ok(());
        }
        // DISTINCT sorts only by what is selected, which a cast to text is not: groups have the same rows.
        let cast = select.columns.iter().any(|output| !DB::is_native(&output.column.data_type));
        let grouped = select.distinct && cast;
        self.out.push_sql(if select.distinct && !grouped { "SELECT DISTINCT " } else { "SELECT " });
        for (index, output) in select.columns.iter().enumerate() {
            if index > 0 {
                self.out.push_sql(", ");
            }
            if DB::is_native(&output.column.data_type) {
                self.expr(&output.expr)?;
                continue;
            }
            let (before, behind) = DB::spelled(&output.column.data_type);
            self.out.push_sql(before);
            self.expr(&output.expr)?;
            self.out.push_sql(behind);
        }
        self.from(&select.from, Part::All, Some(select))?;
        self.filter(select)?;
        if grouped {
            self.out.push_sql(" GROUP BY ");
            self.list(select.columns.iter().map(|output| &output.expr))?;
        } else if !select.group_by.is_empty() {
            self.out.push_sql(" GROUP BY ");
            self.list(select.group_by.iter())?;
        }
        self.order(&select.order, &select.from)?;
        if select.limit.is_some() || select.offset.is_some() {
            // The grammar keeps both within 63 bits. SQLite's OFFSET needs a LIMIT; this one means none.
            self.out.push_sql(&format!(" LIMIT {}", select.limit.unwrap_or(i64::MAX as u64)));
            if let Some(offset) = select.offset {
                self.out.push_sql(&format!(" OFFSET {offset}"));
            }
        }
        Ok(())
    }

    fn order(&mut self, keys: &'b [Order], from: &From) -> QueryResult<()> {
        for (index, order) in keys.iter().enumerate() {
            self.out.push_sql(if index == 0 { " ORDER BY " } else { ", " });
            self.expr(&order.expr)?;
            if order.descending {
                self.out.push_sql(" DESC");
            }
            // SQLite's order of NULLs (least of all) on every backend, unless something else was asked for.
            let first = order.nulls_first.unwrap_or(!order.descending);
            if order.nulls_first.is_none() && self.never_null(&order.expr, from) {
                // Said for nothing it would keep PostgreSQL from using an index.
                continue;
            }
            if first != (DB::NULLS_FIRST != order.descending) {
                self.out.push_sql(if first { " NULLS FIRST" } else { " NULLS LAST" });
            }
        }
        Ok(())
    }

    /// Whether an expression is a column that has no NULLs here.
    fn never_null(&self, expr: &Expr, from: &From) -> bool {
        match expr {
            Expr::Column(column) => {
                column.alias == from.alias && !self.catalog.get(column.entity).columns[column.column].nullable
            }
            _ => false,
        }
    }

    fn list(&mut self, exprs: impl Iterator<Item = &'b Expr>) -> QueryResult<()> {
        for (index, expr) in exprs.enumerate() {
            if index > 0 {
                self.out.push_sql(", ");
            }
            self.expr(expr)?;
        }
        Ok(())
    }

    fn joined(&mut self, parts: &'b [Expr], word: &str, empty: bool) -> QueryResult<()> {
        if parts.is_empty() {
            return self.constant(empty);
        }
        self.out.push_sql("(");
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.out.push_sql(word);
            }
            self.expr(part)?;
        }
        self.out.push_sql(")");
        Ok(())
    }

    fn constant(&mut self, value: bool) -> QueryResult<()> {
        self.out.push_sql(if value { "1 = 1" } else { "1 = 0" });
        Ok(())
    }

    fn expr(&mut self, expr: &'b Expr) -> QueryResult<()> {
        if is_comparison(expr) && self.by_sides(expr)? {
            return Ok(());
        }
        match expr {
            Expr::Column(column) => self.column(*column),
            Expr::Value(value, data_type) => DB::bind(&mut self.out, value, data_type),
            Expr::Constant(value) => self.constant(*value),
            Expr::Compare(left, op, right) => self.compare(left, compare_sql(*op), right),
            Expr::Same(left, right) => self.same(left, right),
            Expr::Text(value, op, pattern) => self.text(value, *op, pattern),
            Expr::In(value, items) => {
                if items.is_empty() {
                    return self.constant(false);
                }
                if items.len() > 16 {
                    // One statement for each length would crowd the cache of prepared ones.
                    self.out.unsafe_to_cache_prepared();
                }
                if DB::BY_OPERATORS && !self.is_one_value(value) {
                    for (index, item) in items.iter().enumerate() {
                        self.out.push_sql(if index == 0 { "(" } else { " OR " });
                        self.compare(value, " = ", item)?;
                    }
                    self.out.push_sql(")");
                    return Ok(());
                }
                self.expr(value)?;
                let own = self.is_own(value) && items.iter().all(|item| self.is_own(item));
                let by_operator = DB::BY_OPERATORS && own;
                if by_operator {
                    self.operator(" = ", own);
                }
                self.out.push_sql(if by_operator { "ANY (ARRAY[" } else { " IN (" });
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.out.push_sql(", ");
                    }
                    self.beside(value, item)?;
                }
                self.out.push_sql(if by_operator { "])" } else { ")" });
                Ok(())
            }
            Expr::Between(value, low, high) => {
                if DB::BY_OPERATORS {
                    self.out.push_sql("(");
                    self.compare(value, " >= ", low)?;
                    self.out.push_sql(" AND ");
                    self.compare(value, " <= ", high)?;
                    self.out.push_sql(")");
                    return Ok(());
                }
                self.expr(value)?;
                self.out.push_sql(" BETWEEN ");
                self.beside(value, low)?;
                self.out.push_sql(" AND ");
                self.beside(value, high)
            }
            Expr::IsNull(value) => {
                self.expr(value)?;
                self.out.push_sql(" IS NULL");
                Ok(())
            }
            Expr::And(parts) => self.joined(parts, " AND ", true),
            Expr::Or(parts) => self.joined(parts, " OR ", false),
            Expr::Not(inner) => {
                self.out.push_sql("NOT (");
                self.expr(inner)?;
                self.out.push_sql(")");
                Ok(())
            }
            Expr::Exists(subquery) => {
                if self.exists_in_parts(subquery)? {
                    return Ok(());
                }
                self.out.push_sql("EXISTS (SELECT 1");
                self.subquery(subquery)
            }
            Expr::Scalar(function, of, subquery) => {
                if self.scalar_in_parts(*function, of.as_deref(), subquery)? {
                    return Ok(());
                }
                self.out.push_sql("(SELECT ");
                self.function(*function, of.as_deref())?;
                self.subquery(subquery)
            }
            Expr::Aggregate(function, of) => self.function(*function, of.as_deref()),
            Expr::Call(function, of) => {
                self.out.push_sql(function);
                self.out.push_sql("(");
                self.expr(of)?;
                self.out.push_sql(")");
                Ok(())
            }
        }
    }

    /// A comparison; columns of two types that travel as text are compared as text.
    fn compare(&mut self, left: &'b Expr, symbol: &'static str, right: &'b Expr) -> QueryResult<()> {
        let catalog = self.catalog;
        let data_type = |expr: &Expr| match expr {
            Expr::Column(column) => Some(&catalog.get(column.entity).columns[column.column].data_type),
            _ => None,
        };
        let varies = match (data_type(left), data_type(right)) {
            (Some(one), Some(two)) => {
                let text = |data_type: &DataType| data_type.family() == Family::Text;
                let limits = matches!((one, two), (DataType::Text(_), DataType::Text(_)));
                DB::BY_OPERATORS && text(one) && text(two) && one != two && !limits
            }
            _ => false,
        };
        let by_text = matches!(symbol, " = " | " <> ") && !(self.has_equality(left) && self.has_equality(right));
        if varies || by_text {
            self.as_text(left)?;
            self.operator(symbol, true);
            return self.as_text(right);
        }
        self.beside(right, left)?;
        let own = self.is_own(left) && self.is_own(right);
        self.operator(symbol, own);
        self.beside(left, right)
    }

    /// What is compared with something else. A decimal travels as text, which only a column makes a number of by itself.
    fn beside(&mut self, other: &Expr, expr: &'b Expr) -> QueryResult<()> {
        let computed = matches!(other, Expr::Scalar(..) | Expr::Aggregate(..));
        if !computed || !matches!(expr, Expr::Value(Value::Text(_), DataType::Numeric)) {
            return self.expr(expr);
        }
        self.out.push_sql("CAST(");
        self.expr(expr)?;
        self.out.push_sql(" AS NUMERIC)");
        Ok(())
    }

    fn infix(&mut self, left: &'b Expr, symbol: &'static str, right: &'b Expr) -> QueryResult<()> {
        self.expr(left)?;
        let own = self.is_own(left) && self.is_own(right);
        self.operator(symbol, own);
        self.expr(right)
    }

    /// ` IN (`, by an operator that can be named in whole where the backend has such; a query follows.
    fn among(&mut self, own: bool) {
        if DB::BY_OPERATORS {
            self.operator(" = ", own);
            self.out.push_sql("ANY (");
        } else {
            self.out.push_sql(" IN (");
        }
    }

    /// Whether the operators for some columns of a table are the database's own.
    fn are_own(&self, entity: crate::model::EntityId, columns: &[usize]) -> bool {
        columns.iter().all(|column| DB::is_own(&self.catalog.get(entity).columns[*column].data_type))
    }

    /// An operator between blanks.
    fn operator(&mut self, symbol: &'static str, own: bool) {
        self.out.push_sql(&DB::operator(symbol, own));
    }

    /// Whether the operators for a value are the database's own.
    fn is_own(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(column) => self.is_own_column(*column),
            Expr::Value(_, data_type) => DB::is_own(data_type),
            Expr::Scalar(_, Some(of), _) | Expr::Aggregate(_, Some(of)) => self.is_own(of),
            _ => true,
        }
    }

    fn is_own_column(&self, column: ColumnRef) -> bool {
        DB::is_own(&self.catalog.get(column.entity).columns[column.column].data_type)
    }

    /// Whether a value's type has an equality to go by.
    fn has_equality(&self, expr: &Expr) -> bool {
        self.type_of(expr).is_none_or(DB::has_equality)
    }

    /// Whether values of an expression can be elements of an array: an array of arrays would be taken apart.
    fn is_one_value(&self, expr: &Expr) -> bool {
        self.has_equality(expr)
            && !matches!(self.type_of(expr), Some(DataType::Other(name)) if name.ends_with(']') || name.ends_with("vector"))
    }

    fn type_of<'t>(&'t self, expr: &'t Expr) -> Option<&'t DataType> {
        match expr {
            Expr::Column(column) => Some(&self.catalog.get(column.entity).columns[column.column].data_type),
            Expr::Value(_, data_type) => Some(data_type),
            _ => None,
        }
    }

    /// Whether two values are the same, NULL and NULL included; never NULL itself.
    fn same(&mut self, left: &'b Expr, right: &'b Expr) -> QueryResult<()> {
        if !(self.has_equality(left) && self.has_equality(right)) {
            self.as_text(left)?;
            self.out.push_sql(DB::SAME.unwrap_or(" IS NOT DISTINCT FROM "));
            return self.as_text(right);
        }
        let own = self.is_own(left) && self.is_own(right);
        if let Some(word) = DB::SAME.or((!own).then_some(" IS NOT DISTINCT FROM ")) {
            self.expr(left)?;
            self.out.push_sql(word);
            return self.expr(right);
        }
        if let Expr::Value(value, _) = right {
            self.out.push_sql("(");
            self.expr(left)?;
            if value.is_null() {
                self.out.push_sql(" IS NULL)");
                return Ok(());
            }
            self.out.push_sql(" IS NOT NULL AND ");
            self.infix(left, " = ", right)?;
            self.out.push_sql(")");
            return Ok(());
        }
        self.out.push_sql("(");
        self.expr(left)?;
        self.out.push_sql(" IS NOT NULL AND ");
        self.expr(right)?;
        self.out.push_sql(" IS NOT NULL AND ");
        self.infix(left, " = ", right)?;
        self.out.push_sql(" OR ");
        self.expr(left)?;
        self.out.push_sql(" IS NULL AND ");
        self.expr(right)?;
        self.out.push_sql(" IS NULL)");
        Ok(())
    }

    fn subquery(&mut self, subquery: &'b Subquery) -> QueryResult<()> {
        self.from(&subquery.from, Part::All, None)?;
        self.out.push_sql(" WHERE ");
        self.expr(&subquery.filter)?;
        self.out.push_sql(")");
        Ok(())
    }

    fn function(&mut self, function: Function, of: Option<&'b Expr>) -> QueryResult<()> {
        self.call(function.name());
        match of {
            Some(expr) => self.expr(expr)?,
            None => self.out.push_sql("*"),
        }
        self.out.push_sql(")");
        Ok(())
    }

    /// A function's name and its opening bracket.
    fn call(&mut self, name: &str) {
        self.out.push_sql(DB::CATALOG);
        self.out.push_sql(name);
        self.out.push_sql("(");
    }

    /// An expression as text.
    fn as_text(&mut self, expr: &'b Expr) -> QueryResult<()> {
        let catalog = self.catalog;
        let (before, behind) = match expr {
            Expr::Column(column) => match &catalog.get(column.entity).columns[column.column].data_type {
                DataType::Text(_) => ("", ""),
                padded if DB::is_padded(padded) => DB::spelled(&DataType::Text(None)),
                data_type => DB::spelled(data_type),
            },
            // A value of a type of its own, in that type's one spelling.
            Expr::Value(_, data_type) if !DB::has_equality(data_type) => DB::spelled(data_type),
            _ => ("", ""),
        };
        self.out.push_sql(before);
        self.expr(expr)?;
        self.out.push_sql(behind);
        Ok(())
    }

    fn text(&mut self, value: &'b Expr, op: TextOp, pattern: &'b Expr) -> QueryResult<()> {
        match op {
            TextOp::Like | TextOp::Ilike => {
                self.as_text(value)?;
                self.operator(if op == TextOp::Like { DB::LIKE.0 } else { DB::LIKE.1 }, true);
                self.as_text(pattern)
            }
            TextOp::Contains => {
                self.call(DB::POSITION);
                self.as_text(value)?;
                self.out.push_sql(", ");
                self.as_text(pattern)?;
                self.out.push_sql(")");
                self.operator(" > ", true);
                self.out.push_sql("0");
                Ok(())
            }
            TextOp::StartsWith => {
                self.call("substr");
                self.as_text(value)?;
                self.out.push_sql(", 1, ");
                self.call("length");
                self.as_text(pattern)?;
                self.out.push_sql("))");
                self.operator(" = ", true);
                self.as_text(pattern)
            }
            TextOp::EndsWith => {
                // A text shorter than the ending would make the start negative, which counts from the other end.
                self.out.push_sql("(");
                self.call("length");
                self.as_text(value)?;
                self.out.push_sql(")");
                self.operator(" >= ", true);
                self.call("length");
                self.as_text(pattern)?;
                self.out.push_sql(") AND ");
                self.call("substr");
                self.as_text(value)?;
                self.out.push_sql(", ");
                self.call("length");
                self.as_text(value)?;
                self.out.push_sql(")");
                self.operator(" - ", true);
                self.call("length");
                self.as_text(pattern)?;
                self.out.push_sql(")");
                self.operator(" + ", true);
                self.out.push_sql("1)");
                self.operator(" = ", true);
                self.as_text(pattern)?;
                self.out.push_sql(")");
                Ok(())
            }
        }
    }

    fn insert(&mut self, insert: &'b Insert<'_>) -> QueryResult<()> {
        self.out.push_sql("INSERT INTO ");
        self.table(insert.entity)?;
        if insert.columns.is_empty() {
            self.out.push_sql(" DEFAULT VALUES");
        } else {
            self.out.push_sql(" (");
            for (index, column) in insert.columns.iter().enumerate() {
                if index > 0 {
                    self.out.push_sql(", ");
                }
                self.name(insert.entity, *column)?;
            }
            let types = &self.catalog.get(insert.entity).columns;
            self.out.push_sql(")");
            if insert.columns.iter().any(|column| types[*column].always) {
                self.out.push_sql(DB::OVERRIDING);
            }
            if DB::BY_ARRAYS && insert.rows.len() > 1 {
                self.insert_arrays(insert)?;
                return self.returning(insert);
            }
            self.out.push_sql(" VALUES ");
            for (row_index, row) in insert.rows.iter().enumerate() {
                self.out.push_sql(if row_index == 0 { "(" } else { ", (" });
                for (index, (column, value)) in insert.columns.iter().zip(row.iter()).enumerate() {
                    if index > 0 {
                        self.out.push_sql(", ");
                    }
                    DB::bind(&mut self.out, value, &types[*column].data_type)?;
                }
                self.out.push_sql(")");
            }
        }
        self.returning(insert)
    }

    fn returning(&mut self, insert: &'b Insert<'_>) -> QueryResult<()> {
        for (index, column) in insert.returning.iter().enumerate() {
            self.out.push_sql(if index == 0 { " RETURNING " } else { ", " });
            let data_type = &self.catalog.get(insert.entity).columns[*column].data_type;
            let (before, behind) = if DB::is_native(data_type) { ("", "") } else { DB::spelled(data_type) };
            self.out.push_sql(before);
            self.name(insert.entity, *column)?;
            self.out.push_sql(behind);
        }
        Ok(())
    }

    fn row(&mut self, entity: crate::model::EntityId, key: &'b [Value], base: &'b [(usize, Value)]) -> QueryResult<()> {
        self.out.push_sql(" WHERE ");
        let known = self.catalog.get(entity);
        for (index, (column, value)) in known.key.iter().zip(key).enumerate() {
            if index > 0 {
                self.out.push_sql(" AND ");
            }
            self.name(entity, *column)?;
            self.based(entity, *column);
            let data_type = &known.columns[*column].data_type;
            self.operator(" = ", DB::is_own(data_type));
            DB::bind(&mut self.out, value, data_type)?;
        }
        for (column, value) in base {
            self.out.push_sql(" AND ");
            let data_type = &known.columns[*column].data_type;
            if let (Some(read), true) = (DB::TIME, is_time(data_type)) {
                self.out.push_sql(&format!("{read}("));
                self.name(entity, *column)?;
                self.out.push_sql(&format!("){}{read}(", DB::SAME.unwrap_or(" IS ")));
                DB::bind(&mut self.out, value, data_type)?;
                self.out.push_sql(")");
                continue;
            }
            let comparable = DB::is_comparable(data_type);
            let (before, behind) = if comparable { ("", "") } else { DB::spelled(data_type) };
            self.out.push_sql(before);
            self.name(entity, *column)?;
            self.out.push_sql(behind);
            let own = !comparable || DB::is_own(data_type);
            match DB::SAME.or((!own).then_some(" IS NOT DISTINCT FROM ")) {
                Some(word) => self.out.push_sql(word),
                None if value.is_null() => {
                    self.out.push_sql(" IS NULL");
                    continue;
                }
                None => self.operator(" = ", own),
            }
            let text = DataType::Text(None);
            DB::bind(&mut self.out, value, if comparable { data_type } else { &text })?;
        }
        Ok(())
    }

    fn update(&mut self, update: &'b Update<'_>) -> QueryResult<()> {
        self.out.push_sql("UPDATE ");
        self.table(update.entity)?;
        for (index, (column, value)) in update.set.iter().enumerate() {
            self.out.push_sql(if index == 0 { " SET " } else { ", " });
            self.name(update.entity, *column)?;
            self.out.push_sql(" = ");
            DB::bind(&mut self.out, value, &self.catalog.get(update.entity).columns[*column].data_type)?;
        }
        self.row(update.entity, update.key, update.base)
    }

    fn delete(&mut self, delete: &'b Delete<'_>) -> QueryResult<()> {
        self.out.push_sql("DELETE FROM ");
        self.table(delete.entity)?;
        self.row(delete.entity, delete.key, delete.base)
    }
}

/// Whether the types of an expression's operands decide how they are compared.
const fn is_comparison(expr: &Expr) -> bool {
    matches!(expr, Expr::Compare(..) | Expr::Same(..) | Expr::Text(..) | Expr::In(..) | Expr::Between(..))
}

const fn compare_sql(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => " = ",
        CompareOp::Ne => " <> ",
        CompareOp::Lt => " < ",
        CompareOp::Le => " <= ",
        CompareOp::Gt => " > ",
        CompareOp::Ge => " >= ",
    }
}

#[cfg(test)]
mod tests;
