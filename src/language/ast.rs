//! The syntax tree of one command. Names and literals borrow from the command's text and carry their spans.

use crate::text::Span;
use std::borrow::Cow;

/// A name as typed, without its backticks.
#[derive(Debug, Clone, PartialEq)]
pub struct Name<'a> {
    /// The name itself.
    pub text: Cow<'a, str>,
    /// Where it stands.
    pub span: Span,
}

/// A dotted path of names: `author.username`.
#[derive(Debug, Clone, PartialEq)]
pub struct Path<'a> {
    /// At least one name.
    pub names: Vec<Name<'a>>,
}

impl Path<'_> {
    /// The span from the first name to the last.
    #[must_use]
    pub fn span(&self) -> Span {
        let first = self.names.first().map_or(Span::default(), |name| name.span);
        self.names.last().map_or(first, |name| first.to(name.span))
    }
}

/// A value as typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal<'a> {
    /// What was typed.
    pub kind: LiteralKind<'a>,
    /// Where it stands.
    pub span: Span,
}

/// What sort of value was typed.
#[derive(Debug, Clone, PartialEq)]
pub enum LiteralKind<'a> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// `12`
    Int(i64),
    /// `1.5`, `1e3`; also a whole number beyond 64 bits, which travels as its text
    Number(Cow<'a, str>),
    /// Quoted text, escapes resolved.
    Text(Cow<'a, str>),
    /// A plain unquoted word: text after `=`, or in a condition a field's name if the model has such a field.
    Word(Cow<'a, str>),
    /// `x'00ff'`
    Bytes(Vec<u8>),
    /// `now`: the current time in UTC.
    Now,
    /// `today`: the current date in UTC.
    Today,
    /// `$u`, `$u.email`, `$_`: the variable's name without `$`, and a path of fields behind it.
    Variable(Name<'a>, Vec<Name<'a>>),
}

/// A record, by key or by variable.
#[derive(Debug, Clone, PartialEq)]
pub enum RecordRef<'a> {
    /// `user 1`, `user john`, `playlist_track (1, 3402)`: more than one literal for a composite key.
    Key {
        /// The model's name.
        model: Name<'a>,
        /// The key's values; one, unless it was written in brackets.
        key: Vec<Literal<'a>>,
    },
    /// `$u`
    Variable(Name<'a>),
}

/// Where a query starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Source<'a> {
    /// All records of a model.
    Model(Name<'a>),
    /// What one record leads to, through at least one relationship: `user 1 posts`, `$u posts`, `post 3 author`.
    /// With an empty path: the record itself (`get user 1`, `user 1`, `$u`).
    Record(RecordRef<'a>, Vec<Name<'a>>),
}

/// Which of the records found a query wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// All of them: `list`.
    All,
    /// The first in the order given, or by key.
    First,
    /// The last in the order given, or by key.
    Last,
    /// The only one; an error unless exactly one is found.
    One,
}

/// A reading command.
#[derive(Debug, Clone, PartialEq)]
pub struct Query<'a> {
    /// Where it starts.
    pub source: Source<'a>,
    /// Which records it wants.
    pub pick: Pick,
    /// `where ...`
    pub filter: Option<Condition<'a>>,
    /// `show ...`, empty for all columns.
    pub show: Vec<Path<'a>>,
    /// `format "..."`: the text (escapes resolved), and the span of the literal.
    pub format: Option<(Cow<'a, str>, Span)>,
    /// `with ...`: relationship paths.
    pub with: Vec<Path<'a>>,
    /// `order by ...`
    pub order: Vec<OrderKey<'a>>,
    /// `limit N`
    pub limit: Option<u64>,
    /// `offset N`
    pub offset: Option<u64>,
}

/// One key of `order by`.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderKey<'a> {
    /// The field, or for aggregates also the word `count` (or `sum`, ...).
    pub path: Path<'a>,
    /// `desc`
    pub descending: bool,
    /// `nulls first` is `Some(true)`, `nulls last` is `Some(false)`.
    pub nulls_first: Option<bool>,
}

/// `count`, `sum`, `avg`, `min`, `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// Number of records.
    Count,
    /// Sum of a field.
    Sum,
    /// Mean of a field.
    Avg,
    /// Least value of a field.
    Min,
    /// Greatest value of a field.
    Max,
}

impl Function {
    /// Its keyword.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
        }
    }
}

/// `count posts where ... by author.username order by count desc limit 3`, `sum total of invoices by country`.
#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate<'a> {
    /// The function.
    pub function: Function,
    /// Where it stands.
    pub function_span: Span,
    /// The field; none for `count MODEL`.
    pub field: Option<Path<'a>>,
    /// Where it starts (`count user 1 posts` is allowed).
    pub source: Source<'a>,
    /// `where ...`
    pub filter: Option<Condition<'a>>,
    /// `by ...`
    pub by: Vec<Path<'a>>,
    /// `order by ...`
    pub order: Vec<OrderKey<'a>>,
    /// `limit N`
    pub limit: Option<u64>,
    /// `offset N`
    pub offset: Option<u64>,
}

/// `distinct author.username of posts where ...`
#[derive(Debug, Clone, PartialEq)]
pub struct Distinct<'a> {
    /// The fields.
    pub fields: Vec<Path<'a>>,
    /// Where it starts.
    pub source: Source<'a>,
    /// `where ...`
    pub filter: Option<Condition<'a>>,
    /// `order by ...`
    pub order: Vec<OrderKey<'a>>,
    /// `limit N`
    pub limit: Option<u64>,
    /// `offset N`
    pub offset: Option<u64>,
}

/// A comparison's operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Eq,
    /// `!=`, `<>`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

/// A test on text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextOp {
    /// `like`: `%` and `_` are wildcards, upper and lower case differ on PostgreSQL.
    Like,
    /// `ilike`: the same, case-insensitively.
    Ilike,
    /// `contains 'x'`
    Contains,
    /// `starts with 'x'`
    StartsWith,
    /// `ends with 'x'`
    EndsWith,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand<'a> {
    /// A field or path.
    Path(Path<'a>),
    /// A value.
    Literal(Literal<'a>),
    /// `count(posts)`, `count(posts where ...)`, `sum(posts.score)`, ...: a relationship, and for all but `count` a
    /// field behind it; with an optional condition inside the brackets.
    Function(Function, Path<'a>, Option<Box<Condition<'a>>>, Span),
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition<'a> {
    /// All must hold; two or more.
    And(Vec<Condition<'a>>),
    /// One must hold; two or more.
    Or(Vec<Condition<'a>>),
    /// Must not hold.
    Not(Box<Condition<'a>>),
    /// `a = b`
    Compare(Operand<'a>, CompareOp, Operand<'a>),
    /// `username like 's%'`; the flag is true with `not`.
    Text(Operand<'a>, TextOp, Literal<'a>, bool),
    /// `x in (1, 2)`; true with `not`.
    In(Operand<'a>, Vec<Literal<'a>>, bool),
    /// `x between 1 and 2`; true with `not`.
    Between(Operand<'a>, Literal<'a>, Literal<'a>, bool),
    /// `x is null`; true with `not`.
    IsNull(Operand<'a>, bool),
    /// `has posts`, `has posts (body like '%rust%')`.
    Has(Path<'a>, Option<Box<Condition<'a>>>),
    /// A boolean field alone: `where active`.
    Field(Path<'a>),
}

/// `username=john`
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment<'a> {
    /// The field or relationship.
    pub field: Name<'a>,
    /// The value; more than one for a composite key in brackets.
    pub value: Vec<Literal<'a>>,
}

/// What `set` and `delete` are about.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "one command's tree exists at a time")]
pub enum Target<'a> {
    /// One record.
    Record(RecordRef<'a>),
    /// `posts where ...`: many rows. Without a condition: all of them (`set posts body=x`, `delete posts`).
    Where(Name<'a>, Option<Condition<'a>>),
}

/// `db ...`
#[derive(Debug, Clone, PartialEq)]
pub enum Db<'a> {
    /// `db upgrade [TARGET]`; none is head. `--sql`, `--dry-run` stand in `options`.
    Upgrade(Option<Name<'a>>),
    /// `db downgrade [TARGET]`; none is one revision.
    Downgrade(Option<Name<'a>>),
    /// `db current`
    Current,
    /// `db history`
    History,
    /// `db status`
    Status,
    /// `db check`
    Check,
    /// `db stamp VERSION`
    Stamp(Name<'a>),
    /// `db revision "message"`
    Revision(Name<'a>),
    /// `db migrate "message"`
    Migrate(Name<'a>),
    /// `db init`
    Init,
    /// `db create-all`
    CreateAll,
    /// `db drop-all`
    DropAll,
    /// `db schema`
    Schema,
}

impl Db<'_> {
    /// The name of its command.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Upgrade(_) => "db upgrade",
            Self::Downgrade(_) => "db downgrade",
            Self::Current => "db current",
            Self::History => "db history",
            Self::Status => "db status",
            Self::Check => "db check",
            Self::Stamp(_) => "db stamp",
            Self::Revision(_) => "db revision",
            Self::Migrate(_) => "db migrate",
            Self::Init => "db init",
            Self::CreateAll => "db create-all",
            Self::DropAll => "db drop-all",
            Self::Schema => "db schema",
        }
    }
}

/// What was typed: a command, and where its results go.
#[derive(Debug, Clone, PartialEq)]
pub struct Line<'a> {
    /// The command.
    pub command: Command<'a>,
    /// Its text, without the program and without a comment at its end.
    pub text: &'a str,
    /// The program behind a `|`.
    pub program: Option<Name<'a>>,
}

/// One command.
#[derive(Debug, Clone, PartialEq)]
pub enum Command<'a> {
    /// `list`, `first`, `last`, `one`, `get`, `user 1`, `user 1 posts`, `$u`, `$u posts`.
    Query(Query<'a>),
    /// `$u.email`, `$_`: a variable's field, or the variable's path.
    Attribute(Name<'a>, Vec<Name<'a>>),
    /// `count`, `sum`, `avg`, `min`, `max`.
    Aggregate(Aggregate<'a>),
    /// `distinct`
    Distinct(Distinct<'a>),
    /// `let u = QUERY` (also `let x = 12`, a literal).
    Let(Name<'a>, Box<LetValue<'a>>),
    /// `add MODEL field=value ...`
    Add(Name<'a>, Vec<Assignment<'a>>),
    /// `set TARGET field=value ...`
    Set(Target<'a>, Vec<Assignment<'a>>),
    /// `delete TARGET [with a, b]`
    Delete(Target<'a>, Vec<Path<'a>>),
    /// `commit [--dry-run] [MODEL ...]`
    Commit {
        /// `--dry-run`: run everything and roll back.
        dry_run: bool,
        /// Models to commit; empty for all.
        models: Vec<Name<'a>>,
    },
    /// `rollback`
    Rollback,
    /// `rollback to NAME`
    RollbackTo(Name<'a>),
    /// `savepoint NAME`
    Savepoint(Name<'a>),
    /// `status`
    Status,
    /// `diff [MODEL KEY] [--sql]`
    Diff {
        /// One record only.
        record: Option<RecordRef<'a>>,
        /// `--sql`: the statements with their values.
        sql: bool,
    },
    /// `undo [N]`
    Undo(u64),
    /// `redo [N]`
    Redo(u64),
    /// `discard MODEL KEY[.FIELD]`
    Discard(RecordRef<'a>, Option<Name<'a>>),
    /// `keep mine|theirs [MODEL KEY]`: true is mine.
    Keep(bool, Option<RecordRef<'a>>),
    /// `db VERB ...`, with `--sql`, `--dry-run`, `--force`, `--rename a:b` and the like as raw words.
    Db(Db<'a>, Vec<Name<'a>>),
    /// A dot command: its name without the dot, and its arguments.
    Dot(Name<'a>, Vec<Name<'a>>, Rest<'a>),
    /// A command that an application adds, likewise.
    Own(Name<'a>, Vec<Name<'a>>, Rest<'a>),
    /// Nothing but white space and comments.
    Empty,
}

/// Everything behind a dot command's name as it was typed, trimmed: `.sql select 1`, `.explain list users`.
pub type Rest<'a> = Name<'a>;

/// What `let` binds.
#[derive(Debug, Clone, PartialEq)]
pub enum LetValue<'a> {
    /// A query's result: `let u = user john`, `let everyone = list users`.
    Query(Query<'a>),
    /// One value: `let n = 12`.
    Literal(Literal<'a>),
    /// One number: `let n = count users`.
    Aggregate(Aggregate<'a>),
}
