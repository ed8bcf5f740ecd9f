//! Opening databases: their models, how they may be written, and what is left there from before.

use super::console::Opened;
use crate::Result;
use crate::command::Migrating;
use crate::database::register::Models;
use crate::migrations::project::Project;
use crate::model::{Catalog, ExtraCommand};
use crate::outcome::{Level, Report};
use crate::render::Renderer;
use crate::session::{Hold, Session, recovery};
use crate::store::Store;
use std::path::PathBuf;
use std::sync::Arc;

/// How databases are opened in this run.
#[derive(Debug, Clone, Default)]
pub struct Opening {
    /// The registered models.
    pub models: Models,
    /// Registered models count only where the database has them, or could have.
    pub where_present: bool,
    /// Commands that an application adds.
    pub extra: Arc<[ExtraCommand]>,
    /// A script, where nobody waits: the transaction is held.
    pub scripted: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// Commits are refused.
    pub sandbox: bool,
    /// A word for the prompt.
    pub label: Option<String>,
    /// What would empty the database is refused.
    pub protected: bool,
    /// Masked fields stay masked whatever is typed.
    pub masks_locked: bool,
    /// The project whose migrations the database has been given.
    pub project: Option<Project>,
    /// Where `db init` begins a project.
    pub folder: Option<PathBuf>,
    /// The folder in which what is staged is kept until it is committed.
    pub recovery: Option<PathBuf>,
}

impl Opening {
    /// The models of a database.
    ///
    /// # Errors
    /// `Usage` when what was registered does not fit together; the database's own.
    pub fn catalog(&self, store: &mut dyn Store) -> Result<Catalog> {
        let mut catalog = self.models.catalog_of(store, self.where_present)?;
        catalog.set_extra_commands(Arc::clone(&self.extra));
        Ok(catalog)
    }

    /// A session on a database; `key` tells it from others on this machine, and only a hash of that is kept.
    ///
    /// # Errors
    /// As [`Opening::catalog`].
    pub fn session(
        &self,
        mut store: Box<dyn Store>,
        name: String,
        key: &str,
        renderer: &mut Renderer,
    ) -> Result<Opened> {
        let version = store.schema_version()?;
        let catalog = Arc::new(self.catalog(&mut *store)?);
        if self.read_only {
            store.set_read_only()?;
        }
        let mut session = Session::new(store, catalog, if self.scripted { Hold::Yes } else { Hold::No });
        if self.sandbox {
            session.set_sandbox();
        }
        if key != ":memory:" {
            self.keep_safe(&mut session, key, renderer)?;
        }
        let mut prompt = name.clone();
        if let Some(label) = &self.label {
            prompt.push_str(&format!("[{label}]"));
        }
        if self.read_only {
            prompt.push_str("(read-only)");
        }
        if self.sandbox {
            prompt.push_str("(sandbox)");
        }
        let store = session.store();
        // Where the registered models are not those of this database, it has been parted from their migrations.
        let are_meant = !self.models.is_empty()
            && (!self.where_present || store.scripts().is_ok_and(|scripts| !scripts.is_empty()));
        let migrating = Migrating {
            project: self.project.clone(),
            models: if are_meant { Some(Arc::new(self.models.clone().into_catalog()?)) } else { None },
            folder: self.folder.clone(),
        };
        let opening = self.clone();
        let models: crate::command::Models = Box::new(move |store| opening.catalog(store));
        Ok(Opened {
            session,
            name,
            prompt,
            version,
            migrating,
            protected: self.protected,
            masks_locked: self.masks_locked,
            natural_keys: Vec::new(),
            models,
        })
    }

    /// Keeps what is staged in a file, and says what is left there from before.
    fn keep_safe(&self, session: &mut Session, key: &str, renderer: &mut Renderer) -> Result<()> {
        let Some(folder) = &self.recovery else { return Ok(()) };
        if self.scripted {
            // A script keeps no file of its own; what a crashed shell left is there when it asks for it.
            session.set_recovery(folder.clone(), key.to_owned());
            return Ok(());
        }
        match recovery::open(folder, key) {
            Ok(recovery::Found { keeper, left, strange }) => {
                for file in strange {
                    let text = format!(
                        "{} is not taken for staged changes of yours: others could have written it, or it cannot be read",
                        file.display()
                    );
                    renderer.notice(Level::Warning, &text)?;
                }
                session.set_keeper(keeper, left);
                for text in session.look_at_left()? {
                    renderer.notice(Level::Warning, &text)?;
                }
                let count = session.left();
                if count > 0 {
                    let s = if count == 1 { "" } else { "s" };
                    let text = format!(
                        "{count} change{s} of an earlier session were staged and not committed: `.recover` stages them again"
                    );
                    renderer.notice(Level::Warning, &text)?;
                }
            }
            // A full or read-only disk is no reason not to start, but it must be known.
            Err(error) => {
                renderer.notice(Level::Warning, &format!("staged changes will not survive a crash: {error}"))?;
            }
        }
        Ok(())
    }
}
