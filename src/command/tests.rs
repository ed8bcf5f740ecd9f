//! Files, their fields, options and orders by tables of cases, without a database.

use super::export::parents_first;
use super::field::Field;
use super::{rows, schema};
use crate::cases;
use crate::language::ast::Command;
use crate::language::parse;
use crate::model::DataType;
use crate::plan::tests::world::World;

fn data_type(name: &str) -> DataType {
    match name {
        "bool" => DataType::Bool,
        "int" => DataType::Int(32),
        "float" => DataType::Float,
        "numeric" => DataType::Numeric,
        "text" => DataType::Text(None),
        "bytes" => DataType::Bytes,
        "timestamp" => DataType::Timestamp,
        "json" => DataType::Json,
        "any" => DataType::Any,
        other => DataType::Other(other.into()),
    }
}

/// A type, how the file has the value (`json`, `text`, `quoted`), and the value.
#[test]
fn values_of_files() {
    let count = cases::hold("command/cases/fields.txt", &mut |text| {
        let mut words = text.splitn(3, ' ');
        let (name, form, spelled) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
        let field = match form {
            "json" => Field::Json(serde_json::value::RawValue::from_string(spelled.to_owned()).unwrap()),
            "text" => Field::Text(spelled.to_owned(), false),
            "quoted" => Field::Text(spelled.to_owned(), true),
            _ => Field::Null,
        };
        vec![format!("{:?}", field.value(&data_type(name)))]
    });
    assert!(count >= 60, "{count}");
}

/// The ending of a file and what is in it.
#[test]
fn rows_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let count = cases::hold("command/cases/files.txt", &mut |given| {
        let (ending, text) = given.split_once(' ').unwrap();
        let path = folder.path().join(format!("a.{ending}"));
        std::fs::write(&path, text.replace("\\r", "\r")).unwrap();
        let mut lines = Vec::new();
        let mut header = Vec::new();
        let done = rows::read(
            &path,
            None,
            Some("-"),
            &mut |names| {
                header.push(format!("names {}", names.join(" | ")));
                Ok(())
            },
            &mut |row, _| {
                let value = |field: &Field| match field {
                    Field::Null => "NULL".to_owned(),
                    Field::Text(text, quoted) => format!("{}{text:?}", if *quoted { "quoted " } else { "" }),
                    Field::Json(json) => format!("json {json}"),
                };
                let values: Vec<String> = row.values.iter().map(value).collect();
                let names = row.names.map_or_else(String::new, |names| format!("{}: ", names.join(" | ")));
                lines.push(format!("line {}: {names}{}", row.line, values.join(" | ")));
                Ok(true)
            },
        );
        header.append(&mut lines);
        if let Err(error) = done {
            let message = error.message.replace(&path.display().to_string(), "FILE");
            header.push(format!("error: {message}"));
        }
        header
    });
    assert!(count >= 40, "{count}");
}

#[test]
fn options_of_db() {
    let catalog = World::new().catalog;
    let count = cases::hold("command/cases/options.txt", &mut |text| match parse(text, &catalog) {
        Ok(Command::Db(verb, given)) => match schema::options(&verb, &given) {
            Ok(options) => {
                let request = options.request;
                vec![format!(
                    "sql={} dry_run={} force={} renames={:?} drops={:?} fills={:?} like={:?}",
                    options.sql,
                    options.dry_run,
                    request.force,
                    request.renames,
                    request.drops,
                    request.fills,
                    options.like
                )]
            }
            Err(error) => cases::refused(text, &error),
        },
        Ok(other) => panic!("{other:?}"),
        Err(error) => cases::refused(text, &error),
    });
    assert!(count >= 30, "{count}");
}

#[test]
fn what_is_referred_to_comes_first() {
    let catalog = World::new().catalog;
    let count = cases::hold("command/cases/orders.txt", &mut |text| {
        let wanted: Vec<_> =
            text.split(' ').filter(|name| *name != "all").map(|name| catalog.resolve(name).unwrap()).collect();
        let order = parents_first(&catalog, &wanted);
        vec![order.iter().map(|id| catalog.get(*id).name.as_str()).collect::<Vec<_>>().join(" ")]
    });
    assert!(count >= 8, "{count}");
}
