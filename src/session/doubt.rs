//! A COMMIT whose answer was lost: it is in doubt until its outcome is known, and nothing is sent meanwhile.

use super::commit::send_commit;
use super::journal::{Counts, Entry};
use super::net::net;
use super::outcome::{Outcome, commit, outcome};
use super::recovery::{self, Keeper};
use super::trace::Found;
use super::{Applied, Mode, Session};
use crate::model::EntityId;
use crate::store::Named;
use crate::{Error, ErrorKind, Result};
use std::sync::Arc;

/// A COMMIT that was sent once and whose answer was lost. As long as there is one the journal stays as it was sent.
#[derive(Debug, Clone)]
pub(super) struct Doubt {
    /// What the transaction is called.
    pub named: Named,
    /// What it was to write.
    pub counts: Counts,
    /// The tables whose changes were sent; empty for all.
    pub only: Vec<EntityId>,
    /// A script has put it into a recovery file.
    kept: bool,
    why: Why,
}

/// Why it is still in doubt.
#[derive(Debug, Clone)]
enum Why {
    /// The server could not be asked, or says that the transaction has not ended. It may be asked again.
    Open(String),
    /// No server can tell, and neither can the rows.
    Untellable {
        why: String,
        found: Found,
        /// A person has seen it since (`status`), and may decide.
        shown: bool,
    },
}

/// What came of looking it up.
pub(super) enum Resolved {
    /// The database has it.
    Committed(Counts),
    /// The database has nothing of it, or a person says to send it: it may be sent.
    Sendable,
}

impl Doubt {
    pub(super) const fn new(named: Named, counts: Counts, only: Vec<EntityId>) -> Self {
        Self { named, counts, only, kept: false, why: Why::Open(String::new()) }
    }

    /// As a heading: what is not known.
    pub(super) fn heading(&self) -> String {
        format!("it is not known whether this was committed: {}", self.counts)
    }

    /// What is known, one line each, and what a person can do.
    pub(super) fn lines(&self, scripted: bool) -> Vec<String> {
        let name = match &self.named {
            Named::Transaction(identity) => format!(" as transaction {}", identity.transaction),
            Named::Marked(_) | Named::NothingWritten | Named::Untellable => String::new(),
        };
        let mut lines = vec![format!(
            "COMMIT was sent once{name} and its answer was lost; nothing is sent again before it is known"
        )];
        match &self.why {
            Why::Open(why) => {
                lines.push(why.clone());
                lines.push(match (&self.named, scripted) {
                    (Named::Transaction(identity), true) => {
                        format!(
                            "ask that server before you run it again: select pg_xact_status('{}')",
                            identity.transaction
                        )
                    }
                    (_, true) => "look at the data before you run it again".into(),
                    (_, false) => {
                        "`commit` asks again; `rollback` forgets it here, whether or not the database has it".into()
                    }
                });
            }
            Why::Untellable { why, found, shown } => {
                lines.push(format!("the server cannot tell: {why}"));
                lines.extend(found.lines());
                lines.push(match (scripted, shown) {
                    (true, _) => "look at the data before you run it again".into(),
                    (false, false) => "look at the data, which queries show as it is in the database; `status` shows this again, then `commit` sends all of it or `rollback` forgets it".into(),
                    (false, true) => "`commit` sends all of it now, `rollback` forgets it".into(),
                });
            }
        }
        if scripted && self.kept {
            lines.push("or `.recover` at a prompt, which looks it up: what it was to write is kept for that".into());
        }
        lines
    }

    fn error(&self, scripted: bool) -> Error {
        self.lines(scripted).into_iter().fold(Error::new(ErrorKind::InDoubt, self.heading()), Error::hint)
    }
}

/// Whether a table is among those of which changes were sent.
fn covers(only: &[EntityId], entity: EntityId) -> bool {
    only.is_empty() || only.contains(&entity)
}

impl Session {
    /// Whether the answer to a COMMIT was lost and its outcome is not known yet. Nothing is sent or staged meanwhile;
    /// queries show the database as it is.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// Refuses what would change the journal or send something while a COMMIT is in doubt: what was sent must stay as it
    /// was, or its rows could not be compared any more.
    pub(super) fn certain(&self) -> Result<()> {
        match &self.doubt {
            Some(doubt) => Err(doubt.error(self.mode == Mode::Script)),
            None => Ok(()),
        }
    }

    /// What is to be said of a COMMIT in doubt, for a person who may decide then; nothing where there is none.
    pub(crate) fn show_doubt(&mut self) -> Vec<String> {
        let scripted = self.mode == Mode::Script;
        let Some(doubt) = &mut self.doubt else { return Vec::new() };
        if let (Why::Untellable { shown, .. }, false) = (&mut doubt.why, scripted) {
            *shown = true;
        }
        let mut lines = vec![doubt.heading()];
        lines.extend(doubt.lines(scripted).into_iter().map(|line| format!("  {line}")));
        lines
    }

    /// Looks up what became of the COMMIT that is in doubt.
    ///
    /// # Errors
    /// `InDoubt` where that is still not known.
    pub(super) fn resolve(&mut self) -> Result<Resolved> {
        let Some(mut doubt) = self.doubt.clone() else { return Ok(Resolved::Sendable) };
        self.end()?;
        let resolved = match self.outcome(&doubt.named) {
            Outcome::Committed => Some(true),
            Outcome::RolledBack => Some(false),
            Outcome::Open(why) => {
                doubt.why = Why::Open(why);
                None
            }
            Outcome::Untellable(why) => {
                let decided = matches!(doubt.why, Why::Untellable { shown: true, .. }) && self.mode != Mode::Script;
                let entries = self.journal.entries().to_vec();
                match self.compare(&entries, &doubt.only, &doubt.named) {
                    Ok(found) => found.verdict().or_else(|| {
                        doubt.why = Why::Untellable { why, found, shown: false };
                        decided.then_some(false)
                    }),
                    Err(error) => {
                        doubt.why = Why::Open(format!("the rows could not be compared: {}", error.message));
                        None
                    }
                }
            }
        };
        let Some(committed) = resolved else {
            let kept = self.keep_doubt(&mut doubt);
            let error = doubt.error(self.mode == Mode::Script);
            self.doubt = Some(doubt);
            return Err(kept.err().into_iter().fold(error, |error, cause| error.hint(cause.message)));
        };
        self.doubt = None;
        if committed {
            self.warnings.push(format!("the answer to COMMIT was lost; the database has it: {}", doubt.counts));
            self.written(&doubt.only)?;
            return Ok(Resolved::Committed(doubt.counts));
        }
        self.keep_safe(Keeper::rewrite)?;
        Ok(Resolved::Sendable)
    }

    /// A script, which has no recovery file, puts what is in doubt into one, for whoever looks it up.
    fn keep_doubt(&mut self, doubt: &mut Doubt) -> Result<()> {
        // One change to many rows has no rows that could be brought back.
        if self.keeper.is_some() || self.journal.entries().iter().any(|entry| entry.bulk().is_some()) {
            return Ok(());
        }
        let Some((folder, database)) = &self.recovery else { return Ok(()) };
        let mut keeper = recovery::open(folder, database)?.keeper;
        keeper.rewrite_committing(self.journal.entries(), &doubt.named, &doubt.only, &self.catalog)?;
        self.keeper = Some(keeper);
        doubt.kept = true;
        Ok(())
    }

    /// Forgets what is in doubt, because a person says so; whatever else is staged stays. Gives what it was.
    ///
    /// # Errors
    /// `Io`
    pub(super) fn forget_doubt(&mut self, doubt: &Doubt) -> Result<Counts> {
        self.end()?;
        // For good: brought back, it would be sent without a question.
        self.written(&doubt.only)?;
        Ok(doubt.counts)
    }

    /// Looks up a COMMIT that an earlier shell has left behind. What the database has is taken out of its entries; gives the
    /// doubt that they come with, where nothing can tell.
    ///
    /// # Errors
    /// `InDoubt` where it may be asked again, or where something else is staged.
    pub(super) fn recovered_doubt(
        &mut self,
        entries: &mut Vec<Entry>,
        named: Named,
        only: Vec<EntityId>,
    ) -> Result<Option<Doubt>> {
        let mut counts = Counts::default();
        let sent = net(entries, &self.catalog);
        sent.iter().filter(|net| covers(&only, net.change.entity())).for_each(|net| counts.count(&net.change));
        counts.statements = entries.iter().filter(|entry| only.is_empty() && entry.sql().is_some()).count();
        let mut doubt = Doubt::new(named, counts, only);
        let committed = match self.outcome(&doubt.named) {
            Outcome::Committed => true,
            Outcome::RolledBack => false,
            Outcome::Open(why) => {
                doubt.why = Why::Open(why);
                let mut error = doubt.error(true);
                error.hints.pop();
                return Err(error.hint("`.recover` asks again"));
            }
            Outcome::Untellable(why) => {
                let found = self.compare(entries, &doubt.only, &doubt.named)?;
                match found.verdict() {
                    Some(committed) => committed,
                    None if !self.journal.is_empty() => {
                        return Err(Error::new(ErrorKind::InDoubt, doubt.heading())
                            .hint("`commit` or `rollback` what is staged here first, then `.recover`"));
                    }
                    None => {
                        doubt.why = Why::Untellable { why, found, shown: false };
                        return Ok(Some(doubt));
                    }
                }
            }
        };
        if committed {
            self.warnings.push(format!("the commit that was under way has arrived: {counts}"));
            for entry in &mut *entries {
                entry.changes.retain(|change| !covers(&doubt.only, change.entity()));
            }
            entries.retain(|entry| !entry.is_empty() && !doubt.only.is_empty());
        }
        Ok(None)
    }

    /// Looks up the COMMITs that earlier shells have left behind, as far as a server can tell at once. What the database has
    /// is forgotten. Gives what is to be said.
    ///
    /// # Errors
    /// `Io`
    pub(crate) fn look_at_left(&mut self) -> Result<Vec<String>> {
        let catalog = Arc::clone(&self.catalog);
        let mut said = Vec::new();
        for left in std::mem::take(&mut self.left) {
            let Some((named, only)) = left.committing(&catalog) else {
                self.left.push(left);
                continue;
            };
            match self.outcome(&named) {
                Outcome::Committed if only.is_empty() => {
                    said.push(format!("the commit of an earlier session has arrived, whole: {} staged", left.count()));
                    left.remove()?;
                    continue;
                }
                Outcome::Committed => said.push("a commit of an earlier session has arrived".into()),
                Outcome::RolledBack => said.push("a commit of an earlier session has not arrived".into()),
                Outcome::Open(why) | Outcome::Untellable(why) => said.push(format!(
                    "it is not known whether a commit of an earlier session has arrived ({why}): `.recover` looks it up"
                )),
            }
            self.left.push(left);
        }
        Ok(said)
    }

    /// Asks what became of a transaction, within a bound; over a new connection where the old one is gone.
    fn outcome(&mut self, named: &Named) -> Outcome {
        self.applied = Applied::Nothing;
        self.seen.unsent();
        outcome(&mut *self.store, named)
    }

    /// Commits a transaction that is no part of the journal, and looks it up where the answer is lost.
    ///
    /// # Errors
    /// `InDoubt` where it is not known whether it was written; otherwise nothing was.
    pub(super) fn commit_named(&mut self) -> Result<()> {
        let done = commit(&mut *self.store, send_commit);
        if done.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::Connection | ErrorKind::InDoubt)) {
            self.applied = Applied::Nothing;
            self.seen.unsent();
        }
        if done? {
            self.applied = Applied::Nothing;
            self.seen.unsent();
            self.warnings.push("the answer to COMMIT was lost; the database has it".into());
        }
        Ok(())
    }
}
