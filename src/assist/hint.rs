//! Hints in grey: the slots still to come.

use super::entity_at;
use crate::language::trace;
use crate::model::{Catalog, Entity, EntityId};

/// What could still be typed, for a command that adds: required fields first, the others in brackets.
///
/// `add user username=john` is followed by ` email= [password_hash=]`.
#[must_use]
pub fn hint(text: &str, catalog: &Catalog, variable: &dyn Fn(&str) -> Option<EntityId>) -> Option<String> {
    let trimmed = text.trim_start();
    if !trimmed.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case("add ")) {
        return None;
    }
    let trace = trace(text, catalog);
    let entity = catalog.get(entity_at(&trace.scope, catalog, variable)?);
    let rest = slots(entity, &trace.assigned);
    if rest.is_empty() {
        return None;
    }
    let blank = text.ends_with(' ');
    // While a name or a model is being typed there is nothing to say about what follows it.
    let last = text.rsplit(' ').next().unwrap_or_default();
    let complete = blank || last.contains('=');
    complete.then(|| if blank { rest } else { format!(" {rest}") })
}

fn slots(entity: &Entity, assigned: &[String]) -> String {
    let (mut required, mut optional) = (Vec::new(), Vec::new());
    for (at, column) in entity.columns.iter().enumerate() {
        if column.generated || column.numbered {
            continue;
        }
        let way = entity.relationships.iter().find(|way| way.owning && way.local == [at]);
        let name = way.map_or(column.name.as_str(), |way| way.name.as_str());
        if assigned.iter().any(|known| *known == name || *known == column.name) {
            continue;
        }
        if column.required() {
            required.push(format!("{name}="));
        } else {
            optional.push(format!("[{name}=]"));
        }
    }
    required.extend(optional);
    required.join(" ")
}
