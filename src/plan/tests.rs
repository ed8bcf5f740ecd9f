//! Names, conditions, figures, orders and changes by tables of cases: what is refused, and with which words. The SQL that
//! comes of what is taken is held by `database/fragment/tests.rs`.

pub mod world;

use super::{assignments, meanings};
use crate::cases;
use crate::language::ast::{Command, RecordRef, Source};
use crate::language::parse;
use crate::model::Value;
use world::World;

#[test]
fn what_is_refused() {
    let mut world = World::new();
    let count = cases::hold("plan/cases/refused.txt", &mut |text| match world.planned(text) {
        Ok(_) => vec!["taken".into()],
        Err(error) => cases::refused(text, &error),
    });
    assert!(count >= 60, "{count}");
}

#[test]
fn what_a_change_writes() {
    let mut world = World::new();
    let count = cases::hold("plan/cases/changes.txt", &mut |text| {
        let catalog = world.catalog.clone();
        let command = match parse(text, &catalog) {
            Ok(command) => command,
            Err(error) => return cases::refused(text, &error),
        };
        let planned = match command {
            Command::Add(model, given) => {
                catalog.resolve(&model.text).and_then(|id| Ok((id, assignments(id, &given, true, &mut world)?)))
            }
            Command::Set(crate::language::ast::Target::Where(model, _), given) => {
                catalog.resolve(&model.text).and_then(|id| Ok((id, assignments(id, &given, false, &mut world)?)))
            }
            other => panic!("{other:?}"),
        };
        match planned {
            Ok((id, values)) => {
                let model = catalog.get(id);
                let pair = |(at, value): &(usize, Value)| format!("{}={value:?}", model.columns[*at].name);
                vec![values.iter().map(pair).collect::<Vec<_>>().join(" ")]
            }
            Err(error) => cases::refused(text, &error),
        }
    });
    assert!(count >= 50, "{count}");
}

#[test]
fn what_a_key_may_mean() {
    let world = World::new();
    let count = cases::hold("plan/cases/keys.txt", &mut |text| {
        let catalog = world.catalog.clone();
        let Ok(Command::Query(query)) = parse(text, &catalog) else { panic!("{text}") };
        let Source::Record(RecordRef::Key { model, key }, _) = query.source else { panic!("{text}") };
        let id = catalog.resolve(&model.text).unwrap();
        match meanings(id, &key, &world) {
            Ok(found) => {
                let by = |by: &super::By| {
                    let columns = &catalog.get(id).columns;
                    by.iter()
                        .map(|(at, value)| format!("{}={value:?}", columns[*at].name))
                        .collect::<Vec<_>>()
                        .join(" and ")
                };
                let mut ways: Vec<String> = found.unique.iter().map(by).collect();
                ways.extend(found.label.iter().map(|label| format!("called {}", by(label))));
                vec![ways.join(" or ")]
            }
            Err(error) => cases::refused(text, &error),
        }
    });
    assert!(count >= 20, "{count}");
}
