//! A relationship that the types do not have.

use diesel::prelude::*;
use diesel_shell::Shell;

diesel::table! {
    owners (id) {
        id -> Integer,
    }
}

diesel::table! {
    cars (id) {
        id -> Integer,
        owner_id -> Integer,
    }
}

#[derive(Identifiable)]
#[diesel(table_name = owners)]
struct Owner {
    id: i32,
}

#[derive(Identifiable)]
#[diesel(table_name = cars)]
struct Car {
    id: i32,
}

fn main() {
    Shell::builder().model::<Owner>("owner").model::<Car>("car").belongs_to::<Car, Owner>("owner", "cars").run();
}
