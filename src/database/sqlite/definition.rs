//! Tables as SQLite defines them: the pragmas say what columns and indexes there are, and the text in `sqlite_schema`
//! says the rest (names of constraints, checks, collations), for which there is no pragma.

use super::error::translate;
use super::reflect::table_columns;
use crate::model::definition::{
    Check, Column, Dependent, DependentKind, ForeignKey, Index, Key, Numbering, Orphan, Place, Schema, Table,
};
use crate::text::sql::{SqlToken, expression, shortened, statements, tokens};
use crate::{Error, ErrorKind, Result};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

/// Tables that are tables and nothing else: virtual tables and their shadows are left to whatever made them, and names
/// with two underscores are the tools' own, as diesel_cli has it.
const TABLES: &str = "SELECT s.name AS name, s.sql AS sql FROM sqlite_schema s \
    JOIN pragma_table_list l ON l.name = s.name AND l.schema = 'main' \
    WHERE s.type = 'table' AND l.type = 'table' AND s.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
    AND s.name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY s.name";

const OTHERS: &str = "SELECT type AS kind, name, tbl_name AS table_name, sql FROM sqlite_schema \
    WHERE type IN ('index', 'view', 'trigger') AND sql IS NOT NULL ORDER BY rowid";

#[derive(QueryableByName)]
struct TableRow {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

#[derive(QueryableByName)]
struct OtherRow {
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Text)]
    sql: String,
}

/// The whole schema.
///
/// # Errors
/// The database's own.
pub fn schema(connection: &mut SqliteConnection) -> Result<Schema> {
    let wrong = |error: diesel::result::Error| translate(&error);
    let rows: Vec<TableRow> = diesel::sql_query(TABLES).load(connection).map_err(wrong)?;
    let columns = table_columns(connection).map_err(wrong)?;
    let others: Vec<OtherRow> = diesel::sql_query(OTHERS).load(connection).map_err(wrong)?;
    let mut schema = Schema::default();
    for row in rows {
        let mut table = Table::new(Place::new(&row.name));
        let mut key: Vec<(i64, String)> = Vec::new();
        for column in columns.iter().filter(|column| column.table_name == row.name) {
            if column.key > 0 {
                key.push((column.key, column.name.clone()));
            }
            table.columns.push(Column {
                name: column.name.clone(),
                type_name: column.declared.clone(),
                nullable: column.not_null == 0,
                default: match &column.default_sql {
                    Some(sql) if !matches!(column.hidden, 2 | 3) => Some(clean(sql, &row.name)?),
                    _ => None,
                },
                ..Column::default()
            });
        }
        key.sort();
        if !key.is_empty() {
            let columns = key.into_iter().map(|(_, name)| name).collect();
            table.key = Some(Key { name: None, columns, rest: String::new() });
        }
        complete(&mut table, &row.sql)?;
        schema.tables.push(table);
    }
    for mut row in others {
        // Without what stands behind the statement, which SQLite does not read.
        let Some(first) = statements(&row.sql, true).first().map(|statement| statement.text.to_owned()) else {
            continue;
        };
        row.sql = first;
        let Some(words) = tokens(&row.sql, true) else { continue };
        match row.kind.as_str() {
            "index" => {
                if let Some(table) = schema.tables.iter_mut().find(|table| table.place.name == row.table_name)
                    && let Some(index) = index(&row, &words)
                {
                    table.indexes.push(index);
                }
            }
            kind => {
                let trigger = kind == "trigger";
                let names = words.iter().filter_map(SqlToken::name).map(str::to_lowercase).collect();
                schema.dependents.push(Dependent {
                    kind: if trigger { DependentKind::Trigger } else { DependentKind::View },
                    on: trigger.then(|| Place::new(&row.table_name)),
                    name: row.name,
                    sql: row.sql,
                    names,
                });
            }
        }
    }
    schema.dependents.retain(|dependent| dependent.on.as_ref().is_none_or(|on| !on.name.starts_with("__")));
    Ok(schema)
}

/// `CREATE [UNIQUE] INDEX name ON table (...)...`
fn index(row: &OtherRow, words: &[SqlToken<'_>]) -> Option<Index> {
    let on = words.iter().position(|word| word.is("ON"))?;
    let unique = words.get(1)?.is("UNIQUE");
    let open = words.get(on + 2)?;
    let (inner, rest) = brackets(&words[on + 2..])?;
    let mut columns: Vec<String> = split(inner)
        .iter()
        .map_while(|part| if let [only] = part { only.name().map(str::to_owned) } else { None })
        .collect();
    if columns.len() != split(inner).len() || !rest.is_empty() {
        columns.clear();
    }
    let definition = expression(&row.sql[open.start..], true)?;
    Some(Index { name: row.name.clone(), unique, definition, columns })
}

/// What stands between the first bracket and its counterpart, and what stands behind.
fn brackets<'t, 's>(words: &'t [SqlToken<'s>]) -> Option<(&'t [SqlToken<'s>], &'t [SqlToken<'s>])> {
    let mut depth = 0;
    for (at, word) in words.iter().enumerate() {
        match word.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (at > 0).then(|| (&words[1..at], &words[at + 1..]));
        }
    }
    None
}

/// The parts between commas that are in no brackets.
fn split<'t, 's>(words: &'t [SqlToken<'s>]) -> Vec<&'t [SqlToken<'s>]> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, word) in words.iter().enumerate() {
        match word.text {
            "(" => depth += 1,
            ")" => depth -= 1,
            "," if depth == 0 => {
                parts.push(&words[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < words.len() {
        parts.push(&words[start..]);
    }
    parts
}

/// Adds what only the text of `CREATE TABLE` says.
fn complete(table: &mut Table, sql: &str) -> Result<()> {
    sql.clone_into(&mut table.text);
    let Some(words) = tokens(sql, true) else { return Ok(()) };
    let Some(open) = words.iter().position(|word| word.text == "(") else { return Ok(()) };
    let Some((body, rest)) = brackets(&words[open..]) else { return Ok(()) };
    // Nothing else can stand there; what a file was given behind its statement SQLite does not read.
    let suffix = |word: &&SqlToken<'_>| word.text == "," || SUFFIXES.iter().any(|known| word.is(known));
    let rest = rest.iter().take_while(suffix).map(|word| word.text.to_uppercase());
    table.suffix = rest.collect::<Vec<_>>().join(" ").replace(" ,", ",");
    for part in split(body) {
        let mut reader = Reader { sql, words: part, at: 0 };
        let constraint = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];
        if constraint.iter().any(|word| part[0].is(word)) {
            reader.constraints(table, None);
        } else if let Some(name) = part[0].name() {
            let name = name.to_owned();
            reader.at = 1;
            // The type: the pragma has it, and nothing in it is a keyword of a constraint.
            while reader.word().is_some_and(|word| !starts_constraint(word)) {
                reader.skip();
            }
            reader.constraints(table, Some(&name));
        }
    }
    let place = table.place.name.clone();
    for check in &mut table.checks {
        check.expression = clean(&check.expression, &place)?;
    }
    Ok(())
}

/// What may stand behind a table's brackets: <https://www.sqlite.org/lang_createtable.html>.
const SUFFIXES: [&str; 3] = ["WITHOUT", "ROWID", "STRICT"];

/// A text of the schema that goes into statements of ours.
fn clean(sql: &str, table: &str) -> Result<String> {
    expression(sql, true).ok_or_else(|| {
        Error::new(ErrorKind::Refused, format!("the definition of {table} is not understood"))
            .hint(format!("in: {}", shortened(sql)))
    })
}

/// The columns that compare texts other than by their bytes, with how they do it, from the text of `CREATE TABLE`.
pub(super) fn collations(sql: &str) -> Vec<(String, String)> {
    let Some(words) = tokens(sql, true) else { return Vec::new() };
    let Some(open) = words.iter().position(|word| word.text == "(") else { return Vec::new() };
    let Some((body, _)) = brackets(&words[open..]) else { return Vec::new() };
    let collation = |part: &[SqlToken<'_>]| {
        let name = part.first()?.name()?.to_owned();
        let (mut depth, mut found) = (0, None);
        for pair in part.windows(2) {
            match pair[0].text {
                "(" => depth += 1,
                ")" => depth -= 1,
                _ if depth == 0 && pair[0].is("COLLATE") => found = pair[1].name(),
                _ => {}
            }
        }
        let found = found.filter(|collation| !collation.eq_ignore_ascii_case("binary"))?;
        Some((name, found.to_owned()))
    };
    let constraint = |part: &[SqlToken<'_>]| {
        ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"].iter().any(|word| part[0].is(word))
    };
    split(body).into_iter().filter(|part| !part.is_empty() && !constraint(part)).filter_map(collation).collect()
}

fn starts_constraint(word: &SqlToken<'_>) -> bool {
    const WORDS: [&str; 10] =
        ["CONSTRAINT", "PRIMARY", "NOT", "NULL", "UNIQUE", "CHECK", "DEFAULT", "COLLATE", "REFERENCES", "GENERATED"];
    WORDS.iter().any(|keyword| word.is(keyword)) || word.is("AS")
}

/// Reads the constraints of one column, or one constraint of the table: <https://www.sqlite.org/lang_createtable.html>.
struct Reader<'t, 's> {
    sql: &'s str,
    words: &'t [SqlToken<'s>],
    at: usize,
}

impl<'t, 's> Reader<'t, 's> {
    fn word(&self) -> Option<&'t SqlToken<'s>> {
        self.words.get(self.at)
    }

    /// Over one token, or over everything in brackets.
    fn skip(&mut self) {
        match self.word() {
            Some(word) if word.text == "(" => {
                let behind = brackets(&self.words[self.at..]).map_or(0, |(_, rest)| rest.len());
                self.at = self.words.len() - behind;
            }
            _ => self.at += 1,
        }
    }

    fn take(&mut self, keyword: &str) -> bool {
        let there = self.word().is_some_and(|word| word.is(keyword));
        self.at += usize::from(there);
        there
    }

    /// The text in the brackets that stand here.
    fn inner(&mut self) -> Option<&'s str> {
        let (inner, _) = brackets(&self.words[self.at..])?;
        let text = match (inner.first(), inner.last()) {
            (Some(first), Some(last)) => &self.sql[first.start..last.end()],
            _ => "",
        };
        self.skip();
        Some(text)
    }

    /// The names in the brackets that stand here, without COLLATE and ASC.
    fn names(&mut self) -> Vec<String> {
        let names = brackets(&self.words[self.at..]).map_or_else(Vec::new, |(inner, _)| {
            split(inner).iter().filter_map(|part| part.first()?.name().map(str::to_owned)).collect()
        });
        self.skip();
        names
    }

    /// The text from a place up to here.
    fn text_from(&self, from: usize) -> String {
        if from >= self.at {
            return String::new();
        }
        self.sql[self.words[from].start..self.words[self.at - 1].end()].to_owned()
    }

    /// `ON CONFLICT word`, and whatever else belongs to the constraint that was just read.
    fn rest(&mut self) -> String {
        let start = self.at;
        while let Some(word) = self.word() {
            let conflict = word.is("ON") && self.words.get(self.at + 1).is_some_and(|next| next.is("CONFLICT"));
            let deferrable = word.is("DEFERRABLE")
                || word.is("INITIALLY")
                || (word.is("NOT") && self.words.get(self.at + 1).is_some_and(|next| next.is("DEFERRABLE")));
            if !conflict && !deferrable {
                break;
            }
            self.at += if conflict {
                3
            } else if word.is("DEFERRABLE") {
                1
            } else {
                2
            };
            self.at = self.at.min(self.words.len());
        }
        self.text_from(start).to_uppercase()
    }

    fn constraints(&mut self, table: &mut Table, column: Option<&str>) {
        let mut name = None;
        while let Some(word) = self.word() {
            self.at += 1;
            let own = |reader: &mut Self| column.map_or_else(|| reader.names(), |column| vec![column.to_owned()]);
            if word.is("CONSTRAINT") {
                name = self.word().and_then(|word| word.name()).map(str::to_owned);
                self.at += 1;
            } else if word.is("PRIMARY") {
                self.take("KEY");
                let columns = own(self);
                let _ = self.take("ASC") || self.take("DESC");
                let rest = self.rest();
                if self.take("AUTOINCREMENT") {
                    for found in table.columns.iter_mut().filter(|known| Some(known.name.as_str()) == column) {
                        found.numbering = Numbering::Autoincrement;
                    }
                }
                let columns = table.key.take().map_or(columns, |key| key.columns);
                table.key = Some(Key { name: name.take(), columns, rest });
            } else if word.is("UNIQUE") {
                let columns = own(self);
                let rest = self.rest();
                table.uniques.push(Key { name: name.take(), columns, rest });
            } else if word.is("CHECK") {
                let expression = self.inner().unwrap_or_default().to_owned();
                self.rest();
                table.checks.push(Check { name: name.take(), expression });
            } else if word.is("FOREIGN") {
                self.take("KEY");
                let columns = self.names();
                self.take("REFERENCES");
                self.reference(table, columns, name.take());
            } else if word.is("REFERENCES") {
                self.reference(table, own_column(column), name.take());
            } else if word.is("COLLATE") {
                let collation = self.word().and_then(|word| word.name()).map(str::to_owned);
                self.at += 1;
                Self::set(table, column, |found| found.collation.clone_from(&collation));
            } else if word.is("DEFAULT") {
                // The pragma has it.
                if self.word().is_some_and(|word| matches!(word.text, "+" | "-")) {
                    self.at += 1;
                }
                self.skip();
            } else if word.is("GENERATED") || word.is("AS") {
                if word.is("GENERATED") {
                    self.take("ALWAYS");
                    self.take("AS");
                }
                let expression = expression(self.inner().unwrap_or_default(), true).unwrap_or_default();
                let stored = if self.take("STORED") { "STORED" } else { "VIRTUAL" };
                self.take("VIRTUAL");
                let text = format!("GENERATED ALWAYS AS ({expression}) {stored}");
                Self::set(table, column, |found| found.generated = Some(text.clone()));
            } else {
                // NOT NULL, NULL: the pragma has them.
                self.rest();
            }
        }
    }

    fn set(table: &mut Table, column: Option<&str>, change: impl Fn(&mut Column)) {
        table.columns.iter_mut().filter(|known| Some(known.name.as_str()) == column).for_each(change);
    }

    /// Behind `REFERENCES`.
    fn reference(&mut self, table: &mut Table, columns: Vec<String>, name: Option<String>) {
        let to = self.word().and_then(|word| word.name()).unwrap_or_default().to_owned();
        self.at += 1;
        let to_columns = if self.word().is_some_and(|word| word.text == "(") { self.names() } else { Vec::new() };
        let mut key = ForeignKey {
            name,
            columns,
            to: Place::new(to),
            to_columns,
            on_delete: "NO ACTION".into(),
            on_update: "NO ACTION".into(),
            rest: String::new(),
        };
        while let Some(word) = self.word() {
            if word.is("ON") {
                self.at += 1;
                let delete = self.take("DELETE") || !self.take("UPDATE");
                let words = if self.take("SET") {
                    let to_null = self.take("NULL");
                    self.at += usize::from(!to_null);
                    if to_null { "SET NULL" } else { "SET DEFAULT" }
                } else if self.take("NO") {
                    self.take("ACTION");
                    "NO ACTION"
                } else if self.take("CASCADE") {
                    "CASCADE"
                } else {
                    self.at += 1;
                    "RESTRICT"
                };
                words.clone_into(if delete { &mut key.on_delete } else { &mut key.on_update });
            } else if word.is("MATCH") {
                self.at += 2;
            } else {
                break;
            }
        }
        key.rest = self.rest();
        table.foreign_keys.push(key);
    }
}

fn own_column(column: Option<&str>) -> Vec<String> {
    column.map(str::to_owned).into_iter().collect()
}

/// Rows whose foreign keys lead nowhere: `PRAGMA foreign_key_check`, with the values in question for the first of them.
///
/// # Errors
/// The database's own; a foreign key to a column that is not unique is one.
pub fn orphans(connection: &mut SqliteConnection) -> Result<Vec<Orphan>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = Text)]
        table_name: String,
        #[diesel(sql_type = Nullable<BigInt>)]
        numbered: Option<i64>,
        #[diesel(sql_type = Text)]
        parent: String,
        #[diesel(sql_type = Nullable<Text>)]
        columns: Option<String>,
    }
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = Nullable<Text>)]
        text: Option<String>,
    }
    let sql = "SELECT c.\"table\" AS table_name, c.rowid AS numbered, c.parent AS parent, \
        (SELECT group_concat(\"from\", ', ') FROM pragma_foreign_key_list(c.\"table\") WHERE id = c.fkid) AS columns \
        FROM pragma_foreign_key_check c";
    let rows: Vec<Row> = diesel::sql_query(sql).load(connection).map_err(|e| translate(&e))?;
    let mut orphans = Vec::with_capacity(rows.len());
    for (at, row) in rows.into_iter().enumerate() {
        let columns = row.columns.unwrap_or_default();
        let mut values = columns.clone();
        // A few with their values will do for a message.
        if at < 10 && row.numbered.is_some() && !columns.is_empty() {
            let list: Vec<String> =
                columns.split(", ").map(|name| format!("quote(\"{}\")", name.replace('"', "\"\""))).collect();
            let sql = format!(
                "SELECT {} AS text FROM \"{}\" WHERE rowid = ?",
                list.join(" || ', ' || "),
                row.table_name.replace('"', "\"\"")
            );
            let found: Vec<Found> = diesel::sql_query(sql)
                .bind::<Nullable<BigInt>, _>(row.numbered)
                .load(connection)
                .map_err(|e| translate(&e))?;
            if let Some(Found { text: Some(text) }) = found.into_iter().next() {
                values = format!("{columns} {text}");
            }
        }
        orphans.push(Orphan { table: row.table_name, rowid: row.numbered, parent: row.parent, values });
    }
    Ok(orphans)
}
