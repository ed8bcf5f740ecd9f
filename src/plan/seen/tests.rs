use super::{Reading, reading};
use crate::model::{
    Catalog, Column, DataType, Entity, EntityId, EntityKind, Events, ForeignKey, Quirk, QuirkKind, ReferentialAction,
    Value,
};
use crate::plan::overlay::Overlay;
use crate::plan::query::Select;

const ALL: Events = Events { insert: true, update: true, delete: true };

/// users, posts that refer to them, comments that refer to posts, and a view.
struct World {
    catalog: Catalog,
    users: EntityId,
    posts: EntityId,
    comments: EntityId,
    view: EntityId,
}

fn world(on_update: ReferentialAction) -> World {
    let mut catalog = Catalog::default();
    let mut add = |name: &str, to: Option<EntityId>, kind: EntityKind| {
        let mut computed = Column::new("computed", DataType::Int(64));
        computed.generated = name == "comment";
        let columns = vec![Column::new("id", DataType::Int(64)), Column::new("parent_id", DataType::Int(64)), computed];
        let key = |to| ForeignKey {
            columns: vec![1],
            to,
            to_columns: vec![0],
            on_delete: ReferentialAction::Cascade,
            on_update,
        };
        catalog.insert(Entity {
            name: name.into(),
            plural: format!("{name}s"),
            title: name.into(),
            schema: None,
            table: format!("{name}s"),
            kind,
            columns,
            key: vec![0],
            indexes: Vec::new(),
            foreign_keys: to.map(key).into_iter().collect(),
            relationships: Vec::new(),
            display: None,
            natural_key: None,
            checks: Vec::new(),
            constraints: Vec::new(),
        })
    };
    let users = add("user", None, EntityKind::Table);
    let posts = add("post", Some(users), EntityKind::Table);
    let comments = add("comment", Some(posts), EntityKind::Table);
    let view = add("summary", None, EntityKind::View);
    World { catalog, users, posts, comments, view }
}

impl World {
    fn reads(&self, entity: EntityId, overlay: &Overlay, quirks: &[Quirk]) -> String {
        match reading(&Select::all(entity, &self.catalog), overlay, quirks, &self.catalog) {
            Reading::Applied(why) => why,
            other => format!("{other:?}"),
        }
    }

    fn updated(&self, entity: EntityId, column: usize) -> Overlay {
        let mut overlay = Overlay::default();
        overlay.update(entity, &[Value::Int(1)], &[(column, Value::Int(2))], &self.catalog);
        overlay
    }
}

fn quirk(table: &str, kind: QuirkKind) -> Quirk {
    Quirk { schema: None, table: table.into(), kind }
}

#[test]
fn only_tables_with_changes_are_overlaid() {
    let world = world(ReferentialAction::Restrict);
    let overlay = world.updated(world.users, 2);
    assert_eq!(world.reads(world.users, &overlay, &[]), "Overlay");
    assert_eq!(world.reads(world.posts, &overlay, &[]), "Plain");
    assert_eq!(world.reads(world.view, &overlay, &[]), "summarys is a view");
    assert_eq!(world.reads(world.view, &Overlay::default(), &[]), "Plain");
}

#[test]
fn triggers_count_where_changes_reach() {
    let world = world(ReferentialAction::Restrict);
    let on = |table: &str, events| [quirk(table, QuirkKind::Trigger(events))];
    let overlay = world.updated(world.users, 2);
    // A trigger may write anywhere, so it matters for whatever is read.
    assert_eq!(world.reads(world.users, &overlay, &on("users", ALL)), "users have triggers");
    assert_eq!(world.reads(world.posts, &overlay, &on("users", ALL)), "users have triggers");
    assert_eq!(world.reads(world.users, &overlay, &on("posts", ALL)), "Overlay");
    assert_eq!(world.reads(world.users, &overlay, &on("users", Events { update: false, ..ALL })), "Overlay");
    // A delete reaches comments by way of posts.
    let mut overlay = Overlay::default();
    overlay.delete(world.users, &[Value::Int(1)], &world.catalog);
    assert_eq!(world.reads(world.users, &overlay, &on("comments", ALL)), "comments have triggers");
    assert_eq!(world.reads(world.users, &overlay, &on("comments", Events { delete: false, ..ALL })), "Overlay");
}

#[test]
fn what_tables_do_by_themselves() {
    let world = world(ReferentialAction::Restrict);
    let overlay = world.updated(world.users, 2);
    for (kind, why) in [
        (QuirkKind::Rule, "users have rules"),
        (QuirkKind::RowSecurity, "users have row security"),
        (QuirkKind::Conflict, "users settle conflicts by themselves"),
        (QuirkKind::Virtual, "users is a virtual table"),
        (QuirkKind::Collation, "Overlay"),
        (QuirkKind::Family, "Overlay"),
    ] {
        assert_eq!(world.reads(world.users, &overlay, &[quirk("users", kind)]), why);
    }
    let family = [quirk("users", QuirkKind::Family)];
    assert_eq!(world.reads(world.posts, &overlay, &family), "users share their rows with other tables");
}

#[test]
fn keys_that_others_follow() {
    let world = world(ReferentialAction::Cascade);
    let overlay = world.updated(world.users, 0);
    assert_eq!(world.reads(world.users, &overlay, &[]), "Overlay");
    assert_eq!(world.reads(world.posts, &overlay, &[]), "posts follow users");
    // Only what is referred to is followed.
    assert_eq!(world.reads(world.posts, &world.updated(world.users, 2), &[]), "Plain");
}

#[test]
fn values_that_nobody_knows() {
    let world = world(ReferentialAction::Restrict);
    let overlay = world.updated(world.comments, 1);
    assert_eq!(world.reads(world.comments, &overlay, &[]), "computed of comments is computed");
    let mut overlay = Overlay::default();
    let row = [Value::Int(1), Value::Null, Value::Int(3)];
    overlay.insert(world.comments, Some(&row[..1]), &row, &world.catalog);
    assert_eq!(world.reads(world.comments, &overlay, &[]), "Overlay");
    overlay.insert_unknown(world.comments, &world.catalog);
    assert_eq!(world.reads(world.comments, &overlay, &[]), "not all of what is staged for comments is known");
}
