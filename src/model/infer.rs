//! From what a database says of its tables to models with names and relationships. The same for every backend.

use super::names::{plural, singular, snake, title, without_id};
use super::{
    Cardinality, Catalog, Column, DataType, Entity, EntityId, EntityKind, ForeignKey, Index, Link, ReferentialAction,
    Relationship,
};
use std::collections::{HashMap, HashSet};

/// What a database says of one table or view.
#[derive(Debug, Clone, PartialEq)]
pub struct TableFacts {
    /// The schema, where it is not the default one.
    pub schema: Option<String>,
    /// The name.
    pub name: String,
    /// Table or view.
    pub kind: EntityKind,
    /// Its columns, in order.
    pub columns: Vec<Column>,
    /// Indexes of the primary key's columns, in the key's order.
    pub key: Vec<usize>,
    /// Indexes and unique constraints.
    pub indexes: Vec<Index>,
    /// Foreign keys.
    pub foreign_keys: Vec<ForeignKeyFacts>,
}

/// What a database says of one foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKeyFacts {
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to, with its schema where it is not the default one.
    pub to: (Option<String>, String),
    /// The columns referred to; empty for the primary key.
    pub to_columns: Vec<String>,
    /// What happens when the referred row is deleted.
    pub on_delete: ReferentialAction,
    /// What happens when the referred key changes.
    pub on_update: ReferentialAction,
}

/// Adds a model for every table that the catalog does not have yet, and the relationships of all of these.
pub fn add_tables(catalog: &mut Catalog, tables: Vec<TableFacts>) {
    let registered: HashMap<(Option<String>, String), EntityId> =
        catalog.iter().map(|(id, entity)| ((entity.schema.clone(), entity.table.clone()), id)).collect();
    let mut taken: HashSet<String> =
        catalog.iter().flat_map(|(_, entity)| [entity.name.clone(), entity.plural.clone()]).collect();
    let exact: HashSet<String> = tables.iter().map(|table| table.name.to_lowercase()).collect();
    let mut ids: HashMap<(Option<String>, String), EntityId> = registered.clone();
    let mut added = Vec::new();
    for table in tables {
        let place = (table.schema.clone(), table.name.clone());
        if registered.contains_key(&place) {
            continue;
        }
        let foreign_keys = table.foreign_keys.clone();
        let entity = entity(table, &mut taken, &exact);
        let id = catalog.insert(entity);
        ids.insert(place, id);
        added.push((id, foreign_keys));
    }
    for (id, keys) in &added {
        for key in keys {
            if let Some(key) = foreign_key(catalog, *id, key, &ids) {
                for (own, to) in key.columns.iter().zip(&key.to_columns) {
                    // A secret is one wherever it is referred to by.
                    if catalog.get(key.to).columns[*to].masked {
                        catalog.get_mut(*id).columns[*own].masked = true;
                    }
                }
                catalog.get_mut(*id).foreign_keys.push(key);
            }
        }
    }
    let ids: Vec<EntityId> = added.into_iter().map(|(id, _)| id).collect();
    for id in &ids {
        relate(catalog, *id);
    }
    for id in &ids {
        link(catalog, *id);
    }
}

fn entity(table: TableFacts, taken: &mut HashSet<String>, exact: &HashSet<String>) -> Entity {
    let base = snake(&table.name);
    let mut name = singular(&base);
    let mut many = plural(&name);
    // A derived name must not stand in the way of a table that is really called so.
    if name != base && exact.contains(&name) {
        name.clone_from(&base);
        many.clone_from(&base);
    }
    if taken.contains(&name) || taken.contains(&many) {
        let qualified = table.schema.as_deref().map(|schema| format!("{}_{base}", snake(schema)));
        name = qualified.unwrap_or_else(|| table.name.clone());
        many.clone_from(&name);
    }
    taken.insert(name.clone());
    taken.insert(many.clone());
    let natural_key = natural_key(&table.columns, &table.key, &table.indexes);
    let display = display(&table.columns, natural_key);
    Entity {
        title: title(&name),
        name,
        plural: many,
        schema: table.schema,
        table: table.name,
        kind: table.kind,
        columns: table.columns,
        key: table.key,
        indexes: table.indexes,
        foreign_keys: Vec::new(),
        relationships: Vec::new(),
        display,
        natural_key,
        checks: Vec::new(),
        constraints: Vec::new(),
    }
}

/// The one unique text that is never NULL, if there is just one.
pub(super) fn natural_key(columns: &[Column], key: &[usize], indexes: &[Index]) -> Option<usize> {
    let unique_text = |index: &Index| match index.columns.as_slice() {
        [only] if index.unique => {
            let column = &columns[*only];
            (!column.nullable && !column.masked && matches!(column.data_type, DataType::Text(_)) && !key.contains(only))
                .then_some(*only)
        }
        _ => None,
    };
    let mut natural: Vec<usize> = indexes.iter().filter_map(unique_text).collect();
    natural.sort_unstable();
    natural.dedup();
    if let [only] = natural.as_slice() { Some(*only) } else { None }
}

/// The column that stands for a record: its natural key, else a text with a telling name.
pub(super) fn display(columns: &[Column], natural_key: Option<usize>) -> Option<usize> {
    let text_named = |wanted: &str| {
        columns.iter().position(|column| {
            snake(&column.name) == wanted && matches!(column.data_type, DataType::Text(_)) && !column.masked
        })
    };
    natural_key
        .or_else(|| ["name", "title", "username", "label", "subject", "email"].iter().find_map(|name| text_named(name)))
}

fn foreign_key(
    catalog: &Catalog,
    from: EntityId,
    facts: &ForeignKeyFacts,
    ids: &HashMap<(Option<String>, String), EntityId>,
) -> Option<ForeignKey> {
    let find = |place: &(Option<String>, String)| {
        ids.get(place).copied().or_else(|| {
            // SQLite compares names without regard to case.
            ids.iter()
                .find(|((schema, name), _)| *schema == place.0 && name.eq_ignore_ascii_case(&place.1))
                .map(|(_, id)| *id)
        })
    };
    let to = find(&facts.to)?;
    let columns: Option<Vec<usize>> =
        facts.columns.iter().map(|name| catalog.get(from).column(name).map(|(at, _)| at)).collect();
    let target = catalog.get(to);
    let to_columns: Option<Vec<usize>> = if facts.to_columns.is_empty() {
        Some(target.key.clone())
    } else {
        facts.to_columns.iter().map(|name| target.column(name).map(|(at, _)| at)).collect()
    };
    let (columns, to_columns) = (columns?, to_columns?);
    if columns.is_empty() || columns.len() != to_columns.len() {
        // A key that refers to nothing: SQLite only finds out when it is used.
        return None;
    }
    Some(ForeignKey { columns, to, to_columns, on_delete: facts.on_delete, on_update: facts.on_update })
}

/// Both directions of each foreign key of one model.
fn relate(catalog: &mut Catalog, id: EntityId) {
    let keys = catalog.get(id).foreign_keys.clone();
    for key in &keys {
        let model = catalog.get(id);
        let target = catalog.get(key.to);
        let rivals = keys.iter().filter(|other| other.to == key.to).count() > 1;
        let to_one = match key.columns.as_slice() {
            [only] => without_id(&model.columns[*only].name, &target.columns[key.to_columns[0]].name),
            _ => target.name.clone(),
        };
        let unique =
            model.key == key.columns || model.indexes.iter().any(|index| index.unique && index.columns == key.columns);
        let base = if unique { model.name.clone() } else { model.plural.clone() };
        let to_many = if rivals { format!("{base}_by_{to_one}") } else { base };
        let to_one = free(catalog.get(id), to_one, &target.name.clone());
        let forward = Relationship {
            name: to_one,
            to: key.to,
            cardinality: Cardinality::One,
            local: key.columns.clone(),
            remote: key.to_columns.clone(),
            owning: true,
            link: None,
        };
        catalog.get_mut(id).relationships.push(forward);
        let model = catalog.get(id);
        let to_many = free(catalog.get(key.to), to_many, &model.plural.clone());
        let back = Relationship {
            name: to_many,
            to: id,
            cardinality: if unique { Cardinality::One } else { Cardinality::Many },
            local: key.to_columns.clone(),
            remote: key.columns.clone(),
            owning: false,
            link: None,
        };
        catalog.get_mut(key.to).relationships.push(back);
    }
}

/// A relationship name that the model does not have yet.
fn free(model: &Entity, wanted: String, other: &str) -> String {
    let taken = |name: &str| model.relationship(name).is_some();
    if !taken(&wanted) {
        return wanted;
    }
    let longer = format!("{wanted}_{other}");
    if !taken(&longer) {
        return longer;
    }
    (2..).map(|number| format!("{wanted}_{number}")).find(|name| !taken(name)).unwrap_or(wanted)
}

/// Many-to-many: a table whose primary key is made of two foreign keys links the two tables they refer to.
fn link(catalog: &mut Catalog, id: EntityId) {
    let model = catalog.get(id).clone();
    let [first, second] = model.foreign_keys.as_slice() else { return };
    let covered: HashSet<usize> = first.columns.iter().chain(&second.columns).copied().collect();
    let key: HashSet<usize> = model.key.iter().copied().collect();
    let unique = |columns: &[usize]| columns.iter().copied().collect::<HashSet<usize>>() == covered;
    let linking = (!key.is_empty() && key == covered)
        || (model.key.len() == 1
            && model.indexes.iter().any(|index| index.unique && unique(&index.columns))
            && model.columns.len() == covered.len() + 1);
    if !linking || first.columns.iter().any(|column| second.columns.contains(column)) {
        return;
    }
    for (near, far) in [(first, second), (second, first)] {
        let to = catalog.get(far.to);
        let mut name = to.plural.clone();
        if near.to == far.to {
            // A link of a table with itself: named by the far key.
            let columns = &model.columns;
            name = plural(&without_id(&columns[far.columns[0]].name, &to.columns[far.to_columns[0]].name));
        }
        let name = free(catalog.get(near.to), name, &model.plural);
        catalog.get_mut(near.to).relationships.push(Relationship {
            name,
            to: far.to,
            cardinality: Cardinality::Many,
            local: near.to_columns.clone(),
            remote: far.to_columns.clone(),
            owning: false,
            link: Some(Link { entity: id, near: near.columns.clone(), far: far.columns.clone() }),
        });
    }
}

/// The texts that a check allows for a column: `status IN ('open', 'done')`, also as PostgreSQL spells it,
/// `((status)::text = ANY ((ARRAY['open'::character varying, ...` .
#[must_use]
pub fn listed(check: &str, column: &str) -> Vec<String> {
    // ASCII alone: other letters may change their length, and places in the one text are places in the other.
    let lower = check.to_ascii_lowercase();
    let name = column.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower[from..].find(&name) {
        let start = from + found;
        let end = start + name.len();
        from = end;
        let whole = |c: Option<char>| c.is_none_or(|c| !(c.is_alphanumeric() || c == '_'));
        if !whole(lower[..start].chars().next_back()) || !whole(lower[end..].chars().next()) {
            continue;
        }
        let behind = lower[end..].trim_start_matches(['"', '`', ']', ')', ' ', '\n', '\t']);
        let behind = behind.strip_prefix("::text").map_or(behind, |rest| rest.trim_start_matches([')', ' ']));
        let Some(list) = behind.strip_prefix("in").or_else(|| behind.strip_prefix("= any")) else { continue };
        let at = check.len() - list.len();
        let close = if behind.starts_with("in") { ')' } else { ']' };
        return texts(&check[at..], close);
    }
    Vec::new()
}

/// The quoted texts up to a closing bracket.
fn texts(list: &str, close: char) -> Vec<String> {
    let mut found = Vec::new();
    let mut text: Option<String> = None;
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match (&mut text, c) {
            (Some(inside), '\'') if chars.peek() == Some(&'\'') => {
                chars.next();
                inside.push('\'');
            }
            (Some(_), '\'') => found.extend(text.take()),
            (Some(inside), c) => inside.push(c),
            (None, '\'') => text = Some(String::new()),
            (None, c) if c == close => break,
            (None, _) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn checks_list_values() {
        assert_eq!(listed("check (status in ('open', 'it''s done'))", "status"), ["open", "it's done"]);
        assert_eq!(
            listed("CHECK (((m)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))", "m"),
            ["a", "b"]
        );
        assert_eq!(listed("check (substatus in ('x'))", "status"), Vec::<String>::new());
        assert_eq!(listed("check (n > 3)", "n"), Vec::<String>::new());
        assert_eq!(listed("check (İ in ('ö') or İİ or n in ('x'))", "n"), ["x"]);
    }
}
