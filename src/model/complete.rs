//! What a database knows of registered models beyond what their types say: lengths, defaults, keys, indexes and what
//! becomes of referring rows.

use super::infer::{TableFacts, display, natural_key};
use super::{Catalog, Column, DataType, Entity, EntityId, Index, ReferentialAction};

/// Adds to each registered model what the database says of its table and the application did not.
pub fn complete(catalog: &mut Catalog, tables: &[TableFacts]) {
    let ids: Vec<EntityId> = catalog.iter().map(|(id, _)| id).collect();
    for id in ids {
        let entity = catalog.get(id);
        let found = tables.iter().find(|table| table.schema == entity.schema && table.name == entity.table);
        if let Some(table) = found {
            let actions = actions(catalog, id, table);
            let entity = catalog.get_mut(id);
            columns(entity, table);
            names(entity);
            for (key, (on_delete, on_update)) in entity.foreign_keys.iter_mut().zip(actions) {
                (key.on_delete, key.on_update) = (on_delete, on_update);
            }
        }
    }
}

/// Facts of columns, and indexes where none are registered.
fn columns(entity: &mut Entity, table: &TableFacts) {
    let place = |at: &usize| entity.columns.iter().position(|own| own.name == table.columns[*at].name);
    if entity.indexes.is_empty() {
        entity.indexes = table
            .indexes
            .iter()
            .filter_map(|index| {
                let columns = index.columns.iter().map(place).collect::<Option<Vec<usize>>>()?;
                Some(Index { columns, ..index.clone() })
            })
            .collect();
    }
    for own in &mut entity.columns {
        if let Some(known) = table.columns.iter().find(|known| known.name == own.name) {
            column(own, known);
        }
    }
}

fn column(own: &mut Column, known: &Column) {
    own.generated |= known.generated;
    own.numbered |= known.numbered;
    own.always |= known.always;
    own.declared.clone_from(&known.declared);
    own.collation.clone_from(&known.collation);
    if own.default.is_none() {
        own.default.clone_from(&known.default);
    }
    if own.choices.is_empty() {
        own.choices.clone_from(&known.choices);
    }
    if let (DataType::Text(None), DataType::Text(Some(_))) = (&own.data_type, &known.data_type) {
        own.data_type = known.data_type.clone();
    }
}

/// The names that a reflected table would have.
fn names(entity: &mut Entity) {
    if entity.natural_key.is_none() {
        entity.natural_key = natural_key(&entity.columns, &entity.key, &entity.indexes);
    }
    if entity.display.is_none() {
        entity.display = display(&entity.columns, entity.natural_key);
    }
}

/// For each foreign key of a model: what its table says happens to it.
fn actions(catalog: &Catalog, id: EntityId, table: &TableFacts) -> Vec<(ReferentialAction, ReferentialAction)> {
    let entity = catalog.get(id);
    let of = |key: &super::ForeignKey| {
        let to = catalog.get(key.to);
        let columns: Vec<&str> = key.columns.iter().map(|at| entity.columns[*at].name.as_str()).collect();
        let found = table.foreign_keys.iter().find(|known| known.to.1 == to.table && known.columns == columns);
        found.map_or((key.on_delete, key.on_update), |known| (known.on_delete, known.on_update))
    };
    entity.foreign_keys.iter().map(of).collect()
}

/// Adds the columns that the database has beyond those of the models, for models that nobody compiled in anew.
pub fn widen(catalog: &mut Catalog, tables: &[TableFacts]) {
    let ids: Vec<EntityId> = catalog.iter().map(|(id, _)| id).collect();
    for id in ids {
        let entity = catalog.get_mut(id);
        let Some(table) = tables.iter().find(|table| table.name == entity.table && table.schema == entity.schema)
        else {
            continue;
        };
        for column in &table.columns {
            if entity.column(&column.name).is_none() {
                entity.columns.push(column.clone());
            }
        }
    }
}
