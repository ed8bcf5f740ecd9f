//! How a query sees what is staged: by naming what tables will be, or in a transaction that is rolled back.

use super::journal::{Change, Journal};
use super::{Mode, Session};
use crate::model::Catalog;
use crate::plan::overlay::Overlay;
use crate::plan::query::{Select, Statement};
use crate::plan::seen::{self, Reading};
use crate::store::{Each, Store};
use crate::{ErrorKind, Result};

/// What tables will be with what is staged, kept up with the journal.
#[derive(Default)]
pub(super) struct Sight {
    overlay: Overlay,
    /// The journal's generation that was folded, and how many of its entries.
    generation: u64,
    folded: usize,
}

impl Sight {
    /// Takes in what was staged since.
    fn follow(&mut self, journal: &Journal, catalog: &Catalog) {
        if self.generation != journal.generation() {
            *self = Self { overlay: Overlay::default(), generation: journal.generation(), folded: 0 };
        }
        for entry in &journal.entries()[self.folded..] {
            for change in entry.changes.iter().chain(&entry.effects) {
                fold(&mut self.overlay, change, catalog);
            }
        }
        self.folded = journal.len();
    }
}

fn fold(overlay: &mut Overlay, change: &Change, catalog: &Catalog) {
    match change {
        Change::Insert { entity, row: Some(row), .. } => {
            overlay.insert(*entity, change.key(catalog).as_deref(), row, catalog);
        }
        Change::Insert { entity, .. } => overlay.insert_unknown(*entity, catalog),
        Change::Update { entity, key, set, .. } => overlay.update(*entity, key, set, catalog),
        Change::Delete { entity, key, .. } => overlay.delete(*entity, key, catalog),
    }
}

impl Session {
    /// Runs a query that sees what is staged.
    ///
    /// At a prompt that is one statement, which names what the tables will be: it writes nothing and takes no lock. Only
    /// where that could not say what a commit would give are the changes applied and rolled back.
    ///
    /// # Errors
    /// The database's, and whatever `each` returns.
    #[doc(hidden)]
    pub fn query(&mut self, select: &Select, each: &mut Each<'_>) -> Result<()> {
        if self.mode != Mode::Prompt {
            self.flush()?;
            return self.store.query(&self.catalog, &Statement::Select(select), each);
        }
        match self.sees(select)? {
            Reading::Plain => self.store.query(&self.catalog, &Statement::Select(select), each),
            Reading::Overlay => self.store.query(&self.catalog, &Statement::Seen(select, &self.sight.overlay), each),
            Reading::Applied(_) => {
                self.reading(|store, catalog| store.query(catalog, &Statement::Select(select), each))
            }
        }
    }

    /// Whether queries see the database as it is: nothing is staged, or a COMMIT is in doubt, when what there is in the
    /// database is the question.
    pub(super) const fn sees_the_database(&self) -> bool {
        self.journal.is_empty() || self.is_in_doubt()
    }

    /// How a query is answered at a prompt, with what is staged taken in.
    fn sees(&mut self, select: &Select) -> Result<Reading> {
        if self.sees_the_database() || self.is_open() {
            return Ok(Reading::Plain);
        }
        if self.store.others_wrote()? {
            // Keys that staged records have may be taken by now.
            self.renumber()?;
        }
        self.sight.follow(&self.journal, &self.catalog);
        self.learn_quirks()?;
        let Some(quirks) = self.seen.quirks() else {
            return Ok(Reading::Applied("whether there are triggers cannot be told".into()));
        };
        Ok(seen::reading(select, &self.sight.overlay, quirks, &self.catalog))
    }

    /// A query's SQL and the database's plan for it, with what is staged in sight, and how it comes into sight where that
    /// is not a matter of course.
    ///
    /// # Errors
    /// The database's own.
    pub(crate) fn explain(&mut self, select: &Select) -> Result<Vec<String>> {
        let explained = |store: &mut dyn Store, catalog: &Catalog, statement: &Statement<'_>| {
            let mut lines = vec![store.describe(catalog, statement)?];
            lines.extend(store.explain(catalog, statement)?.into_iter().map(|line| format!("  {line}")));
            Ok(lines)
        };
        let reading = if self.mode == Mode::Prompt { self.sees(select)? } else { Reading::Plain };
        match reading {
            Reading::Overlay => {
                let statement = Statement::Seen(select, &self.sight.overlay);
                let mut lines = explained(&mut *self.store, &self.catalog, &statement)?;
                lines.push("what is staged is part of the query".into());
                Ok(lines)
            }
            Reading::Plain if self.mode == Mode::Prompt => {
                explained(&mut *self.store, &self.catalog, &Statement::Select(select))
            }
            reading => {
                let mut lines = self.reading(|store, catalog| explained(store, catalog, &Statement::Select(select)))?;
                if let Reading::Applied(why) = reading {
                    lines.push(format!("what is staged is applied for the query and rolled back: {why}"));
                }
                Ok(lines)
            }
        }
    }

    /// Does something with the database while staged changes are visible in it: they are applied in a transaction that is
    /// rolled back.
    ///
    /// # Errors
    /// What `work` returns, or the database's own when the changes cannot be applied.
    pub(crate) fn reading<T>(&mut self, work: impl FnOnce(&mut dyn Store, &Catalog) -> Result<T>) -> Result<T> {
        if self.mode != Mode::Prompt {
            self.flush()?;
            // It may be a statement of the user's own.
            self.seen.reset();
            return work(&mut *self.store, &self.catalog);
        }
        if self.sees_the_database() {
            return work(&mut *self.store, &self.catalog);
        }
        self.apply_for_reading()?;
        let result = work(&mut *self.store, &self.catalog);
        self.end()?;
        result
    }

    /// Applies what is staged in a transaction that is to be rolled back; false where somebody else's lock is in the way.
    pub(super) fn apply_for_reading(&mut self) -> Result<bool> {
        let applied = self.begin_trial().and_then(|()| {
            self.renumber()?;
            self.apply_staged()
        });
        match applied {
            Ok(()) => Ok(true),
            // A read is never refused because of what is staged.
            Err(error) if error.kind == ErrorKind::Busy && !error.is_undone() => {
                self.end()?;
                self.warnings.push(format!("{}: this is the database without what is staged", self.locked()));
                Ok(false)
            }
            Err(error) => {
                self.end()?;
                Err(error)
            }
        }
    }
}
