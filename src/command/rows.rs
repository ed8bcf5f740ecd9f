//! Rows from files: csv, tsv, json and jsonl, one at a time.

use super::field::Field;
use super::quoted::{EMPTY, Marking, QUOTED};
use crate::{Error, ErrorKind, Result};
use serde_json::value::RawValue;
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
    pub values: Vec<Field>,
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
            let delimiter = if format == Format::Tsv { b'\t' } else { b',' };
            let mut reader = reader.from_reader(Marking::new(source, delimiter, format == Format::Csv));
            let mut record = csv::ByteRecord::new();
            let mut names: Option<usize> = None;
            if let Some(columns) = columns {
                header(columns)?;
                names = Some(columns.len());
            }
            loop {
                let line = reader.position().line();
                let more = reader.read_byte_record(&mut record).map_err(|cause| {
                    let line = cause.position().map_or(line, csv::Position::line);
                    wrong(line, &cause)
                })?;
                if !more {
                    return Ok(());
                }
                let is_empty = record.len() == 1 && record[0] == [EMPTY];
                let mut fields = Vec::with_capacity(record.len());
                for (index, field) in record.iter().enumerate() {
                    fields.push(
                        text(field).ok_or_else(|| wrong(line, &format!("value {} is not UTF-8 text", index + 1)))?,
                    );
                }
                let Some(width) = names else {
                    if is_empty {
                        continue;
                    }
                    let found: Vec<String> =
                        fields.iter().map(|(name, _)| name.trim_start_matches('\u{feff}').trim().to_owned()).collect();
                    header(&found)?;
                    names = Some(found.len());
                    continue;
                };
                // An empty line is a row where rows have one field, and otherwise none.
                if is_empty && width != 1 {
                    continue;
                }
                if record.len() != width {
                    return Err(wrong(line, &format!("{} values, but {width} columns", record.len())));
                }
                let value = |(text, quoted): &(&str, bool)| match format {
                    _ if null == Some(*text) => Field::Null,
                    Format::Csv if text.is_empty() && !quoted && null.is_none() => Field::Null,
                    Format::Tsv if *text == "\\N" => Field::Null,
                    Format::Tsv => Field::Text(unescaped(text), false),
                    _ => Field::Text((*text).to_owned(), *quoted),
                };
                let values = fields.iter().map(value).collect();
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

/// A field's text without its marks, and whether it stood in quotes; none where it is no text.
fn text(field: &[u8]) -> Option<(&str, bool)> {
    let (text, quoted) = match field {
        [QUOTED, rest @ ..] => (rest, true),
        [EMPTY] => (&[][..], false),
        all => (all, false),
    };
    std::str::from_utf8(text).ok().map(|text| (text, quoted))
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

/// The fields of an object as they are spelled, in its order.
struct Object(Vec<(String, Box<RawValue>)>);

impl<'de> serde::Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Fields;
        impl<'de> serde::de::Visitor<'de> for Fields {
            type Value = Object;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> std::result::Result<Object, A::Error> {
                let mut fields: Vec<(String, Box<RawValue>)> = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    // Of a name that is there twice the last counts.
                    fields.retain(|(known, _)| *known != name);
                    fields.push((name, value));
                }
                Ok(Object(fields))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

fn from_object(object: Object, line: u64, null: Option<&str>) -> FileRow {
    let is_null = |json: &RawValue| {
        json.get() == "null" || null.is_some() && serde_json::from_str::<&str>(json.get()).ok() == null
    };
    let field =
        |(name, json): (String, Box<RawValue>)| (name, if is_null(&json) { Field::Null } else { Field::Json(json) });
    let (names, values) = object.0.into_iter().map(field).unzip();
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
        while let Some(object) = items.next_element::<Object>()? {
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
