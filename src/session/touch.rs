//! What changes have to do with each other: which must keep their order, and which others a change needs.
//!
//! Every change touches a few *slots*: a record by its key, a value that has to be unique, a key that is referred to. Two
//! changes that touch no slot in common cannot tell in which order they are sent.

use super::journal::Change;
use crate::model::{Catalog, ColumnDefault, DataType, Entity, EntityId, ForeignKey, ReferentialAction, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// What a change does to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Makes it: a new record, a new unique value.
    Gives,
    /// Frees it: a deleted record, a unique value that is replaced.
    Takes,
    /// Edits the record.
    Edits,
    /// Refers to it by a foreign key.
    Refers,
    /// Names a key that may be one which the database is to give: comes behind what gives it, and nothing waits for it.
    Follows,
}

/// A slot that a change touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Touch {
    /// The hash of what it is. Two slots of one hash only mean more order than is needed.
    pub slot: u64,
    /// What is done to it.
    pub role: Role,
}

/// Whether a change that touches a slot must stay behind an earlier one that touches it too. What frees a slot twice has
/// something between that makes it, or frees no more than a part of it.
#[must_use]
pub const fn ordered(earlier: Role, later: Role) -> bool {
    match (earlier, later) {
        (Role::Gives, Role::Follows) => true,
        (Role::Follows, _) | (_, Role::Follows) => false,
        (Role::Refers, Role::Refers | Role::Edits) | (Role::Edits, Role::Refers) | (Role::Takes, Role::Takes) => false,
        _ => true,
    }
}

/// Values that may be equal in the database hash alike: texts without case and blanks at their ends (collations,
/// `char(n)`), numbers by their value.
fn hash_value(value: &Value, data_type: &DataType, hasher: &mut DefaultHasher) {
    let number = |number: f64, hasher: &mut DefaultHasher| (number + 0.0).to_bits().hash(hasher);
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => number(f64::from(u8::from(*value)), hasher),
        Value::Int(value) => number(*value as f64, hasher),
        Value::Float(value) => number(*value, hasher),
        Value::Text(text) => match (data_type, text.parse::<f64>()) {
            (DataType::Numeric | DataType::Int(_) | DataType::Float, Ok(value)) => number(value, hasher),
            _ => lowered(text.trim()).hash(hasher),
        },
        Value::Bytes(bytes) => bytes.hash(hasher),
    }
}

/// A text in small letters, each by itself.
fn lowered(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().flat_map(char::to_lowercase).collect() }
}

/// The touches of changes to the tables of one catalog.
#[derive(Debug)]
pub struct Touches<'a> {
    catalog: &'a Catalog,
    tables: HashMap<EntityId, Table>,
}

/// What of a table's changes others can tell.
#[derive(Debug, Default)]
struct Table {
    /// Lists of columns whose values are unique or referred to; the key is the first where there is one.
    identities: Vec<Vec<usize>>,
    /// It is reached by the actions of a foreign key: its changes are told apart no further.
    reached: bool,
    /// Tables that lose or change records when this one's go.
    spreads: Vec<EntityId>,
    /// A unique index over expressions.
    opaque: bool,
    /// New records may refer to one of its records without saying so: by a default of the database.
    defaulted: bool,
}

/// Whether the database may fill in a reference that a new record does not name.
fn is_filled_in(model: &Entity, key: &ForeignKey, columns: &[usize]) -> bool {
    key.columns.iter().any(|column| {
        !columns.contains(column) && matches!(model.columns[*column].default, Some(ColumnDefault::Database(_)))
    })
}

impl Table {
    fn of(id: EntityId, catalog: &Catalog) -> Self {
        let model = catalog.get(id);
        let mut identities: Vec<Vec<usize>> = Vec::new();
        let mut add = |columns: &[usize]| {
            let mut columns = columns.to_vec();
            columns.sort_unstable();
            if !columns.is_empty() && !identities.contains(&columns) {
                identities.push(columns);
            }
        };
        add(&model.key);
        let unique = model.indexes.iter().filter(|index| index.unique);
        let opaque = unique.clone().any(|index| index.columns.is_empty());
        unique.for_each(|index| add(&index.columns));
        for (_, other) in catalog.iter() {
            other.foreign_keys.iter().filter(|key| key.to == id).for_each(|key| add(&key.to_columns));
        }
        let acts = |key: &ForeignKey| {
            key.on_delete != ReferentialAction::Restrict || key.on_update != ReferentialAction::Restrict
        };
        let mut spreads = Vec::new();
        let mut from = vec![id];
        while let Some(id) = from.pop() {
            for (child, other) in catalog.iter() {
                if !spreads.contains(&child) && other.foreign_keys.iter().any(|key| key.to == id && acts(key)) {
                    spreads.push(child);
                    from.push(child);
                }
            }
        }
        let defaulted = catalog
            .iter()
            .any(|(_, other)| other.foreign_keys.iter().any(|key| key.to == id && is_filled_in(other, key, &[])));
        Self { identities, reached: model.foreign_keys.iter().any(acts), spreads, opaque, defaulted }
    }
}

impl<'a> Touches<'a> {
    /// For a catalog.
    #[must_use]
    pub fn new(catalog: &'a Catalog) -> Self {
        Self { catalog, tables: HashMap::new() }
    }

    /// Puts the slots that a change touches into `out`.
    pub fn of(&mut self, change: &Change, out: &mut Vec<Touch>) {
        out.clear();
        let id = change.entity();
        let catalog = self.catalog;
        let model = catalog.get(id);
        let table = self.tables.entry(id).or_insert_with(|| Table::of(id, catalog));
        fn known(values: &[(usize, Value)], column: usize) -> Option<&Value> {
            values.iter().find(|(at, _)| *at == column).map(|(_, value)| value)
        }
        // The values before and after, as far as they are known; and whether the record comes or goes.
        let (before, after): (Values<'_>, Values<'_>) = match change {
            Change::Insert { columns, values, .. } => {
                (None, Some(Box::new(|column| columns.iter().position(|at| *at == column).map(|at| &values[at]))))
            }
            Change::Update { key, set, base, .. } => {
                let keyed = move |column: usize| model.key.iter().position(|at| *at == column).map(|at| &key[at]);
                (
                    Some(Box::new(move |column| known(base, column).or_else(|| keyed(column)))),
                    Some(Box::new(move |column| known(set, column).or_else(|| keyed(column)))),
                )
            }
            Change::Delete { key, base, .. } => {
                let keyed = move |column: usize| model.key.iter().position(|at| *at == column).map(|at| &key[at]);
                (Some(Box::new(move |column| known(base, column).or_else(|| keyed(column)))), None)
            }
        };
        let slot = |columns: &[usize], of: EntityId, own: &[usize], value: &Values<'_>| -> Option<u64> {
            let mut hasher = DefaultHasher::new();
            (of.0, columns).hash(&mut hasher);
            for column in own {
                let value = value.as_ref()?(*column).filter(|value| !value.is_null())?;
                hash_value(value, &model.columns[*column].data_type, &mut hasher);
            }
            Some(hasher.finish())
        };
        let set = match change {
            Change::Update { set, .. } => Some(set),
            _ => None,
        };
        let changes = |columns: &[usize]| {
            set.is_none_or(|set| columns.iter().any(|column| set.iter().any(|(changed, _)| changed == column)))
        };
        let whole = |of: EntityId, what: &str| {
            let mut hasher = DefaultHasher::new();
            (of.0, what).hash(&mut hasher);
            Some(hasher.finish())
        };
        let mut touch = |slot: Option<u64>, role: Role| out.extend(slot.map(|slot| Touch { slot, role }));
        for (index, columns) in table.identities.iter().enumerate() {
            if changes(columns) {
                touch(slot(columns, id, columns, &before), Role::Takes);
                touch(slot(columns, id, columns, &after), Role::Gives);
            } else if index == 0 && !model.key.is_empty() {
                touch(slot(columns, id, columns, &before), Role::Edits);
            }
        }
        for key in model.foreign_keys.iter().filter(|key| changes(&key.columns)) {
            let mut pairs: Vec<(usize, usize)> =
                key.to_columns.iter().copied().zip(key.columns.iter().copied()).collect();
            pairs.sort_unstable();
            let (to, own): (Vec<usize>, Vec<usize>) = pairs.into_iter().unzip();
            touch(slot(&to, key.to, &own, &before), Role::Refers);
            touch(slot(&to, key.to, &own, &after), Role::Refers);
            if catalog.get(key.to).numbered_key().is_some_and(|number| to == [number]) {
                touch(whole(key.to, "numbers"), Role::Follows);
            }
        }
        if table.opaque {
            touch(whole(id, "unique"), Role::Gives);
        }
        if table.reached {
            touch(whole(id, "spread"), Role::Refers);
        }
        let takes =
            matches!(change, Change::Delete { .. }) || set.is_some_and(|_| table.identities.iter().any(|c| changes(c)));
        if takes {
            for child in &table.spreads {
                touch(whole(*child, "spread"), Role::Takes);
            }
        }
        let comes_or_goes = set.is_none_or(|_| table.identities.iter().any(|columns| changes(columns)));
        if table.defaulted && comes_or_goes {
            touch(whole(id, "default"), Role::Refers);
        }
        if let Change::Insert { columns, .. } = change {
            for key in model.foreign_keys.iter().filter(|key| is_filled_in(model, key, columns)) {
                touch(whole(key.to, "default"), Role::Takes);
            }
        }
        // Numbers are given in the order in which records arrive, and may be those of records that are gone.
        if model.numbered_key().is_some() {
            let role = match change {
                Change::Insert { columns, .. } if is_unnumbered(model, columns) => Role::Gives,
                Change::Insert { .. } | Change::Delete { .. } => Role::Refers,
                Change::Update { .. } => Role::Follows,
            };
            touch(whole(id, "numbers"), role);
        }
    }
}

type Values<'v> = Option<Box<dyn Fn(usize) -> Option<&'v Value> + 'v>>;

/// Whether an insert leaves its key to the database.
#[must_use]
pub fn is_unnumbered(model: &Entity, columns: &[usize]) -> bool {
    model.numbered_key().is_some_and(|key| !columns.contains(&key))
}

/// The changes among those staged before that a new one needs, or meets: as indexes, oldest first.
///
/// A record that it refers to or edits and that is staged itself; a unique value that is freed or taken by what is staged;
/// for what goes, also what refers to it; and whatever those need in turn.
#[must_use]
pub fn needed<'c>(staged: impl Iterator<Item = &'c Change>, new: &[Change], catalog: &Catalog) -> Vec<usize> {
    let mut touches = Touches::new(catalog);
    // All that was staged, by slot.
    let mut by_slot: HashMap<u64, Vec<(usize, Role)>> = HashMap::new();
    let mut all: Vec<Vec<Touch>> = Vec::new();
    let mut list = Vec::new();
    for (index, change) in staged.enumerate() {
        touches.of(change, &mut list);
        for touch in &list {
            by_slot.entry(touch.slot).or_default().push((index, touch.role));
        }
        all.push(list.clone());
    }
    let mut found = std::collections::BTreeSet::new();
    // What was staged before this one may matter to it.
    let mut open: Vec<(Touch, usize)> = Vec::new();
    for change in new {
        touches.of(change, &mut list);
        open.extend(list.iter().map(|touch| (*touch, all.len())));
    }
    while let Some((touch, before)) = open.pop() {
        for (index, role) in by_slot.get(&touch.slot).into_iter().flatten().filter(|(index, _)| *index < before) {
            // What comes needs none of those that refer to it.
            let needs = ordered(*role, touch.role) && !(touch.role == Role::Gives && *role == Role::Refers);
            if needs && found.insert(*index) {
                open.extend(all[*index].iter().map(|touch| (*touch, *index)));
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests;
