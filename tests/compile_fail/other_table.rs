//! A column of another table.

use diesel::prelude::*;
use diesel_shell::Shell;

diesel::table! {
    owners (id) {
        id -> Integer,
        name -> Text,
    }
}

diesel::table! {
    cars (id) {
        id -> Integer,
    }
}

#[derive(Identifiable)]
#[diesel(table_name = cars)]
struct Car {
    id: i32,
}

fn main() {
    Shell::builder().model_with::<Car>("car", |car| car.display(owners::name)).run();
}
