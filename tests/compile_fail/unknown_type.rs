//! A column of an SQL type that the shell does not know.

use diesel::prelude::*;
use diesel_shell::Shell;

#[derive(diesel::sql_types::SqlType)]
pub struct Colour;

diesel::table! {
    use super::Colour;
    use diesel::sql_types::Integer;

    cars (id) {
        id -> Integer,
        colour -> Colour,
    }
}

#[derive(Identifiable)]
#[diesel(table_name = cars)]
struct Car {
    id: i32,
}

fn main() {
    Shell::builder().model::<Car>("car").run();
}
