//! `.models`, `.schema`, `.tables`.

use super::{Context, Front};
use crate::Result;
use crate::model::{Cardinality, Cell, Column, ColumnDefault, DataType, Entity, EntityKind};
use crate::outcome::{Header, HeaderColumn, Mark};
use std::sync::Arc;

fn header(names: &[&str], noun: (&str, &str)) -> Header {
    let columns = names
        .iter()
        .map(|name| HeaderColumn { name: (*name).to_owned(), data_type: DataType::Text(None), masked: false })
        .collect();
    Header { columns, noun: Some((noun.0.to_owned(), noun.1.to_owned())), ..Header::default() }
}

/// `.models`
pub fn models(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    front.begin(&header(&["model", "table", "fields", "relationships"], ("model", "models")))?;
    for (_, entity) in catalog.iter() {
        let fields: Vec<&str> = entity.columns.iter().map(|column| column.name.as_str()).collect();
        let ways: Vec<String> = entity
            .relationships
            .iter()
            .map(|way| {
                let to = catalog.get(way.to);
                let to = if way.cardinality == Cardinality::One { &to.name } else { &to.plural };
                if *to == way.name { way.name.clone() } else { format!("{} -> {to}", way.name) }
            })
            .collect();
        let (fields, ways, table) = (fields.join(", "), ways.join(", "), entity.qualified());
        front.row(
            &[Cell::Text(&entity.title), Cell::Text(&table), Cell::Text(&fields), Cell::Text(&ways)],
            Mark::None,
        )?;
    }
    front.end()
}

/// `.tables`
pub fn tables(context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    front.begin(&header(&["table", "kind", "model"], ("table", "tables")))?;
    for (_, entity) in catalog.iter() {
        let kind = if entity.kind == EntityKind::View { "view" } else { "table" };
        let table = entity.qualified();
        front.row(&[Cell::Text(&table), Cell::Text(kind), Cell::Text(&entity.name)], Mark::None)?;
    }
    front.end()
}

/// `.schema [MODEL]`
pub fn schema(model: Option<&str>, context: &mut Context, front: &mut dyn Front) -> Result<()> {
    let catalog = Arc::clone(context.session.catalog());
    let wanted: Vec<&Entity> = match model {
        Some(name) => vec![catalog.get(catalog.resolve(name)?)],
        None => catalog.iter().map(|(_, entity)| entity).collect(),
    };
    let spread = context.session.store().distributions()?;
    for (index, entity) in wanted.iter().enumerate() {
        if index > 0 {
            front.line("")?;
        }
        let place = spread.iter().find(|known| known.table == entity.table && known.schema == entity.schema);
        let place = place.map(|known| format!(", {}", known.spread)).unwrap_or_default();
        front.line(&format!("{} ({}){place}", entity.title, entity.qualified()))?;
        let widest = entity.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0);
        for (at, column) in entity.columns.iter().enumerate() {
            let pad = " ".repeat(widest - column.name.chars().count());
            let line = format!("  {}{pad}  {}", column.name, facts(entity, at, column).join(", "));
            front.line(&line)?;
        }
        for way in &entity.relationships {
            let to = catalog.get(way.to);
            let many = way.cardinality == Cardinality::Many;
            let to = if many { format!("many {}", to.plural) } else { format!("one {}", to.name) };
            front.line(&format!("  {} -> {to}", way.name))?;
        }
    }
    Ok(())
}

fn facts(entity: &Entity, at: usize, column: &Column) -> Vec<String> {
    let mut facts = vec![column.data_type.name()];
    if entity.key.contains(&at) {
        facts.push("key".into());
    }
    if !column.nullable && !entity.key.contains(&at) {
        facts.push("not null".into());
    }
    if entity.natural_key == Some(at) {
        facts.push("natural key".into());
    }
    let alone = |unique| entity.indexes.iter().any(|index| index.columns == [at] && index.unique == unique);
    if alone(true) {
        facts.push("unique".into());
    } else if alone(false) {
        facts.push("indexed".into());
    }
    match &column.default {
        Some(ColumnDefault::Now) => facts.push("default now".into()),
        Some(ColumnDefault::Value(value)) => {
            facts.push(format!("default {}", crate::language::quote::quote_value(value)));
        }
        Some(ColumnDefault::Computed(_)) => facts.push("default computed".into()),
        Some(ColumnDefault::Database(sql)) => facts.push(format!("default {sql}")),
        None => {}
    }
    if column.generated {
        facts.push("generated".into());
    }
    if !column.checks.is_empty() {
        facts.push("checked".into());
    }
    if column.masked {
        facts.push("masked".into());
    }
    facts
}
