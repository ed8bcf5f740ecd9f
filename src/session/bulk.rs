//! `set ... where` and `delete ... where` in a script: the one UPDATE or DELETE that they say, in the transaction that is
//! held, however many rows they hit. It is journalled as such; whoever needs its rows has them spelled out.

use super::flush::is_objection;
use super::journal::{Change, Entry, Values, Whole};
use super::{Applied, Mode, Session};
use crate::Result;
use crate::model::{Entity, Value};
use crate::plan::query::{Bulk, Statement};
use crate::text::Place;
use std::sync::Arc;

/// How a bulk change is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As one statement.
    Statement,
    /// As a change for each row; why.
    Rows(&'static str),
}

/// What a session does with what is staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// How it works.
    pub mode: Mode,
    /// Changes are collected to be staged together at a prompt.
    pub together: bool,
    /// What is staged is on disk too.
    pub kept: bool,
}

/// How a bulk change to a model's rows is staged.
#[must_use]
pub fn way(circumstances: Circumstances, bulk: &Bulk, model: &Entity) -> Way {
    if circumstances.mode != Mode::Script || circumstances.together {
        // Others may change the rows before the commit, which the values that were read before tell.
        return Way::Rows("no transaction is held for a script");
    }
    if circumstances.kept {
        return Way::Rows("what is staged is on disk, where rows have the values that they had");
    }
    if bulk.set.is_some() && !model.checks.is_empty() {
        return Way::Rows("the application looks at each record as it will be");
    }
    Way::Statement
}

impl Session {
    /// Stages a bulk change as one statement and gives how many rows it hits; none where it is to be staged row by row.
    ///
    /// What the database objects to is left to the rows, which tell the one that is to blame.
    ///
    /// # Errors
    /// The database's own; its objection to what was staged before.
    pub(crate) fn stage_bulk(&mut self, bulk: &Bulk, place: Option<&Place>) -> Result<Option<usize>> {
        self.certain()?;
        self.flush()?;
        self.begin(true)?;
        let rows = match self.send_bulk(bulk) {
            Ok(rows) => rows,
            Err(error) if is_objection(&error) => {
                // SQLite can be told to keep the rows before the one that failed.
                self.end()?;
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if rows > 0 {
            self.journal.push(Entry {
                number: self.journal.next_number(),
                place: place.cloned(),
                changes: Vec::new(),
                effects: Vec::new(),
                whole: Some(Whole::Bulk(Box::new(bulk.clone()), rows)),
            });
            self.applied = Applied::UpTo(self.journal.len());
        }
        Ok(Some(rows))
    }

    /// How a bulk change is staged here.
    #[must_use]
    pub(crate) fn bulk_way(&self, bulk: &Bulk) -> Way {
        let circumstances =
            Circumstances { mode: self.mode, together: self.is_together(), kept: self.keeper.is_some() };
        way(circumstances, bulk, self.catalog.get(bulk.entity()))
    }

    /// Sends a bulk change in the open transaction, with all that came before it.
    pub(super) fn send_bulk(&mut self, bulk: &Bulk) -> Result<usize> {
        let rows = self.guarded(|session| session.store.execute(&session.catalog, &Statement::Bulk(bulk)))?;
        self.forget_bulk(bulk);
        Ok(rows)
    }

    /// The changes to rows that a bulk change is, from the rows as they are in the open transaction.
    pub(super) fn spelled_out(&mut self, bulk: &Bulk) -> Result<Vec<Change>> {
        let catalog = Arc::clone(&self.catalog);
        let (entity, model) = (bulk.entity(), catalog.get(bulk.entity()));
        // The columns that there were when it was staged.
        let columns: Vec<usize> = bulk.rows.columns.iter().filter_map(|output| output.expr.column()).collect();
        let set = bulk.set.clone().map(Values::from);
        let mut changes = Vec::new();
        self.store.query(&catalog, &Statement::Select(&bulk.rows), &mut |cells| {
            let mut row = vec![Value::Null; model.columns.len()];
            for (column, cell) in columns.iter().zip(cells) {
                row[*column] = cell.to_value();
            }
            let change = match &set {
                Some(set) => Change::setting(entity, model, &row, set),
                None => Some(Change::deleting(entity, model, &row)),
            };
            changes.extend(change.map(|mut change| {
                if let Change::Delete { base, .. } = &mut change {
                    base.retain(|(column, _)| columns.contains(column));
                }
                change
            }));
            Ok(true)
        })?;
        Ok(changes)
    }

    /// Spells out the rows of what was staged as one statement, for whoever needs them. Nothing is open afterwards.
    ///
    /// # Errors
    /// The database's own, and its objections to what is staged.
    pub(super) fn spell_out(&mut self) -> Result<()> {
        if self.journal.has_bulk() {
            self.settle()?;
            self.end()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Circumstances, Way, way};
    use crate::model::Value;
    use crate::model::rule::RecordCheck;
    use crate::plan::query::{Bulk, Select};
    use crate::session::Mode;

    const SCRIPT: Circumstances = Circumstances { mode: Mode::Script, together: false, kept: false };

    #[test]
    fn one_statement_in_a_script_and_rows_elsewhere() {
        let catalog = crate::microblog::models().into_catalog().unwrap();
        let user = catalog.resolve("user").unwrap();
        let mut model = catalog.get(user).clone();
        let set = Bulk { rows: Select::all(user, &catalog), set: Some(vec![(1, Value::Text("x".into()))]) };
        let delete = Bulk { rows: Select::all(user, &catalog), set: None };
        for change in [&set, &delete] {
            assert_eq!(way(SCRIPT, change, &model), Way::Statement);
            for rows in [
                Circumstances { mode: Mode::Prompt, ..SCRIPT },
                Circumstances { mode: Mode::Held, ..SCRIPT },
                Circumstances { together: true, ..SCRIPT },
                Circumstances { kept: true, ..SCRIPT },
            ] {
                assert!(matches!(way(rows, change, &model), Way::Rows(_)), "{rows:?}");
            }
        }
        model.checks.push(RecordCheck::new(|_| Ok(())));
        assert!(matches!(way(SCRIPT, &set, &model), Way::Rows(_)), "a check needs the record");
        assert_eq!(way(SCRIPT, &delete, &model), Way::Statement, "what goes is not checked");
    }
}
