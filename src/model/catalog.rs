//! The catalog: every entity the shell knows, by name.

use super::{Cardinality, Entity, Relationship};
use crate::text::nearest;
use crate::{Error, Result};
use std::collections::HashMap;
use std::sync::Arc;

/// An entity's number in its catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntityId(pub(crate) usize);

/// A command that an application adds to the language, as help, Tab and colours know it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExtraCommand {
    /// What it begins with: `greet`, `.mail`.
    pub name: String,
    /// Its heading in help.
    pub heading: String,
    /// Its form.
    pub usage: String,
    /// What it does, in one line.
    pub summary: String,
    /// More to know; may be empty.
    pub details: String,
    /// Commands to try.
    pub examples: Vec<String>,
}

/// Every entity the shell knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    entities: Vec<Entity>,
    names: HashMap<String, Vec<EntityId>>,
    extra: Arc<[ExtraCommand]>,
}

impl Catalog {
    /// Adds an entity under its singular, plural and table name.
    pub fn insert(&mut self, entity: Entity) -> EntityId {
        let id = EntityId(self.entities.len());
        let mut names = vec![entity.name.to_lowercase(), entity.plural.to_lowercase(), entity.table.to_lowercase()];
        if let Some(schema) = &entity.schema {
            names.push(format!("{}.{}", schema.to_lowercase(), entity.table.to_lowercase()));
        }
        names.sort();
        names.dedup();
        for name in names {
            self.names.entry(name).or_default().push(id);
        }
        self.entities.push(entity);
        id
    }

    /// Sets the commands that an application adds.
    pub fn set_extra_commands(&mut self, commands: Arc<[ExtraCommand]>) {
        self.extra = commands;
    }

    /// The commands that an application adds, in the order of help.
    #[must_use]
    pub fn extra_commands(&self) -> &[ExtraCommand] {
        &self.extra
    }

    /// The added command with this name, case-insensitively.
    #[must_use]
    pub fn extra_command(&self, name: &str) -> Option<&ExtraCommand> {
        self.extra.iter().find(|command| command.name.eq_ignore_ascii_case(name))
    }

    /// The entity with this number.
    #[must_use]
    pub fn get(&self, id: EntityId) -> &Entity {
        &self.entities[id.0]
    }

    /// The entity with this number, to add relationships to it.
    pub fn get_mut(&mut self, id: EntityId) -> &mut Entity {
        &mut self.entities[id.0]
    }

    /// The relationship of a model that a name means, case-insensitively: one that is called so, else the one that leads
    /// to the model of that name, where only one does.
    #[must_use]
    pub fn relationship(&self, from: EntityId, name: &str) -> Option<&Relationship> {
        let model = self.get(from);
        let target = |way: &&Relationship| {
            let to = self.get(way.to);
            let called = if way.cardinality == Cardinality::Many { &to.plural } else { &to.name };
            called.eq_ignore_ascii_case(name)
        };
        let only = |owning: bool| {
            let mut ways = model.relationships.iter().filter(|way| way.owning == owning).filter(target);
            ways.next().filter(|_| ways.next().is_none())
        };
        model.relationship(name).or_else(|| only(true)).or_else(|| only(false))
    }

    /// All entities, in the order they were added.
    pub fn iter(&self) -> impl Iterator<Item = (EntityId, &Entity)> {
        self.entities.iter().enumerate().map(|(index, entity)| (EntityId(index), entity))
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entities.is_empty()
    }

    /// Whether a word names a model. Cheap: used for every command's first word.
    #[must_use]
    pub fn is_model(&self, name: &str) -> bool {
        self.lookup(name).is_some()
    }

    fn lookup(&self, name: &str) -> Option<&[EntityId]> {
        match self.names.get(name) {
            Some(found) => Some(found),
            None => self.names.get(&name.to_lowercase()).map(Vec::as_slice),
        }
    }

    /// The entity that a name means: singular, plural, table, or `schema.table`.
    ///
    /// # Errors
    /// An unknown name (with a near one, or the list of models), or one that several entities share.
    pub fn resolve(&self, name: &str) -> Result<EntityId> {
        match self.lookup(name) {
            Some([only]) => Ok(*only),
            Some(several) => {
                // An exact table name wins over another table's singular or plural.
                let exact: Vec<_> = several.iter().filter(|id| self.get(**id).table == name).collect();
                if let [only] = exact.as_slice() {
                    return Ok(**only);
                }
                // As in SQL, a bare name is one of the default schema's.
                let near: Vec<_> = several.iter().filter(|id| self.get(**id).schema.is_none()).collect();
                if let [only] = near.as_slice() {
                    return Ok(**only);
                }
                let full: Vec<String> = several.iter().map(|id| self.get(*id).qualified()).collect();
                Err(Error::invalid(format!("`{name}` could be any of {}", full.join(", ")))
                    .hint("name one of them in full"))
            }
            None => {
                let error = Error::unknown(format!("there is no model `{name}`"));
                if nearest(name, self.names.keys().map(String::as_str)).is_some() {
                    return Err(error.suggest(name, self.names.keys().map(String::as_str)));
                }
                let mut known: Vec<&str> = self.entities.iter().take(12).map(|entity| entity.name.as_str()).collect();
                known.sort_unstable();
                Err(if known.is_empty() {
                    error.hint("this database has no tables")
                } else {
                    error.hint(format!("the models are {}; `.models` lists them", known.join(", ")))
                })
            }
        }
    }
}

impl Entity {
    /// The table's name with its schema, where it has one.
    #[must_use]
    pub fn qualified(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{schema}.{}", self.table),
            None => self.table.clone(),
        }
    }
}
