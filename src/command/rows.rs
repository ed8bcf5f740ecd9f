//! Rows from files: csv, tsv, json and jsonl, one at a time.

use crate::model::Value;
use crate::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// How a file spells rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated.
    Csv,
    /// Tab-separated, with PostgreSQL's escapes.
    Tsv,
    /// One array of objects.
    Json,
    /// One object a line.
    Jsonl,
}

impl Format {
    /// The format that a file's name ends in.
    ///
    /// # Errors
    /// `Invalid` for an ending that says nothing.
    pub fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
        Ok(match ending.as_str() {
            "csv" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "json" => Self::Json,
            "jsonl" | "ndjson" => Self::Jsonl,
            _ => {
                return Err(Error::invalid(format!("the name of {} does not say what it holds", path.display()))
                    .hint("it ends in .csv, .tsv, .json or .jsonl"));
            }
        })
    }
}

/// Names of fields with their values, and the line that they begin on.
pub struct FileRow {
    /// One-based.
    pub line: u64,
    /// In the order of the header, or of the object.
    pub values: Vec<Value>,
    /// The names of `values`; none where they are the header's.
    pub names: Option<Vec<String>>,
}

/// Receives a row, and how many bytes of the file were read before its end; `Ok(false)` stops.
pub type EachRow<'e> = dyn FnMut(FileRow, u64) -> Result<bool> + 'e;

/// How long one row may be, in bytes: no more is held, whatever the file.
const LONGEST: u64 = 64 << 20;

/// How far a file was read.
#[derive(Clone, Default)]
struct Progress {
    read: std::rc::Rc<std::cell::Cell<u64>>,
    /// Where the last row ended, or a little behind that.
    row: std::rc::Rc<std::cell::Cell<u64>>,
}

impl Progress {
    /// A row has ended; gives how much was read.
    fn row(&self) -> u64 {
        self.row.set(self.read.get());
        self.read.get()
    }
}

/// Counts what was read, and stops where a row does not end.
struct Counting {
    inner: BufReader<File>,
    progress: Progress,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = self.progress.read.get() + count as u64;
        self.progress.read.set(read);
        if read - self.progress.row.get() > LONGEST {
            return Err(std::io::Error::other("a row is longer than 64 MiB"));
        }
        Ok(count)
    }
}

/// Reads all rows. `header` takes the names of the columns where the file has them first (csv and tsv), unless they are
/// given; `null` is a text that stands for NULL, beside an empty field of csv and `\N` of tsv.
///
/// # Errors
/// `Io` when the file cannot be read; `Invalid` with the line of what is not as it should be.
pub fn read(
    path: &Path,
    columns: Option<&[String]>,
    null: Option<&str>,
    header: &mut dyn FnMut(&[String]) -> Result<()>,
    each: &mut EachRow<'_>,
) -> Result<()> {
    let format = Format::of(path)?;
    let failed = |cause| Error::new(ErrorKind::Io, format!("cannot read {}: {cause}", path.display()));
    let file = File::open(path).map_err(failed)?;
    let progress = Progress::default();
    let source = Counting { inner: BufReader::with_capacity(1 << 16, file), progress: progress.clone() };
    let wrong = |line: u64, what: &dyn std::fmt::Display| Error::invalid(format!("{}:{line}: {what}", path.display()));
    match format {
        Format::Csv | Format::Tsv => {
            let mut reader = csv::ReaderBuilder::new();
            reader.has_headers(false).flexible(true);
            if format == Format::Tsv {
                reader.delimiter(b'\t').quoting(false);
            }
            let mut reader = reader.from_reader(source);
            let mut record = csv::StringRecord::new();
            let mut names: Option<usize> = None;
            if let Some(columns) = columns {
                header(columns)?;
                names = Some(columns.len());
            }
            loop {
                let line = reader.position().line();
                let more = reader.read_record(&mut record).map_err(|cause| {
                    let line = cause.position().map_or(line, csv::Position::line);
                    wrong(line, &readable(&cause))
                })?;
                if !more {
                    return Ok(());
                }
                let Some(width) = names else {
                    let found: Vec<String> =
                        record.iter().map(|name| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
                    header(&found)?;
                    names = Some(found.len());
                    continue;
                };
                if record.len() != width {
                    return Err(wrong(line, &format!("{} values, but {width} columns", record.len())));
                }
                let value = |text: &str| match format {
                    _ if null == Some(text) => Value::Null,
                    Format::Csv if text.is_empty() && null.is_none() => Value::Null,
                    Format::Tsv if text == "\\N" => Value::Null,
                    Format::Tsv => Value::Text(unescaped(text)),
                    _ => Value::Text(text.to_owned()),
                };
                let values = record.iter().map(value).collect();
                if !each(FileRow { line, values, names: None }, progress.row())? {
                    return Ok(());
                }
            }
        }
        Format::Jsonl => {
            let reader = BufReader::new(source);
            for (index, line) in reader.split(b'\n').enumerate() {
                let number = index as u64 + 1;
                let line = line.map_err(failed)?;
                let text = std::str::from_utf8(&line).map_err(|cause| wrong(number, &cause))?;
                if text.trim().is_empty() {
                    continue;
                }
                let object = serde_json::from_str(text).map_err(|cause| wrong(number, &cause))?;
                if !each(from_object(object, number, null), progress.row())? {
                    return Ok(());
                }
            }
            Ok(())
        }
        Format::Json => {
            use serde::de::Deserializer as _;
            let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(source));
            let mut stopped = None;
            let array = Array { each, stopped: &mut stopped, null, read: &progress };
            let done = deserializer.deserialize_seq(array);
            match (stopped, done) {
                (Some(stopped), _) => stopped,
                (None, Ok(())) => Ok(()),
                (None, Err(cause)) => Err(wrong(cause.line() as u64, &cause)),
            }
        }
    }
}

/// A csv error in few words.
fn readable(cause: &csv::Error) -> String {
    match cause.kind() {
        csv::ErrorKind::Utf8 { err, .. } => format!("value {} is not UTF-8 text", err.field() + 1),
        _ => cause.to_string(),
    }
}

/// As PostgreSQL's COPY escapes.
fn unescaped(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some(other) => out.push(other),
            None => out.push('\\'),
        }
    }
    out
}

fn from_object(object: serde_json::Map<String, serde_json::Value>, line: u64, null: Option<&str>) -> FileRow {
    use serde_json::Value as Json;
    let (names, values) = object
        .into_iter()
        .map(|(name, json)| {
            let value = match json {
                Json::Null => Value::Null,
                Json::Bool(value) => Value::Bool(value),
                Json::String(text) if null == Some(text.as_str()) => Value::Null,
                Json::String(text) => Value::Text(text),
                Json::Number(number) => match number.as_i64() {
                    Some(number) => Value::Int(number),
                    // Its own spelling, so that a decimal keeps its digits.
                    None => Value::Text(number.to_string()),
                },
                other => Value::Text(other.to_string()),
            };
            (name, value)
        })
        .unzip();
    FileRow { line, values, names: Some(names) }
}

/// Walks over an array without holding it.
struct Array<'a, 'e> {
    each: &'a mut EachRow<'e>,
    stopped: &'a mut Option<Result<()>>,
    null: Option<&'a str>,
    read: &'a Progress,
}

impl<'de> serde::de::Visitor<'de> for Array<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> std::result::Result<(), A::Error> {
        let mut number = 0;
        while let Some(object) = items.next_element::<serde_json::Map<String, serde_json::Value>>()? {
            number += 1;
            match (self.each)(from_object(object, number, self.null), self.read.row()) {
                Ok(true) => {}
                Ok(false) => {
                    *self.stopped = Some(Ok(()));
                    return Err(serde::de::Error::custom("stopped"));
                }
                Err(error) => {
                    *self.stopped = Some(Err(error));
                    return Err(serde::de::Error::custom("stopped"));
                }
            }
        }
        Ok(())
    }
}
