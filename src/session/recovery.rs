//! The journal on disk: what was acknowledged at a terminal survives kill -9 and a power cut.
//!
//! One file a shell, in a folder of the user's own, locked while its shell lives. A line is one entry, as JSON; anything
//! but an append rewrites the file in place of the old one. Values of masked columns are left out: secrets do not belong
//! in files.

use super::journal::{Change, Entry, Whole};
use crate::model::{Catalog, EntityId, Value};
use crate::store::Named;
use crate::text::Place;
use crate::{Error, ErrorKind, Result, files};
use serde_json::{Value as Json, json};
use std::fs::File;
use std::io::{BufWriter, Seek as _, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// How many shells may keep files for one database at the same time.
const SLOTS: usize = 1_000;

/// How a transaction that has written nothing is called in the line that precedes a COMMIT.
const NOTHING: &str = "nothing";

/// Keeps the journal of one session on disk.
#[derive(Debug)]
pub struct Keeper {
    file: File,
    /// Holds the lock on the slot for as long as the shell lives.
    _lock: File,
    path: PathBuf,
    lock_path: PathBuf,
}

/// What a shell that is gone has left behind.
#[derive(Debug)]
pub struct Left {
    path: PathBuf,
    _lock: File,
    lock_path: PathBuf,
    lines: Vec<Json>,
}

fn failed(path: &Path, cause: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Io, format!("cannot keep the recovery file {}: {cause}", path.display()))
}

/// A name for files that belong to one database; nothing of the URL, which may hold a password, can be read from it.
fn stem(database: &str) -> String {
    // FNV-1a, 64 bits: <http://www.isthe.com/chongo/tech/comp/fnv/>. Stable between versions, unlike std's hasher.
    let hash = database
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// How long a file may be to be read, in bytes.
const LONGEST: u64 = 1 << 30;

/// What there is in the folder for one database.
#[derive(Debug)]
pub struct Found {
    /// A file of one's own.
    pub keeper: Keeper,
    /// What shells before have left there.
    pub left: Vec<Left>,
    /// Files that are not this user's alone, or cannot be read: they are left as they are.
    pub strange: Vec<PathBuf>,
}

/// Opens a file of one's own for a database in a folder, and gives what shells before have left there.
///
/// # Errors
/// `Io` when the folder or a file cannot be made.
pub fn open(folder: &Path, database: &str) -> Result<Found> {
    files::private_folder(folder).map_err(|cause| failed(folder, &cause))?;
    if std::fs::metadata(folder).map_or(true, |known| files::belongs_to_other(&known)) {
        return Err(failed(folder, &"the folder belongs to somebody else"));
    }
    let stem = stem(database);
    let (mut left, mut strange, mut keeper) = (Vec::new(), Vec::new(), None);
    // Not only up to the first that is free: the shell in a later one may have crashed, that in an earlier one not.
    let last = last_slot(folder, &stem);
    for slot in 0..SLOTS {
        if keeper.is_some() && last.is_none_or(|last| slot > last) {
            break;
        }
        let path = folder.join(format!("{stem}.{slot}.journal"));
        let lock_path = folder.join(format!("{stem}.{slot}.lock"));
        let lock = match files::lock(&lock_path) {
            Ok(lock) => lock,
            // It is there, and not ours to open; the next one may be.
            Err(_) if lock_path.symlink_metadata().is_ok() => {
                strange.push(lock_path);
                continue;
            }
            Err(cause) => return Err(failed(&lock_path, &cause)),
        };
        if lock.try_lock().is_err() {
            // Another shell is at work on this database.
            continue;
        }
        let bytes = match files::read(&path, LONGEST) {
            Ok((bytes, known)) if bytes.is_empty() || files::is_private(&known) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound && path.symlink_metadata().is_err() => {
                Vec::new()
            }
            _ => {
                strange.push(path);
                continue;
            }
        };
        if bytes.is_empty() {
            if keeper.is_none() {
                let file = files::open_own(&path, 0).map_err(|cause| failed(&path, &cause))?;
                keeper = Some(Keeper { file, _lock: lock, path, lock_path });
            } else {
                // Nobody's: leave no files about.
                let _ = std::fs::remove_file(&lock_path);
            }
            continue;
        }
        // A damaged line is not read; those before and after it are.
        let text = String::from_utf8_lossy(&bytes);
        // A torn last line was never acknowledged.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        let lines: Vec<Json> = whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        left.push(Left { path, _lock: lock, lock_path, lines });
    }
    match keeper {
        Some(keeper) => Ok(Found { keeper, left, strange }),
        None => Err(failed(folder, &"every slot is taken")),
    }
}

/// The greatest number of a database's journal that is there.
fn last_slot(folder: &Path, stem: &str) -> Option<usize> {
    let files = std::fs::read_dir(folder).ok()?.filter_map(|file| file.ok()?.file_name().into_string().ok());
    files.filter_map(|name| name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(".journal")?.parse().ok()).max()
}

impl Keeper {
    /// Adds an entry; it is on disk when this returns.
    ///
    /// # Errors
    /// `Io`, likewise for everything else here.
    pub fn append(&mut self, entry: &Entry, catalog: &Catalog) -> Result<()> {
        self.append_all(std::slice::from_ref(entry), catalog)
    }

    /// Adds entries, all in one write.
    ///
    /// # Errors
    /// `Io`
    pub fn append_all(&mut self, entries: &[Entry], catalog: &Catalog) -> Result<()> {
        if entries.is_empty() {
            return Ok(());
        }
        self.write(|out| lines(entries, catalog, out))
    }

    /// Says that a COMMIT is about to be sent: for all changes, or those of some tables. Whether it arrived must be looked
    /// up by whoever finds this at the end.
    ///
    /// # Errors
    /// `Io`
    pub fn committing(&mut self, named: &Named, only: &[EntityId], catalog: &Catalog) -> Result<()> {
        self.write(|out| out.write_all(committing(named, only, catalog).as_bytes()))
    }

    /// Puts a journal in place of what is there whose COMMIT was sent.
    ///
    /// # Errors
    /// `Io`
    pub fn rewrite_committing(
        &mut self,
        entries: &[Entry],
        named: &Named,
        only: &[EntityId],
        catalog: &Catalog,
    ) -> Result<()> {
        self.replace(|out| {
            lines(entries, catalog, out)?;
            out.write_all(committing(named, only, catalog).as_bytes())
        })
    }

    fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
        let written = self.file.seek(std::io::SeekFrom::End(0)).and_then(|end| {
            buffered(&self.file, write).inspect_err(|_| {
                // Half a line would spoil the next one; where not even that can be done, it is damaged as it is.
                let _ = self.file.set_len(end);
            })
        });
        written.map_err(|cause| failed(&self.path, &cause))
    }

    /// Puts a whole journal in place of what is there.
    ///
    /// # Errors
    /// `Io`
    pub fn rewrite(&mut self, entries: &[Entry], catalog: &Catalog) -> Result<()> {
        self.replace(|out| lines(entries, catalog, out))
    }

    fn replace(&mut self, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
        // In a new file that takes the old one's name, so that a crash leaves one or the other.
        let replaced = || -> std::io::Result<File> {
            let new = files::Replacement::of(&self.path)?;
            buffered(&new.handle()?, write)?;
            new.take_place()
        };
        self.file = replaced().map_err(|cause| failed(&self.path, &cause))?;
        Ok(())
    }

    /// Forgets everything.
    ///
    /// # Errors
    /// `Io`
    pub fn clear(&mut self) -> Result<()> {
        self.file.set_len(0).and_then(|()| self.file.sync_data()).map_err(|cause| failed(&self.path, &cause))
    }
}

/// Writes something to a file as one, and has it on disk.
fn buffered(file: &File, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, file);
    write(&mut out)?;
    out.flush()?;
    file.sync_data()
}

/// Writes entries as they are kept, a line each.
fn lines(entries: &[Entry], catalog: &Catalog, out: &mut dyn Write) -> std::io::Result<()> {
    let mut lines = Lines { out, catalog };
    entries.iter().try_for_each(|entry| lines.entry(entry))
}

/// The line that precedes a COMMIT.
fn committing(named: &Named, only: &[EntityId], catalog: &Catalog) -> String {
    let name = match named {
        Named::Transaction(identity) => json!(identity.to_string()),
        Named::NothingWritten => json!(NOTHING),
        Named::Marked(marker) => json!({ "marker": marker }),
        Named::Untellable => json!(true),
    };
    let only: Vec<String> = only.iter().map(|entity| catalog.get(*entity).qualified()).collect();
    json!({ "committing": name, "only": only }).to_string() + "\n"
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // Nothing staged, nothing to find: leave no files about.
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_file(&self.lock_path);
        }
    }
}

impl Left {
    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lines.iter().filter(|line| line.get("changes").is_some()).count()
    }

    /// The COMMIT that was under way when it ended, if one was: what its transaction is called, and the tables whose changes
    /// were sent, none for all.
    #[must_use]
    pub fn committing(&self, catalog: &Catalog) -> Option<(Named, Vec<EntityId>)> {
        let line = self.lines.last()?;
        let named = match line.get("committing")? {
            Json::String(name) if name == NOTHING => Named::NothingWritten,
            // One that cannot be read is as good as none: the rows tell.
            Json::String(name) => name.parse().map_or(Named::Untellable, Named::Transaction),
            Json::Object(named) => {
                let marker = named.get("marker").and_then(Json::as_str);
                marker.map_or(Named::Untellable, |marker| Named::Marked(marker.to_owned()))
            }
            _ => Named::Untellable,
        };
        let only = line.get("only").and_then(Json::as_array).into_iter().flatten();
        Some((named, only.filter_map(|table| catalog.resolve(table.as_str()?).ok()).collect()))
    }

    /// The entries as they were staged, and what could not be brought back, one line each.
    #[must_use]
    pub fn entries(&self, catalog: &Catalog) -> (Vec<Entry>, Vec<String>) {
        let mut warnings = Vec::new();
        let entries = self
            .lines
            .iter()
            .filter(|line| line.get("changes").is_some())
            .filter_map(|line| match from_json(line, catalog, &mut warnings) {
                Ok(entry) => Some(entry),
                Err(error) => {
                    warnings.push(format!("a staged change could not be brought back: {}", error.message));
                    None
                }
            })
            .collect();
        (entries, warnings)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// `Io`
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|cause| failed(&self.path, &cause))?;
        let _ = std::fs::remove_file(&self.lock_path);
        Ok(())
    }
}

fn value_from_json(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => Value::Int(number.as_i64()?),
        Json::String(text) => Value::Text(text.clone()),
        Json::Object(object) => {
            if let Some(text) = object.get("float") {
                Value::Float(text.as_str()?.parse().ok()?)
            } else {
                let bytes = object.get("bytes")?.as_array()?;
                Value::Bytes(bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect::<Option<_>>()?)
            }
        }
        Json::Array(_) => return None,
    })
}

/// Writes entries as they are kept, a line each. Piece by piece: an entry may have a change for each of a million rows.
struct Lines<'o> {
    out: &'o mut dyn Write,
    catalog: &'o Catalog,
}

impl Lines<'_> {
    fn entry(&mut self, entry: &Entry) -> std::io::Result<()> {
        write!(self.out, r#"{{"number":{}"#, entry.number)?;
        if let Some(place) = &entry.place {
            self.out.write_all(br#","source":"#)?;
            self.text(&place.source)?;
            write!(self.out, r#","line":{}"#, place.line)?;
        }
        if let Some(sql) = entry.sql() {
            self.out.write_all(br#","sql":"#)?;
            self.text(sql)?;
        }
        self.out.write_all(br#","changes":["#)?;
        for (at, change) in entry.changes.iter().enumerate() {
            self.out.write_all(if at == 0 { b"{" } else { b",{" })?;
            self.change(change)?;
            self.out.write_all(b"}")?;
        }
        self.out.write_all(b"]}\n")
    }

    fn change(&mut self, change: &Change) -> std::io::Result<()> {
        let (entity, catalog) = (change.entity(), self.catalog);
        let verb = match change {
            Change::Insert { .. } => "add",
            Change::Update { .. } => "set",
            Change::Delete { .. } => "delete",
        };
        write!(self.out, r#""{verb}":"#)?;
        self.text(&catalog.get(entity).qualified())?;
        match change {
            Change::Insert { columns, values, given, row, .. } => {
                self.pairs("values", entity, columns.iter().copied().zip(values))?;
                write!(self.out, r#","given":{given}"#)?;
                if let Some(row) = row {
                    self.pairs("row", entity, row.iter().enumerate())?;
                }
                Ok(())
            }
            Change::Update { key, set, base, .. } => {
                self.key(key)?;
                self.pairs("values", entity, set.iter().map(|(at, value)| (*at, value)))?;
                self.pairs("base", entity, base.iter().map(|(at, value)| (*at, value)))
            }
            Change::Delete { key, base, .. } => {
                self.key(key)?;
                self.pairs("base", entity, base.iter().map(|(at, value)| (*at, value)))
            }
        }
    }

    fn key(&mut self, key: &[Value]) -> std::io::Result<()> {
        self.out.write_all(br#","key":["#)?;
        for (at, value) in key.iter().enumerate() {
            self.out.write_all(if at == 0 { b"" } else { b"," })?;
            self.value(value)?;
        }
        self.out.write_all(b"]")
    }

    fn pairs<'v>(
        &mut self,
        name: &str,
        entity: EntityId,
        values: impl Iterator<Item = (usize, &'v Value)>,
    ) -> std::io::Result<()> {
        let columns = &self.catalog.get(entity).columns;
        write!(self.out, r#","{name}":{{"#)?;
        for (index, (at, value)) in values.enumerate() {
            self.out.write_all(if index == 0 { b"" } else { b"," })?;
            self.text(&columns[at].name)?;
            self.out.write_all(b":")?;
            // A secret is named, but not kept.
            if columns[at].masked && !value.is_null() {
                self.out.write_all(br#"{"masked":true}"#)?;
            } else {
                self.value(value)?;
            }
        }
        self.out.write_all(b"}")
    }

    fn value(&mut self, value: &Value) -> std::io::Result<()> {
        match value {
            Value::Null => self.out.write_all(b"null"),
            Value::Bool(value) => write!(self.out, "{value}"),
            Value::Int(value) => write!(self.out, "{value}"),
            // As text: JSON has no infinity, and a double's shortest spelling reads back exactly.
            Value::Float(value) => write!(self.out, r#"{{"float":"{value}"}}"#),
            Value::Text(text) => self.text(text),
            Value::Bytes(bytes) => {
                self.out.write_all(br#"{"bytes":"#)?;
                serde_json::to_writer(&mut *self.out, bytes)?;
                self.out.write_all(b"}")
            }
        }
    }

    fn text(&mut self, text: &str) -> std::io::Result<()> {
        Ok(serde_json::to_writer(&mut *self.out, text)?)
    }
}

/// The whole row of a new record, where it is on record for just these columns.
fn whole(json: Option<&Json>, model: &crate::model::Entity) -> Option<Rc<[Value]>> {
    let map = json?.as_object()?;
    let value = |column: &crate::model::Column| match map.get(&column.name)? {
        // A secret is not kept, so it is not shown.
        hidden if hidden.get("masked").is_some() => Some(Value::Null),
        json => value_from_json(json),
    };
    model.columns.iter().map(value).collect()
}

fn from_json(line: &Json, catalog: &Catalog, warnings: &mut Vec<String>) -> Result<Entry> {
    let broken = || Error::new(ErrorKind::Io, "the recovery file is damaged here");
    let changes = line.get("changes").and_then(Json::as_array).ok_or_else(broken)?;
    let mut read = Vec::with_capacity(changes.len());
    for change in changes {
        let (verb, table) = ["add", "set", "delete"]
            .into_iter()
            .find_map(|verb| change.get(verb).and_then(Json::as_str).map(|table| (verb, table)))
            .ok_or_else(broken)?;
        let entity = catalog.resolve(table)?;
        let model = catalog.get(entity);
        let mut listed = |name: &str, warn: bool| -> Result<Vec<(usize, Value)>> {
            let map = change.get(name).and_then(Json::as_object).ok_or_else(broken)?;
            let mut values = Vec::with_capacity(map.len());
            for (column, json) in map {
                let Some(at) = model.columns.iter().position(|known| known.name == *column) else {
                    return Err(Error::invalid(format!("{} has no column {column} any more", model.name)));
                };
                if json.get("masked").is_some() {
                    if warn {
                        warnings
                            .push(format!("{column} of a {} is a secret and was not kept: set it again", model.name));
                    }
                    continue;
                }
                values.push((at, value_from_json(json).ok_or_else(broken)?));
            }
            Ok(values)
        };
        let key = || -> Result<Vec<Value>> {
            let key = change.get("key").and_then(Json::as_array).ok_or_else(broken)?;
            if key.is_empty() || key.len() != model.key.len() {
                return Err(Error::invalid(format!("the key of a {} has other columns now", model.name)));
            }
            key.iter().map(|json| value_from_json(json).ok_or_else(broken)).collect()
        };
        read.push(match verb {
            "add" => {
                let (columns, values): (Vec<usize>, Vec<Value>) = listed("values", true)?.into_iter().unzip();
                let given = change.get("given").and_then(Json::as_bool).unwrap_or(false);
                let row = whole(change.get("row"), model);
                Change::Insert { entity, columns: Rc::from(columns), values, given, row }
            }
            "set" => {
                // Only what has both its values: a secret has one or none.
                let (mut set, mut base) = (listed("values", true)?, listed("base", false)?);
                set.retain(|(at, _)| base.iter().any(|(known, _)| known == at));
                base.retain(|(at, _)| set.iter().any(|(known, _)| known == at));
                if set.is_empty() {
                    continue;
                }
                Change::Update { entity, key: key()?, set: set.into(), base }
            }
            _ => Change::Delete { entity, key: key()?, base: listed("base", false)? },
        });
    }
    let place = line.get("source").and_then(Json::as_str).map(|source| Place {
        source: source.into(),
        line: line.get("line").and_then(Json::as_u64).and_then(|line| u32::try_from(line).ok()).unwrap_or(1),
        column: 1,
    });
    let number = line.get("number").and_then(Json::as_u64).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
    let whole = line.get("sql").and_then(Json::as_str).map(|sql| Whole::Sql(Rc::from(sql)));
    Ok(Entry { number, place, changes: read, effects: Vec::new(), whole })
}
