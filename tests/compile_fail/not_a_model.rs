//! A struct that no `table!` stands behind.

use diesel_shell::Shell;

struct Car;

fn main() {
    Shell::builder().model::<Car>("car").run();
}
