use super::{Kind, Overlay};
use crate::model::{Catalog, Cell, Column, DataType, Entity, EntityId, EntityKind, Value};

/// A table with these key columns and a text, and one without a key.
fn catalog(key: &[DataType]) -> (Catalog, EntityId) {
    let mut columns: Vec<Column> =
        key.iter().enumerate().map(|(at, data_type)| Column::new(format!("k{at}"), data_type.clone())).collect();
    columns.push(Column::new("name", DataType::Text(None)));
    columns.push(Column::new("n", DataType::Int(64)));
    let mut catalog = Catalog::default();
    let entity = catalog.insert(Entity {
        name: "t".into(),
        plural: "ts".into(),
        title: "T".into(),
        schema: None,
        table: "t".into(),
        kind: EntityKind::Table,
        columns,
        key: (0..key.len()).collect(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        relationships: Vec::new(),
        display: None,
        natural_key: None,
        checks: Vec::new(),
        constraints: Vec::new(),
    });
    (catalog, entity)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// Each row as `kind key <- from: column=value ...`, in order.
fn shown(overlay: &Overlay, entity: EntityId) -> Vec<String> {
    let list = |cells: super::Cells<'_>| cells.map(|cell| cell.to_string()).collect::<Vec<_>>().join(",");
    let row = |row: super::StagedRow<'_>| {
        let set: Vec<String> = row.set().map(|(column, cell)| format!("{column}={cell}")).collect();
        let from = if row.kind == Kind::Changed { format!(" <- {}", list(row.from())) } else { String::new() };
        format!("{:?} {}{from}: {}", row.kind, list(row.key()), set.join(" "))
    };
    overlay.get(entity).into_iter().flat_map(super::Staged::rows).map(row).collect()
}

#[test]
fn changes_are_folded_in_the_order_typed() {
    let (catalog, t) = catalog(&[DataType::Int(64)]);
    let mut overlay = Overlay::default();
    overlay.insert(t, Some(&[Value::Int(7)]), &[Value::Int(7), text("a"), Value::Null], &catalog);
    overlay.update(t, &[Value::Int(7)], &[(2, Value::Int(5))], &catalog);
    overlay.update(t, &[Value::Int(1)], &[(1, text("b"))], &catalog);
    overlay.update(t, &[Value::Int(1)], &[(2, Value::Int(3)), (1, text("c"))], &catalog);
    overlay.delete(t, &[Value::Int(2)], &catalog);
    overlay.update(t, &[Value::Int(2)], &[(1, text("too late"))], &catalog);
    assert_eq!(shown(&overlay, t), ["New 7: 0=7 1=a 2=5", "Changed 1 <- 1: 2=3 1=c", "Gone 2: "]);
    overlay.delete(t, &[Value::Int(7)], &catalog);
    overlay.insert(t, Some(&[Value::Int(2)]), &[Value::Int(2), text("again"), Value::Null], &catalog);
    assert_eq!(shown(&overlay, t), ["Gone 7: ", "Changed 1 <- 1: 2=3 1=c", "New 2: 0=2 1=again 2="]);
    let staged = overlay.get(t).unwrap();
    assert_eq!((staged.new_rows(), staged.changed_rows(), staged.hidden()), (1, 1, 3));
    assert_eq!((staged.set_in(0), staged.set_in(1), staged.set_in(2)), (0, 1, 1));
}

#[test]
fn keys_may_change_and_be_swapped() {
    let (catalog, t) = catalog(&[DataType::Int(64)]);
    let mut overlay = Overlay::default();
    let mut to = |from: i64, to: i64| {
        overlay.update(t, &[Value::Int(from)], &[(0, Value::Int(to))], &catalog);
    };
    to(1, 3);
    to(2, 1);
    to(3, 2);
    assert_eq!(shown(&overlay, t), ["Changed 1 <- 2: 0=1", "Gone 3: ", "Changed 2 <- 1: 0=2"]);
    // Back to where it was: a change that sets what is there.
    overlay.update(t, &[Value::Int(2)], &[(0, Value::Int(4))], &catalog);
    overlay.update(t, &[Value::Int(1)], &[(0, Value::Int(2))], &catalog);
    assert_eq!(shown(&overlay, t), ["Gone 1: ", "Gone 3: ", "Changed 2 <- 2: 0=2", "Changed 4 <- 1: 0=4"]);
}

#[test]
fn a_new_row_takes_its_new_key_along() {
    let (catalog, t) = catalog(&[DataType::Text(None), DataType::Int(64)]);
    let mut overlay = Overlay::default();
    let key = [text("a"), Value::Int(1)];
    overlay.insert(t, Some(&key), &[text("a"), Value::Int(1), text("x"), Value::Null], &catalog);
    overlay.update(t, &key, &[(1, Value::Int(2))], &catalog);
    assert_eq!(shown(&overlay, t), ["Gone a,1: ", "New a,2: 0=a 1=2 2=x 3="]);
    let row = overlay.row(t, &[text("a"), Value::Int(2)], &catalog).unwrap();
    assert_eq!(row.get(1), Some(Cell::Int(2)));
    assert!(overlay.row(t, &[text("b"), Value::Int(2)], &catalog).is_none());
}

#[test]
fn rows_without_a_key_are_all_new() {
    let (catalog, t) = catalog(&[]);
    let mut overlay = Overlay::default();
    overlay.insert(t, None, &[text("a"), Value::Null], &catalog);
    overlay.insert(t, None, &[text("a"), Value::Null], &catalog);
    assert_eq!(shown(&overlay, t), ["New : 0=a 1=", "New : 0=a 1="]);
    assert_eq!(overlay.get(t).unwrap().hidden(), 0);
}

#[test]
fn a_decimal_key_has_one_spelling() {
    let (catalog, t) = catalog(&[DataType::Numeric]);
    let mut overlay = Overlay::default();
    overlay.insert(t, Some(&[text("1.50")]), &[text("1.50"), text("a"), Value::Null], &catalog);
    for same in [text("1.5"), Value::Float(1.5), text("+01.500")] {
        assert!(overlay.row(t, &[same], &catalog).is_some());
    }
    overlay.update(t, &[Value::Float(1.5)], &[(1, text("b"))], &catalog);
    overlay.delete(t, &[text("-0.0")], &catalog);
    assert_eq!(shown(&overlay, t), ["New 1.5: 0=1.50 1=b 2=", "Gone 0: "]);
}

#[test]
fn a_store_can_tell_what_it_has() {
    let (catalog, t) = catalog(&[DataType::Int(64)]);
    let mut overlay = Overlay::default();
    for key in 0..10 {
        overlay.delete(t, &[Value::Int(key)], &catalog);
    }
    let version = overlay.get(t).unwrap().version();
    assert_eq!(overlay.get(t).unwrap().rows_since(version).count(), 0);
    overlay.insert(t, Some(&[Value::Int(4)]), &[Value::Int(4), Value::Null, Value::Null], &catalog);
    let newer: Vec<usize> = overlay.get(t).unwrap().rows_since(version).map(|row| row.slot).collect();
    assert_eq!(newer, [4]);
    assert_ne!(overlay.get(t).unwrap().identity(), Overlay::default().staged(t, &catalog).identity());
}

/// What a row costs beside its values, which are at least its key and one column.
#[test]
fn rows_are_small() {
    let (catalog, t) = catalog(&[DataType::Int(64)]);
    let mut overlay = Overlay::default();
    for key in 0..10_000 {
        overlay.update(t, &[Value::Int(key)], &[(2, Value::Int(key))], &catalog);
    }
    let staged = overlay.get(t).unwrap();
    let packed: usize = staged.slots.iter().map(|slot| slot.packed.len()).sum();
    let beside = staged.slots.capacity() * size_of::<super::Slot>() + staged.keys.capacity() * size_of::<u32>();
    assert!((packed + beside) / 10_000 < 70, "{packed} {beside}");
}
