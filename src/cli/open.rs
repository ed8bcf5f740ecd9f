//! Opening databases: which one, how, and what is left there from before.

use super::guards::{Flags, Guards};
use anyhow::Context as _;
use diesel_shell::database::network::Network;
use diesel_shell::database::url::Address;
use diesel_shell::database::{self, Builtin, Open};
use diesel_shell::migrations::{self, project::Project};
use diesel_shell::outcome::{Level, Report as _};
use diesel_shell::render::{Renderer, Style};
use diesel_shell::shell::{Opened, Opening};
use diesel_shell::store::{Store, Waiter};
use diesel_shell::{Models, files, microblog};
use std::path::PathBuf;
use std::time::Duration;

/// How databases are opened in this run.
#[derive(Debug, Clone)]
pub struct How {
    /// A person is typing.
    pub interactive: bool,
    /// What does not exist is made.
    pub create: bool,
    /// Writes are refused.
    pub read_only: bool,
    /// Commits are refused.
    pub sandbox: bool,
    /// A word for the prompt.
    pub label: Option<String>,
    /// What would empty the database is refused.
    pub protected: bool,
    /// The project that we are in.
    pub project: Option<Project>,
    /// How servers are reached.
    pub network: Network,
    /// What is refused for which database.
    pub guards: Guards,
}

impl How {
    const fn flags(&self) -> Flags {
        Flags { read_only: self.read_only, sandbox: self.sandbox, protected: self.protected }
    }

    /// The same for one database, as strict as it has been told to be by any name.
    fn tightened(&self, identity: Option<String>) -> Self {
        let Flags { read_only, sandbox, protected } = self.guards.tighten(identity, self.flags());
        Self { read_only, sandbox, protected, ..self.clone() }
    }

    const fn access(&self, create: bool) -> Open {
        match (self.read_only, create) {
            (true, _) => Open::Reading,
            (false, true) => Open::Create,
            (false, false) => Open::Existing,
        }
    }
}

fn builtin() -> Builtin {
    Builtin {
        sqlite: Box::new(microblog::MIGRATIONS),
        #[cfg(feature = "postgres")]
        postgres: Box::new(microblog::POSTGRES_MIGRATIONS),
    }
}

/// The microblog in the data folder, made and migrated the first time.
///
/// # Errors
/// What opening gives.
pub fn default(how: &How, renderer: &mut Renderer) -> diesel_shell::Result<Opened> {
    let folder = data_folder().map_err(|cause| {
        diesel_shell::Error::new(diesel_shell::ErrorKind::Connection, format!("{cause:#}"))
            .hint("name a database: `diesel-shell shop.db`")
    })?;
    let path = folder.join("microblog.db");
    let fresh = !path.exists();
    let address = Address::Sqlite(path.clone());
    let how = &how.tightened(address.identity());
    if fresh {
        let (mut store, _) = database::open(&address, Open::Create, builtin(), how.network)?;
        for revision in store.revisions()? {
            migrations::run::run(&mut *store, &revision, true)?;
        }
        renderer.notice(Level::Info, &format!("created the microblog at {}", path.display()))?;
    }
    let (mut store, _) = database::open(&address, how.access(false), builtin(), how.network)?;
    let project = how.project.clone().filter(|project| continues(project, &mut *store));
    if let Some(project) = &project {
        project.attach(&mut *store);
    }
    session(store, microblog::models(), project, "microblog".into(), &address.key(), how, renderer)
}

/// Whether a project goes on where the built-in migrations end, so that its tables are the microblog's and more.
fn continues(project: &Project, store: &mut dyn Store) -> bool {
    let (Ok(known), Ok(folder)) = (store.scripts(), std::fs::read_dir(project.folder(store.facts().dialect))) else {
        return false;
    };
    let names: Vec<String> =
        folder.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().replace('-', ""))).collect();
    known.iter().all(|script| names.iter().any(|name| name.split('_').next() == Some(&script.version)))
}

/// The database that a URL or path means.
///
/// # Errors
/// `Connection` and `Usage`, with the way out.
pub fn open(url: &str, how: &How, renderer: &mut Renderer) -> diesel_shell::Result<Opened> {
    let address = Address::parse(url);
    let how = &how.tightened(address.identity());
    let (mut store, name) = database::open(&address, how.access(how.create), builtin(), how.network)?;
    // In a project its tables are what they are; elsewhere they may be the microblog's.
    let models = match &how.project {
        Some(project) => {
            let continues = continues(project, &mut *store);
            if !project.attach(&mut *store) {
                store.forget_migrations();
            }
            if continues { microblog::models() } else { Models::default() }
        }
        None => microblog::models(),
    };
    session(store, models, how.project.clone(), name, &address.key(), how, renderer)
}

/// Says that a server is waited for, and stops that with Ctrl-C.
fn waiter(wait: Duration) -> Waiter {
    let mut messages = Renderer::new(Box::new(std::io::sink()), Box::new(std::io::stderr()), Style::default());
    let mut before = Duration::MAX;
    Box::new(move |waited, error| {
        // Less than before: another server is away, or the same one again.
        if std::mem::replace(&mut before, waited) > waited {
            let text = format!("{}; waiting up to {} s for it (Ctrl-C gives up)", error.message, wait.as_secs());
            // If it cannot be said, the waiting goes on all the same.
            let _ = messages.notice(Level::Warning, &text).and_then(|()| messages.flush());
        }
        !super::interrupt::was_pressed()
    })
}

fn session(
    mut store: Box<dyn Store>,
    models: Models,
    project: Option<Project>,
    name: String,
    key: &str,
    how: &How,
    renderer: &mut Renderer,
) -> diesel_shell::Result<Opened> {
    store.set_waiter(waiter(how.network.wait));
    // A server knows itself by more names than a URL has; it is asked where that matters.
    let place = if how.guards.any() { store.place() } else { None };
    let how = &how.tightened(place);
    let state = dirs::state_dir().or_else(dirs::data_local_dir);
    let opening = Opening {
        models,
        where_present: true,
        scripted: !how.interactive,
        read_only: how.read_only,
        sandbox: how.sandbox,
        label: how.label.clone(),
        protected: how.protected,
        project,
        folder: std::env::current_dir().ok(),
        recovery: state.map(|folder| folder.join("diesel-shell").join("recovery")),
        ..Opening::default()
    };
    opening.session(store, name, key, renderer)
}

/// The folder for the microblog and the history, made private where it is new.
///
/// # Errors
/// When there is no such folder, or it cannot be made.
pub fn data_folder() -> anyhow::Result<PathBuf> {
    let folder = dirs::data_dir().context("there is no data folder for this user; name a database instead")?;
    let folder = folder.join("diesel-shell");
    files::private_folder(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}
